/* Predictions: the forward pass alone, dropout off, rows in and rows out.
 *
 * A row's bits do not depend on its neighbours: a few rows are vectorised over units,
 * many over samples, and each element is the same chain of operations.  Layers with
 * many zeros take part with the rest of their weights, if net->sparse says so.
 */

/* Panels that share one pass over the weights.  Sparse layers have few weights but read
 * the inputs without order: fewer panels, so that these stay in the second-level cache.
 */
enum { RN_PREDICT_PANELS = 8, RN_SPARSE_PANELS = 2 };

/* With a skip connection even a few rows go the way of many. */
RN_INLINE size_t few_rows(const rn_net *net) { return net->skip ? 0 : RN_LANES / 2; }

/* Rows that there is room for, samples of empty lanes included. */
RN_INLINE size_t predict_rows(const rn_net *net, size_t n) {
    if (n <= 1 && !net->skip) return 1;
    if (n <= few_rows(net)) return RN_LANES;
    return rn_min(rn_pieces(n, RN_PANEL), RN_PREDICT_PANELS) * RN_PANEL;
}

/* Elements of work memory of each thread.  A few rows go through panels, where W is
 * packed, only if some layers are sparse: the others may be wide. */
RN_INLINE size_t own_predict_size(const rn_net *net, size_t n) {
    const int packs = n > few_rows(net) || (net->sparse && n > 1);
    const size_t buffers = (net->skip ? 3 : 2) * predict_rows(net, n) * rn_widest(net);
    const size_t pack = RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net);
    return rn_pieces(packs ? buffers + pack : buffers, 64) * 64;
}

static size_t predict_work_size(const rn_net *net, size_t n, size_t n_threads) {
    return n_threads * (64 + own_predict_size(net, n) * sizeof(T));
}

enum { RN_PREDICTED, RN_BAD_INPUT, RN_OVERFLOW }; /* what became of a block */

/* What happens to the last layer's outputs (n_out, n), element (j, i) at j * ld + i. */
RN_INLINE void apply_output(const rn_net *net, size_t n, size_t ld, T *a) {
    const rn_layer *last = &net->layers[net->n_layers - 1];
    const int softmax = last->activation == RN_SOFTMAX || net->output == RN_SOFTMAX;
    if (softmax) softmax_forward(last->n_out, n, ld, a, a);
    else if (net->output == RN_SIGMOID) {
        activation_forward(RN_SIGMOID, last->n_out * ld, a, NULL, a, 0);
    }
}

/* The first of `count` rows of x from `first` on that is not finite, or n_rows. */
static size_t bad_row(const rn_source *x, size_t first, size_t count) {
    rn_source part = *x;
    part.data += (ptrdiff_t)first * x->row_stride;
    part.n_rows = count;
    const size_t row = find_not_finite(&part);
    return row < count ? first + row : x->n_rows;
}

/* A few rows (at most few_rows) through dense layers, or a single row through any;
 * returns the first row of x that is not finite, or n_rows. */
static size_t predict_few(const rn_net *net, const rn_source *x, T *out, T *work) {
    const size_t n = x->n_rows, size = n * rn_widest(net);
    T *a = work, *b = work + size;
    gather_rows(a, x, n, NULL, 0);
    if (!all_finite(n * x->n_cols, a)) return bad_row(x, 0, n);
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const rn_sparse *sparse = sparse_layer(net, l);
        T *z = l + 1 < net->n_layers ? b : out;
        if (sparse && (l == 0 || all_finite(layer->n_in, a))) {
            sparse_row(layer, sparse, z, a);
        } else {
            dense_forward(n, layer->n_in, layer->n_out, z, a, layer->weight.w,
                          layer->bias.w);
        }
        if (layer->activation != RN_IDENTITY && layer->activation != RN_SOFTMAX) {
            activation_forward(layer->activation, n * layer->n_out, z, NULL, z,
                               (T)layer->activation_param);
        }
        b = a;
        a = z;
    }
    for (size_t i = 0; i < n; i++) {
        apply_output(net, 1, 1, out + i * net->layers[net->n_layers - 1].n_out);
    }
    return n;
}

/* One layer over the panels of a block; false if a sparse one met an infinity. */
static int predict_layer(const rn_net *net, size_t l, const rn_block *block, T *a,
                         const T *x, T *pack) {
    const rn_layer *layer = &net->layers[l];
    const rn_sparse *sparse = sparse_layer(net, l);
    if (!sparse) {
        layer_forward(layer, block, a, NULL, x, 0, block->panels, 0, layer->n_out,
                      pack);
        return 1;
    }
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = columns_at(block, p);
        const T *xp = x + p * layer->n_in * RN_PANEL;
        if (l > 0 && !all_finite(layer->n_in * ld, xp)) return 0;
        sparse_forward(layer, sparse, ld, a + p * layer->n_out * RN_PANEL, xp);
    }
    return 1;
}

/* Rows [first, first + block->count) of x. */
static int predict_block(const rn_net *net, const rn_source *x, const rn_block *block,
                         size_t first, T *out, T *work) {
    const size_t size = predict_rows(net, x->n_rows) * rn_widest(net);
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    T *a = work, *b = work + size, *pack = work + (net->skip ? 3 : 2) * size;
    const T *inputs = a;
    for (size_t p = 0; p < block->panels; p++) {
        T *ap = a + p * x->n_cols * RN_PANEL;
        gather_panel(ap, x, panel_count(block, p), NULL, first + p * RN_PANEL);
        if (!all_finite(x->n_cols * columns_at(block, p), ap)) {
            return RN_BAD_INPUT;
        }
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        if (!predict_layer(net, l, block, b, a, pack)) return RN_OVERFLOW;
        T *swap = a;
        a = b;
        b = l == 0 && net->skip ? work + 2 * size : swap; /* the inputs stay */
    }
    if (net->skip) {
        layer_forward(net->skip, block, a, NULL, inputs, 0, block->panels, 0, n_out,
                      pack);
    }
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = columns_at(block, p);
        T *ap = a + p * n_out * RN_PANEL;
        apply_output(net, ld, ld, ap);
        panel_to_rows(out + (first + p * RN_PANEL) * n_out, ap, n_out,
                      panel_count(block, p));
    }
    return RN_PREDICTED;
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
    const size_t blocks = rn_pieces(x->n_rows, rows);
    T *work = task->work + worker.index * own_predict_size(net, x->n_rows);
    const rn_fpmode before = rn_flush_denormals();
    rn_net dense = *net;
    dense.sparse = NULL;
    for (size_t i = rn_part(blocks, worker.index, worker.count);
         i < rn_part(blocks, worker.index + 1, worker.count); i++) {
        const size_t first = i * rows;
        rn_block block = {.count = rn_min(rows, x->n_rows - first)};
        block.panels = rn_pieces(block.count, RN_PANEL);
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
