/* The bits of T and the constants that depend on it, for the mathematics of T.
 *
 * Bits are read by memcpy, which compilers turn into nothing and which vectorises.
 */

/* The arrays of such a loop are the same or do not overlap.  Clang would otherwise
 * unroll a loop of fixed length before it thinks of vectors. */
#if defined(_MSC_VER) && !defined(__clang__)
#define RN_ELEMENTWISE __pragma(loop(ivdep))
#elif defined(__clang__)
/* Only a request: where Clang cannot (log, log1p on some CPUs) the loop stays scalar.
 */
#pragma clang diagnostic ignored "-Wpass-failed"
#define RN_ELEMENTWISE _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#else
#define RN_ELEMENTWISE _Pragma("GCC ivdep")
#endif

#if RN_FLOAT
#define RN_BITS uint32_t
#define RN_MANTISSA 23
#define RN_SIGN_BIT 0x80000000u
#define RN_ONE_BITS 0x3F800000u
#define RN_ROOT_HALF_BITS 0x3F3504F3u
#define RN_MAGIC 0x1.8p23f       /* x + magic rounds x to an integer in the low bits */
#define RN_LN2_HIGH 0x1.62e4p-1f /* few bits: n * high is exact */
#define RN_LN2_LOW 0x1.7f7d1cp-20f
#define RN_EXP_MAX 89.0f    /* exp is inf from here on */
#define RN_EXP_ZERO 104.0f  /* exp(-x) is 0 from here on */
#define RN_EXP_SINGLE 88.0f /* exp(-x) by one factor 2^n; 2^n = 0 at the end */
#define RN_SQRT(x) sqrtf(x)
#define RN_TINY 0x1p-126f /* smallest normal number */
#else
#define RN_BITS uint64_t
#define RN_MANTISSA 52
#define RN_SIGN_BIT 0x8000000000000000u
#define RN_ONE_BITS 0x3FF0000000000000u
#define RN_ROOT_HALF_BITS 0x3FE6A09E667F3BCDu
#define RN_MAGIC 0x1.8p52
#define RN_LN2_HIGH 0x1.62e42feep-1
#define RN_LN2_LOW 0x1.a39ef35793c76p-33
#define RN_EXP_MAX 710.0
#define RN_EXP_ZERO 746.0
#define RN_EXP_SINGLE 709.0
#define RN_SQRT(x) sqrt(x)
#define RN_TINY 0x1p-1022
#endif
#define RN_LOG2E ((T)0x1.71547652b82fep+0)

RN_INLINE RN_BITS to_bits(T x) {
    RN_BITS b;
    memcpy(&b, &x, sizeof b);
    return b;
}

RN_INLINE T from_bits(RN_BITS b) {
    T x;
    memcpy(&x, &b, sizeof x);
    return x;
}

RN_INLINE T magnitude(T x) { return from_bits(to_bits(x) & ~RN_SIGN_BIT); }

/* Neither infinite nor NaN. */
RN_INLINE int is_finite(double x) { return x - x == 0; }

/* |x| with the sign of s, for x >= 0 or -0 */
RN_INLINE T with_sign(T x, T s) {
    return from_bits((to_bits(x) & ~RN_SIGN_BIT) | (to_bits(s) & RN_SIGN_BIT));
}

/* min(max(x, -limit), limit); NaN stays NaN. */
RN_INLINE T clamp(T x, T limit) {
    const T a = magnitude(x);
    return with_sign(a > limit ? limit : a, x);
}
