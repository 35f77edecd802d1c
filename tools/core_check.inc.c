/* One element type of core_check.c: T, TABLE (the kernels), NAME(x). */

typedef struct {
    T *w, *m, *v, *q;
    size_t size;
} NAME(arrays);

/* Numbers in [-2, 2) that depend on their position alone. */
static void NAME(fill)(const TABLE *t, T *x, size_t n, uint32_t stream) {
    t->random_uniform(n, x, 11, stream, 0);
    for (size_t i = 0; i < n; i++) x[i] = 4 * x[i] - 2;
}

static uint64_t NAME(kernels)(const TABLE *t) {
    enum { N = 203, COLUMNS = 29 };
    static T x[N * COLUMNS], y[N * COLUMNS], z[N * COLUMNS], w[COLUMNS * COLUMNS];
    static T row[N];
    uint64_t hash = FNV;
    NAME(fill)(t, x, N * COLUMNS, 1);
    NAME(fill)(t, w, COLUMNS * COLUMNS, 2);
    void (*const functions[])(size_t, T *, const T *) = {
        t->exp, t->expm1, t->tanh, t->atan, t->erf,
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        functions[i](N * COLUMNS, y, x);
        hash = add(hash, y, sizeof y);
    }
    for (size_t i = 0; i < N * COLUMNS; i++) z[i] = (T)2.5 + x[i];
    t->log(N * COLUMNS, y, z);
    hash = add(hash, y, sizeof y);
    t->log1p(N * COLUMNS, y, z);
    hash = add(hash, y, sizeof y);
    for (int f = RN_IDENTITY; f < RN_SOFTMAX; f++) {
        t->activation_forward(f, N * COLUMNS, y, z, x, (T)0.3);
        hash = add(add(hash, y, sizeof y), z, sizeof z);
    }
    t->softmax_forward(COLUMNS, N, N, y, x);
    t->softmax_backward(COLUMNS, N, N, z, x, y);
    hash = add(add(hash, y, sizeof y), z, sizeof z);
    for (int loss = 0; loss <= RN_POISSON; loss++) { /* y holds probabilities */
        t->loss_rows(loss, COLUMNS, N, N, row, z, x, y, NULL, NULL, (T)0.4);
        hash = add(add(hash, row, sizeof row), z, sizeof z);
    }
    t->dense_forward(N, COLUMNS, COLUMNS, y, x, w, w);
    t->dense_weight_gradient(N, COLUMNS, COLUMNS, w, x, y);
    hash = add(add(hash, y, sizeof y), w, sizeof w);
    t->random_normal(N * COLUMNS, y, 3, 4, 5);
    t->prox_l1(N * COLUMNS, y, (T)0.5);
    hash = add(hash, y, sizeof y);
    t->max_norm(COLUMNS, COLUMNS, w, 0, COLUMNS, 1.0);
    return add(hash, w, sizeof w);
}

/* 37 -> 53 -> 41 -> 5 with every penalty, dropout, max-norm; offsets into flat arrays. */
static size_t NAME(describe)(rn_net *net, rn_layer *layers) {
    static const size_t units[] = {37, 53, 41, 5};
    static const int activations[] = {RN_GELU, RN_TANH, RN_IDENTITY};
    size_t size = 0;
    memset(layers, 0, 3 * sizeof *layers);
    for (size_t l = 0; l < 3; l++) {
        rn_layer *layer = &layers[l];
        layer->n_in = units[l];
        layer->n_out = units[l + 1];
        layer->activation = activations[l];
        layer->keep = l < 2 ? 0.75 : 1;
        layer->dropout_layer = (uint32_t)l + 1;
        layer->weight.w = (void *)(uintptr_t)size;
        size += (units[l] * units[l + 1] + 15) / 16 * 16;
        layer->bias.w = (void *)(uintptr_t)size;
        size += (units[l + 1] + 15) / 16 * 16;
    }
    layers[0].weight.l1 = 1e-3;
    layers[0].weight.l1_rule = RN_L1_CUMULATIVE;
    layers[1].weight.group = RN_GROUP_INPUTS;
    layers[1].weight.group_strength = 1e-3;
    layers[1].max_norm = 1.5;
    layers[2].weight.l1 = layers[2].weight.l2 = 1e-3;
    layers[2].weight.l1_rule = RN_L1_PROXIMAL;
    *net = (rn_net){.n_layers = 3, .layers = layers, .input_keep = 0.9, .seed = 4,
                    .loss = RN_SOFTMAX_CROSS_ENTROPY, .output = RN_SOFTMAX};
    return size;
}

