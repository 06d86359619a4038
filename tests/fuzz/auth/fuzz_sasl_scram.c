/*
 * SCRAM: the first byte chooses mechanism and connection, then come the
 * client's messages, one a line. In the second "$" stands for the nonce and
 * "@" for a proof that is of the right form. Nothing proves anything, for the
 * account's keys are nobody's; every end has a reason.
 */
#include <assert.h>
#include <string.h>

#include "auth/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLUS = 1, OFFERED = 2, EXPORTER = 4, ENDPOINT = 8, FOUND = 16 };

#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void
expand(struct buf *out, struct span line, struct span nonce)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.p[i] == '$')
			buf_addspan(out, nonce);
		else if (line.p[i] == '@')
			buf_adds(out, PROOF);
		else
			buf_addc(out, line.p[i]);
	}
}

static void
check_end(const struct sasl *s, enum sasl_step step)
{
	assert(step == SASL_BAD || step == SASL_WRONG);
	assert(s->error);
	if (s->out.len)
		assert(span_starts(buf_span(&s->out), "e="));
}

static void
run_final(struct sasl *s, struct span line, unsigned char options)
{
	struct cred_account a = { .found = options & FOUND, .salt_len = 16,
	    .iterations = 4096, .cred_count = 2 };
	struct buf m = BUF_INIT;

	memset(a.creds[0].stored_key, 0x5A, CRED_KEY_LEN);
	memset(a.creds[1].stored_key, 0xA5, CRED_KEY_LEN);
	assert(sasl_account(s, &a) == SASL_CONTINUE);
	assert(span_starts(buf_span(&s->out), "r="));
	expand(&m, line, buf_span(&s->scram.nonce));
	check_end(s, sasl_message(s, buf_span(&m)));
	/* It is over whatever comes. */
	check_end(s, sasl_message(s, buf_span(&m)));
	buf_release(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size }, first;
	struct peer peer = { .has_tls = true };
	unsigned char options;
	enum sasl_step step;
	const char *end;
	struct sasl s;

	if (size == 0)
		return 0;
	options = data[0];
	in = span_from(in, 1);
	peer.exporter_len = options & EXPORTER ? 32 : 0;
	peer.endpoint_len = options & ENDPOINT ? 32 : 0;
	end = span_chr(in, '\n');
	first = end ? span_head(in, (size_t)(end - in.p)) : in;
	sasl_init(&s, options & PLUS ? SASL_SCRAM_PLUS : SASL_SCRAM, &peer,
	    random_system(), options & OFFERED);
	step = sasl_message(&s, first);
	if (step == SASL_ACCOUNT) {
		assert(s.user.len > 0 && s.user.len <= first.len);
		assert(s.scram.gs2.len + s.scram.first_bare.len ==
		    first.len);
		run_final(&s, span_from(in, first.len + 1), options);
	} else {
		check_end(&s, step);
	}
	sasl_release(&s);
	return 0;
}
