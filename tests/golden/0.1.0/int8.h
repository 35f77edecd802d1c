#ifndef NET_PREDICT_H
#define NET_PREDICT_H

#define NET_BUILD 0xe968d6ebu /* must be that of the .c file */
#define NET_N_IN 3
#define NET_N_OUT 2

#ifdef __cplusplus
extern "C" {
#endif
/* y[NET_N_OUT] = outputs for x[NET_N_IN]; returns the class, 0 without one. */
int net_predict(const float *x, float *y);
#ifdef __cplusplus
}
#endif
#endif
