# Whole networks: one call trains or predicts.  Part of binding.pyx.

cdef class WeightStore:
    """The weights of a network: what readers get, and what one call at a time trains.

    Readers get the published object, which never changes: another one takes its place.
    Steps are taken on a working copy that only the thread inside `with store:` knows;
    leaving the `with` publishes it.  A second thread gets RuntimeError.

    Entering, leaving and publishing are single C calls, so that no signal handler can
    run in the middle of them.
    """

    cdef object lock
    cdef readonly object published  # asking for it here counts no reader
    cdef readonly bint seen  # whether somebody has read since the last publication
    cdef object working, spare
    cdef unsigned long long holder  # a thread or 0; no object: read while it is written

    def __cinit__(self, published):
        try:
            self.lock = allocate_lock()
        except RuntimeError:
            raise MemoryError() from None
        self.published = published

    def __enter__(self):
        cdef unsigned long long me = get_ident()
        cdef bint mine
        with cython.critical_section(self):  # a no-op with the GIL
            mine = self.lock.acquire(False)
            if mine:
                self.holder = me
        if not mine:
            raise RuntimeError(
                "another thread is training this network" if self.holder != me
                else "this network is being trained, by the call that called this one")

    def __exit__(self, *exc):
        if self.working is not None:  # of a call that did not end
            self.publish_working()
            self.spare = None
        with cython.critical_section(self):
            self.holder = 0
            self.lock.release()

    def expect_no_other(self):
        """RuntimeError while another thread trains."""
        cdef unsigned long long holder = self.holder
        if holder != 0 and holder != get_ident():
            raise RuntimeError(
                "another thread is training this network, its weights are in the middle "
                "of a step; a callback of `fit` is called between two steps")

    def read(self):
        """The weights for a reader, who may keep them."""
        cdef unsigned long long me
        with cython.critical_section(self):
            self.seen = True
            weights, working = self.published, self.working
        if working is not None:
            me = get_ident()
            if self.holder == me:  # a signal handler, between two steps
                return working.copy()
        return weights

    def publish(self, weights):
        """Publish these weights for readers; training continues from them.

        RuntimeError while another thread trains.
        """
        self.expect_no_other()
        with cython.critical_section(self):
            working = self.working
            if working is None:
                self.published, self.spare, self.seen = weights, None, False
        if working is not None:  # of this thread: a signal handler, between two steps
            working.replace(weights.params)

    def begin(self, working):
        """Steps are taken on `working` from now on, which no reader sees."""
        self.working = working

    def publish_copy(self, weights):
        """Give readers a copy of the working weights, which training still changes."""
        with cython.critical_section(self):
            self.published, self.seen = weights, False

    def publish_working(self):
        """Give the working weights, if there are any, to readers."""
        with cython.critical_section(self):
            if self.working is not None:
                self.spare = None if self.seen else self.published
                self.published, self.working, self.seen = self.working, None, False

    def discard_working(self, published):
        """Forget the working weights; readers get `published`."""
        with cython.critical_section(self):
            self.published, self.working, self.seen = published, None, False

    def take_spare(self):
        """Weights that were published and never read, whose memory is free, or None."""
        spare, self.spare = self.spare, None
        return spare


cdef uintptr_t address(array) except? 0:
    """Where a flat array begins; 0 for None."""
    cdef Py_buffer buffer
    if array is None:
        return 0
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    cdef uintptr_t begin = <uintptr_t>buffer.buf
    PyBuffer_Release(&buffer)
    return begin


cdef inline void *element(uintptr_t begin, size_t byte) noexcept:
    """`byte` bytes from the beginning of an array; NULL if there is no array."""
    return <void *>(begin + byte) if begin else NULL


cdef void point_to_groups(rn_param *p, tuple group_rows, size_t n_in) except *:
    """Let p have these groups of the rows of W; the arrays must be kept alive."""
    cdef const int64_t[::1] rows = group_rows[0], start = group_rows[1]
    cdef Py_ssize_t last = start.shape[0] - 1
    expect(last >= 1 and start[0] == 0 and start[last] == rows.shape[0]
           and <size_t>rows.shape[0] == n_in, "groups and inputs do not fit")
    for i in range(last):
        expect(start[i] < start[i + 1], "a group is empty")
    for i in range(rows.shape[0]):
        expect(0 <= rows[i] < rows.shape[0], "a group has an input that is not there")
    p.group_rows, p.group_start, p.n_groups = &rows[0], &start[0], last


