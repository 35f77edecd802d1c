"""SHA-256 that raises MemoryError where OpenSSL, out of memory, raises ValueError."""

import hashlib


def sha256(start=b""):
    """A hashlib object that has taken in `start`."""
    return _try(hashlib.sha256, start)


def hexdigest(digest):
    """Its 64 hexadecimal digits."""
    return _try(digest.hexdigest)


def _try(call, *arguments):
    try:
        return call(*arguments)
    except ValueError as error:
        raise MemoryError(str(error)) from None
