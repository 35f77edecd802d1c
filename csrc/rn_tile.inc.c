/* Dense products: one register tile, one order of accumulation, four uses.
 *
 * Every output element is a chain of fused multiply-adds over the summed index, in
 * index order, starting from the bias (or zero).  Nothing here depends on the vector
 * width, on the number of rows in a batch or on how the work was cut, so neither do
 * the bits of the result.
 *
 * A tile computes c[r][lane] += a(r, k) * b[k][lane]: `a` is broadcast element by
 * element with free strides, `b` is read by whole vectors.  The summed index has two
 * levels (outer, inner) because a batch is stored in panels.
 *
 * Panel layout: a batch of rows is cut into panels of RN_PANEL samples, the last of
 * which may be one vector wide; a panel holds unit j of sample i at [j * columns + i].
 * Training keeps all activations this way, so that a layer of any width fills the
 * vectors and reads contiguous memory.
 *
 * A tile of few rows has too few chains to hide the latency of an addition: it takes
 * two panels at a time.
 */

#define RN_PANEL_OF(lanes) ((size_t)(lanes) * RN_TILE_VECTORS)
#define RN_PANEL RN_PANEL_OF(RN_LANES)
#define RN_PAIR (2 * RN_PANEL)

enum { RN_FROM_ZERO, RN_FROM_ROW_BIAS, RN_FROM_COLUMN_BIAS, RN_FROM_C };

typedef struct {
    size_t n_outer, n_inner;           /* the summed index */
    ptrdiff_t a_row, a_inner, a_outer; /* strides of a, in elements */
    size_t ldb, ldc, columns;          /* columns of c that exist */
    size_t b_next, c_next;             /* from a panel to the next one, for a pair */
    int start;                         /* where the accumulators start */
    const T *a, *b, *bias;
    T *c;
    int unsigned_zero;     /* what happens to c at the end: -0 becomes +0, */
    int relu;              /* clipped, */
    const T *slope, *gate; /* times slope; or zero where gate <= 0 and */
    T gate_scale;          /* times this (both laid out like c) */
    T *sum;                /* of the columns of b; unless NULL it is the last row */
} rn_tile;

/* Where row r of the result is. */
RN_INLINE T *tile_row(const int rows, const int summed, const rn_tile *t, int r) {
    return summed && r == rows - 1 ? t->sum : t->c + (size_t)r * t->ldc;
}

/* Columns of a tile of this many rows, of those that are left. */
RN_INLINE size_t tile_columns(size_t rows, size_t left) {
    return rn_is_low(rows) && left >= RN_PAIR ? RN_PAIR : rn_min(left, RN_PANEL);
}

/* Where vector v of a row is; next: b_next or c_next. */
RN_INLINE size_t tile_vector(int v, size_t next) {
    return (size_t)(v / RN_TILE_VECTORS) * next +
           (size_t)(v % RN_TILE_VECTORS) * RN_LANES;
}

#define RN_EACH(r, v)                                                                  \
    RN_UNROLL                                                                          \
    for (int r = 0; r < rows; r++) RN_UNROLL                                           \
    for (int v = 0; v < vectors; v++)

/* The accumulators' first values. */
RN_INLINE void start_tile(const int rows, const int vectors, const int summed,
                          vec acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS], const rn_tile *t,
                          size_t tail) {
    if (t->start == RN_FROM_ZERO) {
        RN_EACH(r, v) acc[r][v] = vec_set1(0);
    } else if (t->start == RN_FROM_ROW_BIAS) {
        RN_EACH(r, v) acc[r][v] = vec_set1(t->bias[r]);
    } else {
        RN_EACH(r, v) {
            const T *from =
                t->start == RN_FROM_C ? tile_row(rows, summed, t, r) : t->bias;
            const T *p = from + tile_vector(v, t->c_next);
            acc[r][v] = v == vectors - 1 && tail < RN_LANES ? vec_load_first(p, tail)
                                                            : vec_load(p);
        }
    }
}

