"""The training workloads that all libraries are measured on, and what a step costs.

A workload is a network, a batch size and an optimiser with an elastic net on every
weight matrix; biases are free.  Data and initial weights are pure functions of it, so
that every worker process makes the same ones.
"""

from dataclasses import dataclass, replace

import numpy as np
from words import REVIEWS


@dataclass(frozen=True)
class Workload:
    """One training problem; the objective is the one of the README."""

    name: str
    sizes: tuple
    hidden: str  # activation of the hidden layers
    loss: str
    batch: int
    rows: int  # an epoch has rows // batch steps
    optimizer: str = "sgd"  # or "momentum", "adam"
    learning_rate: float = 0.01
    output: str = "identity"  # activation of the last layer
    dtype: str = "float32"
    dropout: float = 0.0
    input_dropout: float = 0.0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    l1: float = 1e-4
    l2: float = 1e-4
    l1_rule: str = "proximal"  # or "subgradient"
    entries: int = 0  # of a sparse row on average; 0: dense rows
    shuffle: bool = True  # False: batches in the order of the rows, for the check

    @property
    def steps_per_epoch(self):
        """Steps of one pass over the rows."""
        return self.rows // self.batch

    @property
    def layers(self):
        """(n_in, n_out) of every weight matrix."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def activations(self):
        """Name of the activation of every layer."""
        return [self.hidden] * (len(self.sizes) - 2) + [self.output]

    @property
    def multiply_adds(self):
        """Of one step: forward and weight gradient; beyond layer 0 the input gradient."""
        products = [2] + [3] * (len(self.layers) - 1)
        layers = self.layers
        if self.entries:
            layers = [(self.entries, layers[0][1]), *layers[1:]]
        pairs = zip(products, layers, strict=True)
        return self.batch * sum(p * n_in * n_out for p, (n_in, n_out) in pairs)

    def title(self):
        """One line for the table."""
        shape = "-".join(map(str, self.sizes))
        batch = "full batch" if self.batch == self.rows else "batch"
        parts = [f"{shape} {self.hidden}", self.loss.replace("_", " ")]
        parts += [f"{batch} {self.batch}", self.optimizer]
        if self.entries:
            parts.append(f"{self.entries} entries a row")
        if self.dropout:
            parts.append(f"dropout {self.dropout}")
        if self.input_dropout:
            parts.append(f"input dropout {self.input_dropout}")
        return ", ".join([*parts, self.dtype])

    def for_check(self):
        """Three batches in float64, in order, no dropout: all peers must agree on it."""
        rows = self.batch if self.steps_per_epoch == 1 else 3 * self.batch
        return replace(
            self,
            dtype="float64",
            dropout=0.0,
            input_dropout=0.0,
            rows=rows,
            shuffle=False,
        )

    def data(self):
        """x (rows, n_in) and y: integer labels for softmax, else (rows, n_out).

        Sparse rows are a CSR matrix of SciPy.
        """
        rng = np.random.default_rng(1)
        if self.entries:
            x, labels = self._sparse_data(rng)
            is_binary = self.loss == "binary_cross_entropy"
            return x, labels[:, None].astype(self.dtype) if is_binary else labels
        n_in, n_out = self.sizes[0], self.sizes[-1]
        if n_in >= 100:  # like pixels: most are zero
            x = rng.random((self.rows, n_in), np.float32)
            x *= rng.random((self.rows, n_in), np.float32) < 0.2
        else:
            x = rng.uniform(-1, 1, (self.rows, n_in))
        labels = rng.integers(0, max(n_out, 2), self.rows)
        if self.loss == "softmax_cross_entropy":
            y = labels
        elif n_out == 1 and self.loss == "binary_cross_entropy":
            y = labels[:, None].astype(self.dtype)
        elif n_out >= 10:
            y = np.eye(n_out, dtype=self.dtype)[labels]
        else:
            y = np.sin(3 * x @ rng.uniform(-1, 1, (n_in, n_out))).astype(self.dtype)
        return x.astype(self.dtype), y

    def _sparse_data(self, rng):
        """The reviews if the columns are theirs, else entries at random places."""
        from scipy.sparse import csr_matrix

        n_in = self.sizes[0]
        if n_in == REVIEWS.words:
            rows, labels, _ = REVIEWS.make(self.dtype)
            x = csr_matrix((rows.data, rows.indices, rows.indptr), rows.shape)
            return x[: self.rows], labels[: self.rows]
        step = n_in // self.entries  # one entry in each of as many stretches
        columns = rng.integers(0, step, (self.rows, self.entries), np.int32)
        columns += step * np.arange(self.entries, dtype=np.int32)
        values = rng.random(columns.size, np.float32).astype(self.dtype)
        starts = np.arange(0, columns.size + 1, self.entries)
        x = csr_matrix((values, columns.ravel(), starts), (self.rows, n_in))
        return x, rng.integers(0, 2, self.rows)

    def initial_weights(self):
        """[W0, b0, W1, b1, ...], W of shape (n_in, n_out)."""
        rng = np.random.default_rng(2)
        weights = []
        for n_in, n_out in self.layers:
            w = rng.standard_normal((n_in, n_out), np.float32) / np.sqrt(n_in)
            b = rng.uniform(-0.1, 0.1, n_out)
            weights += [w.astype(self.dtype), b.astype(self.dtype)]
        return weights

    def thresholds(self):
        """Endless l1 thresholds of the proximal rule, before Adam's per-weight metric.

        The strength of the penalty does not depend on the optimiser: the threshold is
        l1 times what the optimiser has made of a constant unit gradient.
        """
        memory = self.momentum if self.optimizer == "momentum" else 0.0
        response = 0.0
        while True:
            response = memory * response + self.learning_rate
            yield self.l1 * response


_W1 = Workload("W1", (784, 10), "relu", "squared_error", 10, 10_000, output="relu")
_W2 = Workload("W2a", (784, 30, 10), "sigmoid", "binary_cross_entropy", 10, 10_000)
_W4 = Workload("W4", (1, 100, 104, 200, 1), "arctan", "squared_error", 32, 3200)
_W5 = Workload(
    "W5a",
    (30, 256, 256, 2),
    "relu",
    "softmax_cross_entropy",
    128,
    12_800,
    "adam",
    1e-3,
    dropout=0.2,
)

WORKLOADS = {
    w.name: w
    for w in (
        replace(_W1, learning_rate=0.005),
        _W2,
        replace(_W2, name="W2b", sizes=(784, 100, 10)),
        Workload(
            "W3",
            (2, 128, 3),
            "relu",
            "softmax_cross_entropy",
            3000,
            3000,
            "momentum",
        ),
        _W4,
        _W5,
        replace(_W5, name="W5b", batch=1024, rows=10_240),
        Workload(
            "W6",
            (784, 1024, 1024, 1024, 10),
            "relu",
            "softmax_cross_entropy",
            128,
            1280,
            "momentum",
            dropout=0.5,
            input_dropout=0.2,
        ),
        Workload("W7", (4096, 4096, 10), "relu", "softmax_cross_entropy", 256, 512),
        Workload(
            "W9", (4, 32, 16, 4), "tanh", "squared_error", 10_000, 10_000, "adam", 1e-3
        ),
        Workload(
            "W8",
            (50_000, 100, 2),
            "relu",
            "softmax_cross_entropy",
            128,
            12_800,
            entries=60,
        ),
        Workload(
            "W10",
            (REVIEWS.words, 100, 2),
            "relu",
            "softmax_cross_entropy",
            200,
            REVIEWS.documents,
            "adam",
            1e-3,
            entries=326,
        ),
    )
}
WORKLOADS |= {
    name: replace(w, name=name, dtype="float64")
    for w in list(WORKLOADS.values())
    for name in [f"{w.name}-f64"]
}
