/* One optimiser step over a flat piece of parameters: the step, then the L1 rule.
 *
 * The penalty lives in the optimiser's own metric.  A penalty of strength l1 pushes a
 * weight like a constant gradient of size l1, so its threshold is
 *     t = l1 * (what this optimiser makes of a constant unit gradient),
 * a number for SGD and momentum, one per weight for Adagrad, RMSprop and Adam.  Hence
 * the same l1 has the same fixed point under every optimiser.
 *
 * Loops are branch-free and element-wise; optimiser and rule are chosen outside them.
 */

#ifndef RN_UPDATE_COMMON
#define RN_UPDATE_COMMON
/* Elements whose metric is kept between the two passes; partial sums. */
enum { RN_PIECE = 256, RN_SUMS = 32 };

/* The optimiser's answer to a constant unit gradient, before any per-weight metric. */
RN_INLINE double rn_unit_response(const rn_step *s) {
    switch (s->kind) {
    case RN_MOMENTUM: return s->response;
    case RN_NESTEROV: return s->momentum * s->response + s->learning_rate;
    default: return s->learning_rate;
    }
}
#endif

/* sign(w) max(|w| - t, 0): w less its projection on [-t, t].  A NaN stays one. */
RN_INLINE T RN_FN(soft_threshold)(T w, T t) {
    T inside = w > t ? t : w;
    inside = inside < -t ? -t : inside;
    return w - inside;
}

static void RN_FN(prox_l1)(size_t n, T *w, T threshold) {
    for (size_t i = 0; i < n; i++) w[i] = RN_FN(soft_threshold)(w[i], threshold);
}

/* gradient[i] = g + 2 l2 w (+ l1 sign(w)): the part of the penalty that is smooth. */
RN_INLINE void RN_FN(add_penalty_gradient)(size_t n, T *RN_RESTRICT out,
                                           const T *RN_RESTRICT g,
                                           const T *RN_RESTRICT w, const rn_step *s) {
    const T l2 = (T)(2 * s->l2);
    if (s->l1_rule == RN_L1_SUBGRADIENT) {
        const T l1 = (T)s->l1, at_zero = (T)(s->l1 * s->sign_at_zero);
        for (size_t i = 0; i < n; i++) {
            const T sign = w[i] > 0 ? l1 : w[i] < 0 ? -l1 : at_zero;
            out[i] = RN_FMA(l2, w[i], g[i]) + sign;
        }
    } else {
        for (size_t i = 0; i < n; i++) out[i] = RN_FMA(l2, w[i], g[i]);
    }
}

/* The plain step; metric[i] becomes sqrt(v) + eps where the optimiser has one. */
RN_INLINE void RN_FN(optimizer_step)(size_t n, T *RN_RESTRICT w, T *RN_RESTRICT m,
                                     T *RN_RESTRICT v, T *RN_RESTRICT metric,
                                     const T *RN_RESTRICT g, const rn_step *s) {
    const T lr = (T)s->learning_rate, mu = (T)s->momentum, eps = (T)s->epsilon;
    const T b1 = (T)s->beta1, b2 = (T)s->beta2;
    const T rest1 = (T)(1 - s->beta1), rest2 = (T)(1 - s->beta2);
    switch (s->kind) {
    case RN_SGD:
        for (size_t i = 0; i < n; i++) w[i] = RN_FMA(-lr, g[i], w[i]);
        break;
    case RN_MOMENTUM:
        for (size_t i = 0; i < n; i++) {
            m[i] = RN_FMA(mu, m[i], -(lr * g[i]));
            w[i] += m[i];
        }
        break;
    case RN_NESTEROV:
        for (size_t i = 0; i < n; i++) {
            const T step = lr * g[i];
            m[i] = RN_FMA(mu, m[i], -step);
            w[i] += RN_FMA(mu, m[i], -step);
        }
        break;
    case RN_ADAGRAD:
        for (size_t i = 0; i < n; i++) {
            v[i] = RN_FMA(g[i], g[i], v[i]);
            metric[i] = RN_SQRT(v[i]) + eps;
            w[i] -= lr * g[i] / metric[i];
        }
        break;
    case RN_RMSPROP:
        for (size_t i = 0; i < n; i++) {
            v[i] = RN_FMA(b2, v[i], rest2 * (g[i] * g[i]));
            metric[i] = RN_SQRT(v[i]) + eps;
            w[i] -= lr * g[i] / metric[i];
        }
        break;
    default: { /* Adam, AdamW: eps outside the bias-corrected root */
        const T rate = (T)(s->learning_rate / s->correction1);
        const T scale2 = (T)(1 / s->correction2);
        const T decay =
            s->kind == RN_ADAMW ? (T)(s->learning_rate * s->weight_decay) : 0;
        for (size_t i = 0; i < n; i++) {
            m[i] = RN_FMA(b1, m[i], rest1 * g[i]);
            v[i] = RN_FMA(b2, v[i], rest2 * (g[i] * g[i]));
            metric[i] = RN_SQRT(v[i] * scale2) + eps;
            w[i] = RN_FMA(-decay, w[i], w[i]) - rate * m[i] / metric[i];
        }
    }
    }
}

/* Thresholds of a piece: `unit` where metric is NULL, else unit / metric. */
RN_INLINE T RN_FN(threshold_at)(T unit, const T *metric, size_t i) {
    return metric ? unit / metric[i] : unit;
}

