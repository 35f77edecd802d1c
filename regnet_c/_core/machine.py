"""The machine: which kernels its CPU runs, and where the header of the C core is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import binding
from .team import available_threads

if TYPE_CHECKING:
    from ..typing import CPUInfo

if os.environ.get("REGNET_C_ISA"):
    try:
        binding.set_isa(os.environ["REGNET_C_ISA"])
    except ValueError as error:
        raise ImportError(f"REGNET_C_ISA: {error}") from None


def cpu_info() -> CPUInfo:
    """What the C core runs on.

    Explained in :doc:`/platforms`.

    Returns
    -------
    dict
        ``isa`` (kernels in use), ``available`` (all this CPU can run), ``fused`` (True
        if multiply-add rounds once: then results have the same bits on every such
        CPU), ``lanes`` (float32 numbers per vector), ``threads`` (CPUs this process
        may use), ``build_flags``.

    Examples
    --------
    >>> import regnet_c as rn
    >>> sorted(rn.cpu_info())
    ['available', 'build_flags', 'fused', 'isa', 'lanes', 'threads']
    """
    return {
        "isa": binding.current_isa(),
        "available": binding.available_isas(),
        "fused": binding.is_fused(),
        "lanes": binding.lanes(True),
        "threads": available_threads(),
        "build_flags": binding.build_flags(),
    }


def get_include() -> str:
    """The folder of rn.h, for building other modules on the C kernels.

    Explained in :doc:`/c_kernels`.

    Returns
    -------
    str
        To be listed in the ``include_dirs`` of an extension that does ``from
        regnet_c.kernels.cython_kernels cimport ...``.

    Examples
    --------
    >>> import regnet_c as rn
    >>> from pathlib import Path
    >>> (Path(rn.get_include()) / "rn.h").exists()
    True
    """
    package = Path(__file__).parent.parent
    installed = package / "include"
    # in a source folder (editable, in place) the header is where the C core is
    return str(installed if installed.is_dir() else package.parent / "csrc")
