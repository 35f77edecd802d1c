"""The state of a call of `Network.fit` in a file, and back.

The file is a model file (header.py) with a state behind the weights: the call's
arguments, the optimiser's memory, the history and the states of callbacks.  Only a call
with the same network, data and arguments resumes from it; if it is refused,
nothing has changed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks
from ..errors import ModelFileError
from ..layers import layer_from_config
from . import model_file
from .structure import ERRORS

if TYPE_CHECKING:
    from .._core.listeners import Listeners
    from .._core.training import FitOptions, TrainingRun
    from ..network import Network
    from ..typing import AnyArray, StrPath

_KEYS = ["arguments", "training", "history", "callbacks"]


def save(run: TrainingRun, path: StrPath) -> None:
    """Write the state of a TrainingRun, atomically; see `model_file.save`.

    RuntimeError in any thread but the one that trains, since optimiser and weights change.
    """
    run.network._store.expect_no_other()
    options, reported, history = run.options, run.reported, run.history
    training, arrays = run.state.get_state()
    if reported.epochs:
        for name, entries in history.history.items():
            if len(entries) < reported.epochs:
                raise ValueError(
                    f"history[{name!r}] has {len(entries)} entries, expected one for "
                    f"each of {reported.epochs} epochs"
                )
            arrays[f"history.{name}"] = np.array(entries[: reported.epochs], np.float64)
    callbacks = []
    for number, (name, state) in enumerate(reported.states):
        values = dict(state)
        for key in [k for k, v in state.items() if _is_array(v)]:
            arrays[f"callbacks.{number}.{key}"] = values.pop(key)
        callbacks.append([name, values])
    values = {
        "arguments": options.arguments,
        "training": training,
        "history": {
            "first_epoch": run.first_epoch,
            "epochs": reported.epochs,
            "seconds": history.seconds,
            "stopped_early": reported.stopped_early,
        },
        "callbacks": callbacks,
    }
    model_file.save(run.network, path, (values, arrays))


def _is_array(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(part, np.ndarray) for part in value)
    return isinstance(value, np.ndarray)


class Saved:
    """A checkpoint that fits a call.

    Parameters
    ----------
    path : str or os.PathLike
    network : Network
    options : FitOptions

    Raises
    ------
    ModelFileError
        If the file is not a complete checkpoint.
    ValueError
        If it belongs to another network or to a call with other data or arguments.
    """

    def __init__(self, path: StrPath, network: Network, options: FitOptions) -> None:
        self._path = path
        self._network, state = model_file.load_with_state(type(network), path)
        if state is None:
            raise ModelFileError(
                f"{path} is a model without a state of training; Network.load reads it"
            )
        self._values, self._arrays = state
        self._expect_same("network", _description(self._network), _description(network))
        try:
            if list(self._values) != _KEYS:
                raise ValueError(f"its state has the entries {list(self._values)}")
            arguments = dict(self._values["arguments"])
            self._history = _checked_history(self._values["history"])
        except ERRORS as error:
            raise self._broken(error) from None
        self._expect_same("call of fit", arguments, options.arguments)

    @property
    def epochs(self) -> int:
        """Epochs reported."""
        number: int = self._history["epochs"]
        return number

    def _broken(self, error: BaseException | str) -> ModelFileError:
        reason = model_file.short_reason(error)
        return ModelFileError(f"{self._path} is not a regnet_c checkpoint: {reason}")

    def _expect_same(
        self, what: str, found: dict[str, Any], here: dict[str, Any]
    ) -> None:
        """ValueError for two dicts of which an entry differs."""
        differences = []
        for name in dict.fromkeys([*here, *found]):
            there, now = (
                repr(values[name]) if name in values else "nothing"
                for values in (found, here)
            )
            if there != now:
                differences.append(
                    f"{name}={_cut(there)} in the file, {_cut(now)} here"
                )
        if differences:
            raise ValueError(
                f"{self._path} belongs to another {what}: {'; '.join(differences)}"
            )

    def restore(self, run: TrainingRun) -> None:
        """Fill a TrainingRun whose state is new, its callbacks and its network."""
        arrays = dict(self._arrays)
        try:
            self._restore_training(run, arrays)
            states = [(name, dict(state)) for name, state in self._values["callbacks"]]
        except ERRORS as error:
            raise self._broken(error) from None
        self._restore_callbacks(run.listeners, states, arrays)
        if arrays:
            raise self._broken(f"its state has the arrays {', '.join(arrays)} too")
        run.network.set_weights(self._network.get_weights())

    def _restore_training(self, run: TrainingRun, arrays: dict[str, AnyArray]) -> None:
        options, saved, history = run.options, self._history, run.history
        run.state.set_state(self._values["training"], arrays, options, run.course)
        run.first_epoch = saved["first_epoch"]
        epoch, begun = run.state.epoch, run.state.begun
        ahead = epoch - run.first_epoch - saved["epochs"]
        if ahead not in (0, 1) or (ahead and begun):
            raise ValueError(
                f"it is at epoch {epoch}, row {run.progress.row}, and has a history of "
                f"{saved['epochs']} epochs since epoch {run.first_epoch}"
            )
        for name in [name for name in arrays if name.startswith("history.")]:
            entries = arrays.pop(name)
            if entries.ndim not in (1, 2) or len(entries) != saved["epochs"]:
                raise ValueError(f"{name} has shape {entries.shape}")
            history.history[name.removeprefix("history.")] = entries.tolist()
        history.epochs, history.seconds = saved["epochs"], saved["seconds"]
        history.samples = saved["epochs"] * options.data.n
        history.stopped_early = saved["stopped_early"]

    def _restore_callbacks(
        self,
        listeners: Listeners,
        states: list[tuple[str, dict[str, Any]]],
        arrays: dict[str, AnyArray],
    ) -> None:
        callbacks: list[Any] = [callback for callback, _ in listeners.states()]
        found = [name for name, _ in states]
        here = [type(callback).__name__ for callback in callbacks]
        self._expect_same("call of fit", {"callbacks": found}, {"callbacks": here})
        for number, (callback, (name, state)) in enumerate(
            zip(callbacks, states, strict=True)
        ):
            prefix = f"callbacks.{number}."
            keys = {key for key in arrays if key.startswith(prefix)}
            own = {key.removeprefix(prefix): arrays.pop(key) for key in keys}
            if own.keys() & state.keys():
                raise self._broken(f"the state of {name} has an entry twice")
            state |= own
            try:
                callback.set_state(state)
            except ERRORS as error:
                raise ValueError(
                    f"{self._path} has a state of {name} that does not fit this call: "
                    f"{model_file.short_reason(error)}"
                ) from error


def _cut(text: str) -> str:
    """A text cut to what fits in a message."""
    return text if len(text) <= 400 else text[:397] + "..."


def _description(network: Network) -> dict[str, Any]:
    """What a model file states about a network's structure, by short names."""
    kept = network.kept_inputs
    layers = [layer_from_config(layer.get_config()) for layer in network.layers]
    return {
        "dtype": network.dtype.name,
        "loss": network.loss.get_config(),
        "seed": network.seed,
        "members": network.members,
        "inputs": f"{len(kept)} of {network.n_inputs}, checksum {zlib.crc32(kept.data):x}",
        "layers": len(layers),
    } | {f"layers[{i}]": layer for i, layer in enumerate(layers)}


def _checked_history(values: dict[str, Any]) -> dict[str, Any]:
    """What a file states about the history; ValueError for what `save` does not write."""
    if list(values) != ["first_epoch", "epochs", "seconds", "stopped_early"]:
        raise ValueError(f"its history has the entries {list(values)}")
    for name in ("first_epoch", "epochs"):
        checks.check_int(values[name], name, minimum=0, maximum=2**62)
    checks.check_float(values["seconds"], "seconds", minimum=0)
    checks.check_bool(values["stopped_early"], "stopped_early")
    return values
