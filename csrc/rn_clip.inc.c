/* A step whose gradient has at most a given norm, over all arrays together (Pascanu,
 * Mikolov and Bengio 2013): no weight may move before all gradients are known, so they
 * are kept, summed up and used afterwards.
 */

/* sum g^2: RN_SUMS partial sums and a fixed tree, in double. */
static double square_sum(size_t n, const T *g) {
    double part[RN_SUMS] = {0};
    size_t i = 0;
    for (; i + RN_SUMS <= n; i += RN_SUMS) {
        for (size_t k = 0; k < RN_SUMS; k++) {
            const double x = g[i + k];
            part[k] += x * x;
        }
    }
    for (size_t k = 0; i + k < n; k++) {
        const double x = g[i + k];
        part[k] += x * x;
    }
    for (size_t half = RN_SUMS / 2; half; half /= 2) {
        for (size_t k = 0; k < half; k++) part[k] += part[k + half];
    }
    return part[0];
}

/* What the gradient is multiplied by.  The threads share spans of fixed length, whose
 * sums each of them adds in order. */
static T clip_factor(const rn_task *task) {
    const rn_net *net = task->run->net;
    const rn_worker worker = task->worker;
    double *sums = task->work->clip_sums, sum = 0;
    size_t count = 0;
    for (size_t l = 0; l < layers_and_skip(net); l++) {
        rn_array arrays[RN_LAYER_ARRAYS];
        arrays_of(net, l, arrays);
        for (int i = 0; i < RN_LAYER_ARRAYS; i++) {
            const T *g = arrays[i].param->g;
            for (size_t at = 0; at < arrays[i].n; at += RN_CLIP_SPAN, count++) {
                if (count % worker.count != worker.index) continue;
                sums[count] =
                    square_sum(rn_min(RN_CLIP_SPAN, arrays[i].n - at), g + at);
            }
        }
    }
    rn_barrier(worker);
    for (size_t i = 0; i < count; i++) sum += sums[i];
    const double norm = sqrt(sum), most = task->run->clip_norm;
    return norm > most ? (T)(most / norm) : (T)1;
}

/* A step of this thread's share of an array, with its gradient times factor. */
static void take_share(const rn_task *task, rn_array array, T factor) {
    const rn_worker worker = task->worker;
    const size_t from = rn_part(array.n, worker.index, worker.count);
    const size_t to = rn_part(array.n, worker.index + 1, worker.count);
    if (from == to) return;
    const rn_step step = step_of(task->run, array.param);
    T *g = array.param->g;
    for (size_t i = from; factor < 1 && i < to; i++) g[i] *= factor;
    update_span(array.param, from, to - from, g + from, &step, task->run->ema_decay);
}

/* The step with the gradients that are kept, which all threads have finished. */
static void take_clipped_step(const rn_task *task) {
    const rn_net *net = task->run->net;
    rn_barrier(task->worker);
    const T factor = clip_factor(task);
    for (size_t l = 0; l < layers_and_skip(net); l++) {
        rn_array arrays[RN_LAYER_ARRAYS];
        arrays_of(net, l, arrays);
        for (int i = 0; i < RN_LAYER_ARRAYS; i++) take_share(task, arrays[i], factor);
    }
}
