/* One SIMD vector of T per instruction set, with the dozen operations the kernels need.
 *
 * Included once per T by rn_all.h.  The same kernel text compiles to AVX-512, AVX2+FMA,
 * NEON, SSE2 or plain scalars.  `load_first` and `store_first` touch exactly the first
 * k elements, so that no kernel reads or writes past the end of an array; the lanes
 * they do not load are zero.  relu keeps a NaN; gate(a, x) is x where a > 0, else 0.
 */

#ifndef RN_VEC_COMMON
#define RN_VEC_COMMON

#if defined(_MSC_VER) && !defined(__clang__)
#define RN_INLINE static __forceinline
#define RN_RESTRICT __restrict
#define RN_UNROLL
#define RN_UNUSED
#else
#define RN_INLINE static inline __attribute__((always_inline))
#define RN_RESTRICT restrict
#define RN_UNUSED __attribute__((unused))
#if defined(__clang__)
#define RN_UNROLL _Pragma("unroll")
#else
#define RN_UNROLL _Pragma("GCC unroll 32")
#endif
#endif

/* A hint to bring a cache line near; never a fault. */
#if !defined(_MSC_VER) || defined(__clang__)
#define RN_PREFETCH(p) __builtin_prefetch((p), 0, 2)
#elif defined(_M_X64)
#define RN_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#else
#define RN_PREFETCH(p) ((void)(p))
#endif

#define RN_STRING_(x) #x
#define RN_STRING(x) RN_STRING_(x)

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

/* One rounding where the CPU can; the minimum x86-64 variant says so in its table. */
#if defined(__AVX512F__) || defined(__AVX2__)
#define RN_FUSED 1
#elif defined(RN_NEON) || defined(__FP_FAST_FMA)
#define RN_FUSED 1
#else
#define RN_FUSED 0
#endif

#if defined(__AVX512F__)
#define RN_LANES_F32 16
#define RN_LANES_F64 8
#define RN_TILE_ROWS 14
#define RN_LOW_ROWS 3
#elif defined(__AVX2__)
#define RN_LANES_F32 8
#define RN_LANES_F64 4
#define RN_TILE_ROWS 6
#define RN_LOW_ROWS 2
#elif defined(RN_NEON)
#define RN_LANES_F32 4
#define RN_LANES_F64 2
#define RN_TILE_ROWS 12
#define RN_LOW_ROWS 3
#elif defined(RN_SSE2)
#define RN_LANES_F32 4
#define RN_LANES_F64 2
#define RN_TILE_ROWS 6
#define RN_LOW_ROWS 2
#else
#define RN_LANES_F32 1
#define RN_LANES_F64 1
#define RN_TILE_ROWS 4
#define RN_LOW_ROWS 2
#endif

/* Keeps a vector in its register: GCC would rather read it again for every use in a
 * small loop, and run out of loads. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX512F__)
#define RN_KEEP(v) __asm__("" : "+v"(v))
#elif defined(__GNUC__) && !defined(__clang__) && defined(__AVX2__)
#define RN_KEEP(v) __asm__("" : "+x"(v))
#else
#define RN_KEEP(v) ((void)(v))
#endif

/* Samples side by side in one panel; see rn_tile.inc.c. */
#define RN_TILE_VECTORS 2

