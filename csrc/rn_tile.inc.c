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
#undef RN_PANEL
#define RN_PANEL RN_PANEL_OF(RN_LANES)
#define RN_PAIR (2 * RN_PANEL)

#ifndef RN_DENSE_COMMON
#define RN_DENSE_COMMON
enum { RN_FROM_ZERO, RN_FROM_ROW_BIAS, RN_FROM_COLUMN_BIAS, RN_FROM_C };
#endif

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
} RN_FN(rn_tile);

/* Where row r of the result is. */
RN_INLINE T *RN_FN(tile_row)(const int rows, const int summed, const RN_FN(rn_tile) * t,
                             int r) {
    return summed && r == rows - 1 ? t->sum : t->c + (size_t)r * t->ldc;
}

/* Columns of a tile of so many rows, of those that are left. */
RN_INLINE size_t RN_FN(tile_columns)(size_t rows, size_t left) {
    return rn_is_low(rows) && left >= RN_PAIR ? RN_PAIR : rn_min(left, RN_PANEL);
}

/* Where vector v of a row is; next: b_next or c_next. */
RN_INLINE size_t RN_FN(tile_vector)(int v, size_t next) {
    return (size_t)(v / RN_TILE_VECTORS) * next +
           (size_t)(v % RN_TILE_VECTORS) * RN_LANES;
}

#define RN_EACH(r, v)                                                                  \
    RN_UNROLL                                                                          \
    for (int r = 0; r < rows; r++) RN_UNROLL                                           \
    for (int v = 0; v < vectors; v++)

/* The accumulators' first values. */
RN_INLINE void RN_FN(start_tile)(const int rows, const int vectors, const int summed,
                                 VEC acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS],
                                 const RN_FN(rn_tile) * t, size_t tail) {
    if (t->start == RN_FROM_ZERO) {
        RN_EACH(r, v) acc[r][v] = V(set1)(0);
    } else if (t->start == RN_FROM_ROW_BIAS) {
        RN_EACH(r, v) acc[r][v] = V(set1)(t->bias[r]);
    } else {
        RN_EACH(r, v) {
            const T *from =
                t->start == RN_FROM_C ? RN_FN(tile_row)(rows, summed, t, r) : t->bias;
            const T *p = from + RN_FN(tile_vector)(v, t->c_next);
            acc[r][v] = v == vectors - 1 && tail < RN_LANES ? V(load_first)(p, tail)
                                                            : V(load)(p);
        }
    }
}

/* What is done to the sums before they are stored. */
RN_INLINE void RN_FN(finish_tile)(const int rows, const int vectors,
                                  VEC acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS],
                                  const RN_FN(rn_tile) * t) {
    if (t->unsigned_zero) {
        RN_EACH(r, v) acc[r][v] = V(add)(acc[r][v], V(set1)(0));
    }
    if (t->relu) {
        RN_EACH(r, v) acc[r][v] = V(relu)(acc[r][v]);
    }
    if (t->slope) {
        RN_EACH(r, v) {
            const size_t at = (size_t)r * t->ldc + RN_FN(tile_vector)(v, t->c_next);
            acc[r][v] = V(mul)(acc[r][v], V(load)(t->slope + at));
        }
    }
    if (t->gate) {
        const VEC scale = V(set1)(t->gate_scale);
        RN_EACH(r, v) {
            const size_t at = (size_t)r * t->ldc + RN_FN(tile_vector)(v, t->c_next);
            acc[r][v] = V(gate)(V(load)(t->gate + at), V(mul)(acc[r][v], scale));
        }
    }
}

RN_INLINE void RN_FN(tile)(const int rows, const int vectors, const int masked,
                           const int summed, const RN_FN(rn_tile) * t) {
    VEC acc[RN_TILE_ROWS][2 * RN_TILE_VECTORS];
    const size_t tail = t->columns - (size_t)(vectors - 1) * RN_LANES;
    const T *a = t->a, *b = t->b;
    RN_FN(start_tile)(rows, vectors, summed, acc, t, tail);
    for (size_t outer = 0; outer < t->n_outer; outer++) {
        const T *ak = a;
        for (size_t k = 0; k < t->n_inner; k++) {
            VEC bv[2 * RN_TILE_VECTORS];
            RN_UNROLL
            for (int v = 0; v < vectors; v++) {
                bv[v] = masked ? V(load_first)(b, tail)
                               : V(load)(b + RN_FN(tile_vector)(v, t->b_next));
                if (rn_is_low((size_t)rows)) RN_KEEP(bv[v]);
            }
            RN_UNROLL
            for (int r = 0; r < rows - summed; r++) {
                const VEC ar = V(set1)(ak[r * t->a_row]);
                RN_UNROLL
                for (int v = 0; v < vectors; v++) {
                    acc[r][v] = V(fma)(ar, bv[v], acc[r][v]);
                }
            }
            RN_UNROLL
            for (int v = 0; summed && v < vectors; v++) {
                acc[rows - 1][v] = V(add)(acc[rows - 1][v], bv[v]);
            }
            ak += t->a_inner;
            b += t->ldb;
        }
        a += t->a_outer;
    }
    RN_FN(finish_tile)(rows, vectors, acc, t);
    RN_EACH(r, v) {
        T *c = RN_FN(tile_row)(rows, summed, t, r) + RN_FN(tile_vector)(v, t->c_next);
        if (v == vectors - 1 && tail < RN_LANES) V(store_first)(c, acc[r][v], tail);
        else V(store)(c, acc[r][v]);
    }
}
#undef RN_EACH

