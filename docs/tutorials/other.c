/* Written by regnet_c 0.1.0, do not edit.
 *
 *      44 -> 9         143 weights, bitmap      277 bytes
 *       9 -> 10         53 weights, bitmap      161 bytes
 * Loss softmax_cross_entropy, trained in float32, weights int8.
 * Flash: 438 bytes of constants.  RAM: 36 bytes of buffers
 * on the stack; the compiler adds its frames (gcc -fstack-usage lists them).
 *
 * Compile as C99 with -ffp-contract=off (-std=c99 does that) and the outputs
 * have the bits of regnet_c's predict; -DNET_NO_FMA is faster on a CPU without
 * fused multiply-add.  -DNET_SELF_TEST gives a program that checks itself. */
#include "other.h"

#include <stdint.h>

#if NET_BUILD != 0xfcb25cb0u
#error "other.c and other.h come from different exports"
#endif

/* GNU compilers have these without a library, also with -ffreestanding; the names in
   avr-libc are macros, which a built-in function would miss */
#if defined(__GNUC__) && !defined(__AVR__)
#define NET_FABS __builtin_fabsf
#define NET_COPYSIGN __builtin_copysignf
#define NET_SQRTF __builtin_sqrtf
#define NET_SQRT __builtin_sqrt
#define NET_NAN __builtin_nan("")
#else
#include <math.h>
#define NET_FABS fabsf
#define NET_COPYSIGN copysignf
#define NET_SQRTF sqrtf
#define NET_SQRT sqrt
#define NET_NAN NAN
#endif
#if defined(NET_NO_FMA) /* faster where fmaf is a library call; the last bits differ */
#define NET_FMA(a, b, c) ((a) * (b) + (c))
#elif defined(__GNUC__) && !defined(__AVR__)
#define NET_FMA(a, b, c) __builtin_fmaf(a, b, c)
#else
#define NET_FMA(a, b, c) fmaf(a, b, c)
#endif
#ifndef NET_CONST /* on AVR -DNET_CONST="const __flash" keeps constants in flash */
#define NET_CONST const
#endif

static float net_poly5(NET_CONST float *c, float x) {
    const float x2 = x * x;
    const float p = NET_FMA(c[0], x2, NET_FMA(c[1], x, c[2]));
    return NET_FMA(p, x2, NET_FMA(c[3], x, c[4]));
}

/* 2^n from t = n + 1.5 * 2^23 */
static float net_power_of_two(float t) {
    union {
        float value;
        uint32_t bits;
    } u;
    u.value = t;
    u.bits = (u.bits << 23) + 0x3F800000u;
    return u.value;
}

/* x - low = n ln2 + r, |r| <= ln2 / 2; returns exp(r) - 1, and t = n + 1.5 * 2^23 */
static float net_exp_reduced(float x, float low, float *t) {
    static NET_CONST float c[] = {0.0013917481f, 0.008367072f, 0.041666616f,
                              0.16666539f, 0.5f};
    float n, r;
    *t = NET_FMA(x, 1.442695f, 1.2582912e+07f);
    n = *t - 1.2582912e+07f;
    r = NET_FMA(n, -1.4286068e-06f, NET_FMA(n, -0.69314575f, x)) - low;
    return NET_FMA(r * r, net_poly5(c, r), r);
}

/* exp(x - low) for x <= 0 and a tiny low */
static float net_exp_below(float x, float low) {
    float t, p;
    x = x < -104.0f ? -104.0f : x;
    p = 1 + net_exp_reduced(x, low, &t);
    return p * net_power_of_two(t + 64) * 5.421011e-20f;
}

static float net_relu(float z) { return z < 0 ? 0 : z; }

static void net_softmax(unsigned n, float *y) {
    float top = y[0], sum = 0;
    unsigned j;
    for (j = 1; j < n; j++) top = y[j] <= top ? top : y[j];
    for (j = 0; j < n; j++) {
        y[j] = net_exp_below(y[j] - top, 0);
        sum += y[j];
    }
    sum = 1 / sum;
    for (j = 0; j < n; j++) y[j] *= sum;
}

static int net_largest(unsigned n, const float *y) {
    unsigned j, best = 0;
    for (j = 1; j < n; j++) best = y[j] > y[best] ? j : best;
    return (int)best;
}

