"""Bags of words with Zipf's frequencies, for the benchmarks of sparse rows.

    python benchmarks/words.py [--small]     what the data look like

The reviews that others measure on are not ours to ship.  These are made up, the same
for the same seed, with what matters of them: 1800 documents of 48 272 words, 0.7 % of
the entries filled, more than half of the words in one document only, the columns in no
order of frequency, and a few hundred words more frequent in one of the two classes.
Entries are tf-idf in rows of length 1, as of scikit-learn's TfidfVectorizer with
`sublinear_tf=True`.  NumPy alone makes them.
"""

import argparse
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Sparse rows (CSR) for whoever reads these attributes; no SciPy."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple

    def __getitem__(self, rows):
        """The rows of a slice of step 1."""
        start, stop, _ = rows.indices(self.shape[0])
        indptr = self.indptr[start : stop + 1]
        entries = slice(indptr[0], indptr[-1])
        shape = stop - start, self.shape[1]
        return Rows(
            self.data[entries], self.indices[entries], indptr - indptr[0], shape
        )


@dataclass(frozen=True)
class Bags:
    """What the documents are made of; the defaults are like review_polarity."""

    documents: int = 1800
    words: int = 48_272
    informative: int = 300
    length: int = 720  # words of a document on average, repeated ones too
    contrast: float = 0.45  # log of an informative word's frequency in its class / mean
    exponent: float = 1.4  # of Zipf's law
    seed: int = 0

    def make(self, dtype=np.float32):
        """`Rows` (documents, words), labels 0 and 1, the informative columns."""
        rng = np.random.default_rng(self.seed)
        column = rng.permutation(self.words)  # of each rank
        labels = rng.permutation(np.arange(self.documents) % 2)
        chosen, frequencies = self._frequencies(rng)
        document, ranks = self._tokens(rng, labels, frequencies)
        unseen = np.setdiff1d(np.arange(self.words), ranks)
        somewhere = rng.integers(0, self.documents, len(unseen))
        places = np.concatenate([document, somewhere]) * self.words
        places += column[np.concatenate([ranks, unseen])]
        places, counts = np.unique(places, return_counts=True)
        return self._weighted(places, counts, dtype), labels, np.sort(column[chosen])

    def _frequencies(self, rng):
        """Informative ranks, from the middle of the list; a frequency per class, word."""
        zipf = 1 / (np.arange(self.words) + 10.0) ** self.exponent
        chosen = rng.choice(
            np.arange(self.words // 500, self.words // 8), self.informative, False
        )
        log = np.zeros(self.words)
        log[chosen] = rng.choice([-1.0, 1.0], self.informative) * self.contrast
        frequencies = zipf * np.exp([-log, log])
        return chosen, frequencies / frequencies.sum(axis=1, keepdims=True)

    def _tokens(self, rng, labels, frequencies):
        """The document and the rank of every token."""
        lengths = rng.lognormal(np.log(self.length), 0.4, self.documents).astype(int)
        document = np.repeat(np.arange(self.documents), lengths)
        draws, ranks = rng.random(len(document)), np.empty(len(document), np.int64)
        for label, row in enumerate(frequencies):
            own = labels[document] == label
            ranks[own] = np.searchsorted(np.cumsum(row), draws[own])
        return document, np.minimum(ranks, self.words - 1)

    def _weighted(self, places, counts, dtype):
        """Tf-idf of `counts` at `places`, document * words + column, as rows."""
        document, column = np.divmod(places, self.words)
        frequency = np.bincount(column, minlength=self.words)
        idf = np.log((1 + self.documents) / (1 + frequency)) + 1
        data = (1 + np.log(counts)) * idf[column]
        length = np.bincount(document, data * data, self.documents)
        data /= np.sqrt(length)[document]
        indptr = np.searchsorted(document, np.arange(self.documents + 1))
        return Rows(
            data.astype(dtype),
            column.astype(np.int32),
            indptr,
            (self.documents, self.words),
        )


REVIEWS = Bags()
SMALL = Bags(documents=400, words=3000, informative=60, length=120)


def main():
    """Print what the data look like."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="400 documents")
    rows, labels, informative = (SMALL if parser.parse_args().small else REVIEWS).make()
    n, n_words = rows.shape
    in_documents = np.bincount(rows.indices, minlength=n_words)
    print(f"{n} documents, {n_words} words, {len(rows.data)} entries")
    print(f"{len(rows.data) / n / n_words:.2%} filled, {np.mean(labels):.0%} class 1")
    print(f"{np.mean(in_documents == 1):.0%} of the words in one document only")
    print(f"{len(informative)} informative words")


if __name__ == "__main__":
    main()
