/* Activations: a = f(z) and slope = f'(z), each from one shared set of intermediate
 * values.  The slope is never 1 - a^2 or a (1 - a), which cancel where f saturates.
 *
 * A formula is an inline function of its name, listed in rn.h.  The loop around it is
 * inlined once for each, so that it contains one formula and no branch.
 */

#if RN_FLOAT
#define RN_SATURATED                                                                   \
    ((T)0x1p62) /* x / (1 + |x|) and its like are 1 in T long before                   \
                 */
#else
#define RN_SATURATED ((T)0x1p300)
#endif

/* e = exp(-|z|) gives every function of the logistic family: with r = 1 / (1 + e),
 * sigmoid(|z|) = r and sigmoid(-|z|) = e r. */
RN_INLINE T logistic(T z, T *e) {
    *e = exp_below(-magnitude(z), 0);
    return 1 / (1 + *e);
}

RN_INLINE T identity(T z, T *slope, T param) {
    (void)param;
    *slope = 1;
    return z;
}

RN_INLINE T relu(T z, T *slope, T param) {
    (void)param;
    *slope = z > 0 ? (T)1 : (T)0;
    return z < 0 ? (T)0 : z;
}

RN_INLINE T leaky_relu(T z, T *slope, T param) {
    *slope = z > 0 ? (T)1 : param;
    return z > 0 ? z : param * z;
}

RN_INLINE T elu(T z, T *slope, T param) {
    T e;
    const T u = expm1_nonpositive(z > 0 ? (T)0 : z, &e);
    *slope = z > 0 ? (T)1 : param * e;
    return z > 0 ? z : param * u;
}

/* Klambauer, Unterthiner, Mayr and Hochreiter (2017): elu times a constant, which keeps
 * mean 0 and variance 1 from layer to layer. */
RN_INLINE T selu(T z, T *slope, T param) {
    const T scale = (T)1.0507009873554805;
    const T below = (T)1.7580993408473766; /* scale * alpha */
    T e;
    const T u = expm1_nonpositive(z > 0 ? (T)0 : z, &e);
    (void)param;
    *slope = z > 0 ? scale : below * e;
    return z > 0 ? scale * z : below * u;
}

RN_INLINE T sigmoid(T z, T *slope, T param) {
    T e;
    const T r = logistic(z, &e);
    (void)param;
    *slope = e * r * r;
    return z < 0 ? e * r : r;
}

RN_INLINE T hyperbolic_tangent(T z, T *slope, T param) {
    (void)param;
    return tanh_of(z, slope);
}

RN_INLINE T arctan(T z, T *slope, T param) {
    (void)param;
    *slope = 1 / madd(z, z, 1);
    return atan_of(z);
}

RN_INLINE T softsign(T z, T *slope, T param) {
    const T u = clamp(z, RN_SATURATED), r = 1 / (1 + magnitude(u));
    (void)param;
    *slope = r * r;
    return u * r;
}

RN_INLINE T isru(T z, T *slope, T param) {
    const T u = clamp(z, RN_FLOAT ? (T)0x1p31 : (T)0x1p300);
    const T r = 1 / RN_SQRT(madd(u, u, 1));
    (void)param;
    *slope = r * r * r;
    return u * r;
}

RN_INLINE T softplus(T z, T *slope, T param) {
    T e;
    const T r = logistic(z, &e);
    (void)param;
    *slope = z < 0 ? e * r : r;
    return (z > 0 ? z : (T)0) + log1p_unit(e);
}

RN_INLINE T gelu(T z, T *slope, T param) {
    const T limit = RN_FLOAT ? (T)14.9 : (T)40; /* Phi(-limit) is 0 in T */
    const T c = clamp(z, limit), half = (T)0.5 * c;
    const T gauss = exp_minus_product(half, c);
    const T tail = (T)0.5 * gauss * scaled_erfc(magnitude(c) * (T)0x1.6a09e667f3bcdp-1);
    const T phi = z < 0 ? tail : 1 - tail;
    (void)param;
    *slope = madd(c * (T)0x1.9884533d43651p-2, gauss, phi); /* 1 / sqrt(2 pi) */
    return (z < -limit ? -limit : z) * phi;
}

RN_INLINE T silu(T z, T *slope, T param) {
    const T c = clamp(z, RN_EXP_ZERO);
    T e;
    const T r = logistic(c, &e), s = z < 0 ? e * r : r;
    (void)param;
    *slope = madd(c * r, e * r, s);
    return (z < -RN_EXP_ZERO ? -RN_EXP_ZERO : z) * s;
}

/* Misra (2020): z tanh(log(1 + exp(z))).  With e = exp(-|z|) the tanh is a quotient t
 * of polynomials in e, and so is 1 - t, which would cancel. */
RN_INLINE T mish(T z, T *slope, T param) {
    const T c = clamp(z, RN_EXP_ZERO);
    T e;
    const T r = logistic(c, &e), s = z < 0 ? e * r : r;
    const T above = z < 0 ? e * (e + 2) : madd(2, e, 1);
    const T rest = z < 0 ? (T)2 : 2 * e * e;
    const T per_sum = 1 / (above + rest), t = above * per_sum;
    (void)param;
    *slope = madd(c * s, rest * per_sum * (1 + t), t);
    return (z < -RN_EXP_ZERO ? -RN_EXP_ZERO : z) * t;
}

/* f(z) and f'(z) of one number; `activation` is known to the compiler. */
RN_INLINE T activation_of(const int activation, T z, T *slope, T param) {
    T a = z;
#define RN_FORMULA(constant, name, function)                                           \
    case constant: a = function(z, slope, param); break;
    switch (activation) { /* softmax is not element-wise */
        RN_HIDDEN_ACTIVATIONS(RN_FORMULA)
    }
    return a;
}

RN_INLINE void activation_loop(const int activation, size_t n, T *a, T *slope,
                               const T *z, T param) {
    T unwanted;
    n -= n % RN_LANES;
    if (slope != NULL) {
        RN_ELEMENTWISE
        for (size_t i = 0; i < n; i++) {
            T s;
            a[i] = activation_of(activation, z[i], &s, param);
            slope[i] = s;
        }
    } else {
        RN_ELEMENTWISE
        for (size_t i = 0; i < n; i++) {
            a[i] = activation_of(activation, z[i], &unwanted, param);
        }
    }
}

/* n a multiple of RN_LANES */
static void activation_vectors(int activation, size_t n, T *a, T *slope, const T *z,
                               T param) {
#define RN_LOOP(constant, name, function)                                              \
    case constant: activation_loop(constant, n, a, slope, z, param); break;
    switch (activation) { RN_HIDDEN_ACTIVATIONS(RN_LOOP) }
}

/* a = f(z), slope = f'(z) (NULL: not wanted); a may be z.  relu'(0) = 0; param is the
 * alpha of leaky_relu and elu.  Softmax is not element-wise: softmax_forward. */
static void activation_forward(int activation, size_t n, T *a, T *slope, const T *z,
                               T param) {
    const size_t rest = n % RN_LANES, whole = n - rest;
    activation_vectors(activation, whole, a, slope, z, param);
    if (rest == 0) return;
    T last[RN_LANES], last_slope[RN_LANES];
    vec_store(last, vec_load_first(z + whole, rest));
    activation_vectors(activation, RN_LANES, last, slope ? last_slope : NULL, last,
                       param);
    vec_store_first(a + whole, vec_load(last), rest);
    if (slope != NULL) vec_store_first(slope + whole, vec_load(last_slope), rest);
}
