/* Rows of the first layer's W that a batch of sparse rows does not touch.
 *
 * Without an entry in their column their gradient is zero, but most steps change them
 * all the same: by decay, momentum, penalties.  They miss such steps and take them, one
 * after the other, when they are touched again or the call ends: so they have the bits
 * of rows that took every step in time, under any optimiser and rule, but go through
 * the CPU once for many steps.  Only steps of plain gradient descent with an L2 penalty
 * are summed up (can_sum_up), which rounds once for many steps.
 */

enum { RN_ROWS_AHEAD = 16 }; /* between asking for a row and using it */

/* Joins the steps before `now` to those that rows may have missed. */
static void join_steps(rn_lazy *lazy, size_t now) {
    if (!lazy->factor) return;
    for (; lazy->joined < now; lazy->joined++) {
        const rn_step *s = &lazy->step[lazy->joined];
        const double factor = 1 - 2 * s->learning_rate * s->l2;
        const double threshold = s->l1 * unit_response(s);
        lazy->factor[lazy->joined] = 1;
        lazy->threshold[lazy->joined] = 0;
        for (size_t k = 0; k <= lazy->joined; k++) {
            lazy->factor[k] *= factor;
            lazy->threshold[k] = fabs(factor) * lazy->threshold[k] + threshold;
        }
    }
}

/* Notes the step that is about to be taken, for rows that will miss it. */
static void note_step(const rn_task *task) {
    rn_lazy *lazy = task->work->lazy;
    const size_t now = task->run->steps_done;
    join_steps(lazy, now);
    if (!takes_step(task)) return;
    lazy->step[now] = step_of(task->run, &task->run->net->layers[0].weight);
    lazy->rates[now] = rates_of(&lazy->step[now]);
}

/* Whether a step of a row is more than update(). */
RN_INLINE int has_long_steps(const rn_task *task) {
    const rn_param *p = &task->run->net->layers[0].weight;
    return p->group != RN_GROUP_NONE || p->keep_zeros || p->ema;
}

/* One step of row k with the gradient g. */
static void long_step(const rn_task *task, size_t k, const T *g, const rn_step *step) {
    const rn_layer *layer = &task->run->net->layers[0];
    const rn_param *p = &layer->weight;
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const double tau = 1 - task->run->ema_decay;
    update_span(p, k * n_out, n_out, g, step, task->run->ema_decay);
    if (p->group == RN_GROUP_NONE) return;
    move_ema(layer, k, k + 1, 0, n_out, -tau);
    prox_group(n_in, n_out, k, k + 1, p, step, own_work(task));
    move_ema(layer, k, k + 1, 0, n_out, tau);
}

/* The gradient of rows that are not touched, in the memory of rn_descent.buffer. */
static const T *zero_gradient(const rn_task *task) {
    T *zeros = own_gradient(task);
    memset(zeros, 0, task->work->gradient_size * sizeof(T));
    return zeros;
}

/* w = soft_threshold(factor w, threshold) */
static void shrink(size_t n, T *RN_RESTRICT w, T factor, T threshold) {
    const size_t whole = n / RN_LANES * RN_LANES;
    T last[RN_LANES];
    for (size_t i = 0; i < whole; i++) {
        w[i] = soft_threshold(factor * w[i], threshold);
    }
    if (whole == n) return;
    vec_store(last, vec_load_first(w + whole, n - whole));
    for (size_t i = 0; i < RN_LANES; i++) {
        last[i] = soft_threshold(factor * last[i], threshold);
    }
    vec_store_first(w + whole, vec_load(last), n - whole);
}

/* Whether steps without a gradient leave zeros, and all that is remembered of them but
 * the ledger. */
RN_INLINE int zeros_rest(const rn_param *p, const rn_rates *r) {
    const rn_metric metric = metric_of(r->kind);
    return !p->m && (metric == RN_NO_METRIC || metric == RN_SUM_OF_SQUARES) &&
           r->at_zero == 0;
}

/* Whether all of w (n) is 0, none -0: then the steps were taken.  Of the ledger q, or
 * NULL, they forget old debt; they charge nothing, since |q| is at most the credit of
 * the step before, which grows by almost 1. */
static int rest(size_t n, const T *w, T *q, const rn_rates *rates, size_t steps) {
    RN_BITS any = 0;
    for (size_t i = 0; i < n; i++) any |= to_bits(w[i]);
    if (any) return 0;
    for (size_t s = 0; q && s < steps; s++) {
        if (rates[s].rule != RN_L1_CUMULATIVE) continue;
        for (size_t i = 0; i < n; i++) q[i] *= rates[s].credit_decay;
    }
    return 1;
}

