/* The thread team of a call; see rn_threads.c. */
#ifndef RN_THREADS_H
#define RN_THREADS_H

#include <stddef.h>

/* A call seen by one thread: it is thread `index` of `count`. */
typedef struct {
    size_t index, count;
} rn_worker;

/* Runs fn(context, worker) on up to n_threads threads, the caller's among them, and
 * returns when all have returned.  Fewer threads if the system refuses more or another
 * call has the team.  The result is the time in seconds that threads slept, waiting for
 * others, in sum. */
double rn_parallel(size_t n_threads, void (*fn)(void *context, rn_worker worker),
                   void *context);

/* Waits until every thread of the team has arrived. */
void rn_barrier(rn_worker worker);

/* Pieces of work done in order, whoever does them: piece t begins when t pieces of this
 * call have ended. */
void rn_wait_for_piece(rn_worker worker, size_t piece);
void rn_end_piece(rn_worker worker);

double rn_seconds(void); /* a monotonic clock */

#endif