SPARSE_UNITS = RN_SPARSE_UNITS
LONG_BATCH = RN_LONG_BATCH

cdef enum:
    STACK_WORK = 4096  # bytes: a row of a small network needs no allocation


cdef class SparseLayers:
    """The layers of a network by their non-zero weights, for Model.predict.

    Parameters
    ----------
    layers : list
        For each layer None (dense) or (slices, start, unit, index, value): their number
        and arrays as rn_sparse in rn.h describes them, which are kept alive and must
        not change.
    """

    cdef rn_sparse *layers
    cdef readonly Py_ssize_t n_layers
    cdef object arrays

    def __cinit__(self, list layers):
        cdef const int64_t[::1] start
        cdef const int32_t[::1] unit, index
        self.layers = <rn_sparse *>calloc(len(layers), sizeof(rn_sparse))
        if self.layers == NULL:
            raise MemoryError()
        self.n_layers, self.arrays = len(layers), layers
        for i, arrays in enumerate(layers):
            if arrays is None:
                continue
            slices, start, unit, index, value = arrays
            expect(unit.shape[0] == (start.shape[0] - 1) * RN_SPARSE_UNITS,
                   "start and unit do not fit")
            expect((start.shape[0] - 1) % slices == 0, "groups and slices do not fit")
            expect(index.shape[0] == len(value) >= start[start.shape[0] - 1]
                   * RN_SPARSE_UNITS, "index or value is too short")
            self.layers[i].n_groups = start.shape[0] - 1
            self.layers[i].slice_groups = self.layers[i].n_groups // <size_t>slices
            self.layers[i].start = &start[0]
            self.layers[i].unit = &unit[0]
            self.layers[i].index = &index[0]
            self.layers[i].value = <void *>address(value)

    def __dealloc__(self):
        free(self.layers)


PARAMS = ("weight", "bias", "in_factor", "out_factor")  # of a layer


cdef inline rn_param *param_of(rn_layer *layer, int kind) noexcept:
    """The one whose name is PARAMS[kind]."""
    if kind == 0:
        return &layer.weight
    if kind == 1:
        return &layer.bias
    return &layer.in_factor if kind == 2 else &layer.out_factor


