/* The functions of rn_math.inc.c and rn_erf.inc.c over whole arrays.
 *
 * The loop is always inlined with a constant function, so that each copy of it has one
 * formula and no branch.  The last, partial vector goes through a buffer: a scalar loop
 * over the remainder would cost more than everything else in a short array.
 */

enum { MAP_EXP, MAP_EXPM1, MAP_LOG, MAP_LOG1P, MAP_TANH, MAP_ATAN, MAP_ERF };

RN_INLINE T value_of(const int function, T x) {
    T slope;
    switch (function) {
    case MAP_EXP: return exp_of(x);
    case MAP_EXPM1: return expm1_of(x);
    case MAP_LOG: return log_of(x);
    case MAP_LOG1P: return log1p_of(x);
    case MAP_TANH: return tanh_of(x, &slope);
    case MAP_ATAN: return atan_of(x);
    default: return erf_of(x);
    }
}

/* n a multiple of RN_LANES */
RN_INLINE void map_loop(const int function, size_t n, T *y, const T *x) {
    n -= n % RN_LANES;
    RN_ELEMENTWISE
    for (size_t i = 0; i < n; i++) {
        const T v = x[i];
        y[i] = value_of(function, v);
    }
}

static void map_vectors(int function, size_t n, T *y, const T *x) {
    switch (function) {
    case MAP_EXP: map_loop(MAP_EXP, n, y, x); break;
    case MAP_EXPM1: map_loop(MAP_EXPM1, n, y, x); break;
    case MAP_LOG: map_loop(MAP_LOG, n, y, x); break;
    case MAP_LOG1P: map_loop(MAP_LOG1P, n, y, x); break;
    case MAP_TANH: map_loop(MAP_TANH, n, y, x); break;
    case MAP_ATAN: map_loop(MAP_ATAN, n, y, x); break;
    default: map_loop(MAP_ERF, n, y, x);
    }
}

/* y[i] = function of x[i]; y may be x */
static void map_array(int function, size_t n, T *y, const T *x) {
    const size_t rest = n % RN_LANES, whole = n - rest;
    T last[RN_LANES];
    map_vectors(function, whole, y, x);
    if (rest == 0) return;
    vec_store(last, vec_load_first(x + whole, rest));
    map_vectors(function, RN_LANES, last, last);
    vec_store_first(y + whole, vec_load(last), rest);
}

static void map_exp(size_t n, T *y, const T *x) { map_array(MAP_EXP, n, y, x); }
static void map_expm1(size_t n, T *y, const T *x) { map_array(MAP_EXPM1, n, y, x); }
static void map_log(size_t n, T *y, const T *x) { map_array(MAP_LOG, n, y, x); }
static void map_log1p(size_t n, T *y, const T *x) { map_array(MAP_LOG1P, n, y, x); }
static void map_tanh(size_t n, T *y, const T *x) { map_array(MAP_TANH, n, y, x); }
static void map_atan(size_t n, T *y, const T *x) { map_array(MAP_ATAN, n, y, x); }
static void map_erf(size_t n, T *y, const T *x) { map_array(MAP_ERF, n, y, x); }
