/* Kernels for AVX2 with FMA, in float. */
#define RN_ISA avx2
#define T float
#define RN_FLOAT 1
#include "rn_core.inc.c"
