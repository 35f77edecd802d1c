/* The elementary functions of one T: exp, expm1, tanh, log, log1p and atan.
 *
 * Polynomials of our own over explicit fused multiply-add replace the C library, whose
 * bits differ between machines and whose calls do not vectorise.  Every function is one
 * straight line of arithmetic, comparisons and selects, so that the compiler vectorises
 * the loop around it; inf, NaN, -0, overflow and gradual underflow come out right.
 * Comparisons are written so that NaN falls through: x > c ? c : x.
 *
 * Measured error with FMA: float at most 1.7 ulp (atan), double 2.2 (expm1).
 */
#include "rn_float.h"

#define RN_POLY(x, c) polynomial(x, c, (int)(sizeof(c) / sizeof(*(c))))

/* c[k-1] x + c[k] */
RN_INLINE T two_terms(T x, const T *c, int k) {
    return k == 0 ? c[0] : madd(c[k - 1], x, c[k]);
}

RN_INLINE T four_terms(T x, T x2, const T *c, int k) {
    const T low = two_terms(x, c, k);
    return k < 2 ? low : madd(two_terms(x, c, k - 2), x2, low);
}

/* c[0] x^(n-1) + ... + c[n-1] for 4 <= n <= 24, by pairs or fours: one long chain of
 * dependent operations would be slower.  Not a loop: it must have vanished before the
 * compiler looks at the loop around it, and a constant n folds these conditions. */
RN_INLINE T polynomial(T x, const T *c, int n) {
    const T x2 = x * x, x4 = x2 * x2;
    const int pair = (n - 1) % 2, four = (n - 1) % 4;
    T p;
    if (n <= 8) {
        p = madd(two_terms(x, c, pair), x2, two_terms(x, c, pair + 2));
        if (n > 4) p = madd(p, x2, two_terms(x, c, pair + 4));
        if (n > 6) p = madd(p, x2, two_terms(x, c, pair + 6));
    } else {
        p = four_terms(x, x2, c, four);
        p = madd(p, x4, four_terms(x, x2, c, four + 4));
        p = madd(p, x4, four_terms(x, x2, c, four + 8));
        if (n > 12) p = madd(p, x4, four_terms(x, x2, c, four + 12));
        if (n > 16) p = madd(p, x4, four_terms(x, x2, c, four + 16));
        if (n > 20) p = madd(p, x4, four_terms(x, x2, c, four + 20));
    }
    return p;
}

/* 2^n from t = n + magic; 0 at the smallest exponent, n = -bias. */
RN_INLINE T power_of_two(T t) {
    return from_bits((to_bits(t) << RN_MANTISSA) + RN_ONE_BITS);
}

/* x - low = n ln2 + r, |r| <= ln2 / 2; returns expm1(r), and t = n + magic. */
RN_INLINE T exp_reduced(T x, T low, T *t) {
#if RN_FLOAT
    static const T c[] = {0x1.6cd6a2p-10f, 0x1.122c16p-7f, 0x1.55553ap-5f,
                          0x1.5554aap-3f, 0.5f};
#else
    static const T c[] = {0x1.af723c26e27ecp-26, 0x1.28a2aea9de921p-22,
                          0x1.71ddebe6cbc17p-19, 0x1.a019a68819cb8p-16,
                          0x1.a01a01b523785p-13, 0x1.6c16c17f36cdap-10,
                          0x1.111111110e87dp-7,  0x1.55555555520f5p-5,
                          0x1.555555555555cp-3,  0x1.0000000000005p-1};
#endif
    *t = madd(x, RN_LOG2E, RN_MAGIC);
    const T n = *t - RN_MAGIC;
    const T r = madd(n, -RN_LN2_LOW, madd(n, -RN_LN2_HIGH, x)) - low;
    return madd(r * r, RN_POLY(r, c), r);
}

/* exp(x); two factors make 2^n, so that inf and denormals come out right. */
RN_INLINE T exp_of(T x) {
    T t;
    const T p = 1 + exp_reduced(clamp(x, RN_EXP_ZERO), 0, &t);
    const T half = madd(t - RN_MAGIC, (T)0.5, RN_MAGIC);
    return p * power_of_two(half) * power_of_two(t - (half - RN_MAGIC));
}

