"""SHA-256 that raises MemoryError where OpenSSL, out of memory, raises ValueError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")

    class Digest(Protocol):
        """A hashlib object; arrays are buffers, though type checkers learn it with 3.12."""

        def update(self, part: Any, /) -> None: ...
        def hexdigest(self) -> str: ...


def sha256(start: bytes = b"") -> Digest:
    """A hashlib object that has taken in `start`."""
    import hashlib  # loads OpenSSL, which few need

    return _try(hashlib.sha256, start)


def hexdigest(digest: Digest) -> str:
    """Its 64 hexadecimal digits."""
    return _try(digest.hexdigest)


def _try(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except ValueError as error:
        raise MemoryError(str(error)) from None