cdef class Model:
    """A network as C sees it: layer structs that point into flat NumPy arrays.

    Parameters
    ----------
    single : bool
        float32 if true, float64 if not.
    layers : list of dict
        n_in, n_out, activation, activation_param, keep, max_norm, dropout_layer and
        `weight`, `bias`, `in_factor` and `out_factor`, each None if there is none or a
        dict: offset (in the flat arrays), rate_factor, l1, l2, l1_rule, sign_at_zero,
        non_negative, group, group_rule, group_strength, group_rows (the pair
        group_rows, group_start of rn.h, or None).
    loss, output : int
        Codes of rn.h.
    skip : dict, optional
        A linear connection from the inputs to the outputs: `weight` as above, whose group
        strength is that of the LassoNet penalty, and `hierarchy`, its M.
    members : int
        Networks that share the weights of all layers but the last.
    """

    cdef readonly bint single
    cdef readonly Py_ssize_t n_in, n_out
    cdef rn_net net
    cdef rn_layer *layers
    cdef object w, arrays, masks
    cdef list placed  # (layer, kind, offset, size) of each array, in their order
    cdef list group_rows  # of all layers, kept alive
    cdef size_t n_changes  # of what drops, on which the memory of a Run depends

    def __init__(self, bint single, list layers, double input_keep, int loss,
                 double loss_param, int output, uint64_t seed, dict skip=None,
                 size_t members=1):
        cdef size_t n = len(layers)
        cdef rn_layer *c
        self._allocate(n)
        self.single = single
        self.placed, self.group_rows = [], []
        self.net.members = members
        for i, layer in enumerate(layers):
            c = &self.layers[i]
            c.n_in, c.n_out = layer["n_in"], layer["n_out"]
            c.activation = layer["activation"]
            c.activation_param = layer["activation_param"]
            c.keep = layer["keep"]
            c.max_norm = layer["max_norm"]
            c.dropout_layer = layer["dropout_layer"]
            specs = [layer[name] for name in PARAMS]
            for kind, spec in enumerate(specs):
                if spec is not None:
                    self._describe(param_of(c, kind), spec, c.n_in)
            self._place(i, specs, members if i + 1 == n else 1)
        self.n_in, self.n_out = layers[0]["n_in"], layers[n - 1]["n_out"]
        self.net.n_layers, self.net.layers = n, self.layers
        if skip is not None:
            self._add_skip(&self.layers[n], skip)
        self.net.input_keep = input_keep
        self.net.loss, self.net.loss_param = loss, loss_param
        self.net.output, self.net.seed = output, seed

    cdef void _allocate(self, size_t n) except *:
        expect(self.layers == NULL, "the model has its layers already")
        self.layers = <rn_layer *>calloc(n + 1, sizeof(rn_layer))
        if self.layers == NULL:
            raise MemoryError()

    def bound_to(self, w):
        """Another model of these layers, bound to a flat array of weights alone."""
        cdef Model other = Model.__new__(Model)
        cdef size_t n = self.net.n_layers
        other._allocate(n)
        memcpy(other.layers, self.layers, (n + 1) * sizeof(rn_layer))
        other.single, other.n_in, other.n_out = self.single, self.n_in, self.n_out
        other.placed, other.net = self.placed, self.net
        other.group_rows = self.group_rows
        other.net.layers = other.layers
        if self.net.skip != NULL:
            other.net.skip = &other.layers[n]
        other.set_masks(None, None)
        other.bind(w)
        return other

    cdef void _add_skip(self, rn_layer *c, dict spec) except *:
        c.n_in, c.n_out, c.keep, c.adds = self.n_in, self.n_out, 1, 1
        self._describe(&c.weight, spec["weight"], c.n_in)
        self._place(self.net.n_layers, [spec["weight"], None, None, None], 1)
        self.net.skip, self.net.hierarchy = c, spec["hierarchy"]

    cdef void _place(self, size_t number, list specs, size_t matrices) except *:
        """Note where the arrays of a layer are; W is `matrices` of them."""
        cdef rn_layer *layer = &self.layers[number]
        cdef size_t members = self.net.members
        sizes = (matrices * layer.n_in * layer.n_out, members * layer.n_out,
                 members * layer.n_in, members * layer.n_out)
        found = [(spec["offset"], kind) for kind, spec in enumerate(specs)
                 if spec is not None]
        for offset, kind in sorted(found):
            self.placed.append((number, kind, offset, sizes[kind]))

    cdef void _describe(self, rn_param *p, dict spec, size_t n_in) except *:
        p.rate_factor = spec["rate_factor"]
        p.l1, p.l2 = spec["l1"], spec["l2"]
        p.l1_rule = spec["l1_rule"]
        p.sign_at_zero = spec["sign_at_zero"]
        p.non_negative = spec["non_negative"]
        p.group, p.group_strength = spec["group"], spec["group_strength"]
        p.group_rule = spec["group_rule"]
        if spec["group_rows"] is not None:
            point_to_groups(p, spec["group_rows"], n_in)
            self.group_rows.append(spec["group_rows"])

    def __dealloc__(self):
        free(self.layers)

    def bind(self, w, m=None, v=None, q=None, g=None, ema=None, sum=None, rest=None):
        """Point the layers into these flat arrays, which are kept alive."""
        cdef uintptr_t asum = address(sum), arest = address(rest)
        cdef size_t byte, size = 4 if self.single else 8
        cdef uintptr_t aw = address(w), am = address(m), av = address(v)
        cdef uintptr_t aq = address(q), ag = address(g), aema = address(ema)
        cdef rn_param *p
        cdef size_t number, offset
        cdef int kind
        for number, kind, offset, _ in self.placed:
            p = param_of(&self.layers[number], kind)
            byte = offset * size
            p.w = element(aw, byte)
            p.m, p.v = element(am, byte), element(av, byte)
            p.q, p.g = element(aq, byte), element(ag, byte)
            p.ema = element(aema, byte)
            p.sum, p.rest = element(asum, byte), element(arest, byte)
        self.w, self.arrays = w, (m, v, q, g, ema, sum, rest)

    def bind_weights(self, w):
        """Point the layers into another flat array of weights; everything else stays."""
        cdef size_t number, offset, size = 4 if self.single else 8
        cdef uintptr_t aw = address(w)
        cdef int kind
        for number, kind, offset, _ in self.placed:
            param_of(&self.layers[number], kind).w = element(aw, offset * size)
        self.w = w

    def set_masks(self, input_mask, masks):
        """Explicit dropout masks: Source or None for the input and for every layer; as
        `keep`, before a Run is made."""
        cdef Source s
        self.n_changes += 1
        self.masks = (input_mask, masks)
        self.net.input_mask = NULL
        if input_mask is not None:
            s = input_mask
            self.net.input_mask = &s.source
        for i in range(self.net.n_layers):
            self.layers[i].mask = NULL
            if masks is not None and masks[i] is not None:
                s = masks[i]
                self.layers[i].mask = &s.source

    def keep(self, list keeps):
        """The probability of keeping an input, and an output of each layer; a Run that was
        made before is of no use then."""
        self.n_changes += 1
        expect(<size_t>len(keeps) == self.net.n_layers + 1, "keeps and layers do not fit")
        self.net.input_keep = keeps[0]
        for i in range(self.net.n_layers):
            self.layers[i].keep = keeps[i + 1]

    def keep_zeros(self, bint keep):
        """Whether weights that are zero stay zero in training, apart from biases."""
        for i in range(self.net.n_layers):
            self.layers[i].weight.keep_zeros = keep

    def weight_sums(self):
        """(sum |w|, sum w^2, exact zeros) of each array bound as w, in their order."""
        cdef list found = []
        cdef size_t number, size
        cdef int kind
        for number, kind, _, size in self.placed:
            found.append(self._sums(param_of(&self.layers[number], kind), size))
        return found

    cdef tuple _sums(self, const rn_param *p, size_t n):
        cdef double sums[3]
        with nogil:
            dispatch.penalty_sums_of(self.single, n, sums, p.w)
        return sums[0], sums[1], <Py_ssize_t>sums[2]

    def predict(self, Source x, out, bint raw, size_t n_threads, size_t first=0,
                SparseLayers sparse=None):
        """out = prediction for the rows of x from `first` on, as many as out has.

        raw: without softmax or sigmoid; sparse: made of the same weights as those
        bound, or None.
        Returns the first of these rows with a NaN or infinity, where out means
        nothing, or -1; -2 if out has a NaN, as sums overflowed.
        """
        # a fused type would cost a one-row prediction a tenth of its time
        cdef float[:, ::1] single
        cdef double[:, ::1] double_
        cdef Py_ssize_t n, n_out
        if self.single:
            single = out
            n, n_out = single.shape[0], single.shape[1]
        else:
            double_ = out
            n, n_out = double_.shape[0], double_.shape[1]
        cdef size_t bad, work_size, size = n * n_out
        cdef double sums[3]
        cdef rn_net net = self.net
        # one variant, even if another is set meanwhile
        cdef const rn_tables *t = dispatch.current_tables()
        cdef rn_source rows = x.rows(first, first + <size_t>n)
        cdef unsigned char stack_work[STACK_WORK]
        cdef unsigned char *heap_work = NULL
        cdef uintptr_t begin
        cdef void *work
        cdef void *values
        if raw:
            net.output = 0
        expect(x.source.n_cols == <size_t>self.n_in, "x and the network do not fit")
        expect(n_out == self.n_out, "out has another shape")
        expect(net.members == 1, "members predict one by one")
        if n == 0:
            return -1
        if sparse is not None:
            expect(<size_t>sparse.n_layers == net.n_layers, "sparse has other layers")
            net.sparse = sparse.layers
        work_size = dispatch.predict_work_size(
            t, self.single, &net, &rows, n_threads) + 64
        if work_size > STACK_WORK:
            heap_work = <unsigned char *>malloc(work_size)
            if heap_work == NULL:
                raise MemoryError(f"{work_size} bytes to predict {n} rows")
        values = <void *>&single[0, 0] if self.single else <void *>&double_[0, 0]
        begin = <uintptr_t>(heap_work if heap_work else stack_work)
        work = <void *>((begin + 63) & ~<uintptr_t>63)
        with nogil:
            bad = dispatch.predict(t, self.single, &net, &rows, values, n_threads, work)
            dispatch.penalty_sums_of(self.single, size, sums, values)
            free(heap_work)
        if bad < rows.n_rows:
            return first + bad
        return -2 if sums[0] != sums[0] else -1


