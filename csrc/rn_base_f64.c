/* Kernels for the minimum CPU (SSE2 or NEON), in double. */
#if defined(__AVX__)
#error "the base variant must be compiled for the minimum CPU, without -march=native"
#endif
#define RN_ISA base
#define T double
#define RN_FLOAT 0
#include "rn_core.inc.c"
