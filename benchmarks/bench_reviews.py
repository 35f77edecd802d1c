"""Reviews as bags of words: accuracy, zeros, time and memory beside scikit-learn's MLP.

    python benchmarks/bench_reviews.py [--rounds 5] [--epochs 5]

100 hidden units on the made-up reviews of words.py, 1400 to train and 400 to test.
Every fit is a process of its own, ours and theirs in turn, with one thread; its peak
memory includes Python and the data.
"""

import argparse
import resource
import sys
import time
from statistics import median

import numpy as np
from words import REVIEWS
from worker import Worker

TRAIN = 1400
PEERS = ("regnet_c", "scikit-learn")


class Fit:
    """One training in this process."""

    def __init__(self, peer, epochs):
        self._peer, self._epochs = peer, epochs

    def run(self):
        """Seconds, accuracy on the test part, share of zeros in W, peak megabytes."""
        rows, labels, _ = REVIEWS.make()
        train = self._train_ours if self._peer == "regnet_c" else self._train_theirs
        seconds, predicted, w = train(rows, labels)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return (
            seconds,
            float(np.mean(predicted == labels[TRAIN:])),
            float(np.mean(w == 0)),
            peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
        )

    def _train_ours(self, rows, labels):
        import regnet_c as rn

        hidden = rn.Dense(rows.shape[1], 100, "relu", weight_penalty=rn.L1(1e-4))
        net = rn.Network([hidden, rn.Dense(100, 2)], "softmax_cross_entropy", seed=0)
        start = time.perf_counter()
        net.fit(
            rows[:TRAIN],
            labels[:TRAIN],
            epochs=self._epochs,
            batch_size=200,
            optimizer=rn.FTRL(0.1),
            threads=1,
        )
        seconds = time.perf_counter() - start
        return seconds, net.predict(rows[TRAIN:]).argmax(axis=1), net.get_weights()[0]

    def _train_theirs(self, rows, labels):
        import warnings

        from scipy.sparse import csr_matrix
        from sklearn.neural_network import MLPClassifier

        warnings.filterwarnings("ignore", module="sklearn")
        x = csr_matrix((rows.data, rows.indices, rows.indptr), rows.shape)
        model = MLPClassifier((100,), max_iter=self._epochs, random_state=0)
        start = time.perf_counter()
        model.fit(x[:TRAIN], labels[:TRAIN])
        seconds = time.perf_counter() - start
        return seconds, model.predict(x[TRAIN:]), model.coefs_[0]


def main():
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    found = {peer: [] for peer in PEERS}
    for _ in range(options.rounds):
        for peer in PEERS:
            worker = Worker("bench_reviews:Fit", 1, peer, options.epochs)
            found[peer].append(worker.call("run"))
            worker.close()
    print(
        "| | seconds | accuracy | zeros in W | peak memory, MB |\n|---|---|---|---|---|"
    )
    for peer, runs in found.items():
        seconds, accuracy, zeros, peak = map(median, zip(*runs, strict=True))
        print(f"| {peer} | {seconds:.2f} | {accuracy:.3f} | {zeros:.2%} | {peak:.0f} |")
    ours, theirs = found.values()
    ratio = median(b[0] / a[0] for a, b in zip(ours, theirs, strict=True))
    print(f"\nscikit-learn / regnet_c: {ratio:.1f} times the seconds")


if __name__ == "__main__":
    main()
