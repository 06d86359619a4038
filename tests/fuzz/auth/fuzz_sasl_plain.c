/*
 * PLAIN: a message that is taken is its parts put together again, and a
 * message of the parts alone means the same.
 */
#include "auth/sasl.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put_parts(struct buf *out, const struct sasl *s)
{
	buf_addc(out, '\0');
	buf_addspan(out, buf_span(&s->user));
	buf_addc(out, '\0');
	buf_addspan(out, buf_span(&s->password));
}

static void
check_again(const struct sasl *s, struct span in)
{
	const struct peer peer = { .has_tls = true };
	struct buf parts = BUF_INIT;
	struct sasl again;

	put_parts(&parts, s);
	assert(in.len >= parts.len);
	assert(span_eq(span_from(in, in.len - parts.len), buf_span(&parts)));
	assert(s->user.len > 0 && s->password.len > 0);
	sasl_init(&again, SASL_PLAIN, &peer, random_system(), false);
	assert(sasl_message(&again, buf_span(&parts)) == SASL_PASSWORD);
	assert(span_eq(buf_span(&again.user), buf_span(&s->user)));
	assert(span_eq(buf_span(&again.password), buf_span(&s->password)));
	sasl_release(&again);
	buf_release(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peer peer = { .has_tls = true };
	struct span in = { (const char *)data, size };
	enum sasl_step step;
	struct sasl s;

	sasl_init(&s, SASL_PLAIN, &peer, random_system(), false);
	step = sasl_message(&s, in);
	if (step == SASL_PASSWORD)
		check_again(&s, in);
	else
		assert((step == SASL_BAD || step == SASL_WRONG) &&
		    s.error && s.password.len == 0);
	sasl_release(&s);
	return 0;
}
