/* One block of rows on its way through the network: gather, forward, loss, backward.
 *
 * The chain gives dz of every layer, as panels and as rows.  Threads either take panels
 * of rows through it alone, or share the units of every layer and meet after each.
 */

/* Before the first panel of a block. */
static void prepare_chain(const rn_task *task) {
    const rn_work *work = task->work;
    if (!work->plans[0].dz_as_rows) return;
    transpose_weights(work->plans[1].layer, own_transposed(task), work->ld_transposed);
}

/* Where units are dropped: a mask drawn for this layer number, or one from the caller.
 */
typedef struct {
    double keep;
    uint32_t layer;
    const rn_source *mask;
} rn_drop;

/* Drops out units [j0, j1) of n_units of panel p. */
static void drop(const rn_task *task, const rn_drop *how, T *a, T *slope,
                 size_t n_units, size_t p, size_t j0, size_t j1) {
    const size_t ld = columns_at(&task->block, p);
    const size_t first_row = task->batch_row + p * RN_PANEL;
    const size_t at = p * n_units * RN_PANEL + j0 * ld;
    if ((how->keep >= 1 && !how->mask) || j0 == j1) return;
    a += at;
    if (slope) slope += at;
    if (how->mask) {
        const size_t count = panel_count(&task->block, p), n = (j1 - j0) * ld;
        T *drawn = own_work(task);
        rn_source part = *how->mask;
        part.data += (ptrdiff_t)j0 * part.col_stride;
        part.n_cols = j1 - j0;
        gather_panel(drawn, &part, count, NULL, first_row);
        for (size_t i = 0; i < n; i++) {
            const T factor = drawn[i] * (T)(1 / how->keep);
            a[i] *= factor;
            if (slope) slope[i] *= factor;
        }
    } else {
        const rn_dropout d = {.seed = task->run->net->seed,
                              .step = task->step,
                              .layer = how->layer,
                              .first_unit = j0,
                              .keep = how->keep};
        dropout_apply(j1 - j0, ld, ld, a, slope, first_row, &d);
    }
}

/* Whether the weight gradient of layer l reads its inputs as rows, and not its dz. */
RN_INLINE int reads_input_rows(const rn_task *task, size_t l) {
    return task->work->plans[l].few_units && !(l == 0 && task->block.plain_rows);
}

/* Units [j0, j1) of panel p (n_units) as rows for the weight gradient of layer l. */
RN_INLINE void store_rows(const rn_task *task, size_t l, size_t p, const T *panels,
                          size_t n_units, size_t j0, size_t j1) {
    panel_to_unit_rows(task->work->rows[l] + p * RN_PANEL * RN_PANEL,
                       task->work->ld_units, panels + p * n_units * RN_PANEL,
                       columns_at(&task->block, p), j0, j1);
}

RN_INLINE void store_dz_rows(const rn_task *task, size_t l, size_t p, size_t j0,
                             size_t j1) {
    if (reads_input_rows(task, l)) return;
    store_rows(task, l, p, task->work->d[l], task->run->net->layers[l].n_out, j0, j1);
}

/* The same of layer l's inputs, just computed. */
RN_INLINE void store_input_rows(const rn_task *task, size_t l, size_t p, size_t j0,
                                size_t j1) {
    if (!reads_input_rows(task, l)) return;
    store_rows(task, l, p, l ? task->work->a[l - 1] : task->work->x,
               task->run->net->layers[l].n_in, j0, j1);
}

/* Plain rows, left as they are: threads that share layers share them
 * too. */
static void gather_plain_rows(const rn_task *task) {
    const rn_run *run = task->run;
    size_t from, to;
    own_share(task, task->block.count, &from, &to);
    const size_t at = task->first + from;
    gather_rows(task->work->x + from * run->x->n_cols, run->x, to - from,
                run->order ? run->order + at : NULL, at);
}

static void gather(const rn_task *task) {
    const rn_run *run = task->run;
    const rn_net *net = run->net;
    const size_t n_in = net->layers[0].n_in,
                 n_out = net->layers[net->n_layers - 1].n_out;
    const rn_drop how = {net->input_keep, net->dropout_layer, net->input_mask};
    if (task->block.plain_rows) gather_plain_rows(task);
    for (size_t p = task->p0; p < task->p1; p++) {
        const size_t count = panel_count(&task->block, p);
        const size_t at = task->first + p * RN_PANEL;
        const int64_t *order = run->order ? run->order + at : NULL;
        T *x = task->work->x + p * n_in * RN_PANEL;
        if (!owns_panel(task, p)) continue;
        if (!task->work->by_entry) {
            if (!task->block.plain_rows) gather_panel(x, run->x, count, order, at);
            drop(task, &how, task->work->x, NULL, n_in, p, 0, n_in);
            store_input_rows(task, 0, p, 0, n_in);
        }
        if (run->y) {
            gather_panel(task->work->y + p * n_out * RN_PANEL, run->y, count, order,
                         at);
        }
    }
}