/* One function per tile height, so that the accumulators stay in registers. */
#define RN_TILE_FUNCTION(r, name, vectors, masked, summed)                             \
    static void RN_FN(tile_##r##_##name)(const RN_FN(rn_tile) * t) {                   \
        RN_FN(tile)(r, vectors, masked, summed, t);                                    \
    }
#define RN_TILE_FUNCTIONS(r)                                                           \
    RN_TILE_FUNCTION(r, wide, RN_TILE_VECTORS, 0, 0)                                   \
    RN_TILE_FUNCTION(r, narrow, 1, 0, 0)                                               \
    RN_TILE_FUNCTION(r, masked, 1, 1, 0)                                               \
    RN_TILE_FUNCTION(r, wide_sum, RN_TILE_VECTORS, 0, 1)                               \
    RN_TILE_FUNCTION(r, narrow_sum, 1, 0, 1)
#define RN_TILE_ENTRIES(r)                                                             \
    {RN_FN(tile_##r##_wide), RN_FN(tile_##r##_narrow), RN_FN(tile_##r##_masked),       \
     RN_FN(tile_##r##_wide_sum), RN_FN(tile_##r##_narrow_sum)},
#define RN_PAIR_FUNCTIONS(r)                                                           \
    RN_TILE_FUNCTION(r, pair, 2 * RN_TILE_VECTORS, 0, 0)                               \
    RN_TILE_FUNCTION(r, pair_sum, 2 * RN_TILE_VECTORS, 0, 1)
#define RN_PAIR_ENTRIES(r) {RN_FN(tile_##r##_pair), RN_FN(tile_##r##_pair_sum)},

#ifndef RN_TILE_HEIGHTS
#if RN_TILE_ROWS == 14
#define RN_TILE_HEIGHTS(X)                                                             \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif RN_TILE_ROWS == 12
#define RN_TILE_HEIGHTS(X)                                                             \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif RN_TILE_ROWS == 6
#define RN_TILE_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define RN_TILE_HEIGHTS(X) X(1) X(2) X(3) X(4)
#endif
#if RN_LOW_ROWS == 3
#define RN_LOW_HEIGHTS(X) X(1) X(2) X(3)
#else
#define RN_LOW_HEIGHTS(X) X(1) X(2)
#endif
#endif

RN_TILE_HEIGHTS(RN_TILE_FUNCTIONS)
static void (*const RN_FN(tiles)[RN_TILE_ROWS][5])(const RN_FN(rn_tile) *) = {
    RN_TILE_HEIGHTS(RN_TILE_ENTRIES)};
RN_LOW_HEIGHTS(RN_PAIR_FUNCTIONS)
static void (*const RN_FN(pair_tiles)[RN_LOW_ROWS][2])(const RN_FN(rn_tile) *) = {
    RN_LOW_HEIGHTS(RN_PAIR_ENTRIES)};
#undef RN_PAIR_FUNCTIONS
#undef RN_PAIR_ENTRIES
#undef RN_TILE_FUNCTION
#undef RN_TILE_FUNCTIONS
#undef RN_TILE_ENTRIES

/* Runs the tile of the right height and width; padded: b and c have whole vectors. */
RN_INLINE void RN_FN(run_tile)(size_t rows, int padded, RN_FN(rn_tile) * t) {
    if (t->columns > RN_PANEL) {
        RN_FN(pair_tiles)[rows - 1][t->sum != NULL](t);
        return;
    }
    const int wide = t->columns > RN_LANES;
    const int form = wide ? 0 : (padded || t->columns == RN_LANES) ? 1 : 2;
    RN_FN(tiles)[rows - 1][t->sum ? 3 + form : form](t);
}

/* All columns [0, n) of one tile row of plain row-major b (k, n) and c (rows, n). */
static void RN_FN(sweep_columns)(size_t rows, size_t n, RN_FN(rn_tile) t) {
    const T *b = t.b, *bias = t.bias;
    T *c = t.c;
    t.b_next = t.c_next = RN_PANEL;
    for (size_t j = 0; j < n;) {
        size_t width = RN_FN(tile_columns)(rows, n - j);
        if (width < RN_PANEL && width > RN_LANES) width = RN_LANES;
        t.b = b + j;
        t.c = c + j;
        if (t.start == RN_FROM_COLUMN_BIAS) t.bias = bias + j;
        t.columns = width;
        RN_FN(run_tile)(rows, 0, &t);
        j += width;
    }
}
