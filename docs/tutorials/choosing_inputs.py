"""
Choosing inputs
===============

Which columns does a network need?  Ten of medicine, and ten of noise next to them: a path
over all strengths with names, its stability, and a LassoNet for comparison.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes

import regnet_c as rn
from regnet_c.plots import COLORS, percent, plain

X, y = load_diabetes(return_X_y=True, as_frame=True)
random = np.random.default_rng(0)
for k in range(10):
    X[f"noise {k}"] = random.normal(size=len(X))
train, test = slice(0, 342), slice(342, None)

# %%
# The path
# --------
#
# One network for each strength, from weak to strong, each started from the one before.
# The penalty is on the norm of an input's weights, so that inputs leave as a whole.
# ``cv=5`` scores every strength on rows left out.

path = rn.regularization_path(X[train], y[train], cv=5, n_lambdas=25)
path.plot()

# %%
# One line per input, from right to left in the order in which they enter.  The legend
# names the seven that stay longest; the others are grey, and the noise is among them.

print("in the order in which they are kept:", *path.ranking(names=True)[:7], sep="\n  ")
chosen = path.select(names=True)
print("\nthe fewest within one standard error of the best:", ", ".join(chosen))

# %%
# Is the choice stable?
# ---------------------
#
# The path once more on random halves of the rows.  An input that is chosen in nearly
# all of them is not an accident.

stable = path.stability(X[train], y[train], n_subsamples=12)
share = np.asarray(stable.frequencies).max(axis=0)

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
order = np.argsort(share)
colors = [COLORS[0] if share[k] >= 0.9 else "0.75" for k in order]
ax.barh([X.columns[k] for k in order], share[order], color=colors)
ax.axvline(0.9, color="0.3", linewidth=1)
plain(ax, "chosen in this share of the halves", "")
ax.xaxis.set_major_formatter(percent())
print(
    "chosen in 90 % of the halves:", ", ".join(stable.select(threshold=0.9, names=True))
)

# %%
# The network on these inputs
# ---------------------------
#
# ``refit`` trains a network on the chosen inputs alone, without the penalty that chose
# them.


def r2(predicted):
    """Share of the variance of the test rows that is explained."""
    return (
        1 - ((predicted - y[test]) ** 2).sum() / ((y[test] - y[test].mean()) ** 2).sum()
    )


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

lasso = rn.regularization_path(
    X[train], y[train], penalty="lassonet", cv=5, n_lambdas=25
)
lasso.plot()
print("LassoNet chooses:", ", ".join(lasso.select(names=True)))

# %%
# More on rules, units and interruptions: :doc:`/feature_selection`.
