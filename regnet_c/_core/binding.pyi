"""Signatures of the compiled module, for editors and type checkers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dispatch import (
    activation_names as activation_names,
    available_isas as available_isas,
    build_flags as build_flags,
    current_isa as current_isa,
    is_fused as is_fused,
    l1_rule_names as l1_rule_names,
    lanes as lanes,
    loss_names as loss_names,
    optimizer_traits as optimizer_traits,
    set_isa as set_isa,
)
from .weights import Weights

_Floats = NDArray[np.floating[Any]]

FUNCTIONS: dict[str, int]
SPARSE_UNITS: int
LONG_BATCH: int
PARAMS: tuple[str, ...]

def elementwise(function: int, y: _Floats, x: _Floats) -> None: ...
def activation_forward(
    activation: int, a: _Floats, slope: _Floats, z: _Floats, param: float
) -> None: ...
def softmax_forward(a: _Floats, z: _Floats) -> None: ...
def softmax_backward(dz: _Floats, da: _Floats, a: _Floats) -> None: ...
def loss_rows(
    loss: int,
    row_loss: _Floats,
    dz: _Floats,
    z: _Floats,
    y: _Floats | None,
    label: NDArray[np.int64] | None,
    scale: _Floats | None,
    param: float,
) -> None: ...
def random_fill(
    u: _Floats, normal: bool, seed: int, stream: int, first: int
) -> None: ...
def dropout_apply(
    a: _Floats, keep: float, seed: int, step: int, layer: int, first_row: int
) -> None: ...
def permutation(order: NDArray[np.int64], seed: int, epoch: int) -> None: ...
def dense_forward(z: _Floats, x: _Floats, w: _Floats, b: _Floats | None) -> None: ...
def dense_input_gradient(
    dx: _Floats, dz: _Floats, w: _Floats, work: _Floats
) -> None: ...
def dense_weight_gradient(dw: _Floats, x: _Floats, dz: _Floats) -> None: ...
def prox_l1(w: _Floats, threshold: float) -> None: ...
def update(
    w: _Floats, m: _Floats, v: _Floats, q: _Floats, g: _Floats, step: dict[str, Any]
) -> None: ...
def penalty_sums(w: _Floats) -> tuple[float, float, int]: ...
def prox_group(
    group: int,
    w: _Floats,
    v: _Floats,
    q: _Floats | None,
    strength: float,
    step: dict[str, Any],
    work: _Floats,
    group_rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> None: ...
def prox_lassonet(
    beta: _Floats,
    theta: _Floats,
    v_beta: _Floats,
    v_theta: _Floats,
    strength: float,
    hierarchy: float,
    step: dict[str, Any],
    work: NDArray[np.float64],
    group_rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> None: ...
def max_norm(w: _Floats, max_norm: float) -> None: ...
def sparse_count(counts: NDArray[np.int64], w: _Floats) -> None: ...
def sparse_fill(
    value: _Floats,
    index: NDArray[np.int32],
    next: NDArray[np.int64],
    end: NDArray[np.int64],
    w: _Floats,
) -> None: ...
def columns_to_rows(out: _Floats, columns: list[_Floats]) -> None: ...
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
                _Floats,
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
        members: int = 1,
    ) -> None: ...
    def bind(
        self,
        w: _Floats | None,
        m: _Floats | None = None,
        v: _Floats | None = None,
        q: _Floats | None = None,
        g: _Floats | None = None,
        ema: _Floats | None = None,
        sum: _Floats | None = None,
        rest: _Floats | None = None,
    ) -> None: ...
    def bind_weights(self, w: _Floats) -> None: ...
    def bound_to(self, w: _Floats) -> Model: ...
    def set_masks(
        self, input_mask: Source | None, masks: list[Source | None] | None
    ) -> None: ...
    def keep(self, keeps: list[float]) -> None: ...
    def keep_zeros(self, keep: bool) -> None: ...
    def weight_sums(self) -> list[tuple[float, float, int]]: ...
    def predict(
        self,
        x: Source,
        out: _Floats,
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
        clip_norm: float = 0.0,
    ) -> None: ...
    def start_epoch(self, order: NDArray[np.int64] | None) -> None: ...
    def advance(
        self, learning_rates: NDArray[np.float64], seconds: float, threads: int
    ) -> float: ...
