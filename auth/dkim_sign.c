/*
 * Signing (RFC 6376 section 5).
 *
 * Fields that say who wrote what to whom are signed once more than they are
 * there, so that nobody can add another on the way (section 8.15); the rest
 * as often as they are there.
 */
#include <sodium.h>
#include <stdlib.h>

#include "auth/dkim.h"
#include "auth/dkim_priv.h"
#include "auth/secret_priv.h"
#include "server/base/codec.h"
#include "server/base/xalloc.h"
#include "store/mime/header.h"

#define LINE_MAX_LEN 76
#define REPEATS_MAX 10u		/* of one name that are signed */

struct dkim_signer {
	struct dkim_hash hash;
	struct buf work;
};

/* One key, copied for the job. */
struct dkim_sign_key {
	char *domain, *selector;
	struct buf der;
	enum dkim_algorithm algorithm;
};

static const struct {
	const char *name;
	bool is_oversigned;
} signed_names[] = {
	{ "From", true }, { "To", true }, { "Cc", true },
	{ "Subject", true }, { "Date", true }, { "Message-ID", true },
	{ "MIME-Version", true }, { "Content-Type", true },
	{ "Content-Transfer-Encoding", true }, { "Reply-To", true },
	{ "Sender", false }, { "In-Reply-To", false },
	{ "References", false }, { "Content-Disposition", false },
	{ "Content-ID", false }, { "Content-Description", false },
	{ "Resent-From", false }, { "Resent-To", false },
	{ "Resent-Cc", false }, { "Resent-Date", false },
	{ "Resent-Message-ID", false }, { "List-Id", false },
	{ "List-Post", false }, { "List-Help", false },
	{ "List-Subscribe", false }, { "List-Unsubscribe", false },
	{ "List-Unsubscribe-Post", false }, { "List-Owner", false },
	{ "List-Archive", false }, { "Auto-Submitted", false },
};

/* ---- the body, while it passes ---- */

struct dkim_signer *
dkim_signer_new(void)
{
	struct dkim_signer *s = xcalloc(1, sizeof *s);

	s->hash.body.form = DKIM_RELAXED;
	s->hash.limit = UINT64_MAX;
	buf_init(&s->work);
	return s;
}

void
dkim_signer_free(struct dkim_signer *s)
{
	if (!s)
		return;
	buf_release(&s->work);
	free(s);
}

void
dkim_signer_body(struct dkim_signer *s, const char *p, size_t len)
{
	dkim_hash_add(&s->hash, &s->work, p, len);
}

/* ---- the field ---- */

static unsigned
count_fields(struct span header, const char *name)
{
	struct field_iter it;
	struct header_field f;
	unsigned n = 0;

	field_iter_init(&it, header);
	while (field_iter_next(&it, &f))
		n += span_iis(f.name, name);
	return MIN(n, REPEATS_MAX);
}

/* Appends to a list in a field; *column is where the line is. */
static void
put_item(struct buf *out, size_t *column, const char *text, bool is_first)
{
	size_t len = strlen(text);

	if (!is_first) {
		buf_addc(out, ':');
		++*column;
	}
	if (*column + len + 1 > LINE_MAX_LEN) {
		buf_adds(out, "\r\n\t");
		*column = 8;
	}
	buf_adds(out, text);
	*column += len;
}

/* The names that a message's signature covers: the value of h=. */
static void
put_names(struct buf *out, struct span header)
{
	size_t column = 8 + 2;
	bool is_first = true;

	for (size_t i = 0; i < COUNT(signed_names); i++) {
		unsigned n = count_fields(header, signed_names[i].name) +
		    signed_names[i].is_oversigned;

		for (; n > 0; n--, is_first = false)
			put_item(out, &column, signed_names[i].name,
			    is_first);
	}
}

