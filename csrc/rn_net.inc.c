/* Training steps and predictions of a whole network, made only of the layers'
 * functions.
 *
 * A batch is taken in blocks of rows.  For each block: a chain (gather, forward, loss,
 * backward) gives dz of every layer; then the weight gradients are summed and, with the
 * last block of the batch, used at once.  Threads either take panels of rows through
 * the chain alone, meeting twice a step, or share the units of every layer.  Because
 * every sum runs in index order, neither the blocks nor the threads change a bit.
 */
#include "rn_fpmode.h"
#include "rn_threads.h"

typedef struct {
    size_t panels;   /* that fit in a block */
    size_t ld_block; /* elements per block of units in dz_blocks */
    T *x, *y, *row_loss, *scale;
    T **a, **d, **dz_blocks; /* per layer: outputs; slope, later dz; its rows */
    T *thread_work;          /* of one thread, thread_size elements each */
    size_t thread_size, pack_size;
} RN_FN(rn_work);

#ifndef RN_NET_COMMON
#define RN_NET_COMMON
RN_INLINE size_t rn_max(size_t a, size_t b) { return a > b ? a : b; }
RN_INLINE size_t rn_min(size_t a, size_t b) { return a < b ? a : b; }

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
#endif

static RN_FN(rn_work) RN_FN(lay_out)(const rn_net *net, size_t block_rows,
                                     size_t n_threads, rn_arena *arena) {
    const rn_layer *layers = net->layers;
    const size_t n = net->n_layers, panels = rn_pieces(block_rows, RN_PANEL);
    const size_t rows = panels * RN_PANEL, last = layers[n - 1].n_out;
    RN_FN(rn_work) work = {.panels = panels, .ld_block = rows * RN_PANEL};
    work.pack_size =
        RN_PACKED_TILES * RN_TILE_ROWS * rn_deepest_pack(net) + 2 * RN_TILE_ROWS;
    work.thread_size = rn_max(work.pack_size, RN_PANEL * rn_widest(net)) +
                       RN_TILE_ROWS * RN_GRADIENT_COLUMNS;
    work.thread_size = rn_pieces(work.thread_size, 64) * 64;
    T ***lists[3] = {&work.a, &work.d, &work.dz_blocks};
    for (int i = 0; i < 3; i++) *lists[i] = rn_take(arena, n * sizeof(T *));
    work.x = rn_take(arena, rows * layers[0].n_in * sizeof(T));
    work.y = rn_take(arena, rows * last * sizeof(T));
    work.row_loss = rn_take(arena, rows * sizeof(T));
    work.scale = rn_take(arena, rows * sizeof(T));
    for (size_t l = 0; l < n; l++) {
        const size_t bytes = rows * layers[l].n_out * sizeof(T);
        const size_t unit_blocks = rn_pieces(layers[l].n_out, RN_PANEL);
        T *a = rn_take(arena, bytes), *d = rn_take(arena, bytes);
        T *blocks = rn_take(arena, unit_blocks * work.ld_block * sizeof(T));
        if (!arena->base) continue;
        work.a[l] = a;
        work.d[l] = d;
        work.dz_blocks[l] = blocks;
    }
    work.thread_work = rn_take(arena, n_threads * work.thread_size * sizeof(T));
    return work;
}

static size_t RN_FN(train_work_size)(const rn_net *net, size_t block_rows,
                                     size_t n_threads) {
    rn_arena arena = {0};
    RN_FN(lay_out)(net, block_rows, n_threads, &arena);
    return arena.used;
}

/* What one thread knows while it works on one block of rows. */
typedef struct {
    const rn_run *run;
    const RN_FN(rn_work) * work;
    RN_FN(rn_block) block;
    rn_worker worker;
    size_t first;        /* position of the block's first row in the epoch */
    size_t batch_row;    /* and in its batch */
    size_t batch_size;   /* rows of this batch */
    double batch_weight; /* sum of their sample weights */
    size_t p0, p1;       /* panels of this thread */
    uint64_t step;
} RN_FN(rn_task);

RN_INLINE T *RN_FN(own_work)(const RN_FN(rn_task) * task) {
    return task->work->thread_work + task->worker.index * task->work->thread_size;
}

/* Units [from, to) of n that this thread computes; whole panels, so that transposes and
 * random numbers (four units a draw) are never cut. */
