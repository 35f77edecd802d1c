/* Layers with many zeros: the weights that are left, and their products with rows.
 *
 * RN_SPARSE_UNITS units are taken at a time, so that as many chains of multiply-adds
 * run side by side; a list holds for each of them one weight and the number of its
 * input, in the order of the inputs.  Lists shorter than the longest of their group are
 * padded with zero weights of any input.
 *
 * The inputs of a large layer are cut into slices, so that those of a panel of samples
 * stay in the first-level cache while the lists pick among them: a quarter less time
 * for 784 inputs.  Between two slices the sums are kept in the output.
 *
 * The bits are those of the dense layer: it adds the same terms in the same order, and
 * zeros times finite inputs between them, which change nothing but the sign of a zero,
 * and that is made positive at the end (rn_tile.unsigned_zero).  Inputs that are not
 * finite go through the dense layer.
 */

/* counts[j] = weights of unit j that are not zero; w (n_in, n_out). */
static void sparse_count(size_t n_in, size_t n_out, int64_t *counts, const T *w) {
    memset(counts, 0, n_out * sizeof *counts);
    for (size_t k = 0; k < n_in; k++) {
        for (size_t j = 0; j < n_out; j++) counts[j] += w[k * n_out + j] != 0;
    }
}

/* value, index: the lists of rn_sparse, zero before; next (n_out): where the list of
 * each unit begins, and where it ended afterwards; end (n_out): a list that has reached
 * it takes no more. */
static void sparse_fill(size_t n_in, size_t n_out, T *value, int32_t *index,
                        int64_t *next, const int64_t *end, const T *w) {
    for (size_t k = 0; k < n_in; k++) {
        for (size_t j = 0; j < n_out; j++) {
            const T x = w[k * n_out + j];
            if (x == 0 || next[j] >= end[j]) continue;
            value[next[j]] = x;
            index[next[j]] = (int32_t)k;
            next[j] += RN_SPARSE_UNITS;
        }
    }
}

/* The lists of a layer, or NULL if it is dense. */
RN_INLINE const rn_sparse *sparse_layer(const rn_net *net, size_t l) {
    return net->sparse && net->sparse[l].value ? &net->sparse[l] : NULL;
}

/* Units [u, u + units) of one group for a panel of `vectors` vectors of samples. */
RN_INLINE void sparse_tile(const int units, const int vectors, const int relu,
                           T *RN_RESTRICT a, const T *RN_RESTRICT x, const rn_sparse *s,
                           size_t group, int u, const T *bias) {
    const int first = group < s->slice_groups;
    const size_t ld = (size_t)vectors * RN_LANES;
    const T *value = s->value;
    const int32_t *unit = s->unit + group * RN_SPARSE_UNITS + u;
    const size_t end = (size_t)s->start[group + 1] * RN_SPARSE_UNITS + (size_t)u;
    vec acc[RN_SPARSE_UNITS][RN_TILE_VECTORS];
    RN_UNROLL
    for (int r = 0; r < units; r++) {
        const T b = bias && unit[r] >= 0 ? bias[unit[r]] : (T)0;
        const T *before = a + (size_t)(unit[r] < 0 ? 0 : unit[r]) * ld;
        RN_UNROLL
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = first ? vec_set1(b) : vec_load(before + v * RN_LANES);
        }
    }
    for (size_t i = (size_t)s->start[group] * RN_SPARSE_UNITS + (size_t)u; i < end;
         i += RN_SPARSE_UNITS) {
        RN_UNROLL
        for (int r = 0; r < units; r++) {
            const T *row = x + (size_t)s->index[i + (size_t)r] * ld;
            const vec w = vec_set1(value[i + (size_t)r]);
            RN_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[r][v] = vec_fma(w, vec_load(row + v * RN_LANES), acc[r][v]);
            }
        }
    }
    RN_UNROLL
    for (int r = 0; r < units; r++) {
        RN_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec z = vec_add(acc[r][v], vec_set1(0));
            if (relu) z = vec_relu(z);
            if (unit[r] >= 0) vec_store(a + (size_t)unit[r] * ld + v * RN_LANES, z);
        }
    }
}