/* What is done to the sums before they are stored. */
RN_INLINE void finish_tile(const int rows, const int vectors,
                           vec acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS],
                           const rn_tile *t) {
    if (t->unsigned_zero) {
        RN_EACH(r, v) acc[r][v] = vec_add(acc[r][v], vec_set1(0));
    }
    if (t->relu) {
        RN_EACH(r, v) acc[r][v] = vec_relu(acc[r][v]);
    }
    if (t->slope) {
        RN_EACH(r, v) {
            const size_t at = (size_t)r * t->ldc + tile_vector(v, t->c_next);
            acc[r][v] = vec_mul(acc[r][v], vec_load(t->slope + at));
        }
    }
    if (t->gate) {
        const vec scale = vec_set1(t->gate_scale);
        RN_EACH(r, v) {
            const size_t at = (size_t)r * t->ldc + tile_vector(v, t->c_next);
            acc[r][v] = vec_gate(vec_load(t->gate + at), vec_mul(acc[r][v], scale));
        }
    }
}

RN_INLINE void tile(const int rows, const int vectors, const int masked,
                    const int summed, const rn_tile *t) {
    vec acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS];
    const size_t tail = t->columns - (size_t)(vectors - 1) * RN_LANES;
    const T *a = t->a, *b = t->b;
    start_tile(rows, vectors, summed, acc, t, tail);
    for (size_t outer = 0; outer < t->n_outer; outer++) {
        const T *ak = a;
        for (size_t k = 0; k < t->n_inner; k++) {
            vec bv[2 * RN_TILE_VECTORS];
            RN_UNROLL
            for (int v = 0; v < vectors; v++) {
                bv[v] = masked ? vec_load_first(b, tail)
                               : vec_load(b + tile_vector(v, t->b_next));
                if (rn_is_low((size_t)rows)) RN_KEEP(bv[v]);
            }
            RN_UNROLL
            for (int r = 0; r < rows - summed; r++) {
                const vec ar = vec_set1(ak[r * t->a_row]);
                RN_UNROLL
                for (int v = 0; v < vectors; v++) {
                    acc[r][v] = vec_fma(ar, bv[v], acc[r][v]);
                }
            }
            RN_UNROLL
            for (int v = 0; summed && v < vectors; v++) {
                acc[rows - 1][v] = vec_add(acc[rows - 1][v], bv[v]);
            }
            ak += t->a_inner;
            b += t->ldb;
        }
        a += t->a_outer;
    }
    finish_tile(rows, vectors, acc, t);
    RN_EACH(r, v) {
        T *c = tile_row(rows, summed, t, r) + tile_vector(v, t->c_next);
        if (v == vectors - 1 && tail < RN_LANES) vec_store_first(c, acc[r][v], tail);
        else vec_store(c, acc[r][v]);
    }
}

/* The tile of each height: apart, so that the accumulators have all registers. */
#define RN_HEIGHT(r, v, m, s)                                                          \
    case r: tile(r, v, m, s, t); break;
#define RN_HEIGHTS_TO_2(v, m, s) RN_HEIGHT(1, v, m, s) RN_HEIGHT(2, v, m, s)
#define RN_HEIGHTS_TO_3(v, m, s) RN_HEIGHTS_TO_2(v, m, s) RN_HEIGHT(3, v, m, s)
#define RN_HEIGHTS_TO_4(v, m, s) RN_HEIGHTS_TO_3(v, m, s) RN_HEIGHT(4, v, m, s)
#define RN_HEIGHTS_TO_6(v, m, s)                                                       \
    RN_HEIGHTS_TO_4(v, m, s) RN_HEIGHT(5, v, m, s) RN_HEIGHT(6, v, m, s)
#define RN_HEIGHTS_TO_9(v, m, s)                                                       \
    RN_HEIGHTS_TO_6(v, m, s)                                                           \
    RN_HEIGHT(7, v, m, s) RN_HEIGHT(8, v, m, s) RN_HEIGHT(9, v, m, s)
