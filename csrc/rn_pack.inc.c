/* Rows of the user's data into panels, and panels back into rows.
 *
 * Any element type and any strides are converted here, a few columns of a few rows at
 * a time, so that the data set is never copied whole.  Panel layout: rn_tile.inc.c.
 */

enum { RN_CHUNK = 64 }; /* columns converted at a time */

/* IEEE half precision to single; exact, subnormals included. */
RN_INLINE float rn_half_to_float(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    float value;
    uint32_t bits;
    if (rest < 0x0400u) {
        value = (float)rest * 0x1p-24f;
    } else {
        bits = rest >= 0x7c00u ? 0x7f800000u | (rest & 0x3ffu) << 13
                               : (rest << 13) + 0x38000000u;
        memcpy(&value, &bits, sizeof value);
    }
    memcpy(&bits, &value, sizeof bits);
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define RN_CONVERT_LOOP(type, expression)                                              \
    for (size_t k = 0; k < n; k++) {                                                   \
        type x;                                                                        \
        memcpy(&x, p + (ptrdiff_t)k * stride, sizeof x);                               \
        out[k] = (T)(expression);                                                      \
    }                                                                                  \
    break;

/* out[k] = (T) element k of a strided row of the given rn_dtype. */
static void convert_row(size_t n, T *RN_RESTRICT out, const char *p, ptrdiff_t stride,
                        int dtype) {
    switch (dtype) {
    case RN_F32: RN_CONVERT_LOOP(float, x)
    case RN_F64: RN_CONVERT_LOOP(double, x)
    case RN_F16: RN_CONVERT_LOOP(uint16_t, rn_half_to_float(x))
    case RN_I8: RN_CONVERT_LOOP(int8_t, x)
    case RN_U8: RN_CONVERT_LOOP(uint8_t, x)
    case RN_I16: RN_CONVERT_LOOP(int16_t, x)
    case RN_U16: RN_CONVERT_LOOP(uint16_t, x)
    case RN_I32: RN_CONVERT_LOOP(int32_t, x)
    case RN_U32: RN_CONVERT_LOOP(uint32_t, x)
    case RN_I64: RN_CONVERT_LOOP(int64_t, x)
    default: RN_CONVERT_LOOP(uint64_t, x)
    }
}
#undef RN_CONVERT_LOOP

/* True if the rows of s are contiguous numbers of type T already. */
RN_INLINE int is_direct(const rn_source *s) {
    return !s->start && s->dtype == (RN_FLOAT ? RN_F32 : RN_F64) &&
           s->col_stride == (ptrdiff_t)sizeof(T);
}

/* to[column * stride] = each entry of a row of CSR; one outside the columns, which
 * another thread has changed since they were checked, is left out. */
static void scatter_row(T *RN_RESTRICT to, size_t stride, const rn_source *s,
                        ptrdiff_t row) {
    const int64_t end = s->start[row + 1];
    T value[RN_CHUNK];
    for (int64_t e = s->start[row], count; e < end; e += count) {
        const int32_t *narrow = (const int32_t *)s->index + e;
        const int64_t *wide = (const int64_t *)s->index + e;
        count = end - e < RN_CHUNK ? end - e : RN_CHUNK;
        convert_row((size_t)count, value, s->data + e * s->col_stride, s->col_stride,
                    s->dtype);
        for (int64_t i = 0; i < count; i++) {
            const size_t column = (size_t)(s->wide_index ? wide[i] : narrow[i]);
            if (column < s->n_cols) to[column * stride] = value[i];
        }
    }
}

/* Lanes that a panel of `count` samples uses: one vector or all of them. */
RN_INLINE size_t panel_columns(size_t count) {
    return count > RN_LANES ? RN_PANEL : RN_LANES;
}

/* panel[k * columns + i] = row (order ? order[i] : first + i) of s, column k, where
 * columns = panel_columns(count); lanes from `count` on are zero. */
static void gather_panel(T *RN_RESTRICT panel, const rn_source *s, size_t count,
                         const int64_t *order, size_t first) {
    static const T zeros[RN_CHUNK] = {0};
    const int direct = is_direct(s);
    const size_t columns = panel_columns(count);
    T buffer[RN_LANES * RN_CHUNK];
    if (s->start) {
        memset(panel, 0, s->n_cols * columns * sizeof(T));
        for (size_t i = 0; i < count; i++) {
            scatter_row(panel + i, columns, s,
                        (ptrdiff_t)(order ? (size_t)order[i] : first + i));
        }
        return;
    }
    for (size_t c0 = 0; c0 < s->n_cols; c0 += RN_CHUNK) {
        const size_t width = s->n_cols - c0 < RN_CHUNK ? s->n_cols - c0 : RN_CHUNK;
        for (size_t lane0 = 0; lane0 < columns; lane0 += RN_LANES) {
            const T *rows[RN_LANES];
            for (size_t i = 0; i < RN_LANES; i++) {
                const size_t lane = lane0 + i;
                rows[i] = zeros;
                if (lane >= count) continue;
                const ptrdiff_t row =
                    order ? (ptrdiff_t)order[lane] : (ptrdiff_t)(first + lane);
                const char *p =
                    s->data + row * s->row_stride + (ptrdiff_t)c0 * s->col_stride;
                if (direct) {
                    rows[i] = (const T *)(const void *)p;
                } else {
                    rows[i] = buffer + i * RN_CHUNK;
                    convert_row(width, buffer + i * RN_CHUNK, p, s->col_stride,
                                s->dtype);
                }
            }
            transpose_rows(width, panel + c0 * columns + lane0, columns, rows);
        }
    }
}

/* rows[i * n_cols + k]: the same rows, left as rows. */
static void gather_rows(T *RN_RESTRICT rows, const rn_source *s, size_t count,
                        const int64_t *order, size_t first) {
    const int direct = is_direct(s);
    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t row = order ? (ptrdiff_t)order[i] : (ptrdiff_t)(first + i);
        const char *p = s->data + row * s->row_stride;
        T *to = rows + i * s->n_cols;
        if (s->start) {
            memset(to, 0, s->n_cols * sizeof(T));
            scatter_row(to, 1, s, row);
        } else if (direct) memcpy(to, p, s->n_cols * sizeof(T));
        else convert_row(s->n_cols, to, p, s->col_stride, s->dtype);
    }
}

