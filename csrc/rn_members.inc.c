/* Members: networks that share W and differ by factors (Gorishniy et al. 2024, TabM).
 *
 * A step trains each member as the plain network with the weights W_i = r_i W s_i that
 * it is.  Of its gradient H_i by W_i the chain rule makes
 *
 *     dW   = sum over members of r_i s_i H_i
 *     dr_i = sum over units of s_i W H_i
 *     ds_i = sum over inputs of r_i W H_i
 *
 * so that W meets a factor once for all rows of a batch.  The order of every sum: rows
 * of member 0, of member 1 and so on.  Each thread takes a member, then all share the
 * rows of dW of this round; so neither threads nor blocks change a bit.
 */

/* One member as a network of its own; every thread has one. */
typedef struct {
    rn_run run;
    rn_net net;
    rn_progress progress;
    rn_work work;
    rn_layer *layers;
    rn_source *masks; /* of the inputs, then of each layer */
    double loss;      /* of the member on the batch */
} rn_solo;

typedef struct {
    rn_training *training;
    rn_solo *solos;
    rn_work work; /* of what follows the gradients: only the threads' memory */
} rn_team_of_members;

/* Elements of layer l's weight that each member has for itself. */
RN_INLINE size_t own_weights(const rn_net *net, size_t l) {
    const rn_layer *layer = &net->layers[l];
    return l + 1 == net->n_layers ? layer->n_in * layer->n_out : 0;
}

/* The array of n elements of each member, from member m on. */
RN_INLINE rn_param param_of(const rn_param *p, size_t n, size_t m) {
    rn_param own = *p;
    void **arrays[] = {&own.w, &own.m, &own.v, &own.q, &own.g, &own.ema};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
        if (*arrays[k]) *arrays[k] = (T *)*arrays[k] + m * n;
    }
    return own;
}

/* Layer l as member m has it, but for the factors. */
static rn_layer layer_of(const rn_net *net, size_t l, size_t m) {
    rn_layer layer = net->layers[l];
    layer.weight = param_of(&layer.weight, own_weights(net, l), m);
    layer.bias = param_of(&layer.bias, layer.n_out, m);
    layer.dropout_layer += (uint32_t)(m * (net->n_layers + 1));
    return layer;
}

/* ---- memory -----------------------------------------------------------------------
 */

/* Sums of the parts of a long batch. */
static void lay_out_sums(rn_param *p, size_t n, int is_long, rn_arena *arena) {
    p->sum = is_long ? rn_take(arena, n * sizeof(T)) : NULL;
    p->rest = is_long ? rn_take(arena, n * sizeof(T)) : NULL;
}

static void lay_out_solo(const rn_run *run, rn_arena *arena, rn_solo *solo) {
    const rn_net *net = run->net;
    const size_t n = net->n_layers;
    const int is_long = rn_min(run->batch_size, run->n) > RN_LONG_BATCH;
    rn_layer *layers = rn_take(arena, n * sizeof *layers);
    rn_source *masks = rn_take(arena, (n + 1) * sizeof *masks);
    rn_run own = *run;
    own.gradient_only = 1;
    for (size_t l = 0; l < n; l++) {
        rn_layer layer = net->layers[l];
        const size_t size = layer.n_in * layer.n_out;
        if (!own_weights(net,
                         l)) { /* W_i and H_i; the last layer's are where m's are */
            layer.weight.w = rn_take(arena, size * sizeof(T));
            layer.weight.g = rn_take(arena, size * sizeof(T));
        }
        lay_out_sums(&layer.weight, size, is_long, arena);
        lay_out_sums(&layer.bias, layer.n_out, is_long, arena);
        if (arena->base) layers[l] = layer;
    }
    if (arena->base) {
        solo->layers = layers;
        solo->masks = masks;
        solo->net = *net;
        solo->net.layers = layers;
        own.net = &solo->net;
        own.progress = &solo->progress;
        solo->run = own;
    }
    const rn_work work = lay_out(&own, run->block_rows, 1, arena);
    if (arena->base) solo->work = work;
}

static rn_team_of_members lay_out_members(const rn_run *run, rn_arena *arena) {
    rn_team_of_members team = {0};
    team.solos = rn_take(arena, run->n_threads * sizeof *team.solos);
    for (size_t i = 0; i < run->n_threads; i++) {
        lay_out_solo(run, arena, arena->base ? &team.solos[i] : NULL);
    }
    team.work.thread_size = rn_count(rn_group_work(run->net), 64) * 64;
    team.work.thread_work =
        rn_take(arena, run->n_threads * team.work.thread_size * sizeof(T));
    team.work.clip_sums = rn_take(arena, clip_sums(run) * sizeof(double));
    return team;
}

/* ---- one member -------------------------------------------------------------------
 */

