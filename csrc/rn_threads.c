/* A team of threads: the only file that knows the operating system's.
 *
 * The team is started when a call first needs it and kept: between calls its threads
 * look for work for some 50 microseconds and then sleep.  One call at a time has the
 * team; a second one, from another thread of the program, works alone.  A forked child
 * starts a team of its own.
 *
 * Inside a call threads meet at spin barriers (about 0.1 microseconds).  A thread that
 * has waited for some 50 microseconds goes to sleep: on a busy machine the others may
 * need its CPU before they can arrive.
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#if defined(__linux__)
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "rn_threads.h"

#include <stdatomic.h>
#include <string.h>

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
#include <signal.h>
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
#elif defined(__aarch64__)
static void spin_hint(void) { __asm__ volatile("yield"); }
#else
static void spin_hint(void) {}
#endif

#define SPIN_SECONDS 50e-6
enum { MAX_THREADS = 256, SPINS_PER_LOOK = 64 }; /* at the clock */

/* Where threads sleep. Those without a part in the call have a place of their own, so
 * that barriers do not wake them. */
typedef struct {
    atomic_size_t sleepers;
    rn_signal changed;
} rn_place;

typedef struct {
    atomic_size_t arrived;
    char apart1[64];
    atomic_size_t round;
    char apart2[64];
    atomic_size_t pieces;
    char apart3[64];
    atomic_size_t call; /* number of the call * MAX_THREADS + its threads - 1 */
    atomic_size_t finished;
    double seconds_asleep; /* of all threads in this call; under the lock */
    rn_lock lock;
    rn_place between, within; /* calls */
    void (*fn)(void *, rn_worker);
    void *context;
} rn_team;

typedef struct {
    size_t index, call; /* the call before its first */
    rn_handle handle;
} rn_member;

#define RN_TEAM_INIT                                                                   \
    {                                                                                  \
        .lock = RN_LOCK_INIT, .between = {.changed = RN_SIGNAL_INIT},                  \
        .within = {.changed = RN_SIGNAL_INIT}                                          \
    }
static rn_team team = RN_TEAM_INIT;
static rn_member members[MAX_THREADS];
static size_t team_size = 1; /* with the caller */
static atomic_flag busy = ATOMIC_FLAG_INIT;

/* Returns when *word is (or, with `other`, is no longer) the value; the time asleep.
 * By the clock, as a spin takes 1 to 140 cycles, depending on the CPU. */
static double wait_until(atomic_size_t *word, size_t value, int other,
                         rn_place *place) {
    double start = 0;
    for (size_t spins = 1;; spins++) {
        const int equal = atomic_load_explicit(word, memory_order_acquire) == value;
        if (equal != other) return 0;
        spin_hint();
        if (spins % SPINS_PER_LOOK) continue;
        const double now = rn_seconds();
        if (start == 0) start = now;
        if (now - start > SPIN_SECONDS) break;
    }
    start = rn_seconds();
    lock(&team.lock);
    atomic_fetch_add(&place->sleepers, 1);
    while ((atomic_load(word) == value) == other) sleep_on(&place->changed, &team.lock);
    atomic_fetch_sub(&place->sleepers, 1);
    unlock(&team.lock);
    return rn_seconds() - start;
}

#if defined(__linux__)
#include <sched.h>

static atomic_int cpu_of[MAX_THREADS]; /* where each thread was last seen */

static void note_cpu(size_t index) { atomic_store(&cpu_of[index], sched_getcpu()); }

/* Linux may wake a thread on the CPU of the one that wakes it and leave both there, so
 * that they take turns while another CPU rests.  A member of the team that finds itself
 * with another one after a sleep moves to a CPU that has none; then it may use all of
 * its CPUs, as before. */
static void leave_shared_cpu(rn_worker worker) {
    cpu_set_t own, others_left;
    int shared = 0;
    note_cpu(worker.index);
    if (worker.index == 0) return; /* the caller's thread is not ours to move */
    const int here = atomic_load(&cpu_of[worker.index]);
    if (sched_getaffinity(0, sizeof own, &own) != 0) return;
    others_left = own;
    for (size_t i = 0; i < worker.count; i++) {
        const int cpu = atomic_load(&cpu_of[i]);
        if (i == worker.index || cpu < 0 || cpu >= CPU_SETSIZE) continue;
        shared |= cpu == here;
        CPU_CLR(cpu, &others_left);
    }
    if (!shared || CPU_COUNT(&others_left) == 0) return;
    if (sched_setaffinity(0, sizeof others_left, &others_left) != 0) return;
    sched_setaffinity(0, sizeof own, &own);
    note_cpu(worker.index);
}
#else
static void note_cpu(size_t index) { (void)index; }
static void leave_shared_cpu(rn_worker worker) { (void)worker; }
#endif

