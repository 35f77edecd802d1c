/* The thread team of one call; see rn_threads.c. */
#ifndef RN_THREADS_H
#define RN_THREADS_H

#include <stddef.h>

typedef struct rn_team rn_team;

/* A piece of work seen by one thread: it is thread `index` of `count`. */
typedef struct {
    size_t index, count;
    rn_team *team;
} rn_worker;

/* Runs fn(context, worker) on up to n_threads threads, the caller's among them, and
 * returns when all have returned.  Fewer threads if the system refuses more.  The
 * result is the time in seconds that threads slept, waiting for others, in sum. */
double rn_parallel(size_t n_threads, void (*fn)(void *context, rn_worker worker),
                   void *context);

/* Waits until every thread of the team has arrived. */
void rn_barrier(rn_worker worker);

double rn_seconds(void); /* a monotonic clock */

#endif
