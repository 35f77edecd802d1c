/* A block of rows through all layers, without dropout.
 *
 * A few rows are vectorised over units, many over samples; each element is the same
 * chain of operations.
 */

/* Panels that share one pass over the weights.  Sparse layers have few weights but read
 * the inputs without order: fewer panels, so that these stay in the second-level cache.
 */
enum { RN_PREDICT_PANELS = 8, RN_SPARSE_PANELS = 2 };

/* With a skip connection a few rows take the same way as many. */
RN_INLINE size_t few_rows(const rn_net *net) { return net->skip ? 0 : RN_LANES / 2; }

/* Rows there is room for, including the samples of empty lanes. */
RN_INLINE size_t predict_rows(const rn_net *net, size_t n) {
    if (n <= 1 && !net->skip) return 1;
    if (n <= few_rows(net)) return RN_LANES;
    return rn_min(rn_count(n, RN_PANEL), RN_PREDICT_PANELS) * RN_PANEL;
}

/* Elements of one buffer for a block's outputs of a layer, or its inputs if they are
 * made dense. */
RN_INLINE size_t predict_buffer(const rn_net *net, const rn_source *x) {
    const size_t widest = x->by_entry ? rn_widest_output(net) : rn_widest(net);
    return predict_rows(net, x->n_rows) * widest;
}

/* Elements of work memory of each thread.  A few rows go through panels, where W is
 * packed, only if some layers are sparse: the others may be wide. */
RN_INLINE size_t own_predict_size(const rn_net *net, const rn_source *x) {
    const size_t n = x->n_rows;
    const int packs = n > few_rows(net) || (net->sparse && n > 1);
    const size_t buffers = (net->skip ? 3 : 2) * predict_buffer(net, x);
    const size_t rows = x->by_entry ? RN_PANEL * rn_widest_output(net) : 0;
    const size_t pack = rn_max(rn_pack_size(net, x->by_entry), rows);
    return rn_count(packs ? buffers + pack : buffers, 64) * 64;
}

enum { RN_PREDICTED, RN_BAD_INPUT, RN_OVERFLOW }; /* the result of a block */

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
    const size_t n = x->n_rows;
    T *a = work, *b = work + predict_buffer(net, x);
    if (!x->by_entry) gather_rows(a, x, n, NULL, 0);
    if (!x->by_entry && !all_finite(n * x->n_cols, a)) return bad_row(x, 0, n);
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const rn_sparse *sparse = sparse_layer(net, l);
        T *z = l + 1 < net->n_layers ? b : out;
        if (l == 0 && x->by_entry) {
            if (!entries_forward(n, layer, z, x, 0)) return bad_row(x, 0, n);
        } else if (sparse && (l == 0 || all_finite(layer->n_in, a))) {
            sparse_row(layer, sparse, z, a);
        } else if (n == 1) {
            row_forward(layer, z, a);
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

/* The first layer, or the skip connection, over a block of sparse rows, `first` and the
 * following; whether they are finite. */
static int predict_entries(const rn_layer *layer, const rn_source *x, size_t first,
                           const rn_block *block, T *a, T *rows) {
    const rn_layer_plan plan = plan_layer(layer, 0);
    int finite = 1;
    for (size_t p = 0; p < block->panels; p++) {
        const size_t count = panel_count(block, p);
        T *ap = a + p * layer->n_out * RN_PANEL;
        if (layer->adds) panel_to_rows(rows, ap, layer->n_out, count);
        finite &= entries_forward(count, layer, rows, x, first + p * RN_PANEL);
        finish_rows(&plan, layer->n_out, count, ap, NULL, rows);
    }
    return finite;
}

/* Layer l over the panels of a block, from a to b; false if a sparse one met an
 * infinity. */
static int predict_layer(const rn_net *net, size_t l, const rn_block *block, T *b,
                         const T *a, T *pack) {
    const rn_sparse *sparse = sparse_layer(net, l);
    const rn_layer *layer = &net->layers[l];
    if (sparse) return predict_sparse_layer(layer, sparse, block, b, a, l > 0);
    predict_dense_layer(layer, block, b, a, pack);
    return 1;
}

/* Rows [first, first + block->count) of x.  The inputs stay where a skip connection
 * needs them. */
static int predict_block(const rn_net *net, const rn_source *x, const rn_block *block,
                         size_t first, T *out, T *work) {
    const size_t size = predict_buffer(net, x);
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    T *inputs = work, *a = inputs, *b = work + size, *spare = b + size;
    T *pack = work + (net->skip ? 3 : 2) * size;
    for (size_t p = 0; !x->by_entry && p < block->panels; p++) {
        T *xp = inputs + p * x->n_cols * RN_PANEL;
        gather_panel(xp, x, panel_count(block, p), NULL, first + p * RN_PANEL);
        if (!all_finite(x->n_cols * columns_at(block, p), xp)) return RN_BAD_INPUT;
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        T *used = a;
        if (l == 0 && x->by_entry) {
            if (!predict_entries(net->layers, x, first, block, b, pack))
                return RN_BAD_INPUT;
        } else if (!predict_layer(net, l, block, b, a, pack)) {
            return RN_OVERFLOW;
        }
        a = b;
        b = l == 0 && net->skip ? spare : used;
    }
    if (net->skip && x->by_entry) {
        predict_entries(net->skip, x, first, block, a, pack);
    } else if (net->skip) {
        predict_dense_layer(net->skip, block, a, inputs, pack);
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
