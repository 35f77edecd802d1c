/* The whole C interface of regnet_c.
 *
 * C does arithmetic in memory that the caller owns: it never allocates, never fails,
 * never calls Python and never decides policy.  The only exception is rn_threads.c,
 * which starts and joins the threads of a call.
 *
 * Dimension letters, the same everywhere:
 *   n       rows (samples)
 *   n_in    inputs of a layer
 *   n_out   outputs of a layer
 * Arrays are row-major unless a comment states otherwise; W is (n_in, n_out).
 * `dx` is the derivative of the objective with respect to x.
 * Parameter order: sizes, outputs, inputs, scalars.
 */
#ifndef RN_H
#define RN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Everything that comes in several forms is one list, X(constant, name, ...).  A list
 * makes the enum, the switches of the core and the names that the binding exports; a
 * line without its function in the core does not compile. */
#define RN_CONSTANT(constant, ...) constant,

/* X(constant, name, function in rn_act.inc.c) */
#define RN_HIDDEN_ACTIVATIONS(X)                                                       \
    X(RN_IDENTITY, "identity", identity)                                               \
    X(RN_RELU, "relu", relu)                                                           \
    X(RN_LEAKY_RELU, "leaky_relu", leaky_relu)                                         \
    X(RN_ELU, "elu", elu)                                                              \
    X(RN_SIGMOID, "sigmoid", sigmoid)                                                  \
    X(RN_TANH, "tanh", hyperbolic_tangent)                                             \
    X(RN_ARCTAN, "arctan", arctan)                                                     \
    X(RN_SOFTSIGN, "softsign", softsign)                                               \
    X(RN_ISRU, "isru", isru)                                                           \
    X(RN_SOFTPLUS, "softplus", softplus)                                               \
    X(RN_GELU, "gelu", gelu)                                                           \
    X(RN_SILU, "silu", silu)                                                           \
    X(RN_SELU, "selu", selu)                                                           \
    X(RN_MISH, "mish", mish)

/* Softmax needs all units of a row: only the last layer may have it. */
#define RN_ACTIVATIONS(X)                                                              \
    RN_HIDDEN_ACTIVATIONS(X) X(RN_SOFTMAX, "softmax", softmax_forward)

typedef enum { RN_ACTIVATIONS(RN_CONSTANT) } rn_activation;

/* X(constant, name, function in rn_loss.inc.c).  Every loss is a sum over the outputs
 * of one row, except mse and mae (a mean). */
#define RN_OUTPUT_LOSSES(X)                                                            \
    X(RN_BINARY_CROSS_ENTROPY, "binary_cross_entropy", binary_cross_entropy)           \
    X(RN_SQUARED_ERROR, "squared_error", squared_error)                                \
    X(RN_MSE, "mse", mse)                                                              \
    X(RN_ABSOLUTE_ERROR, "absolute_error", absolute_error)                             \
    X(RN_MAE, "mae", mae)                                                              \
    X(RN_HUBER, "huber", huber)                                                        \
    X(RN_QUANTILE, "quantile", quantile)                                               \
    X(RN_POISSON, "poisson", poisson)

/* Applies softmax itself, whose outputs depend on one another. */
#define RN_LOSSES(X)                                                                   \
    X(RN_SOFTMAX_CROSS_ENTROPY, "softmax_cross_entropy", softmax_rows)                 \
    RN_OUTPUT_LOSSES(X)

typedef enum { RN_LOSSES(RN_CONSTANT) } rn_loss;

/* X(constant, name, step, response, whether it keeps m, metric): step and response are
 * functions in rn_update.inc.c. */
