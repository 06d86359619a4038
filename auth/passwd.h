/*
 * Passwords: how they are prepared, stored and checked.
 *
 * An account has one salt and one iteration count for all its credentials,
 * so one PBKDF2 answers for every device password at once. Only the password
 * that a person chose gets Argon2id as well: device passwords are made here,
 * with 140 bits of chance, and no slow hash would add anything.
 *
 * Everything here is pure computation; what takes long is meant for a worker.
 * Passwords are spans that the caller wipes. Comparisons take constant time.
 *
 * Thread: any, but for struct passcache, which belongs to its loop.
 */
#ifndef AUTH_PASSWD_H
#define AUTH_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/cred.h"
#include "server/base/random.h"
#include "server/base/span.h"

#define PASSWD_MAX 1024		/* bytes of a password; longer: wrong */
#define PASSWD_SALT_LEN 16	/* bytes of a new account's salt */

/*
 * What hashes cost. For accounts that exist, Argon2id's cost is in the stored
 * hash and the count in the account; these are for new credentials and for
 * names that do not exist.
 */
struct passwd_params {
	unsigned passes;	/* Argon2id; at least 1 */
	size_t memory;		/* Argon2id, bytes; at least 8192 */
	unsigned iterations;	/* PBKDF2; at least 1 */
};

/* What a server uses. RFC 7677 section 4 asks for at least 4096 iterations. */
#define PASSWD_PARAMS_DEFAULT \
	((struct passwd_params){ 2, 19u * 1024 * 1024, 10000 })
/* The cheapest there is; for tests alone. */
#define PASSWD_PARAMS_TEST \
	((struct passwd_params){ 1, 8192, 1 })

/*
 * Prepares a password for hashing, in short RFC 8265 section 4.2
 * (OpaqueString): valid UTF-8, other spaces become U+0020, NFC, no control
 * characters, not empty, at most PASSWD_MAX bytes. The whole FreeformClass is
 * not checked: a code point that Unicode does not assign yet is let through.
 * Replaces what is in out, which is the caller's to wipe. Returns 0, or
 * ERR_SYNTAX with out empty.
 */
int passwd_prepare(struct buf *out, struct span password);

/*
 * Fills kind, argon2 (persons' only) and the SCRAM keys of *c from a password
 * as it was typed; the other members become zero, scope all services. salt
 * (1..CRED_SALT_MAX bytes) and params->iterations must be the account's own.
 * Slow. Returns 0, ERR_SYNTAX (not a password, see passwd_prepare), or
 * ERR_CRYPTO (no memory for the hash).
 */
int passwd_make_cred(struct span password, struct span salt,
    enum cred_kind kind, const struct passwd_params *params, struct cred *c);

/*
 * Makes a device password, "xxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxx", of lower
 * case letters and digits that are not mistaken for each other. Appends.
 */
void passwd_generate(struct random *r, struct buf *out);

/*
 * Finds the credential that a password (as typed) belongs to: one PBKDF2 for
 * all device passwords, then Argon2id for each of the person's. Without a
 * password of a person, or without an account, one Argon2id with params is
 * computed for nothing, so that all failures cost the same. a->salt and
 * a->iterations must be set, also when nothing was found (passwd_fake).
 * Scope and expiry are not looked at. Slow: for a worker.
 * Returns 0 with *index set, ERR_AUTH, or ERR_CRYPTO for trouble of our own.
 */
int passwd_verify(const struct cred_account *a, struct span password,
    const struct passwd_params *params, size_t *index);

/* Bytes of memory that passwd_verify is going to need, for the budget. */
size_t passwd_verify_memory(const struct cred_account *a,
    const struct passwd_params *params);

/*
 * Gives the account that was not found a salt that is always the same for
 * the name (RFC 5802 section 9), and the usual iteration count.
 */
void passwd_fake(struct cred_account *a, struct span name,
    const unsigned char secret[32], const struct passwd_params *params);

/*
 * Passwords that were right a short time ago, so that a client that logs in
 * with PLAIN for every message costs no hash job.
 *
 * Kept are keyed hashes only (BLAKE2b with a key of this process) over
 * account, its version, and password: any change of the account's credentials
 * raises the version, and old entries are never found again. Bounded: the
 * oldest of a set gives way. Thread: the loop's.
 */
#define PASSCACHE_ENTRIES 1024
#define PASSCACHE_MS (5 * 60 * 1000)

struct passcache;

struct passcache *passcache_new(struct random *r);
void passcache_free(struct passcache *pc);

/* Remembers that password (as typed) is that of credential cred. */
void passcache_put(struct passcache *pc, const struct cred_account *a,
    struct span password, uint64_t cred, int64_t now_ms);

/* Whether it is remembered, and whose it was. */
bool passcache_find(struct passcache *pc, const struct cred_account *a,
    struct span password, int64_t now_ms, uint64_t *cred);

#endif
