/* One SIMD vector of T per instruction set, with the dozen operations the kernels need.
 *
 * The same kernel text compiles to AVX-512, AVX2+FMA, NEON, SSE2 or plain scalars.
 * `load_first` and `store_first` touch exactly the first k elements, so that no kernel
 * reads or writes past the end of an array; the lanes they do not load are zero.  relu
 * keeps a NaN; gate(a, x) is x where a > 0, else 0.
 */

#if defined(_MSC_VER) && !defined(__clang__)
#define RN_INLINE static __forceinline
#define RN_APART static __declspec(noinline)
#define RN_RESTRICT __restrict
#define RN_UNROLL
#define RN_UNUSED
#else
#define RN_INLINE static inline __attribute__((always_inline))
#define RN_RESTRICT restrict
#define RN_UNUSED __attribute__((unused))
#if defined(__clang__)
#define RN_APART static __attribute__((noinline))
#define RN_UNROLL _Pragma("unroll")
#else
#define RN_APART static __attribute__((noinline, noclone))
#define RN_UNROLL _Pragma("GCC unroll 32")
#endif
#endif

/* Prefetch hints, into the second-level cache and into the first; never fault. */
#if !defined(_MSC_VER) || defined(__clang__)
#define RN_PREFETCH(p) __builtin_prefetch((p), 0, 2)
#define RN_PREFETCH_NEAR(p) __builtin_prefetch((p), 0, 3)
#elif defined(_M_X64)
#define RN_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define RN_PREFETCH_NEAR(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#else
#define RN_PREFETCH(p) ((void)(p))
#define RN_PREFETCH_NEAR(p) ((void)(p))
#endif

#include <math.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(_M_ARM64) || (defined(__ARM_NEON) && defined(__aarch64__))
#include <arm_neon.h>
#define RN_NEON 1
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define RN_SSE2 1
#endif

/* Rounds once where the CPU can; in the minimum x86-64 variant it rounds twice. */
#if defined(__AVX512F__) || defined(__AVX2__)
#define RN_FUSED 1
#elif defined(RN_NEON) || defined(__FP_FAST_FMA)
#define RN_FUSED 1
#else
#define RN_FUSED 0
#endif

#if defined(__AVX512F__)
#define RN_LANES (RN_FLOAT ? 16 : 8)
#define RN_TILE_ROWS 14
#define RN_LOW_ROWS 3
#elif defined(__AVX2__)
#define RN_LANES (RN_FLOAT ? 8 : 4)
#define RN_TILE_ROWS 6
#define RN_LOW_ROWS 2
#elif defined(RN_NEON)
#define RN_LANES (RN_FLOAT ? 4 : 2)
#define RN_TILE_ROWS 12
#define RN_LOW_ROWS 3
#elif defined(RN_SSE2)
#define RN_LANES (RN_FLOAT ? 4 : 2)
#define RN_TILE_ROWS 6
#define RN_LOW_ROWS 2
#else
#define RN_LANES 1
#define RN_TILE_ROWS 4
#define RN_LOW_ROWS 2
#endif

/* Keeps a vector in its register: in a small loop GCC would read it again for every
 * use, and run out of load slots. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX512F__)
#define RN_KEEP(v) __asm__("" : "+v"(v))
#elif defined(__GNUC__) && !defined(__clang__) && defined(__AVX2__)
#define RN_KEEP(v) __asm__("" : "+x"(v))
#else
#define RN_KEEP(v) ((void)(v))
#endif

/* Samples side by side in one panel; see rn_tile.inc.c. */
#define RN_TILE_VECTORS 2

/* a b + c */
RN_INLINE T madd(T a, T b, T c) {
#if !RN_FUSED
    return a * b + c;
#elif RN_FLOAT
    return fmaf(a, b, c);
#else
    return fma(a, b, c);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
RN_UNUSED static const int32_t rn_lane_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                   0,  0,  0,  0,  0,  0,  0,  0};
#define RN_MASK(k)                                                                     \
    _mm256_loadu_si256((const __m256i *)(rn_lane_mask + 8 - (RN_FLOAT ? 1 : 2) * (k)))
#endif

