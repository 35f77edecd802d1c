/* The weight gradient of one layer, with the optimiser's step on the spot.
 *
 * The gradient of a few rows of W lives in a small buffer just long enough for the
 * optimiser to use it; it goes to memory only if it has to be kept (a batch larger than
 * one block, or a caller who asked for it).
 */

enum {
    RN_SPAN = 256,              /* weights whose values before an update are kept */
    RN_GRADIENT_COLUMNS = 1024, /* columns of W updated at a time */
    RN_GRADIENT_WEIGHTS = 2048, /* weights, where several tiles fit */
    /* of layers whose inputs are packed, and of those: in the second-level cache */
    RN_WIDE_WEIGHTS = (1 << 17) / sizeof(T),
    RN_WIDE_INPUTS = (1 << 16) / sizeof(T),
};

/* One layer's part in the descent of a block. */
typedef struct {
    const rn_layer *layer;
    const rn_block *block;
    const T *x;         /* inputs, as panels or plain rows */
    int plain_rows;     /* which of them */
    const T *dz;        /* panels */
    const T *unit_rows; /* panel_to_unit_rows of dz, or of the inputs of few units */
    size_t ld_units;    /* elements per panel of units in them */
    int start;          /* RN_FROM_ZERO, or RN_FROM_C: the batch's gradient so far */
    int part;           /* of a long batch: which one ends here, if any */
    int update;         /* what follows the gradient: a step of the optimiser */
    rn_step step, bias_step;
    double ema_decay;
    T *buffer; /* rn_gradient_work() elements */
    T *pack;   /* rn_packed_inputs() elements; NULL: x is read in place */
} rn_descent;

/* One tile of a sum over the rows of a block: c[r][0..columns) (+)= the products of
 * element k + r of x and those of b, in the order of the rows. */
typedef struct {
    const T *x; /* panels of n_units, or plain rows of them */
    int plain_rows;
    size_t n_units, k, rows, columns;
    const T *b; /* as rn_descent.unit_rows */
    T *c, *sum; /* the last of `rows` is the sum of b unless `sum` is NULL */
    size_t ldc;
} rn_product;

RN_INLINE void sum_products(const rn_descent *d, const rn_product *s) {
    const size_t full = d->block->count / RN_PANEL, rest = d->block->count % RN_PANEL;
    rn_tile t = {.n_outer = full,
                 .n_inner = RN_PANEL,
                 .a_row = RN_PANEL,
                 .a_inner = 1,
                 .a_outer = (ptrdiff_t)(s->n_units * RN_PANEL),
                 .ldb = RN_PANEL,
                 .ldc = s->ldc,
                 .b_next = d->ld_units,
                 .c_next = RN_PANEL,
                 .columns = s->columns,
                 .start = d->start,
                 .a = s->x + s->k * RN_PANEL,
                 .b = s->b,
                 .c = s->c,
                 .sum = s->sum};
    if (full) {
        run_tile(s->rows, 1, &t);
        t.start = RN_FROM_C;
    }
    if (rest) {
        const size_t ld = panel_columns(rest);
        t.n_outer = 1;
        t.n_inner = rest;
        t.a_row = s->plain_rows ? 1 : (ptrdiff_t)ld;
        t.a_inner = s->plain_rows ? (ptrdiff_t)s->n_units : 1;
        t.a = s->plain_rows ? s->x + s->k
                            : s->x + full * s->n_units * RN_PANEL + s->k * ld;
        t.b = s->b + full * RN_PANEL * RN_PANEL;
        run_tile(s->rows, 1, &t);
    }
}

/* update() of a span of weights; zeros that must stay, and the moving average of the
 * update. */