RN_INLINE float rn_fma_f32(float a, float b, float c) {
#if RN_FUSED
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

RN_INLINE double rn_fma_f64(double a, double b, double c) {
#if RN_FUSED
    return fma(a, b, c);
#else
    return a * b + c;
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
RN_UNUSED static const int32_t rn_lane_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                   0,  0,  0,  0,  0,  0,  0,  0};
#define RN_MASK_F32(k) _mm256_loadu_si256((const __m256i *)(rn_lane_mask + 8 - (k)))
#define RN_MASK_F64(k) _mm256_loadu_si256((const __m256i *)(rn_lane_mask + 8 - 2 * (k)))
#endif

#endif /* RN_VEC_COMMON */

#undef RN_FMA
#undef RN_LANES
#undef VEC
#undef V
#define RN_FMA RN_FN(rn_fma)
#define VEC RN_FN(vec)
#define V(op) RN_FN(vec_##op)
#if RN_FLOAT
#define RN_LANES RN_LANES_F32
#else
#define RN_LANES RN_LANES_F64
#endif

/* pick(x, i): x[i[0]], x[i[1]], ...  Single loads are faster than gather instructions
 * here: 16 numbers in 4 ns against 6 ns on Zen 5. */
#define RN_AT(k) x[i[k]]
/* RN_VEC_OPS(vector type, load, store, set1, add, mul, fma): the common operations. */
#define RN_VEC_OPS(vtype, load_, store_, set1_, add_, mul_, fma_)                      \
    typedef vtype VEC;                                                                 \
    RN_INLINE VEC V(load)(const T *p) { return load_(p); }                             \
    RN_INLINE void V(store)(T * p, VEC v) { store_(p, v); }                            \
    RN_INLINE VEC V(set1)(T x) { return set1_(x); }                                    \
    RN_INLINE VEC V(add)(VEC a, VEC b) { return add_(a, b); }                          \
    RN_INLINE VEC V(mul)(VEC a, VEC b) { return mul_(a, b); }                          \
    RN_INLINE VEC V(fma)(VEC a, VEC b, VEC c) { return fma_; }

#if defined(__AVX512F__)
#if RN_FLOAT
RN_VEC_OPS(__m512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_add_ps,
           _mm512_mul_ps, _mm512_fmadd_ps(a, b, c))
RN_INLINE VEC V(relu)(VEC x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ),
                               x);
}
RN_INLINE VEC V(load_first)(const T *p, size_t k) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << k) - 1), p);
}
RN_INLINE void V(store_first)(T *p, VEC v, size_t k) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << k) - 1), v);
}
RN_INLINE VEC V(pick)(const T *x, const int32_t *i) {
    const __m256 low = _mm256_setr_ps(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4),
                                      RN_AT(5), RN_AT(6), RN_AT(7));
    const __m256 high = _mm256_setr_ps(RN_AT(8), RN_AT(9), RN_AT(10), RN_AT(11),
                                       RN_AT(12), RN_AT(13), RN_AT(14), RN_AT(15));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
#else
RN_VEC_OPS(__m512d, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_add_pd,
           _mm512_mul_pd, _mm512_fmadd_pd(a, b, c))
RN_INLINE VEC V(relu)(VEC x) { return _mm512_max_pd(_mm512_setzero_pd(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, _mm512_setzero_pd(), _CMP_GT_OQ),
                               x);
}
RN_INLINE VEC V(load_first)(const T *p, size_t k) {
    return _mm512_maskz_loadu_pd((__mmask8)((1u << k) - 1), p);
}
RN_INLINE void V(store_first)(T *p, VEC v, size_t k) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << k) - 1), v);
}
RN_INLINE VEC V(pick)(const T *x, const int32_t *i) {
    return _mm512_setr_pd(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4), RN_AT(5),
                          RN_AT(6), RN_AT(7));
}
#endif

#elif defined(__AVX2__)
#if RN_FLOAT
RN_VEC_OPS(__m256, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_add_ps,
           _mm256_mul_ps, _mm256_fmadd_ps(a, b, c))
RN_INLINE VEC V(relu)(VEC x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ), x);
}
RN_INLINE VEC V(load_first)(const T *p, size_t k) {
    return _mm256_maskload_ps(p, RN_MASK_F32(k));
}
RN_INLINE void V(store_first)(T *p, VEC v, size_t k) {
    _mm256_maskstore_ps(p, RN_MASK_F32(k), v);
}
RN_INLINE VEC V(pick)(const T *x, const int32_t *i) {
    return _mm256_setr_ps(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3), RN_AT(4), RN_AT(5),
                          RN_AT(6), RN_AT(7));
}
#else
RN_VEC_OPS(__m256d, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_add_pd,
           _mm256_mul_pd, _mm256_fmadd_pd(a, b, c))
