/* Turns the .inc.c sources into one instruction-set variant.
 *
 * Each variant file (rn_base.c, rn_avx2.c, rn_avx512.c) defines RN_ISA and includes
 * this header once.  It includes every source twice, with T = float and T = double,
 * and then fills the variant's two kernel tables.  Inside the sources a function
 * called `name` is written RN_FN(name); everything is static, so that the tables are
 * the only symbols that leave the file.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rn.h"

#ifndef RN_ISA
#error "a variant file must define RN_ISA before including rn_variant.h"
#endif

#define RN_CAT_(a, b) a##b
#define RN_CAT(a, b) RN_CAT_(a, b)

#define RN_FLOAT 1
#define T float
#define RN_FN(name) RN_CAT(name, _f32)
#include "rn_all.h"
#undef T
#undef RN_FN
#undef RN_FLOAT

#define RN_FLOAT 0
#define T double
#define RN_FN(name) RN_CAT(name, _f64)
#include "rn_all.h"
#undef T
#undef RN_FN
#undef RN_FLOAT

const rn_tables RN_CAT(rn_tables_, RN_ISA) = {
    .isa = RN_STRING(RN_ISA),
    .fused = RN_FUSED,
    .f32 = {.lanes = RN_LANES_F32, RN_KERNELS(RN_ENTRY_F32, float)},
    .f64 = {.lanes = RN_LANES_F64, RN_KERNELS(RN_ENTRY_F64, double)},
};
