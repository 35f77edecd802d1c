/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), sixteen counters side by side.
 *
 * A counter-based generator: the four words of a counter are a pure function of
 * (counter, seed), so nothing is stored, any thread can draw any element, and every
 * instruction set draws the same integers.  Words live in 64-bit lanes of which only
 * the low half counts, because every CPU has a 32 x 32 -> 64 bit multiply for that
 * layout; compilers do not find it from plain loops (three times slower).
 */
#ifndef RN_PHILOX_H
#define RN_PHILOX_H

#include <stddef.h>
#include <stdint.h>

#ifndef RN_INLINE
#define RN_INLINE static inline
#endif
#ifndef RN_UNROLL
#define RN_UNROLL
#endif

enum {
    RN_PHILOX_ROUNDS = 10,
    RN_PHILOX_UNITS = 4, /* words of one counter */
    RN_PHILOX_ROWS = 16, /* counters of one call */
    RN_PHILOX_WORDS = RN_PHILOX_UNITS * RN_PHILOX_ROWS,
};

/* Fourth counter word of everything that is not a dropout mask; a mask would need
 * 2^48 steps to reach these. */
#define RN_DOMAIN_UNIFORM 0xFFFF0000u
#define RN_DOMAIN_NORMAL 0xFFFF0001u
#define RN_DOMAIN_SHUFFLE 0xFFFF0002u

#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512i rn_wide;
#define RN_WIDE_LANES 8
#define RN_WIDE_SET(x) _mm512_set1_epi64((long long)(x))
#define RN_WIDE_EVEN _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0)
#define RN_WIDE_ADD(a, b) _mm512_add_epi64(a, b)
#define RN_WIDE_MUL(a, b) _mm512_mul_epu32(a, b)
#define RN_WIDE_HIGH(a) _mm512_srli_epi64(a, 32)
#define RN_WIDE_XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define RN_WIDE_STORE(p, even, odd)                                                    \
    _mm512_storeu_si512(                                                               \
        p, _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32)))
#elif defined(__AVX2__)
#include <immintrin.h>
typedef __m256i rn_wide;
#define RN_WIDE_LANES 4
#define RN_WIDE_SET(x) _mm256_set1_epi64x((long long)(x))
#define RN_WIDE_EVEN _mm256_set_epi64x(6, 4, 2, 0)
#define RN_WIDE_ADD(a, b) _mm256_add_epi64(a, b)
#define RN_WIDE_MUL(a, b) _mm256_mul_epu32(a, b)
#define RN_WIDE_HIGH(a) _mm256_srli_epi64(a, 32)
#define RN_WIDE_XOR3(a, b, c) _mm256_xor_si256(a, _mm256_xor_si256(b, c))
#define RN_WIDE_STORE(p, even, odd)                                                    \
    _mm256_storeu_si256((__m256i *)(p),                                                \
                        _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA))
#elif defined(_M_ARM64) || (defined(__ARM_NEON) && defined(__aarch64__))
#include <arm_neon.h>
typedef uint64x2_t rn_wide;
#define RN_WIDE_LANES 2
#define RN_WIDE_SET(x) vdupq_n_u64(x)
#define RN_WIDE_EVEN vcombine_u64(vcreate_u64(0), vcreate_u64(2))
#define RN_WIDE_ADD(a, b) vaddq_u64(a, b)
#define RN_WIDE_MUL(a, b) vmull_u32(vmovn_u64(a), vmovn_u64(b))
#define RN_WIDE_HIGH(a) vshrq_n_u64(a, 32)
#define RN_WIDE_XOR3(a, b, c) veorq_u64(a, veorq_u64(b, c))
#define RN_WIDE_STORE(p, even, odd)                                                    \
    vst1q_u32(p, vreinterpretq_u32_u64(vsliq_n_u64(even, odd, 32)))
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
typedef __m128i rn_wide;
#define RN_WIDE_LANES 2
#define RN_WIDE_SET(x) _mm_set1_epi64x((long long)(x))
#define RN_WIDE_EVEN _mm_set_epi64x(2, 0)
#define RN_WIDE_ADD(a, b) _mm_add_epi64(a, b)
#define RN_WIDE_MUL(a, b) _mm_mul_epu32(a, b)
#define RN_WIDE_HIGH(a) _mm_srli_epi64(a, 32)
#define RN_WIDE_XOR3(a, b, c) _mm_xor_si128(a, _mm_xor_si128(b, c))
#define RN_WIDE_STORE(p, even, odd)                                                    \
    _mm_storeu_si128((__m128i *)(p),                                                   \
                     _mm_or_si128(_mm_and_si128(even, RN_WIDE_SET(0xFFFFFFFFu)),       \
                                  _mm_slli_epi64(odd, 32)))
#else
typedef uint64_t rn_wide;
#define RN_WIDE_LANES 1
#define RN_WIDE_SET(x) ((uint64_t)(x))
#define RN_WIDE_EVEN ((uint64_t)0)
#define RN_WIDE_ADD(a, b) ((a) + (b))
#define RN_WIDE_MUL(a, b) (((a) & 0xFFFFFFFFu) * (b))
#define RN_WIDE_HIGH(a) ((a) >> 32)
#define RN_WIDE_XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define RN_WIDE_STORE(p, even, odd)                                                    \
    ((p)[0] = (uint32_t)(even), (p)[1] = (uint32_t)(odd))
#endif

/* words[16 q + l] = word q of the counter (c0 + l mod 2^32, c1, c2, c3); key = seed. */
RN_INLINE void rn_philox(uint32_t words[RN_PHILOX_WORDS], uint32_t c0, uint32_t c1,
                         uint32_t c2, uint32_t c3, uint64_t seed) {
    const rn_wide m0 = RN_WIDE_SET(0xD2511F53u), m1 = RN_WIDE_SET(0xCD9E8D57u);
    for (uint32_t l = 0; l < RN_PHILOX_ROWS; l += 2 * RN_WIDE_LANES) {
        rn_wide x[2][RN_PHILOX_UNITS]; /* even and odd counters */
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (uint32_t h = 0; h < 2; h++) {
            x[h][0] = RN_WIDE_ADD(RN_WIDE_SET(c0 + l + h), RN_WIDE_EVEN);
            x[h][1] = RN_WIDE_SET(c1);
            x[h][2] = RN_WIDE_SET(c2);
            x[h][3] = RN_WIDE_SET(c3);
        }
        RN_UNROLL
        for (int round = 0; round < RN_PHILOX_ROUNDS; round++) {
            const rn_wide key0 = RN_WIDE_SET(k0), key1 = RN_WIDE_SET(k1);
            RN_UNROLL
            for (int h = 0; h < 2; h++) {
                const rn_wide p0 = RN_WIDE_MUL(x[h][0], m0);
                const rn_wide p1 = RN_WIDE_MUL(x[h][2], m1);
                x[h][0] = RN_WIDE_XOR3(RN_WIDE_HIGH(p1), x[h][1], key0);
                x[h][1] = p1;
                x[h][2] = RN_WIDE_XOR3(RN_WIDE_HIGH(p0), x[h][3], key1);
                x[h][3] = p0;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        RN_UNROLL
        for (int q = 0; q < RN_PHILOX_UNITS; q++) {
            RN_WIDE_STORE(words + RN_PHILOX_ROWS * q + l, x[0][q], x[1][q]);
        }
    }
}

/* words[q] = word q of one counter. */
RN_INLINE void rn_philox_one(uint32_t words[RN_PHILOX_UNITS], uint32_t c0, uint32_t c1,
                             uint32_t c2, uint32_t c3, uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < RN_PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

#endif
