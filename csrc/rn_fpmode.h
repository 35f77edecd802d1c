/* The floating-point mode while training, restored on the way out, never process-wide.
 *
 * Denormals are flushed to zero: they cost a hundred cycles each, and shrinking weights
 * produce them by the million.  Rounding is to nearest and nothing traps, whatever the
 * caller's mode: the team's threads would not have it.
 */
#ifndef RN_FPMODE_H
#define RN_FPMODE_H

#include <stdint.h>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned rn_fpmode;
static inline rn_fpmode rn_flush_denormals(void) {
    const rn_fpmode before = _mm_getcsr();
    _mm_setcsr(0x9fc0u); /* FTZ, DAZ, all exceptions masked, to the nearest */
    return before;
}
static inline void rn_restore_fpmode(rn_fpmode before) { _mm_setcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t rn_fpmode;
static inline rn_fpmode rn_flush_denormals(void) {
    rn_fpmode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)1 << 24)); /* FZ alone */
    return before;
}
static inline void rn_restore_fpmode(rn_fpmode before) {
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#elif defined(_M_ARM64) /* MSVC, which has no inline assembly there */
#include <intrin.h>
typedef uint64_t rn_fpmode;
enum { RN_FPCR = 0x5A20 }; /* ARM64_SYSREG(3, 3, 4, 4, 0) */
static inline rn_fpmode rn_flush_denormals(void) {
    const rn_fpmode before = (rn_fpmode)_ReadStatusReg(RN_FPCR);
    _WriteStatusReg(RN_FPCR, (__int64)1 << 24); /* FZ alone */
    return before;
}
static inline void rn_restore_fpmode(rn_fpmode before) {
    _WriteStatusReg(RN_FPCR, (__int64)before);
}
#else
typedef int rn_fpmode;
static inline rn_fpmode rn_flush_denormals(void) { return 0; }
static inline void rn_restore_fpmode(rn_fpmode before) { (void)before; }
#endif

#endif