static void NAME(bind)(rn_param *p, const NAME(arrays) * a) {
    const size_t offset = (size_t)(uintptr_t)p->w;
    p->w = a->w + offset;
    p->m = a->m + offset;
    p->v = a->v + offset;
    p->q = a->q + offset;
}

/* Bits of the weights and predictions after `epochs` of Adam. */
static uint64_t NAME(training)(const TABLE *t, size_t n_threads, division how,
                               size_t epochs) {
    enum { N = 333, BATCH = 50, BLOCK = 32, PIECE = 8 };
    const size_t piece_rows = how == BY_PIECE ? PIECE : 0;
    rn_layer layers[3];
    rn_net net;
    const size_t size = NAME(describe)(&net, layers);
    T *flat = get(4 * size * sizeof(T)), *x = get(N * 37 * sizeof(T));
    T *out = get(N * 5 * sizeof(T));
    NAME(arrays) a = {flat, flat + size, flat + 2 * size, flat + 3 * size, size};
    int64_t *labels = get(N * sizeof *labels), *order = get(N * sizeof *order);
    memset(flat, 0, 4 * size * sizeof(T));
    NAME(fill)(t, x, N * 37, 7);
    NAME(fill)(t, a.w, size, 8);
    for (size_t i = 0; i < size; i++) a.w[i] *= (T)0.1;
    for (size_t i = 0; i < N; i++) labels[i] = x[i * 37] > 0 ? 1 + (int64_t)(i % 4) : 0;
    for (size_t l = 0; l < 3; l++) {
        NAME(bind)(&layers[l].weight, &a);
        NAME(bind)(&layers[l].bias, &a);
    }
    for (size_t l = 0; l < 3; l++) { /* the gradient of a batch that takes many blocks */
        layers[l].weight.g = get(layers[l].n_in * layers[l].n_out * sizeof(T));
        layers[l].bias.g = get(layers[l].n_out * sizeof(T));
    }
    rn_source source = {(const char *)x, 37 * sizeof(T), sizeof(T), N, 37,
                        sizeof(T) == 4 ? RN_F32 : RN_F64};
    rn_optimizer optimizer = {.kind = RN_ADAM, .beta1 = 0.9, .beta2 = 0.999,
                              .epsilon = 1e-8, .beta1_power = 1, .beta2_power = 1,
                              .credit_decay = 1 - 1e-4};
    double rates[8];
    for (size_t i = 0; i < 8; i++) rates[i] = 0.01;
    rn_progress progress = {0};
    rn_run run = {.net = &net, .optimizer = &optimizer, .progress = &progress,
                  .x = &source, .labels = labels,
                  .order = order, .learning_rates = rates, .n = N, .batch_size = BATCH,
                  .block_rows = BLOCK, .max_steps = 8, .n_threads = n_threads,
                  .piece_rows = piece_rows, .by_layer = how == BY_UNITS, .seconds = 1e9};
    const size_t train_size = t->train_work_size(&net, BLOCK, piece_rows, n_threads);
    const size_t predict_size = t->predict_work_size(&net, N, n_threads);
    run.work = get(train_size);
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        rn_permutation(N, order, 4, epoch);
        while (progress.epoch == epoch && run.status == RN_RUNNING) {
            run.steps_done = 0;
            t->train(&run);
        }
    }
    void *work = get(predict_size);
    t->predict(&net, &source, out, n_threads, work);
    const uint64_t hash =
        add(add(FNV, a.w, size * sizeof(T)), out, N * 5 * sizeof(T));
    for (size_t l = 0; l < 3; l++) free(layers[l].weight.g), free(layers[l].bias.g);
    free(work), free(run.work), free(labels), free(order), free(out), free(x), free(flat);
    return run.status == RN_RUNNING ? hash : 0;
}
