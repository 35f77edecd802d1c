"""
From a raw table to a model and predictions
===========================================

A file as people have it: semicolons, decimal commas, holes, an id, a town that is new
tomorrow.  Nothing is prepared; the encoder is learned with the network and saved with it.
"""

import csv
import shlex

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c.cli import main
from regnet_c.plots import COLORS

# %%
# The file
# --------


def write_houses(path: str, n: int, seed: int, towns: list[str]) -> None:
    """Houses whose price follows from size, rooms, town and garden."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["id", "size", "rooms", "town", "garden", "price"])
        for i in range(n):
            size, rooms = random.uniform(20, 150), int(random.integers(1, 7))
            town, garden = random.choice(towns), random.random() < 0.4
            price = 3 * size + 12 * rooms + 60 * (town == "Rome") + 25 * garden
            price += random.normal(0, 5)
            cells = [f"{size:.1f}".replace(".", ","), rooms, town]
            cells = ["" if random.random() < 0.05 else cell for cell in cells]
            cells += ["yes" if garden else "no", f"{price:.1f}".replace(".", ",")]
            writer.writerow([i, *cells])


towns = ["Bern", "Oslo", "Rome"]
write_houses("houses.csv", 1000, seed=0, towns=towns)
write_houses("new.csv", 300, seed=1, towns=[*towns, "Atlantis"])
with open("houses.csv", encoding="utf-8") as file:
    print("".join(file.readlines()[:6]))

# %%
# On the command line
# -------------------
#
# ``--dry-run`` prints how the file is read, and stops there.


def regnet_c(command: str) -> None:
    """What the command prints in a shell."""
    print(f"$ regnet-c {command}")
    main(shlex.split(command))


regnet_c("train --data houses.csv --target price --dry-run")

# %%
# Training finds sizes, rates and the number of epochs from the data; every option of
# :doc:`/generated/command_line` overrides its own.

regnet_c(
    "train --data houses.csv --target price --members 1 --quiet --output m.safetensors"
)
regnet_c("evaluate m.safetensors new.csv")

# %%
# The model file knows the columns, so new rows go in as raw as the first.

regnet_c("predict m.safetensors new.csv --output predictions.csv")
with open("predictions.csv", encoding="utf-8") as file:
    print("".join(file.readlines()[:4]))

# %%
# In Python
# ---------
#
# The estimators take a data frame with all its holes.  ``recipe_`` has what "auto" chose.

options = {"sep": ";", "decimal": ","}
houses, new = pd.read_csv("houses.csv", **options), pd.read_csv("new.csv", **options)
model = rn.RegNetRegressor(random_state=0, n_members=1)
model.fit(houses.drop(columns="price"), houses["price"])
assert model.encoder_, "a table has an encoder"
model.encoder_.schema_

# %%
predicted = model.predict(new.drop(columns="price"))
print(f"R² of new houses {model.score(new.drop(columns='price'), new['price']):.3f}")
print(f"mean error       {np.abs(predicted - new['price']).mean():.1f}")

# %%
# Rows with a hole, or from the town that nobody had seen, are the ones far off.

hole = new.drop(columns="price").isna().any(axis=1) | (new["town"] == "Atlantis")
figure, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
for rows, color, label in (
    (~hole, COLORS[0], "complete"),
    (hole, COLORS[5], "hole or new"),
):
    ax.scatter(new["price"][rows], predicted[rows], s=12, color=color, label=label)
ax.axline((200, 200), slope=1, color="0.7", zorder=0)
ax.set(xlabel="price", ylabel="predicted price")
ax.legend(frameon=False)

# %%
# How columns are encoded, and what else the reader understands: :doc:`/tables`.