RN_INLINE void RN_FN(own_units)(const RN_FN(rn_task) * task, size_t n, size_t *from,
                                size_t *to) {
    const size_t grain = rn_max(RN_PANEL, 4), pieces = rn_pieces(n, grain);
    *from = 0;
    *to = n;
    if (!task->run->by_layer) return;
    *from = rn_min(n, grain * rn_part(pieces, task->worker.index, task->worker.count));
    *to =
        rn_min(n, grain * rn_part(pieces, task->worker.index + 1, task->worker.count));
}

RN_INLINE void RN_FN(meet)(const RN_FN(rn_task) * task) {
    if (task->run->by_layer) rn_barrier(task->worker);
}

/* In a shared chain a panel's gather and loss belong to one thread. */
RN_INLINE int RN_FN(owns_panel)(const RN_FN(rn_task) * task, size_t p) {
    return !task->run->by_layer || p % task->worker.count == task->worker.index;
}

/* Dropout on units [j0, j1) of panel p: a drawn mask, or the caller's. */
static void RN_FN(drop)(const RN_FN(rn_task) * task, T *a, T *slope, size_t n_units,
                        size_t p, size_t j0, size_t j1, double keep, uint32_t layer,
                        const rn_source *mask) {
    const size_t ld = RN_FN(columns_at)(&task->block, p);
    const size_t first_row = task->batch_row + p * RN_PANEL;
    const size_t at = p * n_units * RN_PANEL + j0 * ld;
    if ((keep >= 1 && !mask) || j0 == j1) return;
    a += at;
    if (slope) slope += at;
    if (mask) {
        const size_t count = RN_FN(panel_count)(&task->block, p), n = (j1 - j0) * ld;
        T *drawn = RN_FN(own_work)(task);
        rn_source part = *mask;
        part.data += (ptrdiff_t)j0 * mask->col_stride;
        part.n_cols = j1 - j0;
        RN_FN(gather_panel)(drawn, &part, count, NULL, first_row);
        for (size_t i = 0; i < n; i++) {
            const T factor = drawn[i] * (T)(1 / keep);
            a[i] *= factor;
            if (slope) slope[i] *= factor;
        }
    } else {
        const rn_dropout d = {.seed = task->run->net->seed,
                              .step = task->step,
                              .layer = layer,
                              .first_unit = j0,
                              .keep = keep};
        RN_FN(dropout_apply)(j1 - j0, ld, ld, a, slope, first_row, &d);
    }
}

/* The row of the data that stands at a position of the epoch. */
RN_INLINE size_t RN_FN(row_at)(const rn_run *run, size_t position) {
    return run->order ? (size_t)run->order[position] : position;
}

static void RN_FN(gather_block)(const RN_FN(rn_task) * task) {
    const rn_run *run = task->run;
    const rn_net *net = run->net;
    const size_t n_in = net->layers[0].n_in,
                 n_out = net->layers[net->n_layers - 1].n_out;
    for (size_t p = task->p0; p < task->p1; p++) {
        const size_t count = RN_FN(panel_count)(&task->block, p);
        const size_t at = task->first + p * RN_PANEL;
        const int64_t *order = run->order ? run->order + at : NULL;
        T *x = task->work->x + p * n_in * RN_PANEL;
        if (!RN_FN(owns_panel)(task, p)) continue;
        if (task->block.flat) RN_FN(gather_rows)(x, run->x, count, order, at);
        else RN_FN(gather_panel)(x, run->x, count, order, at);
        RN_FN(drop)(task, task->work->x, NULL, n_in, p, 0, n_in, net->input_keep, 0,
                    net->input_mask);
        if (run->y) {
            RN_FN(gather_panel)(task->work->y + p * n_out * RN_PANEL, run->y, count,
                                order, at);
        }
    }
}

/* Loss of panel p and dz of the last layer; every row weighs w / sum(w) of the batch.
 */
