"""
From a raw file to a C file: rows go in as they are, prices come out
====================================================================

A file of houses, with semicolons, decimal commas, holes, ids and a town that was never seen
before, is learned by the command line as it is; the model becomes one C file that encodes
raw rows itself.

.. code-block:: none

    python examples/table_to_c.py      (needs cc, and the extras [table] and [plot])
"""

import contextlib
import csv
import ctypes
import math
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import arguments, finish, plt, tidy

import regnet_c as rn
from regnet_c.cli import main as regnet_c
from regnet_c.tables import read_table
from regnet_c.tables.form import TableForm
from regnet_c.tables.readers import Table
from regnet_c.typing import AnyArray

TOWNS = ["Bern", "Oslo", "Rome"]


def write_houses(path: Path, n: int, seed: int, towns: list[str] = TOWNS) -> None:
    """A file as people have them; a price follows from size, rooms, town and garden."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["id", "size", "rooms", "town", "garden", "price"])
        for i in range(n):
            size, rooms = random.uniform(20, 150), int(random.integers(1, 7))
            town, garden = random.choice(towns), random.random() < 0.4
            price = 3 * size + 12 * rooms + 60 * (town == "Rome") + 25 * garden
            cells = [f"{size:.1f}".replace(".", ","), rooms, town]
            cells = ["" if random.random() < 0.05 else cell for cell in cells]
            price_text = f"{price + random.normal(0, 5):.1f}".replace(".", ",")
            writer.writerow([i, *cells, "yes" if garden else "no", price_text])


def compiled(folder: Path) -> ctypes.CDLL:
    """The C file as a library."""
    command = "cc -std=c99 -O2 -ffp-contract=off -shared -fPIC house.c -lm -o house.so"
    subprocess.run(command.split(), cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "house.so"))
    library.house_level_code.restype = ctypes.c_double
    return library


def raw_rows(library: ctypes.CDLL, names: Sequence[str], table: Table) -> AnyArray:
    """Rows as the C file takes them: numbers, codes of levels, NAN where missing."""
    rows = np.empty((len(table), len(names)))
    for k, name in enumerate(names):
        if name in ("town", "garden"):
            codes, texts = table[name].codes()
            known = [library.house_level_code(k, text.encode()) for text in texts]
            rows[:, k] = np.array([*known, math.nan])[codes]
        else:
            rows[:, k] = table[name].floats()
    return rows


def predict_in_c(library: ctypes.CDLL, rows: AnyArray) -> AnyArray:
    """The prices of the C file."""
    row_type, out = ctypes.c_double * rows.shape[1], ctypes.c_double()
    prices = []
    for row in rows:
        library.house_predict_row(row_type(*row), ctypes.byref(out))
        prices.append(out.value)
    return np.array(prices)


def main() -> None:
    args = arguments(__doc__, "table_to_c")
    folder = Path(tempfile.mkdtemp())
    write_houses(folder / "houses.csv", 500 if args.quick else 2000, seed=0)
    write_houses(folder / "new.csv", 300, seed=1, towns=[*TOWNS, "Atlantis"])
    options = "--target price --hidden 64,32 --l1 1e-4 --dropout 0 --members 1".split()
    options += ["--epochs", "20" if args.quick else "auto", "--quiet"]
    with contextlib.chdir(folder):
        options += ["--data", "houses.csv", "--output", "house.safetensors"]
        if regnet_c(["train", *options]):
            raise SystemExit("the training failed")
    network = rn.Network.load(folder / "house.safetensors")
    form = TableForm.of(network)
    report = network.to_c(folder / "house.c", prefix="house")
    print(f"C file               {report['flash']} bytes of constants")

    table = read_table(folder / "new.csv")
    price = table["price"].floats()
    want = form.decoded(network.predict(form.encoding.encode(table.columns)))[:, 0]
    library = compiled(folder)
    got = predict_in_c(library, raw_rows(library, form.encoding.needed, table))
    print(f"C and Python differ  by at most {np.abs(got - want).max():.1g}")
    print(f"error of new houses  {np.abs(got - price).mean():.1f}")

    figure, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
    ax.scatter(price, got, s=10, color="0.35")
    ax.plot([price.min(), price.max()], [price.min(), price.max()], color="0.75")
    tidy(ax, "price", "predicted by the C file from raw rows")
    finish(figure, args)


if __name__ == "__main__":
    main()

# %%
# What the C file takes and returns: :doc:`/shipping`.