static void update_span(const rn_param *param, size_t at, size_t n, const T *g,
                        const rn_step *step, double ema_decay) {
    T *w = (T *)param->w + at, *m = param->m, *v = param->v, *q = param->q;
    T *ema = param->ema;
    T before[RN_SPAN];
    const size_t most = ema || param->keep_zeros ? RN_SPAN : n;
    for (size_t i = 0; i < n; i += most) {
        const size_t size = rn_min(n - i, most);
        if (ema || param->keep_zeros) memcpy(before, w + i, size * sizeof(T));
        update(size, w + i, m ? m + at + i : NULL, v ? v + at + i : NULL,
               q ? q + at + i : NULL, g + i, step);
        for (size_t k = 0; param->keep_zeros && k < size; k++) {
            w[i + k] = before[k] == 0 ? (T)0 : w[i + k];
        }
        for (size_t k = 0; ema && k < size; k++) {
            const T change = w[i + k] - before[k];
            T *e = ema + at + i + k;
            *e = madd((T)ema_decay, *e - change, change);
        }
    }
}

/* dW = x'dz of a layer of few units: its inputs are the vectors, so that dW comes out
 * transposed, units first.  For the inputs [k0, k1). */
static void few_units_weight_gradient(const rn_descent *d, size_t k0, size_t k1) {
    const size_t n_out = d->layer->n_out;
    T *kept = d->layer->weight.g;
    T c[(RN_LANES / 2 + RN_LOW_ROWS) * RN_PANEL_OF(RN_LANES)];
    for (size_t k = k0, width; k < k1; k += width) {
        width = k % RN_PANEL ? rn_min(RN_PANEL - k % RN_PANEL, k1 - k)
                             : tile_columns(n_out, k1 - k);
        T *g = kept ? kept + k * n_out : d->buffer;
        for (size_t j = 0; d->start == RN_FROM_C && j < n_out; j++) {
            for (size_t i = 0; i < width; i++) c[j * width + i] = g[i * n_out + j];
        }
        const rn_product product = {.x = d->dz,
                                    .n_units = n_out,
                                    .rows = n_out,
                                    .columns = width,
                                    .b = d->unit_rows + k / RN_PANEL * d->ld_units +
                                         k % RN_PANEL,
                                    .c = c,
                                    .ldc = width};
        sum_products(d, &product);
        for (size_t j = 0; j < n_out; j++) {
            for (size_t i = 0; i < width; i++) g[i * n_out + j] = c[j * width + i];
        }
        end_part(d->part, &d->layer->weight, k * n_out, width * n_out);
        if (d->update) {
            update_span(&d->layer->weight, k * n_out, width * n_out, g, &d->step,
                        d->ema_decay);
        }
    }
}

/* sum[0..3] += the rows of one panel, in order, of units j .. j + 3, or of the last one
 * again: four chains of additions at a time hide their latency. */
RN_INLINE void add_four_units(T *sum, const T *dz, size_t n_out, size_t j, size_t ld,
                              size_t count) {
    const T *d0 = dz + j * ld, *d1 = dz + rn_min(j + 1, n_out - 1) * ld;
    const T *d2 = dz + rn_min(j + 2, n_out - 1) * ld;
    const T *d3 = dz + rn_min(j + 3, n_out - 1) * ld;
    T s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (size_t i = 0; i < count; i++) {
        s0 += d0[i];
        s1 += d1[i];
        s2 += d2[i];
        s3 += d3[i];
    }
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
}

/* Its bias gradient, from the panels of dz. */
static void few_units_bias_gradient(const rn_descent *d) {
    const rn_param *bias = &d->layer->bias;
    const size_t n_out = d->layer->n_out;
    T sum[RN_LANES / 2 + 4] = {0}, *g = bias->g ? bias->g : sum;
    if (d->start == RN_FROM_C) memcpy(sum, g, n_out * sizeof(T));
    for (size_t p = 0; p < d->block->panels; p++) {
        for (size_t j = 0; j < n_out; j += 4) {
            add_four_units(sum + j, d->dz + p * n_out * RN_PANEL, n_out, j,
                           columns_at(d->block, p), panel_count(d->block, p));
        }
    }
    if (g != sum) memcpy(g, sum, n_out * sizeof(T));
    end_part(d->part, bias, 0, n_out);
    if (d->update) {
        update_span(bias, 0, n_out, g, &d->bias_step, d->ema_decay);
    }
}

/* Rows of W with the bias below them, the layer's last row. */
RN_INLINE size_t gradient_rows(const rn_layer *layer) {
    return layer->n_in + (layer->bias.w ? 1 : 0);
}

/* The inputs k to k + rows - 1 of the block, next to each other: in place the lines of
 * wide panels are a power of two apart, for which a cache has few places. */
