/* One dense layer over panels: forward and input gradient.
 *
 * Each function works on a range of units and panels, so that a team of threads can
 * share a layer either way.
 */

/* What is packed of W at a time: it stays in the second-level cache while all panels
 * pass, and their part that meets it, in turn, in the first. */
enum { RN_PACKED_TILES = 64 / sizeof(T), RN_PACKED_INPUTS = 384 };

/* What is done to a layer's sums: nothing, relu in the tile, or the activation later.
 */
enum { RN_LEAVE, RN_CLIP, RN_ACTIVATE };

/* How a gradient enters a layer.  ReLU needs no stored slope: its own output shows
 * where the gradient passes, dropped units included. */
enum { RN_PLAIN, RN_SLOPE, RN_GATE };

/* How a layer is computed. It is decided once: for training when the work memory is
 * laid out (rn_work.inc.c), for prediction at the call. */
typedef struct {
    const rn_layer *layer;
    int start;       /* of the sums: RN_FROM_ZERO, RN_FROM_ROW_BIAS or RN_FROM_C */
    int finish;      /* RN_LEAVE, RN_CLIP or RN_ACTIVATE */
    int packs;       /* its weights are copied tile by tile before they are used */
    int keeps_slope; /* where dz will be */
    int backward;    /* RN_PLAIN, RN_SLOPE or RN_GATE */
    int drops;       /* units, or takes a mask */
    int few_units;   /* the weight gradient reads its inputs as rows, not its dz */
    int dz_as_rows;  /* dz is computed as rows: the panels are not read */
} rn_layer_plan;

/* What one thread computes of a layer: units (or inputs) [from, to) of panels [p0, p1).
 */
typedef struct {
    size_t p0, p1, from, to;
} rn_share;

RN_INLINE int backward_of(const rn_layer *layer) {
    if (layer->activation == RN_RELU) return RN_GATE;
    return layer->activation != RN_IDENTITY || layer->keep < 1 || layer->mask
               ? RN_SLOPE
               : RN_PLAIN;
}

RN_INLINE int finish_of(const rn_layer *layer, int keeps_slope) {
    if (layer->activation == RN_SOFTMAX) return RN_LEAVE; /* of all units, later */
    if (keeps_slope) return RN_ACTIVATE;
    return layer->activation == RN_IDENTITY ? RN_LEAVE
           : layer->activation == RN_RELU   ? RN_CLIP
                                            : RN_ACTIVATE;
}

/* A strided W makes every step of the tile touch another page: wide ones are packed. */
RN_INLINE int is_wide(const rn_layer *layer) {
    return layer->n_out * sizeof(T) >= 1024 && layer->n_in >= 64;
}

RN_INLINE rn_layer_plan plan_layer(const rn_layer *layer, int keeps_slope) {
    return (rn_layer_plan){
        .layer = layer,
        .start = layer->adds     ? RN_FROM_C
                 : layer->bias.w ? RN_FROM_ROW_BIAS
                                 : RN_FROM_ZERO,
        .finish = finish_of(layer, keeps_slope),
        .packs = is_wide(layer),
        .keeps_slope = keeps_slope,
        .backward = backward_of(layer),
        .drops = layer->keep < 1 || layer->mask != NULL,
    };
}

/* A tile's units in whole vectors. */
#define RN_PACKED_WIDTH (((size_t)RN_TILE_ROWS + RN_LANES - 1) / RN_LANES * RN_LANES)

/* The rows of a batch block as the layers see them. */
typedef struct {
    size_t count;   /* rows that exist */
    size_t panels;  /* of RN_PANEL rows, the last one possibly of one vector */
    int plain_rows; /* the inputs x are plain rows (count, n_in), not panels */
} rn_block;

RN_INLINE size_t panel_count(const rn_block *block, size_t p) {
    const size_t left = block->count - p * RN_PANEL;
    return left < RN_PANEL ? left : RN_PANEL;
}

RN_INLINE size_t columns_at(const rn_block *block, size_t p) {
    return panel_columns(panel_count(block, p));
}

/* How many panels from p on, before p1, a tile of this many rows takes at once. */
RN_INLINE size_t panels_at_once(const rn_block *block, size_t p, size_t p1,
                                size_t rows) {
    return rn_is_low(rows) && p + 2 <= p1 && (p + 2) * RN_PANEL <= block->count ? 2 : 1;
}

/* Rows of W packed at a time: each is on another page. */
enum { RN_PACKED_AT_ONCE = 8 };

/* `count` rows of a tile, `rows` of it from w on, to `to`: whole vectors if `whole`,
 * each over the surplus of the one before. */
RN_INLINE void pack_rows(T *RN_RESTRICT to, const T *RN_RESTRICT w, size_t count,
                         size_t rows, size_t n_out, int whole) {
    for (size_t k = 0; k < count; k++, to += rows, w += n_out) {
        if (!whole) {
            memcpy(to, w, rows * sizeof(T));
            continue;
        }
        RN_UNROLL
        for (size_t v = 0; v < RN_PACKED_WIDTH; v += RN_LANES) {
            vec_store(to + v, vec_load(w + v));
        }
    }
}

