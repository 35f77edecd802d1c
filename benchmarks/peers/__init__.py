"""One file per library, each with a class `Peer` of the same small interface.

    Peer(workload, threads)   tensors loaded, network built
    .set_weights(weights)     start afresh: these weights, no optimiser state
    .get_weights()            [W0, b0, W1, b1, ...] as NumPy arrays
    .steps(n)                 train n steps, whole epochs, and return when done

`adapt` says which workload a library computes when it cannot compute the given one.
"""

PEERS = (
    "regnet",
    "numpy_peer",
    "torch_eager",
    "torch_compile",
    "jax_scan",
    "sklearn_peer",
    "numba_peer",
)

SPARSE = ("regnet", "numpy_peer", "torch_eager", "sklearn_peer", "numba_peer")  # CSR


class BasePeer:
    """What most peers share."""

    @staticmethod
    def adapt(workload):
        """The nearest workload this library can compute."""
        return workload

    def set_weights(self, weights):
        """Start afresh from [W0, b0, W1, b1, ...]."""
        raise NotImplementedError

    def get_weights(self):
        """[W0, b0, W1, b1, ...] as NumPy arrays."""
        raise NotImplementedError

    def steps(self, n):
        """Train n steps, a multiple of an epoch's, and return when they are done."""
        raise NotImplementedError
