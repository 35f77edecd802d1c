/* Ranges cut into parts: tiles, panels, what each thread does. */
#ifndef RN_CUT_H
#define RN_CUT_H

RN_INLINE size_t rn_max(size_t a, size_t b) { return a > b ? a : b; }
RN_INLINE size_t rn_min(size_t a, size_t b) { return a < b ? a : b; }
RN_INLINE size_t rn_count(size_t n, size_t size) { return (n + size - 1) / size; }

/* A range cut into nearly equal parts: the division is done once for all of them. */
typedef struct {
    size_t parts, size, larger; /* how many, the first ones larger by one */
} rn_cut;

RN_INLINE rn_cut rn_cut_into(size_t n, size_t parts) {
    return parts <= 1 ? (rn_cut){parts, n, 0} : (rn_cut){parts, n / parts, n % parts};
}

/* The tiles that n rows need. */
RN_INLINE rn_cut rn_tiles(size_t n) {
    return rn_cut_into(n, rn_count(n, RN_TILE_ROWS));
}

/* Where a part starts. */
RN_INLINE size_t rn_start(rn_cut cut, size_t part) {
    return cut.size * part + rn_min(part, cut.larger);
}

RN_INLINE size_t rn_part(size_t n, size_t part, size_t parts) {
    return rn_start(rn_cut_into(n, parts), part);
}

/* Few rows: two panels of them fit in the registers. */
RN_INLINE int rn_is_low(size_t rows) { return rows <= RN_LOW_ROWS; }

#endif
