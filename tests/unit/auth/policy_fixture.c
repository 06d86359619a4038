#include "tests/unit/auth/policy_fixture.h"

#include "server/base/cursor.h"

static void
on_ready(struct facts *f)
{
	struct policy_fixture *x = CONTAINER_OF(f, struct policy_fixture,
	    facts);

	x->rounds++;
}

void
policy_start(struct policy_fixture *x, const char *const *zone)
{
	*x = (struct policy_fixture){ .rounds = 0 };
	post_init(&x->home, NULL);
	zone_init(&x->zone);
	x->env.home = &x->home;
	x->env.dns = &x->zone.source;
	facts_init(&x->facts, &x->env, on_ready);
	for (; *zone; zone++) {
		struct cursor c = cursor_of(*zone);
		struct span name = cursor_until(&c, ' '), type;

		(void)cursor_skip(&c, ' ');
		type = cursor_until(&c, ' ');
		(void)cursor_skip(&c, ' ');
		if (!zone_add(&x->zone, name, type,
		    span_make(c.p, cursor_left(&c)), SPAN("")))
			fail_msg("not a record: %s", *zone);
	}
}

void
policy_ask(struct policy_fixture *x)
{
	unsigned before = x->rounds;

	CHECK(facts_is_missing(&x->facts));
	facts_ask(&x->facts);
	while (post_drain(&x->home))
		;
	CHECK_EQ(x->rounds, before + 1);
}

void
policy_finish(struct policy_fixture *x)
{
	facts_release(&x->facts);
	while (post_drain(&x->home))
		;
	zone_release(&x->zone);
	post_release(&x->home);
	arena_release(&x->arena);
}
