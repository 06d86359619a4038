/*
 * Two worlds in lockstep, for fuzzing sessions: the same bytes go into both,
 * in one piece here and in small pieces there, and must give the same bytes
 * and the same end. What is done to one store is done to the other.
 */
#ifndef TESTS_FUZZ_PAIR_H
#define TESTS_FUZZ_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "tests/driver.h"

/* After so many runs the stores are checked, and made anew. */
#define PAIR_RUNS 300

struct pair {
	struct world worlds[2];
	unsigned runs;		/* 0: not open */
	void (*setup)(struct world *);
};

/*
 * One run: prefix, to bring a session of m into its state, then data. What
 * the session says after the prefix is appended to out; the log may complain
 * of nothing.
 */
void pair_run(struct pair *p, const struct session_maker *m,
    const char *prefix, const uint8_t *data, size_t size, struct buf *out);

#endif