/* Loss of panel p and dz of the last layer; every row weighs w / sum(w) of the batch.
 */
static void panel_loss(const rn_task *task, size_t p) {
    const rn_run *run = task->run;
    const rn_net *net = run->net;
    const size_t l = net->n_layers - 1, n_out = net->layers[l].n_out;
    const int activation = net->layers[l].activation;
    const size_t count = panel_count(&task->block, p);
    const size_t ld = panel_columns(count), at = p * n_out * RN_PANEL;
    T *a = task->work->a[l] + at, *d = task->work->d[l] + at;
    T *scale = task->work->scale + p * RN_PANEL;
    int64_t label[RN_PANEL_OF(RN_LANES)] = {0};
    const T even = (T)(1 / task->batch_weight);
    for (size_t i = 0; i < ld; i++) scale[i] = i < count ? even : (T)0;
    for (size_t i = 0; (run->labels || run->sample_weight) && i < count; i++) {
        const size_t row = row_at(run, task->first + p * RN_PANEL + i);
        if (run->labels) label[i] = run->labels[row];
        if (!run->sample_weight) continue;
        /* a batch whose rows all have weight 0 has no data gradient */
        const double weight = run->sample_weight[row];
        scale[i] = weight > 0 ? (T)(weight / task->batch_weight) : (T)0;
    }
    if (activation == RN_SOFTMAX) softmax_forward(n_out, ld, ld, a, a);
    loss_rows(net->loss, n_out, ld, ld, task->work->row_loss + p * RN_PANEL,
              activation == RN_IDENTITY || activation == RN_SOFTMAX ? d : a, a,
              run->y ? task->work->y + at : NULL, run->labels ? label : NULL, scale,
              net->loss_param);
    if (activation == RN_SOFTMAX) {
        softmax_backward(n_out, ld, ld, d, d, a);
    } else if (activation != RN_IDENTITY) {
        for (size_t i = 0; i < n_out * ld; i++) d[i] *= a[i];
    }
}

/* The outputs of every layer, and the slopes that are kept. */
static void forward(const rn_task *task) {
    const rn_net *net = task->run->net;
    const rn_work *work = task->work;
    for (size_t l = 0; l < net->n_layers; l++) {
        const rn_layer_plan *plan = &work->plans[l];
        const rn_layer *layer = plan->layer;
        const rn_share share = own_units(task, layer->n_out);
        const rn_drop how = {layer->keep, layer->dropout_layer, layer->mask};
        T *slope = plan->keeps_slope ? work->d[l] : NULL;
        if (l == 0 && work->by_entry) {
            forward_entries(task, plan, work->a[0], slope, share);
        } else if (l == 0 && task->block.plain_rows) {
            layer_forward_plain_rows(plan, &task->block, work->a[0], slope, work->x,
                                     share, own_work(task));
        } else {
            layer_forward(plan, &task->block, work->a[l], slope,
                          l ? work->a[l - 1] : work->x, share, own_work(task));
        }
        for (size_t p = task->p0; p < task->p1; p++) {
            if (plan->drops) {
                drop(task, &how, work->a[l], slope, layer->n_out, p, share.from,
                     share.to);
            }
            if (l + 1 < net->n_layers) {
                store_input_rows(task, l + 1, p, share.from, share.to);
            }
        }
        meet(task);
    }
    if (net->skip) {
        const rn_layer_plan *plan = &work->plans[net->n_layers];
        const rn_share share = own_units(task, net->skip->n_out);
        T *a = work->a[net->n_layers - 1];
        if (work->by_entry) forward_entries(task, plan, a, NULL, share);
        else layer_forward(plan, &task->block, a, NULL, work->x, share, own_work(task));
        meet(task);
    }
}

static void losses(const rn_task *task) {
    const size_t last = task->run->net->n_layers - 1;
    for (size_t p = task->p0; p < task->p1; p++) {
        if (!owns_panel(task, p)) continue;
        panel_loss(task, p);
        store_dz_rows(task, last, p, 0, task->run->net->layers[last].n_out);
    }
    meet(task);
}

/* dz of every layer but the last, from that of the layer after it. */
static void backward(const rn_task *task) {
    const rn_work *work = task->work;
    for (size_t l = task->run->net->n_layers - 1; l > 0; l--) {
        const rn_share share = own_units(task, work->plans[l].layer->n_in);
        if (work->plans[l - 1].dz_as_rows) {
            few_units_input_gradient(task, share);
        } else {
            layer_input_gradient(&work->plans[l], &work->plans[l - 1], &task->block,
                                 work->d[l - 1], work->d[l], work->a[l - 1], share);
            for (size_t p = task->p0; p < task->p1; p++) {
                store_dz_rows(task, l - 1, p, share.from, share.to);
            }
        }
        meet(task);
    }
}

/* Panels [p0, p1) of the task. */
static void chain(const rn_task *task) {
    gather(task);
    meet(task);
    forward(task);
    losses(task);
    backward(task);
}
