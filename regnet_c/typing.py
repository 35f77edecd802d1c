"""Types of the public signatures, for annotations and editors.

Docstrings have the shapes; a name here is the kind of an argument.  The package itself
imports them for type checkers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from .losses import Loss
    from .network import Network
    from .optimizers import Optimizer
    from .tables.encoder import TableEncoder

StrPath: TypeAlias = str | PathLike[str]

# ---- arrays --------------------------------------------------------------------------

FloatArray: TypeAlias = NDArray[np.floating[Any]]  # float32 or float64
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
AnyArray: TypeAlias = NDArray[Any]
DType: TypeAlias = np.dtype[np.floating[Any]]
DTypeName: TypeAlias = (
    Literal["float32", "float64"] | type[np.float32] | type[np.float64] | DType
)


class CSRMatrix(Protocol):
    """Sparse rows: SciPy's CSR, or any object with its attributes."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def indptr(self) -> Any: ...
    @property
    def indices(self) -> Any: ...
    @property
    def data(self) -> Any: ...


class SparseMatrix(Protocol):
    """A sparse matrix of any format that becomes CSR."""

    def tocsr(self) -> Any: ...


class Frame(Protocol):
    """A table of pandas, polars or pyarrow: what exports itself as Arrow's columns."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Rows: TypeAlias = ArrayLike | CSRMatrix | SparseMatrix
TableLike: TypeAlias = Rows | Frame
Targets: TypeAlias = ArrayLike | Frame
ValidationData: TypeAlias = (
    tuple[Rows, ArrayLike] | tuple[Rows, ArrayLike, ArrayLike | None]
)

# ---- names ---------------------------------------------------------------------------

ActivationName: TypeAlias = Literal[
    "identity",
    "relu",
    "leaky_relu",
    "elu",
    "sigmoid",
    "tanh",
    "arctan",
    "softsign",
    "isru",
    "softplus",
    "gelu",
    "silu",
    "selu",
    "mish",
    "softmax",
]
OutputName: TypeAlias = Literal["identity", "softmax", "sigmoid", "exp"]
LossName: TypeAlias = Literal[
    "softmax_cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "mse",
    "absolute_error",
    "mae",
    "huber",
    "quantile",
    "poisson",
]
InitializerName: TypeAlias = Literal[
    "he_uniform",
    "he_normal",
    "glorot_uniform",
    "glorot_normal",
    "lecun_uniform",
    "lecun_normal",
]
WeightInit: TypeAlias = (
    InitializerName | float | AnyArray | Callable[[tuple[int, ...]], ArrayLike]
)
BiasInit: TypeAlias = Literal["zeros", "kinks"]
L1Rule: TypeAlias = Literal["cumulative", "proximal", "shrink_first", "subgradient"]
GroupRule: TypeAlias = Literal["cumulative", "proximal"]
Groups: TypeAlias = Literal["units", "inputs"] | Sequence[Sequence[int]]
InputGroups: TypeAlias = Literal["inputs"] | Sequence[Sequence[int]]
Convention: TypeAlias = Literal[
    "weight-decay",
    "spiral",
    "outliers",
    "dropout",
    "keras",
    "sklearn",
    "pytorch",
    "glmnet",
    "skglm",
]
OptimizerName: TypeAlias = Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "ftrl"]
ScheduleName: TypeAlias = Literal["constant", "cosine", "linear", "exponential"]
Auto: TypeAlias = Literal["auto"]
Preset: TypeAlias = Literal["auto", "plain"]
Keep: TypeAlias = Literal["few", "one"]
ClassLoss: TypeAlias = Literal["auto", "softmax_cross_entropy", "binary_cross_entropy"]
ClassWeight: TypeAlias = Literal["balanced"] | dict[Any, float] | None
RandomState: TypeAlias = int | np.random.RandomState | None
PathPenalty: TypeAlias = Literal["group_inputs", "l1", "lassonet"]
Direction: TypeAlias = Literal["up", "down"]
PathRule: TypeAlias = Literal["best", "1se"]
BestMode: TypeAlias = Literal["auto", "min", "max"]

# ---- configurations, results, callbacks ---------------------------------------------

Config: TypeAlias = dict[str, Any]  # of JSON values
Scores: TypeAlias = dict[str, float]  # "loss", "penalty", "objective", "accuracy"
Logs: TypeAlias = dict[str, Any]  # a float, or a list of one per layer


class CPUInfo(TypedDict):
    """Result of `regnet_c.cpu_info`."""

    isa: str
    available: list[str]
    fused: bool
    lanes: int
    threads: int
    build_flags: str


class PathOptions(TypedDict, total=False):
    """Further arguments of `regnet_c.regularization_path`."""

    hidden: Sequence[int]
    activation: ActivationName
    loss: Loss | LossName | None
    standardize: bool
    encoder: TableEncoder | Auto | None
    hierarchy: float
    l2: float
    epochs: tuple[int, int] | None
    patience: tuple[int, int] | None
    optimizer: Optimizer | OptimizerName | None
    batch_size: int
    dtype: DTypeName
    seed: int
    threads: int | None
    relax: bool
    adaptive: float


class Splitter(Protocol):
    """One of scikit-learn's splitters."""

    def split(self, X: Any, y: Any) -> Any: ...


Splits: TypeAlias = int | Sequence[tuple[ArrayLike, ArrayLike]] | Splitter


class LayerSummary(TypedDict):
    """One layer in the result of `Network.summary`."""

    n_in: int
    n_out: int
    weights: int
    sum_abs: float
    zeros: float


class Training(Protocol):
    """What `Callback.on_checkpoint` gets."""

    @property
    def epochs(self) -> int: ...
    @property
    def ends(self) -> bool: ...
    def save(self, path: StrPath) -> None: ...


class OnTrainBegin(Protocol):
    def on_train_begin(self, network: Network, /) -> object: ...


class OnEpochEnd(Protocol):
    def on_epoch_end(self, epoch: int, logs: Logs, /) -> object: ...


class OnCheckpoint(Protocol):
    def on_checkpoint(self, training: Training, /) -> object: ...


class OnTrainEnd(Protocol):
    def on_train_end(self) -> object: ...


# any object with at least one of the methods of `Callback`
AnyCallback: TypeAlias = OnTrainBegin | OnEpochEnd | OnCheckpoint | OnTrainEnd

# ---- blocks --------------------------------------------------------------------------

Block: TypeAlias = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]


class Dataset(Protocol):
    """A pyarrow dataset."""

    def get_fragments(self) -> Any: ...


BlockSource: TypeAlias = Sequence[Block] | Callable[[int], Block] | Dataset | StrPath