/* Units [j0, j1) of one panel into rows of RN_PANEL units, one of them per sample:
 * rows[(j / RN_PANEL) * ld + i * RN_PANEL + j % RN_PANEL].
 * Units past n_units within a vector become zero.  j0 is a multiple of RN_PANEL. */
static void panel_to_unit_rows(T *RN_RESTRICT rows, size_t ld,
                               const T *RN_RESTRICT panel, size_t columns, size_t j0,
                               size_t j1) {
    static const T zeros[RN_LANES] = {0};
    for (size_t j = j0; j < j1; j += RN_LANES) {
        T *to = rows + (j / RN_PANEL) * ld + j % RN_PANEL;
        for (size_t lane0 = 0; lane0 < columns; lane0 += RN_LANES) {
            const T *from[RN_LANES];
            RN_UNROLL
            for (int r = 0; r < RN_LANES; r++) {
                from[r] = j + r < j1 ? panel + (j + r) * columns + lane0 : zeros;
            }
            transpose_square(to + lane0 * RN_PANEL, RN_PANEL, from);
        }
    }
}

/* out[i * n_units + j] = panel element (j, i) for i < count: back to plain rows. */
static void panel_to_rows(T *RN_RESTRICT out, const T *RN_RESTRICT panel,
                          size_t n_units, size_t count) {
    static const T zeros[RN_LANES] = {0};
    const size_t columns = panel_columns(count);
    T block[RN_LANES * RN_LANES];
    for (size_t j = 0; j < n_units; j += RN_LANES) {
        const size_t width = n_units - j < RN_LANES ? n_units - j : RN_LANES;
        for (size_t lane0 = 0; lane0 < count; lane0 += RN_LANES) {
            const size_t rows = count - lane0 < RN_LANES ? count - lane0 : RN_LANES;
            const T *from[RN_LANES];
            RN_UNROLL
            for (size_t r = 0; r < RN_LANES; r++) {
                from[r] = r < width ? panel + (j + r) * columns + lane0 : zeros;
            }
            transpose_square(block, RN_LANES, from);
            for (size_t i = 0; i < rows; i++) {
                memcpy(out + (lane0 + i) * n_units + j, block + i * RN_LANES,
                       width * sizeof(T));
            }
        }
    }
}

