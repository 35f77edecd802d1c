/* How the work memory of a training run is cut up; the caller allocates it. */
#include "rn_threads.h"

enum {
    RN_MISSED_STEPS = 4096, /* at most, in one call */
    RN_SUMMED_STEPS = 1024, /* where they are summed up */
};

/* Rows of the first layer's W that a batch does not touch miss its step, and make up
 * for it later; see rn_lazy.inc.c. */
typedef struct {
    size_t capacity; /* steps that there is room for */
    rn_step *step;   /* those of this call, */
    rn_rates *rates;
    int32_t *seen; /* how many of them each row (n_in) has taken */
    /* Where missed steps are summed up, steps s to joined - 1 are one: w becomes
     * soft_threshold(factor[s] w, threshold[s]); else NULL. */
    double *factor, *threshold;
    size_t joined;
    size_t settled_every; /* steps of an epoch, after which a call ends then */
} rn_lazy;

typedef struct {
    size_t ld_units; /* elements per block of units in rows */
    T *x, *y, *row_loss, *scale;
    rn_layer_plan *plans; /* per layer, and of the skip connection after them */
    T **a, **d, **rows; /* per layer: outputs; slope, later dz; what the weight gradient
                           reads as rows: dz, or the inputs of few units */
    T *thread_work;     /* of one thread, thread_size elements each */
    size_t thread_size, pack_size;
    size_t transposed,
        ld_transposed;    /* where in it transpose_weights writes rows, how long */
    size_t gradient_size; /* elements of rn_descent.buffer, at the end of it */
    int plain_rows;       /* a few rows of the inputs stay rows */
    int by_entry;         /* sparse rows are never made dense: */
    rn_sparse_block *sparse;
    rn_lazy *lazy;              /* NULL: every step updates all rows of W */
    double *clip_sums;          /* of rn_clip.inc.c */
    int any_groups, any_limits; /* penalties of groups; norms at most max_norm */
} rn_work;

/* Hands out aligned parts of one allocation; with base NULL it only counts. */
typedef struct {
    char *base;
    size_t used;
} rn_arena;

RN_INLINE void *rn_take(rn_arena *arena, size_t bytes) {
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += (bytes + 63) / 64 * 64;
    return p;
}

RN_INLINE size_t rn_members(const rn_net *net) { return rn_max(1, net->members); }

enum {
    RN_LAYER_ARRAYS = 4,
    RN_CLIP_SPAN = 4096, /* elements of a gradient whose squares are one sum */
};

/* An array of parameters; n is 0 if it is not there. */
typedef struct {
    const rn_param *param;
    size_t n;
} rn_array;

/* Those of layer l; l == n_layers: of the skip connection. */
static void arrays_of(const rn_net *net, size_t l, rn_array *arrays) {
    const rn_layer *layer = l < net->n_layers ? &net->layers[l] : net->skip;
    const size_t members = rn_members(net);
    const size_t matrices = l + 1 == net->n_layers ? members : 1;
    arrays[0] = (rn_array){&layer->weight, matrices * layer->n_in * layer->n_out};
    arrays[1] = (rn_array){&layer->bias, members * layer->n_out};
    arrays[2] = (rn_array){&layer->in_factor, members * layer->n_in};
    arrays[3] = (rn_array){&layer->out_factor, members * layer->n_out};
    for (int i = 0; i < RN_LAYER_ARRAYS; i++) {
        if (!arrays[i].param->w) arrays[i].n = 0;
    }
}

RN_INLINE size_t layers_and_skip(const rn_net *net) {
    return net->n_layers + (net->skip ? 1 : 0);
}

/* How many sums of squares rn_clip.inc.c keeps. */
static size_t clip_sums(const rn_run *run) {
    size_t count = 0;
    for (size_t l = 0; run->clip_norm > 0 && l < layers_and_skip(run->net); l++) {
        rn_array arrays[RN_LAYER_ARRAYS];
        arrays_of(run->net, l, arrays);
        for (int i = 0; i < RN_LAYER_ARRAYS; i++) {
            count += rn_count(arrays[i].n, RN_CLIP_SPAN);
        }
    }
    return count;
}

