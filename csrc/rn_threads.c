/* Threads that live for one call: the only file that knows the operating system's.
 *
 * A team is started when a call begins and joined before it returns, so nothing idles
 * between calls, nothing breaks in a forked child, and two Python threads may train two
 * networks at once.  Starting a thread costs tens of microseconds, a training call
 * lasts tens of milliseconds.  Inside the call threads meet at spin barriers (about
 * 0.1 microseconds).  Who has waited for some 50 microseconds sleeps: on a busy machine
 * the others may need this very CPU before they can arrive.
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
typedef SRWLOCK rn_lock;
typedef CONDITION_VARIABLE rn_signal;
static void lock(rn_lock *l) { AcquireSRWLockExclusive(l); }
static void unlock(rn_lock *l) { ReleaseSRWLockExclusive(l); }
static void sleep_on(rn_signal *s, rn_lock *l) {
    SleepConditionVariableSRW(s, l, INFINITE, 0);
}
static void wake_all(rn_signal *s) { WakeAllConditionVariable(s); }
#define RN_LOCK_INIT SRWLOCK_INIT
#define RN_SIGNAL_INIT CONDITION_VARIABLE_INIT
double rn_seconds(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}
#else
#include <pthread.h>
#include <time.h>
typedef pthread_t rn_handle;
typedef pthread_mutex_t rn_lock;
typedef pthread_cond_t rn_signal;
static void lock(rn_lock *l) { pthread_mutex_lock(l); }
static void unlock(rn_lock *l) { pthread_mutex_unlock(l); }
static void sleep_on(rn_signal *s, rn_lock *l) { pthread_cond_wait(s, l); }
static void wake_all(rn_signal *s) { pthread_cond_broadcast(s); }
#define RN_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define RN_SIGNAL_INIT PTHREAD_COND_INITIALIZER
double rn_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
static void spin_hint(void) { _mm_pause(); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
static void spin_hint(void) { __asm__ volatile("yield"); }
#else
static void spin_hint(void) {}
#endif

enum { MAX_THREADS = 256, SPINS_BEFORE_SLEEP = 1000 };

struct rn_team {
    atomic_size_t arrived;
    char apart1[64];
    atomic_size_t round;
    char apart2[64];
    atomic_size_t count; /* 0 until the team is complete */
    atomic_size_t sleepers;
    double seconds_asleep; /* of all threads; under the lock */
    rn_lock lock;
    rn_signal changed;
    void (*fn)(void *, rn_worker);
    void *context;
};

typedef struct {
    rn_worker worker;
    rn_handle handle;
} rn_member;

static void wait_until_changed(rn_team *team, atomic_size_t *word, size_t old) {
    for (size_t spins = 0; spins < SPINS_BEFORE_SLEEP; spins++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        spin_hint();
    }
    const double start = rn_seconds();
    lock(&team->lock);
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(word) == old) sleep_on(&team->changed, &team->lock);
    atomic_fetch_sub(&team->sleepers, 1);
    team->seconds_asleep += rn_seconds() - start;
    unlock(&team->lock);
}

/* A sleeper counts itself, then looks at the word; here it is the other way round: in
 * the one order of all these steps, one of the two sees the other. */
static void change(rn_team *team, atomic_size_t *word, size_t value) {
    atomic_store(word, value);
    if (atomic_load(&team->sleepers) == 0) return;
    lock(&team->lock);
    wake_all(&team->changed);
    unlock(&team->lock);
}

void rn_barrier(rn_worker worker) {
    rn_team *team = worker.team;
    if (worker.count == 1) return;
    const size_t round = atomic_load_explicit(&team->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 ==
        worker.count) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        change(team, &team->round, round + 1);
    } else {
        wait_until_changed(team, &team->round, round);
    }
}

static void member_main(rn_member *member) {
    rn_worker worker = member->worker;
    wait_until_changed(worker.team, &worker.team->count, 0);
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

double rn_parallel(size_t n_threads, void (*fn)(void *, rn_worker), void *context) {
    rn_member members[MAX_THREADS];
    rn_team team = {
        .fn = fn, .context = context, .lock = RN_LOCK_INIT, .changed = RN_SIGNAL_INIT};
    size_t count = 1;
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    while (count < n_threads) {
        members[count].worker = (rn_worker){.index = count, .team = &team};
        if (!start(&members[count])) break;
        count++;
    }
    change(&team, &team.count, count);
    fn(context, (rn_worker){.index = 0, .count = count, .team = &team});
    for (size_t i = 1; i < count; i++) join(&members[i]);
    return team.seconds_asleep;
}