#define RN_OPTIMIZERS(X)                                                               \
    X(RN_SGD, "sgd", plain_step, rate, 0, RN_NO_METRIC)                                \
    X(RN_MOMENTUM, "momentum", momentum_step, velocity, 1, RN_NO_METRIC)               \
    X(RN_NESTEROV, "nesterov", nesterov_step, look_ahead, 1, RN_NO_METRIC)             \
    X(RN_ADAGRAD, "adagrad", scaled_step, rate, 0, RN_SUM_OF_SQUARES)                  \
    X(RN_RMSPROP, "rmsprop", scaled_step, rate, 0, RN_MEAN_OF_SQUARES)                 \
    X(RN_ADAM, "adam", adam_step, rate, 1, RN_CORRECTED_MEAN)                          \
    X(RN_ADAMW, "adamw", adam_step, rate, 1, RN_CORRECTED_MEAN)                        \
    X(RN_FTRL, "ftrl", scaled_step, rate, 0, RN_SUM_OF_SQUARES)

typedef enum { RN_OPTIMIZERS(RN_CONSTANT) } rn_optimizer_kind;

/* What the step of a weight is divided by: 1, or the root of v, the squares of its
 * gradients so far. */
typedef enum {
    RN_NO_METRIC,
    RN_SUM_OF_SQUARES,
    RN_MEAN_OF_SQUARES,
    RN_CORRECTED_MEAN,
} rn_metric;

/* X(constant, name) */
#define RN_L1_RULES(X)                                                                 \
    X(RN_L1_NONE, "none")                                                              \
    X(RN_L1_CUMULATIVE, "cumulative")                                                  \
    X(RN_L1_PROXIMAL, "proximal")                                                      \
    X(RN_L1_SHRINK_FIRST, "shrink_first")                                              \
    X(RN_L1_SUBGRADIENT, "subgradient")

typedef enum { RN_L1_RULES(RN_CONSTANT) } rn_l1_rule;

/* Whose weights a group penalty joins: a unit's incoming (a column of W) or an input's
 * outgoing ones (a row). */
typedef enum { RN_GROUP_NONE, RN_GROUP_UNITS, RN_GROUP_INPUTS } rn_group;

/* Element types of a data source; C converts them row by row while packing. */
typedef enum {
    RN_F32,
    RN_F64,
    RN_F16,
    RN_I8,
    RN_U8,
    RN_I16,
    RN_U16,
    RN_I32,
    RN_U32,
    RN_I64,
    RN_U64,
} rn_dtype;

/* A matrix somebody else owns, strides in bytes (any sign, zero allowed).  With `start`
 * it is CSR: the entries start[i] to start[i + 1] - 1 belong to row i, entry e is at
 * data + e * col_stride and its column, rising within a row, at index[e]; what has no
 * entry is zero; row_stride is 0.  Where `by_entry` is set (few entries, columns that
 * int32_t can count) nothing of it is made dense; the bits are the same. */
typedef struct {
    const char *data;
    ptrdiff_t row_stride, col_stride;
    size_t n_rows, n_cols;
    int dtype;      /* rn_dtype */
    int wide_index; /* int64_t, not int32_t */
    int by_entry;
    const int64_t *start; /* n_rows + 1; NULL: every number is there */
    const void *index;
} rn_source;

/* What one optimiser step needs besides the arrays; see rn_update.inc.c. */
typedef struct {
    int kind;             /* rn_optimizer_kind */
    int l1_rule;          /* rn_l1_rule */
    int sign_at_zero;     /* subgradient rule: the value taken for sign(0) */
    int non_negative;     /* project on w >= 0 after the step */
    double learning_rate; /* of this step */
    double l1, l2;
    double momentum;                 /* momentum, Nesterov */
    double beta1, beta2;             /* Adam; beta2 is also RMSprop's rho */
    double epsilon;                  /* FTRL: beta */
    double weight_decay;             /* AdamW */
    double correction1, correction2; /* 1 - beta1^t, 1 - beta2^t */
    double response;     /* step of a constant unit gradient, before the metric */
    double credit;       /* cumulative rule: steps of penalty owed so far (leaky) */
    double credit_decay; /* and the factor by which old debt is forgotten */
} rn_step;

/* The mask of (seed, step, layer, row, unit) is a pure function of them. */
typedef struct {
    uint64_t seed, step;
    uint32_t layer;
    size_t first_unit; /* number of the first unit handed over, a multiple of 4 */
    double keep;       /* probability of keeping a unit, in (0, 1] */
} rn_dropout;

