/* The weight gradient of one layer, with the optimiser's step on the spot.
 *
 * The gradient of a few rows of W lives in a small buffer just long enough for the
 * optimiser to use it; it goes to memory only if it has to be kept (a batch larger than
 * one block, or a caller who asked for it).
 */

#ifndef RN_GRADIENT_COMMON
#define RN_GRADIENT_COMMON
enum {
    RN_PIECE = 256,            /* weights whose values before an update are kept */
    RN_GRADIENT_COLUMNS = 512, /* columns of W updated at a time */
    RN_GRADIENT_GROUP = 2048,  /* weights, where several tiles fit */
};
#endif

/* c[r][0..columns) (+)= sum over the rows of the block, in order, of x and dz. */
RN_INLINE void RN_FN(gradient_tile)(const RN_FN(rn_block) * block, size_t n_in,
                                    size_t k, size_t rows, T *c, size_t ldc, const T *x,
                                    int first_layer, const T *dz_rows, size_t columns,
                                    int start) {
    const size_t full = block->count / RN_PANEL, rest = block->count % RN_PANEL;
    const int flat = block->flat && first_layer;
    RN_FN(rn_tile)
    t = {.n_outer = full,
         .n_inner = RN_PANEL,
         .a_row = RN_PANEL,
         .a_inner = 1,
         .a_outer = (ptrdiff_t)(n_in * RN_PANEL),
         .ldb = RN_PANEL,
         .ldc = ldc,
         .columns = columns,
         .start = start,
         .a = x + k * RN_PANEL,
         .b = dz_rows,
         .c = c};
    if (full) {
        RN_FN(run_tile)(rows, 1, &t);
        t.start = RN_FROM_C;
    }
    if (rest) {
        const size_t ld = RN_FN(panel_columns)(rest);
        t.n_outer = 1;
        t.n_inner = rest;
        t.a_row = flat ? 1 : (ptrdiff_t)ld;
        t.a_inner = flat ? (ptrdiff_t)n_in : 1;
        t.a = flat ? x + k : x + full * n_in * RN_PANEL + k * ld;
        t.b = dz_rows + full * RN_PANEL * RN_PANEL;
        RN_FN(run_tile)(rows, 1, &t);
    }
}

/* update() of one piece; zeros that must stay, and the moving average of the update. */
static void RN_FN(update_piece)(const rn_param *param, size_t at, size_t n, const T *g,
                                const rn_step *step, double ema_decay) {
    T *w = (T *)param->w + at, *m = param->m, *v = param->v, *q = param->q;
    T *ema = param->ema;
    T before[RN_PIECE];
    const size_t most = ema || param->keep_zeros ? RN_PIECE : n;
    for (size_t i = 0; i < n; i += most) {
        const size_t size = rn_min(n - i, most);
        if (ema || param->keep_zeros) memcpy(before, w + i, size * sizeof(T));
        RN_FN(update)(size, w + i, m ? m + at + i : NULL, v ? v + at + i : NULL,
                      q ? q + at + i : NULL, g + i, step);
        for (size_t k = 0; param->keep_zeros && k < size; k++) {
            w[i + k] = before[k] == 0 ? (T)0 : w[i + k];
        }
        for (size_t k = 0; ema && k < size; k++) {
            const T change = w[i + k] - before[k];
            T *e = ema + at + i + k;
            *e = RN_FMA((T)ema_decay, *e - change, change);
        }
    }
}

/* The same for a layer of few units: its inputs are the vectors, so that dW comes out
 * transposed, units first.  dz: panels; x_blocks: panel_to_unit_blocks of the inputs.
 */
static void RN_FN(narrow_weight_gradient)(const rn_layer *layer,
                                          const RN_FN(rn_block) * block, const T *dz,
                                          const T *x_blocks, size_t ld_block, size_t k0,
                                          size_t k1, int first, const rn_step *step,
                                          double ema_decay, T *buffer) {
    const size_t n_out = layer->n_out;
    T *kept = layer->weight.g;
    T c[RN_LANES / 2 * RN_PANEL_OF(RN_LANES)];
    for (size_t k = k0, width; k < k1; k += width) {
        width = RN_PANEL - k % RN_PANEL < k1 - k ? RN_PANEL - k % RN_PANEL : k1 - k;
        T *g = kept ? kept + k * n_out : buffer;
        for (size_t j = 0; !first && j < n_out; j++) {
            for (size_t i = 0; i < width; i++) c[j * width + i] = g[i * n_out + j];
        }
        RN_FN(gradient_tile)(block, n_out, 0, n_out, c, width, dz, 0,
                             x_blocks + k / RN_PANEL * ld_block + k % RN_PANEL, width,
                             first ? RN_FROM_ZERO : RN_FROM_C);
        for (size_t j = 0; j < n_out; j++) {
            for (size_t i = 0; i < width; i++) g[i * n_out + j] = c[j * width + i];
        }
        if (step) {
            RN_FN(update_piece)(&layer->weight, k * n_out, width * n_out, g, step,
                                ema_decay);
        }
    }
}

