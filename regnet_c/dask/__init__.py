"""Training on a Dask cluster, with the same bits for any number of workers.

`rounds` holds the algorithm and knows nothing of Dask; `cluster` runs its tasks on workers
and notices when nothing comes back; `estimators` is what users see.  Needs the extra
``[dask]``, and imports it on first use.
"""

from __future__ import annotations

try:
    import dask.base as _dask  # noqa: F401
    import distributed as _distributed  # noqa: F401
except ImportError as _error:
    raise ImportError(
        "regnet_c.dask needs dask and distributed: "
        f"pip install 'regnet-c[dask,sklearn]' ({_error})"
    ) from None

from .estimators import DaskRegNetClassifier, DaskRegNetRegressor

__all__ = ["DaskRegNetClassifier", "DaskRegNetRegressor"]
