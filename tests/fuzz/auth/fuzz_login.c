/*
 * The whole flow: the first byte chooses the mechanism, then come the
 * client's lines. An initial response means what the same line means after
 * an empty challenge, and the same lines give the same steps, challenges and
 * ends again. Nobody is logged in who does not know a password: the corpus
 * has none.
 */
#include <assert.h>
#include <string.h>

#include "server/base/random.h"
#include "tests/unit/auth/login_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span
take_line(struct span *rest)
{
	const char *end = span_chr(*rest, '\n');
	struct span line = *rest;

	if (end)
		line = span_head(*rest, (size_t)(end - rest->p));
	*rest = span_from(*rest, line.len + 1);
	return line;
}

/* Writes down what the client sees. */
static enum login_step
note(struct login_fixture *f, struct buf *seen, enum login_step step)
{
	step = login_fixture_settle(f, step);
	buf_printf(seen, "%d %d %s\n", (int)step, (int)f->login.reason,
	    step == LOGIN_CONTINUE ? f->login.challenge.p : "");
	assert((step == LOGIN_FAIL) == (f->login.reason != LOGIN_NONE));
	assert(step != LOGIN_OK && step != LOGIN_TEMPFAIL);
	return step;
}

static void
run(struct buf *seen, unsigned mech, struct span in, bool initial)
{
	const char *name = sasl_mech_name((enum sasl_mech)mech);
	struct seeded_random random;
	struct login_fixture f;
	struct span line = take_line(&in);
	enum login_step step;

	login_fixture_init(&f, SCOPE_SMTP);
	seeded_random_init(&random, 1);
	f.env.random = &random.random;
	if (initial) {
		step = login_auth(&f.login, span_of(name), &line);
	} else {
		step = login_auth(&f.login, span_of(name), NULL);
		assert(step == LOGIN_CONTINUE);
		step = login_response(&f.login, line);
	}
	step = note(&f, seen, step);
	while (step == LOGIN_CONTINUE) {
		line = take_line(&in);
		if (line.len == 0)
			line = SPAN("*");
		step = note(&f, seen, login_response(&f.login, line));
	}
	assert(f.session.account == 0 && f.notes == 0);
	login_fixture_release(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct buf first = BUF_INIT, second = BUF_INIT;
	unsigned mech;

	if (size < 2)
		return 0;
	mech = data[0] % SASL_MECH_COUNT;
	in = span_from(in, 1);
	run(&first, mech, in, true);
	run(&second, mech, in, true);
	assert(span_eq(buf_span(&first), buf_span(&second)));
	/* "=" and "*" mean something in one of the two places only. */
	if (*in.p != '=' && *in.p != '*') {
		buf_clear(&second);
		run(&second, mech, in, false);
		assert(span_eq(buf_span(&first), buf_span(&second)));
	}
	buf_release(&first);
	buf_release(&second);
	return 0;
}