/* exp(x - low) for x <= 0 and a tiny low, with gradual underflow. */
RN_INLINE T exp_below(T x, T low) {
    const T lift = RN_FLOAT ? (T)64 : (T)512,
            drop = RN_FLOAT ? (T)0x1p-64 : (T)0x1p-512;
    T t;
    x = x < -RN_EXP_ZERO ? -RN_EXP_ZERO : x;
    const T p = 1 + exp_reduced(x, low, &t);
    return p * power_of_two(t + lift) * drop;
}

/* expm1(x) for x <= 0; *e = exp(x), 0 where it would be denormal. */
RN_INLINE T expm1_nonpositive(T x, T *e) {
    T t;
    x = x < -RN_EXP_SINGLE ? -RN_EXP_SINGLE : x;
    const T p = exp_reduced(x, 0, &t), s = power_of_two(t);
    *e = madd(s, p, s);
    return madd(s, p, s - 1);
}

/* expm1(x) = 2 (2^(n-1) p + 2^(n-1) - 1/2): halves, because 2^n itself may overflow. */
RN_INLINE T expm1_of(T x) {
    T t, y = x;
    y = y > RN_EXP_MAX ? RN_EXP_MAX : y;
    y = y < (T)-40 ? (T)-40 : y;
    const T p = exp_reduced(y, 0, &t), s = power_of_two(t - 1);
    const T far = 2 * madd(s, p, s - (T)0.5);
    return with_sign(t == RN_MAGIC ? p : far, x);
}

/* tanh(x): an odd polynomial up to 5/8, then 1 - 2 e / (1 + e) with e = exp(-2|x|).
 * *slope = 4 e / (1 + e)^2, accurate where 1 - tanh^2 would cancel. */
RN_INLINE T tanh_of(T x, T *slope) {
#if RN_FLOAT
    static const T c[] = {-0x1.750cd8p-8f, 0x1.51f8ccp-6f, -0x1.b835a4p-5f,
                          0x1.1106f6p-3f, -0x1.555532p-2f};
#else
    static const T c[] = {
        -0x1.0d980bff0b157p-16, 0x1.4389705261b77p-14,  -0x1.df521b2815a49p-13,
        0x1.3365a89aaf059p-11,  -0x1.7d6893024f91fp-10, 0x1.d6cf267c9df24p-9,
        -0x1.226e161f8a472p-7,  0x1.664f477a61cd7p-6,   -0x1.ba1ba1b503aa7p-5,
        0x1.111111110ac94p-3,   -0x1.55555555554ffp-2};
#endif
    const T a = magnitude(x), z = a * a;
    T e;
    expm1_nonpositive(-2 * a, &e);
    const T r = 1 / (1 + e), near = madd(a * z, RN_POLY(z, c), a);
    *slope = 4 * e * r * r;
    return with_sign(a > (T)0.625 ? madd(-2 * e, r, 1) : near, x);
}

/* log(1 + f) + k ln2 for sqrt(1/2) - 1 <= f <= sqrt(2) - 1 */
RN_INLINE T log_reduced(T f, T k) {
#if RN_FLOAT
    static const T c[] = {-0x1.391058p-4f, 0x1.0577f4p-3f,  -0x1.0d81d4p-3f,
                          0x1.22d5dap-3f,  -0x1.547274p-3f, 0x1.99a036p-3f,
                          -0x1.000228p-2f, 0x1.555554p-2f};
    const T f2 = f * f;
    const T y = madd(k, RN_LN2_LOW, f * f2 * RN_POLY(f, c));
    return madd(k, RN_LN2_HIGH, f + madd((T)-0.5, f2, y));
#else
    static const T c[] = {0x1.2f05815b6ed01p-3, 0x1.39a1c006aea7bp-3,
                          0x1.74663e4b41a7cp-3, 0x1.c71c520ef36e4p-3,
                          0x1.24924941e5fdcp-2, 0x1.999999997feedp-2,
                          0x1.5555555555592p-1};
    const T s = f / (2 + f), z = s * s, half = (T)0.5 * f * f;
    const T y = madd(s, madd(z, RN_POLY(z, c), half), k * RN_LN2_LOW);
    return madd(k, RN_LN2_HIGH, f - (half - y));
#endif
}

