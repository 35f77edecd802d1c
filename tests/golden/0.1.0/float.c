/* Written by regnet_c 0.1.0, do not edit.
 *
 *       4 -> 4          16 weights, dense        64 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 4          16 weights, dense        80 bytes
 *       4 -> 3          12 weights, dense        60 bytes
 * Loss squared_error, trained in float32, weights float32.
 * Flash: 1244 bytes of constants.  RAM: 32 bytes of buffers
 * on the stack; the compiler adds its frames (gcc -fstack-usage lists them).
 *
 * Compile as C99 with -ffp-contract=off (-std=c99 does that) and the outputs
 * have the bits of regnet_c's predict; -DNET_NO_FMA is faster on a CPU without
 * fused multiply-add.  -DNET_SELF_TEST gives a program that checks itself. */
#include "float.h"

#include <stdint.h>

#if NET_BUILD != 0x290060d5u
#error "float.c and float.h come from different exports"
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

static float net_poly8(NET_CONST float *c, float x) {
    const float x2 = x * x;
    float p = NET_FMA(NET_FMA(c[0], x, c[1]), x2, NET_FMA(c[2], x, c[3]));
    p = NET_FMA(p, x2, NET_FMA(c[4], x, c[5]));
    return NET_FMA(p, x2, NET_FMA(c[6], x, c[7]));
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

static float net_clamp(float x, float limit) {
    const float a = NET_FABS(x);
    return NET_COPYSIGN(a > limit ? limit : a, x);
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

/* exp(x) - 1 for x <= 0; *e = exp(x) */
static float net_expm1(float x, float *e) {
    float t, p, s;
    x = x < -88.0f ? -88.0f : x;
    p = net_exp_reduced(x, 0, &t);
    s = net_power_of_two(t);
    *e = NET_FMA(s, p, s);
    return NET_FMA(s, p, s - 1);
}

/* log(1 + x) for 0 <= x <= 1 */
static float net_log1p_unit(float x) {
    static NET_CONST float c[] = {-0.0764316f, 0.1276702f,  -0.13159528f,
                              0.14200945f,  -0.16623393f, 0.20001261f,
                              -0.25000823f, 0.3333333f};
    const int upper = x > 0.41421357f;
    const float f = upper ? NET_FMA(0.5f, x, -0.5f) : x, k = upper ? 1.0f : 0.0f;
    const float f2 = f * f;
    const float y = NET_FMA(k, 1.4286068e-06f, f * f2 * net_poly8(c, f));
    return NET_FMA(k, 0.69314575f, f + NET_FMA(-0.5f, f2, y));
}

/* exp(u^2) erfc(u) for 0 <= u <= 10.6 */
static float net_scaled_erfc(float u) {
    static NET_CONST float c[] = {-0.00032229695f, -0.0004773778f, 0.0030814402f,
                              -0.0012295527f, -0.026840962f, 0.11952962f,
                              -0.3104658f,   0.59022826f,  -0.8833945f,
                              1.0740069f};
    const float r = 1 / (u + 3), t = NET_FMA(-6.0f, r, 1), t2 = t * t, t4 = t2 * t2;
    float p = NET_FMA(c[0], t, c[1]);
    p = NET_FMA(p, t4, NET_FMA(NET_FMA(c[2], t, c[3]), t2, NET_FMA(c[4], t, c[5])));
    p = NET_FMA(p, t4, NET_FMA(NET_FMA(c[6], t, c[7]), t2, NET_FMA(c[8], t, c[9])));
    return r * p;
}

static float net_relu(float z) { return z < 0 ? 0 : z; }

static float net_leaky_relu(float z, float slope) { return z > 0 ? z : slope * z; }

static float net_elu(float z, float alpha) {
    float e;
    return z > 0 ? z : alpha * net_expm1(z, &e);
}

static float net_sigmoid(float z) {
    const float e = net_exp_below(-NET_FABS(z), 0), r = 1 / (1 + e);
    return z < 0 ? e * r : r;
}

static float net_tanh(float z) {
    static NET_CONST float c[] = {-0.005692294f, 0.020628165f, -0.053736515f,
                              0.13331406f, -0.3333328f};
    const float a = NET_FABS(z), s = a * a;
    float e;
    if (!(a > 0.625f)) return NET_COPYSIGN(NET_FMA(a * s, net_poly5(c, s), a), z);
    net_expm1(-2 * a, &e);
    return NET_COPYSIGN(NET_FMA(-2 * e, 1 / (1 + e), 1), z);
}

static float net_arctan(float z) {
    static NET_CONST float c[] = {-0.05123917f, 0.10155297f, -0.14174141f,
                              0.19994165f, -0.33333233f};
    const float a = NET_FABS(z);
    const int middle = a > 0.5f, far = a > 2;
    const float top = far ? -1 : middle ? a - 1 : a;
    const float bottom = far ? a : middle ? a + 1 : 1;
    const float base = far ? 1 : middle ? 0.5f : 0; /* in units of pi/2 */
    const float t = top / bottom, s = t * t;
    const float angle =
        NET_FMA(t * s, net_poly5(c, s), NET_FMA(base, -4.371139e-08f, t));
    return NET_COPYSIGN(NET_FMA(base, 1.5707964f, angle), z);
}

static float net_softsign(float z) {
    const float u = net_clamp(z, 4.611686e+18f);
    return u * (1 / (1 + NET_FABS(u)));
}

static float net_isru(float z) {
    const float u = net_clamp(z, 2.1474836e+09f);
    return u * (1 / NET_SQRTF(NET_FMA(u, u, 1)));
}

static float net_softplus(float z) {
    return (z > 0 ? z : 0) + net_log1p_unit(net_exp_below(-NET_FABS(z), 0));
}

static float net_gelu(float z) {
    const float c = net_clamp(z, 14.9f), half = 0.5f * c, h = half * c;
    const float gauss = net_exp_below(-h, NET_FMA(half, c, -h));
    const float tail = 0.5f * gauss * net_scaled_erfc(NET_FABS(c) * 0.70710677f);
    return (z < -14.9f ? -14.9f : z) * (z < 0 ? tail : 1 - tail);
}

static float net_silu(float z) {
    return (z < -104.0f ? -104.0f : z) * net_sigmoid(net_clamp(z, 104.0f));
}

static float net_selu(float z) {
    float e;
    return z > 0 ? 1.050701f * z : 1.7580993f * net_expm1(z, &e);
}

static float net_mish(float z) {
    const float e = net_exp_below(-NET_FABS(net_clamp(z, 104.0f)), 0);
    const float above = z < 0 ? e * (e + 2) : NET_FMA(2.0f, e, 1);
    const float rest = z < 0 ? 2 : 2 * e * e;
    return (z < -104.0f ? -104.0f : z) * (above * (1 / (above + rest)));
}

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

/* 4 -> 4, identity; 100.0% of the weights, dense, 64 bytes */
static void net_layer0(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.6414336f, -0.2894411f, 0.33071408f, -0.2292117f, 0.5937867f, -0.0281645f, 0.1816297f, -0.29655936f,
        -0.48197427f, 0.7038488f, 0.060333733f, -0.5190499f, 0.17980324f, -0.40310645f, -0.029510774f, -0.3068339f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = 0;
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = s;
    }
}

/* 4 -> 4, relu; 100.0% of the weights, dense, 80 bytes */
static void net_layer1(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.26855618f, 0.4301928f, -1.0489804f, 0.7506969f, -0.749936f, 0.81161654f, -0.9525225f, -0.30788413f,
        0.08256106f, -1.0564282f, -0.31514633f, -1.0474235f, -0.7706714f, 0.84167534f, 0.12852825f, 0.038075507f};
    static NET_CONST float b[4] = {
        -0.056153253f, -0.054687373f, 0.0102233505f, 0.05512771f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_relu(s);
    }
}