RN_INLINE VEC V(relu)(VEC x) { return _mm256_max_pd(_mm256_setzero_pd(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm256_and_pd(_mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_GT_OQ), x);
}
RN_INLINE VEC V(load_first)(const T *p, size_t k) {
    return _mm256_maskload_pd(p, RN_MASK_F64(k));
}
RN_INLINE void V(store_first)(T *p, VEC v, size_t k) {
    _mm256_maskstore_pd(p, RN_MASK_F64(k), v);
}
RN_INLINE VEC V(pick)(const T *x, const int32_t *i) {
    return _mm256_setr_pd(RN_AT(0), RN_AT(1), RN_AT(2), RN_AT(3));
}
#endif

#else
#if defined(RN_NEON)
#if RN_FLOAT
RN_VEC_OPS(float32x4_t, vld1q_f32, vst1q_f32, vdupq_n_f32, vaddq_f32, vmulq_f32,
           vfmaq_f32(c, a, b))
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(a), vreinterpretq_u32_f32(x)));
}
RN_INLINE VEC V(relu)(VEC x) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltzq_f32(x)));
}
#else
RN_VEC_OPS(float64x2_t, vld1q_f64, vst1q_f64, vdupq_n_f64, vaddq_f64, vmulq_f64,
           vfmaq_f64(c, a, b))
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return vreinterpretq_f64_u64(vandq_u64(vcgtzq_f64(a), vreinterpretq_u64_f64(x)));
}
RN_INLINE VEC V(relu)(VEC x) {
    return vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(x), vcltzq_f64(x)));
}
#endif
#elif defined(RN_SSE2)
#if RN_FLOAT
RN_VEC_OPS(__m128, _mm_loadu_ps, _mm_storeu_ps, _mm_set1_ps, _mm_add_ps, _mm_mul_ps,
           _mm_add_ps(_mm_mul_ps(a, b), c))
RN_INLINE VEC V(relu)(VEC x) { return _mm_max_ps(_mm_setzero_ps(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm_and_ps(_mm_cmpgt_ps(a, _mm_setzero_ps()), x);
}
#else
RN_VEC_OPS(__m128d, _mm_loadu_pd, _mm_storeu_pd, _mm_set1_pd, _mm_add_pd, _mm_mul_pd,
           _mm_add_pd(_mm_mul_pd(a, b), c))
RN_INLINE VEC V(relu)(VEC x) { return _mm_max_pd(_mm_setzero_pd(), x); }
RN_INLINE VEC V(gate)(VEC a, VEC x) {
    return _mm_and_pd(_mm_cmpgt_pd(a, _mm_setzero_pd()), x);
}
#endif
#else
#define RN_SCALAR_LOAD(p) (*(p))
#define RN_SCALAR_STORE(p, v) (*(p) = (v))
#define RN_SCALAR_SET1(x) (x)
#define RN_SCALAR_ADD(a, b) ((a) + (b))
#define RN_SCALAR_MUL(a, b) ((a) * (b))
RN_VEC_OPS(T, RN_SCALAR_LOAD, RN_SCALAR_STORE, RN_SCALAR_SET1, RN_SCALAR_ADD,
           RN_SCALAR_MUL, RN_FMA(a, b, c))
RN_INLINE VEC V(relu)(VEC x) { return x < 0 ? (T)0 : x; }
RN_INLINE VEC V(gate)(VEC a, VEC x) { return a > 0 ? x : (T)0; }
#endif
RN_INLINE VEC V(load_first)(const T *p, size_t k) {
    T buffer[RN_LANES] = {0};
    memcpy(buffer, p, k * sizeof(T));
    return V(load)(buffer);
}
RN_INLINE void V(store_first)(T *p, VEC v, size_t k) {
    T buffer[RN_LANES];
    V(store)(buffer, v);
    memcpy(p, buffer, k * sizeof(T));
}
RN_INLINE VEC V(pick)(const T *x, const int32_t *i) {
    T buffer[RN_LANES];
    for (int k = 0; k < RN_LANES; k++) buffer[k] = RN_AT(k);
    return V(load)(buffer);
}
#endif
#undef RN_AT
#undef RN_VEC_OPS
