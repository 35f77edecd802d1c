"""The callbacks of one call of `fit`: any objects with some of the methods of Callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..network import Network
    from ..typing import AnyCallback, Logs, Training

_METHODS = (
    "on_train_begin",
    "on_epoch_end",
    "on_checkpoint",
    "on_train_end",
    "get_state",
    "set_state",
)


def check_callbacks(callbacks: Sequence[AnyCallback]) -> list[AnyCallback]:
    """A list of objects that have at least one of the methods of Callback."""
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(
            f"callbacks is {checks.a_type(callbacks)}, expected a list of callbacks"
        )
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(
                f"callbacks contains the class {callback.__name__}, expected an instance: "
                f"{callback.__name__}(...)"
            )
        has = [name for name in _METHODS if hasattr(callback, name)]
        if not has:
            raise TypeError(
                f"callback {callback!r} has none of the methods {', '.join(_METHODS)}"
            )
        if "get_state" in has and "set_state" not in has:
            raise TypeError(f"callback {callback!r} has get_state but no set_state")
        for name in has:
            if not callable(getattr(callback, name)):
                raise TypeError(f"{name} of callback {callback!r} cannot be called")
    return list(callbacks)


def _call(callback: AnyCallback, name: str, *args: Any) -> Any:
    """What the callback's method returns; None if it has no such method."""
    method = getattr(callback, name, None)
    return None if method is None else method(*args)


def _methods(callbacks: Sequence[AnyCallback], name: str) -> list[Any]:
    """The method of each callback that has it."""
    return [getattr(c, name) for c in callbacks if hasattr(c, name)]


def _end(callbacks: list[AnyCallback]) -> None:
    if callbacks:
        try:
            _call(callbacks[0], "on_train_end")
        finally:
            _end(callbacks[1:])


class Listeners:
    """Calls the callbacks in their order, each only with the methods it has.

    Whatever happens, train_end is called for every callback whose train_begin was.
    """

    def __init__(self, callbacks: Sequence[AnyCallback]) -> None:
        self._callbacks = callbacks
        self._begun: list[AnyCallback] = []
        # looked up once: every epoch calls them
        self._on_epoch_end = _methods(callbacks, "on_epoch_end")
        self._on_checkpoint = _methods(callbacks, "on_checkpoint")
        self._with_state = [c for c in callbacks if hasattr(c, "get_state")]

    def train_begin(self, network: Network) -> None:
        """Call all of them at the beginning of training."""
        for callback in self._callbacks:
            _call(callback, "on_train_begin", network)
            self._begun.append(callback)

    def epoch_end(self, epoch: int, logs: Logs) -> bool:
        """Call all of them; True if one wants to stop."""
        answers = [method(epoch, logs) for method in self._on_epoch_end]
        return any(answers)

    def checkpoint(self, training: Training) -> None:
        """Give all of them the chance to save."""
        for method in self._on_checkpoint:
            method(training)

    def train_end(self) -> None:
        """End those that began, even if one of them raises."""
        begun, self._begun = self._begun, []
        _end(begun)

    def states(self) -> list[tuple[AnyCallback, dict[str, Any]]]:
        """[(callback, its state)] of those that have one."""
        states: list[tuple[AnyCallback, dict[str, Any]]] = []
        for callback in self._with_state:
            state = _call(callback, "get_state")
            if state is not None:
                states.append((callback, state))
        return states