/* 4 -> 4, leaky_relu; 100.0% of the weights, dense, 80 bytes */
static void net_layer2(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -0.856755f, -0.10997805f, 0.536811f, -0.17653857f, -0.7939364f, -0.110356554f, -0.09809628f, 0.8517361f,
        -0.9779944f, 0.50031835f, -1.1033684f, -0.65115184f, -1.0060291f, -0.3724455f, 0.6384985f, 0.543539f};
    static NET_CONST float b[4] = {
        -0.045448877f, -0.052962977f, -0.056522064f, 0.04521565f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_leaky_relu(s, 0.01f);
    }
}

/* 4 -> 4, elu; 100.0% of the weights, dense, 80 bytes */
static void net_layer3(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -0.07489692f, 0.15491758f, 0.47286955f, 0.69603115f, -0.99312294f, 0.08190708f, -0.4876327f, -0.013796195f,
        -0.88068616f, 0.21972992f, 0.57159513f, -1.032753f, 0.49391297f, -0.22599149f, 0.6391664f, -0.4525398f};
    static NET_CONST float b[4] = {
        0.05800689f, 0.055088434f, -0.056751534f, -0.05728277f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_elu(s, 1.0f);
    }
}

/* 4 -> 4, sigmoid; 100.0% of the weights, dense, 80 bytes */
static void net_layer4(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.033154495f, 0.1062194f, 0.72375494f, -0.10856991f, -0.4231342f, -0.6493763f, 0.83250356f, -0.014779151f,
        -0.124238536f, 0.15015829f, -0.61611354f, -0.36253285f, -0.7931153f, 0.74468964f, -0.003827455f, -0.11512905f};
    static NET_CONST float b[4] = {
        -0.05305577f, -0.05646515f, 0.056535535f, -0.055589125f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_sigmoid(s);
    }
}

