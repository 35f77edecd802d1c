/* Dense products on plain row-major arrays, for people and for a few rows at a time.
 *
 * Training works on panels (rn_layer.inc.c); these are the same tiles with other
 * strides and give the same bits.
 */

/* z = x w + b; x (n, n_in), w (n_in, n_out), b (n_out) or NULL, z (n, n_out). */
static void dense_forward(size_t n, size_t n_in, size_t n_out, T *RN_RESTRICT z,
                          const T *RN_RESTRICT x, const T *RN_RESTRICT w,
                          const T *RN_RESTRICT b) {
    const rn_cut parts = rn_tiles(n);
    for (size_t part = 0; part < parts.parts; part++) {
        const size_t i = rn_start(parts, part), rows = rn_start(parts, part + 1) - i;
        rn_tile t = {.n_outer = 1,
                     .n_inner = n_in,
                     .a_row = (ptrdiff_t)n_in,
                     .a_inner = 1,
                     .ldb = n_out,
                     .ldc = n_out,
                     .start = b ? RN_FROM_COLUMN_BIAS : RN_FROM_ZERO,
                     .a = x + i * n_in,
                     .b = w,
                     .bias = b,
                     .c = z + i * n_out,
                     .unsigned_zero = 1};
        sweep_columns(rows, n_out, t);
    }
}

/* dw = xT dz, summed over the rows in order; x (n, n_in), dz (n, n_out). */
static void dense_weight_gradient(size_t n, size_t n_in, size_t n_out,
                                  T *RN_RESTRICT dw, const T *RN_RESTRICT x,
                                  const T *RN_RESTRICT dz) {
    const rn_cut parts = rn_tiles(n_in);
    for (size_t part = 0; part < parts.parts; part++) {
        const size_t k = rn_start(parts, part);
        rn_tile t = {.n_outer = 1,
                     .n_inner = n,
                     .a_row = 1,
                     .a_inner = (ptrdiff_t)n_in,
                     .ldb = n_out,
                     .ldc = n_out,
                     .start = RN_FROM_ZERO,
                     .a = x + k,
                     .b = dz,
                     .c = dw + k * n_out};
        sweep_columns(rn_start(parts, part + 1) - k, n_out, t);
    }
}

/* Copies a[r][0..n) of `rows` rows (stride lda) to panel[k * RN_LANES + r], rest 0. */
static void rows_to_lanes(size_t rows, size_t n, T *RN_RESTRICT panel,
                          const T *RN_RESTRICT a, size_t lda) {
    for (size_t k = 0; k < n; k++) {
        for (size_t r = 0; r < RN_LANES; r++) {
            panel[k * RN_LANES + r] = r < rows ? a[r * lda + k] : 0;
        }
    }
}

/* dx = dz wT, summed over the outputs in order; vectorised over rows. */
static void dense_input_gradient(size_t n, size_t n_in, size_t n_out, T *RN_RESTRICT dx,
                                 const T *RN_RESTRICT dz, const T *RN_RESTRICT w,
                                 T *RN_RESTRICT work) {
    T out[RN_TILE_ROWS * RN_LANES];
    const rn_cut parts = rn_tiles(n_in);
    for (size_t i = 0; i < n; i += RN_LANES) {
        const size_t count = n - i < RN_LANES ? n - i : RN_LANES;
        rows_to_lanes(count, n_out, work, dz + i * n_out, n_out);
        for (size_t part = 0; part < parts.parts; part++) {
            const size_t k = rn_start(parts, part);
            const size_t rows = rn_start(parts, part + 1) - k;
            rn_tile t = {.n_outer = 1,
                         .n_inner = n_out,
                         .a_row = (ptrdiff_t)n_out,
                         .a_inner = 1,
                         .ldb = RN_LANES,
                         .ldc = RN_LANES,
                         .columns = RN_LANES,
                         .start = RN_FROM_ZERO,
                         .a = w + k * n_out,
                         .b = work,
                         .c = out};
            run_tile(rows, 1, &t);
            for (size_t s = 0; s < count; s++) {
                for (size_t r = 0; r < rows; r++) {
                    dx[(i + s) * n_in + k + r] = out[r * RN_LANES + s];
                }
            }
        }
    }
}