/* Its bias gradient, from the panels of dz. */
static void RN_FN(narrow_bias_gradient)(const rn_layer *layer,
                                        const RN_FN(rn_block) * block, const T *dz,
                                        int first, const rn_step *step,
                                        double ema_decay) {
    const size_t n_out = layer->n_out;
    T sum[RN_LANES / 2 + 1] = {0}, *g = layer->bias.g ? layer->bias.g : sum;
    if (!first) memcpy(sum, g, n_out * sizeof(T));
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = RN_FN(columns_at)(block, p);
        const size_t count = RN_FN(panel_count)(block, p);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < n_out; j++) sum[j] += dz[j * ld + i];
        }
        dz += n_out * RN_PANEL;
    }
    if (g != sum) memcpy(g, sum, n_out * sizeof(T));
    if (step) RN_FN(update_piece)(&layer->bias, 0, n_out, g, step, ema_decay);
}

/* dW = x'dz for the inputs [k0, k1), then the update unless `step` is NULL.
 * dz_blocks: panel_to_unit_blocks of dz, `ld_block` elements per block of units;
 * first: the gradient starts here; buffer: RN_TILE_ROWS * RN_GRADIENT_COLUMNS. */
static void RN_FN(layer_weight_gradient)(const rn_layer *layer,
                                         const RN_FN(rn_block) * block, const T *x,
                                         int first_layer, const T *dz_blocks,
                                         size_t ld_block, size_t k0, size_t k1,
                                         int first, const rn_step *step,
                                         double ema_decay, T *buffer) {
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const size_t tiles = rn_pieces(k1 - k0, RN_TILE_ROWS);
    T *kept = layer->weight.g;
    for (size_t j0 = 0; j0 < n_out; j0 += RN_GRADIENT_COLUMNS) {
        const size_t width =
            n_out - j0 < RN_GRADIENT_COLUMNS ? n_out - j0 : RN_GRADIENT_COLUMNS;
        const size_t group = rn_max(1, RN_GRADIENT_GROUP / (RN_TILE_ROWS * width));
        for (size_t first_tile = 0; first_tile < tiles; first_tile += group) {
            const size_t last_tile = rn_min(tiles, first_tile + group);
            const size_t ka = k0 + rn_part(k1 - k0, first_tile, tiles);
            const size_t kb = k0 + rn_part(k1 - k0, last_tile, tiles);
            const size_t ldc = kept ? n_out : width;
            T *c = kept ? kept + ka * n_out + j0 : buffer;
            for (size_t i = first_tile; i < last_tile; i++) {
                const size_t k = k0 + rn_part(k1 - k0, i, tiles);
                const size_t rows = k0 + rn_part(k1 - k0, i + 1, tiles) - k;
                for (size_t j = 0; j < width; j += RN_PANEL) {
                    RN_FN(gradient_tile)(block, n_in, k, rows, c + (k - ka) * ldc + j,
                                         ldc, x, first_layer,
                                         dz_blocks + (j0 + j) / RN_PANEL * ld_block,
                                         width - j < RN_PANEL ? width - j : RN_PANEL,
                                         first ? RN_FROM_ZERO : RN_FROM_C);
                }
            }
            if (!step) continue;
            const size_t runs = width == n_out ? 1 : kb - ka;
            const size_t length = width == n_out ? (kb - ka) * width : width;
            for (size_t r = 0; r < runs; r++) {
                RN_FN(update_piece)(&layer->weight, (ka + r) * n_out + j0, length,
                                    c + r * ldc, step, ema_decay);
            }
        }
    }
}

/* db = sum of dz over the rows in order, then the update unless `step` is NULL. */
static void RN_FN(layer_bias_gradient)(const rn_layer *layer,
                                       const RN_FN(rn_block) * block,
                                       const T *dz_blocks, size_t ld_block, int first,
                                       const rn_step *step, double ema_decay) {
    enum { AT_ONCE = 4 };
    T buffer[AT_ONCE * RN_PANEL_OF(RN_LANES)];
    T *kept = layer->bias.g;
    for (size_t j = 0; j < layer->n_out; j += AT_ONCE * RN_PANEL) {
        const size_t left = layer->n_out - j;
        const size_t width = left < AT_ONCE * RN_PANEL ? left : AT_ONCE * RN_PANEL;
        const size_t blocks = rn_pieces(width, RN_PANEL);
        const T *dz = dz_blocks + j / RN_PANEL * ld_block;
        T *g = kept ? kept + j : buffer;
        memset(buffer, 0, sizeof buffer);
        if (!first) memcpy(buffer, g, width * sizeof(T));
        for (size_t i = 0; i < block->count; i++) {
            for (size_t b = 0; b < blocks; b++) {
                const T *row = dz + b * ld_block + i * RN_PANEL;
                for (size_t lane = 0; lane < RN_PANEL; lane++) {
                    buffer[b * RN_PANEL + lane] += row[lane];
                }
            }
        }
        if (kept) memcpy(g, buffer, width * sizeof(T));
        if (step) RN_FN(update_piece)(&layer->bias, j, width, g, step, ema_decay);
    }
}
