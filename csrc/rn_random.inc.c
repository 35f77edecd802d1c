/* Random numbers of T and inverted dropout, every element a pure function of its index.
 *
 * A block is one call of rn_philox: 16 counters, 64 words.  Elements are numbered so
 * that a block's words land in consecutive elements without any shuffle: element
 * index 64 b + w is word w of block b; a double, 32 b + w, takes the words w and 32 +
 * w.
 */
#include "rn_philox.h"

#if RN_FLOAT
#define RN_DRAWS 64
#else
#define RN_DRAWS 32
#endif

/* Uniform on [0, 1) with every bit of T's significand. */
RN_INLINE void uniform_draws(T *RN_RESTRICT u, const uint32_t *RN_RESTRICT words) {
    RN_ELEMENTWISE
    for (int l = 0; l < RN_DRAWS; l++) {
#if RN_FLOAT
        u[l] = (T)(int32_t)(words[l] >> 8) * 0x1p-24f;
#else
        const T high = (T)(int32_t)(words[l] >> 5);
        const T low = (T)(int32_t)(words[RN_DRAWS + l] >> 6);
        u[l] = (high * 0x1p26 + low) * 0x1p-53;
#endif
    }
}

/* cos and sin of the angle v, whole circles, |v| <= 1/2. */
RN_INLINE void sine_and_cosine(T v, T *cosine, T *sine) {
#if RN_FLOAT
    static const T s[] = {-0x1.2d92bp-8f, 0x1.465e9p-4f, -0x1.4abbb8p-1f,
                          0x1.921fb6p+0f};
    static const T c[] = {0x1.d9d49ep-11f, -0x1.55c5dcp-6f, 0x1.03c1dep-2f,
                          -0x1.3bd3ccp+0f, 1};
#else
    static const T s[] = {0x1.e3ee5124f4853p-25, -0x1.e300623230b73p-19,
                          0x1.50782fc8c142fp-13, -0x1.32d2cce2d3d6ap-8,
                          0x1.466bc677586edp-4,  -0x1.4abbce625be41p-1,
                          0x1.921fb54442d18p+0};
    static const T c[] = {-0x1.b26348afcad57p-28, 0x1.f9cc3f1df68d5p-22,
                          -0x1.a6d1ec7c12fa3p-16, 0x1.e1f506836541fp-11,
                          -0x1.55d3c7e3c9268p-6,  0x1.03c1f081b5aaep-2,
                          -0x1.3bd3cc9be45dep+0,  1};
#endif
    const T quarter = (4 * v + RN_MAGIC) - RN_MAGIC; /* nearest integer, -2 .. 2 */
    const T f = 4 * v - quarter, z = f * f;
    const T sin_f = f * RN_POLY(z, s), cos_f = RN_POLY(z, c);
    const T size = quarter < 0 ? -quarter : quarter;
    const T x = size == 1 ? sin_f : cos_f, y = size == 1 ? cos_f : sin_f;
    /* quarter 1: (-sin, cos), -1: (sin, -cos), +-2: (-cos, -sin); | leaves no branch */
    const int flip_x = (quarter == 1) | (size == 2),
              flip_y = (quarter == -1) | (size == 2);
    *cosine = flip_x ? -x : x;
    *sine = flip_y ? -y : y;
}

/* In (0, 1], never 0, and fine near 0: the tail of the normal distribution. */
RN_INLINE T positive_draw(const uint32_t *words) {
#if RN_FLOAT
    const T low = (T)(int32_t)(words[0] & 0xFFFFu) + 0.5f;
    return madd((T)(int32_t)(words[0] >> 16), 0x1p16f, low) * 0x1p-32f;
#else
    const T low = (T)(int32_t)(words[RN_DRAWS] >> 6) + 0.5;
    return madd((T)(int32_t)(words[0] >> 5), 0x1p26, low) * 0x1p-53;
#endif
}

/* An angle in circles, in [-1/2, 1/2]. */
RN_INLINE T angle_draw(const uint32_t *words) {
#if RN_FLOAT
    return (T)(int32_t)words[0] * 0x1p-32f;
#else
    const T low = (T)(int32_t)(words[RN_DRAWS] >> 11) * 0x1p-53;
    return madd((T)(int32_t)words[0], 0x1p-32, low);
#endif
}

/* Box-Muller: two draws make two independent normals. */
RN_INLINE void normal_draws(T *RN_RESTRICT u, const uint32_t *RN_RESTRICT words) {
    RN_ELEMENTWISE
    for (int l = 0; l < RN_DRAWS / 2; l++) {
        const T radius = RN_SQRT(-2 * log_of(positive_draw(words + l)));
        T cosine, sine;
        sine_and_cosine(angle_draw(words + RN_DRAWS / 2 + l), &cosine, &sine);
        u[l] = radius * cosine;
        u[RN_DRAWS / 2 + l] = radius * sine;
    }
}

