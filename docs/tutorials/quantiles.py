r"""
Regression with quantiles
=========================

A number alone does not tell how sure it is.  The pinball loss asks for a quantile
instead of the mean,

.. math::

   \ell_q(y, f) = \max\bigl(q\,(y - f),\; (q - 1)(y - f)\bigr),

and is least where a share :math:`q` of the targets lies below the prediction.
"""

from collections.abc import Callable

import numpy as np
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c.plots import COLORS, plain
from regnet_c.typing import FloatArray

random = np.random.default_rng(0)


def draw(n: int) -> tuple[FloatArray, FloatArray]:
    """A wave whose noise grows, skewed upwards."""
    x = random.uniform(0, 4, n)
    return x[:, None], np.sin(2 * x) + (0.05 + 0.2 * x) * (
        random.exponential(1, n) - 0.5
    )


X, y = draw(4000)
X_test, y_test = draw(1500)

# %%
# Three networks: the 5 %, the 50 % and the 95 % quantile.


def quantile(q: float) -> Callable[[FloatArray], FloatArray]:
    """A network that predicts the q-quantile."""
    layers = [rn.Dense(1, 32, "tanh"), rn.Dense(32, 32, "tanh"), rn.Dense(32, 1)]
    net = rn.Network(layers, loss=rn.Loss("quantile", q), seed=0)
    rate = rn.schedules.CosineDecay(1e-2, epochs=200)
    net.fit(X / 2 - 1, y, epochs=200, batch_size=64, optimizer=rn.Adam(rate))
    return lambda X: net.predict(X / 2 - 1)[:, 0]


low, median, high = (quantile(q) for q in (0.05, 0.5, 0.95))

# %%
grid = np.linspace(0, 4, 200)[:, None]
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(X_test, y_test, s=4, color="0.7", label="new rows")
ax.fill_between(
    grid[:, 0],
    low(grid),
    high(grid),
    color=COLORS[4],
    alpha=0.35,
    lw=0,
    label="5 % to 95 %",
)
ax.plot(grid, median(grid), color=COLORS[0], label="50 %")
plain(ax, "x", "y")
ax.legend(frameon=False, loc="upper left")

# %%
# The band is narrow where the noise is small, and wider above than below.  Does it hold
# what it says?  Of new rows there should be 5 %, 50 % and 95 % below:

for name, line in (("5 %", low), ("50 %", median), ("95 %", high)):
    print(f"{name:>4} quantile: {(y_test < line(X_test)).mean():.1%} below")
inside = (low(X_test) <= y_test) & (y_test <= high(X_test))
print(f"inside the band: {inside.mean():.1%}, expected 90 %")

# %%
# ``RegNetRegressor(loss=rn.Loss("quantile", 0.9))`` does the same for tables, and
# ``Loss("huber")`` predicts a mean that outliers do not pull: :doc:`/api/losses`.
