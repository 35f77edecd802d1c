"""regnet_c: regularised neural networks on the CPU.

REGNET_C_ISA=base|avx2|avx512 in the environment overrides the choice of kernels.
"""

from importlib import import_module as _import_module

from . import kernels
from ._core.machine import cpu_info, get_include
from ._version import __version__
from .blocks import Blocks
from .callbacks import Callback, Checkpoint, EarlyStopping, Prune
from .diagnose import Diagnosis
from .errors import DeadStartWarning, DivergenceError, ModelFileError
from .history import History
from .lassonet import LassoNet
from .layers import Dense, Dropout
from .losses import Loss
from .network import Network
from .optimizers import FTRL, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from .path import RegularizationPath, StabilitySelection, regularization_path
from .penalties import (
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    NonNegative,
    Penalty,
    SparseGroupLasso,
)

__all__ = [
    "FTRL",
    "L1",
    "L2",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Blocks",
    "Callback",
    "Checkpoint",
    "DeadStartWarning",
    "Dense",
    "Diagnosis",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "ElasticNet",
    "GroupLasso",
    "History",
    "LassoNet",
    "Loss",
    "ModelFileError",
    "Network",
    "NonNegative",
    "Optimizer",
    "Penalty",
    "Prune",
    "RMSprop",
    "RegularizationPath",
    "SparseGroupLasso",
    "StabilitySelection",
    "__version__",
    "cpu_info",
    "get_include",
    "kernels",
    "regularization_path",
]

# modules that are loaded when somebody asks for them: they are not needed to train, or
# need an extra
_LATER = (
    "cli",
    "dask",
    "datasets",
    "estimators",
    "plots",
    "recipes",
    "reproduce",
    "tables",
    "typing",
)


def __getattr__(name):
    """The estimators, which alone need scikit-learn, and modules, on first use."""
    if name in _LATER:
        return _import_module(f".{name}", __name__)
    if name in ("RegNetClassifier", "RegNetRegressor"):
        return getattr(__getattr__("estimators"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """The public names: `__all__` and the public modules."""
    return sorted({*(name for name in globals() if name[0] != "_"), *_LATER, *__all__})
