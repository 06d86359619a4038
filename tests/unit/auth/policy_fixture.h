/*
 * A fact table over a zone of the test's own, for policies that run over
 * facts: SPF, DMARC, DKIM keys.
 */
#ifndef TESTS_UNIT_AUTH_POLICY_FIXTURE_H
#define TESTS_UNIT_AUTH_POLICY_FIXTURE_H

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/facts.h"
#include "tests/check.h"
#include "tests/zone.h"

struct policy_fixture {
	struct env env;
	struct post home;
	struct zone zone;
	struct facts facts;
	struct arena arena;
	unsigned rounds;		/* of questions */
};

/* zone: lines "name TYPE value", after the last a NULL. */
void policy_start(struct policy_fixture *x, const char *const *zone);
void policy_finish(struct policy_fixture *x);

/* Asks what is missing and waits for it. */
void policy_ask(struct policy_fixture *x);

#endif