/* w (n_in, n_out) = r W s of member m. */
static void scale_weights(const rn_layer *layer, size_t m, T *RN_RESTRICT w) {
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const T *r = (const T *)layer->in_factor.w + m * n_in;
    const T *s = (const T *)layer->out_factor.w + m * n_out;
    const T *shared = layer->weight.w;
    for (size_t k = 0; k < n_in; k++) {
        RN_ELEMENTWISE
        for (size_t j = 0; j < n_out; j++) {
            w[k * n_out + j] = shared[k * n_out + j] * r[k] * s[j];
        }
    }
}

/* The rows of a mask that are those of member m. */
static const rn_source *mask_of(const rn_source *mask, size_t n, size_t m,
                                rn_source *own) {
    if (!mask) return NULL;
    *own = *mask;
    own->data += (ptrdiff_t)(m * n) * mask->row_stride;
    return own;
}

/* Let solo be member m. */
static void become(rn_solo *solo, const rn_run *run, size_t m) {
    const rn_net *net = run->net;
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer from = layer_of(net, l, m);
        rn_layer *to = &solo->layers[l];
        to->dropout_layer = from.dropout_layer;
        to->mask = mask_of(from.mask, run->n, m, &solo->masks[l + 1]);
        to->bias.w = from.bias.w;
        to->bias.g = from.bias.g;
        if (own_weights(net, l)) {
            to->weight.w = from.weight.w;
            to->weight.g = from.weight.g;
        } else {
            scale_weights(&net->layers[l], m, to->weight.w);
        }
    }
    solo->net.dropout_layer = net->dropout_layer + (uint32_t)(m * (net->n_layers + 1));
    solo->net.input_mask = mask_of(net->input_mask, run->n, m, solo->masks);
}

/* ds (n) += r w h; the sum of s w h: RN_SUMS partial sums and a fixed tree. */
RN_INLINE T row_of_factors(size_t n, T *RN_RESTRICT ds, T r, const T *RN_RESTRICT w,
                           const T *RN_RESTRICT s, const T *RN_RESTRICT h) {
    T part[RN_SUMS];
    vec sum[RN_SUMS / RN_LANES];
    size_t j = 0;
    for (int v = 0; v < RN_SUMS / RN_LANES; v++) sum[v] = vec_set1(0);
    for (; j + RN_SUMS <= n; j += RN_SUMS) {
        RN_UNROLL
        for (int v = 0; v < RN_SUMS / RN_LANES; v++) {
            const size_t at = j + (size_t)v * RN_LANES;
            const vec product = vec_mul(vec_load(w + at), vec_load(h + at));
            vec_store(ds + at, vec_fma(vec_set1(r), product, vec_load(ds + at)));
            sum[v] = vec_fma(vec_load(s + at), product, sum[v]);
        }
    }
    for (int v = 0; v < RN_SUMS / RN_LANES; v++) vec_store(part + v * RN_LANES, sum[v]);
    for (size_t i = 0; j + i < n; i++) {
        const T product = w[j + i] * h[j + i];
        ds[j + i] = madd(r, product, ds[j + i]);
        part[i] = madd(s[j + i], product, part[i]);
    }
    for (size_t half = RN_SUMS / 2; half; half /= 2) {
        for (size_t i = 0; i < half; i++) part[i] += part[i + half];
    }
    return part[0];
}

/* dr and ds of member m from H, its gradient by r W s. */
static void factor_gradients(const rn_layer *layer, size_t m, const T *h) {
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const T *w = layer->weight.w;
    const T *r = (const T *)layer->in_factor.w + m * n_in;
    const T *s = (const T *)layer->out_factor.w + m * n_out;
    T *dr = (T *)layer->in_factor.g + m * n_in;
    T *ds = (T *)layer->out_factor.g + m * n_out;
    memset(ds, 0, n_out * sizeof(T));
    for (size_t k = 0; k < n_in; k++) {
        dr[k] = row_of_factors(n_out, ds, r[k], w + k * n_out, s, h + k * n_out);
    }
}

/* The gradients of member m on the task's batch, and its loss. */
static void take_member(const rn_task *task, rn_solo *solo, size_t m) {
    const rn_net *net = task->run->net;
    int last = 0;
    become(solo, task->run, m);
    solo->loss = 0;
    solo->progress = (rn_progress){.row = task->first};
    while (!last) {
        rn_task part = next_task(&solo->run, &solo->work, (rn_worker){.count = 1});
        last = part.batch_row + part.block.count == part.batch_size;
        solo->loss = share_block(&part, part.batch_row == 0, last);
        solo->run.batch_loss = solo->loss;
        solo->run.batch_weight = part.batch_weight;
        solo->progress.row += part.block.count;
        solo->progress.batch_row += part.block.count;
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        if (own_weights(net, l)) continue;
        factor_gradients(&net->layers[l], m, solo->layers[l].weight.g);
    }
}

/* ---- all members ------------------------------------------------------------------
 */

