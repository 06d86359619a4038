/*
 * DKIM over messages of the fuzzer's, with a key that is in DNS: the same
 * verdicts however the body is split, words that are fit for a log, and no
 * pass but for the one message that was signed with it. What we sign
 * ourselves of any message passes, unless its first line begins with white
 * space: that continues whatever field is put above it.
 */
#include <assert.h>

#include "auth/dkim_verify.h"
#include "store/mime/header.h"
#include "tests/unit/auth/policy_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1528637909

/* RFC 8463 appendix A: the key of the seed that is a whole message. */
static const char *const zone[] = {
	"brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; "
	    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	NULL
};

static struct dkim_verifier *
run(struct policy_fixture *x, struct span header, struct span body,
    size_t step)
{
	struct dkim_verifier *v = dkim_verifier_new(header, NOW);
	struct dkim_verify_job *j;

	if (!v)
		return NULL;
	for (size_t at = 0; at < body.len; at += step)
		dkim_verifier_body(v, body.p + at, MIN(step, body.len - at));
	dkim_verifier_end(v);
	while (!dkim_verifier_keys(v, &x->facts))
		policy_ask(x);
	j = dkim_verify_job_new(v, &x->home, NULL);
	j->j.run(&j->j);
	(void)dkim_verify_job_take(j);
	op_free(&j->j.op);
	return v;
}

static void
check(struct policy_fixture *x, struct span header, struct span body)
{
	struct dkim_verifier *a = run(x, header, body, SIZE_MAX / 2);
	struct dkim_verifier *b = run(x, header, body, 3);

	assert((a == NULL) == (b == NULL));
	for (size_t i = 0; a && i < a->count; i++) {
		const struct dkim_signature *s = &a->sigs[i];

		assert(s->result != DKIM_NONE);
		assert(s->result == b->sigs[i].result);
		assert(strcmp(s->reason, b->sigs[i].reason) == 0);
		for (const char *p = s->reason; *p; p++)
			assert(*p >= ' ' && *p <= '~');
		if (s->result == DKIM_PASS)
			assert(span_is(s->domain, "football.example.com"));
	}
	dkim_verifier_free(a);
	dkim_verifier_free(b);
}

static void
check_own(struct policy_fixture *x, struct span header, struct span body)
{
	static const char seed[32] = { 1, 2, 3 };
	struct dkim_key key = { "own.example", "s", SPAN(""),
	    DKIM_ED25519_SHA256 };
	struct dkim_signer *s = dkim_signer_new();
	struct buf record = BUF_INIT, whole = BUF_INIT;
	struct dkim_sign_job *j;
	struct dkim_verifier *v;

	key.der = span_make(seed, sizeof seed);
	assert(dkim_key_record(&record, key.der, key.algorithm) == 0);
	assert(zone_add(&x->zone, SPAN("s._domainkey.own.example"),
	    SPAN("TXT"), buf_span(&record), SPAN("")));
	dkim_signer_body(s, body.p, body.len);
	j = dkim_sign_job_new(s, &x->home, NULL, &key, 1, header, NOW);
	j->j.run(&j->j);
	assert(j->j.op.err == 0);
	buf_addspan(&whole, buf_span(&j->field));
	buf_addspan(&whole, header);
	op_free(&j->j.op);
	v = run(x, buf_span(&whole), body, SIZE_MAX / 2);
	assert(v && v->count > 0 && v->sigs[0].result == DKIM_PASS);
	dkim_verifier_free(v);
	buf_release(&record);
	buf_release(&whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	size_t len = header_block_len(in);
	struct policy_fixture x;

	policy_start(&x, zone);
	check(&x, span_head(in, len), span_from(in, len));
	if (size > 0 && size < 8192 && data[0] != ' ' && data[0] != '\t')
		check_own(&x, span_head(in, len), span_from(in, len));
	policy_finish(&x);
	return 0;
}
