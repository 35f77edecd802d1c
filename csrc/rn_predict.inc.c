/* Predictions: the forward pass alone, dropout off, rows in and rows out.
 *
 * A row's bits do not depend on its neighbours, nor on the layers with many zeros that
 * take part with the rest of their weights, if net->sparse is set.
 */

static size_t predict_work_size(const rn_net *net, const rn_source *x,
                                size_t n_threads) {
    return n_threads * (64 + own_predict_size(net, x) * sizeof(T));
}

typedef struct {
    const rn_net *net;
    const rn_source *x;
    T *out, *work;
    size_t *bad; /* per thread: a row that is not finite, or n_rows */
} rn_prediction;

static void predict_worker(void *context, rn_worker worker) {
    const rn_prediction *task = context;
    const rn_net *net = task->net;
    const rn_source *x = task->x;
    const size_t panels = net->sparse ? RN_SPARSE_PANELS : RN_PREDICT_PANELS;
    const size_t rows = rn_min(panels * RN_PANEL, predict_rows(net, x->n_rows));
    const size_t blocks = rn_count(x->n_rows, rows);
    T *work = task->work + worker.index * own_predict_size(net, x);
    const rn_fpmode before = rn_flush_denormals();
    rn_net dense = *net;
    dense.sparse = NULL;
    for (size_t i = rn_part(blocks, worker.index, worker.count);
         i < rn_part(blocks, worker.index + 1, worker.count); i++) {
        const size_t first = i * rows;
        rn_block block = {.count = rn_min(rows, x->n_rows - first)};
        block.panels = rn_count(block.count, RN_PANEL);
        int status = predict_block(net, x, &block, first, task->out, work);
        if (status == RN_OVERFLOW) {
            status = predict_block(&dense, x, &block, first, task->out, work);
        }
        if (status == RN_BAD_INPUT) {
            task->bad[worker.index] = bad_row(x, first, block.count);
            break;
        }
    }
    rn_restore_fpmode(before);
}

/* At most few_rows rows: sparse layers are vectorised over samples, except for a single
 * row, dense ones over units. */
static size_t predict_small(const rn_net *net, const rn_source *x, T *out, T *work) {
    const rn_block block = {.count = x->n_rows, .panels = 1};
    rn_net dense = *net;
    dense.sparse = NULL;
    if (x->n_rows == 1) return predict_few(net, x, out, work);
    if (net->sparse && predict_block(net, x, &block, 0, out, work) == RN_PREDICTED) {
        return x->n_rows;
    }
    return predict_few(&dense, x, out, work);
}

/* out (n, n_out) = the network's prediction for the rows of x; returns the first row of
 * x that is not finite, where out means nothing, or n. */
static size_t predict(const rn_net *net, const rn_source *x, T *out, size_t n_threads,
                      void *work) {
    const size_t n = x->n_rows;
    size_t first = n;
    if (n <= few_rows(net)) {
        const rn_fpmode before = rn_flush_denormals();
        first = predict_small(net, x, out, work);
        rn_restore_fpmode(before);
        return first;
    }
    rn_prediction task = {.net = net,
                          .x = x,
                          .out = out,
                          .bad = work,
                          .work = (T *)(void *)((char *)work + 64 * n_threads)};
    for (size_t i = 0; i < n_threads; i++) task.bad[i] = n;
    rn_parallel(n_threads, predict_worker, &task);
    for (size_t i = 0; i < n_threads; i++) first = rn_min(first, task.bad[i]);
    return first;
}
