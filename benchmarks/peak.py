"""The FMA peak of this machine, from the register-only loop in peak.c.

Needs a C compiler called cc; without one, `Peak` raises OSError and is skipped.
"""

import ctypes
import subprocess
import tempfile
import threading
import time
from pathlib import Path

_SECONDS = 0.005  # of one window
_WINDOWS = 10  # the best of them is the peak: a window may be interrupted


def _compile():
    source = Path(__file__).with_name("peak.c")
    flags = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "peak.so")
        subprocess.run(["cc", *flags, str(source), "-o", library], check=True)
        return ctypes.CDLL(library)


class Peak:
    """Measures floating-point operations per second.

    Parameters
    ----------
    threads : int
        How many loops run side by side.
    """

    def __init__(self, threads):
        self._threads = threads
        library = _compile()
        self._loops, self._flops, self._rounds = {}, {}, {}
        for dtype, suffix in (("float32", "f32"), ("float64", "f64")):
            loop = getattr(library, f"peak_{suffix}")
            loop.restype = ctypes.c_double
            loop.argtypes = [ctypes.c_long, ctypes.c_double, ctypes.c_double]
            self._loops[dtype] = loop
            self._flops[dtype] = getattr(library, f"flops_{suffix}")()
            self._rounds[dtype] = self._calibrate(dtype)

    def _calibrate(self, dtype):
        rounds = 1 << 18
        taken = min(self._run(dtype, rounds) for _ in range(_WINDOWS))
        return max(1, int(rounds * _SECONDS / taken))

    def _run(self, dtype, rounds):
        """Seconds until all threads have done their rounds."""
        arguments = (rounds, 0.999, 0.001)
        others = [
            threading.Thread(target=self._loops[dtype], args=arguments)
            for _ in range(self._threads - 1)
        ]
        start = time.perf_counter()
        for thread in others:
            thread.start()
        self._loops[dtype](*arguments)
        for thread in others:
            thread.join()
        return time.perf_counter() - start

    def gflops(self, dtype):
        """Billions of operations per second; a multiply-add counts as two."""
        rounds = self._rounds[dtype]
        operations = rounds * self._flops[dtype] * self._threads
        best = min(self._run(dtype, rounds) for _ in range(_WINDOWS))
        return operations / best / 1e9