/* 44 -> 9, relu; 36.1% of the weights, bitmap, 277 bytes */
static void net_layer0(const float *x, float *y) {
    static NET_CONST int8_t w[143] = {
        -47, -2, 25, 63, 60, 90, 53, 127, 41, 16, -12, -69, -61, -10, 44, 9,
        51, 61, 68, 53, 127, 77, -56, -23, 25, 52, 75, 3, 107, -127, -100, -42,
        -11, -6, -2, -72, 55, 53, 21, 84, 101, 65, 35, 58, 28, 13, 62, -12,
        108, 127, 2, -78, -2, -67, -10, 12, 16, 3, -13, -7, -36, -5, -1, -3,
        -13, 20, 93, -3, 33, 67, -30, -52, -7, 22, 82, 39, 109, 127, 31, 15,
        12, 117, 10, 61, 22, -1, 124, 59, -30, -29, -2, -127, -64, -22, 28, 29,
        -26, 1, -12, 7, 16, -79, -1, -22, 1, 87, 18, 127, 84, -15, 34, 29,
        2, 14, 108, 7, 42, 127, 75, 83, 44, -11, -11, -26, -41, -52, -17, 17,
        7, 127, -63, 15, 9, 77, -50, 4, 32, 10, 31, -67, 5, 76, 41};
    static NET_CONST uint8_t at[54] = {
        1, 67, 4, 35, 157, 8, 0, 0, 176, 199, 32, 2, 103, 16, 118, 128,
        238, 5, 2, 235, 194, 4, 0, 14, 92, 159, 54, 4, 112, 6, 95, 130,
        108, 112, 136, 9, 8, 114, 18, 227, 26, 12, 0, 192, 50, 44, 44, 12,
        192, 104, 251, 42, 4, 0};
    static NET_CONST uint8_t place[8] = {
        0, 1, 6, 2, 7, 5, 4, 3};
    static NET_CONST float b[9] = {
        0.16656967f, 0.8611805f, 0.55933505f, 0.7111666f, 0.28029266f, 0.44516483f, 0.64291936f, 0.5442351f,
        0.79128146f};
    static NET_CONST float scale[9] = {
        0.004050656f, 0.0030025996f, 0.0051186453f, 0.0071257716f, 0.006111271f, 0.0075114593f, 0.007069442f, 0.0035887163f,
        0.007296086f};
    uint32_t j, p = 0, i = 0, k, bits;
    for (j = 0; j < 9; j++) {
        float s = 0;
        for (k = 0; k < 44; k += 8) {
            for (bits = at[i++]; bits != 0; bits &= bits - 1) {
                const uint32_t lowest = (bits & (0u - bits)) * 29 >> 5 & 7;
                s = NET_FMA(x[k + place[lowest]], (float)w[p], s);
                p++;
            }
        }
        y[j] = net_relu(NET_FMA(scale[j], s, b[j]));
    }
}

/* 9 -> 10, identity; 58.9% of the weights, bitmap, 161 bytes */
static void net_layer1(const float *x, float *y) {
    static NET_CONST int8_t w[53] = {
        -35, -100, -119, 127, -127, 8, 72, 36, -14, -63, -123, 127, 38, -107, 61, -86,
        -42, -42, 50, 26, 48, -25, -127, 54, -127, -62, -92, 37, 45, 11, -62, -127,
        86, 16, 19, 29, -127, 72, -102, 5, -26, 7, 68, -127, 35, -21, 127, -19,
        -7, -8, 40, -127, 67};
    static NET_CONST uint8_t at[20] = {
        98, 1, 220, 1, 237, 1, 110, 1, 238, 1, 41, 1, 253, 1, 146, 1,
        133, 0, 226, 0};
    static NET_CONST uint8_t place[8] = {
        0, 1, 6, 2, 7, 5, 4, 3};
    static NET_CONST float b[10] = {
        0.27312207f, 0.0605348f, -0.34199202f, -0.2398217f, 0.7475387f, -0.43228874f, 0.108675204f, 0.40182084f,
        -0.47622955f, -0.052579336f};
    static NET_CONST float scale[10] = {
        0.012757609f, 0.013831756f, 0.0086489f, 0.01472722f, 0.01387565f, 0.014495518f, 0.014606543f, 0.018304463f,
        0.008009489f, 0.014438655f};
    uint32_t j, p = 0, i = 0, k, bits;
    for (j = 0; j < 10; j++) {
        float s = 0;
        for (k = 0; k < 9; k += 8) {
            for (bits = at[i++]; bits != 0; bits &= bits - 1) {
                const uint32_t lowest = (bits & (0u - bits)) * 29 >> 5 & 7;
                s = NET_FMA(x[k + place[lowest]], (float)w[p], s);
                p++;
            }
        }
        y[j] = NET_FMA(scale[j], s, b[j]);
    }
}

int net_predict(const float *x, float *y) {
    float even[9];
    net_layer0(x, even);
    net_layer1(even, y);
    net_softmax(10, y);
    return net_largest(10, y);
}


#ifdef NET_SELF_TEST
#include <math.h>
#include <stdio.h>

