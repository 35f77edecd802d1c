/* The kernels of one variant: every topic file in the order they use each other.
 *
 * A variant file (rn_avx2_f32.c, ...) sets RN_ISA, the element type T and RN_FLOAT (1:
 * T is float) and includes this file once; its compiler flags choose the instructions.
 * Everything is static: the table is the only symbol that leaves the file.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rn.h"

#include "rn_vec.h"
#include "rn_cut.h"

#include "rn_math.inc.c"
#include "rn_erf.inc.c"
#include "rn_map.inc.c"
#include "rn_act.inc.c"
#include "rn_loss.inc.c"
#include "rn_random.inc.c"
#include "rn_transpose.inc.c"
#include "rn_tile.inc.c"
#include "rn_dense.inc.c"
#include "rn_pack.inc.c"
#include "rn_update.inc.c"
#include "rn_steps.inc.c"
#include "rn_group.inc.c"
#include "rn_lassonet.inc.c"
#include "rn_layer.inc.c"
#include "rn_entries.inc.c"
#include "rn_gradient.inc.c"
#include "rn_work.inc.c"
#include "rn_task.inc.c"
#include "rn_few_units.inc.c"
#include "rn_sparse_rows.inc.c"
#include "rn_chain.inc.c"
#include "rn_constrain.inc.c"
#include "rn_clip.inc.c"
#include "rn_lazy.inc.c"
#include "rn_descent.inc.c"
#include "rn_net.inc.c"
#include "rn_members.inc.c"
#include "rn_train.inc.c"
#include "rn_sparse.inc.c"
#include "rn_predict_block.inc.c"
#include "rn_predict.inc.c"

#define RN_ENTRY(ret, name, args) .name = name,
#define RN_MAP_ENTRY(ret, name, args) .name = map_##name,
#define RN_TABLE_(isa, type) rn_##isa##_##type
#define RN_TABLE(isa, type) RN_TABLE_(isa, type)

#if RN_FLOAT
const rn_table_f32 RN_TABLE(RN_ISA, f32) = {
#else
const rn_table_f64 RN_TABLE(RN_ISA, f64) = {
#endif
    .lanes = RN_LANES,
    .fused = RN_FUSED,
    RN_MAPS(RN_MAP_ENTRY, T) RN_KERNELS(RN_ENTRY, T)};