/* Elements first .. first+n-1 of a stream, block by block. */
RN_INLINE void random_stream(size_t n, T *u, uint64_t seed, uint32_t stream,
                             uint64_t first, uint32_t domain) {
    T values[RN_DRAWS];
    uint32_t words[RN_PHILOX_WORDS];
    while (n > 0) {
        const uint64_t counter = first / RN_DRAWS * RN_PHILOX_ROWS;
        const size_t skip = (size_t)(first % RN_DRAWS);
        const size_t count = n < RN_DRAWS - skip ? n : RN_DRAWS - skip;
        rn_philox(words, (uint32_t)counter, (uint32_t)(counter >> 32), stream, domain,
                  seed);
        if (domain == RN_DOMAIN_NORMAL) {
            normal_draws(values, words);
        } else {
            uniform_draws(values, words);
        }
        memcpy(u, values + skip, count * sizeof(T));
        u += count;
        n -= count;
        first += count;
    }
}

/* u[e] uniform on [0, 1). */
static void random_uniform(size_t n, T *u, uint64_t seed, uint32_t stream,
                           uint64_t first) {
    random_stream(n, u, seed, stream, first, RN_DOMAIN_UNIFORM);
}

/* u[e] normal with mean 0 and variance 1. */
static void random_normal(size_t n, T *u, uint64_t seed, uint32_t stream,
                          uint64_t first) {
    random_stream(n, u, seed, stream, first, RN_DOMAIN_NORMAL);
}

/* x[0 .. k-1] *= factor, k <= 16 */
RN_INLINE void scale_rows(size_t k, T *x, const T *factor) {
    size_t l = 0;
    for (; l + RN_LANES <= k; l += RN_LANES) {
        vec_store(x + l, vec_mul(vec_load(x + l), vec_load(factor + l)));
    }
    if (l < k) {
        const vec v = vec_mul(vec_load_first(x + l, k - l), vec_load(factor + l));
        vec_store_first(x + l, v, k - l);
    }
}

/* Whether the mask of a row and unit is 0; see dropout_apply. */
RN_INLINE int drops_one(size_t row, uint32_t unit, const rn_dropout *d) {
    const uint32_t layer = d->layer | (uint32_t)(d->step >> 32) << 16;
    uint32_t words[RN_PHILOX_UNITS];
    rn_philox_one(words, (uint32_t)row, unit / RN_PHILOX_UNITS, (uint32_t)d->step,
                  layer, d->seed);
    return words[unit % RN_PHILOX_UNITS] >= (uint32_t)(d->keep * 0x1p32);
}

/* a and slope (may be NULL), panels (n_units, n), times mask / keep.  The mask of row r
 * and unit u is 1 where word u % 4 of the counter (r, u / 4, step, layer) is below
 * keep 2^32; the high bits of step share a word with the layer.  Row i of the panel is
 * r = first_row + i, its unit j is u = first_unit + j. */
static void dropout_apply(size_t n_units, size_t n, size_t ld, T *a, T *slope,
                          size_t first_row, const rn_dropout *d) {
    if (d->keep >= 1) return;
    const uint64_t seed = d->seed, step = d->step;
    const uint32_t layer = d->layer | (uint32_t)(step >> 32) << 16;
    const uint32_t limit = (uint32_t)(d->keep * 0x1p32);
    const T kept = (T)(1 / d->keep);
    uint32_t words[RN_PHILOX_WORDS];
    T factor[RN_PHILOX_WORDS];
    for (size_t j = 0; j < n_units; j += RN_PHILOX_UNITS) {
        const uint32_t four = (uint32_t)((d->first_unit + j) / RN_PHILOX_UNITS);
        const size_t units =
            n_units - j < RN_PHILOX_UNITS ? n_units - j : RN_PHILOX_UNITS;
        for (size_t i = 0; i < n; i += RN_PHILOX_ROWS) {
            const size_t rows = n - i < RN_PHILOX_ROWS ? n - i : RN_PHILOX_ROWS;
            rn_philox(words, (uint32_t)(first_row + i), four, (uint32_t)step, layer,
                      seed);
            RN_ELEMENTWISE
            for (int l = 0; l < RN_PHILOX_WORDS; l++) {
                factor[l] = words[l] < limit ? kept : (T)0;
            }
            for (size_t q = 0; q < units; q++) {
                const size_t at = (j + q) * ld + i;
                scale_rows(rows, a + at, factor + RN_PHILOX_ROWS * q);
                if (slope == NULL) continue;
                scale_rows(rows, slope + at, factor + RN_PHILOX_ROWS * q);
            }
        }
    }
}
