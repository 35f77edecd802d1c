"""The packages of the extra `[table]`, imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def _missing(error: ImportError, what: str) -> ImportError:
    return ImportError(
        f"{what} needs narwhals and pyarrow: pip install 'regnet-c[table]' ({error})"
    )


def narwhals() -> ModuleType:
    """The module narwhals, for data frames."""
    try:
        import narwhals
    except ImportError as error:
        raise _missing(error, "a data frame") from None
    return narwhals


def pyarrow() -> Any:
    """The module pyarrow, for data frames and files."""
    try:
        import pyarrow
    except ImportError as error:
        raise _missing(error, "a data frame or a table file") from None
    return pyarrow
