/* Kernels for the minimum CPU (SSE2 or NEON), in float. */
#if defined(__AVX__)
#error "the base variant must be compiled for the minimum CPU, without -march=native"
#endif
#define RN_ISA base
#define T float
#define RN_FLOAT 1
#include "rn_core.inc.c"
