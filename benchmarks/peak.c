/* Multiply-adds that never leave the registers: what this CPU can do at most.
 *
 * Compiled at run time with -march=native, so that the widest vectors are used.  Twelve
 * independent chains hide the latency of the multiply-add; a and b come from outside,
 * so that nothing can be computed beforehand. */

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define DECLARE(i) vec c##i = zero + (number)i;
#define STEP(i) c##i = c##i * va + vb;
#define ADD(i) sum += c##i[0];

#define PEAK(name, number_type)                                                        \
    double name(long n, double a, double b) {                                          \
        typedef number_type number;                                                    \
        typedef number vec __attribute__((vector_size(BYTES)));                        \
        const vec zero = {0};                                                          \
        const vec va = zero + (number)a, vb = zero + (number)b;                        \
        EACH(DECLARE)                                                                  \
        for (long k = 0; k < n; k++) {                                                 \
            EACH(STEP)                                                                 \
        }                                                                              \
        number sum = 0;                                                                \
        EACH(ADD)                                                                      \
        return sum;                                                                    \
    }

PEAK(peak_f32, float)
PEAK(peak_f64, double)

/* Floating-point operations of one round of the loop. */
long flops_f32(void) { return 2L * 12 * (BYTES / 4); }
long flops_f64(void) { return 2L * 12 * (BYTES / 8); }
