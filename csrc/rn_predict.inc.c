/* Predictions: the forward pass alone, dropout off, rows in and rows out.
 *
 * A row's bits do not depend on its neighbours: a few rows are vectorised over units,
 * many over samples, and each element is the same chain of operations.  Layers with
 * many zeros take part with the rest of their weights, if net->sparse says so.
 */

enum { RN_FN(PREDICT_PANELS) = 8 }; /* panels that share one pass over the weights */

RN_INLINE size_t RN_FN(few_rows)(void) { return RN_LANES / 2; }

/* Rows that are worked on at a time, and samples in their panels. */
RN_INLINE size_t RN_FN(rows_at_once)(size_t n) {
    if (n <= 1) return 1;
    if (n <= RN_FN(few_rows)()) return RN_LANES;
    return rn_min(rn_pieces(n, RN_PANEL), RN_FN(PREDICT_PANELS)) * RN_PANEL;
}

/* Elements of work memory of each thread. */
RN_INLINE size_t RN_FN(own_predict_size)(const rn_net *net, size_t n) {
    const size_t buffers = 2 * RN_FN(rows_at_once)(n) * rn_widest(net);
    const size_t pack =
        RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net) + 2 * RN_TILE_ROWS;
    return rn_pieces(n <= RN_FN(few_rows)() ? buffers : buffers + pack, 64) * 64;
}

static size_t RN_FN(predict_work_size)(const rn_net *net, size_t n, size_t n_threads) {
    return n_threads * RN_FN(own_predict_size)(net, n) * sizeof(T);
}

/* What happens to the last layer's outputs (n_out, n), element (j, i) at j * ld + i. */
RN_INLINE void RN_FN(apply_output)(const rn_net *net, size_t n, size_t ld, T *a) {
    const rn_layer *last = &net->layers[net->n_layers - 1];
    const int softmax = last->activation == RN_SOFTMAX || net->output == RN_SOFTMAX;
    if (softmax) RN_FN(softmax_forward)(last->n_out, n, ld, a, a);
    else if (net->output == RN_SIGMOID) {
        RN_FN(activation_forward)(RN_SIGMOID, last->n_out * ld, a, NULL, a, 0);
    }
}

/* A few rows (at most few_rows) through dense layers, or a single row through any. */
static void RN_FN(predict_few)(const rn_net *net, const rn_source *x, T *out, T *work) {
    const size_t n = x->n_rows, size = n * rn_widest(net);
    T *a = work, *b = work + size;
    RN_FN(gather_rows)(a, x, n, NULL, 0);
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const rn_sparse *sparse = RN_FN(sparse_layer)(net, l);
        T *z = l + 1 < net->n_layers ? b : out;
        if (sparse && RN_FN(all_finite)(layer->n_in, a)) {
            RN_FN(sparse_row)(layer, sparse, z, a);
        } else {
            RN_FN(dense_forward)(n, layer->n_in, layer->n_out, z, a, layer->weight.w,
                                 layer->bias.w);
        }
        if (layer->activation != RN_IDENTITY && layer->activation != RN_SOFTMAX) {
            RN_FN(activation_forward)(layer->activation, n * layer->n_out, z, NULL, z,
                                      (T)layer->activation_param);
        }
        b = a;
        a = z;
    }
    for (size_t i = 0; i < n; i++) {
        RN_FN(apply_output)(net, 1, 1, out + i * net->layers[net->n_layers - 1].n_out);
    }
}

/* One layer over the panels of a block; false if it is sparse and x is not finite. */
static int RN_FN(predict_layer)(const rn_net *net, size_t l,
                                const RN_FN(rn_block) * block, T *a, const T *x,
                                T *pack) {
    const rn_layer *layer = &net->layers[l];
    const rn_sparse *sparse = RN_FN(sparse_layer)(net, l);
    if (!sparse) {
        RN_FN(layer_forward)(layer, block, a, NULL, x, 0, block->panels, 0,
                             layer->n_out, pack);
        return 1;
    }
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = RN_FN(columns_at)(block, p);
        const T *xp = x + p * layer->n_in * RN_PANEL;
        if (!RN_FN(all_finite)(layer->n_in * ld, xp)) return 0;
        RN_FN(sparse_forward)(layer, sparse, ld, a + p * layer->n_out * RN_PANEL, xp);
    }
    return 1;
}

