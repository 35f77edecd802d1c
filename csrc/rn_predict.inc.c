/* Predictions: the forward pass alone, dropout off, rows in and rows out.
 *
 * A row's bits do not depend on its neighbours: a few rows are vectorised over units,
 * many over samples, and each element is the same chain of operations.
 */

enum { RN_FN(PREDICT_PANELS) = 8 }; /* panels that share one pass over the weights */

/* With a skip connection even a few rows go the way of many. */
RN_INLINE int RN_FN(are_few)(const rn_net *net, size_t n) {
    return n <= RN_LANES / 2 && !net->skip;
}

static size_t RN_FN(predict_work_size)(const rn_net *net, size_t n, size_t n_threads) {
    const size_t rows =
        RN_FN(are_few)(net, n) ? rn_max(n, 1) : RN_FN(PREDICT_PANELS) * RN_PANEL;
    const size_t buffers = (net->skip ? 3 : 2) * rows * rn_widest(net);
    const size_t pack =
        RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net) + 2 * RN_TILE_ROWS;
    return n_threads * rn_pieces(buffers + pack, 64) * 64 * sizeof(T);
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

static void RN_FN(predict_few)(const rn_net *net, const rn_source *x, T *out, T *work) {
    const size_t n = x->n_rows, size = n * rn_widest(net);
    T *a = work, *b = work + size;
    RN_FN(gather_rows)(a, x, n, NULL, 0);
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        T *z = l + 1 < net->n_layers ? b : out;
        RN_FN(dense_forward)(n, layer->n_in, layer->n_out, z, a, layer->weight.w,
                             layer->bias.w);
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

/* Rows [first, first + block->count) of x, at most PREDICT_PANELS panels. */
static void RN_FN(predict_block)(const rn_net *net, const rn_source *x,
                                 const RN_FN(rn_block) * block, size_t first, T *out,
                                 T *work) {
    const size_t size = RN_FN(PREDICT_PANELS) * RN_PANEL * rn_widest(net);
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    T *a = work, *b = work + size, *pack = work + (net->skip ? 3 : 2) * size;
    const T *inputs = a;
    for (size_t p = 0; p < block->panels; p++) {
        RN_FN(gather_panel)(a + p * x->n_cols * RN_PANEL, x,
                            RN_FN(panel_count)(block, p), NULL, first + p * RN_PANEL);
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        RN_FN(layer_forward)(&net->layers[l], block, b, NULL, a, 0, block->panels, 0,
                             net->layers[l].n_out, pack);
        T *swap = a;
        a = b;
        b = l == 0 && net->skip ? work + 2 * size : swap; /* the inputs stay */
    }
    if (net->skip) {
        RN_FN(layer_forward)(net->skip, block, a, NULL, inputs, 0, block->panels, 0,
                             n_out, pack);
    }
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = RN_FN(columns_at)(block, p);
        T *ap = a + p * n_out * RN_PANEL;
        RN_FN(apply_output)(net, ld, ld, ap);
        RN_FN(panel_to_rows)(out + (first + p * RN_PANEL) * n_out, ap, n_out,
                             RN_FN(panel_count)(block, p));
    }
}

typedef struct {
    const rn_net *net;
    const rn_source *x;
    T *out, *work;
} RN_FN(rn_prediction);

static void RN_FN(predict_worker)(void *context, rn_worker worker) {
    const RN_FN(rn_prediction) *task = context;
    const size_t rows = RN_FN(PREDICT_PANELS) * RN_PANEL, n = task->x->n_rows;
    const size_t blocks = rn_pieces(n, rows);
    const size_t own = RN_FN(predict_work_size)(task->net, n, 1) / sizeof(T);
    const rn_fpmode before = rn_flush_denormals();
    for (size_t i = rn_part(blocks, worker.index, worker.count);
         i < rn_part(blocks, worker.index + 1, worker.count); i++) {
        RN_FN(rn_block) block = {.count = rn_min(rows, n - i * rows)};
        block.panels = rn_pieces(block.count, RN_PANEL);
        RN_FN(predict_block)(task->net, task->x, &block, i * rows, task->out,
                             task->work + worker.index * own);
    }
    rn_restore_fpmode(before);
}

/* out (n, n_out) = the network's prediction for the rows of x. */
static void RN_FN(predict)(const rn_net *net, const rn_source *x, T *out,
                           size_t n_threads, void *work) {
    if (RN_FN(are_few)(net, x->n_rows)) {
        const rn_fpmode before = rn_flush_denormals();
        RN_FN(predict_few)(net, x, out, work);
        rn_restore_fpmode(before);
        return;
    }
    RN_FN(rn_prediction) task = {.net = net, .x = x, .out = out, .work = work};
    rn_parallel(n_threads, RN_FN(predict_worker), &task);
}
