/*
 * What a signature says is read before the body comes (dkim_verify.h); each
 * of the checks may decide it, and only one that nothing decided before the
 * last step costs an operation with a key.
 */
#include "auth/dkim_verify.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/dkim_priv.h"
#include "auth/tags.h"
#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/facts.h"
#include "server/base/xalloc.h"
#include "store/mime/header.h"

static const char *const names[] = {
	[DKIM_NONE] = "none", [DKIM_PASS] = "pass", [DKIM_FAIL] = "fail",
	[DKIM_POLICY] = "policy", [DKIM_NEUTRAL] = "neutral",
	[DKIM_TEMPERROR] = "temperror", [DKIM_PERMERROR] = "permerror",
};

const char *
dkim_result_name(enum dkim_result r)
{
	return names[r];
}

/* The first decision stands. */
static void
decide(struct dkim_signature *s, enum dkim_result result, const char *reason)
{
	if (s->result != DKIM_NONE)
		return;
	s->result = result;
	snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static void
bad(struct dkim_signature *s, const char *reason)
{
	decide(s, DKIM_PERMERROR, reason);
}

/* ---- the field (RFC 6376 section 3.5) ---- */

static bool
is_fws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the white space that base64 values may have anywhere. */
static struct span
squeeze(struct span s, struct arena *a)
{
	char *p = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (!is_fws(s.p[i]))
			p[n++] = s.p[i];
	return span_make(p, n);
}

/* Decodes into the arena; false: it is no base64. */
static bool
decode(struct span s, struct arena *a, struct span *out)
{
	struct buf bytes = BUF_INIT;
	bool is_good = base64_decode(&bytes, squeeze(s, a)) == 0;

	*out = arena_span(a, buf_span(&bytes));
	buf_release(&bytes);
	return is_good;
}

static struct span
lower(struct span s, struct arena *a)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		p[i] = (char)ascii_lower((unsigned char)s.p[i]);
	return span_make(p, s.len);
}

/* A name or selector that can be asked for. */
static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return s.len > 0 && s.len <= DNS_NAME_MAX;
}

/* c=: "simple", "relaxed/simple"; what is not said is simple. */
static bool
parse_forms(const struct span *c, struct dkim_signature *s)
{
	const char *slash = c ? span_chr(*c, '/') : NULL;
	struct span head = c ? *c : SPAN("simple"), body = SPAN("simple");

	if (slash) {
		head.len = (size_t)(slash - c->p);
		body = span_from(*c, head.len + 1);
	}
	s->header_form = span_is(head, "relaxed") ? DKIM_RELAXED :
	    DKIM_SIMPLE;
	s->body_form = span_is(body, "relaxed") ? DKIM_RELAXED : DKIM_SIMPLE;
	return (s->header_form || span_is(head, "simple")) &&
	    (s->body_form || span_is(body, "simple"));
}

static bool
parse_number(const struct span *tag, uint64_t *n)
{
	struct cursor c;

	if (!tag)
		return true;
	c = cursor_of_span(*tag);
	return cursor_number(&c, INT64_MAX, n) && cursor_at_end(&c);
}

/* t= and x=: not signed in the future, not past its time. */
static void
judge_times(struct dkim_signature *s, const struct tags *t, int64_t now_s)
{
	uint64_t signed_at = 0, expires = INT64_MAX;

	if (!parse_number(tags_find(t, "t"), &signed_at) ||
	    !parse_number(tags_find(t, "x"), &expires))
		bad(s, "a time that is no number");
	else if (expires < signed_at)
		bad(s, "expires before it was made");
	else if (signed_at > (uint64_t)(now_s + DKIM_CLOCK_SKEW_S))
		decide(s, DKIM_POLICY, "signed in the future");
	else if (expires < (uint64_t)now_s)
		decide(s, DKIM_POLICY, "has expired");
}

/* RFC 6376 section 5.4: From is signed, always. */
static bool
covers_from(struct span h)
{
	struct cursor c = cursor_of_span(h);
	struct span item;

	while (tags_next_item(&c, ':', &item))
		if (span_iis(item, "From"))
			return true;
	return false;
}

static bool
is_at_or_below(struct span name, struct span domain)
{
	return name.len >= domain.len &&
	    span_ieq(span_from(name, name.len - domain.len), domain) &&
	    (name.len == domain.len ||
	    name.p[name.len - domain.len - 1] == '.');
}

/* Behind the last '@'; empty if there is none. */
static struct span
identity_domain(struct span identity)
{
	for (size_t i = identity.len; i > 0; i--)
		if (identity.p[i - 1] == '@')
			return span_from(identity, i);
	return SPAN("");
}

