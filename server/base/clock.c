/* The one file that may ask the system for the time (banned.h). */
#include "server/base/clock.h"

#include <assert.h>
#include <time.h>

#include "server/base/list.h"

static struct timespec
clock_read(clockid_t id)
{
	struct timespec ts;
	int err = clock_gettime(id, &ts);

	assert(err == 0);
	(void)err;
	return ts;
}

static int64_t
clock_read_us(clockid_t id)
{
	struct timespec ts = clock_read(id);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
system_mono_us(struct clock *c)
{
	(void)c;
	return clock_read_us(CLOCK_MONOTONIC);
}

static int64_t
system_cpu_us(struct clock *c)
{
	(void)c;
	return clock_read_us(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t
system_mono_ms(struct clock *c)
{
	return system_mono_us(c) / 1000;
}

static int64_t
system_wall_s(struct clock *c)
{
	(void)c;
	return (int64_t)clock_read(CLOCK_REALTIME).tv_sec;
}

struct clock *
clock_system(void)
{
	static const struct clock clock = {
		system_mono_ms, system_wall_s, system_mono_us, system_cpu_us
	};

	/* Nobody writes to it; the type is not const for the fakes' sake. */
	return (struct clock *)&clock;
}

static struct fake_clock *
fake_of(struct clock *c)
{
	return CONTAINER_OF(c, struct fake_clock, clock);
}

static int64_t
fake_mono_ms(struct clock *c)
{
	return atomic_load(&fake_of(c)->now_ms);
}

static int64_t
fake_wall_s(struct clock *c)
{
	return atomic_load(&fake_of(c)->now_s);
}

static int64_t
fake_mono_us(struct clock *c)
{
	return atomic_load(&fake_of(c)->now_ms) * 1000;
}

void
fake_clock_init(struct fake_clock *f, int64_t wall_s)
{
	f->clock = (struct clock){ fake_mono_ms, fake_wall_s, fake_mono_us,
	    fake_mono_us };
	/* Not 0, which means "none" in a deadline; whole seconds. */
	atomic_init(&f->now_ms, 1000000);
	atomic_init(&f->now_s, wall_s);
}

void
fake_clock_advance(struct fake_clock *f, int64_t ms)
{
	int64_t before = atomic_fetch_add(&f->now_ms, ms);

	/* Parts of a second add up to whole ones. */
	atomic_fetch_add(&f->now_s, (before + ms) / 1000 - before / 1000);
}
