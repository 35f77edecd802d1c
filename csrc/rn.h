/* The whole C interface of regnet_c.
 *
 * C does arithmetic in memory that the caller owns: it never allocates, never fails,
 * never calls Python and never decides policy.  The only exception is rn_threads.c,
 * which starts and joins the threads of one call.
 *
 * Dimension letters, the same everywhere:
 *   n       rows (samples)
 *   n_in    inputs of a layer
 *   n_out   outputs of a layer
 * Row-major arrays unless a comment says otherwise; W is (n_in, n_out).
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

typedef enum {
    RN_IDENTITY,
    RN_RELU,
    RN_LEAKY_RELU,
    RN_ELU,
    RN_SIGMOID,
    RN_TANH,
    RN_ARCTAN,
    RN_SOFTSIGN,
    RN_ISRU,
    RN_SOFTPLUS,
    RN_GELU,
    RN_SILU,
    RN_SOFTMAX,
} rn_activation;

/* Every loss is a sum over the outputs of one row, except mse and mae (a mean). */
typedef enum {
    RN_SOFTMAX_CROSS_ENTROPY,
    RN_BINARY_CROSS_ENTROPY,
    RN_SQUARED_ERROR,
    RN_MSE,
    RN_ABSOLUTE_ERROR,
    RN_MAE,
    RN_HUBER,
    RN_QUANTILE,
    RN_POISSON,
} rn_loss;

typedef enum {
    RN_SGD,
    RN_MOMENTUM,
    RN_NESTEROV,
    RN_ADAGRAD,
    RN_RMSPROP,
    RN_ADAM,
    RN_ADAMW,
} rn_optimizer_kind;

typedef enum {
    RN_L1_NONE,
    RN_L1_CUMULATIVE,
    RN_L1_PROXIMAL,
    RN_L1_SHRINK_FIRST,
    RN_L1_SUBGRADIENT,
} rn_l1_rule;

/* Whose weights a group penalty joins: a unit's incoming (a column of W) or an input's
 * outgoing ones (a row). */
typedef enum { RN_GROUP_NONE, RN_GROUP_UNITS, RN_GROUP_INPUTS } rn_group;

/* Element types a data source may have; C converts row by row while packing. */
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

/* A matrix somebody else owns, strides in bytes (any sign, zero allowed). */
typedef struct {
    const char *data;
    ptrdiff_t row_stride, col_stride;
    size_t n_rows, n_cols;
    int dtype; /* rn_dtype */
} rn_source;

/* What one optimiser step needs beside the arrays; see rn_update.inc.c. */
typedef struct {
    int kind;             /* rn_optimizer_kind */
    int l1_rule;          /* rn_l1_rule */
    int sign_at_zero;     /* subgradient rule: the value taken for sign(0) */
    int non_negative;     /* project on w >= 0 after the step */
    double learning_rate; /* of this step */
    double l1, l2;
    double momentum;     /* momentum, Nesterov */
    double beta1, beta2; /* Adam; beta2 is also RMSprop's rho */
    double epsilon;
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
    void *ema;           /* moving average of the update */
    double l1, l2;
    int l1_rule, sign_at_zero, non_negative;
    int keep_zeros;        /* what is zero stays zero */
    int group, group_rule; /* rn_group; cumulative or proximal */
    double group_strength;
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
    rn_param weight, bias; /* bias.w NULL: no bias */
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

typedef struct {
    size_t n_layers;
    const rn_layer *layers;
    const rn_layer *skip; /* linear, from the inputs to the outputs; NULL: none */
    double hierarchy;     /* M of the skip's LassoNet penalty, see rn_lassonet.inc.c */
    const rn_sparse *sparse; /* for predict, one for each layer; NULL: all dense */
    double input_keep;
    const rn_source *input_mask;
    int loss; /* rn_loss */
    double loss_param;
    int output; /* applied by predict to the outputs: rn_activation */
    uint64_t seed;
} rn_net;

/* What an optimiser remembers beside the arrays; saved and restored with them. */
typedef struct {
    int kind; /* rn_optimizer_kind */
    double momentum, beta1, beta2, epsilon, weight_decay;
    double beta1_power, beta2_power, response, credit, credit_decay;
    uint64_t step;
} rn_optimizer;

enum { RN_RUNNING, RN_DIVERGED };

/* Many training steps in one call.  The caller fills the first part; the second part
 * is progress, so that the next call goes on where this one stopped. */
typedef struct {
    const rn_net *net;
    rn_optimizer *optimizer;
    const rn_source *x, *y; /* y NULL: labels */
    const int64_t *labels;
    const double *sample_weight;  /* NULL: all one */
    const int64_t *order;         /* rows in the order of training; NULL: 0, 1, ... */
    const double *learning_rates; /* one for each step of this call */
    size_t n, batch_size;
    size_t block_rows; /* rows whose activations are kept at a time */
    size_t turn_rows;  /* threads take so many rows of a block through everything, the
                          gradient in turn; 0: not so */
    size_t max_steps;
    size_t n_threads;
    int by_layer;      /* a block goes layer by layer, threads sharing units;
                        otherwise panel by panel, threads sharing rows */
    int gradient_only; /* write weight.g and bias.g, update nothing */
    double ema_decay;  /* 1 - tau of rn_param.ema */
    double seconds;    /* return after about this long */
    void *work;        /* train_work_size() bytes, 64-byte aligned */

    size_t row;        /* next row of the epoch */
    size_t batch_row;  /* rows of the current batch already in the gradient */
    size_t steps_done; /* optimiser steps of this call */
    double batch_loss, batch_weight; /* of the batch in progress or just done */
    double loss_sum, weight_sum;     /* of the finished steps of this epoch */
    double seconds_asleep;           /* threads waiting for others in the last call */
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
       const T *y, const int64_t *label, const T *scale, T param))                     \
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
      (const rn_layer *skip, const rn_layer *first, double hierarchy, size_t k0,       \
       size_t k1, const rn_step *step, void *work))                                    \
    X(void, max_norm,                                                                  \
      (size_t n_in, size_t n_out, T *w, size_t j0, size_t j1, double max_norm))        \
    X(void, sparse_count, (size_t n_in, size_t n_out, int64_t *counts, const T *w))    \
    X(void, sparse_fill,                                                               \
      (size_t n_in, size_t n_out, T *value, int32_t *index, int64_t *next,             \
       const int64_t *end, const T *w))                                                \
    X(size_t, find_not_finite, (const rn_source *s))                                   \
    X(size_t, train_work_size,                                                         \
      (const rn_net *net, size_t block_rows, size_t turn_rows, size_t n_threads))      \
    X(size_t, predict_work_size, (const rn_net *net, size_t n, size_t n_threads))      \
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

void rn_permutation(size_t n, int64_t *order, uint64_t seed, uint64_t epoch);

#ifdef __cplusplus
}
#endif
#endif
