/* Kernels for AVX2 with FMA, in double. */
#define RN_ISA avx2
#define T double
#define RN_FLOAT 0
#include "rn_core.inc.c"