static void wait_in_call(rn_worker worker, atomic_size_t *word, size_t value) {
    const double asleep = wait_until(word, value, 0, &team.within);
    if (asleep == 0) return;
    leave_shared_cpu(worker);
    lock(&team.lock);
    team.seconds_asleep += asleep;
    unlock(&team.lock);
}

/* Called after a word has changed. A sleeper counts itself, then reads the word; here
 * the order is reversed. All these steps have one total order, so one of the two sees
 * the other. */
static void wake_sleepers(rn_place *place) {
    if (atomic_load(&place->sleepers) == 0) return;
    lock(&team.lock);
    wake_all(&place->changed);
    unlock(&team.lock);
}

void rn_barrier(rn_worker worker) {
    if (worker.count == 1) return;
    const size_t round = atomic_load_explicit(&team.round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team.arrived, 1, memory_order_acq_rel) + 1 ==
        worker.count) {
        atomic_store_explicit(&team.arrived, 0, memory_order_relaxed);
        atomic_store(&team.round, round + 1);
        wake_sleepers(&team.within);
    } else {
        wait_in_call(worker, &team.round, round + 1);
    }
}

void rn_wait_for_piece(rn_worker worker, size_t piece) {
    if (worker.count > 1) wait_in_call(worker, &team.pieces, piece);
}

void rn_end_piece(rn_worker worker) {
    if (worker.count == 1) return;
    atomic_fetch_add(&team.pieces, 1);
    wake_sleepers(&team.within);
}

static void member_main(const rn_member *member) {
    for (size_t call = member->call;;) {
        const double asleep = wait_until(&team.call, call, 1, &team.between);
        call = atomic_load(&team.call);
        const size_t count = call % MAX_THREADS + 1;
        const rn_worker worker = {.index = member->index, .count = count};
        if (member->index >= count) continue;
        if (asleep > 0) leave_shared_cpu(worker);
        team.fn(team.context, worker);
        atomic_fetch_add(&team.finished, 1);
        wake_sleepers(&team.within);
    }
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
#else
static void *thread_main(void *member) {
    member_main(member);
    return NULL;
}
static void forget_team(void) { /* in a forked child, where its threads do not exist */
    static const rn_team nobody = RN_TEAM_INIT;
    memcpy(&team, &nobody, sizeof team);
    team_size = 1;
    atomic_flag_clear(&busy);
}
/* Threads of the team handle no signals: those are for the program's own threads.
 * Faults are not blocked, since they belong to the thread that causes them. */
static int create_without_signals(rn_member *member) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&blocked, faults[i]);
    }
    if (pthread_sigmask(SIG_SETMASK, &blocked, &before) != 0) return 0;
    const int failed = pthread_create(&member->handle, NULL, thread_main, member);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failed;
}
static int start(rn_member *member) {
    static int watches_forks = 0;
    if (!watches_forks && pthread_atfork(NULL, NULL, forget_team) != 0) return 0;
    watches_forks = 1;
    if (!create_without_signals(member)) return 0;
    pthread_detach(member->handle);
    return 1;
}
#endif

/* At least this many threads, if the system allows it. */
static size_t enlarge_team(size_t wanted) {
    while (team_size < wanted) {
        rn_member *member = &members[team_size];
        member->index = team_size;
        member->call = atomic_load(&team.call);
        if (!start(member)) break;
        team_size++;
    }
    return team_size < wanted ? team_size : wanted;
}

double rn_parallel(size_t n_threads, void (*fn)(void *, rn_worker), void *context) {
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    if (n_threads <= 1 || atomic_flag_test_and_set(&busy)) {
        fn(context, (rn_worker){.index = 0, .count = 1});
        return 0;
    }
    const size_t count = enlarge_team(n_threads);
    team.fn = fn;
    team.context = context;
    team.seconds_asleep = 0;
    atomic_store(&team.finished, 0);
    atomic_store(&team.pieces, 0);
    const rn_worker caller = {.index = 0, .count = count};
    const size_t number = atomic_load(&team.call) / MAX_THREADS + 1;
    note_cpu(0);
    atomic_store(&team.call, number * MAX_THREADS + count - 1);
    wake_sleepers(&team.between);
    fn(context, caller);
    wait_in_call(caller, &team.finished, count - 1);
    const double asleep = team.seconds_asleep;
    atomic_flag_clear(&busy);
    return asleep;
}
