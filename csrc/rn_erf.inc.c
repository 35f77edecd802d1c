/* The error function, by way of its tail.
 *
 * One formula holds on the whole half-line: with r = 1 / (u + a) the function
 * exp(u^2) erfc(u) is r times a polynomial in 1 - 2 a r.  gelu needs the tail with its
 * relative accuracy, hence exp(-u^2) is computed from the exact square.
 */

#if RN_FLOAT
#define RN_ERFC_ZERO ((T)10.6) /* erfc is 0 in T from here on */
#else
#define RN_ERFC_ZERO ((T)28.3)
#endif

/* exp(-a b) for a b >= 0, as if a b were exact */
RN_INLINE T exp_minus_product(T a, T b) {
    const T h = a * b;
    return exp_below(-h, madd(a, b, -h));
}

/* exp(u^2) erfc(u) for 0 <= u <= RN_ERFC_ZERO */
RN_INLINE T scaled_erfc(T u) {
#if RN_FLOAT
    static const T c[] = {-0x1.51f3eep-12f, -0x1.f4912p-12f, 0x1.93e3fap-9f,
                          -0x1.4251e2p-10f, -0x1.b7c328p-6f, 0x1.e997e4p-4f,
                          -0x1.3deacp-2f,   0x1.2e3266p-1f,  -0x1.c44c48p-1f,
                          0x1.12f21ep+0f};
    const T a = 3;
#else
    static const T c[] = {
        -0x1.6c15d13fe1087p-29, -0x1.d0ed7b5b0c0ffp-27, 0x1.48006f0f77230p-27,
        0x1.09616af2b48c4p-23,  -0x1.7659430a8e0e8p-24, -0x1.c71de80e0c491p-21,
        0x1.80a9a360448d5p-20,  0x1.3b299b9d8da94p-18,  -0x1.3c8092a63ddc2p-16,
        -0x1.e809c38aa8451p-19, 0x1.72ce52c7b792ep-13,  -0x1.dd28322b2ea5ep-12,
        -0x1.269b628bfb735p-12, 0x1.908f46f08abb8p-8,   -0x1.b00c05247e4cbp-6,
        0x1.38dbd2c92ff22p-4,   -0x1.645fd8a4cc599p-3,  0x1.52cac2370f312p-2,
        -0x1.14eacb1ad013bp-1,  0x1.8be202d26c725p-1,   -0x1.f3fe31ecb49c4p-1,
        0x1.18932bf08e154p+0};
    const T a = 4;
#endif
    const T r = 1 / (u + a), t = madd(-2 * a, r, 1);
    return r * RN_POLY(t, c);
}

/* erf(x): the odd series up to 1, one minus the tail beyond */
RN_INLINE T erf_of(T x) {
#if RN_FLOAT
    static const T c[] = {0x1.4771fep-14f, -0x1.a3515ep-11f, 0x1.53f224p-8f,
                          -0x1.b7f71ap-6f, 0x1.ce2ce6p-4f,   -0x1.81273ep-2f,
                          0x1.06eba8p-3f};
#else
    static const T c[] = {
        -0x1.abae96635f212p-31, 0x1.d71b2a7db2eb0p-27,  -0x1.5c072b1ed7314p-23,
        0x1.b97fd491dc08ep-20,  -0x1.f4ca4d82e2313p-17, 0x1.f9a2baaa5607dp-14,
        -0x1.c02db03de61dcp-11, 0x1.565bccf92b982p-8,   -0x1.b82ce311fa973p-6,
        0x1.ce2f21a040d17p-4,   -0x1.812746b0379bdp-2,  0x1.06eba8214db68p-3};
#endif
    T u = magnitude(x);
    u = u > RN_ERFC_ZERO ? RN_ERFC_ZERO : u;
    const T near = madd(u, RN_POLY(u * u, c), u);
    const T tail = exp_minus_product(u, u) * scaled_erfc(u);
    return with_sign(u > 1 ? 1 - tail : near, x);
}
