/* One block of rows as one thread sees it, and its share of the work on it. */

typedef struct {
    const rn_run *run;
    const rn_work *work;
    rn_block block;
    rn_worker worker;
    size_t first;        /* position of the block's first row in the epoch */
    size_t batch_row;    /* and in its batch */
    size_t batch_size;   /* rows of this batch */
    double batch_weight; /* sum of their sample weights */
    size_t p0, p1;       /* panels of this thread */
    uint64_t step;
} rn_task;

RN_INLINE T *own_work(const rn_task *task) {
    return task->work->thread_work + task->worker.index * task->work->thread_size;
}

/* Room for gradients on their way to the update. */
RN_INLINE T *own_gradient(const rn_task *task) {
    const rn_work *work = task->work;
    return own_work(task) + work->thread_size - work->gradient_size;
}

RN_INLINE T *own_transposed(const rn_task *task) {
    return own_work(task) + task->work->transposed;
}

/* The share [from, to) of n things that this thread has of a block done by layer;
 * otherwise it has all of them. */
RN_INLINE void own_share(const rn_task *task, size_t n, size_t *from, size_t *to) {
    const int shared = task->run->by_layer;
    const rn_cut shares = rn_cut_into(n, shared ? task->worker.count : 1);
    const size_t share = shared ? task->worker.index : 0;
    *from = rn_start(shares, share);
    *to = rn_start(shares, share + 1);
}

/* The share of n units that this thread computes in its panels; whole panels of units,
 * so that transposes and random numbers (four units a draw) are never cut. */
RN_INLINE rn_share own_units(const rn_task *task, size_t n) {
    const size_t grain = rn_max(RN_PANEL, 4);
    rn_share share = {.p0 = task->p0, .p1 = task->p1};
    own_share(task, rn_count(n, grain), &share.from, &share.to);
    share.from = rn_min(n, grain * share.from);
    share.to = rn_min(n, grain * share.to);
    return share;
}

RN_INLINE void meet(const rn_task *task) {
    if (task->run->by_layer) rn_barrier(task->worker);
}

/* In a shared chain a panel's gather and loss belong to one thread. */
RN_INLINE int owns_panel(const rn_task *task, size_t p) {
    return !task->run->by_layer || p % task->worker.count == task->worker.index;
}

/* The row of the data that stands at a position of the epoch. */
RN_INLINE size_t row_at(const rn_run *run, size_t position) {
    return run->order ? (size_t)run->order[position] : position;
}

/* A batch whose rows all have weight 0 is treated as if it were not there. */
RN_INLINE int takes_step(const rn_task *task) {
    return !task->run->gradient_only && task->batch_weight > 0;
}
