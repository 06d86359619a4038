/*
 * Time, injected.
 *
 * Nothing asks the system for the time but the one clock behind this struct;
 * tests set it by hand. Monotonic time runs timers and deadlines; wall time
 * is stored and shown.
 *
 * Thread: any.
 */
#ifndef SERVER_BASE_CLOCK_H
#define SERVER_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct clock {
	/* Milliseconds from an arbitrary start, never going back. */
	int64_t (*mono_ms)(struct clock *);
	/* Seconds since 1970 UTC. */
	int64_t (*wall_s)(struct clock *);
	/* Microseconds from an arbitrary start, for measuring work. */
	int64_t (*mono_us)(struct clock *);
	/* Microseconds of CPU time that the calling thread has had. */
	int64_t (*cpu_us)(struct clock *);
};

/* The system's clock; shared, constant, never freed. */
struct clock *clock_system(void);

/* A clock that stands still until a test moves it. */
struct fake_clock {
	struct clock clock;
	_Atomic int64_t now_ms;		/* monotonic */
	_Atomic int64_t now_s;		/* wall */
};
void fake_clock_init(struct fake_clock *f, int64_t wall_s);
/* Moves both by ms. */
void fake_clock_advance(struct fake_clock *f, int64_t ms);

#endif