RN_INLINE size_t rn_widest_output(const rn_net *net) {
    size_t widest = 0;
    for (size_t l = 0; l < net->n_layers; l++) {
        widest = rn_max(widest, net->layers[l].n_out);
    }
    return widest;
}

RN_INLINE size_t rn_widest(const rn_net *net) {
    return rn_max(net->layers[0].n_in, rn_widest_output(net));
}

/* Elements of the packed weights of a layer, of those from l on. */
RN_INLINE size_t rn_pack_size(const rn_net *net, size_t l) {
    size_t n_in = 0;
    for (; l < net->n_layers; l++) n_in = rn_max(n_in, net->layers[l].n_in);
    return RN_PACKED_TILES * RN_TILE_ROWS * rn_min(n_in, RN_PACKED_INPUTS);
}

RN_INLINE int has_wide_layers(const rn_net *net) {
    int found = net->skip && is_wide(net->skip);
    for (size_t l = 0; l < net->n_layers; l++) found |= is_wide(&net->layers[l]);
    return found;
}

/* Elements of rn_descent.buffer, and of its `pack` for blocks of `rows` rows. */
RN_INLINE size_t rn_gradient_work(const rn_net *net) {
    const size_t least = RN_TILE_ROWS * RN_GRADIENT_COLUMNS;
    return has_wide_layers(net) ? rn_max(RN_WIDE_WEIGHTS, least) : least;
}
RN_INLINE size_t rn_packed_inputs(const rn_net *net, size_t rows) {
    return has_wide_layers(net) ? rn_max(RN_WIDE_INPUTS, RN_TILE_ROWS * rows) : 0;
}

/* A layer of few units leaves most lanes idle if dz is the vector of the weight
 * gradient: then its inputs are. */
RN_INLINE int has_few_units(const rn_layer *layer) {
    return 2 * layer->n_out < RN_LANES && layer->n_in >= RN_LANES;
}

/* The plan of layer l; l == n_layers: of the skip connection, for which the last
 * layer's dz has to come as rows.  The weight gradient of the first layer is all that
 * reads its dz: if nothing but the output of a second layer of few units has to be
 * known for that, it comes as rows at once. */
static rn_layer_plan plan_training(const rn_net *net, size_t l, int by_entry) {
    const size_t n = net->n_layers;
    const rn_layer *layer = l < n ? &net->layers[l] : net->skip;
    const int last = l + 1 == n, hidden = l + 1 < n;
    rn_layer_plan plan =
        plan_layer(layer, hidden ? backward_of(layer) == RN_SLOPE
                                 : last && layer->activation != RN_IDENTITY);
    plan.few_units =
        has_few_units(layer) && (hidden || !net->skip) && !(l == 0 && by_entry);
    plan.dz_as_rows = l == 0 && hidden && has_few_units(&net->layers[1]) &&
                      !plan.few_units && !net->skip && plan.backward != RN_SLOPE;
    return plan;
}

static void plan_network(const rn_net *net, rn_work *work) {
    for (size_t l = 0; l < net->n_layers; l++) {
        work->plans[l] = plan_training(net, l, work->by_entry);
        work->any_groups |= net->layers[l].weight.group != RN_GROUP_NONE;
        work->any_limits |= net->layers[l].max_norm > 0;
    }
    if (net->skip) {
        work->plans[net->n_layers] = plan_training(net, net->n_layers, work->by_entry);
    }
    work->plain_rows = net->input_keep >= 1 && !net->input_mask && !net->skip &&
                       !work->by_entry && net->layers[0].n_in >= 4 * RN_LANES;
}

/* Elements of a thread's work memory that the groups of a network need. */
static size_t rn_group_work(const rn_net *net) {
    size_t most = RN_GROUP_LANES * rn_widest(net);
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const size_t row = layer->n_out + RN_GROUP_LANES;
        most = rn_max(most, largest_group(&layer->weight) * row);
    }
    if (!net->skip) return most;
    return rn_max(most, lassonet_work(net->skip, &net->layers[0]) / sizeof(T));
}