#define RN_HEIGHTS_TO_12(v, m, s)                                                      \
    RN_HEIGHTS_TO_9(v, m, s)                                                           \
    RN_HEIGHT(10, v, m, s) RN_HEIGHT(11, v, m, s) RN_HEIGHT(12, v, m, s)
#define RN_HEIGHTS_TO_14(v, m, s)                                                      \
    RN_HEIGHTS_TO_12(v, m, s) RN_HEIGHT(13, v, m, s) RN_HEIGHT(14, v, m, s)
#if RN_TILE_ROWS == 14
#define RN_HEIGHTS RN_HEIGHTS_TO_14
#elif RN_TILE_ROWS == 12
#define RN_HEIGHTS RN_HEIGHTS_TO_12
#elif RN_TILE_ROWS == 6
#define RN_HEIGHTS RN_HEIGHTS_TO_6
#else
#define RN_HEIGHTS RN_HEIGHTS_TO_4
#endif
#if RN_LOW_ROWS == 3
#define RN_LOW_HEIGHTS RN_HEIGHTS_TO_3
#else
#define RN_LOW_HEIGHTS RN_HEIGHTS_TO_2
#endif

RN_APART void tile_wide(size_t rows, const rn_tile *t) {
    switch (rows) { RN_HEIGHTS(RN_TILE_VECTORS, 0, 0) }
}
RN_APART void tile_one_vector(size_t rows, const rn_tile *t) {
    switch (rows) { RN_HEIGHTS(1, 0, 0) }
}
RN_APART void tile_masked(size_t rows, const rn_tile *t) {
    switch (rows) { RN_HEIGHTS(1, 1, 0) }
}
RN_APART void tile_wide_summed(size_t rows, const rn_tile *t) {
    switch (rows) { RN_HEIGHTS(RN_TILE_VECTORS, 0, 1) }
}
RN_APART void tile_one_vector_summed(size_t rows, const rn_tile *t) {
    switch (rows) { RN_HEIGHTS(1, 0, 1) }
}
RN_APART void tile_pair(size_t rows, const rn_tile *t) {
    switch (rows) { RN_LOW_HEIGHTS(2 * RN_TILE_VECTORS, 0, 0) }
}
RN_APART void tile_pair_summed(size_t rows, const rn_tile *t) {
    switch (rows) { RN_LOW_HEIGHTS(2 * RN_TILE_VECTORS, 0, 1) }
}

/* Runs the tile of the right height and width; padded: b and c have whole vectors. */
RN_INLINE void run_tile(size_t rows, int padded, const rn_tile *t) {
    const int summed = t->sum != NULL;
    if (t->columns > RN_PANEL) {
        if (summed) tile_pair_summed(rows, t);
        else tile_pair(rows, t);
    } else if (t->columns > RN_LANES) {
        if (summed) tile_wide_summed(rows, t);
        else tile_wide(rows, t);
    } else if (summed) {
        tile_one_vector_summed(rows, t);
    } else if (padded || t->columns == RN_LANES) {
        tile_one_vector(rows, t);
    } else {
        tile_masked(rows, t);
    }
}

/* All columns [0, n) of one tile row of plain row-major b (k, n) and c (rows, n). */
static void sweep_columns(size_t rows, size_t n, rn_tile t) {
    const T *b = t.b, *bias = t.bias;
    T *c = t.c;
    t.b_next = t.c_next = RN_PANEL;
    for (size_t j = 0; j < n;) {
        size_t width = tile_columns(rows, n - j);
        if (width < RN_PANEL && width > RN_LANES) width = RN_LANES;
        t.b = b + j;
        t.c = c + j;
        if (t.start == RN_FROM_COLUMN_BIAS) t.bias = bias + j;
        t.columns = width;
        run_tile(rows, 0, &t);
        j += width;
    }
}
