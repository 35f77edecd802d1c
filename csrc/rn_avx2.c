/* The variant for AVX2 with FMA. */
#define RN_ISA avx2
#include "rn_variant.h"
