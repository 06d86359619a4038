/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server.
 *
 *     C: gs2-header n=user,r=nonce           sasl_message -> SASL_ACCOUNT
 *     S: r=nonce+ours,s=salt,i=count         sasl_account
 *     C: c=binding,r=nonce+ours,p=proof      sasl_message -> SASL_OK
 *     S: v=signature                         out, with SASL_OK
 *
 * The proof is tried against every credential of the account, for the client
 * cannot say which of its passwords it means; all share salt and count.
 */
#include "auth/sasl_priv.h"

#include <string.h>

#include <sodium.h>

#include "auth/secret_priv.h"
#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

#define NONCE_LEN 18	/* random bytes; 24 characters of base64 */

enum { WANT_FIRST, WANT_ACCOUNT, WANT_FINAL, OVER };

/* RFC 5802 section 7: out becomes the server-error, which is optional. */
static enum sasl_step
scram_end(struct sasl *s, enum sasl_step step, const char *error)
{
	s->state = OVER;
	s->error = error;
	buf_clear(&s->out);
	buf_printf(&s->out, "e=%s", error);
	return step;
}

static enum sasl_step
scram_bad(struct sasl *s)
{
	return scram_end(s, SASL_BAD, "invalid-encoding");
}

/*
 * attr-val: a letter, "=", and a value that is not empty and ends at "," or
 * the end.
 */
static bool
scan_attr(struct cursor *c, char *name, struct span *value)
{
	struct cursor start = *c;
	int ch = cursor_next(c);

	if (ascii_lower((unsigned char)ch) >= 'a' &&
	    ascii_lower((unsigned char)ch) <= 'z' && cursor_skip(c, '=')) {
		*name = (char)ch;
		*value = cursor_until(c, ',');
		if (value->len)
			return true;
	}
	*c = start;
	return false;
}

/* The attribute that must come here. */
static bool
scan_the_attr(struct cursor *c, char want, struct span *value)
{
	struct cursor start = *c;
	char name;

	if (scan_attr(c, &name, value) && name == want)
		return true;
	*c = start;
	return false;
}

/* ["," extensions] up to the end; the ones we do not know are ignored. */
static bool
scan_extensions(struct cursor *c)
{
	struct span value;
	char name;

	while (cursor_skip(c, ','))
		if (!scan_attr(c, &name, &value) || name == 'm')
			return false;
	return cursor_at_end(c);
}

/* saslname: "=2C" is a comma and "=3D" an equals sign; no other "=". */
static bool
decode_saslname(struct buf *out, struct span in)
{
	struct cursor c = cursor_of_span(in);

	buf_reserve(out, in.len);
	while (!cursor_at_end(&c)) {
		if (cursor_skip_word(&c, "=2C"))
			buf_addc(out, ',');
		else if (cursor_skip_word(&c, "=3D"))
			buf_addc(out, '=');
		else if (cursor_peek(&c) == '=')
			return false;
		else
			buf_addc(out, (char)cursor_next(&c));
	}
	return true;
}

static bool
is_nonce(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7E || s.p[i] == ',')
			return false;
	return s.len > 0;
}

/* The data of a binding type that this connection has, or empty. */
static struct span
get_binding(const struct peer *peer, struct span type)
{
	/* RFC 9266 section 2 */
	if (span_is(type, "tls-exporter"))
		return secret_span(peer->exporter, peer->exporter_len);
	/* RFC 5929 section 4 */
	if (span_is(type, "tls-server-end-point"))
		return secret_span(peer->endpoint, peer->endpoint_len);
	return (struct span){ NULL, 0 };
}

/*
 * gs2-cbind-flag (RFC 5802 section 6). A client that says "y" has seen no
 * mechanism with binding; if we announced one, somebody took it away.
 * Returns the server-error, or NULL.
 */
