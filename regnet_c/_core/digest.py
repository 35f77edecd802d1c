"""SHA-256 that raises MemoryError where OpenSSL, out of memory, raises ValueError."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    T = TypeVar("T")


def sha256(start: ReadableBuffer = b"") -> hashlib._Hash:
    """A hashlib object that has taken in `start`."""
    return _try(hashlib.sha256, start)


def hexdigest(digest: hashlib._Hash) -> str:
    """Its 64 hexadecimal digits."""
    return _try(digest.hexdigest)


def _try(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except ValueError as error:
        raise MemoryError(str(error)) from None
