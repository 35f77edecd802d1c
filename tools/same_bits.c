/* The C core without Python: hashes of the bits of its kernels and of fixed trainings.
 *
 *     same_bits [epochs [threads ...]]      2 epochs, 1 and 3 threads without arguments
 *
 * One line for each (dtype, variant, kernels, members or division of labour, threads).
 * Fails if two of them that must agree do not: threads and division always, variants if
 * they fuse.  Every kernel on arrays, layer, loss, optimiser, L1 rule and group penalty
 * takes part.  No Python, no libm, no input, so the same lines must come out on every
 * CPU and operating system; tools/check_targets.py compares them, tools/check_core.py
 * runs this under sanitizers and valgrind, for which all memory is allocated as long as
 * it is used.
 */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rn.h"

enum { ROWS = 150, MAX_LAYERS = 7, N_ARRAYS = 6, ALIGNMENT = 64 };
enum { WEIGHT, M, V, Q, GRADIENT, EMA };

typedef struct {
    size_t n_out;
    int activation;
    double activation_param, keep, max_norm;
    int l1_rule, group;
    double l1, l2, group_strength;
    int sign_at_zero, non_negative, no_bias;
} layer_spec;

typedef struct {
    const char *name;
    size_t rows, n_in, n_layers;
    double input_keep;
    int loss, output;
    double loss_param;
    int weighted, in_order;
    size_t batch_size, block_rows, members;
    layer_spec layers[MAX_LAYERS];
} net_spec;

/* All rules, groups and hidden activations; what needs a value of its own has one. */
static const net_spec networks[] = {
    {.name = "classifier",
     .n_in = 37,
     .n_layers = 6,
     .input_keep = 0.9,
     .loss = RN_SOFTMAX_CROSS_ENTROPY,
     .output = RN_SOFTMAX,
     .batch_size = 32,
     .block_rows = 32,
     .layers =
         {{.n_out = 45,
           .activation = RN_RELU,
           .keep = 0.5,
           .l1_rule = RN_L1_CUMULATIVE,
           .l1 = 1e-3,
           .l2 = 1e-4},
          {.n_out = 24,
           .activation = RN_LEAKY_RELU,
           .activation_param = 0.01,
           .group = RN_GROUP_UNITS,
           .group_strength = 1e-3},
          {.n_out = 33,
           .activation = RN_ELU,
           .activation_param = 1,
           .keep = 0.8,
           .l1_rule = RN_L1_CUMULATIVE,
           .l1 = 1e-4,
           .group = RN_GROUP_INPUTS,
           .group_strength = 1e-3},
          {.n_out = 19, .activation = RN_SIGMOID, .max_norm = 1},
          {.n_out = 16, .activation = RN_TANH, .l1_rule = RN_L1_PROXIMAL, .l1 = 1e-3},
          {.n_out = 10, .activation = RN_IDENTITY}}},
    {.name = "regression, one batch in blocks",
     .n_in = 13,
     .n_layers = 7,
     .input_keep = 1,
     .loss = RN_HUBER,
     .loss_param = 0.75,
     .weighted = 1,
     .in_order = 1,
     .batch_size = ROWS,
     .block_rows = 64,
     .layers = {{.n_out = 21, .activation = RN_ARCTAN, .no_bias = 1},
                {.n_out = 8,
                 .activation = RN_SOFTSIGN,
                 .l1_rule = RN_L1_SHRINK_FIRST,
                 .l1 = 1e-3},
                {.n_out = 17,
                 .activation = RN_ISRU,
                 .l1_rule = RN_L1_SUBGRADIENT,
                 .sign_at_zero = 1,
                 .l1 = 1e-3},
                {.n_out = 40, .activation = RN_SOFTPLUS, .non_negative = 1},
                {.n_out = 9, .activation = RN_GELU, .keep = 0.75, .l2 = 1e-3},
                {.n_out = 31,
                 .activation = RN_SILU,
                 .group = RN_GROUP_UNITS,
                 .group_strength = 1e-2},
                {.n_out = 3, .activation = RN_IDENTITY}}},
    {.name = "few rows of many inputs",
     .rows = 10,
     .n_in = 130,
     .n_layers = 2,
     .input_keep = 1,
     .loss = RN_BINARY_CROSS_ENTROPY,
     .output = RN_SIGMOID,
     .batch_size = 2,
     .block_rows = 2,
     .layers = {{.n_out = 523, .activation = RN_RELU, .max_norm = 2},
                {.n_out = 1, .activation = RN_IDENTITY}}},
};

