/* The functions of rn_math.inc.c and rn_erf.inc.c over whole arrays.
 *
 * The last, partial vector goes through a buffer: a scalar loop over the rest would
 * cost more than all the rest of a short array.
 */
#ifndef T
#error "included by rn_all.h only"
#endif

#ifndef RN_MAP_COMMON
#define RN_MAP_COMMON
/* y[i] = value of v = x[i]; y may be x */
#define RN_MAP(name, value)                                                            \
    static void RN_FN(name##_vectors)(size_t n, T *y, const T *x) {                    \
        n -= n % RN_LANES;                                                             \
        RN_ELEMENTWISE                                                                 \
        for (size_t i = 0; i < n; i++) {                                               \
            const T v = x[i];                                                          \
            y[i] = value;                                                              \
        }                                                                              \
    }                                                                                  \
    static void RN_FN(name)(size_t n, T *y, const T *x) {                              \
        const size_t rest = n % RN_LANES, whole = n - rest;                            \
        T last[RN_LANES];                                                              \
        RN_FN(name##_vectors)(whole, y, x);                                            \
        if (rest == 0) return;                                                         \
        V(store)(last, V(load_first)(x + whole, rest));                                \
        RN_FN(name##_vectors)(RN_LANES, last, last);                                   \
        V(store_first)(y + whole, V(load)(last), rest);                                \
    }
#endif

RN_MAP(exp, RN_EXP(v))
RN_MAP(expm1, RN_FN(expm1_of)(v))
RN_MAP(log, RN_LOG(v))
RN_MAP(log1p, RN_FN(log1p_of)(v))
RN_MAP(tanh, RN_FN(tanh_of)(v, &(T){0}))
RN_MAP(atan, RN_FN(atan_of)(v))
RN_MAP(erf, RN_FN(erf_of)(v))
