"""Signatures of the compiled module, for editors and type checkers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .weights import Weights

Floats = NDArray[np.floating[Any]]

FUNCTIONS: dict[str, int]
SPARSE_UNITS: int
LONG_BATCH: int

def available_isas() -> list[str]: ...
def set_isa(name: str) -> None: ...
def current_isa() -> str: ...
def is_fused() -> bool: ...
def lanes(single: bool) -> int: ...
def build_flags() -> str: ...
def activation_names() -> tuple[str, ...]: ...
def loss_names() -> tuple[str, ...]: ...
def l1_rule_names() -> tuple[str, ...]: ...
def optimizer_traits() -> dict[str, tuple[int, bool, bool]]: ...
def elementwise(function: int, y: Floats, x: Floats) -> None: ...
def activation_forward(
    activation: int, a: Floats, slope: Floats, z: Floats, param: float
) -> None: ...
def softmax_forward(a: Floats, z: Floats) -> None: ...
def softmax_backward(dz: Floats, da: Floats, a: Floats) -> None: ...
def loss_rows(
    loss: int,
    row_loss: Floats,
    dz: Floats,
    z: Floats,
    y: Floats | None,
    label: NDArray[np.int64] | None,
    scale: Floats | None,
    param: float,
) -> None: ...
def random_fill(
    u: Floats, normal: bool, seed: int, stream: int, first: int
) -> None: ...
def dropout_apply(
    a: Floats, keep: float, seed: int, step: int, layer: int, first_row: int
) -> None: ...
def permutation(order: NDArray[np.int64], seed: int, epoch: int) -> None: ...
def dense_forward(z: Floats, x: Floats, w: Floats, b: Floats | None) -> None: ...
def dense_input_gradient(dx: Floats, dz: Floats, w: Floats, work: Floats) -> None: ...
def dense_weight_gradient(dw: Floats, x: Floats, dz: Floats) -> None: ...
def prox_l1(w: Floats, threshold: float) -> None: ...
def update(
    w: Floats, m: Floats, v: Floats, q: Floats, g: Floats, step: dict[str, Any]
) -> None: ...
def penalty_sums(w: Floats) -> tuple[float, float, int]: ...
def prox_group(
    group: int,
    w: Floats,
    v: Floats,
    q: Floats | None,
    strength: float,
    step: dict[str, Any],
    work: Floats,
    group_rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> None: ...
def prox_lassonet(
    beta: Floats,
    theta: Floats,
    v_beta: Floats,
    v_theta: Floats,
    strength: float,
    hierarchy: float,
    step: dict[str, Any],
    work: NDArray[np.float64],
    group_rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> None: ...
def max_norm(w: Floats, max_norm: float) -> None: ...
def sparse_count(counts: NDArray[np.int64], w: Floats) -> None: ...
def sparse_fill(
    value: Floats,
    index: NDArray[np.int32],
    next: NDArray[np.int64],
    end: NDArray[np.int64],
    w: Floats,
) -> None: ...
def csr_fault(
    start: NDArray[np.int64],
    index: NDArray[np.int32] | NDArray[np.int64],
    n_cols: int,
) -> tuple[int, bool]: ...

class Source:
    def __init__(
        self,
        array: NDArray[Any],
        start: NDArray[np.int64] | None = None,
        index: NDArray[np.int32] | NDArray[np.int64] | None = None,
        n_cols: int = 0,
        by_entry: bool = False,
    ) -> None: ...
    def find_not_finite(self, single: bool) -> int: ...

class WeightStore:
    published: Weights
    seen: bool
    def __init__(self, published: Weights) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...
    def expect_no_other(self) -> None: ...
    def read(self) -> Weights: ...
    def publish(self, weights: Weights) -> None: ...
    def begin(self, working: Weights) -> None: ...
    def publish_copy(self, weights: Weights) -> None: ...
    def publish_working(self) -> None: ...
    def discard_working(self, published: Weights) -> None: ...
    def take_spare(self) -> Weights | None: ...

class SparseLayers:
    n_layers: int
    def __init__(
        self,
        layers: Sequence[
            tuple[
                int,
                NDArray[np.int64],
                NDArray[np.int32],
                NDArray[np.int32],
                Floats,
            ]
            | None
        ],
    ) -> None: ...

class Model:
    single: bool
    n_in: int
    n_out: int
    def __init__(
        self,
        single: bool,
        layers: list[dict[str, Any]],
        input_keep: float,
        loss: int,
        loss_param: float,
        output: int,
        seed: int,
        skip: dict[str, Any] | None = None,
    ) -> None: ...
    def bind(
        self,
        w: Floats | None,
        m: Floats | None = None,
        v: Floats | None = None,
        q: Floats | None = None,
        g: Floats | None = None,
        ema: Floats | None = None,
        sum: Floats | None = None,
        rest: Floats | None = None,
    ) -> None: ...
    def bind_weights(self, w: Floats) -> None: ...
    def bound_to(self, w: Floats) -> Model: ...
    def set_masks(
        self, input_mask: Source | None, masks: list[Source | None] | None
    ) -> None: ...
    def keep_zeros(self, keep: bool) -> None: ...
    def weight_sums(self) -> list[tuple[float, float, int]]: ...
    def predict(
        self,
        x: Source,
        out: Floats,
        raw: bool,
        n_threads: int,
        first: int = 0,
        sparse: SparseLayers | None = None,
    ) -> int: ...

class Optimizer:
    step: int
    def __init__(self, **members: float) -> None: ...
    def set(self, **members: float) -> None: ...
    def get(self) -> dict[str, float]: ...

class Progress:
    epoch: int
    row: int
    rows_seen: int
    loss_sum: float
    weight_sum: float
    mean_loss: float
    def __init__(self, epoch: int = 0) -> None: ...
    def set(self, epoch: int, row: int, loss_sum: float, weight_sum: float) -> None: ...

class Run:
    max_threads: int
    steps_done: int
    diverged: bool
    def __init__(
        self,
        model: Model,
        optimizer: Optimizer | None,
        progress: Progress,
        x: Source,
        y: Source | None,
        labels: NDArray[np.int64] | None,
        sample_weight: NDArray[np.float64] | None,
        *,
        batch_size: int,
        block_rows: int,
        piece_rows: int,
        n_threads: int,
        by_layer: bool,
        gradient_only: bool = False,
        ema_decay: float = 0.0,
    ) -> None: ...
    def start_epoch(self, order: NDArray[np.int64] | None) -> None: ...
    def advance(
        self, learning_rates: NDArray[np.float64], seconds: float, threads: int
    ) -> float: ...
