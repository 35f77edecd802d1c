/* LD_PRELOAD for tests/test_memory.py: makes one allocation, or one thread, fail.
 *
 * fail_arm(k) lets the k-th request from now on fail (0: the next one); fail_disarm()
 * says how many were made since.  fail_live() is the number of bytes in use.  Freed
 * memory is overwritten, so that its use is noticed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_long left = -1, made;
static atomic_llong live;

static int fails(void) {
    if (atomic_load(&left) < 0) return 0;
    atomic_fetch_add(&made, 1);
    if (atomic_fetch_sub(&left, 1) != 0) return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *p) {
    if (p) atomic_fetch_add(&live, (long long)malloc_usable_size(p));
    return p;
}

void fail_arm(long k) {
    atomic_store(&made, 0);
    atomic_store(&left, k);
}
long fail_disarm(void) {
    atomic_store(&left, -1);
    return atomic_load(&made);
}
long long fail_live(void) { return atomic_load(&live); }

void *malloc(size_t n) { return fails() ? NULL : counted(__libc_malloc(n)); }
void *calloc(size_t n, size_t m) { return fails() ? NULL : counted(__libc_calloc(n, m)); }
void *memalign(size_t a, size_t n) {
    return fails() ? NULL : counted(__libc_memalign(a, n));
}
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
    *p = memalign(a, n);
    return *p ? 0 : ENOMEM;
}
void *realloc(void *p, size_t n) {
    if (fails()) return NULL;
    const long long before = p ? (long long)malloc_usable_size(p) : 0;
    void *q = __libc_realloc(p, n);
    if (q || n == 0) atomic_fetch_sub(&live, before);
    return counted(q);
}
void free(void *p) {
    if (p) {
        const size_t n = malloc_usable_size(p);
        atomic_fetch_sub(&live, (long long)n);
        memset(p, 0xdb, n);
    }
    __libc_free(p);
}

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (fails()) return EAGAIN;
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next(t, a, f, x);
}
