"""
The same bits
=============

Same seed, same data: the same weights to the last bit, with any number of threads, and
also if training was interrupted.
"""

import hashlib
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c.datasets import load_digits

X, y = load_digits()
X = X / np.float32(16)


def fresh(seed: int = 7) -> rn.Network:
    """A network with dropout, which needs random numbers in every step."""
    layers = [
        rn.Dense(64, 128, "relu", rn.L1(1e-4)),
        rn.Dropout(0.3),
        rn.Dense(128, 10),
    ]
    return rn.Network(layers, loss="softmax_cross_entropy", seed=seed)


def bits(net: rn.Network) -> str:
    """A hash of all weights."""
    raw = b"".join(w.tobytes() for w in net.get_weights())
    return hashlib.sha256(raw).hexdigest()[:16]


# %%
# One thread and two
# ------------------

one, net = fresh(), fresh()
one.fit(X, y, epochs=6, threads=1)
net.fit(X, y, epochs=6, threads=2)
print(f"1 thread:  {bits(one)}")
print(f"2 threads: {bits(net)}")

# %%
# Another seed is another network:

other = fresh(seed=8)
other.fit(X, y, epochs=6)
print(f"seed 8:    {bits(other)}")

# %%
# Interrupted and resumed
# -----------------------
#
# A checkpoint has everything that training needs to continue: weights, the optimiser's
# memory and the position.  Here training is stopped after three epochs by an error.


class PowerCut(rn.Callback):
    """Fails after three epochs."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if epoch == 2:
            raise RuntimeError("power cut")


try:
    checkpoint = rn.Checkpoint("run.safetensors")
    fresh().fit(X, y, epochs=6, callbacks=[checkpoint, PowerCut()])
except RuntimeError as error:
    print(error)

resumed = fresh()
resumed.fit(X, y, epochs=6, resume_from="run.safetensors")
print(f"resumed:   {bits(resumed)}")
bits(resumed) == bits(net)

# %%
# How far the first layers of these runs are apart; white is exactly zero.

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
names = ("one thread and two", "run through and resumed", "seed 7 and seed 8")
pairs = ((one, net), (net, resumed), (net, other))
for ax, name, (a, b) in zip(axes, names, pairs, strict=True):
    gap = np.abs(a.get_weights()[0] - b.get_weights()[0])
    ax.imshow(gap, cmap="Blues", vmin=0, vmax=0.5, aspect="auto")
    ax.set(xlabel="unit", ylabel="input", title=f"{name}: {gap.max():.2g}")
    ax.label_outer()

# %%
# A row's prediction does not depend on its neighbours
# ----------------------------------------------------

bool((net.predict(X)[5:6] == net.predict(X[5:6])).all())

# %%
# How that is done, and what is not guaranteed: :doc:`/reproducibility`; checkpoints:
# :doc:`/checkpoints`.