cdef class Optimizer:
    """The scalars an optimiser carries from step to step."""

    cdef rn_optimizer state

    def __init__(self, **members):
        self.state.beta1_power = self.state.beta2_power = 1
        self.set(**members)

    def set(self, **members):
        """Set members of rn_optimizer by name."""
        cdef dict now = self.get()
        unknown = set(members) - set(now)
        if unknown:
            raise TypeError(f"unknown members {sorted(unknown)}")
        now.update(members)
        self.state = now

    def get(self):
        """All members as a dict of Python numbers."""
        return self.state

    @property
    def step(self):
        """Steps taken so far."""
        return self.state.step


cdef class Progress:
    """The position of a training: C advances it with every step, so it is right whenever
    an interrupt comes.

    With the last row of an epoch `epoch` is the next one and `row` 0; the sums are those of
    the old one until the next has begun.
    """

    cdef rn_progress state

    def __init__(self, uint64_t epoch=0):
        self.state.epoch = epoch

    def set(self, uint64_t epoch, size_t row, double loss_sum, double weight_sum):
        """Continue from here."""
        self.state.epoch, self.state.row, self.state.batch_row = epoch, row, 0
        self.state.loss_sum, self.state.weight_sum = loss_sum, weight_sum

    @property
    def epoch(self):
        """The epoch being trained, or the next one."""
        return self.state.epoch

    @property
    def row(self):
        """Its next row; a batch that was interrupted is taken again, whole."""
        return self.state.row - self.state.batch_row

    @property
    def rows_seen(self):
        """Rows of the epoch so far, those of an unfinished batch too."""
        return self.state.row

    @property
    def loss_sum(self):
        """Weighted sum of the losses of the finished batches."""
        return self.state.loss_sum

    @property
    def weight_sum(self):
        """Weight of their rows."""
        return self.state.weight_sum

    @property
    def mean_loss(self):
        """Mean data loss of the finished batches (NaN if none)."""
        if self.state.weight_sum == 0:
            return float("nan")
        return self.state.loss_sum / self.state.weight_sum