/* Room for the rows of one block; `place` has no column in it yet. */
static rn_sparse_block *lay_out_entries(const rn_run *run, rn_arena *arena) {
    const size_t n_in = run->net->layers[0].n_in, count = run->block_entries;
    const size_t columns = rn_min(count, n_in);
    rn_sparse_block *b = rn_take(arena, sizeof *b);
    const rn_sparse_block block = {
        .start = rn_take(arena, (run->block_rows + 1) * sizeof(int64_t)),
        .value = rn_take(arena, count * sizeof(T)),
        .x = rn_take(arena, count * sizeof(T)),
        .index = rn_take(arena, count * sizeof(int32_t)),
        .row = rn_take(arena, count * sizeof(int32_t)),
        .spot = rn_take(arena, count * sizeof(int32_t)),
        .column = rn_take(arena, columns * sizeof(int32_t)),
        .first = rn_take(arena, (columns + 1) * sizeof(int64_t)),
        .place = rn_take(arena, n_in * sizeof(int32_t)),
    };
    if (!arena->base) return NULL;
    *b = block;
    b->start[0] = 0;
    memset(b->place, -1, n_in * sizeof(int32_t));
    return b;
}

/* Whether rows of W can miss steps: what a step does to a row must depend on that row
 * alone, and the batch be known before it begins.  Norms and groups of units look at
 * columns, groups of inputs, a skip connection and clipping at other weights too. */
static int can_be_lazy(const rn_run *run) {
    const rn_layer *first = &run->net->layers[0];
    const rn_param *p = &first->weight;
    const int one_row =
        p->group == RN_GROUP_NONE || (p->group == RN_GROUP_INPUTS && !p->group_start);
    const size_t batch = rn_min(run->batch_size, run->n);
    return one_row && first->max_norm <= 0 && !run->net->skip && !run->gradient_only &&
           run->clip_norm <= 0 && batch <= run->block_rows && batch <= RN_LONG_BATCH;
}

/* Whether missed steps only multiply weights and shrink them, so that many are one
 * (rn_lazy.factor).  This rounds once where rows in time round at every step. */
static int can_sum_up(const rn_run *run) {
    const rn_param *p = &run->net->layers[0].weight;
    const int only_shrinks = p->l1 == 0 || p->l1_rule == RN_L1_PROXIMAL;
    return run->optimizer && run->optimizer->kind == RN_SGD && p->l2 > 0 &&
           only_shrinks && !p->non_negative && !p->ema && !p->keep_zeros &&
           p->group == RN_GROUP_NONE;
}

/* Where a call ends all rows catch up, and sums end: so it ends after a number of steps
 * that follows from the data, not after some time.  Together the batches between two
 * ends touch many more rows of W than there are. */
static size_t steps_between_ends(const rn_run *run) {
    const double entries = (double)(run->x->start[run->n] - run->x->start[0]);
    const double touched = entries / (double)run->n * (double)run->batch_size;
    const double wanted = 16.0 * (double)run->net->layers[0].n_in;
    size_t steps = 1;
    while (steps < RN_SUMMED_STEPS && (double)steps * touched < wanted) steps *= 2;
    return steps;
}

static rn_lazy *lay_out_lazy(const rn_run *run, rn_arena *arena) {
    const size_t n_in = run->net->layers[0].n_in;
    const size_t steps =
        rn_min(RN_MISSED_STEPS, rn_count(run->n, rn_min(run->batch_size, run->n)));
    const int sums_up = can_sum_up(run);
    rn_lazy *lazy = rn_take(arena, sizeof *lazy);
    const rn_lazy parts = {
        .capacity = steps,
        .step = rn_take(arena, steps * sizeof(rn_step)),
        .rates = rn_take(arena, steps * sizeof(rn_rates)),
        .seen = rn_take(arena, n_in * sizeof(int32_t)),
        .factor = sums_up ? rn_take(arena, steps * sizeof(double)) : NULL,
        .threshold = sums_up ? rn_take(arena, steps * sizeof(double)) : NULL,
        .settled_every = steps_between_ends(run),
    };
    if (!arena->base) return NULL;
    *lazy = parts;
    memset(lazy->seen, 0, n_in * sizeof(int32_t));
    return lazy;
}

