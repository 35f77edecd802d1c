/* Sparse rows through the first layer, entry by entry.
 *
 * A row's sums begin with the bias, and each of its entries adds its row of W, in the
 * order of the columns; the vectors are units.  The dense layer adds the same terms in
 * the same order, and zeros times finite weights between them, which change nothing but
 * the sign of a zero, and that one is positive in the end (rn_tile.unsigned_zero).
 */

enum { RN_SUMMED_VECTORS = 8 }; /* of units side by side, which hide the latency */

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
    vec acc[RN_SUMMED_VECTORS];
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
    for (size_t j = 0; j < units; j += RN_SUMMED_VECTORS * RN_LANES) {
        const size_t width = rn_min(units - j, RN_SUMMED_VECTORS * RN_LANES);
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
