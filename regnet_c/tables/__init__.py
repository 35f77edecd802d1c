"""Tables as users have them: frames and files in, one float32 array out.

`columns` gives frames and arrays one interface, `learning` infers kinds and learns codes
(`numbers`, `dates`), `encoding` applies them and is what model files store, `encoder` is
the scikit-learn transformer.  The extra ``[table]`` (narwhals and pyarrow) is needed for
frames and files; arrays need NumPy only.
"""

from __future__ import annotations

from typing import Any

from .encoding import Encoding
from .readers import read_table
from .schema import ColumnSchema, Schema

__all__ = ["ColumnSchema", "Encoding", "Schema", "TableEncoder", "read_table"]


def __getattr__(name: str) -> Any:
    """TableEncoder on first use: it alone needs scikit-learn."""
    if name == "TableEncoder":
        try:
            from .encoder import TableEncoder
        except ImportError as error:
            raise ImportError(
                "TableEncoder needs scikit-learn 1.6 or newer: "
                f"pip install regnet-c[sklearn] ({error})"
            ) from None
        return TableEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
