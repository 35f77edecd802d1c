"""
A first network
===============

From arrays to a trained network: shuffle, split, fit, look, save.  The data are 1797
handwritten digits of 8 x 8 pixels that come with the package.
"""

import numpy as np

import regnet_c as rn
from regnet_c import plots
from regnet_c.datasets import load_digits

X, y = load_digits()
X.shape, np.unique(y)

# %%
# Shuffle before you split
# ------------------------
#
# Rows are often sorted by when or by whom they were recorded.  A validation part cut
# off the end is then unlike the training part, and its accuracy is that of another
# problem.

order = np.random.default_rng(0).permutation(len(X))
X, y = X[order] / np.float32(16), y[order]
train, validation = (X[:1200], y[:1200]), (X[1200:], y[1200:])

# %%
# Describe the network
# --------------------
#
# Two layers of weights: 64 pixels to 64 hidden units, and those to ten classes.  ``L1``
# gives every weight of the first layer a price; those that are not worth it become
# exactly zero.

net = rn.Network(
    [
        rn.Dense(64, 64, activation="relu", weight_penalty=rn.L1(1e-3)),
        rn.Dense(64, 10),
    ],
    loss="softmax_cross_entropy",
    seed=0,
)

# %%
# Train it
# --------
#
# ``EarlyStopping`` ends training when the validation loss has not improved for ten
# epochs, and puts the best weights back.

history = net.fit(
    *train,
    epochs=200,
    optimizer=rn.Adam(2e-3),
    validation_data=validation,
    callbacks=[rn.EarlyStopping(patience=10)],
)
print(f"{len(history['loss'])} epochs")
print(f"{net.evaluate(*validation)['accuracy']:.1%} of the validation rows are right")

# %%
# Look at it
# ----------
#
# The two losses fall together; a validation loss that rises while the other falls would
# be over-fitting.  The share of zeros grows all the time.

plots.plot_history(net)

# %%
# What the units look at: red is positive, blue negative, pale grey exactly zero.

plots.plot_filters(net, shape=(8, 8), n=8)

# %%
# ``summary`` counts, ``diagnose`` judges.

net.summary()

# %%
print(net.diagnose(*train, validation))

# %%
# Save it
# -------

net.save("digits.safetensors")
same = rn.Network.load("digits.safetensors")
bool((same.predict(X[:5]) == net.predict(X[:5])).all())

# %%
# Next: :doc:`/choosing`, or the same for tables of any columns: :doc:`table`.