static const char *
parse_binding_flag(struct sasl *s, struct cursor *c)
{
	bool plus = s->mech == SASL_SCRAM_PLUS;
	struct span type;

	if (cursor_skip(c, 'n'))
		return plus ? "other-error" : NULL;
	if (cursor_skip(c, 'y')) {
		if (plus)
			return "other-error";
		return s->has_plus ?
		    "server-does-support-channel-binding" : NULL;
	}
	if (!scan_the_attr(c, 'p', &type))
		return "invalid-encoding";
	if (!plus)
		return "other-error";
	s->scram.binding = get_binding(s->peer, type);
	return s->scram.binding.len ? NULL :
	    "unsupported-channel-binding-type";
}

/* client-first-message-bare; checks are in the order of the errors. */
static enum sasl_step
parse_first_bare(struct sasl *s, struct cursor *c, struct span authzid_name)
{
	struct buf authzid = BUF_INIT;
	struct span user, nonce;
	bool decoded, allowed;

	if (cursor_peek(c) == 'm')
		return scram_end(s, SASL_BAD, "extensions-not-supported");
	if (!scan_the_attr(c, 'n', &user) || !cursor_skip(c, ',') ||
	    !scan_the_attr(c, 'r', &nonce) || !is_nonce(nonce) ||
	    !scan_extensions(c))
		return scram_bad(s);
	decoded = decode_saslname(&s->user, user) &&
	    decode_saslname(&authzid, authzid_name);
	allowed = decoded && sasl_may_act_as(s, buf_span(&authzid));
	buf_release(&authzid);
	if (!decoded)
		return scram_end(s, SASL_BAD, "invalid-username-encoding");
	if (!allowed)
		return scram_end(s, SASL_WRONG, "other-error");
	secret_set(&s->scram.nonce, nonce);
	s->state = WANT_ACCOUNT;
	return SASL_ACCOUNT;
}

/* client-first-message: gs2-header client-first-message-bare */
static enum sasl_step
scram_first(struct sasl *s, struct span m)
{
	struct cursor c = cursor_of_span(m);
	struct span authzid = { NULL, 0 };
	const char *error;

	if (!utf8_is_valid(m) || span_chr(m, '\0'))
		return scram_bad(s);
	if ((error = parse_binding_flag(s, &c)) != NULL)
		return scram_end(s, SASL_BAD, error);
	if (!cursor_skip(&c, ',') || (cursor_peek(&c) != ',' &&
	    !scan_the_attr(&c, 'a', &authzid)) || !cursor_skip(&c, ','))
		return scram_bad(s);
	secret_set(&s->scram.gs2, span_make(m.p, (size_t)(c.p - m.p)));
	secret_set(&s->scram.first_bare, span_make(c.p, cursor_left(&c)));
	return parse_first_bare(s, &c, authzid);
}

/* server-first-message */
enum sasl_step
sasl_scram_account(struct sasl *s, const struct cred_account *a)
{
	unsigned char ours[NONCE_LEN];
	struct buf *first = &s->scram.server_first;

	random_fill(s->random, ours, sizeof ours);
	base64_encode(&s->scram.nonce, ours, sizeof ours);
	buf_adds(first, "r=");
	buf_addspan(first, buf_span(&s->scram.nonce));
	buf_adds(first, ",s=");
	base64_encode(first, a->salt, a->salt_len);
	buf_printf(first, ",i=%u", a->iterations);
	s->state = WANT_FINAL;
	buf_clear(&s->out);
	buf_addspan(&s->out, buf_span(first));
	return SASL_CONTINUE;
}

/* c= must be the header that came first, and the binding's data. */
static bool
is_binding_right(const struct sasl *s, struct span c)
{
	struct buf want = BUF_INIT, got = BUF_INIT;
	bool right;

	buf_addspan(&want, buf_span(&s->scram.gs2));
	buf_addspan(&want, s->scram.binding);
	right = base64_decode(&got, c) == 0 && got.len == want.len &&
	    sodium_memcmp(got.p, want.p, want.len) == 0;
	secret_release(&want);
	secret_release(&got);
	return right;
}

