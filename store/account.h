/*
 * Domains, accounts, device passwords, aliases, certificates: the requests of
 * administration, and the reads it lists from. The same conventions as
 * write.h and read.h.
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "server/base/cred.h"
#include "store/store.h"

/* ---- writes ---- */

enum directory_how { DIR_ADD, DIR_DEL };

struct wreq_domain {
	struct wreq w;
	enum directory_how how;
	char *name;		/* A-labels, lower case */
	/* DEL: ERR_INUSE while addresses are left; ADD: ERR_EXISTS */
};
struct wreq_domain *wreq_domain_new(struct env *env, struct session *s);

enum account_how {
	ACCOUNT_HOW_ADD, ACCOUNT_HOW_DEL, ACCOUNT_HOW_ENABLE,
	ACCOUNT_HOW_DISABLE, ACCOUNT_HOW_PASSWD,
	ACCOUNT_HOW_ADMIN, ACCOUNT_HOW_USER,	/* its role */
	ACCOUNT_HOW_SET		/* how its mail is sent */
};

/* Of an account; what is not to change is KEEP. */
#define ACCOUNT_KEEP (-2)
#define ACCOUNT_DEFAULT (-1)	/* what the configuration says */
struct account_sending {
	int64_t file_sent;		/* 0, 1 */
	int64_t messages_day, new_rcpts_day;	/* or DEFAULT */
};

/*
 * ADD makes the account, its address, INBOX and the special-use mailboxes,
 * subscribed and marked: ERR_NODOMAIN, ERR_EXISTS. The others: ERR_NOUSER.
 * PASSWD replaces the password; it must have been made with the account's
 * own salt (cred_account.salt), because device passwords share it. Every one
 * but ADD, SET and the roles raises the account's version and tells its
 * sessions.
 */
struct wreq_account {
	struct wreq w;
	enum account_how how;
	char *name;			/* address key: local@domain */
	unsigned char salt[CRED_SALT_MAX];	/* ADD */
	size_t salt_len;
	unsigned iterations;
	struct cred cred;		/* ADD, PASSWD */
	struct account_sending sending;	/* SET */
	/* results */
	uint64_t account_r;
};
struct wreq_account *wreq_account_new(struct env *env, struct session *s);

/* Names a device password; labels are unique within an account. */
struct wreq_device {
	struct wreq w;
	enum directory_how how;
	char *account;			/* address key */
	char *label;
	struct cred cred;		/* ADD; made with the account's salt */
};
struct wreq_device *wreq_device_new(struct env *env, struct session *s);

/*
 * address: local@domain key, or "@domain" for the catch-all. ADD with refused
 * makes it an address that is refused under a catch-all. ADD to an existing
 * alias adds targets; DEL with targets takes just those away. Targets are
 * address keys, of hosted domains or of others. Errors: ERR_NODOMAIN,
 * ERR_EXISTS (an account has the address), ERR_NOUSER (a target here does not
 * exist), ERR_REFUSED (a loop), ERR_NOTFOUND.
 */
struct wreq_alias {
	struct wreq w;
	enum directory_how how;
	char *address;
	bool refused;
	char *reason;			/* for refused; may be NULL */
	char **targets;
	size_t target_count;
	/* results */
	char *culprit_r;		/* the target at fault, owned; or NULL */
};
struct wreq_alias *wreq_alias_new(struct env *env, struct session *s);

/* A certificate given by `cert load`; name is its first host name. */
struct wreq_cert {
	struct wreq w;
	char *name;
	char *chain;			/* PEM */
	size_t chain_len;
	char *key;			/* PEM; wiped when freed */
	size_t key_len;
	int64_t not_after_s;
};
struct wreq_cert *wreq_cert_new(struct env *env, struct session *s);

/* ---- reads ---- */

struct account_row {
	uint64_t id;
	const char *name;
	bool disabled;
	int64_t created_s;
	uint64_t messages, bytes;
	int64_t last_login_s;		/* 0: never */
	bool is_admin;
	uint64_t max_bytes, max_messages;	/* UINT64_MAX: no quota */
};
struct device_row {
	const char *label;
	int64_t created_s, last_used_s;	/* 0: never */
	const char *last_from;
};
struct alias_row {
	const char *address;
	bool refused;
	const char *reason;
	const char **targets;
	size_t target_count;
};
struct domain_row {
	const char *name;
	int64_t created_s;
	uint64_t addresses;
};
struct cert_row {
	const char *name;
	struct span chain, key;
	int64_t not_after_s;
};
struct store_status {
	uint64_t accounts, domains, mailboxes, messages;
	uint64_t bytes;			/* of contents */
	uint64_t db_bytes, wal_bytes, free_bytes;	/* free on disk */
	bool is_full;
	int schema;
	/* Mail for elsewhere: messages; recipients; the next try, 0: none. */
	uint64_t queued, queue_waiting, queue_held;
	int64_t queue_next_s;
};

enum directory_what {
	LIST_ACCOUNTS, LIST_DEVICES, LIST_ALIASES, LIST_DOMAINS, LIST_CERTS,
	LIST_STATUS
};

/* One of the lists, whole, in one slice; memory belongs to the job. */
struct rjob_directory {
	struct rjob j;
	enum directory_what what;
	char *account;			/* LIST_DEVICES: address key; owned */
	/* results; those of what */
	struct account_row *accounts;
	struct device_row *devices;
	struct alias_row *aliases;
	struct domain_row *domains;
	struct cert_row *certs;
	size_t count;
	struct store_status status;
	struct arena *arena;		/* the results' memory */
};
struct rjob_directory *rjob_directory_new(struct env *env,
    struct session *s, enum directory_what what);

/* ---- addresses ---- */

enum resolve_result {
	RESOLVE_OK,		/* accounts[], elsewhere[]; one at least */
	RESOLVE_UNKNOWN,	/* our domain, no such address */
	RESOLVE_REFUSED,	/* refused under a catch-all; reason */
	RESOLVE_ELSEWHERE	/* not a domain of ours */
};

struct resolve_item {
	struct span local, domain;	/* in: as given; in the job's arena */
	enum resolve_result result;
	const char *reason;
	uint64_t *accounts;		/* distinct, aliases followed */
	size_t account_count;
	const char **elsewhere;		/* distinct targets of other domains */
	size_t elsewhere_count;
	bool is_mailbox;		/* names one account directly */
	bool may_post;			/* j.actor, as one of the accounts */
	uint64_t room;			/* bytes that all of them can take */
};

/*
 * Who gets mail for these addresses: exact, then without "+detail", then the
 * catch-all; aliases followed (depth 10). postmaster and abuse of a hosted
 * domain, when nothing else has them, reach the server's postmaster, or else
 * the first account of the domain, or else the first of all. An address is
 * an account's own to send from if its accounts[] contain the account, and
 * may be sent from by who has the right to post (RFC 4314) on a mailbox of
 * one of them. room is
 * that of the account with the least; UINT64_MAX: none has a quota.
 */
struct rjob_resolve {
	struct rjob j;
	struct resolve_item *items;	/* from resolve_add */
	size_t count;
	struct arena *arena;
};
struct rjob_resolve *rjob_resolve_new(struct env *env, struct session *s);
void rjob_resolve_add(struct rjob_resolve *r, struct span local,
    struct span domain);

#endif
