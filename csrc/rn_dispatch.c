/* Asks the CPU once what it can run.
 *
 * A variant is offered when it was built (RN_HAVE_X86_VARIANTS), the CPU has its
 * instructions and the operating system saves its registers (cpuid and xgetbv).
 */
#include <string.h>

#include "rn.h"

extern const rn_table_f32 rn_base_f32;
extern const rn_table_f64 rn_base_f64;
static const rn_tables base = {"base", &rn_base_f32, &rn_base_f64};

#if defined(RN_HAVE_X86_VARIANTS)
extern const rn_table_f32 rn_avx2_f32, rn_avx512_f32;
extern const rn_table_f64 rn_avx2_f64, rn_avx512_f64;
static const rn_tables avx2 = {"avx2", &rn_avx2_f32, &rn_avx2_f64};
static const rn_tables avx512 = {"avx512", &rn_avx512_f32, &rn_avx512_f64};

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
static void cpuid(unsigned leaf, unsigned sub, unsigned out[4]) {
    __cpuidex((int *)out, (int)leaf, (int)sub);
}
static uint64_t enabled_state(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(unsigned leaf, unsigned sub, unsigned out[4]) {
    __cpuid_count(leaf, sub, out[0], out[1], out[2], out[3]);
}
static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

enum { EBX = 1, ECX = 2 };

static int has_bits(unsigned word, unsigned bits) { return (word & bits) == bits; }

/* 2: AVX-512 F, DQ, BW, VL; 1: AVX2 and FMA; 0: neither. */
static int x86_level(void) {
    unsigned r[4];
    cpuid(0, 0, r);
    if (r[0] < 7) return 0;
    cpuid(1, 0, r);
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if (!has_bits(r[ECX], fma | osxsave | avx)) return 0;
    const uint64_t state = enabled_state();
    if ((state & 0x6) != 0x6) return 0; /* xmm, ymm */
    cpuid(7, 0, r);
    const unsigned has_avx2 = 1u << 5;
    const unsigned has_avx512 =
        1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F DQ BW VL */
    if (!has_bits(r[EBX], has_avx2)) return 0;
    if (!has_bits(r[EBX], has_avx512) || (state & 0xe0) != 0xe0) return 1;
    return 2;
}
#endif

const rn_tables *const *rn_available(void) {
#if defined(RN_HAVE_X86_VARIANTS)
    static const rn_tables *const lists[3][4] = {
        {&base, NULL},
        {&avx2, &base, NULL},
        {&avx512, &avx2, &base, NULL},
    };
    return lists[x86_level()];
#else
    static const rn_tables *const list[] = {&base, NULL};
    return list;
#endif
}

const rn_tables *rn_select(const char *isa) {
    for (const rn_tables *const *t = rn_available(); *t; t++) {
        if (strcmp((*t)->isa, isa) == 0) return *t;
    }
    return NULL;
}
