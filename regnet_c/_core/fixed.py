"""Descriptions: objects that are made once, compared by their arguments and never changed.

A network reads them when it is built, so an attribute set later would be shown and saved
but would have no effect on training.
"""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..typing import Config


def _sealing(init: Callable[..., None]) -> Callable[..., None]:
    """The constructor `init`, which seals the object when it returns."""

    @functools.wraps(init)
    def __init__(self: Fixed, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if type(self).__init__ is __init__:  # not called by that of a subclass
            # not by self.__dict__, which would make a dict for every layer of a file
            object.__setattr__(self, "_sealed", True)

    return __init__


class Fixed:
    """Base of objects that are described by the arguments of their constructor.

    Each argument is an attribute of the same name and a key of `get_config`.
    """

    _names: ClassVar[tuple[str, ...]] = ()  # the constructor's arguments
    _defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    _sealed = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        init = cls.__dict__.get("__init__")
        if init is not None:
            code, values = init.__code__, init.__defaults__ or ()
            cls._names = code.co_varnames[1 : code.co_argcount]
            first = len(cls._names) - len(values)
            cls._defaults = dict(zip(cls._names[first:], values, strict=True))
            type.__setattr__(cls, "__init__", _sealing(init))

    def _is_fixed(self, name: str) -> bool:
        return self._sealed and not name.startswith("_")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._sealed and self._is_fixed(name):
            raise AttributeError(self._refusal(name))
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_fixed(name):
            raise AttributeError(self._refusal(name))
        super().__delattr__(name)

    def _refusal(self, name: str) -> str:
        kind = type(self).__name__
        if name in self._names:
            return (
                f"{kind}.{name} cannot be changed after construction; "
                f"replace({name}=...) returns a changed copy"
            )
        return f"{kind} has no argument {name!r}, only {', '.join(self._names)}"

    def replace(self, **changes: Any) -> Self:
        """A copy with some arguments changed; the object itself stays as it is.

        Parameters
        ----------
        **changes
            Arguments of the constructor.

        Returns
        -------
        object of the same class

        Raises
        ------
        TypeError
            For an argument that the constructor does not have.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.Adam(0.01).replace(epsilon=1e-6)
        Adam(0.01, epsilon=1e-06)
        """
        for name in changes:
            if name not in self._names:
                raise TypeError(
                    f"replace() got {name!r}, {type(self).__name__} has "
                    f"{', '.join(self._names)}"
                )
        return type(self)(**{n: getattr(self, n) for n in self._names} | changes)

    def __replace__(self, /, **changes: Any) -> Self:  # copy.replace of Python 3.13
        return self.replace(**changes)

    def get_config(self) -> Config:
        """The arguments of the constructor as JSON values, and the class as ``type``.

        Returns
        -------
        dict

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.L2(0.01).get_config()
        {'type': 'L2', 'l2': 0.01}
        """
        config: Config = {"type": type(self).__name__}
        for name in self._names:
            value = getattr(self, name)
            config[name] = value.get_config() if isinstance(value, Fixed) else value
        return config

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self._names)))

    def _shown(self, name: str) -> str | None:
        """The argument as `repr` shows it, None where that is not needed."""
        value = getattr(self, name, None)
        if name in self._defaults and value == self._defaults[name]:
            return None
        return repr(value)

    def __repr__(self) -> str:
        parts = []
        for name in self._names:
            text = self._shown(name)
            if text is not None:
                required = name not in self._defaults
                parts.append(text if required else f"{name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"
