"""Objects that live in a process of their own and are called over a pipe.

Every library gets its own process, so that thread pools, allocators and environment
variables of one cannot touch another; the environment is set before anything is
imported there.
"""

import importlib
import multiprocessing
import os
import traceback


class WorkerError(RuntimeError):
    """What went wrong in the worker, `kind` being the name of the exception."""

    def __init__(self, kind, message, details):
        super().__init__(f"{kind}: {message}")
        self.kind, self.details = kind, details


class Worker:
    """An object of class `path` ("module:Class") in a new process.

    Parameters
    ----------
    path : str
    threads : int
        Upper limit for every thread pool that can be limited.
    args : tuple
        For the constructor.
    """

    def __init__(self, path, threads, *args):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, path, args), daemon=True
        )
        saved = dict(os.environ)
        os.environ.update(thread_environment(threads))
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(saved)
        theirs.close()
        try:
            self._receive()
        except WorkerError:
            self.close()
            raise

    def call(self, method, *args):
        """object.method(*args), evaluated there."""
        try:
            self._pipe.send((method, args))
        except OSError:
            raise WorkerError("EOFError", "the worker is dead", "") from None
        return self._receive()

    def _receive(self):
        try:
            kind, *rest = self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerError("EOFError", "the worker died", "") from None
        if kind != "value":
            raise WorkerError(kind, *rest)
        return rest[0]

    def close(self):
        """End the process."""
        self._pipe.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def thread_environment(threads):
    """Environment variables that limit the thread pools of all peers."""
    pools = ("OMP", "MKL", "OPENBLAS", "NUMBA", "BLIS", "NUMEXPR")
    environment = {f"{pool}_NUM_THREADS": str(threads) for pool in pools}
    environment["NPROC"] = str(threads)  # XLA's thread pool
    environment["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return environment


def _serve(pipe, path, args):
    """The worker's side: build the object, then answer calls until the pipe closes."""

    def answer(function, *args):
        try:
            pipe.send(("value", function(*args)))
            return True
        except Exception as error:
            name, message = type(error).__name__, str(error).partition("\n")[0]
            pipe.send((name, message, traceback.format_exc()))
            return False

    thing = None

    def build():
        nonlocal thing
        module, _, name = path.partition(":")
        thing = getattr(importlib.import_module(module), name)(*args)

    if not answer(build):
        return
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        answer(getattr(thing, method), *arguments)
