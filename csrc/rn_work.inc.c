/* How the work memory of a training run is cut up; the caller allocates it. */
#include "rn_threads.h"

typedef struct {
    size_t panels;   /* that fit in a block */
    size_t ld_block; /* elements per block of units in rows */
    T *x, *y, *row_loss, *scale;
    T **a, **d, **rows; /* per layer: outputs; slope, later dz; what the weight gradient
                           reads as rows: dz, or a narrow layer's inputs */
    T *thread_work;     /* of one thread, thread_size elements each */
    size_t thread_size, pack_size;
    size_t turned, ld_turned; /* where in it turn_weights writes rows, how long */
} rn_work;

/* Hands out aligned pieces of one allocation; with base NULL it only counts. */
typedef struct {
    char *base;
    size_t used;
} rn_arena;

RN_INLINE void *rn_take(rn_arena *arena, size_t bytes) {
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += (bytes + 63) / 64 * 64;
    return p;
}

RN_INLINE size_t rn_widest(const rn_net *net) {
    size_t widest = net->layers[0].n_in;
    for (size_t l = 0; l < net->n_layers; l++) {
        widest = rn_max(widest, net->layers[l].n_out);
    }
    return widest;
}

RN_INLINE size_t rn_deepest_pack(const rn_net *net) {
    size_t n_in = 0;
    for (size_t l = 0; l < net->n_layers; l++) n_in = rn_max(n_in, net->layers[l].n_in);
    return n_in;
}

/* A layer of few units leaves most lanes idle if dz is the vector of the weight
 * gradient: then its inputs are. */
RN_INLINE int is_narrow(const rn_layer *layer) {
    return 2 * layer->n_out < RN_LANES && layer->n_in >= RN_LANES;
}

/* The weight gradient of the first layer is all that reads its dz: if nothing but the
 * output of a narrow second layer has to be known for that, it comes as rows at once.
 */
RN_INLINE int has_direct_rows(const rn_net *net) {
    const rn_layer *layers = net->layers;
    return net->n_layers > 1 && is_narrow(&layers[1]) && !is_narrow(&layers[0]) &&
           !net->skip && rn_backward_mode(&layers[0]) != RN_SLOPE;
}

static rn_work lay_out(const rn_net *net, size_t block_rows, size_t n_threads,
                       rn_arena *arena) {
    const rn_layer *layers = net->layers;
    const size_t n = net->n_layers, panels = rn_pieces(block_rows, RN_PANEL);
    const size_t rows = panels * RN_PANEL, last = layers[n - 1].n_out;
    rn_work work = {.panels = panels, .ld_block = rows * RN_PANEL};
    work.pack_size = RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net);
    work.turned =
        rn_max(work.pack_size, rn_max(RN_PANEL, RN_GROUP_LANES) * rn_widest(net));
    work.thread_size = work.turned + RN_TILE_ROWS * RN_GRADIENT_COLUMNS;
    if (has_direct_rows(net)) { /* W' of the second layer, in whole panels */
        work.ld_turned = rn_pieces(layers[1].n_in, RN_PANEL) * RN_PANEL;
        work.thread_size += layers[1].n_out * work.ld_turned;
    }
    work.thread_size = rn_pieces(work.thread_size, 64) * 64;
    T ***lists[3] = {&work.a, &work.d, &work.rows};
    for (int i = 0; i < 3; i++) *lists[i] = rn_take(arena, n * sizeof(T *));
    work.x = rn_take(arena, rows * layers[0].n_in * sizeof(T));
    work.y = rn_take(arena, rows * last * sizeof(T));
    work.row_loss = rn_take(arena, rows * sizeof(T));
    work.scale = rn_take(arena, rows * sizeof(T));
    for (size_t l = 0; l < n; l++) {
        const size_t bytes = rows * layers[l].n_out * sizeof(T);
        const size_t widest = rn_max(layers[l].n_out, layers[l].n_in);
        const size_t unit_blocks =
            rn_pieces(is_narrow(&layers[l]) ? widest : layers[l].n_out, RN_PANEL);
        T *a = rn_take(arena, bytes), *d = rn_take(arena, bytes);
        T *blocks = rn_take(arena, unit_blocks * work.ld_block * sizeof(T));
        if (!arena->base) continue;
        work.a[l] = a;
        work.d[l] = d;
        work.rows[l] = blocks;
    }
    work.thread_work = rn_take(arena, n_threads * work.thread_size * sizeof(T));
    return work;
}

/* The work memory of a call: one for all threads, or where blocks are done in turns one
 * for each. */
static rn_work *lay_out_all(const rn_net *net, size_t block_rows, size_t turn_rows,
                            size_t n_threads, rn_arena *arena) {
    const size_t count = turn_rows ? n_threads : 1;
    rn_work *works = rn_take(arena, count * sizeof *works);
    for (size_t i = 0; i < count; i++) {
        const rn_work work = lay_out(net, turn_rows ? turn_rows : block_rows,
                                     turn_rows ? 1 : n_threads, arena);
        if (arena->base) works[i] = work;
    }
    return works;
}

static size_t train_work_size(const rn_net *net, size_t block_rows, size_t turn_rows,
                              size_t n_threads) {
    rn_arena arena = {0};
    lay_out_all(net, block_rows, turn_rows, n_threads, &arena);
    return arena.used;
}