/* dW of rows [k0, k1) += r s H of member m, or = for the first one. */
static void add_member(const rn_layer *layer, size_t m, const T *RN_RESTRICT h,
                       size_t k) {
    const size_t n_out = layer->n_out;
    const T r = ((const T *)layer->in_factor.w)[m * layer->n_in + k];
    const T *s = (const T *)layer->out_factor.w + m * n_out;
    T *RN_RESTRICT g = (T *)layer->weight.g + k * n_out;
    h += k * n_out;
    if (m == 0) memset(g, 0, n_out * sizeof(T));
    RN_ELEMENTWISE
    for (size_t j = 0; j < n_out; j++) g[j] = madd(r * s[j], h[j], g[j]);
}

/* A step of elements [from, to) of an array. */
static void update_range(const rn_task *task, const rn_param *p, size_t from,
                         size_t to) {
    if (!p->w || from == to) return;
    const rn_step step = step_of(task->run, p);
    update_span(p, from, to - from, (const T *)p->g + from, &step,
                task->run->ema_decay);
}

/* This thread's rows of dW of every layer, from members [first, last), and their step.
 */
static void add_round(const rn_task *task, const rn_solo *solos, size_t first,
                      size_t last, int update) {
    const rn_net *net = task->run->net;
    const rn_worker worker = task->worker;
    for (size_t l = 0; l + 1 < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        const size_t k0 = rn_part(layer->n_in, worker.index, worker.count);
        const size_t k1 = rn_part(layer->n_in, worker.index + 1, worker.count);
        for (size_t k = k0; k < k1; k++) {
            for (size_t m = first; m < last; m++) {
                add_member(layer, m, solos[m - first].layers[l].weight.g, k);
            }
        }
        if (!update) continue;
        update_range(task, &layer->weight, k0 * layer->n_out, k1 * layer->n_out);
    }
}

/* This thread's share of the step of an array. */
static void update_share(const rn_task *task, const rn_param *p, size_t n) {
    const rn_worker worker = task->worker;
    update_range(task, p, rn_part(n, worker.index, worker.count),
                 rn_part(n, worker.index + 1, worker.count));
}

/* The step of what each member has for itself. */
static void update_members(const rn_task *task) {
    const rn_net *net = task->run->net;
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        update_share(task, &layer->in_factor, net->members * layer->n_in);
        update_share(task, &layer->out_factor, net->members * layer->n_out);
        update_share(task, &layer->bias, net->members * layer->n_out);
        if (!own_weights(net, l)) continue;
        update_share(task, &layer->weight, net->members * own_weights(net, l));
    }
}

/* The penalties of groups: of W, and of each member's last layer. */
static void shrink_members(const rn_task *task) {
    const rn_net *net = task->run->net;
    for (size_t l = 0; l < net->n_layers; l++) {
        const size_t matrices = own_weights(net, l) ? net->members : 1;
        if (net->layers[l].weight.group == RN_GROUP_NONE) continue;
        rn_barrier(task->worker);
        for (size_t m = 0; m < matrices; m++) {
            const rn_layer layer = layer_of(net, l, m);
            shrink_groups(task, &layer);
        }
    }
}

/* The loss of the batch's members up to this round. */
static double loss_of_round(const rn_run *run, const rn_solo *solos, size_t last) {
    double loss = run->member ? run->batch_loss : 0;
    for (size_t m = run->member; m < last; m++) loss += solos[m - run->member].loss;
    return loss;
}

/* Thread 0 records the round, between two barriers; whether the call ends. */
static int record_round(rn_training *training, const rn_task *task, double loss,
                        size_t last) {
    rn_run *run = training->run;
    int ended = 0;
    if (!is_finite(loss) && !run->gradient_only) {
        run->status = RN_DIVERGED;
    } else if (last == run->net->members) {
        run->member = 0;
        ended = record(run, task, loss, 1);
    } else {
        run->member = last;
        run->batch_loss = loss;
    }
    return is_over(training, ended);
}

static void members_worker(void *context, rn_worker worker) {
    const rn_team_of_members *team = context;
    rn_training *training = team->training;
    rn_run *run = training->run;
    const rn_fpmode before = rn_flush_denormals();
    while (!training->stop) {
        rn_task task = next_task(run, &team->work, worker);
        const size_t first = run->member;
        const size_t last = rn_min(first + worker.count, run->net->members);
        task.block.count = task.batch_size;
        if (first + worker.index < last) {
            take_member(&task, &team->solos[worker.index], first + worker.index);
        }
        rn_barrier(worker);
        const double loss = loss_of_round(run, team->solos, last);
        if (is_finite(loss) || run->gradient_only) {
            const int update = last == run->net->members && takes_step(&task);
            const int clips = update && run->clip_norm > 0;
            add_round(&task, team->solos, first, last, update && !clips);
            rn_barrier(worker); /* the factors have been read */
            if (clips) take_clipped_step(&task);
            else if (update) update_members(&task);
            if (update) shrink_members(&task);
        }
        rn_barrier(worker);
        if (worker.index == 0)
            training->stop = record_round(training, &task, loss, last);
        rn_barrier(worker);
    }
    rn_restore_fpmode(before);
}
