/*
 * DKIM (RFC 6376, 8301, 8463): canonical forms, keys, signing. Verifying
 * (dkim_verify.h) shares the forms.
 *
 * Everything here is pure but for the key operations, which take milliseconds
 * and so are jobs for the work pool: making a key (a second or more) and
 * signing.
 *
 * A message is signed while it passes: dkim_signer_body for each piece of its
 * body, then a job gets its header and gives the DKIM-Signature field that
 * goes on top of the message.
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
#define DKIM_FIELDS_MAX 2000u	/* of a header; the lowest are looked at */

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };	/* stored */

/* ---- canonical forms (RFC 6376 section 3.4) ---- */

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/*
 * A body on its way into canonical form. Zero-initialised but for form; any
 * split of the bytes gives the same. Lines end with CR LF; a bare CR or LF is
 * a byte like any other.
 *
 * Empty lines at the end do not count, and which are the last is not known
 * before the end: tail says how many of the bytes put out so far are such.
 */
struct dkim_body {
	enum dkim_canon form;
	uint64_t total;		/* bytes put out */
	uint64_t tail;		/* of them, empty lines at the end */
	bool has_space;		/* held back: it may end the line */
	bool has_cr;		/* held back: LF may follow */
	bool in_line;		/* the line has bytes that count */
};
void dkim_body_add(struct dkim_body *b, struct buf *out, const char *p,
    size_t len);
/* Ends the last line. What counts is then total - tail bytes. */
void dkim_body_finish(struct dkim_body *b, struct buf *out);

/*
 * The hash of a body in a canonical form, or of its first limit bytes
 * (l=, RFC 6376 section 3.5). Zero-initialised but for body.form and limit.
 */
struct dkim_hash {
	struct dkim_body body;
	uint64_t limit;		/* UINT64_MAX: all */
	uint64_t hashed;	/* bytes, at most limit */
	uint64_t length;	/* after the end: canonical bytes of the body */
	bool is_started;
	uint64_t live[13], kept[13];	/* SHA-256; kept: without the tail */
};
/* out is working memory of the caller's, cleared at each call. */
void dkim_hash_add(struct dkim_hash *h, struct buf *out, const char *p,
    size_t len);
void dkim_hash_finish(struct dkim_hash *h, struct buf *out,
    unsigned char hash[DKIM_HASH_LEN]);

/*
 * Appends one field in canonical form, CR LF included. field is as
 * header_field.whole gives it, with or without its last CR LF.
 */
void dkim_canon_field(struct buf *out, enum dkim_canon form,
    struct span field);

/* The fields of a header block, to be picked from the lowest up. */
struct dkim_fields {
	struct dkim_field {
		struct span whole, name;
		uint32_t hash;		/* of the name, to compare fast */
		bool is_taken;
	} *v;
	size_t count;
};

/*
 * Indexes a block. Returns 0 or ERR_LIMIT: it has more than DKIM_FIELDS_MAX
 * fields, the lowest of which are there.
 */
int dkim_fields_index(struct dkim_fields *f, struct span block,
    struct arena *a);

/*
 * Appends what a signature with this h= covers, but for its own field
 * (RFC 6376 section 5.4.2: repeated names take the next one up, names that
 * are not there stand for nothing). Marks the fields as taken.
 */
void dkim_put_fields(struct buf *out, enum dkim_canon form,
    struct dkim_fields *f, struct span names);

/* ---- keys ---- */

/*
 * A private key as the store keeps it: PKCS#1 or PKCS#8 DER, base64 of which
 * is what PEM has between its lines; of Ed25519 the 32 bytes of RFC 8032.
 * Whoever holds one wipes it.
 */
struct dkim_key {
	const char *domain;	/* d=, A-labels */
	const char *selector;	/* s= */
	struct span der;
	enum dkim_algorithm algorithm;
};

/*
 * Appends a fresh private key. 0 or ERR_CRYPTO. RSA takes a second: for the
 * work pool. Thread: any.
 */
int dkim_key_make(struct buf *der, enum dkim_algorithm algorithm);

/*
 * Appends the TXT record's text (RFC 6376 section 3.6.1, RFC 8463 section 3),
 * one line without quotes: "v=DKIM1; k=rsa; p=...". 0 or ERR_CRYPTO.
 */
int dkim_key_record(struct buf *out, struct span der,
    enum dkim_algorithm algorithm);

/*
 * The name of a key made at now_s: "kp" and the day, "kp20260531", and "e"
 * for Ed25519, so that the next one, at a rotation, is another. Appends.
 */
void dkim_selector_make(struct buf *out, int64_t now_s,
    enum dkim_algorithm algorithm);

/*
 * Makes a key on the work pool: the job comes home with der and record, or
 * ERR_CRYPTO. Returns owned; domain is copied.
 */
struct dkim_key_job {
	struct job j;
	char *domain;
	enum dkim_algorithm algorithm;
	/* results */
	struct buf der;		/* wiped when freed */
	struct buf record;
};
struct dkim_key_job *dkim_key_job_new(struct post *home,
    struct session *owner, const char *domain,
    enum dkim_algorithm algorithm);

/* ---- signing ---- */

struct dkim_signer;

/* Begins; relaxed/relaxed. Returns owned; free accepts NULL. */
struct dkim_signer *dkim_signer_new(void);
void dkim_signer_free(struct dkim_signer *s);

/* The next piece of the message's body, without the header. */
void dkim_signer_body(struct dkim_signer *s, const char *p, size_t len);

/*
 * After the last piece: the job that signs for the keys (copied), with
 * header, the block as it leaves. Takes s. It comes home with field,
 * "DKIM-Signature: ..." folded and with its CR LF, one for each key; or
 * ERR_CRYPTO. Returns owned.
 */
struct dkim_sign_job {
	struct job j;
	/* results */
	struct buf field;
	/* its own */
	struct dkim_sign_key *keys;
	size_t key_count;
	struct buf header;
	unsigned char body_hash[DKIM_HASH_LEN];
	int64_t now_s;
};
struct dkim_sign_job *dkim_sign_job_new(struct dkim_signer *s,
    struct post *home, struct session *owner, const struct dkim_key *keys,
    size_t key_count, struct span header, int64_t now_s);

#endif
