/* The order in which an epoch visits its rows: a pure function of (n, seed, epoch). */
#include "rn.h"
#include "rn_philox.h"

typedef struct {
    uint64_t seed, epoch, counter;
    size_t used;
    uint32_t words[RN_PHILOX_WORDS];
} rn_word_stream;

static uint32_t next_word(rn_word_stream *s) {
    if (s->used == RN_PHILOX_WORDS) {
        /* 32 bits of the counter suffice for 2^34 words; the epoch takes the rest. */
        rn_philox(s->words, (uint32_t)s->counter, (uint32_t)s->epoch,
                  (uint32_t)(s->epoch >> 32), RN_DOMAIN_SHUFFLE, s->seed);
        s->counter += RN_PHILOX_ROWS;
        s->used = 0;
    }
    return s->words[s->used++];
}

/* Uniform on 0 .. bound-1 without bias (Lemire 2019): the product's low half tells
 * when to draw again, and the division is only needed in bound / 2^32 of all cases. */
static uint64_t below_small(rn_word_stream *s, uint32_t bound) {
    uint64_t product = (uint64_t)next_word(s) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t least = (0u - bound) % bound;
        while ((uint32_t)product < least) product = (uint64_t)next_word(s) * bound;
    }
    return product >> 32;
}

/* More than 2^32 rows: draw until the number is below bound; at most half are rejected.
 */
static uint64_t below_large(rn_word_stream *s, uint64_t bound) {
    uint64_t mask = bound - 1, draw;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    do {
        draw = next_word(s);
        draw = (draw << 32 | next_word(s)) & mask;
    } while (draw >= bound);
    return draw;
}

/* Fisher-Yates: every one of the n! orders is equally likely. */
void rn_permutation(size_t n, int64_t *order, uint64_t seed, uint64_t epoch) {
    rn_word_stream s = {.seed = seed, .epoch = epoch, .used = RN_PHILOX_WORDS};
    for (size_t i = 0; i < n; i++) order[i] = (int64_t)i;
    for (uint64_t i = n; i > 1; i--) {
        const uint64_t j =
            i <= UINT32_MAX ? below_small(&s, (uint32_t)i) : below_large(&s, i);
        const int64_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}
