/* The input gradient of a layer of few units as rows, for the layer before it.
 *
 * Only the weight gradient of the first layer reads its dz, and it reads rows: with few
 * units after it, computing them so costs less than turning the panels.
 */

/* turned (n_out, ld) = W' of a narrow layer, zeros up to whole panels of inputs. */
static void turn_weights(const rn_layer *layer, T *turned, size_t ld) {
    const T *w = layer->weight.w;
    memset(turned, 0, layer->n_out * ld * sizeof(T));
    for (size_t k = 0; k < layer->n_in; k++) {
        for (size_t j = 0; j < layer->n_out; j++) {
            turned[j * ld + k] = w[k * layer->n_out + j];
        }
    }
}

/* layer_input_gradient of a narrow layer as rows, laid out by panel_to_unit_blocks, as
 * is `a`.  turned: by turn_weights. */
static void narrow_input_gradient(const rn_layer *layer, const rn_layer *before,
                                  const rn_block *block, T *dx, size_t ld_block,
                                  const T *dz, const T *a, const T *turned,
                                  size_t ld_turned, size_t p0, size_t p1, size_t k0,
                                  size_t k1) {
    const size_t n_out = layer->n_out;
    const int mode = rn_backward_mode(before);
    rn_tile t = {.n_outer = 1,
                 .n_inner = n_out,
                 .a_row = 1,
                 .ldb = ld_turned,
                 .ldc = RN_PANEL,
                 .start = RN_FROM_ZERO,
                 .gate_scale = (T)(1 / before->keep)};
    for (size_t p = p0; p < p1; p++) {
        const rn_cut tiles = rn_tiles(panel_count(block, p));
        t.a_inner = (ptrdiff_t)columns_at(block, p);
        for (size_t k = k0; k < k1; k += RN_PANEL) {
            t.columns = k1 - k > RN_LANES ? RN_PANEL : RN_LANES;
            t.b = turned + k;
            for (size_t i = 0; i < tiles.parts; i++) {
                const size_t row = rn_start(tiles, i);
                const size_t at =
                    k / RN_PANEL * ld_block + (p * RN_PANEL + row) * RN_PANEL;
                t.a = dz + p * n_out * RN_PANEL + row;
                t.c = dx + at;
                t.gate = mode == RN_GATE ? a + at : NULL;
                run_tile(rn_start(tiles, i + 1) - row, 1, &t);
            }
        }
    }
}