#if defined(__AVX512F__)
#if RN_FLOAT
typedef __m512 vec;
#define RN_LOAD(p) _mm512_loadu_ps(p)
#define RN_STORE(p, a) _mm512_storeu_ps(p, a)
#define RN_SET1(x) _mm512_set1_ps(x)
#define RN_ADD(a, b) _mm512_add_ps(a, b)
#define RN_MUL(a, b) _mm512_mul_ps(a, b)
#define RN_MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#else
typedef __m512d vec;
#define RN_LOAD(p) _mm512_loadu_pd(p)
#define RN_STORE(p, a) _mm512_storeu_pd(p, a)
#define RN_SET1(x) _mm512_set1_pd(x)
#define RN_ADD(a, b) _mm512_add_pd(a, b)
#define RN_MUL(a, b) _mm512_mul_pd(a, b)
#define RN_MADD(a, b, c) _mm512_fmadd_pd(a, b, c)
#endif
#elif defined(__AVX2__)
#if RN_FLOAT
typedef __m256 vec;
#define RN_LOAD(p) _mm256_loadu_ps(p)
#define RN_STORE(p, a) _mm256_storeu_ps(p, a)
#define RN_SET1(x) _mm256_set1_ps(x)
#define RN_ADD(a, b) _mm256_add_ps(a, b)
#define RN_MUL(a, b) _mm256_mul_ps(a, b)
#define RN_MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#else
typedef __m256d vec;
#define RN_LOAD(p) _mm256_loadu_pd(p)
#define RN_STORE(p, a) _mm256_storeu_pd(p, a)
#define RN_SET1(x) _mm256_set1_pd(x)
#define RN_ADD(a, b) _mm256_add_pd(a, b)
#define RN_MUL(a, b) _mm256_mul_pd(a, b)
#define RN_MADD(a, b, c) _mm256_fmadd_pd(a, b, c)
#endif
#elif defined(RN_NEON)
#if RN_FLOAT
typedef float32x4_t vec;
#define RN_LOAD(p) vld1q_f32(p)
#define RN_STORE(p, a) vst1q_f32(p, a)
#define RN_SET1(x) vdupq_n_f32(x)
#define RN_ADD(a, b) vaddq_f32(a, b)
#define RN_MUL(a, b) vmulq_f32(a, b)
#define RN_MADD(a, b, c) vfmaq_f32(c, a, b)
#else
typedef float64x2_t vec;
#define RN_LOAD(p) vld1q_f64(p)
#define RN_STORE(p, a) vst1q_f64(p, a)
#define RN_SET1(x) vdupq_n_f64(x)
#define RN_ADD(a, b) vaddq_f64(a, b)
#define RN_MUL(a, b) vmulq_f64(a, b)
#define RN_MADD(a, b, c) vfmaq_f64(c, a, b)
#endif
#elif defined(RN_SSE2)
#if RN_FLOAT
typedef __m128 vec;
#define RN_LOAD(p) _mm_loadu_ps(p)
#define RN_STORE(p, a) _mm_storeu_ps(p, a)
#define RN_SET1(x) _mm_set1_ps(x)
#define RN_ADD(a, b) _mm_add_ps(a, b)
#define RN_MUL(a, b) _mm_mul_ps(a, b)
#define RN_MADD(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#else
typedef __m128d vec;
#define RN_LOAD(p) _mm_loadu_pd(p)
#define RN_STORE(p, a) _mm_storeu_pd(p, a)
#define RN_SET1(x) _mm_set1_pd(x)
#define RN_ADD(a, b) _mm_add_pd(a, b)
#define RN_MUL(a, b) _mm_mul_pd(a, b)
#define RN_MADD(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
#endif
#else
typedef T vec;
#define RN_LOAD(p) (*(p))
#define RN_STORE(p, a) (*(p) = (a))
#define RN_SET1(x) (x)
#define RN_ADD(a, b) ((a) + (b))
#define RN_MUL(a, b) ((a) * (b))
#define RN_MADD(a, b, c) madd(a, b, c)
#endif

RN_INLINE vec vec_load(const T *p) { return RN_LOAD(p); }
RN_INLINE void vec_store(T *p, vec a) { RN_STORE(p, a); }
RN_INLINE vec vec_set1(T x) { return RN_SET1(x); }
RN_INLINE vec vec_add(vec a, vec b) { return RN_ADD(a, b); }
RN_INLINE vec vec_mul(vec a, vec b) { return RN_MUL(a, b); }
RN_INLINE vec vec_fma(vec a, vec b, vec c) { return RN_MADD(a, b, c); }

/* pick(x, i): x[i[0]], x[i[1]], ...  Single loads are faster than gather instructions
 * here: 16 numbers in 4 ns against 6 ns on Zen 5. */