/* a = f(W'x + b) for one panel; ld: its samples, RN_LANES or RN_PANEL. */
static void sparse_forward(const rn_layer *layer, const rn_sparse *s, size_t ld, T *a,
                           const T *x) {
    enum { CHAINS = 8, HALF = CHAINS / RN_TILE_VECTORS }; /* hide the latency */
    const T *bias = layer->bias.w;
    const int finish = finish_of(layer, 0);
    for (size_t g = 0; g < s->n_groups; g++) {
        const int relu = finish == RN_CLIP && g >= s->n_groups - s->slice_groups;
        for (int u = 0; ld == RN_LANES && u < RN_SPARSE_UNITS; u += CHAINS) {
            sparse_tile(CHAINS, 1, relu, a, x, s, g, u, bias);
        }
        for (int u = 0; ld != RN_LANES && u < RN_SPARSE_UNITS; u += HALF) {
            sparse_tile(HALF, RN_TILE_VECTORS, relu, a, x, s, g, u, bias);
        }
    }
    if (finish != RN_ACTIVATE) return;
    activation_forward(layer->activation, layer->n_out * ld, a, NULL, a,
                       (T)layer->activation_param);
}

/* The panels of a block; false if one has an infinity, which the first layer's were
 * searched for already (`check`: not so). */
static int predict_sparse_layer(const rn_layer *layer, const rn_sparse *s,
                                const rn_block *block, T *a, const T *x, int check) {
    for (size_t p = 0; p < block->panels; p++) {
        const size_t ld = columns_at(block, p);
        const T *xp = x + p * layer->n_in * RN_PANEL;
        if (check && !all_finite(layer->n_in * ld, xp)) return 0;
        sparse_forward(layer, s, ld, a + p * layer->n_out * RN_PANEL, xp);
    }
    return 1;
}

/* z = W'x + b for a single row x (n_in); z (n_out). */
static void sparse_row(const rn_layer *layer, const rn_sparse *s, T *RN_RESTRICT z,
                       const T *RN_RESTRICT x) {
    enum { VECTORS = RN_SPARSE_UNITS / RN_LANES };
    const T *bias = layer->bias.w;
    for (size_t g = 0; g < s->n_groups; g++) {
        const int32_t *unit = s->unit + g * RN_SPARSE_UNITS;
        const size_t first = (size_t)s->start[g] * RN_SPARSE_UNITS;
        const size_t end = (size_t)s->start[g + 1] * RN_SPARSE_UNITS;
        const T *value = (const T *)s->value + first;
        T out[RN_SPARSE_UNITS];
        vec acc[VECTORS];
        for (int r = 0; r < RN_SPARSE_UNITS; r++) {
            const int32_t j = unit[r];
            out[r] = j < 0 ? (T)0 : g >= s->slice_groups ? z[j] : bias ? bias[j] : (T)0;
        }
        RN_UNROLL
        for (int v = 0; v < VECTORS; v++) acc[v] = vec_load(out + v * RN_LANES);
        for (const int32_t *i = s->index + first; i < s->index + end;
             i += RN_SPARSE_UNITS, value += RN_SPARSE_UNITS) {
            RN_UNROLL
            for (int v = 0; v < VECTORS; v++) {
                acc[v] = vec_fma(vec_load(value + v * RN_LANES),
                                 vec_pick(x, i + v * RN_LANES), acc[v]);
            }
        }
        RN_UNROLL
        for (int v = 0; v < VECTORS; v++) vec_store(out + v * RN_LANES, acc[v]);
        for (int r = 0; r < RN_SPARSE_UNITS; r++) {
            if (unit[r] >= 0) z[unit[r]] = out[r] + (T)0; /* -0 becomes +0 */
        }
    }
}