static void
judge_algorithm(struct dkim_signature *s, struct span a)
{
	if (span_is(a, "rsa-sha256"))
		s->algorithm = DKIM_RSA_SHA256;
	else if (span_is(a, "ed25519-sha256"))
		s->algorithm = DKIM_ED25519_SHA256;
	else if (span_is(a, "rsa-sha1"))
		/* RFC 8301 section 3.1 */
		bad(s, "rsa-sha1 is not secure");
	else
		bad(s, "an algorithm that is not known");
}

/* The tags that a signature cannot do without; false: one is missing. */
static bool
take_needed(struct dkim_signature *s, const struct tags *t, struct arena *a)
{
	const struct span *v = tags_find(t, "v"), *alg = tags_find(t, "a");
	const struct span *d = tags_find(t, "d"), *sel = tags_find(t, "s");
	const struct span *h = tags_find(t, "h"), *bh = tags_find(t, "bh");
	const struct span *b = tags_find(t, "b");
	struct span hash;

	if (!v || !alg || !d || !sel || !h || !bh || !b)
		return false;
	s->domain = lower(*d, a);
	s->selector = *sel;
	s->names = *h;
	s->b = squeeze(*b, a);
	if (!span_is(*v, "1"))
		bad(s, "a version that is not known");
	judge_algorithm(s, *alg);
	if (!is_name(*d) || !is_name(*sel))
		bad(s, "a domain or selector that is no name");
	if (!decode(*bh, a, &hash) || hash.len != DKIM_HASH_LEN ||
	    !decode(*b, a, &s->signature))
		bad(s, "a hash or signature that is no base64");
	else
		memcpy(s->body_hash, hash.p, DKIM_HASH_LEN);
	return true;
}

static void
take_options(struct dkim_signature *s, const struct tags *t, int64_t now_s)
{
	const struct span *i = tags_find(t, "i"), *q = tags_find(t, "q");

	if (i)
		s->identity = *i;
	if (!parse_forms(tags_find(t, "c"), s))
		bad(s, "a canonical form that is not known");
	s->has_limit = tags_find(t, "l") != NULL;
	s->limit = UINT64_MAX;
	if (!parse_number(tags_find(t, "l"), &s->limit))
		bad(s, "a length that is no number");
	if (q && !span_is(*q, "dns/txt"))
		bad(s, "keys that are not in DNS");
	if (!covers_from(s->names))
		bad(s, "From is not signed");
	/* i= is d= or below it. */
	if (s->identity.len &&
	    !is_at_or_below(identity_domain(s->identity), s->domain))
		bad(s, "i= is not within d=");
	judge_times(s, t, now_s);
}

/* The hash its body goes into: one of another signature, or a new one. */
static void
choose_hash(struct dkim_verifier *v, struct dkim_signature *s)
{
	for (s->hash = 0; s->hash < v->hash_count; s->hash++)
		if (v->hashes[s->hash].body.form == s->body_form &&
		    v->hashes[s->hash].limit == s->limit)
			return;
	v->hashes[v->hash_count++] = (struct dkim_hash){
		.body.form = s->body_form, .limit = s->limit,
	};
}

static void
read_signature(struct dkim_verifier *v, struct span field, struct span value,
    int64_t now_s)
{
	struct dkim_signature *s = &v->sigs[v->count++];
	struct tags tags;

	*s = (struct dkim_signature){ .field = field, .limit = UINT64_MAX };
	if (field.len > DKIM_SIGNATURE_MAX)
		bad(s, "too long");
	else if (tags_parse(value, &tags) != PARSE_OK ||
	    !take_needed(s, &tags, &v->arena))
		bad(s, "no signature that can be read");
	else
		take_options(s, &tags, now_s);
	if (s->result == DKIM_NONE)
		choose_hash(v, s);
}

struct dkim_verifier *
dkim_verifier_new(struct span header, int64_t now_s)
{
	struct dkim_verifier *v;
	struct field_iter it;
	struct header_field f;

	if (!header_find(header, "DKIM-Signature", &f))
		return NULL;
	v = xcalloc(1, sizeof *v);
	buf_init(&v->work);
	if (header.len <= DKIM_HEADER_MAX)
		v->header = header = arena_span(&v->arena, header);
	field_iter_init(&it, header);
	while (field_iter_next(&it, &f)) {
		if (!span_iis(f.name, "DKIM-Signature"))
			continue;
		if (v->count == DKIM_SIGNATURES_MAX) {
			v->has_more = true;
			break;
		}
		if (v->header.len) {
			read_signature(v, f.whole, f.value, now_s);
			continue;
		}
		v->sigs[v->count] = (struct dkim_signature){ 0 };
		bad(&v->sigs[v->count++], "the header is too long");
	}
	return v;
}

