#ifndef NET_PREDICT_H
#define NET_PREDICT_H

#define NET_BUILD 0xd6b91946u /* must be that of the .c file */
#define NET_N_IN 45
#define NET_N_OUT 10
/* x has these columns of the original ones, in this order. */
#define NET_N_ORIGINAL 64
#define NET_KEPT_INPUTS {2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 25, 26, 27, 28, 29, 30, 33, 34, 35, 36, 37, 38, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 58, 59, 60, 61, 62, 63}

#ifdef __cplusplus
extern "C" {
#endif
/* y[NET_N_OUT] = outputs for x[NET_N_IN]; returns the class, 0 without one. */
int net_predict(const float *x, float *y);
#ifdef __cplusplus
}
#endif
#endif
