# A Lasso by proximal gradient descent, without the GIL, on the kernels of regnet_c.
#
#     python setup.py build_ext --inplace
import numpy as np

from cython cimport floating

from regnet_c.kernels.cython_kernels cimport dense_forward, dense_weight_gradient, prox_l1


def fit(const floating[:, ::1] x, const floating[::1] y, double l1, double learning_rate,
        size_t steps):
    """Minimise |x w - y|^2 / (2 n) + l1 sum|w|; returns w (n_in, 1) in x's dtype."""
    cdef size_t n = x.shape[0], n_in = x.shape[1], i, _step
    if x.shape[0] != y.shape[0] or x.shape[0] == 0 or x.shape[1] == 0:
        raise ValueError("x and y do not fit, or are empty")
    dtype = np.float32 if floating is float else np.float64
    cdef floating[:, ::1] w = np.zeros((n_in, 1), dtype)
    cdef floating[:, ::1] r = np.empty((n, 1), dtype)
    cdef floating[:, ::1] g = np.empty((n_in, 1), dtype)
    cdef floating rate = <floating>(learning_rate / n)
    with nogil:
        for _step in range(steps):
            dense_forward(n, n_in, 1, &r[0, 0], &x[0, 0], &w[0, 0], <const floating *>NULL)
            for i in range(n):
                r[i, 0] -= y[i]
            dense_weight_gradient(n, n_in, 1, &g[0, 0], &x[0, 0], &r[0, 0])
            for i in range(n_in):
                w[i, 0] -= rate * g[i, 0]
            prox_l1(n_in, &w[0, 0], learning_rate * l1)
    return np.asarray(w)