/* "DKIM-Signature: ..." up to and with "b=". */
static void
put_unsigned(struct buf *out, const struct dkim_sign_key *key,
    const struct dkim_sign_job *j, struct span names)
{
	buf_printf(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n"
	    "\td=%s; s=%s;\r\n\tt=%lld;\r\n\th=",
	    key->algorithm == DKIM_ED25519_SHA256 ? "ed25519-sha256" :
	    "rsa-sha256", key->domain, key->selector, (long long)j->now_s);
	buf_addspan(out, names);
	buf_adds(out, ";\r\n\tbh=");
	base64_encode(out, j->body_hash, DKIM_HASH_LEN);
	buf_adds(out, ";\r\n\tb=");
}

/* base64 in lines. White space in b= means nothing. */
static void
put_signature(struct buf *out, const struct buf *signature)
{
	struct buf text = BUF_INIT;

	base64_encode(&text, signature->p, signature->len);
	for (size_t i = 0; i < text.len; i += LINE_MAX_LEN - 10) {
		if (i > 0)
			buf_adds(out, "\r\n\t ");
		buf_addspan(out, span_head(span_from(buf_span(&text), i),
		    LINE_MAX_LEN - 10));
	}
	buf_adds(out, "\r\n");
	buf_release(&text);
}

static int
sign_with(struct dkim_sign_job *j, const struct dkim_sign_key *key)
{
	unsigned char hash[DKIM_HASH_LEN];
	struct dkim_key k = {
		key->domain, key->selector, buf_span(&key->der),
		key->algorithm
	};
	struct buf names = BUF_INIT, field = BUF_INIT, text = BUF_INIT;
	struct buf signature = BUF_INIT;
	struct arena arena = { 0 };
	struct dkim_fields fields;
	int err;

	put_names(&names, buf_span(&j->header));
	put_unsigned(&field, key, j, buf_span(&names));
	(void)dkim_fields_index(&fields, buf_span(&j->header), &arena);
	dkim_put_fields(&text, DKIM_RELAXED, &fields, buf_span(&names));
	dkim_canon_field(&text, DKIM_RELAXED, buf_span(&field));
	buf_truncate(&text, text.len - 2);	/* without its CRLF */
	crypto_hash_sha256(hash, (const unsigned char *)text.p, text.len);
	if ((err = dkim_key_sign(&signature, &k, hash)) == 0) {
		buf_addspan(&j->field, buf_span(&field));
		put_signature(&j->field, &signature);
	}
	buf_release(&names);
	buf_release(&field);
	buf_release(&text);
	buf_release(&signature);
	arena_release(&arena);
	return err;
}

/* ---- the job ---- */

static void
sign_job_free(struct op *op)
{
	struct dkim_sign_job *j = CONTAINER_OF(op, struct dkim_sign_job,
	    j.op);

	for (size_t i = 0; i < j->key_count; i++) {
		free(j->keys[i].domain);
		free(j->keys[i].selector);
		secret_release(&j->keys[i].der);
	}
	free(j->keys);
	buf_release(&j->header);
	buf_release(&j->field);
	free(j);
}

static void
sign_job_run(struct job *job)
{
	struct dkim_sign_job *j = CONTAINER_OF(job, struct dkim_sign_job, j);

	for (size_t i = 0; i < j->key_count && job->op.err == 0; i++)
		job->op.err = sign_with(j, &j->keys[i]);
}

struct dkim_sign_job *
dkim_sign_job_new(struct dkim_signer *s, struct post *home,
    struct session *owner, const struct dkim_key *keys, size_t key_count,
    struct span header, int64_t now_s)
{
	struct dkim_sign_job *j = xcalloc(1, sizeof *j);

	op_init(&j->j.op, owner, home, sign_job_free);
	j->j.run = sign_job_run;
	j->now_s = now_s;
	buf_init(&j->field);
	buf_init(&j->header);
	buf_addspan(&j->header, header);
	j->keys = xcalloc(key_count, sizeof *j->keys);
	j->key_count = key_count;
	for (size_t i = 0; i < key_count; i++) {
		j->keys[i] = (struct dkim_sign_key){
			xstrdup(keys[i].domain), xstrdup(keys[i].selector),
			BUF_INIT, keys[i].algorithm
		};
		secret_set(&j->keys[i].der, keys[i].der);
	}
	dkim_hash_finish(&s->hash, &s->work, j->body_hash);
	dkim_signer_free(s);
	return j;
}