/* The weights of `depth` inputs from k0 on and of tiles [first, last) of the units from
 * j0 on, each tile's broadcasts in the order of their use: pack[(tile's first unit) *
 * depth + k * rows + r] = w[k0 + k][j + r].  The next rows are prefetched.  At a tile's
 * end and at the end of W no surplus may be written or read. */
static void pack_tiles(T *RN_RESTRICT pack, const rn_layer *layer, size_t k0,
                       size_t depth, size_t j0, rn_cut tiles, size_t first,
                       size_t last) {
    const size_t n_out = layer->n_out;
    const size_t start = rn_start(tiles, first), end = rn_start(tiles, last);
    const T *w = (const T *)layer->weight.w + k0 * n_out + j0;
    const int inside = j0 + rn_start(tiles, last - 1) + RN_PACKED_WIDTH <= n_out;
    for (size_t k = 0; k < depth; k += RN_PACKED_AT_ONCE) {
        const size_t count = rn_min(depth - k, RN_PACKED_AT_ONCE);
        const int whole = inside && k + count < depth;
        for (size_t i = k + count; i < rn_min(depth, k + 2 * count); i++) {
            const T *next = w + i * n_out;
            for (size_t j = start; j < end; j += 64 / sizeof(T)) RN_PREFETCH(next + j);
        }
        for (size_t i = first; i < last; i++) {
            const size_t j = rn_start(tiles, i), rows = rn_start(tiles, i + 1) - j;
            T *to = pack + (j - start) * depth + k * rows;
            pack_rows(to, w + k * n_out + j, count, rows, n_out, whole);
        }
    }
}

/* One layer's sums: what is the same for all panels. */
typedef struct {
    const rn_layer_plan *plan;
    const rn_block *block;
    T *a;
    const T *x;
    rn_share share;
    rn_cut tiles; /* of the share's units */
} rn_forward;

/* Inputs [k0, k1) in the sums of tiles [first, last) of panels p and after: `at_once`
 * of them. */
RN_INLINE void sum_inputs(const rn_forward *f, size_t k0, size_t k1, size_t first,
                          size_t last, size_t p, size_t at_once, const T *pack) {
    const rn_layer *layer = f->plan->layer;
    const size_t n_in = layer->n_in, n_out = layer->n_out, j0 = f->share.from;
    const size_t ld = columns_at(f->block, p), g0 = rn_start(f->tiles, first);
    const int ends = k1 == n_in;
    const T *w = layer->weight.w, *bias = layer->bias.w;
    rn_tile t = {.n_outer = 1,
                 .n_inner = k1 - k0,
                 .a_row = 1,
                 .a_inner = (ptrdiff_t)n_out,
                 .ldb = ld,
                 .ldc = ld,
                 .columns = at_once * ld,
                 .b_next = n_in * RN_PANEL,
                 .c_next = n_out * RN_PANEL,
                 .start = k0 ? RN_FROM_C : f->plan->start,
                 .b = f->x + p * n_in * RN_PANEL + k0 * ld,
                 .unsigned_zero = ends,
                 .relu = ends && f->plan->finish == RN_CLIP};
    for (size_t i = first; i < last; i++) {
        const size_t j = rn_start(f->tiles, i), rows = rn_start(f->tiles, i + 1) - j;
        if (pack) t.a_inner = (ptrdiff_t)rows;
        t.a = pack ? pack + (j - g0) * (k1 - k0) : w + k0 * n_out + j0 + j;
        t.bias = bias ? bias + j0 + j : NULL;
        t.c = f->a + p * n_out * RN_PANEL + (j0 + j) * ld;
        run_tile(rows, 1, &t);
    }
}

/* a = f(W'x + b) for a share of the units; slope = f' unless NULL.  pack: room for
 * RN_PACKED_TILES tiles of RN_PACKED_INPUTS inputs. */
static void layer_forward(const rn_layer_plan *plan, const rn_block *block, T *a,
                          T *slope, const T *x, rn_share share, T *pack) {
    const rn_layer *layer = plan->layer;
    const size_t n_out = layer->n_out, j0 = share.from, units = share.to - j0;
    const rn_forward f = {plan, block, a, x, share, rn_tiles(units)};
    const size_t group = plan->packs ? RN_PACKED_TILES : f.tiles.parts;
    const rn_cut depths = rn_cut_into(
        layer->n_in, plan->packs ? rn_count(layer->n_in, RN_PACKED_INPUTS) : 1);
    for (size_t first = 0; first < f.tiles.parts; first += group) {
        const size_t last = rn_min(first + group, f.tiles.parts);
        const size_t g0 = j0 + rn_start(f.tiles, first);
        const size_t g1 = j0 + rn_start(f.tiles, last);
        for (size_t d = 0; d < depths.parts; d++) {
            const size_t k0 = rn_start(depths, d), k1 = rn_start(depths, d + 1);
            const int ends = d + 1 == depths.parts && plan->finish == RN_ACTIVATE;
            if (plan->packs) {
                pack_tiles(pack, layer, k0, k1 - k0, j0, f.tiles, first, last);
            }
            for (size_t p = share.p0, at_once; p < share.p1; p += at_once) {
                const size_t ld = columns_at(block, p);
                at_once = panels_at_once(block, p, share.p1, units);
                sum_inputs(&f, k0, k1, first, last, p, at_once,
                           plan->packs ? pack : NULL);
                for (size_t i = 0; ends && i < at_once; i++) {
                    const size_t at = (p + i) * n_out * RN_PANEL + g0 * ld;
                    activation_forward(layer->activation, (g1 - g0) * ld, a + at,
                                       slope ? slope + at : NULL, a + at,
                                       (T)layer->activation_param);
                }
            }
        }
    }
}