/* Rows [first, first + block->count) of x; false if sparse layers cannot do it. */
static int RN_FN(predict_block)(const rn_net *net, const rn_source *x,
                                const RN_FN(rn_block) * block, size_t first, T *out,
                                T *work) {
    const size_t size = RN_FN(rows_at_once)(x->n_rows) * rn_widest(net);
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    T *a = work, *b = work + size, *pack = work + 2 * size;
    for (size_t p = 0; p < block->panels; p++) {
        RN_FN(gather_panel)(a + p * x->n_cols * RN_PANEL, x,
                            RN_FN(panel_count)(block, p), NULL, first + p * RN_PANEL);
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        if (!RN_FN(predict_layer)(net, l, block, b, a, pack)) return 0;
        T *swap = a;
        a = b;
        b = swap;
    }
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = RN_FN(columns_at)(block, p);
        T *ap = a + p * n_out * RN_PANEL;
        RN_FN(apply_output)(net, ld, ld, ap);
        RN_FN(panel_to_rows)(out + (first + p * RN_PANEL) * n_out, ap, n_out,
                             RN_FN(panel_count)(block, p));
    }
    return 1;
}

typedef struct {
    const rn_net *net;
    const rn_source *x;
    T *out, *work;
} RN_FN(rn_prediction);

static void RN_FN(predict_worker)(void *context, rn_worker worker) {
    const RN_FN(rn_prediction) *task = context;
    const size_t n = task->x->n_rows, rows = RN_FN(rows_at_once)(n);
    const size_t blocks = rn_pieces(n, rows);
    T *work = task->work + worker.index * RN_FN(own_predict_size)(task->net, n);
    const rn_fpmode before = rn_flush_denormals();
    rn_net dense = *task->net;
    dense.sparse = NULL;
    for (size_t i = rn_part(blocks, worker.index, worker.count);
         i < rn_part(blocks, worker.index + 1, worker.count); i++) {
        RN_FN(rn_block) block = {.count = rn_min(rows, n - i * rows)};
        block.panels = rn_pieces(block.count, RN_PANEL);
        if (!RN_FN(predict_block)(task->net, task->x, &block, i * rows, task->out,
                                  work)) {
            RN_FN(predict_block)(&dense, task->x, &block, i * rows, task->out, work);
        }
    }
    rn_restore_fpmode(before);
}

/* At most few_rows rows, without threads. */
static void RN_FN(predict_small)(const rn_net *net, const rn_source *x, T *out,
                                 T *work) {
    const rn_fpmode before = rn_flush_denormals();
    const RN_FN(rn_block) block = {.count = x->n_rows, .panels = 1};
    rn_net dense = *net;
    dense.sparse = NULL;
    if (x->n_rows == 1) RN_FN(predict_few)(net, x, out, work);
    else if (!net->sparse || !RN_FN(predict_block)(net, x, &block, 0, out, work)) {
        RN_FN(predict_few)(&dense, x, out, work);
    }
    rn_restore_fpmode(before);
}

/* out (n, n_out) = the network's prediction for the rows of x. */
static void RN_FN(predict)(const rn_net *net, const rn_source *x, T *out,
                           size_t n_threads, void *work) {
    if (x->n_rows <= RN_FN(few_rows)()) {
        RN_FN(predict_small)(net, x, out, work);
        return;
    }
    RN_FN(rn_prediction) task = {.net = net, .x = x, .out = out, .work = work};
    rn_parallel(n_threads, RN_FN(predict_worker), &task);
}
