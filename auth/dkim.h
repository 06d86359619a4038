/*
 * DKIM (RFC 6376, 8301): canonical forms, and signing. Verifying shares them.
 *
 * Everything here is pure but for the key operations, which take milliseconds
 * and so are for the work pool: dkim_key_make (a second or more) and
 * dkim_sign_finish.
 *
 * A message is signed while it passes: dkim_sign_body for each piece of its
 * body, then dkim_sign_start with its header, then, as a job, dkim_sign_finish
 * gives the DKIM-Signature field that goes on top of the message.
 */
#ifndef AUTH_DKIM_H
#define AUTH_DKIM_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/span.h"
#include "server/base/work.h"

#define DKIM_RSA_BITS 2048	/* RFC 8301 section 3.2 */
#define DKIM_SELECTOR_MAX 63	/* one label of ours */
#define DKIM_KEY_MAX 4096	/* bytes of a private key as it is stored */
#define DKIM_HASH_LEN 32	/* SHA-256, the only one: RFC 8301 3.1 */

/* ---- canonical forms (RFC 6376 section 3.4) ---- */

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/*
 * A body on its way into canonical form. Zero-initialised but for form; any
 * split of the bytes gives the same. Lines end with CR LF; a bare CR or LF is
 * a byte like any other.
 */
struct dkim_body {
	enum dkim_canon form;
	uint64_t empty_lines;	/* held back: they may be the last */
	bool has_space;		/* held back: it may end the line */
	bool has_cr;		/* held back: LF may follow */
	bool in_line;		/* the line has bytes that count */
	bool has_any;		/* something has been put out */
};
void dkim_body_add(struct dkim_body *b, struct buf *out, const char *p,
    size_t len);
void dkim_body_finish(struct dkim_body *b, struct buf *out);

/*
 * Appends one field in canonical form, CR LF included. field is as
 * header_field.whole gives it, with or without its last CR LF.
 */
void dkim_canon_field(struct buf *out, enum dkim_canon form,
    struct span field);

/* ---- keys ---- */

/*
 * A private key as the store keeps it: PKCS#1 or PKCS#8 DER, base64 of which
 * is what PEM has between its lines. Whoever holds one wipes it.
 */
struct dkim_key {
	const char *domain;	/* d=, A-labels */
	const char *selector;	/* s= */
	struct span der;
};

/*
 * Appends a fresh private RSA key. 0 or ERR_CRYPTO. Takes a second: for the
 * work pool. Thread: any.
 */
int dkim_key_make(struct buf *der);

/*
 * Appends the TXT record's text (RFC 6376 section 3.6.1), one line without
 * quotes: "v=DKIM1; k=rsa; p=...". 0 or ERR_CRYPTO.
 */
int dkim_key_record(struct buf *out, struct span der);

/*
 * The name of a key made at now_s: "kp" and the month, "kp202605", so that
 * the next one, at a rotation, is another. Appends.
 */
void dkim_selector_make(struct buf *out, int64_t now_s);

/*
 * Makes a key on the work pool: the job comes home with der and record, or
 * ERR_CRYPTO. Returns owned; domain is copied.
 */
struct dkim_key_job {
	struct job j;
	char *domain;
	/* results */
	struct buf der;		/* wiped when freed */
	struct buf record;
};
struct dkim_key_job *dkim_key_job_new(struct post *home,
    struct session *owner, const char *domain);

/* ---- signing ---- */

struct dkim_signer;

/* Begins; relaxed/relaxed, rsa-sha256. Returns owned. */
struct dkim_signer *dkim_signer_new(void);
void dkim_signer_free(struct dkim_signer *s);

/* The next piece of the message's body, without the header. */
void dkim_signer_body(struct dkim_signer *s, const char *p, size_t len);

/*
 * After the last piece: the job that signs for key (copied), with header, the
 * block as it leaves. Takes s. It comes home with field, "DKIM-Signature: ..."
 * folded and with its CR LF, or ERR_CRYPTO. Returns owned.
 */
struct dkim_sign_job {
	struct job j;
	/* results */
	struct buf field;
	/* its own */
	struct buf signed_text;	/* canonical, but for the signature's field */
	struct buf der;		/* wiped when freed */
};
struct dkim_sign_job *dkim_sign_job_new(struct dkim_signer *s,
    struct post *home, struct session *owner, const struct dkim_key *key,
    struct span header, int64_t now_s);

#endif