/* Members that share W: dropout, groups, several blocks of a batch. */
static const net_spec of_members = {.name = "members",
                                    .n_in = 19,
                                    .n_layers = 3,
                                    .input_keep = 0.9,
                                    .loss = RN_SOFTMAX_CROSS_ENTROPY,
                                    .weighted = 1,
                                    .batch_size = 70,
                                    .block_rows = 32,
                                    .members = 5,
                                    .layers = {{.n_out = 45,
                                                .activation = RN_RELU,
                                                .keep = 0.5,
                                                .l1_rule = RN_L1_CUMULATIVE,
                                                .l1 = 1e-3,
                                                .l2 = 1e-4},
                                               {.n_out = 24,
                                                .activation = RN_GELU,
                                                .keep = 0.75,
                                                .group = RN_GROUP_INPUTS,
                                                .group_strength = 1e-3},
                                               {.n_out = 7,
                                                .activation = RN_IDENTITY,
                                                .group = RN_GROUP_UNITS,
                                                .group_strength = 1e-4}}};

/* Small networks, one for each loss; the last one has a softmax inside the network. */
static const int losses[] = {
    RN_SQUARED_ERROR, RN_MSE,   RN_ABSOLUTE_ERROR,       RN_MAE,          RN_QUANTILE,
    RN_POISSON,       RN_HUBER, RN_BINARY_CROSS_ENTROPY, RN_SQUARED_ERROR};
enum { N_NETWORKS = sizeof networks / sizeof networks[0] };
enum { N_LOSSES = sizeof losses / sizeof losses[0] };

static net_spec loss_network(int which) {
    net_spec s = {.name = "one loss",
                  .n_in = 7,
                  .n_layers = 2,
                  .input_keep = 1,
                  .loss = losses[which],
                  .loss_param = 0.3,
                  .weighted = which % 2,
                  .batch_size = 21,
                  .block_rows = 21,
                  .layers = {{.n_out = 11, .activation = RN_TANH},
                             {.n_out = 5, .activation = RN_IDENTITY}}};
    if (which == N_LOSSES - 1) s.layers[1].activation = RN_SOFTMAX;
    return s;
}

/* ---- memory ---------------------------------------------------------------------- */

#if defined(_WIN32)
#include <malloc.h>
#define ALLOCATE(bytes) _aligned_malloc(bytes, ALIGNMENT)
#define RELEASE(p) _aligned_free(p)
#else
static void *allocate(size_t bytes) {
    static void *p; /* GCC takes what a local one points to for dangling */
    return posix_memalign(&p, ALIGNMENT, bytes) ? NULL : p;
}
#define ALLOCATE(bytes) allocate(bytes)
#define RELEASE(p) free(p)
#endif

enum { MAX_ALLOCATIONS = 64 };
static void *allocations[MAX_ALLOCATIONS];
static size_t n_allocations;

/* Zeros on a 64-byte boundary, until release_all. */
static void *zeros(size_t bytes) {
    void *p = ALLOCATE(bytes ? bytes : 1);
    if (!p || n_allocations == MAX_ALLOCATIONS) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    allocations[n_allocations++] = p;
    return memset(p, 0, bytes);
}

static void release_all(void) {
    while (n_allocations) RELEASE(allocations[--n_allocations]);
}

/* FNV-1a over the elements; a NaN counts as one value, its sign is the CPU's own. */
static void add_bytes(uint64_t *hash, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) *hash = (*hash ^ p[i]) * 0x100000001B3u;
}

static void add_floats(uint64_t *hash, const void *data, size_t n, int single) {
    for (size_t i = 0; i < n; i++) {
        if (single) {
            const float x = ((const float *)data)[i];
            add_bytes(hash, x == x ? (const void *)&x : "nan", 4);
        } else {
            const double x = ((const double *)data)[i];
            add_bytes(hash, x == x ? (const void *)&x : "not nan", 8);
        }
    }
}

/* ---- data ------------------------------------------------------------------------ */

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 40);
}

typedef struct {
    rn_source x, y;
    int64_t label[ROWS], order[ROWS];
    double weight[ROWS], rates[ROWS];
} data_set;

/* Inputs in [-1, 1), targets in [0, 1): multiples of 2^-16, exact in both dtypes.  The
 * inputs stand column by column in float64, so that rows are gathered and converted. */
