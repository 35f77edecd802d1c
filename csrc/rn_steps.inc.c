/* Many optimiser steps of a few weights, which stay in the first-level cache.
 *
 * The steps are those of rn_update.inc.c; their rates differ, the gradient does not.
 */

enum {
    RN_ROW_VECTORS = 8,
    RN_ROW = RN_ROW_VECTORS * RN_LANES, /* weights of a row at a time */
};

/* to = from (n), zeros up to whole vectors. */
RN_INLINE void fetch_vectors(size_t n, T *to, const T *from) {
    size_t i = 0;
    for (; i + RN_LANES <= n; i += RN_LANES) vec_store(to + i, vec_load(from + i));
    if (i < n) vec_store(to + i, vec_load_first(from + i, n - i));
}

/* to (n) = from, which is whole vectors. */
RN_INLINE void return_vectors(size_t n, T *to, const T *from) {
    size_t i = 0;
    for (; i + RN_LANES <= n; i += RN_LANES) vec_store(to + i, vec_load(from + i));
    if (i < n) vec_store_first(to + i, vec_load(from + i), n - i);
}

/* update() of n weights, at most RN_ROW, `steps` times with the same gradient g, whole
 * vectors, and each step's rates; where the rate is 0 a rule may rest. */
static void update_steps(size_t n, T *w, T *m, T *v, T *q, const T *g,
                         const rn_rates *rates, size_t steps) {
    T held[4][RN_ROW], *arrays[4] = {w, m, v, q};
    for (int k = 0; k < 4; k++) {
        if (arrays[k]) fetch_vectors(n, held[k], arrays[k]);
    }
    for (size_t s = 0, end; s < steps; s = end) {
        end = s + 1;
        while (end < steps && rates[end].rule == rates[s].rule) end++;
        update_vectors(rn_count(n, RN_LANES) * RN_LANES, held[0], held[1], held[2],
                       held[3], g, rates + s, end - s);
    }
    for (int k = 0; k < 4; k++) {
        if (arrays[k]) return_vectors(n, arrays[k], held[k]);
    }
}