/* Row k takes the steps that it missed before step `now`; zeros (n_out). */
static void catch_up(const rn_task *task, size_t k, size_t now, const T *zeros) {
    const rn_lazy *lazy = task->work->lazy;
    const rn_layer *layer = &task->run->net->layers[0];
    const rn_param *p = &layer->weight;
    const size_t n_out = layer->n_out, seen = (size_t)lazy->seen[k];
    T *w = p->w, *m = p->m, *v = p->v, *q = p->q;
    lazy->seen[k] = (int32_t)now;
    if (seen == now) return;
    if (lazy->factor) {
        shrink(n_out, w + k * n_out, (T)lazy->factor[seen], (T)lazy->threshold[seen]);
        return;
    }
    if (has_long_steps(task)) {
        for (size_t s = seen; s < now; s++) long_step(task, k, zeros, &lazy->step[s]);
        return;
    }
    if (zeros_rest(p, &lazy->rates[seen]) &&
        rest(n_out, w + k * n_out, q ? q + k * n_out : NULL, lazy->rates + seen,
             now - seen)) {
        return;
    }
    for (size_t j = 0; j < n_out; j += RN_ROW) {
        const size_t at = k * n_out + j;
        update_steps(rn_min(n_out - j, RN_ROW), w + at, m ? m + at : NULL,
                     v ? v + at : NULL, q ? q + at : NULL, zeros, lazy->rates + seen,
                     now - seen);
    }
}

/* Asks for the row of W of the c-th column, and what the optimiser remembers of it: the
 * rows lie anywhere. */
RN_INLINE void fetch_row(const rn_param *p, const rn_sparse_block *b, size_t c,
                         size_t n_out) {
    enum { LINE = 64 / sizeof(T) };
    const T *arrays[4] = {p->w, p->m, p->v, p->q};
    if (c >= b->n_columns) return;
    const size_t at = (size_t)b->column[c] * n_out;
    for (int k = 0; k < 4; k++) {
        for (size_t j = 0; arrays[k] && j < n_out; j += LINE) {
            RN_PREFETCH_NEAR(arrays[k] + at + j);
        }
        if (arrays[k]) RN_PREFETCH_NEAR(arrays[k] + at + n_out - 1);
    }
}

/* The i-th of a thread's columns.  The threads take a few in turn: those that come
 * first have many entries, those that come late have missed many steps. */
RN_INLINE size_t own_column(rn_worker worker, size_t i) {
    enum { FEW = 32 };
    return (i / FEW * worker.count + worker.index) * FEW + i % FEW;
}

/* The rows of W that the block has entries for, before they are read. */
static void catch_up_touched(const rn_task *task) {
    const rn_sparse_block *b = task->work->sparse;
    const rn_worker worker = task->worker;
    const T *zeros = zero_gradient(task);
    for (size_t i = 0, c; (c = own_column(worker, i)) < b->n_columns; i++) {
        fetch_row(&task->run->net->layers[0].weight, b,
                  own_column(worker, i + RN_ROWS_AHEAD),
                  task->run->net->layers[0].n_out);
        catch_up(task, (size_t)b->column[c], task->run->steps_done, zeros);
    }
}

/* All rows of W, before somebody else looks at them. */
static void catch_up_all(const rn_task *task) {
    const rn_worker worker = task->worker;
    const size_t n_in = task->run->net->layers[0].n_in;
    const size_t k1 = rn_part(n_in, worker.index + 1, worker.count);
    const T *zeros = zero_gradient(task);
    for (size_t k = rn_part(n_in, worker.index, worker.count); k < k1; k++) {
        catch_up(task, k, task->run->steps_done, zeros);
    }
}

/* The gradients and the step of the rows that the block has entries for. */
static void update_touched(const rn_task *task, const rn_descent *d) {
    const rn_lazy *lazy = task->work->lazy;
    const rn_sparse_block *b = task->work->sparse;
    const rn_param *p = &d->layer->weight;
    const size_t n_out = d->layer->n_out, now = task->run->steps_done;
    const rn_worker worker = task->worker;
    T *w = p->w, *m = p->m, *v = p->v, *q = p->q, *g = d->buffer;
    if (!d->update) return;
    for (size_t i = 0, c; (c = own_column(worker, i)) < b->n_columns; i++) {
        const size_t k = (size_t)b->column[c];
        fetch_row(p, b, own_column(worker, i + RN_ROWS_AHEAD), n_out);
        for (size_t j = 0; j < n_out; j += RN_ROW) {
            const size_t at = k * n_out + j, width = rn_min(n_out - j, RN_ROW);
            RN_UNROLL
            for (size_t u = 0; u < RN_ROW; u += RN_LANES) {
                vec_store(g + j + u, vec_set1(0));
            }
            column_gradient(b, c, j, width, g + j, d->unit_rows, d->ld_units);
            if (has_long_steps(task)) continue;
            update_steps(width, w + at, m ? m + at : NULL, v ? v + at : NULL,
                         q ? q + at : NULL, g + j, &lazy->rates[now], 1);
        }
        if (has_long_steps(task)) long_step(task, k, g, &lazy->step[now]);
        lazy->seen[k] = (int32_t)now + 1;
    }
}
