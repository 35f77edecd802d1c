/* Dense products on plain row-major arrays, for users' own calls and for a few rows at
 * a time.
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

/* The part of a long batch that ends here. */
enum { RN_NO_PART, RN_FIRST_PART, RN_NEXT_PART, RN_LAST_PART };

/* Adds g, the sum of the part of a long batch that ends here, to the batch's sum, and
 * its rounding error to rest; after the last part g is the batch's gradient.
 * Elements [at, at + n). */
static void end_part(int part, const rn_param *p, size_t at, size_t n) {
    T *g = (T *)p->g + at, *sum = (T *)p->sum + at, *rest = (T *)p->rest + at;
    if (part == RN_NO_PART) return;
    if (part == RN_FIRST_PART) {
        memcpy(sum, g, n * sizeof(T));
        memset(rest, 0, n * sizeof(T));
        return;
    }
    for (size_t i = 0; i < n; i++) { /* the exact error of a sum (Knuth) */
        const T a = sum[i], b = g[i], s = a + b, t = s - a;
        rest[i] += (a - (s - t)) + (b - t);
        sum[i] = s;
    }
    for (size_t i = 0; part == RN_LAST_PART && i < n; i++) g[i] = sum[i] + rest[i];
}

/* Units [j, j + width) of a tile's rows of dw, over more than RN_LONG_BATCH rows;
 * width at most RN_PANEL. */
static void long_weight_gradient(size_t n, size_t rows, size_t width, T *dw, rn_tile t,
                                 size_t n_in, size_t n_out) {
    T g[RN_TILE_ROWS * RN_PANEL], sum[RN_TILE_ROWS * RN_PANEL];
    T rest[RN_TILE_ROWS * RN_PANEL];
    const rn_param arrays = {.g = g, .sum = sum, .rest = rest};
    const T *x = t.a, *dz = t.b;
    t.c = g;
    t.ldc = width;
    for (size_t i = 0; i < n; i += t.n_inner) {
        t.n_inner = rn_min(n - i, RN_SUM_ROWS);
        t.a = x + i * n_in;
        t.b = dz + i * n_out;
        const int part = i + t.n_inner == n ? RN_LAST_PART
                         : i                ? RN_NEXT_PART
                                            : RN_FIRST_PART;
        sweep_columns(rows, width, t);
        end_part(part, &arrays, 0, rows * width);
    }
    for (size_t r = 0; r < rows; r++) {
        memcpy(dw + r * n_out, g + r * width, width * sizeof(T));
    }
}

/* dw = xT dz, summed over the rows in order (see RN_LONG_BATCH); x (n, n_in), dz (n,
 * n_out). */
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
        const size_t rows = rn_start(parts, part + 1) - k;
        if (n <= RN_LONG_BATCH) {
            sweep_columns(rows, n_out, t);
            continue;
        }
        for (size_t j = 0; j < n_out; j += RN_PANEL) {
            t.b = dz + j;
            long_weight_gradient(n, rows, rn_min(n_out - j, RN_PANEL),
                                 dw + k * n_out + j, t, n_in, n_out);
        }
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
