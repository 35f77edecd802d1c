/* Training steps of a whole network, made only of the layers' functions.
 *
 * A batch is taken in blocks of rows.  The chain of a block gives dz of every layer;
 * then the weight gradients are summed and, with the last block of the batch, used at
 * once. Because every sum runs in index order, neither the blocks nor the threads
 * change a bit.
 */
#include "rn_fpmode.h"

enum { RN_NEAR_BYTES = 1 << 16 }; /* outputs and dz: about the first-level cache */

RN_INLINE size_t rn_units(const rn_net *net) {
    size_t units = 0;
    for (size_t l = 0; l < net->n_layers; l++) units += net->layers[l].n_out;
    return units;
}

/* Weighted sum of the losses of rows [i0, i1): eight partial sums and a fixed tree. */
static double loss_of_rows(const rn_task *task, size_t i0, size_t i1) {
    const rn_run *run = task->run;
    const T *row_loss = task->work->row_loss;
    double s[8] = {0};
    if (run->sample_weight) {
        for (size_t i = i0; i < i1; i++) {
            const double w = run->sample_weight[row_at(run, task->first + i)];
            if (w > 0) s[i % 8] += w * (double)row_loss[i];
        }
    } else {
        size_t i = i0;
        for (; i + 8 <= i1; i += 8) {
            for (size_t k = 0; k < 8; k++) s[k] += (double)row_loss[i + k];
        }
        for (; i < i1; i++) s[i % 8] += (double)row_loss[i];
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Sum of the batch's losses after this block, from that before it: 64 rows at a time,
 * because blocks of other lengths must not change a bit. */
static double loss_after(const rn_task *task, double loss) {
    enum { ROWS = 64 };
    const size_t n = task->block.count;
    for (size_t i = 0; i < n; i += ROWS) {
        loss += loss_of_rows(task, i, rn_min(i + ROWS, n));
    }
    return loss;
}

/* Sum of the batch's losses before this block. */
RN_INLINE double loss_before(const rn_task *task) {
    return task->batch_row ? task->run->batch_loss : 0;
}

/* s - (a + b) exactly, with the other sign, for s = a + b as it was rounded (Knuth). */
RN_INLINE double rounding_error(double a, double b, double s) {
    const double t = s - a;
    return (a - (s - t)) + (b - t);
}

static double weight_of_batch(const rn_run *run, size_t first, size_t size) {
    double sum = 0, rest = 0;
    if (!run->sample_weight) return (double)size;
    for (size_t i = first; i < first + size; i++) {
        const double w = run->sample_weight[row_at(run, i)], before = sum;
        sum += w;
        if (size > RN_LONG_BATCH) rest += rounding_error(before, w, sum);
    }
    return sum + rest;
}

/* The next block of rows, as recorded in run.  Of members every row counts once for
 * each, so that the loss is the mean of theirs. */
static rn_task next_task(const rn_run *run, const rn_work *work, rn_worker worker) {
    const rn_progress *progress = run->progress;
    const size_t start = progress->row - progress->batch_row;
    rn_task task = {.run = run,
                    .work = work,
                    .worker = worker,
                    .first = progress->row,
                    .batch_row = progress->batch_row,
                    .step = run->optimizer ? run->optimizer->step : 0};
    task.batch_size = rn_min(run->batch_size, run->n - start);
    task.block.count = rn_min(run->block_rows, task.batch_size - progress->batch_row);
    if (task.batch_size > RN_LONG_BATCH && !run->piece_rows) { /* no more than a part */
        task.block.count =
            rn_min(task.block.count, RN_SUM_ROWS - progress->batch_row % RN_SUM_ROWS);
    }
    task.block.panels = rn_count(task.block.count, RN_PANEL);
    task.block.plain_rows = work->plain_rows && task.block.count <= RN_LANES;
    task.batch_weight = progress->batch_row
                            ? run->batch_weight
                            : weight_of_batch(run, start, task.batch_size) *
                                  (double)rn_members(run->net);
    return task;
}

/* Thread 0 records what the block did, between two barriers. Returns whether it ended
 * the epoch. */
static int record(rn_run *run, const rn_task *task, double loss, int last) {
    rn_optimizer *o = run->optimizer;
    rn_progress *progress = run->progress;
    run->batch_weight = task->batch_weight;
    run->batch_loss = loss;
    if (task->first == 0) progress->loss_sum = progress->weight_sum = 0;
    progress->row += task->block.count;
    progress->batch_row = last ? 0 : task->batch_row + task->block.count;
    if (!last) return 0;
    progress->loss_sum += run->batch_loss;
    progress->weight_sum += run->batch_weight;
    if (takes_step(task)) {
        const double lr = run->learning_rates[run->steps_done];
        o->response = o->momentum * o->response + lr;
        o->credit = o->credit_decay * o->credit + 1;
        o->beta1_power *= o->beta1;
        o->beta2_power *= o->beta2;
        o->step++;
        run->steps_done++;
    }
    if (progress->row < run->n) return 0;
    progress->row = 0;
    progress->epoch++;
    return 1;
}

typedef struct {
    rn_run *run;
    rn_work *works;
    double loss; /* of the batch, up to the last piece that ended */
    double deadline;
    size_t max_steps;
    int stop;
} rn_training;

/* The chain of panels [p0, p1), as many at a time as keep what they write in the cache.
 */
static void chain_panels(rn_task *task, size_t p0, size_t p1) {
    const size_t bytes = 2 * rn_units(task->run->net) * RN_PANEL * sizeof(T);
    const size_t at_once = rn_max(1, RN_NEAR_BYTES / bytes);
    for (size_t p = p0; p < p1; p += at_once) {
        task->p0 = p;
        task->p1 = rn_min(p + at_once, p1);
        chain(task);
    }
}

/* The descent of a block, and with an update all of the step. */
static void descend_and_step(const rn_task *task, int first, int update) {
    const int clips = update && task->run->clip_norm > 0;
    descend(task, first, update && !clips);
    if (clips) take_clipped_step(task);
    if (update) constrain(task);
}

/* A block together: the threads share panels or units, then inputs.  The loss of the
 * batch so far. */
static double share_block(rn_task *task, int first, int last) {
    const rn_worker worker = task->worker;
    const size_t panels = task->block.panels;
    prepare_chain(task);
    if (task->work->by_entry) gather_entries(task);
    if (task->work->lazy) {
        if (worker.index == 0) note_step(task);
        rn_barrier(worker);
        catch_up_touched(task);
        rn_barrier(worker);
    }
    if (task->run->by_layer) {
        task->p1 = panels;
        chain(task);
    } else {
        chain_panels(task, rn_part(panels, worker.index, worker.count),
                     rn_part(panels, worker.index + 1, worker.count));
    }
    rn_barrier(worker);
    const double loss = loss_after(task, loss_before(task));
    if (is_finite(loss) || task->run->gradient_only) {
        descend_and_step(task, first, last && takes_step(task));
    }
    return loss;
}

/* A block in pieces of piece_rows: each goes through everything on one CPU, so that
 * activations never move between CPUs; only the small gradient and the loss do, from
 * piece to piece in order.  The last piece updates: by then no other thread reads the
 * weights. */
static double take_pieces(rn_training *training, const rn_task *task,
                          size_t pieces_before, int first, int last) {
    const size_t rows = task->run->piece_rows;
    const size_t pieces = rn_count(task->block.count, rows);
    rn_task own = *task;
    own.work = &training->works[task->worker.index];
    own.worker = (rn_worker){.index = 0, .count = 1};
    own.block.plain_rows = 0;
    /* a thread without a piece would read the weights while the last one updates them
     */
    if (task->worker.index < pieces) prepare_chain(&own);
    for (size_t t = task->worker.index; t < pieces; t += task->worker.count) {
        rn_task piece = own;
        piece.first += t * rows;
        piece.batch_row += t * rows;
        piece.block.count = rn_min(rows, task->block.count - t * rows);
        piece.block.panels = rn_count(piece.block.count, RN_PANEL);
        chain_panels(&piece, 0, piece.block.panels);
        rn_wait_for_piece(task->worker, pieces_before + t);
        const double loss = loss_after(&piece, t ? training->loss : loss_before(task));
        training->loss = loss;
        const int update =
            last && t == pieces - 1 && is_finite(loss) && takes_step(task);
        descend_and_step(&piece, first && t == 0, update);
        rn_end_piece(task->worker);
    }
    rn_barrier(task->worker);
    return training->loss;
}

/* Whether the call ends here, in the middle of an epoch. */
static int is_due(const rn_training *training) {
    const rn_run *run = training->run;
    const rn_lazy *lazy = training->works ? training->works->lazy : NULL;
    if (lazy && lazy->factor) {
        return run->progress->row / run->batch_size % lazy->settled_every == 0;
    }
    return rn_seconds() > training->deadline;
}

/* Whether the call ends here, where an epoch ended or not. */
static int is_over(const rn_training *training, int ended) {
    const rn_run *run = training->run;
    return run->status != RN_RUNNING || ended ||
           run->steps_done == training->max_steps || is_due(training);
}

static void train_worker(void *context, rn_worker worker) {
    rn_training *training = context;
    rn_run *run = training->run;
    const rn_fpmode before = rn_flush_denormals();
    size_t pieces = 0;
    while (!training->stop) {
        rn_task task = next_task(run, training->works, worker);
        const int first = task.batch_row == 0;
        const int last = task.batch_row + task.block.count == task.batch_size;
        double loss;
        if (run->piece_rows) {
            loss = take_pieces(training, &task, pieces, first, last);
            pieces += rn_count(task.block.count, run->piece_rows);
        } else {
            loss = share_block(&task, first, last);
            rn_barrier(worker);
        }
        if (worker.index == 0) {
            int ended = 0;
            if (is_finite(loss) || run->gradient_only) {
                ended = record(run, &task, loss, last);
            } else {
                run->status = RN_DIVERGED;
            }
            training->stop = is_over(training, ended);
            if (training->stop && training->works->lazy) {
                join_steps(training->works->lazy, run->steps_done);
            }
        }
        rn_barrier(worker);
    }
    if (training->works->lazy) {
        const rn_task task = {.run = run, .work = training->works, .worker = worker};
        catch_up_all(&task);
    }
    rn_restore_fpmode(before);
}
