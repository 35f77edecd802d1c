/* A block of rows through all layers, without dropout.
 *
 * A few rows are vectorised over units, many over samples; each element is the same
 * chain of operations.
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
    return rn_min(rn_count(n, RN_PANEL), RN_PREDICT_PANELS) * RN_PANEL;
}

/* Elements of work memory of each thread.  A few rows go through panels, where W is
 * packed, only if some layers are sparse: the others may be wide. */
RN_INLINE size_t own_predict_size(const rn_net *net, size_t n) {
    const int packs = n > few_rows(net) || (net->sparse && n > 1);
    const size_t buffers = (net->skip ? 3 : 2) * predict_rows(net, n) * rn_widest(net);
    const size_t pack = RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net);
    return rn_count(packs ? buffers + pack : buffers, 64) * 64;
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
    if (x->start) part.start += first;
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
        if (finish_of(layer, 0) != RN_LEAVE) {
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

/* One dense layer over the panels of a block. */
static void predict_dense_layer(const rn_layer *layer, const rn_block *block, T *a,
                                const T *x, T *pack) {
    const rn_layer_plan plan = plan_layer(layer, 0);
    const rn_share all = {.p1 = block->panels, .to = layer->n_out};
    layer_forward(&plan, block, a, NULL, x, all, pack);
}

/* The layers over the panels of a block, from a to the array returned; NULL if a sparse
 * one met an infinity.  The inputs stay where a skip connection needs them. */
static T *predict_layers(const rn_net *net, const rn_block *block, T *a, T *b, T *spare,
                         T *pack) {
    const T *inputs = a;
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const rn_sparse *sparse = sparse_layer(net, l);
        T *used = a;
        if (sparse && !predict_sparse_layer(layer, sparse, block, b, a, l > 0)) {
            return NULL;
        }
        if (!sparse) predict_dense_layer(layer, block, b, a, pack);
        a = b;
        b = l == 0 && net->skip ? spare : used;
    }
    if (net->skip) predict_dense_layer(net->skip, block, a, inputs, pack);
    return a;
}

/* Rows [first, first + block->count) of x. */
static int predict_block(const rn_net *net, const rn_source *x, const rn_block *block,
                         size_t first, T *out, T *work) {
    const size_t size = predict_rows(net, x->n_rows) * rn_widest(net);
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    T *x_panels = work, *pack = work + (net->skip ? 3 : 2) * size;
    for (size_t p = 0; p < block->panels; p++) {
        T *xp = x_panels + p * x->n_cols * RN_PANEL;
        gather_panel(xp, x, panel_count(block, p), NULL, first + p * RN_PANEL);
        if (!all_finite(x->n_cols * columns_at(block, p), xp)) return RN_BAD_INPUT;
    }
    T *a = predict_layers(net, block, x_panels, work + size, work + 2 * size, pack);
    if (!a) return RN_OVERFLOW;
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = columns_at(block, p);
        T *ap = a + p * n_out * RN_PANEL;
        apply_output(net, ld, ld, ap);
        panel_to_rows(out + (first + p * RN_PANEL) * n_out, ap, n_out,
                      panel_count(block, p));
    }
    return RN_PREDICTED;
}