static void RN_FN(panel_loss)(const RN_FN(rn_task) * task, size_t p) {
    const rn_run *run = task->run;
    const rn_net *net = run->net;
    const size_t l = net->n_layers - 1, n_out = net->layers[l].n_out;
    const int activation = net->layers[l].activation;
    const size_t count = RN_FN(panel_count)(&task->block, p);
    const size_t ld = RN_FN(panel_columns)(count), at = p * n_out * RN_PANEL;
    T *a = task->work->a[l] + at, *d = task->work->d[l] + at;
    T *scale = task->work->scale + p * RN_PANEL;
    int64_t label[RN_PANEL_OF(RN_LANES)] = {0};
    const T even = (T)(1 / task->batch_weight);
    for (size_t i = 0; i < ld; i++) scale[i] = i < count ? even : (T)0;
    for (size_t i = 0; (run->labels || run->sample_weight) && i < count; i++) {
        const size_t row = RN_FN(row_at)(run, task->first + p * RN_PANEL + i);
        if (run->labels) label[i] = run->labels[row];
        if (!run->sample_weight) continue;
        /* a batch whose rows all weigh nothing has no data gradient */
        const double weight = run->sample_weight[row];
        scale[i] = weight > 0 ? (T)(weight / task->batch_weight) : (T)0;
    }
    if (activation == RN_SOFTMAX) RN_FN(softmax_forward)(n_out, ld, ld, a, a);
    RN_FN(loss_rows)(net->loss, n_out, ld, ld, task->work->row_loss + p * RN_PANEL,
                     activation == RN_IDENTITY || activation == RN_SOFTMAX ? d : a, a,
                     run->y ? task->work->y + at : NULL, run->labels ? label : NULL,
                     scale, (T)net->loss_param);
    if (activation == RN_SOFTMAX) {
        RN_FN(softmax_backward)(n_out, ld, ld, d, d, a);
    } else if (activation != RN_IDENTITY) {
        for (size_t i = 0; i < n_out * ld; i++) d[i] *= a[i];
    }
}

/* dz of units [j0, j1) of layer l as rows, the form the weight gradient reads. */
static void RN_FN(store_dz_rows)(const RN_FN(rn_task) * task, size_t l, size_t p,
                                 size_t j0, size_t j1) {
    const size_t n_out = task->run->net->layers[l].n_out;
    RN_FN(panel_to_unit_blocks)(task->work->dz_blocks[l] + p * RN_PANEL * RN_PANEL,
                                task->work->ld_block,
                                task->work->d[l] + p * n_out * RN_PANEL,
                                RN_FN(columns_at)(&task->block, p), j0, j1);
}

/* Gather, forward, loss, backward for panels [p0, p1). */
static void RN_FN(chain)(const RN_FN(rn_task) * task) {
    const rn_net *net = task->run->net;
    const RN_FN(rn_work) *work = task->work;
    const RN_FN(rn_block) *block = &task->block;
    const size_t n = net->n_layers, p0 = task->p0, p1 = task->p1;
    size_t from, to;
    RN_FN(gather_block)(task);
    RN_FN(meet)(task);
    for (size_t l = 0; l < n; l++) {
        const rn_layer *layer = &net->layers[l];
        const int stored = l == n - 1 ? layer->activation != RN_IDENTITY
                                      : rn_backward_mode(layer) == RN_SLOPE;
        T *slope = stored ? work->d[l] : NULL;
        RN_FN(own_units)(task, layer->n_out, &from, &to);
        if (l == 0 && block->flat) {
            RN_FN(layer_forward_flat)(layer, block, work->a[0], slope, work->x, from,
                                      to, RN_FN(own_work)(task));
        } else {
            RN_FN(layer_forward)(layer, block, work->a[l], slope,
                                 l ? work->a[l - 1] : work->x, p0, p1, from, to,
                                 RN_FN(own_work)(task));
        }
        for (size_t p = p0; p < p1; p++) {
            RN_FN(drop)(task, work->a[l], slope, layer->n_out, p, from, to, layer->keep,
                        layer->dropout_layer, layer->mask);
        }
        RN_FN(meet)(task);
    }
    for (size_t p = p0; p < p1; p++) {
        if (!RN_FN(owns_panel)(task, p)) continue;
        RN_FN(panel_loss)(task, p);
        RN_FN(store_dz_rows)(task, n - 1, p, 0, net->layers[n - 1].n_out);
    }
    RN_FN(meet)(task);
    for (size_t l = n - 1; l > 0; l--) {
        RN_FN(own_units)(task, net->layers[l].n_in, &from, &to);
        RN_FN(layer_input_gradient)(&net->layers[l], &net->layers[l - 1], block,
                                    work->d[l - 1], work->d[l], work->a[l - 1], p0, p1,
                                    from, to);
        for (size_t p = p0; p < p1; p++) {
            RN_FN(store_dz_rows)(task, l - 1, p, from, to);
        }
        RN_FN(meet)(task);
    }
}

