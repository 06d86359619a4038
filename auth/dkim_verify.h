/*
 * Verifying DKIM signatures (RFC 6376 section 6, 8301, 8463).
 *
 * A message is looked at while it passes, as it is signed: dkim_verifier_new
 * with its header, dkim_verifier_body for each piece of its body,
 * dkim_verifier_end. Then the keys, which are facts (dkim_verifier_keys is
 * called until it has all), and last a job for the work pool, because a
 * signature costs as much as a thousand lines of the rest.
 *
 * Bounds: at most DKIM_SIGNATURES_MAX signatures are looked at, the topmost;
 * of a header at most DKIM_HEADER_MAX bytes; keys of 1024 to 4096 bits.
 * Whatever is beyond is no pass.
 */
#ifndef AUTH_DKIM_VERIFY_H
#define AUTH_DKIM_VERIFY_H

#include "auth/dkim.h"

struct facts;

#define DKIM_SIGNATURES_MAX 8u
#define DKIM_HEADER_MAX (256u * 1024)
#define DKIM_SIGNATURE_MAX (16u * 1024)	/* bytes of one field */
#define DKIM_KEY_RECORD_MAX 8192u
#define DKIM_CLOCK_SKEW_S 600		/* what t= may lie ahead */
#define DKIM_REASON_MAX 96u

/* RFC 8601 section 2.7.1 */
enum dkim_result {
	DKIM_NONE, DKIM_PASS, DKIM_FAIL, DKIM_POLICY, DKIM_NEUTRAL,
	DKIM_TEMPERROR, DKIM_PERMERROR
};

struct dkim_signature {
	enum dkim_result result;	/* DKIM_NONE: not decided yet */
	char reason[DKIM_REASON_MAX];	/* visible ASCII; "": none needed */
	struct span domain;		/* d=, lower case; in the verifier */
	struct span selector;		/* s= */
	struct span identity;		/* i=, or "" */
	struct span b;			/* b=, without white space */
	enum dkim_algorithm algorithm;
	unsigned key_bits;		/* RSA, once it is known */
	bool is_testing;		/* t=y of the key */

	/* its own */
	enum dkim_canon header_form, body_form;
	struct span names;		/* h= */
	bool has_limit;			/* l= */
	uint64_t limit;
	size_t hash;			/* which of the verifier's */
	unsigned char body_hash[DKIM_HASH_LEN];	/* bh= */
	struct span field;		/* whole */
	struct span key;		/* p=, decoded */
	struct span signature;		/* b=, decoded */
};

struct dkim_verifier {
	struct dkim_signature sigs[DKIM_SIGNATURES_MAX];
	size_t count;
	bool has_more;			/* than were looked at */

	/* its own */
	struct arena arena;
	struct span header;		/* a copy; "" if too long */
	struct dkim_hash hashes[DKIM_SIGNATURES_MAX];
	unsigned char results[DKIM_SIGNATURES_MAX][DKIM_HASH_LEN];
	size_t hash_count;
	struct buf work;
};

/*
 * Reads the signatures of a header block. NULL: there is none. Returns owned;
 * free accepts NULL. dkim_verifier_memory: bytes held, for a budget.
 */
struct dkim_verifier *dkim_verifier_new(struct span header, int64_t now_s);
void dkim_verifier_free(struct dkim_verifier *v);
size_t dkim_verifier_memory(const struct dkim_verifier *v);

/* The next piece of the message's body, without the header. */
void dkim_verifier_body(struct dkim_verifier *v, const char *p, size_t len);
void dkim_verifier_end(struct dkim_verifier *v);

/*
 * Looks up the keys; true once all are known (an error is known too), false:
 * ask the facts and call again. Copies what it needs.
 */
bool dkim_verifier_keys(struct dkim_verifier *v, struct facts *facts);

/* Whether something is left for the job to do. */
bool dkim_verifier_needs_job(const struct dkim_verifier *v);

/*
 * Decides what is left, on a worker. Takes v, which comes home with the job
 * and is the caller's again through dkim_verify_job_take. Returns owned.
 */
struct dkim_verify_job {
	struct job j;
	struct dkim_verifier *v;
};
struct dkim_verify_job *dkim_verify_job_new(struct dkim_verifier *v,
    struct post *home, struct session *owner);
struct dkim_verifier *dkim_verify_job_take(struct dkim_verify_job *j);

/* "pass", ... */
const char *dkim_result_name(enum dkim_result r);

#endif