static rn_work lay_out(const rn_run *run, size_t block_rows, size_t n_threads,
                       rn_arena *arena) {
    const rn_net *net = run->net;
    const rn_layer *layers = net->layers;
    const size_t n = net->n_layers, panels = rn_count(block_rows, RN_PANEL);
    const size_t rows = panels * RN_PANEL, last = layers[n - 1].n_out;
    rn_work work = {.ld_units = rows * RN_PANEL,
                    .by_entry = run->x->by_entry && !run->piece_rows};
    const size_t widest = work.by_entry ? rn_widest_output(net) : rn_widest(net);
    work.pack_size =
        rn_max(rn_pack_size(net, work.by_entry), rn_packed_inputs(net, rows));
    work.transposed =
        rn_max(work.pack_size, rn_max(RN_PANEL * widest, rn_group_work(net)));
    work.gradient_size =
        rn_max(rn_gradient_work(net), rn_count(layers[0].n_out, RN_ROW) * RN_ROW);
    work.thread_size = work.transposed + work.gradient_size;
    if (plan_training(net, 0, work.by_entry)
            .dz_as_rows) { /* W' of the second layer, in whole panels */
        work.ld_transposed = rn_count(layers[1].n_in, RN_PANEL) * RN_PANEL;
        work.thread_size += layers[1].n_out * work.ld_transposed;
    }
    work.thread_size = rn_count(work.thread_size, 64) * 64;
    work.plans = rn_take(arena, (n + 1) * sizeof *work.plans);
    if (arena->base) plan_network(net, &work);
    T ***lists[3] = {&work.a, &work.d, &work.rows};
    for (int i = 0; i < 3; i++) *lists[i] = rn_take(arena, n * sizeof(T *));
    if (work.by_entry && can_be_lazy(run)) work.lazy = lay_out_lazy(run, arena);
    work.clip_sums = rn_take(arena, clip_sums(run) * sizeof(double));
    if (work.by_entry) work.sparse = lay_out_entries(run, arena);
    else work.x = rn_take(arena, rows * layers[0].n_in * sizeof(T));
    work.y = rn_take(arena, rows * last * sizeof(T));
    work.row_loss = rn_take(arena, rows * sizeof(T));
    work.scale = rn_take(arena, rows * sizeof(T));
    for (size_t l = 0; l < n; l++) {
        const size_t bytes = rows * layers[l].n_out * sizeof(T);
        const int few = has_few_units(&layers[l]) && !(l == 0 && work.by_entry);
        const size_t units =
            few ? rn_max(layers[l].n_out, layers[l].n_in) : layers[l].n_out;
        T *a = rn_take(arena, bytes), *d = rn_take(arena, bytes);
        T *rows_of_units =
            rn_take(arena, rn_count(units, RN_PANEL) * work.ld_units * sizeof(T));
        if (!arena->base) continue;
        work.a[l] = a;
        work.d[l] = d;
        work.rows[l] = rows_of_units;
    }
    work.thread_work = rn_take(arena, n_threads * work.thread_size * sizeof(T));
    return work;
}

/* The work memory of a call: one for all threads, or where blocks are done in pieces
 * one for each. */
static rn_work *lay_out_all(const rn_run *run, rn_arena *arena) {
    const size_t piece_rows = run->piece_rows;
    const size_t count = piece_rows ? run->n_threads : 1;
    rn_work *works = rn_take(arena, count * sizeof *works);
    for (size_t i = 0; i < count; i++) {
        const rn_work work = lay_out(run, piece_rows ? piece_rows : run->block_rows,
                                     piece_rows ? 1 : run->n_threads, arena);
        if (arena->base) works[i] = work;
    }
    return works;
}
