"""regnet_c: regularised neural networks on the CPU.

REGNET_C_ISA=base|avx2|avx512 in the environment overrides the choice of kernels.
"""

import os
from pathlib import Path

from . import kernels
from ._core import binding
from ._core.team import available_threads
from ._version import __version__
from .callback import Callback
from .callbacks import Checkpoint, EarlyStopping
from .diagnose import Diagnosis
from .errors import DeadStartWarning, DivergenceError, ModelFileError
from .history import History
from .lassonet import LassoNet
from .layers import Dense, Dropout
from .losses import Loss
from .network import Network
from .optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
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
from .pruning import Prune

__all__ = [
    "L1",
    "L2",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
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

if os.environ.get("REGNET_C_ISA"):
    try:
        binding.set_isa(os.environ["REGNET_C_ISA"])
    except ValueError as error:
        raise ImportError(f"REGNET_C_ISA: {error}") from None


def __getattr__(name):
    """The estimators on first use: they alone need scikit-learn."""
    if name in ("RegNetClassifier", "RegNetRegressor"):
        from . import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def cpu_info():
    """What the C core runs on.

    Returns
    -------
    dict
        ``isa`` (kernels in use), ``available`` (all this CPU can run), ``fused`` (True
        if multiply-add rounds once: then results have the same bits on every such
        CPU), ``lanes`` (float32 numbers per vector), ``threads`` (CPUs this process
        may use), ``build_flags``.
    """
    return {
        "isa": binding.current_isa(),
        "available": binding.available_isas(),
        "fused": binding.is_fused(),
        "lanes": binding.lanes(True),
        "threads": available_threads(),
        "build_flags": binding.build_flags(),
    }


def get_include():
    """The folder of rn.h, for building other modules on the C kernels.

    Returns
    -------
    str
        To be listed in the ``include_dirs`` of an extension that does ``from
        regnet_c.cython_kernels cimport ...``.

    Examples
    --------
    >>> (Path(get_include()) / "rn.h").exists()
    True
    """
    package = Path(__file__).parent
    installed = package / "include"
    # in a source folder (editable, in place) the header is where the C core is
    return str(installed if installed.is_dir() else package.parent / "csrc")