/* One parameter array: a weight matrix (n_in, n_out) or a bias vector (n_out).
 * NULL marks what is not used. */
typedef struct {
    void *w, *m, *v, *q; /* values, optimiser state, ledger of the cumulative rule */
    void *g;             /* where the gradient goes if it must be kept */
    /* of a long batch: g of the finished parts, and its rounding error */
    void *sum, *rest;
    void *ema;          /* moving average of the update */
    double rate_factor; /* its learning rate is the step's times this; a LassoNet's
                           first layer and its skip connection have 1 */
    double l1, l2;
    int l1_rule, sign_at_zero, non_negative;
    int keep_zeros;        /* zeros stay zero */
    int group, group_rule; /* rn_group; cumulative or proximal.  If l1_rule is
                              cumulative too, both are charged together */
    double group_strength;
    /* RN_GROUP_INPUTS of several inputs each: group g of n_groups has the inputs
     * group_rows[group_start[g]] to [group_start[g + 1]], rising, and all inputs are in
     * one.  NULL: every input is a group. */
    const int64_t *group_rows, *group_start;
    size_t n_groups;
} rn_param;

typedef struct {
    size_t n_in, n_out;
    int activation; /* rn_activation */
    double activation_param;
    double keep;            /* dropout after the activation; 1: none */
    double max_norm;        /* 0: none */
    uint32_t dropout_layer; /* the layer number its masks are drawn with */
    const rn_source *mask;  /* an explicit mask (batch rows, n_out), or NULL */
    int adds; /* to what stands in the outputs; then no bias, identity, keep 1 */
    rn_param weight, bias;          /* bias.w NULL: no bias */
    rn_param in_factor, out_factor; /* of members, else not used */
} rn_layer;

/* The weights of a layer that are not zero; see rn_sparse.inc.c.  Group g of units
 * unit[g * RN_SPARSE_UNITS + r] (-1: none) has start[g + 1] - start[g] places for each
 * of them, place t of unit r at [t * RN_SPARSE_UNITS + r] of index and value from
 * start[g] * RN_SPARSE_UNITS on.  Every slice of the inputs has its groups of all
 * units; slice comes after slice. */
enum { RN_SPARSE_UNITS = 16 };
typedef struct {
    size_t n_groups, slice_groups; /* in all, of each slice */
    const int64_t *start;
    const int32_t *unit, *index;
    const void *value; /* NULL: the layer is dense */
} rn_sparse;

/* Several members share W (n_in, n_out) of every layer but the last: member i has
 * W_i = r_i W s_i, where r_i (n_in) and s_i (n_out) are the rows of in_factor and
 * out_factor, row i of the bias (members, n_out), and matrix i of the last layer's
 * weight (members, n_in, n_out).  Every member has the loss on its own outputs; the
 * rows of an explicit mask are those of member 0, then of 1 and so on.  No skip. */
typedef struct {
    size_t n_layers;
    const rn_layer *layers;
    size_t members;       /* 0 or 1: a plain network */
    const rn_layer *skip; /* linear, from the inputs to the outputs; NULL: none */
    double hierarchy;     /* M of the skip's LassoNet penalty, see rn_lassonet.inc.c */
    const rn_sparse *sparse; /* for predict, one for each layer; NULL: all dense */
    double input_keep;
    uint32_t dropout_layer; /* as in rn_layer, of the inputs */
    const rn_source *input_mask;
    int loss;          /* rn_loss */
    double loss_param; /* of huber and quantile; label smoothing of cross-entropies */
    int output;        /* applied by predict to the outputs: rn_activation */
    uint64_t seed;
} rn_net;

/* An optimiser's scalar state; saved and restored with its arrays. */
typedef struct {
    int kind; /* rn_optimizer_kind */
    double momentum, beta1, beta2, epsilon, weight_decay;
    double beta1_power, beta2_power, response, credit, credit_decay;
    uint64_t step;
} rn_optimizer;