void
dkim_verifier_free(struct dkim_verifier *v)
{
	if (!v)
		return;
	arena_release(&v->arena);
	buf_release(&v->work);
	free(v);
}

size_t
dkim_verifier_memory(const struct dkim_verifier *v)
{
	return sizeof *v + v->arena.used + v->work.cap;
}

/* ---- the body ---- */

void
dkim_verifier_body(struct dkim_verifier *v, const char *p, size_t len)
{
	for (size_t i = 0; i < v->hash_count; i++)
		dkim_hash_add(&v->hashes[i], &v->work, p, len);
}

void
dkim_verifier_end(struct dkim_verifier *v)
{
	for (size_t i = 0; i < v->hash_count; i++)
		dkim_hash_finish(&v->hashes[i], &v->work, v->results[i]);
	for (size_t i = 0; i < v->count; i++) {
		struct dkim_signature *s = &v->sigs[i];

		if (s->result != DKIM_NONE)
			continue;
		if (s->has_limit && v->hashes[s->hash].length < s->limit)
			bad(s, "l= is more than there is");
		else if (sodium_memcmp(v->results[s->hash], s->body_hash,
		    DKIM_HASH_LEN) != 0)
			decide(s, DKIM_FAIL, "the body has been changed");
	}
}

/* ---- keys (section 3.6.1) ---- */

static bool
has_item(const struct span *list, const char *word)
{
	struct cursor c;
	struct span item;

	if (!list)
		return true;	/* what is not said is not restricted */
	c = cursor_of_span(*list);
	while (tags_next_item(&c, ':', &item))
		if (span_is(item, word) || span_is(item, "*"))
			return true;
	return false;
}

static bool
has_flag(const struct span *list, const char *flag)
{
	struct cursor c;
	struct span item;

	if (!list)
		return false;
	c = cursor_of_span(*list);
	while (tags_next_item(&c, ':', &item))
		if (span_is(item, flag))
			return true;
	return false;
}

static void
take_key(struct dkim_signature *s, const struct tags *t, struct arena *a)
{
	const struct span *v = tags_find(t, "v"), *k = tags_find(t, "k");
	const struct span *p = tags_find(t, "p");
	bool is_rsa = !k || span_is(*k, "rsa");

	if ((v && !span_is(*v, "DKIM1")) || !p)
		bad(s, "a key record that cannot be read");
	else if (p->len == 0)
		bad(s, "the key has been revoked");
	else if (!has_item(tags_find(t, "h"), "sha256"))
		bad(s, "the key is not for sha256");
	else if (!has_item(tags_find(t, "s"), "email"))
		bad(s, "the key is not for mail");
	else if (is_rsa != (s->algorithm == DKIM_RSA_SHA256) ||
	    (!is_rsa && !span_is(*k, "ed25519")))
		bad(s, "the key is of another kind");
	else if (!decode(*p, a, &s->key))
		bad(s, "a key that is no base64");
	s->is_testing = has_flag(tags_find(t, "t"), "y");
	/* Section 3.6.1: below d= is not good enough for such a key. */
	if (has_flag(tags_find(t, "t"), "s") && s->identity.len &&
	    !span_ieq(identity_domain(s->identity), s->domain))
		bad(s, "i= is not d=");
}

/* Of several records the first that can be read is it. */
static void
read_key(struct dkim_signature *s, const struct dns_answer *a,
    struct arena *arena)
{
	struct tags tags;

	for (size_t i = 0; i < a->count; i++)
		if (a->records[i].data.len <= DKIM_KEY_RECORD_MAX &&
		    tags_parse(a->records[i].data, &tags) == PARSE_OK) {
			take_key(s, &tags, arena);
			return;
		}
	bad(s, a->count ? "a key record that cannot be read" :
	    "there is no such key");
}

bool
dkim_verifier_keys(struct dkim_verifier *v, struct facts *facts)
{
	bool is_done = true;

	for (size_t i = 0; i < v->count; i++) {
		struct dkim_signature *s = &v->sigs[i];
		const struct dns_answer *a;

		if (s->result != DKIM_NONE || s->key.len)
			continue;
		a = facts_dns(facts, arena_printf(&v->arena,
		    "%.*s._domainkey.%.*s", SPAN_ARG(s->selector),
		    SPAN_ARG(s->domain)), DNS_TXT);
		if (!a)
			is_done = false;
		else if (!dns_is_final(a))
			decide(s, DKIM_TEMPERROR, "no answer of DNS");
		else
			read_key(s, a, &v->arena);
	}
	return is_done;
}

