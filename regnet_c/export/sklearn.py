"""Networks from scikit-learn's MLPClassifier and MLPRegressor."""

from ..layers import Dense

_ACTIVATIONS = {"logistic": "sigmoid"}
_LOSSES = {  # by what scikit-learn does to the last layer
    "softmax": "softmax_cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "squared_error",
    "exp": "poisson",
}


def from_sklearn(cls, mlp):
    """A network with the weights of a fitted MLPClassifier or MLPRegressor.

    `predict` gives its predict_proba (one column, the second class, where there are two
    classes) or its predict.  Neither package scikit-learn nor its penalty is needed:
    training goes on without one.

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
    """
    missing = [
        name
        for name in ("coefs_", "intercepts_", "out_activation_")
        if not hasattr(mlp, name)
    ]
    if missing:
        raise TypeError(
            f"{type(mlp).__name__} has no {missing[0]}, expected a fitted MLPClassifier "
            "or MLPRegressor"
        )
    if mlp.out_activation_ not in _LOSSES:
        raise ValueError(
            f"the output activation is {mlp.out_activation_!r}, expected one of "
            f"{', '.join(_LOSSES)}"
        )
    layers, weights, hidden = [], [], _ACTIVATIONS.get(mlp.activation, mlp.activation)
    for w, b in zip(mlp.coefs_, mlp.intercepts_, strict=True):
        last = len(layers) == len(mlp.coefs_) - 1
        layers.append(Dense(*w.shape, activation="identity" if last else hidden))
        weights += [w, b]
    dtype = "float32" if mlp.coefs_[0].dtype == "float32" else "float64"
    network = cls(layers, loss=_LOSSES[mlp.out_activation_], dtype=dtype)
    network.set_weights(weights)
    if hasattr(mlp, "classes_"):
        network.metadata = {"classes": mlp.classes_.tolist()}
    return network