/* The position of a training, kept between calls and between runs: the run points to it
 * as it does to the optimiser.  With the last row of an epoch the next one begins at
 * row 0; the sums are those of the old one until its first block is done. */
typedef struct {
    uint64_t epoch;
    size_t row;                  /* next row of the epoch */
    size_t batch_row;            /* rows of the current batch already in the gradient */
    double loss_sum, weight_sum; /* of the finished steps of the epoch */
} rn_progress;

enum { RN_RUNNING, RN_DIVERGED };

/* Batches of more than RN_LONG_BATCH rows are summed by parts of RN_SUM_ROWS, so that
 * the error of a gradient does not grow with the rows; shorter ones in one chain. */
enum { RN_LONG_BATCH = 4096, RN_SUM_ROWS = 1024 };

/* Many training steps in one call.  The caller fills the first part, C the second; the
 * next call continues where progress states that this one stopped. */
typedef struct {
    const rn_net *net;
    rn_optimizer *optimizer;
    rn_progress *progress;
    const rn_source *x, *y; /* y NULL: labels */
    const int64_t *labels;
    const double *sample_weight;  /* NULL: all one */
    const int64_t *order;         /* rows in the order of training; NULL: 0, 1, ... */
    const double *learning_rates; /* one for each step of this call */
    size_t n, batch_size;
    size_t block_rows;    /* rows whose activations are kept at a time */
    size_t block_entries; /* most entries of block_rows rows of x, if CSR */
    size_t piece_rows;    /* threads take pieces of this many rows of a block through
                            everything, the gradient in order; 0: not so; in long
                            batches they divide RN_SUM_ROWS, and block_rows if there are
                            several blocks */
    size_t max_steps;
    size_t n_threads;
    int by_layer;      /* a block goes layer by layer, threads sharing units;
                        otherwise panel by panel, threads sharing rows */
    int gradient_only; /* write weight.g and bias.g, update nothing */
    double ema_decay;  /* 1 - tau of rn_param.ema */
    double clip_norm;  /* most norm of a step's gradient, which needs all g; 0: any */
    double seconds;    /* return after about this long */
    void *work; /* train_work_size(run) bytes, 64-byte aligned, asked for when all that
                   is above is set */

    size_t steps_done;               /* optimiser steps of this call */
    double batch_loss, batch_weight; /* of the batch in progress or just done */
    size_t member; /* the next of the batch in progress; it is taken whole by each */
    double seconds_asleep; /* threads waiting for others in the last call */
    int status;
} rn_run;

/* The kernels, one line each: X(return type, name, arguments).  The lists generate the
 * table type, the tables and the checks in tests/test_conventions.py.  A kernel is the
 * function of its name; those of RN_MAPS, whose names libm has, are called map_exp ...
 */
#define RN_MAPS(X, T)                                                                  \
    X(void, exp, (size_t n, T *y, const T *x))                                         \
    X(void, expm1, (size_t n, T *y, const T *x))                                       \
    X(void, log, (size_t n, T *y, const T *x))                                         \
    X(void, log1p, (size_t n, T *y, const T *x))                                       \
    X(void, tanh, (size_t n, T *y, const T *x))                                        \
    X(void, atan, (size_t n, T *y, const T *x))                                        \
    X(void, erf, (size_t n, T *y, const T *x))