static void make_data(data_set *d, size_t rows, size_t n_in, size_t n_out) {
    uint64_t state = 20090806;
    double *x = zeros(ROWS * n_in * sizeof *x);
    float *y = zeros(ROWS * n_out * sizeof *y);
    for (size_t i = 0; i < ROWS * n_in; i++) {
        x[i] = (double)(next_random(&state) & 0x1FFFF) / 65536 - 1;
    }
    for (size_t i = 0; i < ROWS * n_out; i++) {
        y[i] = (float)(next_random(&state) & 0xFFFF) / 65536;
    }
    for (size_t i = 0; i < ROWS; i++) {
        d->label[i] = next_random(&state) % n_out;
        d->weight[i] = next_random(&state) % 4 * 0.5;
    }
    for (size_t i = 0; i < ROWS; i++) d->rates[i] = 0.01 / (double)(1 + i % 3);
    d->x = (rn_source){.data = (const char *)x,
                       .row_stride = sizeof *x,
                       .col_stride = (ptrdiff_t)(ROWS * sizeof *x),
                       .n_rows = rows,
                       .n_cols = n_in,
                       .dtype = RN_F64};
    d->y = (rn_source){.data = (const char *)y,
                       .row_stride = (ptrdiff_t)(n_out * sizeof *y),
                       .col_stride = sizeof *y,
                       .n_rows = rows,
                       .n_cols = n_out,
                       .dtype = RN_F32};
}

/* ---- one training run -------------------------------------------------------------
 */

typedef struct {
    const rn_tables *table;
    int single, division;
    size_t threads, epochs;
} variant;

typedef struct {
    rn_net net;
    rn_layer layers[MAX_LAYERS];
    char *arrays[N_ARRAYS]; /* NULL where the optimiser has no use for it */
    size_t size;            /* elements of each */
} model;

/* How threads share a block: its panels, the units of its layers, or pieces of rows. */
enum { BY_PANEL, BY_LAYER, BY_PIECE, N_DIVISIONS, PIECE_ROWS = 32 };
static const char *const division_names[] = {"panels", "layers", "pieces"};

static size_t piece_rows(const variant *v) {
    return v->division == BY_PIECE ? PIECE_ROWS : 0;
}

/* A gradient is kept where a batch has several pieces. */
static int uses(int optimizer, int array, int pieces) {
    switch (array) {
    case M:
        return optimizer == RN_MOMENTUM || optimizer == RN_NESTEROV ||
               optimizer == RN_ADAM || optimizer == RN_ADAMW;
    case V: return optimizer >= RN_ADAGRAD;
    case GRADIENT: return pieces;
    default: return 1;
    }
}

static void point(rn_param *p, const model *m, size_t at, size_t element) {
    void **members[N_ARRAYS] = {&p->w, &p->m, &p->v, &p->q, &p->g, &p->ema};
    for (int k = 0; k < N_ARRAYS; k++) {
        *members[k] = m->arrays[k] ? m->arrays[k] + at * element : NULL;
    }
}

static rn_param describe(const layer_spec *s) {
    return (rn_param){.rate_factor = 1,
                      .l1 = s->l1,
                      .l2 = s->l2,
                      .l1_rule = s->l1_rule,
                      .sign_at_zero = s->sign_at_zero,
                      .non_negative = s->non_negative,
                      .group = s->group,
                      .group_strength = s->group_strength};
}

