"""Helpful errors for keyword arguments that a public function does not have."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


def explains_keywords(**hints: str) -> Callable[[Function], Function]:
    """A decorator: an unknown keyword raises a TypeError that says where it belongs.

    Parameters
    ----------
    **hints
        keyword -> what to write instead.
    """

    def decorate(function: Function) -> Function:
        code = function.__code__
        known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

        @functools.wraps(function)
        def checked(self: object, /, *args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name not in known[1:]:
                    raise TypeError(_message(type(self), function, name, known, hints))
            return function(self, *args, **kwargs)

        return cast("Function", checked)

    return decorate


def _message(
    owner: type,
    function: Callable[..., Any],
    name: str,
    known: tuple[str, ...],
    hints: dict[str, str],
) -> str:
    called = owner.__name__
    if function.__name__ != "__init__":
        called += f".{function.__name__}"
    text = f"{called}() got an unexpected keyword argument {name!r}"
    if name in hints:
        return f"{text}: {hints[name]}"
    import difflib  # for errors alone

    close = difflib.get_close_matches(name, known[1:], n=1)
    if close:
        return f"{text} (did you mean {close[0]!r}?)"
    return f"{text}, expected some of {', '.join(known[1:])}"