/* 4 -> 4, tanh; 100.0% of the weights, dense, 80 bytes */
static void net_layer5(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.7354474f, 0.41697884f, -0.23517026f, -0.5159672f, 0.7907997f, 0.84413916f, -0.79532355f, 0.16451184f,
        -0.5951006f, -0.7812692f, 0.6139013f, 0.7894293f, -0.23135167f, 0.10297301f, -0.9122177f, 0.6504727f};
    static NET_CONST float b[4] = {
        -0.048105292f, 0.045233585f, 0.05653229f, -0.054313384f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_tanh(s);
    }
}

/* 4 -> 4, arctan; 100.0% of the weights, dense, 80 bytes */
static void net_layer6(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -0.25135654f, -0.28402677f, -0.37922496f, -0.7927125f, 0.089925766f, 0.08062561f, -0.45118994f, 0.80750954f,
        0.019615224f, -0.8204678f, 0.45853898f, -0.6938737f, -0.6027444f, 0.8883765f, 0.09101862f, 0.21741743f};
    static NET_CONST float b[4] = {
        0.047925945f, -0.05447139f, -0.049929403f, 0.044973392f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_arctan(s);
    }
}

/* 4 -> 4, softsign; 100.0% of the weights, dense, 80 bytes */
static void net_layer7(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.25355807f, 0.46317855f, 0.48568195f, -0.6057519f, -0.04578559f, 0.82938933f, -0.74524957f, 0.5303329f,
        0.4160116f, 0.46560636f, 0.21006486f, 0.60722405f, -0.6255934f, 0.72354573f, -0.026880205f, -0.10729833f};
    static NET_CONST float b[4] = {
        -0.05229295f, -0.0058035324f, -0.005311707f, -0.051664047f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_softsign(s);
    }
}

/* 4 -> 4, isru; 100.0% of the weights, dense, 80 bytes */
static void net_layer8(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -0.69400114f, 0.078801244f, 0.8270046f, -0.7800629f, 0.48811635f, -0.4138675f, 0.2692124f, 0.64927673f,
        0.5389232f, -0.022670975f, 0.6587321f, 0.69634455f, -0.10721205f, -0.5033861f, -0.41604066f, -0.57157993f};
    static NET_CONST float b[4] = {
        0.05027869f, -0.012042844f, -0.055997074f, 0.059049115f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_isru(s);
    }
}

/* 4 -> 4, softplus; 100.0% of the weights, dense, 80 bytes */
static void net_layer9(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -1.0961294f, 0.17798999f, 0.39573818f, 0.8634063f, 0.34218705f, -0.7200788f, 0.7119538f, -0.40468767f,
        -1.2441324f, 0.83426553f, 0.45765552f, 0.2316936f, -0.7867555f, 0.02081193f, 0.2021388f, 0.91163504f};
    static NET_CONST float b[4] = {
        -0.053280585f, -0.057660773f, -0.05216731f, 0.051126704f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_softplus(s);
    }
}

/* 4 -> 4, gelu; 100.0% of the weights, dense, 80 bytes */
static void net_layer10(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.4054139f, 1.1527605f, -0.3254692f, -0.6535844f, 0.105463564f, -0.22842243f, 1.1434513f, 0.7311921f,
        -0.21168704f, 0.9650841f, -0.50092155f, 0.5618934f, 0.13093305f, 0.2192284f, 1.1436021f, -0.9036508f};
    static NET_CONST float b[4] = {
        -0.05561681f, -0.05489373f, -0.006026108f, -0.054762844f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_gelu(s);
    }
}

