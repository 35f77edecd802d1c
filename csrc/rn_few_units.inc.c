/* A second layer of few units: the input gradient as rows, for the first layer.
 *
 * Only the weight gradient of the first layer reads its dz, and it reads rows: with few
 * units after it, computing them so costs less than transposing the panels.
 */

/* transposed (n_out, ld) = W' of a layer of few units, zeros up to whole panels of
 * inputs. */
static void transpose_weights(const rn_layer *layer, T *transposed, size_t ld) {
    const T *w = layer->weight.w;
    memset(transposed, 0, layer->n_out * ld * sizeof(T));
    for (size_t k = 0; k < layer->n_in; k++) {
        for (size_t j = 0; j < layer->n_out; j++) {
            transposed[j * ld + k] = w[k * layer->n_out + j];
        }
    }
}

/* layer_input_gradient of the second layer as rows, laid out by panel_to_unit_rows, as
 * are the outputs of the first one that its weight gradient reads. */
static void few_units_input_gradient(const rn_task *task, rn_share share) {
    const rn_work *work = task->work;
    const rn_layer_plan *before = &work->plans[0];
    const T *dz = work->d[1], *a = work->rows[1], *transposed = own_transposed(task);
    T *dx = work->rows[0];
    const size_t n_out = work->plans[1].layer->n_out;
    rn_tile t = {.n_outer = 1,
                 .n_inner = n_out,
                 .a_row = 1,
                 .ldb = work->ld_transposed,
                 .ldc = RN_PANEL,
                 .start = RN_FROM_ZERO,
                 .gate_scale = (T)(1 / before->layer->keep)};
    for (size_t p = share.p0; p < share.p1; p++) {
        const rn_cut tiles = rn_tiles(panel_count(&task->block, p));
        t.a_inner = (ptrdiff_t)columns_at(&task->block, p);
        for (size_t k = share.from; k < share.to; k += RN_PANEL) {
            t.columns = share.to - k > RN_LANES ? RN_PANEL : RN_LANES;
            t.b = transposed + k;
            for (size_t i = 0; i < tiles.parts; i++) {
                const size_t row = rn_start(tiles, i);
                const size_t at =
                    k / RN_PANEL * work->ld_units + (p * RN_PANEL + row) * RN_PANEL;
                t.a = dz + p * n_out * RN_PANEL + row;
                t.c = dx + at;
                t.gate = before->backward == RN_GATE ? a + at : NULL;
                run_tile(rn_start(tiles, i + 1) - row, 1, &t);
            }
        }
    }
}
