/* Square transposes in registers: RN_LANES vectors in, RN_LANES vectors out.
 *
 * The one place where the code differs per instruction set beyond rn_vec.h.  Moving
 * data has no rounding, so nothing here can touch the bits of a result.
 */

#if defined(__AVX512F__) && RN_FLOAT
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    VEC a[16], b[16];
    RN_UNROLL
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    RN_UNROLL
    for (int i = 0; i < 16; i += 4) {
        for (int h = 0; h < 2; h++) {
            const __m512d lo = _mm512_castps_pd(a[i + h]),
                          hi = _mm512_castps_pd(a[i + h + 2]);
            b[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi));
            b[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi));
        }
    }
    RN_UNROLL
    for (int i = 0; i < 4; i++) {
        const VEC lo = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
        const VEC hi = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
        const VEC lo2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        const VEC hi2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
        v[i] = _mm512_shuffle_f32x4(lo, lo2, 0x88);
        v[i + 4] = _mm512_shuffle_f32x4(hi, hi2, 0x88);
        v[i + 8] = _mm512_shuffle_f32x4(lo, lo2, 0xdd);
        v[i + 12] = _mm512_shuffle_f32x4(hi, hi2, 0xdd);
    }
}

#elif defined(__AVX512F__)
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    VEC a[8], b[8];
    RN_UNROLL
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_pd(v[i], v[i + 1]);
        a[i + 1] = _mm512_unpackhi_pd(v[i], v[i + 1]);
    }
    RN_UNROLL
    for (int h = 0; h < 8; h += 4) {
        for (int i = 0; i < 2; i++) {
            b[h + i] = _mm512_shuffle_f64x2(a[h + i], a[h + i + 2], 0x88);
            b[h + i + 2] = _mm512_shuffle_f64x2(a[h + i], a[h + i + 2], 0xdd);
        }
    }
    RN_UNROLL
    for (int i = 0; i < 2; i++) {
        v[i] = _mm512_shuffle_f64x2(b[i], b[i + 4], 0x88);
        v[i + 4] = _mm512_shuffle_f64x2(b[i], b[i + 4], 0xdd);
        v[i + 2] = _mm512_shuffle_f64x2(b[i + 2], b[i + 6], 0x88);
        v[i + 6] = _mm512_shuffle_f64x2(b[i + 2], b[i + 6], 0xdd);
    }
}

#elif defined(__AVX2__) && RN_FLOAT
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    VEC a[8], b[8];
    RN_UNROLL
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    RN_UNROLL
    for (int i = 0; i < 8; i += 4) {
        for (int h = 0; h < 2; h++) {
            const __m256d lo = _mm256_castps_pd(a[i + h]),
                          hi = _mm256_castps_pd(a[i + h + 2]);
            b[i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(lo, hi));
            b[i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(lo, hi));
        }
    }
    RN_UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

#elif defined(__AVX2__)
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    const VEC a = _mm256_unpacklo_pd(v[0], v[1]), b = _mm256_unpackhi_pd(v[0], v[1]);
    const VEC c = _mm256_unpacklo_pd(v[2], v[3]), d = _mm256_unpackhi_pd(v[2], v[3]);
    v[0] = _mm256_permute2f128_pd(a, c, 0x20);
    v[1] = _mm256_permute2f128_pd(b, d, 0x20);
    v[2] = _mm256_permute2f128_pd(a, c, 0x31);
    v[3] = _mm256_permute2f128_pd(b, d, 0x31);
}

#elif defined(RN_NEON) && RN_FLOAT
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
    v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#elif defined(RN_NEON)
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    const VEC a = vtrn1q_f64(v[0], v[1]), b = vtrn2q_f64(v[0], v[1]);
    v[0] = a;
    v[1] = b;
}

#elif defined(RN_SSE2) && RN_FLOAT
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
}

#elif defined(RN_SSE2)
RN_INLINE void V(transpose)(VEC v[RN_LANES]) {
    const VEC a = _mm_unpacklo_pd(v[0], v[1]), b = _mm_unpackhi_pd(v[0], v[1]);
    v[0] = a;
    v[1] = b;
}

#else
RN_INLINE void V(transpose)(VEC v[RN_LANES]) { (void)v; }
#endif

/* dst[c * ldd + r] = src[r][c] for r < RN_LANES, c < cols; cols <= RN_LANES. */
RN_INLINE void RN_FN(transpose_rows)(size_t cols, T *dst, size_t ldd,
                                     const T *const src[RN_LANES]) {
    VEC v[RN_LANES];
    if (cols == RN_LANES) {
        RN_UNROLL
        for (int r = 0; r < RN_LANES; r++) v[r] = V(load)(src[r]);
        V(transpose)(v);
        RN_UNROLL
        for (int c = 0; c < RN_LANES; c++) V(store)(dst + c * ldd, v[c]);
    } else {
        T block[RN_LANES * RN_LANES];
        RN_UNROLL
        for (int r = 0; r < RN_LANES; r++) v[r] = V(load_first)(src[r], cols);
        V(transpose)(v);
        RN_UNROLL
        for (int c = 0; c < RN_LANES; c++) V(store)(block + c * RN_LANES, v[c]);
        for (size_t c = 0; c < cols; c++) {
            memcpy(dst + c * ldd, block + c * RN_LANES, RN_LANES * sizeof(T));
        }
    }
}
