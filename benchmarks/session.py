"""What a worker process of bench_train.py holds: one peer, one workload at a time.

Timing happens here, beside the work, so that the pipe is not measured.
"""

import gc
import importlib
import time


class Session:
    """One library in one process.

    Parameters
    ----------
    name : str
        A module of `peers`.
    threads : int
    """

    def __init__(self, name, threads):
        self._class = importlib.import_module(f"peers.{name}").Peer
        self._threads = threads
        self._peer = self._workload = None

    def adapt(self, workload):
        """The workload that this peer computes in place of `workload`."""
        return self._class.adapt(workload)

    def open(self, workload):
        """Build the network and load the data."""
        self.close_workload()
        self._workload = self._class.adapt(workload)
        self._peer = self._class(self._workload, self._threads)
        self._peer.set_weights(self._workload.initial_weights())

    def close_workload(self):
        """Let go of the workload's memory."""
        self._peer = self._workload = None
        gc.collect()

    def train(self, n):
        """(seconds, CPU seconds) of n steps, from the initial weights."""
        self._peer.set_weights(self._workload.initial_weights())
        cpu, start = time.process_time(), time.perf_counter()
        self._peer.steps(n)
        return time.perf_counter() - start, time.process_time() - cpu

    def calibrate(self, seconds):
        """Number of steps, whole epochs, that take about `seconds`; warms up."""
        epoch = self._workload.steps_per_epoch
        epochs = 1
        self.train(epoch)
        while True:
            taken, _ = self.train(epochs * epoch)
            if taken > seconds / 4:
                return max(1, round(epochs * seconds / taken)) * epoch
            epochs *= 4

    def weights_after(self, n):
        """The weights after n steps from the initial ones."""
        self._peer.set_weights(self._workload.initial_weights())
        self._peer.steps(n)
        return self._peer.get_weights()