RN_INLINE rn_step RN_FN(step_of)(const rn_run *run, const rn_param *param) {
    const rn_optimizer *o = run->optimizer;
    return (rn_step){.kind = o->kind,
                     .l1_rule = param->l1_rule,
                     .sign_at_zero = param->sign_at_zero,
                     .non_negative = param->non_negative,
                     .learning_rate = run->learning_rates[run->steps_done],
                     .l1 = param->l1,
                     .l2 = param->l2,
                     .momentum = o->momentum,
                     .beta1 = o->beta1,
                     .beta2 = o->beta2,
                     .epsilon = o->epsilon,
                     .weight_decay = o->weight_decay,
                     .correction1 = 1 - o->beta1_power * o->beta1,
                     .correction2 = 1 - o->beta2_power * o->beta2,
                     .response = o->momentum * o->response +
                                 run->learning_rates[run->steps_done],
                     .credit = o->credit_decay * o->credit + 1,
                     .credit_decay = o->credit_decay};
}

/* Weight gradients of this thread's inputs of every layer, and their updates. */
static void RN_FN(descend)(const RN_FN(rn_task) * task, int first, int update) {
    const rn_run *run = task->run;
    const RN_FN(rn_work) *work = task->work;
    T *buffer =
        RN_FN(own_work)(task) + work->thread_size - RN_TILE_ROWS * RN_GRADIENT_COLUMNS;
    for (size_t l = 0; l < run->net->n_layers; l++) {
        const rn_layer *layer = &run->net->layers[l];
        const size_t count = task->worker.count;
        const size_t k0 = rn_part(layer->n_in, task->worker.index, count);
        const size_t k1 = rn_part(layer->n_in, task->worker.index + 1, count);
        rn_step step = {0};
        if (update) step = RN_FN(step_of)(run, &layer->weight);
        RN_FN(layer_weight_gradient)(layer, &task->block, l ? work->a[l - 1] : work->x,
                                     l == 0, work->dz_blocks[l], work->ld_block, k0, k1,
                                     first, update ? &step : NULL, run->ema_decay,
                                     buffer);
        if (layer->bias.w && l % count == task->worker.index) {
            if (update) step = RN_FN(step_of)(run, &layer->bias);
            RN_FN(layer_bias_gradient)(layer, &task->block, work->dz_blocks[l],
                                       work->ld_block, first, update ? &step : NULL,
                                       run->ema_decay);
        }
    }
}

/* Constraints that need whole columns of W; every thread takes some columns. */
static void RN_FN(constrain)(const rn_run *run, rn_worker worker) {
    int any = 0;
    for (size_t l = 0; l < run->net->n_layers; l++) {
        any |= run->net->layers[l].max_norm > 0;
    }
    if (!any) return;
    rn_barrier(worker);
    for (size_t l = 0; l < run->net->n_layers; l++) {
        const rn_layer *layer = &run->net->layers[l];
        if (layer->max_norm <= 0) continue;
        RN_FN(max_norm)(layer->n_in, layer->n_out, layer->weight.w,
                        rn_part(layer->n_out, worker.index, worker.count),
                        rn_part(layer->n_out, worker.index + 1, worker.count),
                        layer->max_norm);
    }
}

