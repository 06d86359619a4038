/*
 * SPF and DMARC over a zone of the fuzzer's: lines "name TYPE value". They
 * come to an end, whatever DNS says, ask no more than the specifications
 * let them, and what they say is fit for a log.
 */
#include <assert.h>

#include "auth/dmarc.h"
#include "auth/spf.h"
#include "tests/unit/auth/policy_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The record, ten terms, ten hosts or names of each, the client's names and
 * their addresses, an explanation.
 */
#define SPF_QUESTIONS_MAX (1 + 10 + 10 * 10 + 1 + 10 + 2)

static void
add_lines(struct policy_fixture *x, struct span text)
{
	struct cursor c = cursor_of_span(text);

	for (unsigned n = 0; n < 64 && !cursor_at_end(&c); n++) {
		struct cursor line = cursor_of_span(cursor_until(&c, '\n'));
		struct span name = cursor_until(&line, ' '), type;

		(void)cursor_skip(&c, '\n');
		(void)cursor_skip(&line, ' ');
		type = cursor_until(&line, ' ');
		(void)cursor_skip(&line, ' ');
		(void)zone_add(&x->zone, name, type,
		    span_make(line.p, cursor_left(&line)), SPAN(""));
	}
}

static void
check_printable(const char *s)
{
	for (; *s; s++)
		assert(*s >= ' ' && *s <= '~');
}

static void
check_spf(struct policy_fixture *x, const char *client)
{
	struct addr ip;
	struct spf_verdict v, again;
	struct spf_input in = {
		.ip = &ip, .local = SPAN("strong-bad"),
		.domain = SPAN("example.com"), .helo = SPAN("mx.example.org"),
		.receiver = "mail.example.net", .now_s = 1,
	};
	unsigned before = x->zone.asked;

	assert(addr_parse(&ip, span_of(client)) == 0);
	while (spf_check(&x->facts, &in, &x->arena, &v) == SPF_NEED)
		policy_ask(x);
	check_printable(v.reason);
	check_printable(v.explanation);
	assert(x->zone.asked - before <= SPF_QUESTIONS_MAX);
	assert(spf_check(&x->facts, &in, &x->arena, &again) == v.result);
}

static void
check_dmarc(struct policy_fixture *x)
{
	static const struct span dkim[] = { SPAN("example.com"),
	    SPAN("a.mail.example.org") };
	struct dmarc_input in = { .from = SPAN("www.example.com"),
	    .spf = SPAN("b.example.com"), .dkim = dkim, .dkim_count = 2 };
	struct dmarc_verdict v;

	while (dmarc_check(&x->facts, &in, &x->arena, &v) == DMARC_NEED)
		policy_ask(x);
	check_printable(v.reason);
	assert(v.applied <= v.asked);
	if (v.result == DMARC_PASS)
		assert(v.is_spf_aligned || v.is_dkim_aligned);
	in.dkim_count = 0;
	in.spf = SPAN("");
	/* Nothing authenticated never passes. */
	while (dmarc_check(&x->facts, &in, &x->arena, &v) == DMARC_NEED)
		policy_ask(x);
	assert(v.result != DMARC_PASS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const none[] = { NULL };
	struct policy_fixture x;

	policy_start(&x, none);
	add_lines(&x, span_make((const char *)data, size));
	check_spf(&x, "192.0.2.1");
	check_spf(&x, "2001:db8::1");
	check_dmarc(&x);
	policy_finish(&x);
	return 0;
}
