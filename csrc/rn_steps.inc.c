/* Many optimiser steps over a few weights, with what is known of them in registers.
 *
 * The steps are those of rn_update.inc.c; their rates differ, the gradient does not.
 */

enum {
    RN_HELD = 4 * RN_LANES, /* weights held in registers */
    RN_ROW_VECTORS = 8,
    RN_ROW = RN_ROW_VECTORS * RN_LANES, /* weights of a row at a time */
};

/* held[0 .. n) = from, zeros up to whole vectors; n at most RN_HELD. */
RN_INLINE void hold(size_t n, T *held, const T *from) {
    size_t i = 0;
    for (; i + RN_LANES <= n; i += RN_LANES) vec_store(held + i, vec_load(from + i));
    if (i < n) vec_store(held + i, vec_load_first(from + i, n - i));
}

RN_INLINE void release(size_t n, T *to, const T *held) {
    size_t i = 0;
    for (; i + RN_LANES <= n; i += RN_LANES) vec_store(to + i, vec_load(held + i));
    if (i < n) vec_store_first(to + i, vec_load(held + i), n - i);
}

RN_INLINE int keeps_m(int kind) {
    int found = 0;
#define RN_KEEPS(constant, name, step, response, keeps, metric)                        \
    case constant: found = keeps; break;
    switch (kind) { RN_OPTIMIZERS(RN_KEEPS) }
    return found;
}

RN_INLINE void steps_loop(const int kind, const rn_l1_rule rule, size_t n, T *w, T *m,
                          T *v, T *q, const T *g, const rn_rates *rates, size_t steps) {
    const int has_m = keeps_m(kind), has_v = metric_of(kind) != RN_NO_METRIC;
    const int has_q = rule == RN_L1_CUMULATIVE;
    for (size_t i = 0; i < n; i += RN_HELD) {
        const size_t width = rn_min(n - i, RN_HELD);
        T x[RN_HELD] = {0}, mi[RN_HELD] = {0}, vi[RN_HELD] = {0}, qi[RN_HELD] = {0};
        T gi[RN_HELD] = {0};
        hold(width, x, w + i);
        hold(width, gi, g + i);
        if (has_m) hold(width, mi, m + i);
        if (has_v) hold(width, vi, v + i);
        if (has_q) hold(width, qi, q + i);
        for (size_t s = 0; s < steps; s++) {
            const rn_rates r = rates[s];
            RN_ELEMENTWISE
            for (size_t k = 0; k < RN_HELD; k++) {
                update_weight(kind, rule, x + k, mi + k, vi + k, qi + k, gi[k], &r);
            }
        }
        release(width, w + i, x);
        if (has_m) release(width, m + i, mi);
        if (has_v) release(width, v + i, vi);
        if (has_q) release(width, q + i, qi);
    }
}

RN_INLINE void steps_by_rule(const int kind, size_t n, T *w, T *m, T *v, T *q,
                             const T *g, const rn_rates *rates, size_t steps) {
#define RN_STEPS_RULE(rule, name)                                                      \
    case rule: steps_loop(kind, rule, n, w, m, v, q, g, rates, steps); break;
    switch (rates->rule) { RN_L1_RULES(RN_STEPS_RULE) }
}

RN_APART void steps_by_kind(size_t n, T *w, T *m, T *v, T *q, const T *g,
                            const rn_rates *rates, size_t steps) {
#define RN_STEPS_KIND(kind, ...)                                                       \
    case kind: steps_by_rule(kind, n, w, m, v, q, g, rates, steps); break;
    switch (rates->kind) { RN_OPTIMIZERS(RN_STEPS_KIND) }
}

/* update() of n weights `steps` times with the same gradient g and each step's rates;
 * where the rate is 0 a rule may rest. */
static void update_steps(size_t n, T *w, T *m, T *v, T *q, const T *g,
                         const rn_rates *rates, size_t steps) {
    for (size_t s = 0, end; s < steps; s = end) {
        end = s + 1;
        while (end < steps && rates[end].rule == rates[s].rule) end++;
        steps_by_kind(n, w, m, v, q, g, rates + s, end - s);
    }
}
