"""
Cutting down a network, and C
=============================

How small can it get before it errs?  A penalty makes zeros, ``compact`` leaves out what
they disconnect, ``to_c`` writes the rest as one C file without malloc.
"""

import numpy as np
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c.datasets import load_digits
from regnet_c.plots import COLORS, percent, plain

X, y = load_digits()
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order] / np.float32(16), y[order]
train, test = (X[:1200], y[:1200]), (X[1200:], y[1200:])

# %%
# A network of 64 units, with a price for each unit's group of weights and for each
# weight.


def trained(strength: float) -> rn.Network:
    """A network of zeros, cut down."""
    hidden = rn.SparseGroupLasso(strength / 2, strength, groups="units")
    layers = [
        rn.Dense(64, 64, "relu", weight_penalty=hidden),
        rn.Dense(64, 10, weight_penalty=rn.L1(strength / 2)),
    ]
    net = rn.Network(layers, loss="softmax_cross_entropy", seed=0)
    rate = rn.schedules.CosineDecay(4e-3, epochs=60)
    net.fit(*train, epochs=60, optimizer=rn.Adam(rate))
    return net


net = trained(2e-3)
net.summary()

# %%
# ``compact`` removes inputs and units that nothing depends on; predictions stay, but
# for the rounding of constants that it folds.

small = net.compact()
small.summary()

# %%
gap = np.abs(small.predict(X) - net.predict(X)).max()
print(f"inputs kept: {len(small.kept_inputs)} of 64, largest difference {gap:.0e}")

# %%
# The C file
# ----------
#
# float32 has the bits of ``predict``; int8 stores each weight in a byte and states what
# that costs on the rows you give.

for dtype in ("float32", "int8"):
    report = small.to_c("digits.c", dtype=dtype, calibration=test)
    print(f"{dtype:<8} {report['flash']:>6} bytes of constants, {report['ram']} of RAM")

# %%
# Its head states how it is used:

with open("digits.h", encoding="utf-8") as file:
    print("".join(file.readlines()[:30]))

# %%
# Error against bytes
# -------------------

found = []
for strength in (2e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2):
    other = trained(strength)
    size = other.compact().to_c("other.c", dtype="int8")["flash"]
    found.append((size, 1 - other.evaluate(*test)["accuracy"], strength))
    print(f"strength {strength:7g}: {size:5} bytes, error {found[-1][1]:.1%}")

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
sizes, errors, strengths = zip(*found, strict=True)
ax.semilogx(sizes, errors, "o-", color=COLORS[0])
for size, error, strength in found[::2]:
    ax.annotate(f"{strength:g}", (size, error), (6, 6), textcoords="offset points")
plain(ax, "bytes of the network in C (int8)", "error of new rows")
ax.yaxis.set_major_formatter(percent())

# %%
# The numbers are strengths.  Take the smallest network before the error rises.
# Microcontrollers, raw rows in C and ONNX: :doc:`/shipping`; a table all the way to C:
# :doc:`/gallery/write_ups/table_to_c`.
