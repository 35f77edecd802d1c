/* The descent of a block: weight gradients of all layers, and their updates.
 *
 * The threads share the rows of each gradient.  Meanwhile the rows of the next small
 * batch are prefetched.
 */

enum { RN_FETCH_TILES = 4 }; /* tiles of W between two prefetches of rows */

/* Prefetches columns [k0, k1) of the rows that the next block of plain rows will
 * gather: if X is large they are in main memory, and arrive while this block is
 * computed.  Inline: GCC drops calls of a function that only prefetches. */
RN_INLINE void fetch_ahead(const rn_task *task, size_t k0, size_t k1) {
    enum { LINE = 64 };
    const rn_source *x = task->run->x;
    const size_t from = task->first + task->block.count;
    const size_t to = rn_min(from + task->block.count, task->run->n);
    if (x->start || x->col_stride < 0 || x->col_stride > (ptrdiff_t)sizeof(double))
        return;
    for (size_t i = from; i < to; i++) {
        const ptrdiff_t row = (ptrdiff_t)row_at(task->run, i);
        const char *p = x->data + row * x->row_stride;
        for (size_t b = k0 * (size_t)x->col_stride / LINE * LINE;
             b < k1 * (size_t)x->col_stride; b += LINE) {
            RN_PREFETCH(p + b);
        }
    }
}

/* Whether a part of a long batch begins with this block, which lies in one part. */
RN_INLINE int part_begins(const rn_task *task) {
    return task->batch_size > RN_LONG_BATCH && task->batch_row % RN_SUM_ROWS == 0;
}

/* Which part of a long batch ends with this block. */
RN_INLINE int part_of(const rn_task *task) {
    const size_t end = task->batch_row + task->block.count;
    if (task->batch_size <= RN_LONG_BATCH) return RN_NO_PART;
    if (end == task->batch_size) return RN_LAST_PART;
    if (end % RN_SUM_ROWS) return RN_NO_PART;
    return end == RN_SUM_ROWS ? RN_FIRST_PART : RN_NEXT_PART;
}

/* This thread's rows of dW of layer l, and their update; l == n_layers: the skip
 * connection, from the inputs to the last layer's outputs. */
static void descend_layer(const rn_task *task, size_t l, int first, int update) {
    const rn_run *run = task->run;
    const rn_work *work = task->work;
    const int is_skip = l == run->net->n_layers;
    const rn_layer *layer = is_skip ? run->net->skip : &run->net->layers[l];
    const int few_units = reads_input_rows(task, l);
    const int by_entry = work->by_entry && (l == 0 || is_skip);
    const size_t n_rows = few_units || by_entry ? layer->n_in : gradient_rows(layer);
    const rn_cut shares = rn_cut_into(n_rows, task->worker.count);
    const size_t k0 = rn_start(shares, task->worker.index);
    const size_t k1 = rn_start(shares, task->worker.index + 1);
    rn_descent d = {.layer = layer,
                    .block = &task->block,
                    .x = l == 0 || is_skip ? work->x : work->a[l - 1],
                    .plain_rows = l == 0 && task->block.plain_rows,
                    .dz = work->d[is_skip ? l - 1 : l],
                    .unit_rows = work->rows[is_skip ? l - 1 : l],
                    .ld_units = work->ld_units,
                    .start = first || part_begins(task) ? RN_FROM_ZERO : RN_FROM_C,
                    .part = part_of(task),
                    .update = update,
                    .ema_decay = run->ema_decay,
                    .buffer = own_gradient(task)};
    if (work->plans[l].packs && !few_units && !d.plain_rows) d.pack = own_work(task);
    if (update) {
        d.step = step_of(run, &layer->weight);
        d.bias_step = step_of(run, &layer->bias);
    }
    const int owner = l % task->worker.count == task->worker.index;
    if (by_entry) {
        if (l == 0 && work->lazy) update_touched(task, &d);
        else entries_weight_gradient(&d, work->sparse, k0, k1);
        if (layer->bias.w && owner) entries_bias_gradient(&d);
        return;
    }
    if (few_units) {
        few_units_weight_gradient(&d, k0, k1);
        if (layer->bias.w && owner) few_units_bias_gradient(&d);
        return;
    }
    const size_t most = d.plain_rows ? RN_FETCH_TILES * RN_TILE_ROWS : n_rows;
    for (size_t k = k0; k < k1; k += most) {
        const size_t end = rn_min(k + most, k1);
        if (d.plain_rows) fetch_ahead(task, k, end);
        layer_gradient(&d, k, end);
    }
}

/* Gradients of this thread's weights and biases, and their updates. */
static void descend(const rn_task *task, int first, int update) {
    const rn_net *net = task->run->net;
    for (size_t l = 0; l < net->n_layers; l++) {
        descend_layer(task, l, first, update);
    }
    if (net->skip) descend_layer(task, net->n_layers, first, update);
}
