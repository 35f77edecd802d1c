/* A block of sparse rows in training: its entries instead of panels of inputs. */

/* Multiplies the entries of row i of the block by their masks, which are those that the
 * dense inputs would get. */
static void drop_entries(const rn_task *task, size_t i) {
    const rn_net *net = task->run->net;
    const rn_sparse_block *b = task->work->sparse;
    const size_t row = task->batch_row + i;
    const T kept = (T)(1 / net->input_keep);
    const rn_source *mask = net->input_mask;
    const rn_dropout d = {
        .seed = net->seed, .step = task->step, .keep = net->input_keep};
    for (int64_t e = b->start[i]; e < b->start[i + 1]; e++) {
        T factor;
        if (mask) {
            convert_row(1, &factor,
                        mask->data + (ptrdiff_t)row * mask->row_stride +
                            b->index[e] * mask->col_stride,
                        mask->col_stride, mask->dtype);
            b->value[e] *= factor * kept;
        } else {
            b->value[e] *= drops_one(row, (uint32_t)b->index[e], &d) ? (T)0 : kept;
        }
    }
}

/* Reads the entries of the block, the threads sharing its rows, and sorts them by
 * columns. */
static void gather_entries(const rn_task *task) {
    const rn_run *run = task->run;
    const rn_worker worker = task->worker;
    rn_sparse_block *b = task->work->sparse;
    const size_t count = task->block.count;
    if (worker.index == 0) {
        for (size_t i = 0; i < count; i++) {
            const size_t row = row_at(run, task->first + i);
            b->start[i + 1] = b->start[i] + run->x->start[row + 1] - run->x->start[row];
        }
    }
    rn_barrier(worker);
    for (size_t i = rn_part(count, worker.index, worker.count);
         i < rn_part(count, worker.index + 1, worker.count); i++) {
        read_entries((size_t)(b->start[i + 1] - b->start[i]), b->value + b->start[i],
                     b->index + b->start[i], run->x,
                     run->x->start[row_at(run, task->first + i)]);
        if (run->net->input_keep < 1 || run->net->input_mask) drop_entries(task, i);
    }
    rn_barrier(worker);
    if (worker.index == 0) {
        forget_columns(b);
        sort_columns(b, count);
    }
}

/* layer_forward of the layer that reads the entries. */
static void forward_entries(const rn_task *task, const rn_layer_plan *plan, T *a,
                            T *slope, rn_share share) {
    const rn_layer *layer = plan->layer;
    const rn_sparse_block *b = task->work->sparse;
    const size_t n_out = layer->n_out, j0 = share.from, units = share.to - j0;
    const T *w = (const T *)layer->weight.w + j0, *bias = layer->bias.w;
    T *z = own_work(task);
    for (size_t p = share.p0; p < share.p1 && units; p++) {
        const size_t count = panel_count(&task->block, p);
        const size_t at = p * n_out * RN_PANEL + j0 * panel_columns(count);
        if (layer->adds) panel_to_rows(z, a + at, units, count);
        for (size_t i = 0; i < count; i++) {
            T *zi = z + i * units;
            const int64_t e = b->start[p * RN_PANEL + i];
            const rn_entries entries = {
                .count = (size_t)(b->start[p * RN_PANEL + i + 1] - e),
                .value = b->value + e,
                .column = b->index + e};
            if (bias) memcpy(zi, bias + j0, units * sizeof(T));
            else if (!layer->adds) memset(zi, 0, units * sizeof(T));
            add_entries(units, zi, &entries, w, n_out);
            for (size_t j = 0; j < units; j++) zi[j] += (T)0;
        }
        finish_rows(plan, units, count, a + at, slope ? slope + at : NULL, z);
    }
}

/* Rows [k0, k1) of dW, and their update. */
static void entries_weight_gradient(const rn_descent *d, const rn_sparse_block *b,
                                    size_t k0, size_t k1) {
    const rn_param *weight = &d->layer->weight;
    const size_t n_out = d->layer->n_out;
    const size_t rows = rn_max(1, RN_GRADIENT_WEIGHTS / n_out);
    T *kept = weight->g;
    for (size_t k = k0, end; k < k1; k = end) {
        end = rn_min(k + rows, k1);
        T *g = kept ? kept + k * n_out : d->buffer;
        const size_t at = k * n_out, n = (end - k) * n_out;
        if (d->start == RN_FROM_ZERO) memset(g, 0, n * sizeof(T));
        for (size_t r = k; r < end; r++) {
            if (b->place[r] < 0) continue;
            add_column_gradient(b, (size_t)b->place[r], n_out, g + (r - k) * n_out,
                                d->unit_rows, d->ld_units);
        }
        end_part(d->part, weight, at, n);
        if (d->update) update_span(weight, at, n, g, &d->step, d->ema_decay);
    }
}

/* The gradient of the bias below it, and its update. */
static void entries_bias_gradient(const rn_descent *d) {
    const rn_param *bias = &d->layer->bias;
    const size_t n_out = d->layer->n_out;
    T *g = bias->g ? bias->g : d->buffer, sum[RN_PANEL_OF(RN_LANES)] = {0};
    for (size_t j = 0; j < n_out; j += RN_PANEL) {
        const size_t width = rn_min(n_out - j, RN_PANEL);
        const T *dz = d->unit_rows + j / RN_PANEL * d->ld_units;
        if (d->start == RN_FROM_ZERO) memset(sum, 0, sizeof sum);
        else memcpy(sum, g + j, width * sizeof(T));
        for (size_t i = 0; i < d->block->count; i++) {
            for (size_t u = 0; u < RN_PANEL; u++) sum[u] += dz[i * RN_PANEL + u];
        }
        memcpy(g + j, sum, width * sizeof(T));
    }
    end_part(d->part, bias, 0, n_out);
    if (d->update) update_span(bias, 0, n_out, g, &d->bias_step, d->ema_decay);
}