/* The panel a of a share of a layer's units from their sums z (count, units), which are
 * rows; slope = f' unless NULL. */
static void finish_rows(const rn_layer_plan *plan, size_t units, size_t count, T *a,
                        T *slope, const T *z) {
    const size_t ld = panel_columns(count);
    const rn_source rows = {.data = (const char *)z,
                            .row_stride = (ptrdiff_t)(units * sizeof(T)),
                            .col_stride = sizeof(T),
                            .n_rows = count,
                            .n_cols = units,
                            .dtype = RN_FLOAT ? RN_F32 : RN_F64};
    gather_panel(a, &rows, count, NULL, 0);
    if (plan->finish == RN_LEAVE) return;
    activation_forward(plan->layer->activation, units * ld, a, slope, a,
                       (T)plan->layer->activation_param);
}

/* layer_forward of a block of plain rows: a few rows of many inputs are vectorised over
 * units, which spares their transposition.  work: room for count rows of the share. */
static void layer_forward_plain_rows(const rn_layer_plan *plan, const rn_block *block,
                                     T *a, T *slope, const T *x, rn_share share,
                                     T *work) {
    const rn_layer *layer = plan->layer;
    const size_t n_in = layer->n_in, j0 = share.from, units = share.to - j0;
    const size_t ld = columns_at(block, 0), count = block->count;
    const rn_cut parts = rn_tiles(count);
    const T *bias = layer->bias.w;
    for (size_t part = 0; part < parts.parts; part++) {
        const size_t i = rn_start(parts, part);
        const rn_tile t = {.n_outer = 1,
                           .n_inner = n_in,
                           .a_row = (ptrdiff_t)n_in,
                           .a_inner = 1,
                           .ldb = layer->n_out,
                           .ldc = units,
                           .start = bias ? RN_FROM_COLUMN_BIAS : RN_FROM_ZERO,
                           .a = x + i * n_in,
                           .b = (const T *)layer->weight.w + j0,
                           .bias = bias ? bias + j0 : NULL,
                           .c = work + i * units,
                           .unsigned_zero = 1};
        sweep_columns(rn_start(parts, part + 1) - i, units, t);
    }
    finish_rows(plan, units, count, a + j0 * ld, slope ? slope + j0 * ld : NULL, work);
}

/* dx = W dz for a share of the inputs, times the slope of the layer `before`, which
 * stands in dx itself or follows from its output `a`. */
static void layer_input_gradient(const rn_layer_plan *plan, const rn_layer_plan *before,
                                 const rn_block *block, T *dx, const T *dz, const T *a,
                                 rn_share share) {
    const rn_layer *layer = plan->layer;
    const size_t n_in = layer->n_in, n_out = layer->n_out, k0 = share.from;
    const rn_cut tiles = rn_tiles(share.to - k0);
    const size_t group = plan->packs ? 4 : tiles.parts;
    const T *w = layer->weight.w;
    rn_tile t = {.n_outer = 1,
                 .n_inner = n_out,
                 .a_row = (ptrdiff_t)n_out,
                 .a_inner = 1,
                 .b_next = n_out * RN_PANEL,
                 .c_next = n_in * RN_PANEL,
                 .start = RN_FROM_ZERO,
                 .gate_scale = (T)(1 / before->layer->keep)};
    for (size_t first = 0; first < tiles.parts; first += group) {
        const size_t last = rn_min(first + group, tiles.parts);
        for (size_t p = share.p0, at_once; p < share.p1; p += at_once) {
            const size_t ld = columns_at(block, p);
            at_once = panels_at_once(block, p, share.p1, share.to - k0);
            t.ldb = t.ldc = ld;
            t.columns = at_once * ld;
            t.b = dz + p * n_out * RN_PANEL;
            for (size_t i = first; i < last; i++) {
                const size_t k = k0 + rn_start(tiles, i);
                const size_t at = p * n_in * RN_PANEL + k * ld;
                t.a = w + k * n_out;
                t.c = dx + at;
                t.slope = before->backward == RN_SLOPE ? dx + at : NULL;
                t.gate = before->backward == RN_GATE ? a + at : NULL;
                run_tile(k0 + rn_start(tiles, i + 1) - k, 1, &t);
            }
        }
    }
}