static void make_model(model *m, const net_spec *s, const variant *v, int optimizer) {
    const size_t element = v->single ? sizeof(float) : sizeof(double);
    const size_t members = s->members ? s->members : 1;
    size_t n_in = s->n_in, at = 0;
    memset(m, 0, sizeof *m);
    for (size_t l = 0; l < s->n_layers; l++) {
        m->size += members * ((n_in + 1) * s->layers[l].n_out + 2 * ALIGNMENT);
        n_in = s->layers[l].n_out;
    }
    for (int k = 0; k < N_ARRAYS; k++) {
        const int pieces =
            s->batch_size > s->block_rows || v->division == BY_PIECE || members > 1;
        if (!uses(optimizer, k, pieces)) continue;
        m->arrays[k] = zeros(m->size * element);
    }
    n_in = s->n_in;
    for (size_t l = 0; l < s->n_layers; l++) {
        const layer_spec *from = &s->layers[l];
        m->layers[l] = (rn_layer){.n_in = n_in,
                                  .n_out = from->n_out,
                                  .activation = from->activation,
                                  .activation_param = from->activation_param,
                                  .keep = from->keep > 0 ? from->keep : 1,
                                  .max_norm = from->max_norm,
                                  .dropout_layer = (uint32_t)l + 1,
                                  .weight = describe(from)};
        const size_t own = l + 1 == s->n_layers ? members : 1;
        point(&m->layers[l].weight, m, at, element);
        at += (own * n_in * from->n_out + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
        if (!from->no_bias) point(&m->layers[l].bias, m, at, element);
        at += (members * from->n_out + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
        if (members > own) {
            point(&m->layers[l].in_factor, m, at, element);
            at += (members * n_in + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
            point(&m->layers[l].out_factor, m, at, element);
            at += (members * from->n_out + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
        }
        n_in = from->n_out;
    }
    m->net = (rn_net){.n_layers = s->n_layers,
                      .layers = m->layers,
                      .members = s->members,
                      .input_keep = s->input_keep,
                      .loss = s->loss,
                      .loss_param = s->loss_param,
                      .output = s->output,
                      .seed = 7};
}

/* Normal numbers times a power of two: no rounding but the generator's own. */
static void draw(void *array, size_t n, float factor, uint32_t stream,
                 const variant *v) {
    float *f = array;
    double *d = array;
    if (v->single) v->table->f32->random_normal(n, f, 11, stream, 0);
    else v->table->f64->random_normal(n, d, 11, stream, 0);
    for (size_t i = 0; i < n; i++) {
        if (v->single) f[i] *= factor;
        else d[i] *= (double)factor;
    }
}

static void start_weights(model *m, const variant *v) {
    for (size_t l = 0; l < m->net.n_layers; l++) {
        const rn_layer *layer = &m->layers[l];
        const size_t members = m->net.members ? m->net.members : 1;
        const size_t own = l + 1 == m->net.n_layers ? members : 1;
        const uint32_t stream = (uint32_t)l;
        draw(layer->weight.w, own * layer->n_in * layer->n_out, 0.25f, stream, v);
        if (members == own) continue;
        draw(layer->in_factor.w, members * layer->n_in, 1, 100 + stream, v);
        draw(layer->out_factor.w, members * layer->n_out, 1, 200 + stream, v);
    }
}

static rn_optimizer make_optimizer(int kind) {
    return (rn_optimizer){.kind = kind,
                          .momentum =
                              kind == RN_MOMENTUM || kind == RN_NESTEROV ? 0.9 : 0,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .weight_decay = kind == RN_ADAMW ? 0.01 : 0,
                          .beta1_power = 1,
                          .beta2_power = 1,
                          .credit_decay = 0.9999};
}

static void add_prediction(uint64_t *hash, model *m, const variant *v, data_set *d) {
    const size_t n_out = d->y.n_cols, sizes[2] = {d->x.n_rows, 1};
    void *out = zeros(ROWS * n_out * sizeof(double));
    for (size_t l = 0; l < m->net.n_layers; l++) m->layers[l].keep = 1;
    m->net.input_keep = 1;
    for (int i = 0; i < 2; i++) {
        rn_source x = d->x;
        x.n_rows = sizes[i];
        if (v->single) {
            void *work =
                zeros(v->table->f32->predict_work_size(&m->net, &x, v->threads));
            v->table->f32->predict(&m->net, &x, out, v->threads, work);
        } else {
            void *work =
                zeros(v->table->f64->predict_work_size(&m->net, &x, v->threads));
            v->table->f64->predict(&m->net, &x, out, v->threads, work);
        }
        add_floats(hash, out, sizes[i] * n_out, v->single);
    }
}

static void *work_of(const rn_run *run, const variant *v) {
    return zeros(v->single ? v->table->f32->train_work_size(run)
                           : v->table->f64->train_work_size(run));
}

static void add_training(uint64_t *hash, const net_spec *s, const variant *v,
                         int kind) {
    static data_set d;
    static model m;
    rn_optimizer optimizer = make_optimizer(kind);
    const size_t rows = s->rows ? s->rows : ROWS;
    make_model(&m, s, v, kind);
    make_data(&d, rows, s->n_in, s->layers[s->n_layers - 1].n_out);
    start_weights(&m, v);
    rn_progress progress = {0};
    double loss_sum = 0;
    rn_run run = {.net = &m.net,
                  .optimizer = &optimizer,
                  .progress = &progress,
                  .x = &d.x,
                  .order = s->in_order ? NULL : d.order,
                  .sample_weight = s->weighted ? d.weight : NULL,
                  .learning_rates = d.rates,
                  .n = rows,
                  .batch_size = s->batch_size,
                  .block_rows = s->block_rows,
                  .max_steps = ROWS,
                  .n_threads = v->threads,
                  .piece_rows = piece_rows(v),
                  .by_layer = v->division == BY_LAYER,
                  .ema_decay = 0.99,
                  .seconds = 1e9};
    run.work = work_of(&run, v);
    if (s->loss == RN_SOFTMAX_CROSS_ENTROPY) run.labels = d.label;
    else run.y = &d.y;
    for (uint64_t epoch = 0; epoch < v->epochs; epoch++) {
        rn_permutation(rows, d.order, 3, epoch);
        run.steps_done = 0;
        if (v->single) v->table->f32->train(&run);
        else v->table->f64->train(&run);
        loss_sum += progress.loss_sum;
    }
    if (run.status != RN_RUNNING || progress.epoch != v->epochs) {
        fprintf(stderr, "%s: training diverged\n", s->name);
        exit(2);
    }
    /* in float32: the float64 sum of the losses depends on the pieces in its last bit
     */
    const float loss = (float)loss_sum;
    add_bytes(hash, &loss, sizeof loss);
    for (int k = 0; k < N_ARRAYS; k++) {
        if (m.arrays[k] && k != GRADIENT)
            add_floats(hash, m.arrays[k], m.size, v->single);
    }
    if (!s->members) add_prediction(hash, &m, v, &d); /* a plain network's */
    release_all();
}

/* ---- kernels on arrays ------------------------------------------------------------
 */

enum { N_POINTS = 4099 };

/* Points over all magnitudes, both signs, then what is not finite. */
static void make_points(double *x) {
    uint64_t state = 42;
    for (int i = 0; i < N_POINTS; i++) {
        int exponent = (int)(next_random(&state) % 60) - 40;
        double value = (double)(next_random(&state) + 1);
        for (; exponent < 0; exponent++) value *= 0.5;
        for (; exponent > 0; exponent--) value *= 2;
        x[i] = i % 2 ? -value / 65536 : value / 65536;
    }
    const double zero = 0, huge = 1e300;
    x[0] = zero;
    x[1] = -zero;
    x[2] = huge * huge;
    x[3] = -huge * huge;
    x[4] = x[2] - x[2];
}

/* A kernel of the dtype; the arrays are void *. */
#define KERNEL(name, ...)                                                              \
    (v->single ? v->table->f32->name(__VA_ARGS__) : v->table->f64->name(__VA_ARGS__))

#define ADD_FUNCTION(name)                                                             \
    KERNEL(name, N_POINTS, y, x);                                                      \
    add_floats(hash, y, N_POINTS, v->single);

static void add_functions(uint64_t *hash, const variant *v) {
    static double points[N_POINTS], out[N_POINTS];
    static float single_points[N_POINTS];
    void *y = out, *x = v->single ? (void *)single_points : (void *)points;
    make_points(points);
    for (int i = 0; i < N_POINTS; i++) single_points[i] = (float)points[i];
    ADD_FUNCTION(exp)
    ADD_FUNCTION(expm1)
    ADD_FUNCTION(log)
    ADD_FUNCTION(log1p)
    ADD_FUNCTION(tanh)
    ADD_FUNCTION(atan)
    ADD_FUNCTION(erf)
}

enum { LENGTH = 203, COLUMNS = 29, SIZE = LENGTH * COLUMNS };

/* The other kernels, on arrays of odd lengths; x in [-2, 2), z in [0.5, 4.5). */
static uint64_t hash_of_kernels(const variant *v) {
    const size_t element = v->single ? sizeof(float) : sizeof(double);
    uint64_t hash = 0xCBF29CE484222325u;
    void *x = zeros(SIZE * element), *y = zeros(SIZE * element);
    void *z = zeros(SIZE * element), *w = zeros(COLUMNS * COLUMNS * element);
    void *row = zeros(LENGTH * element);
    KERNEL(random_uniform, SIZE, x, 11, 1, 0);
    KERNEL(random_normal, COLUMNS * COLUMNS, w, 11, 2, 5);
    for (size_t i = 0; i < SIZE; i++) {
        if (v->single) ((float *)x)[i] = 4 * ((float *)x)[i] - 2;
        else ((double *)x)[i] = 4 * ((double *)x)[i] - 2;
    }
    for (int f = 0; rn_activation_names[f]; f++) {
        if (f == RN_SOFTMAX) continue;
        KERNEL(activation_forward, f, SIZE, y, z, x, 0.3f);
        add_floats(&hash, y, SIZE, v->single);
        add_floats(&hash, z, SIZE, v->single);
    }
    KERNEL(softmax_forward, COLUMNS, LENGTH, LENGTH, y, x);
    KERNEL(softmax_backward, COLUMNS, LENGTH, LENGTH, z, x, y);
    add_floats(&hash, y, SIZE, v->single);
    add_floats(&hash, z, SIZE, v->single);
    for (int loss = 0; rn_loss_names[loss]; loss++) { /* y holds probabilities */
        KERNEL(loss_rows, loss, COLUMNS, LENGTH, LENGTH, row, z, x, y, NULL, NULL,
               0.4f);
        add_floats(&hash, row, LENGTH, v->single);
        add_floats(&hash, z, SIZE, v->single);
    }
    KERNEL(dense_forward, LENGTH, COLUMNS, COLUMNS, y, x, w, w);
    KERNEL(dense_weight_gradient, LENGTH, COLUMNS, COLUMNS, w, x, y);
    add_floats(&hash, y, SIZE, v->single);
    KERNEL(max_norm, COLUMNS, COLUMNS, w, 0, COLUMNS, 1.0);
    KERNEL(prox_l1, COLUMNS * COLUMNS, w, 0.01f);
    add_floats(&hash, w, COLUMNS * COLUMNS, v->single);
    release_all();
    return hash;
}

/* ---- the matrix -------------------------------------------------------------------
 */

static uint64_t hash_of_training(const variant *v) {
    uint64_t hash = 0xCBF29CE484222325u;
    add_functions(&hash, v);
    for (int i = 0; i < N_NETWORKS; i++) {
        for (int kind = RN_SGD; kind <= RN_FTRL; kind++) {
            add_training(&hash, &networks[i], v, kind);
        }
    }
    for (int i = 0; i < N_LOSSES; i++) {
        const net_spec s = loss_network(i);
        add_training(&hash, &s, v, RN_ADAM);
    }
    return hash;
}

static uint64_t hash_of_members(const variant *v) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (int kind = RN_SGD; kind <= RN_FTRL; kind++) {
        add_training(&hash, &of_members, v, kind);
    }
    return hash;
}

static const char *const dtype_names[] = {"float64", "float32"};

/* Prints a line; 1 if the hash is not the wanted one, which is set if it is 0. */
static int report(const variant *v, const char *what, uint64_t hash, uint64_t *wanted) {
    const int fused = v->table->f32->fused;
    if (!*wanted) *wanted = hash;
    printf("%s %s %s %s threads=%d %08lx%08lx%s\n", dtype_names[v->single],
           v->table->isa, fused ? "fused" : "unfused", what, (int)v->threads,
           (unsigned long)(hash >> 32), (unsigned long)(hash & 0xFFFFFFFFu),
           hash == *wanted ? "" : " DIFFERS");
    fflush(stdout);
    return hash != *wanted;
}

int main(int count, char **arguments) {
    size_t epochs = count > 1 ? strtoul(arguments[1], NULL, 10) : 2;
    size_t threads[16] = {1, 3}, n_threads = 2;
    int failures = 0;
    for (int i = 2; i < count && i < 18; i++) {
        threads[i - 2] = strtoul(arguments[i], NULL, 10);
        n_threads = (size_t)i - 1;
    }
    for (int single = 1; single >= 0; single--) {
        /* unfused, fused */
        uint64_t training[2] = {0}, kernels[2] = {0}, members[2] = {0};
        for (const rn_tables *const *t = rn_available(); *t; t++) {
            const int fused = (*t)->f32->fused;
            variant v = {*t, single, 0, 1, epochs};
            failures += report(&v, "kernels", hash_of_kernels(&v), &kernels[fused]);
            for (size_t i = 0; i < n_threads; i++) {
                v.threads = threads[i];
                failures += report(&v, "members", hash_of_members(&v), &members[fused]);
            }
            for (v.division = 0; v.division < N_DIVISIONS; v.division++) {
                for (size_t i = 0; i < n_threads; i++) {
                    v.threads = threads[i];
                    failures += report(&v, division_names[v.division],
                                       hash_of_training(&v), &training[fused]);
                }
            }
        }
    }
    return failures != 0;
}
