r"""
Choosing inputs
===============

Which columns does a network need?  Five that make the target and fifteen of noise (Friedman
1991):

.. math::

   y = 10 \sin(\pi\,\text{wind}\cdot\text{sun}) + 20\,(\text{depth} - 0.5)^2
   + 10\,\text{age} + 5\,\text{salt} + \varepsilon.

A straight line cannot see ``depth``, which is low in the middle and high on both sides; a
network can.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.datasets import make_friedman1

import regnet_c as rn
from regnet_c.plots import COLORS, percent, plain
from regnet_c.typing import FloatArray

X, y = make_friedman1(800, n_features=20, noise=1, random_state=0)
names = ["wind", "sun", "depth", "age", "salt", *(f"noise {k}" for k in range(15))]
X = pd.DataFrame(X, columns=names)
train, test = slice(0, 600), slice(600, None)

# %%
# The path
# --------
#
# One network for each strength, from weak to strong, each started from the one before.
# The penalty is on the norm of an input's weights, so that inputs leave as a whole.
# ``cv=5`` scores every strength on rows left out.

options: dict[str, Any] = {"cv": 5, "n_lambdas": 25, "lambda_min_ratio": 0.03}
path = rn.regularization_path(X[train], y[train], **options)
path.plot()

# %%
# One line per input; from right to left they enter one after the other, the noise last.
# The vertical lines are what ``select`` takes.

print("those that are kept longest:", *path.ranking(names=True)[:6], sep="\n  ")
chosen = path.select(names=True)
print("\nthe fewest within one standard error of the best:", ", ".join(chosen))

# %%
# Is the choice stable?
# ---------------------
#
# The path once more on random halves of the rows.  An input that is chosen in nearly
# all of them, while few others are, is not an accident.

stable = path.stability(X[train], y[train], n_subsamples=12)
safe = stable.select(threshold=0.9, max_false=2, names=True)
print("chosen in 90 % of the halves:", ", ".join(safe))

# %%
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
colors = dict(zip(safe, COLORS, strict=False))
order = np.argsort(stable.strengths)
for name, share in zip(X.columns, stable.frequencies[order].T, strict=True):
    style = (
        {"color": colors[name], "label": name} if name in colors else {"color": "0.8"}
    )
    ax.semilogx(stable.strengths[order], share, **style)
ticks = [0.02, 0.05, 0.1, 0.2, 0.5]
ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
ax.minorticks_off()
ax.axhline(0.9, color="0.3", linewidth=1, linestyle=":")
plain(ax, "strength of the penalty", "chosen in this share\nof the halves")
ax.yaxis.set_major_formatter(percent())
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))

# %%
# The network on these inputs
# ---------------------------
#
# ``refit`` trains a network on the chosen inputs alone, without the penalty that chose
# them.


def r2(predicted: FloatArray) -> float:
    """Share of the variance of the test rows that is explained."""
    return float(1 - ((predicted - y[test]) ** 2).mean() / y[test].var())


small = path.refit(X[train], y[train])
print(
    f"R² of new rows with {len(chosen)} inputs: {r2(small.predict(X[test])[:, 0]):.2f}"
)

# %%
# LassoNet
# --------
#
# The same path with the penalty of LassoNet: a linear map parallel to the network, and an
# input's weights bounded by its coefficient there.

lasso = rn.regularization_path(X[train], y[train], penalty="lassonet", **options)
lasso.plot()
print("LassoNet chooses:", ", ".join(lasso.select(names=True)))

# %%
# More on rules, units and interruptions: :doc:`/feature_selection`.
