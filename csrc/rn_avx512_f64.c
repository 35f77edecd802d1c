/* Kernels for AVX-512 (F, DQ, BW, VL), in double. */
#define RN_ISA avx512
#define T double
#define RN_FLOAT 0
#include "rn_core.inc.c"
