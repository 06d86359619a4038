/*
 * Credentials as they travel from the store to auth, through an interface so
 * that neither room includes the other.
 *
 * Salt and iteration count belong to the account and not to a credential: a
 * SCRAM client names the account only and gets the salt before it proves
 * anything; the proof is then tried against each stored key.
 */
#ifndef SERVER_BASE_CRED_H
#define SERVER_BASE_CRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/op.h"
#include "server/base/span.h"

#define CRED_SALT_MAX 32
#define CRED_KEY_LEN 32		/* SCRAM-SHA-256 */
#define CRED_ARGON2_MAX 128	/* crypto_pwhash_STRBYTES */
#define CRED_MAX 64		/* credentials of one account */

enum cred_kind { CRED_PASSWORD = 0, CRED_DEVICE = 1 };

/* What a credential may be used for: bits of struct cred.scope. */
enum cred_scope {
	SCOPE_SMTP = 1, SCOPE_IMAP = 2, SCOPE_POP3 = 4, SCOPE_SIEVE = 8,
	SCOPE_WEB = 16
};

struct cred {
	uint64_t id;
	enum cred_kind kind;
	unsigned scope;
	int64_t expires_s;		/* 0: never */
	char argon2[CRED_ARGON2_MAX];	/* "" for devices */
	unsigned char stored_key[CRED_KEY_LEN];
	unsigned char server_key[CRED_KEY_LEN];
};

/* An account's log-in data. No account: found is false, the rest zero. */
struct cred_account {
	bool found;
	bool disabled;
	uint64_t account;
	uint64_t version;		/* raised by every change of these */
	char name[256];			/* canonical, NUL-terminated */
	unsigned char salt[CRED_SALT_MAX];
	size_t salt_len;
	unsigned iterations;
	struct cred creds[CRED_MAX];	/* not revoked ones only */
	size_t cred_count;
	bool is_known_net;		/* has logged in from peer's net lately */
};

/* A look-up by log-in name. */
struct cred_request {
	struct op op;
	char name[256];			/* prepared (utf8_prepare_name) */
	unsigned char net[16];		/* the peer's, for is_known_net */
	struct cred_account result;
};

struct cred_source {
	/*
	 * Looks the name up and completes req->op: 0 (also when there is no
	 * such account), or ERR_* for trouble of our own. A bare local part
	 * finds the account where it is unique. Takes req (heap, freed by
	 * op.free). Thread: the loop's.
	 */
	void (*fetch)(struct cred_source *, struct cred_request *req);
	/*
	 * Notes a log-in that worked: last use of the credential and the
	 * peer's net. Returns at once; written when the store gets to it, at
	 * most once an hour for each credential.
	 */
	void (*note_use)(struct cred_source *, uint64_t account,
	    uint64_t cred, const unsigned char net[16], const char *from);
	/* 32 secret bytes of this store: salts for names that are unknown. */
	unsigned char secret[32];
};

#endif