/* out[i * n_cols + k] = columns[k][i] for i < n: some rows at a time, whose cache lines
 * are complete before they are left. */
static void columns_to_rows(size_t n, size_t n_cols, T *RN_RESTRICT out,
                            const T *const *columns) {
    for (size_t i = 0; i < n; i += RN_CHUNK) {
        const size_t rows = rn_min(n - i, RN_CHUNK);
        T *to = out + i * n_cols;
        size_t k = 0, at;
        for (; n_cols >= RN_LANES && k < n_cols; k = at + RN_LANES) {
            const T *from[RN_LANES];
            at = rn_min(k, n_cols - RN_LANES); /* some may be done already */
            RN_UNROLL
            for (int r = 0; r < RN_LANES; r++) from[r] = columns[at + r] + i;
            transpose_rows(rows, to + at, n_cols, from);
        }
        for (; k < n_cols; k++) {
            for (size_t r = 0; r < rows; r++) to[r * n_cols + k] = columns[k][i + r];
        }
    }
}

/* True if all n numbers are finite: 0 x is 0, else NaN, and sums of NaN stay NaN. */
static int all_finite(size_t n, const T *x) {
    enum { STEP = 4 * RN_LANES };
    const vec zero = vec_set1(0);
    vec sum[4] = {zero, zero, zero, zero};
    T lane[RN_LANES];
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        RN_UNROLL
        for (int v = 0; v < 4; v++) {
            sum[v] = vec_fma(vec_load(x + i + v * RN_LANES), zero, sum[v]);
        }
    }
    for (; i < n; i += RN_LANES) {
        const vec rest =
            n - i < RN_LANES ? vec_load_first(x + i, n - i) : vec_load(x + i);
        sum[0] = vec_fma(rest, zero, sum[0]);
    }
    vec_store(lane, vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
    int finite = 1;
    for (int k = 0; k < RN_LANES; k++) finite &= lane[k] == 0;
    return finite;
}

/* Whether n numbers of any type are finite as T. */
static int are_finite(size_t n, const char *p, ptrdiff_t stride, int dtype) {
    T buffer[RN_CHUNK];
    int bad = 0;
    for (size_t c = 0; c < n && !bad; c += RN_CHUNK) {
        const size_t width = rn_min(n - c, RN_CHUNK);
        convert_row(width, buffer, p + (ptrdiff_t)c * stride, stride, dtype);
        for (size_t k = 0; k < width; k++) bad |= !(buffer[k] * 0 == 0);
    }
    return !bad;
}

/* The first row with a value that is not finite, or n_rows. */
static size_t find_not_finite(const rn_source *s) {
    const int direct = is_direct(s);
    for (size_t i = 0; i < s->n_rows; i++) {
        const char *row = s->data + (ptrdiff_t)i * s->row_stride;
        size_t n = s->n_cols;
        if (s->start) {
            row += s->start[i] * s->col_stride;
            n = (size_t)(s->start[i + 1] - s->start[i]);
        }
        const int finite = direct ? all_finite(n, (const T *)(const void *)row)
                                  : are_finite(n, row, s->col_stride, s->dtype);
        if (!finite) return i;
    }
    return s->n_rows;
}
