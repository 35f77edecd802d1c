/* Kernels for AVX-512 (F, DQ, BW, VL), in float. */
#define RN_ISA avx512
#define T float
#define RN_FLOAT 1
#include "rn_core.inc.c"
