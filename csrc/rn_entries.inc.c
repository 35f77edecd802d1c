/* Sparse rows through the first layer, entry by entry.
 *
 * A row's sums begin with the bias, and each of its entries adds its row of W, in the
 * order of the columns; the vectors are units.  The dense layer adds the same terms in
 * the same order, and zeros times finite weights between them, which change nothing but
 * the sign of a zero, and that one is positive in the end (rn_tile.unsigned_zero).
 */

/* The rows of one block: row i has the entries start[i] to start[i + 1] - 1, as T, and
 * their columns.  And the same by columns: the c-th of those that have any is
 * column[c], with the rows row[e] and values x[e] for e from first[c] to first[c + 1] -
 * 1, rising; c is place[column[c]], elsewhere place (n_in) is -1. */
typedef struct {
    int64_t *start;
    T *value, *x;
    int32_t *index, *row, *column, *place, *spot; /* spot[e]: place of index[e] */
    int64_t *first;
    size_t n_columns;
} rn_sparse_block;

/* Some entries of one row, as T, and their columns. */
typedef struct {
    size_t count;
    const T *value;
    const int32_t *column;
} rn_entries;

/* `count` entries of s from e on; one outside the columns, which another thread has
 * changed since they were checked, becomes a zero in column 0. */
static void read_entries(size_t count, T *RN_RESTRICT value,
                         int32_t *RN_RESTRICT column, const rn_source *s, int64_t e) {
    convert_row(count, value, s->data + e * s->col_stride, s->col_stride, s->dtype);
    for (size_t i = 0; i < count; i++) {
        const int64_t k = s->wide_index ? ((const int64_t *)s->index)[e + (int64_t)i]
                                        : ((const int32_t *)s->index)[e + (int64_t)i];
        const int inside = (uint64_t)k < s->n_cols;
        column[i] = inside ? (int32_t)k : 0;
        value[i] = inside ? value[i] : (T)0;
    }
}

/* z += the entries times their rows of w (n_cols, n_out), for `vectors` vectors of
 * units, of which the last one has `tail` if it is `masked`. */
RN_INLINE void add_rows(const int vectors, const int masked, size_t tail, T *z,
                        const rn_entries *entries, const T *w, size_t n_out) {
    const int last = vectors - 1, whole = masked ? last : vectors;
    vec acc[RN_ROW_VECTORS];
    RN_UNROLL
    for (int v = 0; v < whole; v++) acc[v] = vec_load(z + v * RN_LANES);
    if (masked) acc[last] = vec_load_first(z + last * RN_LANES, tail);
    for (size_t e = 0; e < entries->count; e++) {
        const vec x = vec_set1(entries->value[e]);
        const T *row = w + (size_t)entries->column[e] * n_out;
        RN_UNROLL
        for (int v = 0; v < whole; v++) {
            acc[v] = vec_fma(x, vec_load(row + v * RN_LANES), acc[v]);
        }
        if (!masked) continue;
        acc[last] = vec_fma(x, vec_load_first(row + last * RN_LANES, tail), acc[last]);
    }
    RN_UNROLL
    for (int v = 0; v < whole; v++) vec_store(z + v * RN_LANES, acc[v]);
    if (masked) vec_store_first(z + last * RN_LANES, acc[last], tail);
}

#define RN_ADD_ROWS(vectors, masked)                                                   \
    case vectors: add_rows(vectors, masked, tail, z, entries, w, n_out); break;
#define RN_ADD_ALL(m)                                                                  \
    RN_ADD_ROWS(1, m)                                                                  \
    RN_ADD_ROWS(2, m)                                                                  \
    RN_ADD_ROWS(3, m)                                                                  \
    RN_ADD_ROWS(4, m)                                                                  \
    RN_ADD_ROWS(5, m) RN_ADD_ROWS(6, m) RN_ADD_ROWS(7, m) RN_ADD_ROWS(8, m)

RN_APART void add_whole_rows(size_t vectors, size_t tail, T *z,
                             const rn_entries *entries, const T *w, size_t n_out) {
    switch (vectors) { RN_ADD_ALL(0) }
}

RN_APART void add_masked_rows(size_t vectors, size_t tail, T *z,
                              const rn_entries *entries, const T *w, size_t n_out) {
    switch (vectors) { RN_ADD_ALL(1) }
}

/* z (units) += the entries times their rows of w, whose stride is n_out. */
static void add_entries(size_t units, T *z, const rn_entries *entries, const T *w,
                        size_t n_out) {
    for (size_t j = 0; j < units; j += RN_ROW) {
        const size_t width = rn_min(units - j, RN_ROW);
        const size_t vectors = rn_count(width, RN_LANES);
        const size_t tail = width - (vectors - 1) * RN_LANES;
        if (tail == RN_LANES) {
            add_whole_rows(vectors, tail, z + j, entries, w + j, n_out);
        } else {
            add_masked_rows(vectors, tail, z + j, entries, w + j, n_out);
        }
    }
}

/* z += a row of s times w, without its -0; whether the row is finite. */
static int add_source_row(size_t units, T *z, const rn_source *s, size_t row,
                          const T *w, size_t n_out) {
    T value[RN_CHUNK];
    int32_t column[RN_CHUNK];
    rn_entries entries = {.value = value, .column = column};
    int finite = 1;
    for (int64_t e = s->start[row], end = s->start[row + 1]; e < end; e += RN_CHUNK) {
        entries.count = rn_min((size_t)(end - e), RN_CHUNK);
        read_entries(entries.count, value, column, s, e);
        finite &= all_finite(entries.count, value);
        add_entries(units, z, &entries, w, n_out);
    }
    for (size_t j = 0; j < units; j++) z[j] += (T)0;
    return finite;
}

