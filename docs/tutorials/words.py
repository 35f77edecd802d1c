"""
From raw text to the words that matter
======================================

Text becomes thousands of columns, nearly all of them zero.  They stay sparse, and a penalty
on each word's weights leaves the words that the network needs.
"""

from collections.abc import Iterable

import numpy as np
from matplotlib import pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer

import regnet_c as rn
from regnet_c.plots import COLORS, plain

# %%
# Reviews, made up: every sentence has some of the words that people use for anything, and
# some have an opinion.

ABOUT = """story plot actor actress scene music camera dialogue script ending beginning
humour pace costume light sound director cast part hero villain city summer house train
night letter brother sister road dream""".split()
GOOD = "wonderful moving brilliant funny charming clever touching superb".split()
BAD = "dull boring awful clumsy tedious predictable flat pointless".split()
FILLER = """the a of in with and this that which was were is has there when while after
before quite rather also again almost about through until every other first second last
little long old new same whole""".split()


def sentence(random: np.random.Generator, words: Iterable[str]) -> str:
    """Some words of each kind, in any order."""
    found = [*random.choice(FILLER, 6), *random.choice(ABOUT, 3), *words]
    found.append(f"name{random.integers(3000)}")
    return " ".join(random.permutation(found))


def review(random: np.random.Generator, good: bool) -> str:
    """Four sentences; one opinion in six is of the other kind."""
    kinds = [GOOD if (random.random() < 1 / 6) != good else BAD for _ in range(4)]
    words = [random.choice(kind, int(random.random() < 0.6)) for kind in kinds]
    return ". ".join(sentence(random, own) for own in words)


random = np.random.default_rng(0)
good = random.permutation(np.arange(3000) % 2 == 0)
texts = [review(random, one) for one in good]
print(texts[0])

# %%
# scikit-learn makes sparse rows of them: a column for each word.

vectorizer = TfidfVectorizer(sublinear_tf=True)
X = vectorizer.fit_transform(texts).astype(np.float32)
words = vectorizer.get_feature_names_out()
print(f"{X.shape[1]} words, {X.nnz / X.shape[0]:.0f} in a review")

# %%
# The network reads them as they are.  ``GroupLasso`` has a price for each word: all its
# weights are zero, or it is kept.

layers = [
    rn.Dense(X.shape[1], 8, "relu", weight_penalty=rn.GroupLasso(6e-3, "inputs")),
    rn.Dense(8, 1),
]
net = rn.Network(layers, loss="binary_cross_entropy", seed=0)
rate = rn.schedules.CosineDecay(0.01, epochs=40)
net.fit(X[:2200], good[:2200], epochs=40, optimizer=rn.Adam(rate))
accuracy = net.evaluate(X[2200:], good[2200:])["accuracy"]
print(f"{net.zeros():.1%} of the weights are zero, {accuracy:.1%} of new reviews right")

# %%
# ``compact`` leaves out the others, and its ``kept_inputs`` are the words it reads: all
# sixteen opinions, and a few words that chance favours in these reviews.

small = net.compact()
kept = words[small.kept_inputs]
print(f"{len(kept)} words: {', '.join(kept)}")

# %%
# What a word does
# ----------------
#
# The prediction for a review of this word alone, less that for an empty one.

alone = np.eye(len(kept), dtype=np.float32) / 3
effect = small.predict(alone)[:, 0] - small.predict(0 * alone[:1])[0, 0]
order = np.argsort(effect)

figure, ax = plt.subplots(figsize=(6.4, 5.4), layout="constrained")
color = np.where(effect[order] > 0, COLORS[0], COLORS[1])
ax.barh(kept[order], effect[order], color=color)
ax.axvline(0, color="0.3", lw=0.8)
plain(ax, "change of the probability of a good review", "")

# %%
# The small network predicts from rows of the kept words or of all words, and ``to_c``
# writes it as C.  What else takes sparse rows: :doc:`/sparse`.