RN_INLINE void pack_inputs(const rn_descent *d, size_t k, size_t rows) {
    const size_t n_in = d->layer->n_in;
    for (size_t p = 0; p < d->block->panels; p++) {
        const size_t ld = columns_at(d->block, p);
        memcpy(d->pack + p * rows * RN_PANEL, d->x + p * n_in * RN_PANEL + k * ld,
               rows * ld * sizeof(T));
    }
}

/* Rows [k0, k1) of columns [j, j + width) of dW = x'dz, of which the last one may be
 * the bias; c (rows, ldc), sum (width).  All rows use a panel of dz while it is in the
 * first-level cache. */
RN_INLINE void gradient_of_rows(const rn_descent *d, size_t k0, size_t k1, size_t j,
                                size_t width, T *c, size_t ldc, T *sum) {
    const size_t n_in = d->layer->n_in, inputs = rn_min(k1, n_in) - k0;
    const rn_cut tiles = rn_tiles(k1 - k0);
    const size_t tallest = rn_start(tiles, 1);
    if (d->pack) pack_inputs(d, k0, inputs);
    for (size_t at = 0, columns; at < width; at += columns) {
        columns = tile_columns(tallest, width - at);
        for (size_t i = 0; i < tiles.parts; i++) {
            const size_t k = rn_start(tiles, i), end = rn_start(tiles, i + 1);
            const rn_product product = {.x = d->pack ? d->pack : d->x,
                                        .plain_rows = d->plain_rows,
                                        .n_units = d->pack ? inputs : n_in,
                                        .k = d->pack ? k : k0 + k,
                                        .rows = end - k,
                                        .columns = columns,
                                        .b = d->unit_rows +
                                             (j + at) / RN_PANEL * d->ld_units,
                                        .c = c + k * ldc + at,
                                        .sum = end > inputs ? sum + at : NULL,
                                        .ldc = ldc};
            sum_products(d, &product);
        }
    }
}

/* Rows of W whose gradients of `width` columns are summed before they are used. */
RN_INLINE size_t rows_at_once(const rn_descent *d, size_t width) {
    size_t weights = RN_GRADIENT_WEIGHTS;
    if (d->pack) {
        weights = rn_min(RN_WIDE_WEIGHTS,
                         RN_WIDE_INPUTS / (d->block->panels * RN_PANEL) * width);
    }
    return rn_max(1, weights / (RN_TILE_ROWS * width)) * RN_TILE_ROWS;
}

/* Rows [k0, k1) of dW and of the bias below it, and their updates. */
static void layer_gradient(const rn_descent *d, size_t k0, size_t k1) {
    const rn_param *weight = &d->layer->weight, *bias = &d->layer->bias;
    const size_t n_in = d->layer->n_in, n_out = d->layer->n_out;
    T *kept = weight->g, sums[RN_GRADIENT_COLUMNS];
    for (size_t j = 0, width; j < n_out; j += width) {
        width = rn_min(n_out - j, RN_GRADIENT_COLUMNS);
        const size_t most = rows_at_once(d, width);
        T *sum = bias->g ? (T *)bias->g + j : sums;
        for (size_t k = k0, end; k < k1; k = end) {
            end = rn_min(k + most, k1);
            const size_t last = rn_min(end, n_in), ldc = kept ? n_out : width;
            T *c = kept ? kept + k * n_out + j : d->buffer;
            gradient_of_rows(d, k, end, j, width, c, ldc, sum);
            const int joined = width == n_out;
            for (size_t r = k; d->part && r < last; r += joined ? last - k : 1) {
                end_part(d->part, weight, r * n_out + j,
                         joined ? (last - k) * width : width);
            }
            if (end > n_in) end_part(d->part, bias, j, width);
            if (!d->update) continue;
            for (size_t r = k; r < last; r += joined ? last - k : 1) {
                update_span(weight, r * n_out + j, joined ? (last - k) * width : width,
                            c + (r - k) * ldc, &d->step, d->ema_decay);
            }
            if (end == last) continue;
            update_span(bias, j, width, sum, &d->bias_step, d->ema_decay);
        }
    }
}
