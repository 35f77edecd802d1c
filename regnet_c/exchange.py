"""What `Network` has for files, other libraries and smaller networks."""

from . import export
from ._files import model_file
from .compact import compact


class Exchange:
    """Methods of `Network` that write it, read it or make a smaller one of it."""

    @property
    def kept_inputs(self):
        """The columns of the original data that this network reads, an array of int.

        All of them, unless `compact` dropped some; methods take these columns or all.
        """
        return self._plan.kept_inputs

    @property
    def n_inputs(self):
        """Number of columns of the original data."""
        return self._plan.n_inputs

    def compact(self):
        """A smaller network with the same predictions, without what zeros cut off.

        `regnet_c.compact.compact` says what is removed.

        Returns
        -------
        Network
        """
        return compact(self)

    def to_c(self, path, dtype="float32", prefix="net", calibration=None):
        """Write the network as one C99 file and its header; see `regnet_c.export.to_c`.

        Parameters
        ----------
        path : str or Path
            ``model.c``; ``model.h`` goes beside it.
        dtype : {"float32", "int8"}, default "float32"
            Of the stored weights.
        prefix : str, default "net"
            Begins every name in the file.
        calibration : tuple (X, y), optional
            Data to state loss and accuracy for.

        Returns
        -------
        dict
            Files, sizes and, with a calibration set, accuracies.
        """
        return export.to_c(self, path, dtype, prefix, calibration)

    def to_onnx(self, path):
        """Write the network as an ONNX model; see `regnet_c.export.to_onnx`.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        ImportError
            Without the extra ``[onnx]``.
        """
        export.to_onnx(self, path)

    def to_torch(self, raw=False):
        """The network as a PyTorch module; see `regnet_c.export.to_torch`.

        Parameters
        ----------
        raw : bool, default False
            Whether to stop before softmax, sigmoid or exp.

        Returns
        -------
        torch.nn.Sequential
        """
        return export.to_torch(self, raw)

    @classmethod
    def from_torch(
        cls, state_dict, activations="relu", loss="squared_error", dtype=None
    ):
        """A network from a state_dict of Linear layers; see `regnet_c.export.from_torch`.

        Parameters
        ----------
        state_dict : dict
        activations : str or list of str, default "relu"
        loss : str or Loss, default "squared_error"
        dtype : {"float32", "float64"}, optional

        Returns
        -------
        Network
        """
        return export.from_torch(cls, state_dict, activations, loss, dtype)

    @classmethod
    def from_sklearn(cls, mlp):
        """A network from scikit-learn's MLP; see `regnet_c.export.from_sklearn`.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            Fitted.

        Returns
        -------
        Network
        """
        return export.from_sklearn(cls, mlp)

    def save(self, path):
        """Write weights and structure to a safetensors file, atomically.

        The old file at `path` is replaced as a whole or not at all, even if the machine
        stops.  `network.metadata`, a dict of JSON values, goes with it.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError, ValueError
            If weights are not finite, or the metadata is no dict of JSON values or takes
            more memory than 4 MB and than twice the file.
        OSError
            If the file cannot be written.
        """
        model_file.save(self, path)

    @classmethod
    def load(cls, path):
        """Read a network that `save` wrote; the file may come from a stranger.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Network

        Raises
        ------
        ModelFileError
            If the file is not exactly what `save` writes: damaged, cut short, changed by
            another program or of a later format.
        OSError
            If it cannot be read.
        """
        return model_file.load(cls, path)
