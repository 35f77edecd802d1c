/* The C core without Python: kernels and a training run as checksums of their bits.
 *
 * One line per variant: name, checksum.  All variants with fused multiply-add, on every
 * machine, print the same checksum; every number of threads gives it.  tools/check_core.py
 * builds this with sanitizers, under valgrind and for other machines.
 *
 *     core_check [threads [epochs]]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rn.h"

#define FNV UINT64_C(14695981039346656037)

static uint64_t add(uint64_t hash, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Memory on a 64-byte boundary, exactly so long that tools see a read past it. */
static void *get(size_t n) {
    void *p = NULL;
    if (posix_memalign(&p, 64, n ? n : 1)) exit(3);
    return p;
}

typedef enum { BY_ROWS, BY_UNITS, BY_PIECE } division; /* of a step among threads */

#define T float
#define TABLE rn_table_f32
#define NAME(x) x##_f32
#include "core_check.inc.c"
#undef T
#undef TABLE
#undef NAME
#define T double
#define TABLE rn_table_f64
#define NAME(x) x##_f64
#include "core_check.inc.c"

/* Kernels and training; a training that depends on how it was divided ends it all. */
static uint64_t checksum(const rn_tables *t, size_t threads, size_t epochs) {
    const uint64_t parts[4] = {kernels_f32(t->f32), kernels_f64(t->f64),
                               training_f32(t->f32, threads, BY_ROWS, epochs),
                               training_f64(t->f64, threads, BY_ROWS, epochs)};
    for (division how = BY_UNITS; how <= BY_PIECE; how++) {
        if (training_f32(t->f32, threads, how, epochs) != parts[2]) exit(4);
        if (training_f64(t->f64, threads, how, epochs) != parts[3]) exit(5);
    }
    if (!parts[2] || !parts[3]) exit(6); /* diverged */
    return add(FNV, parts, sizeof parts);
}

int main(int count, char **arguments) {
    const size_t threads = count > 1 ? strtoul(arguments[1], NULL, 10) : 1;
    const size_t epochs = count > 2 ? strtoul(arguments[2], NULL, 10) : 3;
    for (const rn_tables *const *t = rn_available(); *t; t++) {
        if (!(*t)->f32->fused) continue;
        printf("%s %016llx\n", (*t)->isa,
               (unsigned long long)checksum(*t, threads, epochs));
    }
    return 0;
}
