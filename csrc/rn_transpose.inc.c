/* Transposes in registers: rows of the user's data into panels, panels into rows.
 *
 * The one place where the code differs per instruction set beyond rn_vec.h.  Moving
 * data has no rounding, so nothing here can touch the bits of a result.
 *
 * Wide vectors are made of quads of 16 bytes.  transpose_quads transposes the squares
 * of quads that RN_IN_QUAD vectors hold: alone it serves rows of few columns, whose
 * quads load_quads brings in the right order.
 */

#define RN_IN_QUAD (16 / sizeof(T))

/* low and high: numbers from both in turn; pairs: two from a, then two from b. */
#if defined(__AVX512F__) && RN_FLOAT
#define RN_LOW(a, b) _mm512_unpacklo_ps(a, b)
#define RN_HIGH(a, b) _mm512_unpackhi_ps(a, b)
#define RN_LOW_PAIRS(a, b) _mm512_shuffle_ps(a, b, 0x44)
#define RN_HIGH_PAIRS(a, b) _mm512_shuffle_ps(a, b, 0xee)
#elif defined(__AVX512F__)
#define RN_LOW(a, b) _mm512_unpacklo_pd(a, b)
#define RN_HIGH(a, b) _mm512_unpackhi_pd(a, b)
#elif defined(__AVX2__) && RN_FLOAT
#define RN_LOW(a, b) _mm256_unpacklo_ps(a, b)
#define RN_HIGH(a, b) _mm256_unpackhi_ps(a, b)
#define RN_LOW_PAIRS(a, b) _mm256_shuffle_ps(a, b, 0x44)
#define RN_HIGH_PAIRS(a, b) _mm256_shuffle_ps(a, b, 0xee)
#elif defined(__AVX2__)
#define RN_LOW(a, b) _mm256_unpacklo_pd(a, b)
#define RN_HIGH(a, b) _mm256_unpackhi_pd(a, b)
#endif

#if defined(__AVX2__) && RN_FLOAT
RN_INLINE void vec_transpose_quads(vec v[RN_IN_QUAD]) {
    vec a[4];
    RN_UNROLL
    for (int i = 0; i < 4; i += 2) {
        a[i] = RN_LOW(v[i], v[i + 1]);
        a[i + 1] = RN_HIGH(v[i], v[i + 1]);
    }
    RN_UNROLL
    for (int h = 0; h < 2; h++) {
        v[2 * h] = RN_LOW_PAIRS(a[h], a[h + 2]);
        v[2 * h + 1] = RN_HIGH_PAIRS(a[h], a[h + 2]);
    }
}
#elif defined(__AVX2__)
RN_INLINE void vec_transpose_quads(vec v[RN_IN_QUAD]) {
    const vec a = v[0];
    v[0] = RN_LOW(a, v[1]);
    v[1] = RN_HIGH(a, v[1]);
}
#endif

#if defined(__AVX512F__) && RN_FLOAT
/* 16 bytes of rows i, RN_IN_QUAD + i and so on. */
RN_INLINE vec vec_load_quads(const T *const rows[RN_LANES], int i) {
    vec v = _mm512_castps128_ps512(_mm_loadu_ps(rows[i]));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[4 + i]), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[8 + i]), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(rows[12 + i]), 3);
}

RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    RN_UNROLL
    for (int i = 0; i < 16; i += 4) vec_transpose_quads(v + i);
    RN_UNROLL
    for (int i = 0; i < 4; i++) {
        const vec lo = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88);
        const vec hi = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
        const vec lo2 = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x88);
        const vec hi2 = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xdd);
        v[i] = _mm512_shuffle_f32x4(lo, lo2, 0x88);
        v[i + 4] = _mm512_shuffle_f32x4(hi, hi2, 0x88);
        v[i + 8] = _mm512_shuffle_f32x4(lo, lo2, 0xdd);
        v[i + 12] = _mm512_shuffle_f32x4(hi, hi2, 0xdd);
    }
}

#elif defined(__AVX512F__)
RN_INLINE vec vec_load_quads(const T *const rows[RN_LANES], int i) {
    __m512 v = _mm512_castpd_ps(_mm512_castpd128_pd512(_mm_loadu_pd(rows[i])));
    v = _mm512_insertf32x4(v, _mm_castpd_ps(_mm_loadu_pd(rows[2 + i])), 1);
    v = _mm512_insertf32x4(v, _mm_castpd_ps(_mm_loadu_pd(rows[4 + i])), 2);
    v = _mm512_insertf32x4(v, _mm_castpd_ps(_mm_loadu_pd(rows[6 + i])), 3);
    return _mm512_castps_pd(v);
}

RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    vec b[8];
    RN_UNROLL
    for (int h = 0; h < 8; h += 4) {
        vec_transpose_quads(v + h);
        vec_transpose_quads(v + h + 2);
        for (int i = 0; i < 2; i++) {
            b[h + i] = _mm512_shuffle_f64x2(v[h + i], v[h + i + 2], 0x88);
            b[h + i + 2] = _mm512_shuffle_f64x2(v[h + i], v[h + i + 2], 0xdd);
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
RN_INLINE vec vec_load_quads(const T *const rows[RN_LANES], int i) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i])),
                                _mm_loadu_ps(rows[4 + i]), 1);
}

RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    vec_transpose_quads(v);
    vec_transpose_quads(v + 4);
    RN_UNROLL
    for (int i = 0; i < 4; i++) {
        const vec a = v[i];
        v[i] = _mm256_permute2f128_ps(a, v[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(a, v[i + 4], 0x31);
    }
}

#elif defined(__AVX2__)
RN_INLINE vec vec_load_quads(const T *const rows[RN_LANES], int i) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(rows[i])),
                                _mm_loadu_pd(rows[2 + i]), 1);
}

RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    vec_transpose_quads(v);
    vec_transpose_quads(v + 2);
    RN_UNROLL
    for (int i = 0; i < 2; i++) {
        const vec a = v[i];
        v[i] = _mm256_permute2f128_pd(a, v[i + 2], 0x20);
        v[i + 2] = _mm256_permute2f128_pd(a, v[i + 2], 0x31);
    }
}

#elif defined(RN_NEON) && RN_FLOAT
RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
    v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#elif defined(RN_NEON)
RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    const vec a = vtrn1q_f64(v[0], v[1]), b = vtrn2q_f64(v[0], v[1]);
    v[0] = a;
    v[1] = b;
}

#elif defined(RN_SSE2) && RN_FLOAT
RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
}

#elif defined(RN_SSE2)
RN_INLINE void vec_transpose(vec v[RN_LANES]) {
    const vec a = _mm_unpacklo_pd(v[0], v[1]), b = _mm_unpackhi_pd(v[0], v[1]);
    v[0] = a;
    v[1] = b;
}

#else
RN_INLINE void vec_transpose(vec v[RN_LANES]) { (void)v; }
#endif

/* dst[c * ldd + r] = src[r][c] for r, c < RN_LANES. */
RN_INLINE void transpose_square(T *dst, size_t ldd, const T *const src[RN_LANES]) {
    vec v[RN_LANES];
    RN_UNROLL
    for (int r = 0; r < RN_LANES; r++) v[r] = vec_load(src[r]);
    vec_transpose(v);
    RN_UNROLL
    for (int c = 0; c < RN_LANES; c++) vec_store(dst + c * ldd, v[c]);
}

/* dst[c * ldd + r] = rows[r][c] for r < RN_LANES, c < cols: squares, quads, numbers.
 * The last square or quad may take columns again that are done. */
static void transpose_rows(size_t cols, T *dst, size_t ldd,
                           const T *const rows[RN_LANES]) {
    const T *src[RN_LANES];
    size_t c = 0, at;
    for (; cols >= RN_LANES && cols - c > RN_LANES / 2; c = at + RN_LANES) {
        at = rn_min(c, cols - RN_LANES);
        RN_UNROLL
        for (int r = 0; r < RN_LANES; r++) src[r] = rows[r] + at;
        transpose_square(dst + at * ldd, ldd, src);
    }
#if defined(__AVX2__)
    for (; cols >= RN_IN_QUAD && c < cols; c = at + RN_IN_QUAD) {
        vec v[RN_IN_QUAD];
        at = rn_min(c, cols - RN_IN_QUAD);
        RN_UNROLL
        for (int r = 0; r < RN_LANES; r++) src[r] = rows[r] + at;
        RN_UNROLL
        for (int i = 0; i < (int)RN_IN_QUAD; i++) v[i] = vec_load_quads(src, i);
        vec_transpose_quads(v);
        RN_UNROLL
        for (size_t i = 0; i < RN_IN_QUAD; i++) vec_store(dst + (at + i) * ldd, v[i]);
    }
#endif
    for (; c < cols; c++) {
        for (int r = 0; r < RN_LANES; r++) {
            memcpy(dst + c * ldd + r, rows[r] + c, sizeof(T)); /* perhaps not aligned */
        }
    }
}
