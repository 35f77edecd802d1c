"""The estimators for converters of other packages."""

from __future__ import annotations

from ..export import skl2onnx
from .classifier import RegNetClassifier
from .regressor import RegNetRegressor


def register_skl2onnx() -> None:
    """Let skl2onnx convert both estimators, alone and as the last step of a pipeline.

    ``skl2onnx.convert_sklearn`` then returns what `predict` and `predict_proba` return.  An
    estimator with an encoder takes one input (rows, 1) per column, named like it, or one
    array of all columns: text for levels, "" where one is missing; numbers of any type
    for numbers, NaN where one is missing; dates as seconds since 1970. Levels that are
    numbers or booleans may be passed as such. With ``encoder=None`` all inputs are
    numbers.
    Needs opset 17 or newer.

    Raises
    ------
    ImportError
        Without the package skl2onnx.
    """
    skl2onnx.register(RegNetClassifier, RegNetRegressor)
