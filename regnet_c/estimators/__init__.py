"""Networks with scikit-learn's interface: RegNetClassifier and RegNetRegressor.

The only folder that needs scikit-learn, so the package imports it on first use.  `base`
holds the training run, `classifier` and `regressor` what a target is; what the parameters
mean, and when to stop, is in `regnet_c.recipes`.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data as _needed  # noqa: F401
except ImportError as _error:
    raise ImportError(
        "RegNetClassifier and RegNetRegressor need scikit-learn 1.6 or newer: "
        "pip install regnet-c[sklearn]"
    ) from _error

from .classifier import RegNetClassifier
from .convert import register_skl2onnx
from .regressor import RegNetRegressor

__all__ = ["RegNetClassifier", "RegNetRegressor", "register_skl2onnx"]
