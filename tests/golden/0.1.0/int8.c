/* Written by regnet_c 0.1.0, do not edit.
 *
 *       3 -> 4          12 weights, dense        44 bytes
 *       4 -> 2           8 weights, dense        24 bytes
 * Loss mse, trained in float32, weights int8.
 * Flash: 68 bytes of constants.  RAM: 16 bytes of buffers
 * on the stack; the compiler adds its frames (gcc -fstack-usage lists them).
 * On the calibration data, original: loss 0.43134.
 * On the calibration data, exported: loss 0.430524.
 *
 * Compile as C99 with -ffp-contract=off (-std=c99 does that) and the outputs
 * have the bits of regnet_c's predict; -DNET_NO_FMA is faster on a CPU without
 * fused multiply-add.  -DNET_SELF_TEST gives a program that checks itself. */
#include "int8.h"

#include <stdint.h>

#if NET_BUILD != 0xe968d6ebu
#error "int8.c and int8.h come from different exports"
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

static float net_relu(float z) { return z < 0 ? 0 : z; }

/* 3 -> 4, relu; 100.0% of the weights, dense, 44 bytes */
static void net_layer0(const float *x, float *y) {
    static NET_CONST int8_t w[12] = {
        127, -46, 71, 127, -7, 32, -85, 127, 15, 78, -127, 4};
    static NET_CONST float b[4] = {
        -0.053893305f, -0.055338457f, -0.057553418f, 0.047757257f};
    static NET_CONST float scale[4] = {
        0.007525041f, 0.0077991416f, 0.008806049f, 0.005266435f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 4; j++) {
        float s = 0;
        for (k = 0; k < 3; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = net_relu(NET_FMA(scale[j], s, b[j]));
    }
}

/* 4 -> 2, identity; 100.0% of the weights, dense, 24 bytes */
static void net_layer1(const float *x, float *y) {
    static NET_CONST int8_t w[8] = {
        49, 17, 52, -127, -90, -101, 114, 127};
    static NET_CONST float b[2] = {
        0.04311602f, 0.003420711f};
    static NET_CONST float scale[2] = {
        0.0065255743f, 0.0057215104f};
    uint32_t j, p = 0, k;
    for (j = 0; j < 2; j++) {
        float s = 0;
        for (k = 0; k < 4; k++) {
            s = NET_FMA(x[k], (float)w[p], s);
            p++;
        }
        y[j] = NET_FMA(scale[j], s, b[j]);
    }
}

int net_predict(const float *x, float *y) {
    float even[4];
    net_layer0(x, even);
    net_layer1(even, y);
    return 0;
}


#ifdef NET_SELF_TEST
#include <math.h>
#include <stdio.h>

static const float net_test_x[][NET_N_IN] = {
    {-1.75f, -0.375f, 1.0f},
    {1.25f, -0.625f, 1.125f},
    {1.625f, 0.25f, -1.125f},
    {-1.625f, 1.125f, 0.25f}};
static const float net_test_y[][NET_N_OUT] = {
    {0.37058598f, 0.63287604f},
    {0.0041740425f, -1.1415623f},
    {0.007775805f, -0.76141816f},
    {0.8744637f, 1.6014184f}};

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
