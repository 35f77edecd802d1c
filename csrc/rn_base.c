/* The variant for the minimum CPU: SSE2 on x86-64 (no fused multiply-add), NEON on
 * AArch64. */
#if defined(__AVX__)
#error "rn_base.c must be compiled for the minimum CPU, without -march=native"
#endif
#define RN_ISA base
#include "rn_variant.h"