#define RN_KERNELS(X, T)                                                               \
    X(void, activation_forward,                                                        \
      (int activation, size_t n, T *a, T *slope, const T *z, T param))                 \
    X(void, softmax_forward, (size_t n_out, size_t n, size_t ld, T *a, const T *z))    \
    X(void, softmax_backward,                                                          \
      (size_t n_out, size_t n, size_t ld, T *dz, const T *da, const T *a))             \
    X(void, loss_rows,                                                                 \
      (int loss, size_t n_out, size_t n, size_t ld, T *row_loss, T *dz, const T *z,    \
       const T *y, const int64_t *label, const T *scale, double param))                \
    X(void, random_uniform,                                                            \
      (size_t n, T *u, uint64_t seed, uint32_t stream, uint64_t first))                \
    X(void, random_normal,                                                             \
      (size_t n, T *u, uint64_t seed, uint32_t stream, uint64_t first))                \
    X(void, dropout_apply,                                                             \
      (size_t n_units, size_t n, size_t ld, T *a, T *slope, size_t first_row,          \
       const rn_dropout *d))                                                           \
    X(void, dense_forward,                                                             \
      (size_t n, size_t n_in, size_t n_out, T *z, const T *x, const T *w, const T *b)) \
    X(void, dense_input_gradient,                                                      \
      (size_t n, size_t n_in, size_t n_out, T *dx, const T *dz, const T *w, T *work))  \
    X(void, dense_weight_gradient,                                                     \
      (size_t n, size_t n_in, size_t n_out, T *dw, const T *x, const T *dz))           \
    X(void, prox_l1, (size_t n, T *w, T threshold))                                    \
    X(void, update,                                                                    \
      (size_t n, T *w, T *m, T *v, T *q, const T *g, const rn_step *step))             \
    X(void, penalty_sums, (size_t n, double *sums, const T *w))                        \
    X(void, prox_group,                                                                \
      (size_t n_in, size_t n_out, size_t g0, size_t g1, const rn_param *p,             \
       const rn_step *step, T *work))                                                  \
    X(void, prox_lassonet,                                                             \
      (const rn_layer *skip, const rn_layer *first, double hierarchy, size_t g0,       \
       size_t g1, const rn_step *step, void *work))                                    \
    X(void, max_norm,                                                                  \
      (size_t n_in, size_t n_out, T *w, size_t j0, size_t j1, double max_norm))        \
    X(void, sparse_count, (size_t n_in, size_t n_out, int64_t *counts, const T *w))    \
    X(void, sparse_fill,                                                               \
      (size_t n_in, size_t n_out, T *value, int32_t *index, int64_t *next,             \
       const int64_t *end, const T *w))                                                \
    X(void, columns_to_rows,                                                           \
      (size_t n, size_t n_cols, T *out, const T *const *columns))                      \
    X(size_t, find_not_finite, (const rn_source *s))                                   \
    X(size_t, train_work_size, (const rn_run *run))                                    \
    X(size_t, predict_work_size,                                                       \
      (const rn_net *net, const rn_source *x, size_t n_threads))                       \
    X(void, train, (rn_run * run))                                                     \
    X(size_t, predict,                                                                 \
      (const rn_net *net, const rn_source *x, T *out, size_t n_threads, void *work))

#define RN_MEMBER(ret, name, args) ret(*name) args;

/* lanes: numbers in a vector; fused: multiply-add rounds once, and then all variants
 * give the same bits. */
typedef struct {
    size_t lanes;
    int fused;
    RN_MAPS(RN_MEMBER, float)
    RN_KERNELS(RN_MEMBER, float)
} rn_table_f32;

typedef struct {
    size_t lanes;
    int fused;
    RN_MAPS(RN_MEMBER, double)
    RN_KERNELS(RN_MEMBER, double)
} rn_table_f64;

typedef struct {
    const char *isa;
    const rn_table_f32 *f32;
    const rn_table_f64 *f64;
} rn_tables;

/* The variants in this build that this CPU can run, best first, NULL-terminated. */
const rn_tables *const *rn_available(void);
/* The variant called `isa`, or NULL if it is not available here. */
const rn_tables *rn_select(const char *isa);

/* The lists for other languages, in the order of the enums, NULL-terminated. */
extern const char *const rn_activation_names[];
extern const char *const rn_loss_names[];
extern const char *const rn_l1_rule_names[];
typedef struct {
    const char *name;
    int keeps_m, keeps_v; /* arrays of rn_param */
} rn_optimizer_traits;
extern const rn_optimizer_traits rn_optimizers[];

void rn_permutation(size_t n, int64_t *order, uint64_t seed, uint64_t epoch);

#ifdef __cplusplus
}
#endif
#endif