/* z (n, n_out) = x w + b for rows first to first + n - 1 of x, or z += x w if the layer
 * adds; whether the rows are finite. */
static int entries_forward(size_t n, const rn_layer *layer, T *z, const rn_source *x,
                           size_t first) {
    const size_t n_out = layer->n_out;
    int finite = 1;
    for (size_t i = 0; i < n; i++, z += n_out) {
        if (layer->bias.w) memcpy(z, layer->bias.w, n_out * sizeof(T));
        else if (!layer->adds) memset(z, 0, n_out * sizeof(T));
        finite &= add_source_row(n_out, z, x, first + i, layer->weight.w, n_out);
    }
    return finite;
}

/* z (n_out) = x w + b for a single row x: only its numbers other than zero read W. */
static void row_forward(const rn_layer *layer, T *z, const T *x) {
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    T value[RN_CHUNK];
    int32_t column[RN_CHUNK];
    rn_entries entries = {.value = value, .column = column};
    if (layer->bias.w) memcpy(z, layer->bias.w, n_out * sizeof(T));
    else memset(z, 0, n_out * sizeof(T));
    for (size_t k = 0; k < n_in; k += RN_CHUNK) {
        const size_t n = rn_min(n_in - k, RN_CHUNK);
        entries.count = 0;
        for (size_t i = 0; i < n; i++) {
            value[entries.count] = x[k + i];
            column[entries.count] = (int32_t)i;
            entries.count += x[k + i] != 0;
        }
        const T *w = (const T *)layer->weight.w + k * n_out;
        add_entries(n_out, z, &entries, w, n_out);
    }
    for (size_t j = 0; j < n_out; j++) z[j] += (T)0;
}

/* Sorts the entries of `count` rows by columns. */
static void sort_columns(rn_sparse_block *b, size_t count) {
    const int64_t n = b->start[count];
    size_t columns = 0;
    for (int64_t e = 0; e < n; e++) {
        const int32_t k = b->index[e];
        if (b->place[k] < 0) {
            b->place[k] = (int32_t)columns;
            b->column[columns] = k;
            b->first[columns++] = 0;
        }
        b->spot[e] = b->place[k];
        b->first[b->place[k]]++;
    }
    b->n_columns = columns;
    int64_t end = 0;
    for (size_t c = 0; c < columns; c++) end = b->first[c] += end;
    b->first[columns] = end;
    for (size_t i = count; i-- > 0;) {
        for (int64_t e = b->start[i]; e < b->start[i + 1]; e++) {
            const int64_t to = --b->first[b->spot[e]];
            b->row[to] = (int32_t)i;
            b->x[to] = b->value[e];
        }
    }
}

/* Before the next block: no column has entries. */
static void forget_columns(rn_sparse_block *b) {
    for (size_t c = 0; c < b->n_columns; c++) b->place[b->column[c]] = -1;
    b->n_columns = 0;
}

/* g += the sum over a column's entries of value times row of dz, in the order of the
 * rows; dz as rn_descent.unit_rows, for `vectors` vectors of units, and g in whole
 * vectors. */
RN_INLINE void sum_column(const int vectors, T *g, size_t count, const T *value,
                          const int32_t *row, const T *dz, size_t ld_units) {
    vec acc[RN_ROW_VECTORS];
    RN_UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = vec_load(g + v * RN_LANES);
    for (size_t e = 0; e < count; e++) {
        const vec x = vec_set1(value[e]);
        const T *from = dz + (size_t)row[e] * RN_PANEL;
        RN_UNROLL
        for (int v = 0; v < vectors; v++) {
            acc[v] = vec_fma(x, vec_load(from + tile_vector(v, ld_units)), acc[v]);
        }
    }
    RN_UNROLL
    for (int v = 0; v < vectors; v++) vec_store(g + v * RN_LANES, acc[v]);
}

#define RN_SUM_COLUMN(vectors)                                                         \
    case vectors: sum_column(vectors, g, count, value, row, dz, ld_units); break;
RN_APART void sum_column_of(size_t vectors, T *g, size_t count, const T *value,
                            const int32_t *row, const T *dz, size_t ld_units) {
    switch (vectors) {
        RN_SUM_COLUMN(1)
        RN_SUM_COLUMN(2)
        RN_SUM_COLUMN(3)
        RN_SUM_COLUMN(4)
        RN_SUM_COLUMN(5)
        RN_SUM_COLUMN(6)
        RN_SUM_COLUMN(7)
        RN_SUM_COLUMN(8)
    }
}

/* The gradient of `width` weights, at most RN_ROW, of the c-th column's row of W,
 * from unit j on, is added to g, which has whole vectors. */
static void column_gradient(const rn_sparse_block *b, size_t c, size_t j, size_t width,
                            T *g, const T *dz, size_t ld_units) {
    const int64_t first = b->first[c];
    sum_column_of(rn_count(width, RN_LANES), g, (size_t)(b->first[c + 1] - first),
                  b->x + first, b->row + first, dz + j / RN_PANEL * ld_units, ld_units);
}

/* g (n_out) += the gradient of W's row of the c-th column. */
static void add_column_gradient(const rn_sparse_block *b, size_t c, size_t n_out, T *g,
                                const T *dz, size_t ld_units) {
    for (size_t j = 0; j < n_out; j += RN_ROW) {
        const size_t width = rn_min(n_out - j, RN_ROW);
        T part[RN_ROW] = {0};
        memcpy(part, g + j, width * sizeof(T));
        column_gradient(b, c, j, width, part, dz, ld_units);
        memcpy(g + j, part, width * sizeof(T));
    }
}
