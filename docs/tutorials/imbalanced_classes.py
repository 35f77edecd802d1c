"""
Imbalanced classes and weights
==============================

One row in twenty is the one that matters.  What do class weights change, what does a
threshold, and what happens to the probabilities?
"""

from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

import regnet_c as rn
from regnet_c import plots
from regnet_c.typing import BoolArray

X, y = make_classification(
    8000, 20, n_informative=6, weights=[0.95], class_sep=0.8, flip_y=0, random_state=0
)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
print(f"{y.mean():.1%} of the rows are of class 1")

# %%
# Without and with weights
# ------------------------
#
# ``class_weight="balanced"`` weighs each row by one over the frequency of its class.

plain = rn.RegNetClassifier(32, n_members=1, max_iter=60, random_state=0)
balanced = clone(plain).set_params(class_weight="balanced")
plain.fit(X, y)
balanced.fit(X, y)


def report(name: str, decided: BoolArray) -> None:
    """How many of class 1 are found, and how many alarms are right."""
    found, right = decided[y_test == 1].mean(), y_test[decided].mean()
    accuracy = (decided == y_test).mean()
    print(
        f"{name:<24} found {found:4.0%}, alarms right {right:4.0%}, accuracy {accuracy:.1%}"
    )


p = plain.predict_proba(X_test)[:, 1]
report("no weights", p > 0.5)
report("balanced", balanced.predict(X_test) == 1)
report("no weights, p > 0.1", p > 0.1)

# %%
# Accuracy prefers the network that misses most: with one row in twenty, "never" is
# right in 95 %.  Weights and a lower threshold both find more, at the price of false
# alarms.
#
# The probabilities
# -----------------
#
# Weights teach the network a world in which both classes are equally frequent, and its
# probabilities are those of that world.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for ax, model, name in zip(
    axes, (plain, balanced), ("no weights", "balanced"), strict=True
):
    plots.plot_calibration(model, X_test, y_test, ax=ax)
    ax.set_title(name)
    ax.get_legend().remove()

# %%
# The answer
# ----------
#
# If you need probabilities or know what an error costs, train without weights and move
# the threshold: with costs :math:`c_\text{miss}` and :math:`c_\text{alarm}` the best
# one is
#
# .. math:: p > \frac{c_\text{alarm}}{c_\text{alarm} + c_\text{miss}}.
#
# If you need decisions only, and ``predict`` must give them, take
# ``class_weight="balanced"``, or ``sample_weight=`` for weights of single rows.  On the
# command line it is ``--class-weight balanced``.