/* The integer k with x 2^-k in [sqrt(1/2), sqrt(2)), as a T; x positive and normal. */
RN_INLINE T log_exponent(T x, RN_BITS *fraction) {
    const RN_BITS b = to_bits(x) - RN_ROOT_HALF_BITS + RN_ONE_BITS;
    const T whole = RN_FLOAT ? (T)0x1p23 : (T)0x1p52,
            bias = RN_FLOAT ? (T)127 : (T)1023;
    *fraction = (b & (((RN_BITS)1 << RN_MANTISSA) - 1)) + RN_ROOT_HALF_BITS;
    return from_bits((b >> RN_MANTISSA) | to_bits(whole)) - (whole + bias);
}

RN_INLINE T log_of(T x) {
    const T least = RN_FLOAT ? (T)0x1p-126 : (T)0x1p-1022; /* normal number */
    const T lift = RN_FLOAT ? (T)0x1p25 : (T)0x1p54, bits = RN_FLOAT ? (T)25 : (T)54;
    const int denormal = x < least;
    RN_BITS fraction;
    const T k = log_exponent(denormal ? x * lift : x, &fraction);
    const T f = from_bits(fraction) - 1;
    const T y = log_reduced(f, denormal ? k - bits : k);
    const T outside = x == 0 ? -(T)INFINITY : (T)NAN;
    return x > 0 ? (x < (T)INFINITY ? y : x) : outside;
}

/* log(1 + x) for 0 <= x <= 1 */
RN_INLINE T log1p_unit(T x) {
    const int upper = x > (T)0x1.a8279ap-2;
    const T f = upper ? madd((T)0.5, x, (T)-0.5) : x;
    return log_reduced(f, upper ? (T)1 : (T)0);
}

/* With k from 1 + x, f = 2^-k x + (2^-k - 1) is rounded once, and exact for k = 0. */
RN_INLINE T log1p_of(T x) {
    RN_BITS fraction;
    const T k = log_exponent(1 + x, &fraction);
    const T half = madd(k, (T)-0.5, RN_MAGIC); /* two factors: 2^-k may be denormal */
    const T s1 = power_of_two(half);
    const T s2 = power_of_two((RN_MAGIC - k) - (half - RN_MAGIC));
    const T y = log_reduced(madd(x * s1, s2, madd(s1, s2, -1)), k);
    const T outside = x == -1 ? -(T)INFINITY : (T)NAN;
    return x > -1 ? with_sign(x < (T)INFINITY ? y : x, x) : outside;
}

/* |x| = tan(base + angle) with base 0, pi/4 or pi/2, so that |tan(angle)| <= 1/2 */
RN_INLINE T atan_of(T x) {
#if RN_FLOAT
    static const T c[] = {-0x1.a3c054p-5f, 0x1.9ff602p-4f, -0x1.224952p-3f,
                          0x1.997b02p-3f, -0x1.555512p-2f};
    const T low = -0x1.777a5cp-25f; /* pi/2 - (T)(pi/2) */
#else
    static const T c[] = {
        0x1.4b6b96061ea0dp-7,  -0x1.c16dbb9e832e1p-6, 0x1.56eff2bfd21f5p-5,
        -0x1.a3964204cff95p-5, 0x1.dfe8f97ae476ap-5,  -0x1.10f315a3f6420p-4,
        0x1.3b113cd464986p-4,  -0x1.745cf4bc8d678p-4, 0x1.c71c70905e218p-4,
        -0x1.249249215c892p-3, 0x1.9999999991118p-3,  -0x1.5555555555516p-2};
    const T low = 0x1.1a62633145c07p-54;
#endif
    const T a = magnitude(x);
    const int middle = a > (T)0.5, far = a > 2;
    const T top = far ? (T)-1 : middle ? a - 1 : a;
    const T bottom = far ? a : middle ? a + 1 : (T)1;
    const T base = far ? (T)1 : middle ? (T)0.5 : (T)0; /* in units of pi/2 */
    const T t = top / bottom, z = t * t;
    const T angle = madd(t * z, RN_POLY(z, c), madd(base, low, t));
    return with_sign(madd(base, (T)0x1.921fb54442d18p+0, angle), x);
}
