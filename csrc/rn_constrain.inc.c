/* What a step still needs when every gradient has been used: the penalties of
 * groups and of the skip connection, and max-norm, which look at whole rows or columns
 * of W. */

RN_INLINE rn_step step_of(const rn_run *run, const rn_param *param) {
    const rn_optimizer *o = run->optimizer;
    const double rate = run->learning_rates[run->steps_done];
    const double response = o->momentum * o->response + rate;
    return (rn_step){.kind = o->kind,
                     .l1_rule = rn_charges_both(param) ? RN_L1_NONE : param->l1_rule,
                     .sign_at_zero = param->sign_at_zero,
                     .non_negative = param->non_negative,
                     .learning_rate = param->rate_factor * rate,
                     .l1 = param->l1,
                     .l2 = param->l2,
                     .momentum = o->momentum,
                     .beta1 = o->beta1,
                     .beta2 = o->beta2,
                     .epsilon = o->epsilon,
                     .weight_decay = o->weight_decay,
                     .correction1 = 1 - o->beta1_power * o->beta1,
                     .correction2 = 1 - o->beta2_power * o->beta2,
                     .response = param->rate_factor * response,
                     .credit = o->credit_decay * o->credit + 1,
                     .credit_decay = o->credit_decay};
}

/* ema += factor * w for the inputs [k0, k1) and units [j0, j1) of a layer: called with
 * -tau before a change of w and +tau after it, it adds tau times the change. */
static void move_ema(const rn_layer *layer, size_t k0, size_t k1, size_t j0, size_t j1,
                     double factor) {
    const T *w = layer->weight.w;
    T *ema = layer->weight.ema;
    for (size_t k = k0; ema && k < k1; k++) {
        for (size_t j = j0; j < j1; j++) {
            const size_t at = k * layer->n_out + j;
            ema[at] = madd((T)factor, w[at], ema[at]);
        }
    }
}

/* move_ema for the groups [g0, g1) that p has, one input or several each. */
static void move_ema_of(const rn_layer *layer, const rn_param *p, size_t g0, size_t g1,
                        double factor) {
    if (p->group == RN_GROUP_UNITS) {
        move_ema(layer, 0, layer->n_in, g0, g1, factor);
    } else if (!p->group_start) {
        move_ema(layer, g0, g1, 0, layer->n_out, factor);
    } else {
        for (int64_t i = p->group_start[g0]; i < p->group_start[g1]; i++) {
            const size_t k = (size_t)p->group_rows[i];
            move_ema(layer, k, k + 1, 0, layer->n_out, factor);
        }
    }
}

/* The group penalty of one layer; this thread takes its share of the groups. */
static void shrink_groups(const rn_task *task, const rn_layer *layer) {
    const rn_param *p = &layer->weight;
    const rn_worker worker = task->worker;
    const size_t groups = group_count(p, layer->n_in, layer->n_out);
    const size_t g0 = rn_part(groups, worker.index, worker.count);
    const size_t g1 = rn_part(groups, worker.index + 1, worker.count);
    const rn_step step = step_of(task->run, p);
    const double tau = 1 - task->run->ema_decay;
    move_ema_of(layer, p, g0, g1, -tau);
    prox_group(layer->n_in, layer->n_out, g0, g1, p, &step, own_work(task));
    move_ema_of(layer, p, g0, g1, tau);
}

/* The LassoNet penalty of the skip connection and the first layer. */
static void shrink_hierarchy(const rn_task *task) {
    const rn_net *net = task->run->net;
    const rn_worker worker = task->worker;
    const rn_layer *skip = net->skip, *first = &net->layers[0];
    const rn_param *p = &skip->weight;
    const size_t groups = group_count(p, skip->n_in, skip->n_out);
    const size_t g0 = rn_part(groups, worker.index, worker.count);
    const size_t g1 = rn_part(groups, worker.index + 1, worker.count);
    const rn_step step = step_of(task->run, p);
    const double tau = 1 - task->run->ema_decay;
    move_ema_of(skip, p, g0, g1, -tau);
    move_ema_of(first, p, g0, g1, -tau);
    prox_lassonet(skip, first, net->hierarchy, g0, g1, &step, own_work(task));
    move_ema_of(skip, p, g0, g1, tau);
    move_ema_of(first, p, g0, g1, tau);
}

static void limit_norms(const rn_task *task, const rn_layer *layer) {
    const rn_worker worker = task->worker;
    const size_t j0 = rn_part(layer->n_out, worker.index, worker.count);
    const size_t j1 = rn_part(layer->n_out, worker.index + 1, worker.count);
    const double tau = 1 - task->run->ema_decay;
    move_ema(layer, 0, layer->n_in, j0, j1, -tau);
    max_norm(layer->n_in, layer->n_out, layer->weight.w, j0, j1, layer->max_norm);
    move_ema(layer, 0, layer->n_in, j0, j1, tau);
}

static void constrain(const rn_task *task) {
    const rn_net *net = task->run->net;
    const int any_groups = task->work->any_groups, any_limits = task->work->any_limits;
    if (any_groups || net->skip) rn_barrier(task->worker);
    if (net->skip) shrink_hierarchy(task);
    for (size_t l = 0; any_groups && l < net->n_layers; l++) {
        const rn_layer *layer = &net->layers[l];
        if (l == 0 && task->work->lazy) continue; /* its rows are done already */
        if (layer->weight.group != RN_GROUP_NONE) shrink_groups(task, layer);
    }
    if (any_limits) rn_barrier(task->worker);
    for (size_t l = 0; any_limits && l < net->n_layers; l++) {
        if (net->layers[l].max_norm > 0) limit_norms(task, &net->layers[l]);
    }
}