/* ---- the signature ---- */

/*
 * Appends the signature's own field as it was signed: with nothing in b=,
 * without its CRLF (section 3.7).
 */
static void
put_own_field(struct buf *out, const struct dkim_signature *s)
{
	struct buf field = BUF_INIT;
	struct cursor c = cursor_of_span(s->field);
	size_t len = out->len;

	buf_addspan(&field, cursor_until(&c, ':'));
	while (!cursor_at_end(&c)) {
		const char *start = c.p;
		struct span name;

		(void)cursor_next(&c);		/* the colon, or a semicolon */
		while (!cursor_at_end(&c) && is_fws(*c.p))
			c.p++;
		name = cursor_until(&c, '=');
		while (name.len && is_fws(name.p[name.len - 1]))
			name.len--;
		if (span_is(name, "b") && cursor_skip(&c, '=')) {
			buf_add(&field, start, (size_t)(c.p - start));
			(void)cursor_until(&c, ';');
			/* The last line end is the field's, not the tag's. */
			if (cursor_at_end(&c))
				buf_adds(&field, "\r\n");
			continue;
		}
		(void)cursor_until(&c, ';');
		buf_add(&field, start, (size_t)(c.p - start));
	}
	dkim_canon_field(out, s->header_form, buf_span(&field));
	assert(out->len >= len + 2);
	buf_truncate(out, out->len - 2);
	buf_release(&field);
}

static void
hash_header(struct dkim_verifier *v, const struct dkim_signature *s,
    unsigned char hash[DKIM_HASH_LEN])
{
	struct buf text = BUF_INIT;
	struct arena arena = { 0 };
	struct dkim_fields fields;

	(void)dkim_fields_index(&fields, v->header, &arena);
	dkim_put_fields(&text, s->header_form, &fields, s->names);
	put_own_field(&text, s);
	crypto_hash_sha256(hash, (const unsigned char *)text.p, text.len);
	arena_release(&arena);
	buf_release(&text);
}

/* A signature over a part of the body says nothing of the rest. */
static void
judge_coverage(struct dkim_verifier *v, struct dkim_signature *s)
{
	if (s->has_limit && v->hashes[s->hash].length > s->limit)
		decide(s, DKIM_NEUTRAL, "only a part of the body is signed");
	else if (s->key_bits && s->key_bits < DKIM_RSA_BITS)
		decide(s, DKIM_PASS, "a weak key of less than 2048 bits");
	else
		decide(s, DKIM_PASS, "");
}

static void
verify(struct dkim_verifier *v, struct dkim_signature *s)
{
	unsigned char hash[DKIM_HASH_LEN];
	int err;

	hash_header(v, s, hash);
	err = s->algorithm == DKIM_ED25519_SHA256 ?
	    dkim_ed25519_verify(s->key, s->signature, hash) :
	    dkim_rsa_verify(s->key, s->signature, hash, &s->key_bits);
	switch (err) {
	case 0:
		judge_coverage(v, s);
		break;
	case ERR_SYNTAX:
		bad(s, "a key that cannot be read");
		break;
	case ERR_RANGE:
		bad(s, s->key_bits < DKIM_RSA_BITS_MIN ?
		    "a key of less than 1024 bits" :
		    "a key of more than 4096 bits");
		break;
	default:
		decide(s, DKIM_FAIL, "the header has been changed");
	}
}

bool
dkim_verifier_needs_job(const struct dkim_verifier *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->sigs[i].result == DKIM_NONE)
			return true;
	return false;
}

/* ---- the job ---- */

static void
verify_job_free(struct op *op)
{
	struct dkim_verify_job *j = CONTAINER_OF(op, struct dkim_verify_job,
	    j.op);

	dkim_verifier_free(j->v);
	free(j);
}

static void
verify_job_run(struct job *job)
{
	struct dkim_verify_job *j = CONTAINER_OF(job, struct dkim_verify_job,
	    j);

	for (size_t i = 0; i < j->v->count; i++)
		if (j->v->sigs[i].result == DKIM_NONE)
			verify(j->v, &j->v->sigs[i]);
}

struct dkim_verify_job *
dkim_verify_job_new(struct dkim_verifier *v, struct post *home,
    struct session *owner)
{
	struct dkim_verify_job *j = xcalloc(1, sizeof *j);

	op_init(&j->j.op, owner, home, verify_job_free);
	j->j.run = verify_job_run;
	j->v = v;
	return j;
}

struct dkim_verifier *
dkim_verify_job_take(struct dkim_verify_job *j)
{
	struct dkim_verifier *v = j->v;

	j->v = NULL;
	return v;
}
