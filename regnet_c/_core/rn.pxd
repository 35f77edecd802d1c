# rn.h as Cython sees it.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "rn.h" nogil:
    ctypedef struct rn_source:
        const char *data
        Py_ssize_t row_stride
        Py_ssize_t col_stride
        size_t n_rows
        size_t n_cols
        int dtype
        int wide_index
        int by_entry
        const int64_t *start
        const void *index

    ctypedef struct rn_step:
        int kind
        int l1_rule
        int sign_at_zero
        int non_negative
        double learning_rate
        double l1
        double l2
        double momentum
        double beta1
        double beta2
        double epsilon
        double weight_decay
        double correction1
        double correction2
        double response
        double credit
        double credit_decay

    ctypedef struct rn_dropout:
        uint64_t seed
        uint64_t step
        uint32_t layer
        size_t first_unit
        double keep

    ctypedef struct rn_param:
        void *w
        void *m
        void *v
        void *q
        void *g
        void *sum
        void *rest
        void *ema
        double rate_factor
        double l1
        double l2
        int l1_rule
        int sign_at_zero
        int non_negative
        int keep_zeros
        int group
        int group_rule
        double group_strength
        const int64_t *group_rows
        const int64_t *group_start
        size_t n_groups

    ctypedef struct rn_layer:
        size_t n_in
        size_t n_out
        int activation
        double activation_param
        double keep
        double max_norm
        uint32_t dropout_layer
        const rn_source *mask
        int adds
        rn_param weight
        rn_param bias
        rn_param in_factor
        rn_param out_factor

    enum:
        RN_SPARSE_UNITS
        RN_LONG_BATCH
        RN_SUM_ROWS

    ctypedef struct rn_sparse:
        size_t n_groups, slice_groups
        const int64_t *start
        const int32_t *unit
        const int32_t *index
        const void *value

    ctypedef struct rn_net:
        size_t n_layers
        const rn_layer *layers
        size_t members
        const rn_layer *skip
        double hierarchy
        const rn_sparse *sparse
        double input_keep
        uint32_t dropout_layer
        const rn_source *input_mask
        int loss
        double loss_param
        int output
        uint64_t seed

    ctypedef struct rn_optimizer:
        int kind
        double momentum
        double beta1
        double beta2
        double epsilon
        double weight_decay
        double beta1_power
        double beta2_power
        double response
        double credit
        double credit_decay
        uint64_t step

    enum:
        RN_L1_CUMULATIVE
        RN_L1_PROXIMAL

    enum:
        RN_RUNNING
        RN_DIVERGED

    ctypedef struct rn_progress:
        uint64_t epoch
        size_t row
        size_t batch_row
        double loss_sum
        double weight_sum

    ctypedef struct rn_run:
        const rn_net *net
        rn_optimizer *optimizer
        rn_progress *progress
        const rn_source *x
        const rn_source *y
        const int64_t *labels
        const double *sample_weight
        const int64_t *order
        const double *learning_rates
        size_t n
        size_t batch_size
        size_t block_rows
        size_t block_entries
        size_t piece_rows
        size_t max_steps
        size_t n_threads
        int by_layer
        int gradient_only
        double ema_decay
        double clip_norm
        double seconds
        void *work
        size_t steps_done
        double batch_loss
        double batch_weight
        size_t member
        double seconds_asleep
        int status

    # rn_table_f32 and rn_table_f64; dispatch.pxd has the arguments, C checks them
    ctypedef struct rn_table:
        size_t lanes
        int fused
        void (*exp)(...) noexcept nogil
        void (*expm1)(...) noexcept nogil
        void (*log)(...) noexcept nogil
        void (*log1p)(...) noexcept nogil
        void (*tanh)(...) noexcept nogil
        void (*atan)(...) noexcept nogil
        void (*erf)(...) noexcept nogil
        void (*activation_forward)(...) noexcept nogil
        void (*softmax_forward)(...) noexcept nogil
        void (*softmax_backward)(...) noexcept nogil
        void (*loss_rows)(...) noexcept nogil
        void (*random_uniform)(...) noexcept nogil
        void (*random_normal)(...) noexcept nogil
        void (*dropout_apply)(...) noexcept nogil
        void (*dense_forward)(...) noexcept nogil
        void (*dense_input_gradient)(...) noexcept nogil
        void (*dense_weight_gradient)(...) noexcept nogil
        void (*prox_l1)(...) noexcept nogil
        void (*update)(...) noexcept nogil
        void (*penalty_sums)(...) noexcept nogil
        void (*prox_group)(...) noexcept nogil
        void (*prox_lassonet)(...) noexcept nogil
        void (*max_norm)(...) noexcept nogil
        void (*sparse_count)(...) noexcept nogil
        void (*sparse_fill)(...) noexcept nogil
        void (*columns_to_rows)(...) noexcept nogil
        size_t (*find_not_finite)(...) noexcept nogil
        size_t (*train_work_size)(...) noexcept nogil
        size_t (*predict_work_size)(...) noexcept nogil
        void (*train)(...) noexcept nogil
        size_t (*predict)(...) noexcept nogil

    ctypedef struct rn_tables:
        const char *isa
        const rn_table *f32
        const rn_table *f64

    const rn_tables *const *rn_available()
    const rn_tables *rn_select(const char *isa)

    const char *const rn_activation_names[]
    const char *const rn_loss_names[]
    const char *const rn_l1_rule_names[]

    ctypedef struct rn_optimizer_traits:
        const char *name
        int keeps_m
        int keeps_v

    const rn_optimizer_traits rn_optimizers[]
    void rn_permutation(size_t n, int64_t *order, uint64_t seed, uint64_t epoch)
