"""Activations and outputs as C99 text: the core's own formulas, one float at a time.

Same polynomials, same order, explicit fused multiply-add: the bits are those of
`predict`, and no exp or tanh of a C library is needed.  Only what a network uses is
written.  All text here is a template in which `net_` and `NET_` stand for the prefix;
`with_prefix` fills it in, before any word of the user's gets into the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

PIECES = {
    "fma": """\
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
""",
    "poly5": """\
static float net_poly5(NET_CONST float *c, float x) {
    const float x2 = x * x;
    const float p = NET_FMA(c[0], x2, NET_FMA(c[1], x, c[2]));
    return NET_FMA(p, x2, NET_FMA(c[3], x, c[4]));
}
""",
    "poly8": """\
static float net_poly8(NET_CONST float *c, float x) {
    const float x2 = x * x;
    float p = NET_FMA(NET_FMA(c[0], x, c[1]), x2, NET_FMA(c[2], x, c[3]));
    p = NET_FMA(p, x2, NET_FMA(c[4], x, c[5]));
    return NET_FMA(p, x2, NET_FMA(c[6], x, c[7]));
}
""",
    "power_of_two": """\
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
""",
    "clamp": """\
static float net_clamp(float x, float limit) {
    const float a = NET_FABS(x);
    return NET_COPYSIGN(a > limit ? limit : a, x);
}
""",
    "exp_reduced": """\
/* x - low = n ln2 + r, |r| <= ln2 / 2; returns exp(r) - 1, and t = n + 1.5 * 2^23 */
static float net_exp_reduced(float x, float low, float *t) {
    static NET_CONST float c[] = {0x1.6cd6a2p-10f, 0x1.122c16p-7f, 0x1.55553ap-5f,
                              0x1.5554aap-3f, 0.5f};
    float n, r;
    *t = NET_FMA(x, 0x1.715476p+0f, 0x1.8p23f);
    n = *t - 0x1.8p23f;
    r = NET_FMA(n, -0x1.7f7d1cp-20f, NET_FMA(n, -0x1.62e4p-1f, x)) - low;
    return NET_FMA(r * r, net_poly5(c, r), r);
}
""",
    "exp_below": """\
/* exp(x - low) for x <= 0 and a tiny low */
static float net_exp_below(float x, float low) {
    float t, p;
    x = x < -104.0f ? -104.0f : x;
    p = 1 + net_exp_reduced(x, low, &t);
    return p * net_power_of_two(t + 64) * 0x1p-64f;
}
""",
    "expm1": """\
/* exp(x) - 1 for x <= 0; *e = exp(x) */
static float net_expm1(float x, float *e) {
    float t, p, s;
    x = x < -88.0f ? -88.0f : x;
    p = net_exp_reduced(x, 0, &t);
    s = net_power_of_two(t);
    *e = NET_FMA(s, p, s);
    return NET_FMA(s, p, s - 1);
}
""",
    "log1p_unit": """\
/* log(1 + x) for 0 <= x <= 1 */
static float net_log1p_unit(float x) {
    static NET_CONST float c[] = {-0x1.391058p-4f, 0x1.0577f4p-3f,  -0x1.0d81d4p-3f,
                              0x1.22d5dap-3f,  -0x1.547274p-3f, 0x1.99a036p-3f,
                              -0x1.000228p-2f, 0x1.555554p-2f};
    const int upper = x > 0x1.a8279ap-2f;
    const float f = upper ? NET_FMA(0.5f, x, -0.5f) : x, k = upper ? 1.0f : 0.0f;
    const float f2 = f * f;
    const float y = NET_FMA(k, 0x1.7f7d1cp-20f, f * f2 * net_poly8(c, f));
    return NET_FMA(k, 0x1.62e4p-1f, f + NET_FMA(-0.5f, f2, y));
}
""",
    "scaled_erfc": """\
/* exp(u^2) erfc(u) for 0 <= u <= 10.6 */
static float net_scaled_erfc(float u) {
    static NET_CONST float c[] = {-0x1.51f3eep-12f, -0x1.f4912p-12f, 0x1.93e3fap-9f,
                              -0x1.4251e2p-10f, -0x1.b7c328p-6f, 0x1.e997e4p-4f,
                              -0x1.3deacp-2f,   0x1.2e3266p-1f,  -0x1.c44c48p-1f,
                              0x1.12f21ep+0f};
    const float r = 1 / (u + 3), t = NET_FMA(-6.0f, r, 1), t2 = t * t, t4 = t2 * t2;
    float p = NET_FMA(c[0], t, c[1]);
    p = NET_FMA(p, t4, NET_FMA(NET_FMA(c[2], t, c[3]), t2, NET_FMA(c[4], t, c[5])));
    p = NET_FMA(p, t4, NET_FMA(NET_FMA(c[6], t, c[7]), t2, NET_FMA(c[8], t, c[9])));
    return r * p;
}
""",
    "relu": """\
static float net_relu(float z) { return z < 0 ? 0 : z; }
""",
    "leaky_relu": """\
static float net_leaky_relu(float z, float slope) { return z > 0 ? z : slope * z; }
""",
    "elu": """\
static float net_elu(float z, float alpha) {
    float e;
    return z > 0 ? z : alpha * net_expm1(z, &e);
}
""",
    "sigmoid": """\