cdef class Run:
    """A training run: many calls of advance(), each of many steps.

    One thread at a time: advance() lets other Python threads run, and a second call is
    refused until it returns.
    """

    cdef rn_run run
    cdef const rn_tables *tables  # of one variant, even if another is set meanwhile
    cdef bint busy
    cdef readonly size_t max_threads
    cdef object kept, order
    cdef Model model
    cdef size_t n_changes  # of the model, for which there is memory
    cdef void *work

    def __cinit__(self, Model model, Optimizer optimizer, Progress progress not None,
                  Source x, Source y, const int64_t[::1] labels,
                  const double[::1] sample_weight, *,
                  size_t batch_size, size_t block_rows, size_t piece_rows,
                  size_t n_threads, bint by_layer, bint gradient_only=False,
                  double ema_decay=0.0, double clip_norm=0.0):
        cdef size_t n = x.source.n_rows
        expect(x.source.n_cols == <size_t>model.n_in, "x and the network do not fit")
        self.model, self.tables = model, dispatch.current_tables()
        self.n_changes = model.n_changes
        self.kept = (optimizer, progress, x, y, labels, sample_weight)
        self.run.net = &model.net
        self.run.optimizer = &optimizer.state if optimizer is not None else NULL
        self.run.progress = &progress.state
        progress.state.row -= progress.state.batch_row  # of a run that was interrupted
        progress.state.batch_row = 0
        self.run.x = &x.source
        if y is not None:
            expect(y.source.n_rows == n and y.source.n_cols == <size_t>model.n_out,
                   "y and the network do not fit")
            self.run.y = &y.source
        else:
            expect(<size_t>labels.shape[0] == n, "x and the labels differ in length")
            self.run.labels = &labels[0]
        if sample_weight is not None:
            expect(<size_t>sample_weight.shape[0] == n,
                   "x and the weights differ in length")
            self.run.sample_weight = &sample_weight[0]
        if min(batch_size, n) > RN_LONG_BATCH:
            expect(model.layers[0].weight.g != NULL and model.layers[0].weight.rest != NULL,
                   "long batches need g, sum and rest")
            expect(piece_rows == 0 or RN_SUM_ROWS % piece_rows == 0 and (
                block_rows % piece_rows == 0 or block_rows >= batch_size),
                "pieces and the parts of long batches do not fit")
        if model.net.members > 1:
            expect(model.layers[0].weight.g != NULL, "members need g")
            expect(piece_rows == 0, "members are not taken in pieces")
        self.run.n = n
        self.run.batch_size, self.run.block_rows = batch_size, block_rows
        self.run.block_entries = x.most_entries(block_rows)
        self.run.piece_rows = piece_rows
        self.run.n_threads, self.run.by_layer = n_threads, by_layer
        self.max_threads = n_threads
        self.run.gradient_only = gradient_only
        self.run.ema_decay = ema_decay
        self.run.clip_norm = clip_norm
        if clip_norm > 0:
            expect(model.layers[0].weight.g != NULL, "clipping needs g")
        self.run.status = RN_RUNNING
        cdef size_t work_size = 64 + dispatch.train_work_size(
            self.tables, model.single, &self.run)
        self.work = malloc(work_size)
        if self.work == NULL:
            raise MemoryError(f"{work_size} bytes to train on blocks of {block_rows} rows")
        self.run.work = <void *>((<uintptr_t>self.work + 63) & ~<uintptr_t>63)

    def __dealloc__(self):
        free(self.work)

    def start_epoch(self, const int64_t[::1] order):
        """Take the rows of the epoch in this order (None: as stored)."""
        self._enter()
        try:
            if order is not None:
                expect(<size_t>order.shape[0] == self.run.n, "order has another length")
                self.run.order = &order[0]
            else:
                self.run.order = NULL
            self.order = order
        finally:
            self._leave()

    def advance(self, const double[::1] learning_rates, double seconds, size_t threads):
        """Train for about `seconds`, at most one step per learning rate and to the end of
        the epoch.

        threads: at most n_threads.  Returns the seconds that threads slept, in sum.
        """
        expect(0 < threads <= self.max_threads, "more threads than there is memory for")
        expect(self.n_changes == self.model.n_changes, "what drops has changed since")
        expect(learning_rates.shape[0] > 0, "there is no learning rate")
        expect(self.run.progress.row < self.run.n, "there is no such row")
        self._enter()
        self.run.n_threads = threads
        self.run.learning_rates = &learning_rates[0]
        self.run.max_steps = learning_rates.shape[0]
        self.run.steps_done = 0
        self.run.seconds = seconds
        with nogil:
            dispatch.train(self.tables, self.model.single, &self.run)
        self._leave()
        return self.run.seconds_asleep

    cdef void _enter(self) except *:
        with cython.critical_section(self):  # a no-op with the GIL
            if self.busy:
                raise RuntimeError("another thread is in this run")
            self.busy = True

    cdef void _leave(self) noexcept:
        with cython.critical_section(self):
            self.busy = False

    @property
    def steps_done(self):
        """Optimiser steps of the last call of `advance`."""
        return self.run.steps_done

    @property
    def diverged(self):
        """True if the last batch had a loss that is not finite; nothing was updated."""
        return self.run.status == RN_DIVERGED