/* Weighted sum of the block's losses: eight partial sums and a fixed tree. */
static double RN_FN(block_loss)(const RN_FN(rn_task) * task) {
    const rn_run *run = task->run;
    const T *row_loss = task->work->row_loss;
    const size_t n = task->block.count;
    double s[8] = {0};
    if (run->sample_weight) {
        for (size_t i = 0; i < n; i++) {
            const double w = run->sample_weight[RN_FN(row_at)(run, task->first + i)];
            if (w > 0) s[i % 8] += w * (double)row_loss[i];
        }
    } else {
        for (size_t i = 0; i < n / 8 * 8; i += 8) {
            for (size_t k = 0; k < 8; k++) s[k] += (double)row_loss[i + k];
        }
        for (size_t i = n / 8 * 8; i < n; i++) s[i % 8] += (double)row_loss[i];
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double RN_FN(weight_of_batch)(const rn_run *run, size_t first, size_t size) {
    double sum = 0;
    if (!run->sample_weight) return (double)size;
    for (size_t i = first; i < first + size; i++) {
        sum += run->sample_weight[RN_FN(row_at)(run, i)];
    }
    return sum;
}

/* The next block of rows, as recorded in run. */
static RN_FN(rn_task)
    RN_FN(next_task)(const rn_run *run, const RN_FN(rn_work) * work, rn_worker worker) {
    const size_t start = run->row - run->batch_row;
    RN_FN(rn_task)
    task = {.run = run,
            .work = work,
            .worker = worker,
            .first = run->row,
            .batch_row = run->batch_row,
            .step = run->optimizer ? run->optimizer->step : 0};
    task.batch_size = rn_min(run->batch_size, run->n - start);
    task.block.count = rn_min(run->block_rows, task.batch_size - run->batch_row);
    task.block.panels = rn_pieces(task.block.count, RN_PANEL);
    task.block.flat = task.block.count <= RN_LANES && run->net->input_keep >= 1 &&
                      !run->net->input_mask && run->x->n_cols >= 4 * RN_LANES;
    task.batch_weight = run->batch_row
                            ? run->batch_weight
                            : RN_FN(weight_of_batch)(run, start, task.batch_size);
    return task;
}

/* A batch whose rows all weigh nothing is as if it were not there. */
RN_INLINE int RN_FN(takes_step)(const RN_FN(rn_task) * task) {
    return !task->run->gradient_only && task->batch_weight > 0;
}

/* Thread 0 writes down what the block did, between two barriers. */
static void RN_FN(record)(rn_run *run, const RN_FN(rn_task) * task, double loss,
                          int last) {
    rn_optimizer *o = run->optimizer;
    run->batch_weight = task->batch_weight;
    run->batch_loss = (task->batch_row ? run->batch_loss : 0) + loss;
    run->row += task->block.count;
    run->batch_row = last ? 0 : task->batch_row + task->block.count;
    if (!last) return;
    run->loss_sum += run->batch_loss;
    run->weight_sum += run->batch_weight;
    if (RN_FN(takes_step)(task)) {
        const double lr = run->learning_rates[run->steps_done];
        o->response = o->momentum * o->response + lr;
        o->credit = o->credit_decay * o->credit + 1;
        o->beta1_power *= o->beta1;
        o->beta2_power *= o->beta2;
        o->step++;
    }
    run->steps_done++;
}

typedef struct {
    rn_run *run;
    RN_FN(rn_work) work;
    double deadline;
    int stop;
} RN_FN(rn_training);

static void RN_FN(train_worker)(void *context, rn_worker worker) {
    RN_FN(rn_training) *training = context;
    rn_run *run = training->run;
    const rn_fpmode before = rn_flush_denormals();
    while (!training->stop) {
        RN_FN(rn_task) task = RN_FN(next_task)(run, &training->work, worker);
        const int first = task.batch_row == 0;
        const int last = task.batch_row + task.block.count == task.batch_size;
        const size_t panels = task.block.panels;
        if (run->by_layer) {
            task.p1 = panels;
            RN_FN(chain)(&task);
        } else { /* one panel at a time: its activations stay in the nearest cache */
            const size_t p1 = rn_part(panels, worker.index + 1, worker.count);
            for (size_t p = rn_part(panels, worker.index, worker.count); p < p1; p++) {
                task.p0 = p;
                task.p1 = p + 1;
                RN_FN(chain)(&task);
            }
        }
        rn_barrier(worker);
        const double loss = RN_FN(block_loss)(&task);
        const int finite = loss - loss == 0;
        if (finite || run->gradient_only) {
            const int update = last && RN_FN(takes_step)(&task);
            RN_FN(descend)(&task, first, update);
            if (update) RN_FN(constrain)(run, worker);
        }
        rn_barrier(worker);
        if (worker.index == 0) {
            if (finite || run->gradient_only) RN_FN(record)(run, &task, loss, last);
            else run->status = RN_DIVERGED;
            training->stop = run->status != RN_RUNNING || run->row == run->n ||
                             run->steps_done == run->max_steps ||
                             rn_seconds() > training->deadline;
        }
        rn_barrier(worker);
    }
    rn_restore_fpmode(before);
}

/* Steps until the epoch ends, max_steps are done or the time is up; see rn_run. */
static void RN_FN(train)(rn_run *run) {
    rn_arena arena = {.base = run->work};
    RN_FN(rn_training) training = {.run = run, .deadline = rn_seconds() + run->seconds};
    training.work = RN_FN(lay_out)(run->net, run->block_rows, run->n_threads, &arena);
    rn_parallel(run->n_threads, RN_FN(train_worker), &training);
}