#define RN_AT(k) x[i[k]]
#if defined(__AVX512F__)
#if RN_FLOAT
RN_INLINE vec vec_relu(vec x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ),
                               x);
}
RN_INLINE vec vec_load_first(const T *p, size_t k) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << k) - 1), p);
}
RN_INLINE void vec_store_first(T *p, vec v, size_t k) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << k) - 1), v);
}
RN_INLINE vec vec_pick(const T *x, const int32_t *i) {
    const __m256 low = _mm256_setr_ps(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4),
                                      RN_AT(5), RN_AT(6), RN_AT(7));
    const __m256 high = _mm256_setr_ps(RN_AT(8), RN_AT(9), RN_AT(10), RN_AT(11),
                                       RN_AT(12), RN_AT(13), RN_AT(14), RN_AT(15));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
#else
RN_INLINE vec vec_relu(vec x) { return _mm512_max_pd(_mm512_setzero_pd(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, _mm512_setzero_pd(), _CMP_GT_OQ),
                               x);
}
RN_INLINE vec vec_load_first(const T *p, size_t k) {
    return _mm512_maskz_loadu_pd((__mmask8)((1u << k) - 1), p);
}
RN_INLINE void vec_store_first(T *p, vec v, size_t k) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << k) - 1), v);
}
RN_INLINE vec vec_pick(const T *x, const int32_t *i) {
    return _mm512_setr_pd(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4), RN_AT(5),
                          RN_AT(6), RN_AT(7));
}
#endif

#elif defined(__AVX2__)
#if RN_FLOAT
RN_INLINE vec vec_relu(vec x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ), x);
}
RN_INLINE vec vec_load_first(const T *p, size_t k) {
    return _mm256_maskload_ps(p, RN_MASK(k));
}
RN_INLINE void vec_store_first(T *p, vec v, size_t k) {
    _mm256_maskstore_ps(p, RN_MASK(k), v);
}
RN_INLINE vec vec_pick(const T *x, const int32_t *i) {
    return _mm256_setr_ps(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4), RN_AT(5),
                          RN_AT(6), RN_AT(7));
}
#else
RN_INLINE vec vec_relu(vec x) { return _mm256_max_pd(_mm256_setzero_pd(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm256_and_pd(_mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_GT_OQ), x);
}
RN_INLINE vec vec_load_first(const T *p, size_t k) {
    return _mm256_maskload_pd(p, RN_MASK(k));
}
RN_INLINE void vec_store_first(T *p, vec v, size_t k) {
    _mm256_maskstore_pd(p, RN_MASK(k), v);
}
RN_INLINE vec vec_pick(const T *x, const int32_t *i) {
    return _mm256_setr_pd(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3));
}
#endif

#else
#if defined(RN_NEON)
#if RN_FLOAT
RN_INLINE vec vec_gate(vec a, vec x) {
    return vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(a), vreinterpretq_u32_f32(x)));
}
RN_INLINE vec vec_relu(vec x) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltzq_f32(x)));
}
#else
RN_INLINE vec vec_gate(vec a, vec x) {
    return vreinterpretq_f64_u64(vandq_u64(vcgtzq_f64(a), vreinterpretq_u64_f64(x)));
}
RN_INLINE vec vec_relu(vec x) {
    return vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(x), vcltzq_f64(x)));
}
#endif
#elif defined(RN_SSE2)
#if RN_FLOAT
RN_INLINE vec vec_relu(vec x) { return _mm_max_ps(_mm_setzero_ps(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm_and_ps(_mm_cmpgt_ps(a, _mm_setzero_ps()), x);
}
#else
RN_INLINE vec vec_relu(vec x) { return _mm_max_pd(_mm_setzero_pd(), x); }
RN_INLINE vec vec_gate(vec a, vec x) {
    return _mm_and_pd(_mm_cmpgt_pd(a, _mm_setzero_pd()), x);
}
#endif
#else
RN_INLINE vec vec_relu(vec x) { return x < 0 ? (T)0 : x; }
RN_INLINE vec vec_gate(vec a, vec x) { return a > 0 ? x : (T)0; }
#endif
RN_INLINE vec vec_load_first(const T *p, size_t k) {
    T buffer[RN_LANES] = {0};
    memcpy(buffer, p, k * sizeof(T));
    return vec_load(buffer);
}
RN_INLINE void vec_store_first(T *p, vec v, size_t k) {
    T buffer[RN_LANES];
    vec_store(buffer, v);
    memcpy(p, buffer, k * sizeof(T));
}
RN_INLINE vec vec_pick(const T *x, const int32_t *i) {
    T buffer[RN_LANES];
    for (int k = 0; k < RN_LANES; k++) buffer[k] = RN_AT(k);
    return vec_load(buffer);
}
#endif
