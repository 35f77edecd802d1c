"""
The same bits
=============

Same seed, same data: the same weights to the last bit, with any number of threads, and
also if training was interrupted.
"""

import hashlib

import numpy as np

import regnet_c as rn
from regnet_c.datasets import load_digits

X, y = load_digits()
X = X / np.float32(16)


def fresh(seed=7):
    """A network with dropout, which needs random numbers in every step."""
    layers = [
        rn.Dense(64, 128, "relu", rn.L1(1e-4)),
        rn.Dropout(0.3),
        rn.Dense(128, 10),
    ]
    return rn.Network(layers, loss="softmax_cross_entropy", seed=seed)


def bits(net):
    """A hash of all weights."""
    raw = b"".join(w.tobytes() for w in net.get_weights())
    return hashlib.sha256(raw).hexdigest()[:16]


# %%
# One thread and two
# ------------------

for threads in (1, 2):
    net = fresh()
    net.fit(X, y, epochs=6, threads=threads)
    print(f"{threads} threads: {bits(net)}")

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

    def on_epoch_end(self, epoch, logs):
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
# A row's prediction does not depend on its neighbours
# ----------------------------------------------------

bool((net.predict(X)[5:6] == net.predict(X[5:6])).all())

# %%
# How that is done, and what is not guaranteed: :doc:`/reproducibility`; checkpoints:
# :doc:`/checkpoints`.
