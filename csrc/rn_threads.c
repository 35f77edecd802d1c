/* Threads that live for one call: the only file that knows the operating system's.
 *
 * A team is started when a call begins and joined before it returns, so nothing idles
 * between calls, nothing breaks in a forked child, and two Python threads may train two
 * networks at once.  Starting a thread costs tens of microseconds, a training call
 * lasts tens of milliseconds.  Inside the call threads meet at spin barriers (about
 * 0.1 microseconds), which give up their time slice when the others are late.
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "rn_threads.h"

#include <stdatomic.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef HANDLE rn_handle;
static void yield_slice(void) { SwitchToThread(); }
double rn_seconds(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}
#else
#include <pthread.h>
#include <sched.h>
#include <time.h>
typedef pthread_t rn_handle;
static void yield_slice(void) { sched_yield(); }
double rn_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
static void spin_hint(void) { _mm_pause(); }
#elif defined(__aarch64__)
static void spin_hint(void) { __asm__ volatile("yield"); }
#else
static void spin_hint(void) {}
#endif

enum { MAX_THREADS = 256, SPINS_BEFORE_YIELD = 4000 };

struct rn_team {
    atomic_size_t arrived;
    char apart1[64];
    atomic_size_t round;
    char apart2[64];
    atomic_size_t count; /* 0 until the team is complete */
    void (*fn)(void *, rn_worker);
    void *context;
};

typedef struct {
    rn_worker worker;
    rn_handle handle;
} rn_member;

static void wait_until_changed(atomic_size_t *word, size_t old) {
    size_t spins = 0;
    while (atomic_load_explicit(word, memory_order_acquire) == old) {
        if (++spins < SPINS_BEFORE_YIELD) spin_hint();
        else yield_slice();
    }
}

void rn_barrier(rn_worker worker) {
    rn_team *team = worker.team;
    if (worker.count == 1) return;
    const size_t round = atomic_load_explicit(&team->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 ==
        worker.count) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->round, round + 1, memory_order_release);
    } else {
        wait_until_changed(&team->round, round);
    }
}

static void member_main(rn_member *member) {
    rn_worker worker = member->worker;
    wait_until_changed(&worker.team->count, 0);
    worker.count = atomic_load_explicit(&worker.team->count, memory_order_acquire);
    worker.team->fn(worker.team->context, worker);
}

#if defined(_WIN32)
static DWORD WINAPI thread_main(void *member) {
    member_main(member);
    return 0;
}
static int start(rn_member *member) {
    member->handle = CreateThread(NULL, 0, thread_main, member, 0, NULL);
    return member->handle != NULL;
}
static void join(rn_member *member) {
    WaitForSingleObject(member->handle, INFINITE);
    CloseHandle(member->handle);
}
#else
static void *thread_main(void *member) {
    member_main(member);
    return NULL;
}
static int start(rn_member *member) {
    return pthread_create(&member->handle, NULL, thread_main, member) == 0;
}
static void join(rn_member *member) { pthread_join(member->handle, NULL); }
#endif

void rn_parallel(size_t n_threads, void (*fn)(void *, rn_worker), void *context) {
    rn_member members[MAX_THREADS];
    rn_team team = {.fn = fn, .context = context};
    size_t count = 1;
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    while (count < n_threads) {
        members[count].worker = (rn_worker){.index = count, .team = &team};
        if (!start(&members[count])) break;
        count++;
    }
    atomic_store_explicit(&team.count, count, memory_order_release);
    fn(context, (rn_worker){.index = 0, .count = count, .team = &team});
    for (size_t i = 1; i < count; i++) join(&members[i]);
}
