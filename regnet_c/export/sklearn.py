"""Networks from scikit-learn's MLPClassifier and MLPRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._core import checks
from ..layers import Dense

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from ..layers import Layer
    from ..network import Network
    from ..typing import AnyArray, DTypeName, LossName

    N = TypeVar("N", bound=Network)

_LOSSES: dict[str, LossName] = {  # by what scikit-learn does to the last layer
    "softmax": "softmax_cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "squared_error",
    "exp": "poisson",
}


def from_sklearn(cls: type[N], mlp: MLPClassifier | MLPRegressor) -> N:
    """A network with the weights of a fitted MLPClassifier or MLPRegressor.

    `predict` returns its predict_proba (one column, the second class, where there are two
    classes) or its predict. The MLP's penalty is not taken over, and scikit-learn need
    not be installed.

    Explained in :doc:`/coming_from_scikit_learn`.

    Parameters
    ----------
    cls : type
        Network or a subclass.
    mlp : MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    Network
        ``metadata["classes"]`` has the class names in the order of the outputs.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = np.random.RandomState(0).randn(200, 3)
    >>> mlp = MLPRegressor(max_iter=50, tol=0.1, random_state=0).fit(X, X[:, 0])
    >>> net = rn.export.from_sklearn(rn.Network, mlp)
    >>> np.allclose(net.predict(X)[:, 0], mlp.predict(X), atol=1e-5)
    True
    """
    missing = [
        name
        for name in ("coefs_", "intercepts_", "activation", "out_activation_")
        if not hasattr(mlp, name)
    ]
    if missing:
        raise TypeError(
            f"{type(mlp).__name__} has no {missing[0]}, expected a fitted MLPClassifier "
            "or MLPRegressor"
        )
    output = checks.check_name(mlp.out_activation_, tuple(_LOSSES), "output activation")
    hidden: Any = "sigmoid" if mlp.activation == "logistic" else mlp.activation
    matrices, biases = (
        _arrays(mlp.coefs_, "coefs_"),
        _arrays(mlp.intercepts_, "intercepts_"),
    )
    if not matrices or len(matrices) != len(biases):
        raise ValueError(
            f"got {len(matrices)} coefs_ and {len(biases)} intercepts_, expected one "
            "of each for every layer"
        )
    layers: list[Layer] = []
    weights: list[AnyArray] = []
    for w, b in zip(matrices, biases, strict=True):
        if w.ndim != 2:
            raise ValueError(f"coefs_ has a shape {w.shape}, expected (n_in, n_out)")
        last = len(layers) == len(matrices) - 1
        n_in, n_out = w.shape
        layers.append(Dense(n_in, n_out, activation="identity" if last else hidden))
        weights += [w, b]
    dtype: DTypeName = "float32" if matrices[0].dtype == "float32" else "float64"
    network = cls(layers, loss=_LOSSES[output], dtype=dtype)
    network.set_weights(weights)
    if hasattr(mlp, "classes_"):
        network.metadata = {"classes": mlp.classes_.tolist()}
    return network


def _arrays(values: Iterable[ArrayLike], name: str) -> list[AnyArray]:
    """The arrays of a list, each checked."""
    values = checks.check_list(values, name)
    return [checks.as_array(v, f"{name}[{i}]") for i, v in enumerate(values)]
