"""The recipes of docs/integrations.md, and the callbacks for trackers of experiments."""

import ast
import importlib.util
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c.callbacks import MLflow, OptunaPruning, TensorBoard, WandB

PAGE = Path(__file__).parents[1] / "docs/integrations.md"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
BLOCKS = re.findall(r"^## ([^\n]*)\n|```python\n(.*?)```", TEXT, re.S | re.M)


def recipes():
    """(heading, code) of every block."""
    heading = ""
    for title, code in BLOCKS:
        heading = title or heading
        if code:
            yield pytest.param(code, id=heading)


def imported(code):
    """Names of the packages that a block imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


# what the packages themselves warn of is theirs
@pytest.mark.filterwarnings("default")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("code", list(recipes()))
def test_the_recipe_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in sorted({*imported(code), "sklearn"}):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    exec(compile(code, str(PAGE), "exec"), {"__name__": "recipe"})


def test_every_tool_has_a_recipe():
    assert [p.id for p in recipes()] == [
        "Optuna",
        "Optuna",
        "Optuna",
        "MLflow",
        "TensorBoard",
        "Weights & Biases",
        "SHAP",
        "imbalanced-learn",
        "skl2onnx",
    ]


def fit(callback, **options):
    net = rn.Network([rn.Dense(4, 3), rn.Dense(3, 1)], seed=0)
    X = np.eye(4)
    return net.fit(X, X[:, :1], 3, callbacks=[callback], **options)


def stand_in(monkeypatch, name, **attributes):
    """A module of this name, whether or not the real one is installed."""
    module = types.ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


def test_mlflow_gets_the_numbers_of_every_epoch(monkeypatch):
    calls = []
    stand_in(monkeypatch, "mlflow", log_metrics=lambda m, **k: calls.append((m, k)))
    history = fit(MLflow("a run"))
    assert [m["loss"] for m, _ in calls] == history["loss"]
    assert [k for _, k in calls] == [{"step": i, "run_id": "a run"} for i in range(3)]


def test_wandb_gets_the_numbers_of_layers_one_by_one(monkeypatch):
    calls = []
    run = types.SimpleNamespace(log=lambda m, step: calls.append((step, m)))
    stand_in(monkeypatch, "wandb", run=None)
    history = fit(WandB(run), validation_data=(np.eye(4), np.zeros((4, 1))))
    assert [step for step, _ in calls] == [0, 1, 2]
    numbers = [k for k, v in history.history.items() if not isinstance(v[0], list)]
    lists = [k for k, v in history.history.items() if isinstance(v[0], list)]
    wanted = {*numbers, *(f"{k}_{i}" for k in lists for i in range(2))}
    assert set(calls[-1][1]) == wanted and "val_loss" in wanted
    with pytest.raises(ValueError, match="call wandb.init"):
        WandB()


def test_tensorboard_closes_what_it_opened(monkeypatch):
    events = []

    class Writer:
        def __init__(self, folder):
            events.append(folder)

        def add_scalar(self, name, value, step):
            events.append((name, step)) if name == "loss" else None

        def close(self):
            events.append("closed")

    stand_in(monkeypatch, "tensorboard")
    stand_in(monkeypatch, "tensorboard.summary", Writer=Writer)
    fit(TensorBoard("somewhere"))
    steps = [("loss", 0), ("loss", 1), ("loss", 2)]
    assert events == ["somewhere", *steps, "closed"]


def test_a_pruned_trial_ends_training(monkeypatch):
    class TrialPruned(Exception):
        pass

    class Trial:
        reported = ()

        def report(self, value, step):
            self.reported += ((step, value),)

        def should_prune(self):
            return len(self.reported) == 2

    stand_in(monkeypatch, "optuna", TrialPruned=TrialPruned)
    trial = Trial()
    with pytest.raises(TrialPruned, match="pruned after epoch 2"):
        fit(OptunaPruning(trial, "loss"))
    assert [step for step, _ in trial.reported] == [0, 1]
    with pytest.raises(ValueError, match="OptunaPruning monitors 'val_loss'"):
        fit(OptunaPruning(trial))


@pytest.mark.parametrize(
    ("callback", "package"),
    [(TensorBoard, "tensorboard"), (MLflow, "mlflow"), (OptunaPruning, "optuna")],
)
def test_a_missing_package_is_named_with_its_extra(callback, package, monkeypatch):
    for name in (package, f"{package}.summary"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"needs {package}: pip .*\[tracking\]"):
        callback("anything")
