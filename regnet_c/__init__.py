"""regnet_c: regularised neural networks on the CPU.

REGNET_C_ISA=base|avx2|avx512 in the environment overrides the choice of kernels.
"""

import typing as _typing
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
from .penalties import (
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    NonNegative,
    Penalty,
    SparseGroupLasso,
)
from .schedules import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    Schedule,
    StepDecay,
)

if _typing.TYPE_CHECKING:  # for editors; at run time `__getattr__` loads them
    from . import (
        cli as cli,
        dask as dask,
        datasets as datasets,
        estimators as estimators,
        export as export,
        path as path,
        plots as plots,
        recipes as recipes,
        reproduce as reproduce,
        tables as tables,
        typing as typing,
    )
    from .estimators import (
        RegNetClassifier as RegNetClassifier,
        RegNetRegressor as RegNetRegressor,
    )
    from .path import RegularizationPath, StabilitySelection, regularization_path

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
    "CosineDecay",
    "DeadStartWarning",
    "Dense",
    "Diagnosis",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "ElasticNet",
    "ExponentialDecay",
    "GroupLasso",
    "History",
    "LassoNet",
    "LinearDecay",
    "Loss",
    "ModelFileError",
    "Network",
    "NonNegative",
    "Optimizer",
    "Penalty",
    "Prune",
    "RMSprop",
    "RegularizationPath",
    "Schedule",
    "SparseGroupLasso",
    "StabilitySelection",
    "StepDecay",
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
    "export",
    "path",
    "plots",
    "recipes",
    "reproduce",
    "tables",
    "typing",
)
# public names of such modules; the estimators alone need scikit-learn
_HOMES = {
    "RegNetClassifier": "estimators",
    "RegNetRegressor": "estimators",
    "RegularizationPath": "path",
    "StabilitySelection": "path",
    "regularization_path": "path",
}


def __getattr__(name: str) -> object:
    """Modules and names that are loaded on first use."""
    if name in _LATER:
        return _import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(_import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names: `__all__`, the estimators and the public modules."""
    loaded = (name for name in globals() if name[0] != "_")
    return sorted({*loaded, *_LATER, *_HOMES, *__all__})
