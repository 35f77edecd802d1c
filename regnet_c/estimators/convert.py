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

    Explained in :doc:`/integrations`.

    Raises
    ------
    ImportError
        Without the package skl2onnx.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> import skl2onnx
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.random.RandomState(0).randn(100, 2).astype("float32")
    >>> last = rn.RegNetClassifier((4,), learning_rate_init=0.05, random_state=0)
    >>> model = make_pipeline(StandardScaler(), last)
    >>> _ = model.fit(X, X[:, 0] > 0)
    >>> rn.estimators.register_skl2onnx()
    >>> onnx_model = skl2onnx.to_onnx(model, X[:1])
    >>> [output.name for output in onnx_model.graph.output]
    ['output_label', 'output_probability']
    """
    skl2onnx.register(RegNetClassifier, RegNetRegressor)
