/* How long a barrier of the library's thread team takes: compiled at run time together
 * with csrc/rn_threads.c. */
#include "rn_threads.h"

static void meet(void *context, rn_worker worker) {
    for (size_t i = *(const size_t *)context; i > 0; i--) rn_barrier(worker);
}

/* Seconds of `rounds` barriers of n_threads threads that do nothing else. */
double barrier_seconds(size_t n_threads, size_t rounds) {
    const double start = rn_seconds();
    rn_parallel(n_threads, meet, &rounds);
    return rn_seconds() - start;
}