/* HMAC over AuthMessage; plain is client-final-message-without-proof. */
static void
make_signature(const struct sasl *s, struct span plain,
    const unsigned char key[CRED_KEY_LEN], unsigned char out[HMAC_LEN])
{
	const struct span parts[] = {
		buf_span(&s->scram.first_bare), SPAN(","),
		buf_span(&s->scram.server_first), SPAN(","), plain,
	};

	hmac_sha256(out, secret_span(key, CRED_KEY_LEN), parts, COUNT(parts));
}

/* H(ClientProof XOR HMAC(StoredKey, AuthMessage)) = StoredKey */
static bool
is_proof_right(const struct sasl *s, struct span plain,
    const unsigned char proof[HMAC_LEN],
    const unsigned char stored[CRED_KEY_LEN])
{
	unsigned char key[HMAC_LEN], hash[HMAC_LEN];
	bool right;

	make_signature(s, plain, stored, key);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= proof[i];
	crypto_hash_sha256(hash, key, sizeof key);
	right = sodium_memcmp(hash, stored, sizeof hash) == 0;
	sodium_memzero(key, sizeof key);
	return right;
}

/* Tries every credential, also after the right one. */
static bool
find_proven(struct sasl *s, struct span plain,
    const unsigned char proof[HMAC_LEN])
{
	const struct cred_account *a = s->account;
	bool found = false;

	for (size_t i = 0; i < a->cred_count; i++) {
		if (is_proof_right(s, plain, proof, a->creds[i].stored_key)) {
			s->cred = i;
			found = true;
		}
	}
	return found && a->found;
}

/* After the proof: the verdict, and verifier if it is right. */
static enum sasl_step
scram_verdict(struct sasl *s, struct span plain,
    const unsigned char proof[HMAC_LEN])
{
	unsigned char signature[HMAC_LEN];

	if (!find_proven(s, plain, proof))
		return scram_end(s, SASL_WRONG, "invalid-proof");
	make_signature(s, plain, s->account->creds[s->cred].server_key,
	    signature);
	s->state = OVER;
	buf_adds(&s->out, "v=");
	base64_encode(&s->out, signature, sizeof signature);
	return SASL_OK;
}

/* ["," extensions] "," proof, at the end of client-final-message. */
static bool
scan_proof(struct cursor *c, struct span *plain, struct span *proof)
{
	const char *start = plain->p;
	char name;

	do {
		plain->len = (size_t)(c->p - start);
		if (!cursor_skip(c, ',') || !scan_attr(c, &name, proof) ||
		    name == 'm')
			return false;
	} while (name != 'p');
	return cursor_at_end(c);
}

/* client-final-message */
static enum sasl_step
scram_final(struct sasl *s, struct span m)
{
	struct cursor c = cursor_of_span(m);
	struct span binding, nonce, proof, plain = { m.p, 0 };
	struct buf bytes = BUF_INIT;
	enum sasl_step step;

	if (!utf8_is_valid(m) || span_chr(m, '\0') ||
	    !scan_the_attr(&c, 'c', &binding) || !cursor_skip(&c, ',') ||
	    !scan_the_attr(&c, 'r', &nonce) ||
	    !scan_proof(&c, &plain, &proof))
		return scram_bad(s);
	if (!is_binding_right(s, binding))
		return scram_end(s, SASL_WRONG,
		    "channel-bindings-dont-match");
	if (!span_eq(nonce, buf_span(&s->scram.nonce)))
		return scram_end(s, SASL_WRONG, "other-error");
	if (base64_decode(&bytes, proof) < 0 || bytes.len != HMAC_LEN)
		step = scram_bad(s);
	else
		step = scram_verdict(s, plain,
		    (const unsigned char *)bytes.p);
	secret_release(&bytes);
	return step;
}

enum sasl_step
sasl_scram_message(struct sasl *s, struct span m)
{
	switch (s->state) {
	case WANT_FIRST:
		return scram_first(s, m);
	case WANT_FINAL:
		return scram_final(s, m);
	default:
		return scram_end(s, SASL_BAD, "other-error");
	}
}
