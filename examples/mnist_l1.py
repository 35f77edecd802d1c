"""Which L1 rule gives exact zeros under mini-batch noise?

MNIST, 784-100-10, sigmoid and binary cross-entropy, batch 10, constant rate 0.5.  The
strength is `lam` in the convention "weight-decay" (lam/n sum|w|).  Prints the table of
docs/evidence/l1_rules.md:

    python examples/mnist_l1.py mnist.npz [--epochs 30] [--quick]

mnist.npz holds x_train, y_train, x_test and y_test.
"""

import argparse
import time
from pathlib import Path
from typing import TypeAlias

import numpy as np

import regnet_c as rn
from regnet_c.typing import AnyArray, L1Rule

Data: TypeAlias = tuple[AnyArray, AnyArray, AnyArray, AnyArray]

RUNS: list[tuple[L1Rule | None, float]] = [
    (None, 0.0),
    ("subgradient", 2.0),
    ("shrink_first", 2.0),
    ("proximal", 2.0),
    ("cumulative", 0.5),
    ("cumulative", 1.0),
    ("cumulative", 2.0),
    ("cumulative", 5.0),
]


def load(path: str) -> Data:
    """Training images (50 000) and test images, scaled to [0, 1], one-hot targets."""
    with np.load(path) as file:
        x = file["x_train"][:50_000].reshape(-1, 784) / np.float32(255)
        x_test = file["x_test"].reshape(-1, 784) / np.float32(255)
        targets = np.eye(10, dtype=np.float32)
        return x, targets[file["y_train"][:50_000]], x_test, file["y_test"]


def train(
    rule: L1Rule | None, lam: float, data: Data, epochs: int, seed: int = 0
) -> tuple[float, float, float]:
    """(share of exact zeros, test accuracy, seconds) of one run."""
    x, y, x_test, labels = data
    penalty = None
    if rule:
        penalty = rn.L1.from_convention("weight-decay", lam, n=len(x), rule=rule)
    layers = [
        rn.Dense(784, 100, "sigmoid", penalty, weight_init="lecun_normal"),
        rn.Dense(100, 10, weight_penalty=penalty, weight_init="lecun_normal"),
    ]
    net = rn.Network(layers, loss="binary_cross_entropy", seed=seed)
    start = time.perf_counter()
    net.fit(x, y, epochs=epochs, batch_size=10, optimizer=rn.SGD(0.5), progress=True)
    seconds = time.perf_counter() - start
    accuracy = (net.predict(x_test).argmax(axis=1) == labels).mean()
    return net.zeros(), accuracy, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("data", help="mnist.npz")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="two epochs")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    args = parser.parse_args()
    data = load(args.data)
    table = ["| rule | lam | exact zeros | test accuracy | seconds |", "|---" * 5 + "|"]
    print("\n".join(table))
    for rule, lam in RUNS:
        epochs = 2 if args.quick else args.epochs
        zeros, accuracy, seconds = train(rule, lam, data, epochs)
        table.append(
            f"| {rule or 'no penalty'} | {lam} | {zeros:.1%} | {accuracy:.4f} "
            f"| {seconds:.1f} |"
        )
        print(table[-1])
    if args.markdown:
        args.markdown.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
