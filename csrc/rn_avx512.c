/* The variant for AVX-512 (F, DQ, BW, VL). */
#define RN_ISA avx512
#include "rn_variant.h"
