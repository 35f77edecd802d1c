/* The lists of rn.h as arrays of names, for other languages. */
#include "rn.h"

#define RN_NAME(constant, name, ...) name,
#define RN_NAME_ALONE(constant, name) name,

const char *const rn_activation_names[] = {RN_ACTIVATIONS(RN_NAME) NULL};
const char *const rn_loss_names[] = {RN_LOSSES(RN_NAME) NULL};
const char *const rn_l1_rule_names[] = {RN_L1_RULES(RN_NAME_ALONE) NULL};

#define RN_TRAITS(constant, name, step, response, keeps_m, metric)                     \
    {name, keeps_m, (metric) != RN_NO_METRIC},
const rn_optimizer_traits rn_optimizers[] = {RN_OPTIMIZERS(RN_TRAITS){NULL, 0, 0}};