static const float net_test_x[][NET_N_IN] = {
    {0.12573022f, -0.13210486f, 0.64042264f, 0.104900114f, -0.5356694f, 0.36159506f, 1.304f, 0.94708097f,
        -0.70373523f, -1.2654215f, -0.62327445f, 0.04132598f, -2.3250308f, -0.21879166f, -1.245911f, -0.7322674f,
        -0.544259f, -0.31630015f, 0.41163054f, 1.0425134f, -0.12853466f, 1.3664634f, -0.6651947f, 0.35151008f,
        0.90347016f, 0.0940123f, -0.7434993f, -0.9217254f, -0.45772582f, 0.22019513f, -1.0096182f, -0.20917557f,
        -0.15922502f, 0.5408456f, 0.21465912f, 0.3553727f, -0.6538286f, -0.12961364f, 0.7839755f, 1.4934311f,
        -1.2590655f, 1.5139238f, 1.3458754f, 0.7813114f},
    {0.26445562f, -0.31392282f, 1.4580207f, 1.9602584f, 1.8016349f, 1.3151038f, 0.35738042f, -1.2083186f,
        -0.004454133f, 0.65647495f, -1.2883614f, 0.39512205f, 0.4298637f, 0.6960427f, -1.1841179f, -0.6617026f,
        -0.43643525f, -1.169802f, 1.7393678f, -0.49591073f, 0.32896963f, -0.25857255f, 1.5834728f, 1.320361f,
        0.63335264f, -2.2035098f, 0.052028973f, 0.6836862f, 1.0039616f, -0.61790705f, 1.8220114f, -1.320431f,
        -0.66152805f, 0.93505f, 0.049054615f, 2.0023925f, 0.1885192f, -0.6331941f, -0.3775635f, -1.0911461f,
        -1.2776802f, 0.6304115f, 0.5811658f, 1.2945588f},
    {-0.75460577f, 1.6891074f, -0.2873877f, 1.5744083f, -0.43278584f, -0.7354833f, 0.24978538f, 1.0314531f,
        0.16100958f, -0.58552885f, -1.3412197f, -1.4015203f, 0.50268286f, 0.989713f, -0.16429459f, -1.0743649f,
        0.87304217f, -1.280394f, -0.71306807f, 0.6210179f, -2.2501411f, 0.3863696f, -0.58164084f, 0.1092797f,
        -0.07570153f, 0.20211439f, 0.69417197f, -0.75836974f, 1.420982f, 0.72609377f, 0.84373266f, 1.164864f,
        0.78758824f, 0.84407866f, 0.07559361f, -1.4267739f, -0.1350451f, -0.7695146f, -1.4227418f, 0.2584528f,
        -0.56854945f, -1.0298045f, -1.043001f, 0.2684171f},
    {0.35867196f, 1.3224574f, -0.013914669f, 1.0418397f, 1.4022648f, 1.1501657f, -2.365304f, 1.2286837f,
        0.33962f, 0.42377135f, 0.3712274f, 0.38275716f, 0.31941423f, -0.3589133f, -1.9016353f, -0.108914725f,
        -0.80373186f, 1.0801634f, -0.2887665f, 0.08347536f, -0.849606f, -0.51062244f, -0.011533062f, -1.4853752f,
        0.3006851f, -0.106072254f, -1.1857198f, -2.398233f, 0.5130521f, -0.29758403f, -0.53000844f, -0.23615463f,
        1.816476f, -0.04980097f, 0.086619265f, -1.4870728f, 1.6473391f, 0.917488f, 1.0669348f, 0.04767273f,
        0.91665477f, 0.37094682f, 0.6131891f, -0.15219297f}};
static const float net_test_y[][NET_N_OUT] = {
    {0.0072872066f, 1.8130271e-05f, 0.4436983f, 0.25566155f, 5.3933168e-06f, 0.19873601f, 0.043249708f, 0.007068066f,
        0.009215508f, 0.035060085f},
    {0.0039820294f, 0.020176476f, 0.04453091f, 0.034935884f, 0.003687284f, 0.76495737f, 0.007579465f, 0.036334734f,
        0.051832844f, 0.03198299f},
    {0.00040644957f, 0.22569886f, 0.08670053f, 0.017387945f, 0.123950645f, 0.00093187485f, 0.0010782344f, 0.48758817f,
        0.055745456f, 0.0005118732f},
    {0.0079160705f, 0.37935567f, 0.019632807f, 0.033788223f, 0.021415988f, 0.36978596f, 0.104773425f, 0.00034085626f,
        0.039515775f, 0.02347509f}};

/* Every output within a ten-thousandth of its row's largest. */
int main(void) {
    int i, j, wrong = 0;
    for (i = 0; i < 4; i++) {
        float y[NET_N_OUT], top = 0, error = 0;
        net_predict(net_test_x[i], y);
        for (j = 0; j < NET_N_OUT; j++) {
            top = fmaxf(top, fabsf(net_test_y[i][j]));
            error = fmaxf(error, fabsf(y[j] - net_test_y[i][j]));
        }
        wrong += !(error <= 1e-4f * top);
    }
    printf("%d of 4 rows wrong\n", wrong);
    return wrong;
}
#endif