/* Cumulative penalty (Tsuruoka, Tsujii and Ananiadou 2009, section 3.2) with the
 * ledger q counted in thresholds: a weight has been charged -q of the c steps owed. */
RN_INLINE void RN_FN(charge_cumulative)(size_t n, T *RN_RESTRICT w, T *RN_RESTRICT q,
                                        const T *RN_RESTRICT metric, T unit, T credit,
                                        T decay) {
    const T per_unit = 1 / unit;
    for (size_t i = 0; i < n; i++) {
        const T t = RN_FN(threshold_at)(unit, metric, i);
        const T ledger = decay * q[i];
        const T low = t * (ledger - credit), high = t * (ledger + credit);
        T d = w[i] > low ? w[i] : low;
        d = d < high ? d : high;
        w[i] -= d;
        q[i] = RN_FMA(-d, metric ? metric[i] * per_unit : per_unit, ledger);
    }
}

RN_INLINE void RN_FN(shrink)(size_t n, T *RN_RESTRICT w, const T *RN_RESTRICT metric,
                             T unit) {
    for (size_t i = 0; i < n; i++) {
        w[i] = RN_FN(soft_threshold)(w[i], RN_FN(threshold_at)(unit, metric, i));
    }
}

RN_INLINE void RN_FN(apply_l1)(size_t n, T *RN_RESTRICT w, T *RN_RESTRICT q,
                               const T *RN_RESTRICT metric, T unit, const rn_step *s) {
    if (s->l1_rule == RN_L1_CUMULATIVE && unit > 0) {
        RN_FN(charge_cumulative)(n, w, q, metric, unit, (T)s->credit,
                                 (T)s->credit_decay);
    } else if (s->l1_rule == RN_L1_PROXIMAL) {
        RN_FN(shrink)(n, w, metric, unit);
    }
}

/* The metric before the step, for the rule that shrinks first. */
RN_INLINE void RN_FN(metric_before)(size_t n, T *RN_RESTRICT metric,
                                    const T *RN_RESTRICT v, const T *RN_RESTRICT g,
                                    const rn_step *s) {
    const T eps = (T)s->epsilon, b2 = (T)s->beta2, rest2 = (T)(1 - s->beta2);
    const T scale2 = s->kind >= RN_ADAM ? (T)(1 / s->correction2) : (T)1;
    for (size_t i = 0; i < n; i++) {
        const T square = g[i] * g[i];
        const T next =
            s->kind == RN_ADAGRAD ? v[i] + square : RN_FMA(b2, v[i], rest2 * square);
        metric[i] = RN_SQRT(next * scale2) + eps;
    }
}

/* w, m, v, q (n) in/out; g (n) the data gradient.  NULL where an array is not used:
 * m by SGD, Adagrad, RMSprop; v by SGD and momentum; q by all rules but cumulative. */
static void RN_FN(update)(size_t n, T *w, T *m, T *v, T *q, const T *g,
                          const rn_step *s) {
    const T unit = (T)(s->l1 * rn_unit_response(s));
    const int per_weight = s->kind >= RN_ADAGRAD;
    T gradient[RN_PIECE], metric[RN_PIECE];
    for (size_t i = 0; i < n; i += RN_PIECE) {
        const size_t size = n - i < RN_PIECE ? n - i : RN_PIECE;
        T *wi = w + i, *mi = m ? m + i : NULL, *vi = v ? v + i : NULL;
        RN_FN(add_penalty_gradient)(size, gradient, g + i, wi, s);
        if (s->l1_rule == RN_L1_SHRINK_FIRST) {
            if (per_weight) RN_FN(metric_before)(size, metric, vi, gradient, s);
            RN_FN(shrink)(size, wi, per_weight ? metric : NULL, unit);
        }
        RN_FN(optimizer_step)(size, wi, mi, vi, metric, gradient, s);
        RN_FN(apply_l1)(size, wi, q ? q + i : NULL, per_weight ? metric : NULL, unit,
                        s);
        if (s->non_negative) {
            for (size_t k = 0; k < size; k++) wi[k] = wi[k] < 0 ? (T)0 : wi[k];
        }
    }
}

RN_INLINE void RN_FN(add_sums)(double (*part)[RN_SUMS], const T *w) {
    for (size_t k = 0; k < RN_SUMS; k++) {
        const double x = w[k];
        part[0][k] += fabs(x);
        part[1][k] += x * x;
        part[2][k] += x == 0 ? 1.0 : 0.0;
    }
}

/* sums[0] = sum |w|, sums[1] = sum w^2, sums[2] = number of exact zeros.
 * 32 partial sums and a fixed tree, in double: the same bits everywhere, and enough of
 * them to hide the time of an addition. */
static void RN_FN(penalty_sums)(size_t n, double *sums, const T *w) {
    double part[3][RN_SUMS] = {{0}};
    T last[RN_SUMS] = {0};
    const size_t whole = n / RN_SUMS * RN_SUMS;
    for (size_t i = 0; i < whole; i += RN_SUMS) RN_FN(add_sums)(part, w + i);
    if (whole < n) {
        memcpy(last, w + whole, (n - whole) * sizeof(T));
        RN_FN(add_sums)(part, last);
        part[2][0] -= (double)(whole + RN_SUMS - n); /* those that fill up */
    }
    for (size_t s = 0; s < 3; s++) {
        for (size_t half = RN_SUMS / 2; half; half /= 2) {
            for (size_t k = 0; k < half; k++) part[s][k] += part[s][k + half];
        }
        sums[s] = part[s][0];
    }
}
