/* The thread team without Python, for tests/test_team.py and tools/sanitize.py.
 *
 *     team meetings|callers|forks|idle|exit ...
 *
 * Each check ends the program with 1 at the first thing that is wrong.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rn_threads.h"

enum { MOST = 7, ROUNDS = 40 };

static void expect(int ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

/* Plain memory that threads hand to each other: a race unless the team orders it. */
typedef struct {
    size_t square[MOST + 1], piece, calls;
    int pause; /* microseconds the last thread is late by: the others fall asleep */
} shared;

static void work(void *context, rn_worker worker) {
    shared *s = context;
    const size_t next = (worker.index + 1) % worker.count;
    s->square[worker.index] = 0;
    for (size_t round = 1; round <= ROUNDS; round++) {
        if (s->pause && worker.index + 1 == worker.count) usleep((useconds_t)s->pause);
        s->square[worker.index] = round * round;
        rn_barrier(worker);
        expect(s->square[next] == round * round, "a barrier let someone through");
        rn_barrier(worker);
    }
    for (size_t piece = worker.index; piece < ROUNDS; piece += worker.count) {
        rn_wait_for_piece(worker, piece);
        expect(s->piece++ == piece, "a piece was done out of order");
        rn_end_piece(worker);
    }
    rn_barrier(worker);
    if (worker.index == 0) s->calls++;
}

static void calls(size_t count, int pause) {
    shared s = {.pause = pause};
    for (size_t i = 0; i < count; i++) {
        s.piece = 0;
        rn_parallel(1 + i * 5 % MOST, work, &s);
        expect(s.piece == ROUNDS && s.calls == i + 1, "a call was not done once");
    }
}

/* Teams of all sizes, quick, and so slow that threads sleep. */
static void check_meetings(void) {
    calls(50, 0);
    calls(7, 200);
}

static void *call_often(void *unused) {
    calls(25, 0);
    return unused;
}

/* Several threads of the program at once: one has the team, the others work alone. */
static void check_callers(void) {
    pthread_t callers[4];
    for (int i = 0; i < 4; i++) pthread_create(&callers[i], NULL, call_often, NULL);
    for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);
}

static void *call_forever(void *unused) {
    for (;;) calls(1, 0);
    return unused;
}

/* Forks while another thread has the team; the children and theirs have teams too. */
static void check_forks(void) {
    pthread_t caller;
    pthread_create(&caller, NULL, call_forever, NULL);
    for (int i = 0; i < 6; i++) {
        const pid_t child = fork();
        if (child == 0) {
            calls(2, 0);
            if (i % 2 == 0) _exit(0);
            const pid_t grandchild = fork();
            calls(2, 0);
            int status = 0;
            if (grandchild) waitpid(grandchild, &status, 0);
            _exit(status != 0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        expect(status == 0, "a child failed");
        calls(2, 0);
    }
}

/* Times that the threads of this process were woken, the first one's left out. */
static long wake_ups(void) {
    long sum = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300], line[300];
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            long count;
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) sum += count;
        }
        if (status) fclose(status);
    }
    closedir(tasks);
    return sum;
}

/* Who has no part in a call sleeps through its barriers. */
static void check_idle(void) {
    shared s = {.pause = 300};
    rn_parallel(MOST, work, &s);
    usleep(100000);
    const long before = wake_ups();
    s.piece = 0;
    rn_parallel(2, work, &s); /* thread 1 sleeps a few times per round, the idle not */
    const long woken = wake_ups() - before;
    fprintf(stderr, "%ld wake-ups in %d rounds\n", woken, ROUNDS);
    expect(woken < 4 * ROUNDS, "idle threads are woken by other teams' barriers");
}

static void *sleep_in_call(void *unused) {
    static shared s = {.pause = 100000};
    rn_parallel(3, work, &s);
    return unused;
}

/* The program ends while a call is under way. */
static void check_exit(void) {
    pthread_t caller;
    pthread_create(&caller, NULL, sleep_in_call, NULL);
    usleep(50000);
}

int main(int count, char **names) {
    static const struct {
        const char *name;
        void (*check)(void);
    } checks[] = {{"meetings", check_meetings},
                  {"callers", check_callers},
                  {"forks", check_forks},
                  {"idle", check_idle},
                  {"exit", check_exit}};
    for (int i = 1; i < count; i++) {
        for (size_t k = 0; k < sizeof checks / sizeof *checks; k++) {
            if (strcmp(names[i], checks[k].name) == 0) checks[k].check();
        }
    }
    return 0;
}