static float net_sigmoid(float z) {
    const float e = net_exp_below(-NET_FABS(z), 0), r = 1 / (1 + e);
    return z < 0 ? e * r : r;
}
""",
    "tanh": """\
static float net_tanh(float z) {
    static NET_CONST float c[] = {-0x1.750cd8p-8f, 0x1.51f8ccp-6f, -0x1.b835a4p-5f,
                              0x1.1106f6p-3f, -0x1.555532p-2f};
    const float a = NET_FABS(z), s = a * a;
    float e;
    if (!(a > 0.625f)) return NET_COPYSIGN(NET_FMA(a * s, net_poly5(c, s), a), z);
    net_expm1(-2 * a, &e);
    return NET_COPYSIGN(NET_FMA(-2 * e, 1 / (1 + e), 1), z);
}
""",
    "arctan": """\
static float net_arctan(float z) {
    static NET_CONST float c[] = {-0x1.a3c054p-5f, 0x1.9ff602p-4f, -0x1.224952p-3f,
                              0x1.997b02p-3f, -0x1.555512p-2f};
    const float a = NET_FABS(z);
    const int middle = a > 0.5f, far = a > 2;
    const float top = far ? -1 : middle ? a - 1 : a;
    const float bottom = far ? a : middle ? a + 1 : 1;
    const float base = far ? 1 : middle ? 0.5f : 0; /* in units of pi/2 */
    const float t = top / bottom, s = t * t;
    const float angle =
        NET_FMA(t * s, net_poly5(c, s), NET_FMA(base, -0x1.777a5cp-25f, t));
    return NET_COPYSIGN(NET_FMA(base, 0x1.921fb6p+0f, angle), z);
}
""",
    "softsign": """\
static float net_softsign(float z) {
    const float u = net_clamp(z, 0x1p62f);
    return u * (1 / (1 + NET_FABS(u)));
}
""",
    "isru": """\
static float net_isru(float z) {
    const float u = net_clamp(z, 0x1p31f);
    return u * (1 / NET_SQRTF(NET_FMA(u, u, 1)));
}
""",
    "softplus": """\
static float net_softplus(float z) {
    return (z > 0 ? z : 0) + net_log1p_unit(net_exp_below(-NET_FABS(z), 0));
}
""",
    "gelu": """\
static float net_gelu(float z) {
    const float c = net_clamp(z, 14.9f), half = 0.5f * c, h = half * c;
    const float gauss = net_exp_below(-h, NET_FMA(half, c, -h));
    const float tail = 0.5f * gauss * net_scaled_erfc(NET_FABS(c) * 0x1.6a09e6p-1f);
    return (z < -14.9f ? -14.9f : z) * (z < 0 ? tail : 1 - tail);
}
""",
    "silu": """\
static float net_silu(float z) {
    return (z < -104.0f ? -104.0f : z) * net_sigmoid(net_clamp(z, 104.0f));
}
""",
    "selu": """\
static float net_selu(float z) {
    float e;
    return z > 0 ? 0x1.0cfabep+0f * z : 0x1.c212ccp+0f * net_expm1(z, &e);
}
""",
    "mish": """\
static float net_mish(float z) {
    const float e = net_exp_below(-NET_FABS(net_clamp(z, 104.0f)), 0);
    const float above = z < 0 ? e * (e + 2) : NET_FMA(2.0f, e, 1);
    const float rest = z < 0 ? 2 : 2 * e * e;
    return (z < -104.0f ? -104.0f : z) * (above * (1 / (above + rest)));
}
""",
    "exp": """\
static float net_exp(float x) {
    float t, half;
    const float p = 1 + net_exp_reduced(net_clamp(x, 104.0f), 0, &t);
    half = NET_FMA(t - 0x1.8p23f, 0.5f, 0x1.8p23f);
    return p * net_power_of_two(half) * net_power_of_two(t - (half - 0x1.8p23f));
}
""",
    "softmax": """\
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
""",
    "largest": """\
static int net_largest(unsigned n, const float *y) {
    unsigned j, best = 0;
    for (j = 1; j < n; j++) best = y[j] > y[best] ? j : best;
    return (int)best;
}
""",
}


_HEXADECIMAL = re.compile(r"-?0x[0-9a-f.]+p[+-]?\d+f")


def with_prefix(template: str, prefix: str) -> str:
    """The template with its names beginning with `prefix`."""
    text = re.sub(r"\bnet_", f"{prefix}_", template)
    return re.sub(r"\bNET_", f"{prefix.upper()}_", text)


def source(names: Iterable[str], prefix: str) -> str:
    """The pieces of these names with all they call, in an order that compiles."""
    wanted, open_names = {"fma"}, list(names)
    while open_names:
        name = open_names.pop()
        if name not in wanted:
            wanted.add(name)
            open_names += re.findall(r"\bnet_(\w+)\(", PIECES[name])
    text = "\n".join(PIECES[name] for name in PIECES if name in wanted)
    return with_prefix(_HEXADECIMAL.sub(_decimal, text), prefix)


def _decimal(match: re.Match[str]) -> str:
    """The shortest decimal literal of the same float: C++ before 2017 has no other."""
    value = np.float32(float.fromhex(match.group().removesuffix("f")))
    return f"{value!s}f"