/* 4 -> 4, silu; 100.0% of the weights, dense, 80 bytes */
static void net_layer11(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.8718618f, 0.38155267f, 0.9539198f, 0.82803303f, 0.80479187f, -0.028999846f, -0.90893567f, 0.71049255f,
        -0.15390678f, 0.15545091f, -1.1956899f, -1.0052547f, 0.29241854f, -0.51851153f, 1.0144407f, 0.32795686f};
    static NET_CONST float b[4] = {
        -0.056752913f, -0.0511282f, -0.05431208f, 0.052815396f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_silu(s);
    }
}

/* 4 -> 4, selu; 100.0% of the weights, dense, 80 bytes */
static void net_layer12(const float *x, float *y) {
    static NET_CONST float w[16] = {
        0.73283124f, 0.0007086769f, 0.32850528f, -0.13972253f, -0.13290733f, -0.365732f, 0.8420267f, -0.47142482f,
        -0.46707055f, 0.07811891f, -0.27070025f, 0.11260657f, -0.56811625f, -0.6723314f, -0.08483046f, 0.64535964f};
    static NET_CONST float b[4] = {
        -0.05269126f, -0.05293233f, -0.009869507f, 0.052261837f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_selu(s);
    }
}

/* 4 -> 4, mish; 100.0% of the weights, dense, 80 bytes */
static void net_layer13(const float *x, float *y) {
    static NET_CONST float w[16] = {
        1.1506262f, 0.27560058f, 0.6939137f, -0.8210045f, 0.8243636f, -0.1772131f, -0.5181282f, -0.5074036f,
        -0.6287538f, 0.34193465f, -0.05822786f, 0.71817565f, 1.0470612f, -0.3069924f, 0.37039447f, 0.6790498f};
    static NET_CONST float b[4] = {
        -0.058390856f, -0.028979221f, 0.035693657f, 0.03819352f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_mish(s);
    }
}

/* 4 -> 4, elu; 100.0% of the weights, dense, 80 bytes */
static void net_layer14(const float *x, float *y) {
    static NET_CONST float w[16] = {
        -0.5537129f, -0.8553823f, 0.366817f, 0.13706127f, 0.6677453f, -0.41807908f, 0.08451488f, 0.99641025f,
        -0.05176822f, -1.0948367f, -0.71962273f, 1.2367728f, 1.0180863f, -0.1424379f, 0.4107599f, -0.63456875f};
    static NET_CONST float b[4] = {
        0.05579881f, 0.024620814f, 0.05333027f, -0.052154128f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_elu(s, 0.5f);
    }
}

/* 4 -> 3, identity; 100.0% of the weights, dense, 60 bytes */
static void net_layer15(const float *x, float *y) {
    static NET_CONST float w[12] = {
        -0.5860676f, 0.7836575f, 0.31099334f, -0.008438844f, -0.41051683f, -0.2803768f, -0.06309764f, 0.5067657f,
        0.46950966f, -0.41872725f, 0.43834746f, -0.5115409f};
    static NET_CONST float b[3] = {
        0.03095843f, -0.04783081f, 0.059002463f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 3; j++) {
        float s = b[j];
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = s;
    }
}

int net_predict(const float *x, float *y) {
    float even[4];
    float odd[4];
    net_layer0(x, even);
    net_layer1(even, odd);
    net_layer2(odd, even);
    net_layer3(even, odd);
    net_layer4(odd, even);
    net_layer5(even, odd);
    net_layer6(odd, even);
    net_layer7(even, odd);
    net_layer8(odd, even);
    net_layer9(even, odd);
    net_layer10(odd, even);
    net_layer11(even, odd);
    net_layer12(odd, even);
    net_layer13(even, odd);
    net_layer14(odd, even);
    net_layer15(even, y);
    net_softmax(3, y);
    return net_largest(3, y);
}


#ifdef NET_SELF_TEST
#include <math.h>
#include <stdio.h>

static const float net_test_x[][NET_N_IN] = {
    {0.12573022f, -0.13210486f, 0.64042264f, 0.104900114f},
    {-0.5356694f, 0.36159506f, 1.304f, 0.94708097f},
    {-0.70373523f, -1.2654215f, -0.62327445f, 0.04132598f},
    {-2.3250308f, -0.21879166f, -1.245911f, -0.7322674f}};
static const float net_test_y[][NET_N_OUT] = {
    {0.38558772f, 0.2756275f, 0.3387848f},
    {0.36842486f, 0.2915708f, 0.34000432f},
    {0.38556257f, 0.27563113f, 0.3388062f},
    {0.36607292f, 0.2953375f, 0.33858958f}};

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
