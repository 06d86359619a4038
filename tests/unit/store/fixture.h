/*
 * A store for a test: inline, in memory or in a folder of its own, with a
 * clock that stands still, and the requests that every test needs.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "server/base/err.h"
#include "store/account.h"
#include "store/store_priv.h"
#include "store/write.h"
#include "tests/check.h"

#define FIXTURE_NOW 1767225600	/* 2026-01-01T00:00:00Z */

struct hub;

struct fixture {
	struct fake_clock clock;
	struct seeded_random random;
	struct log log;
	struct stats stats;
	struct budget budget;
	struct post home;
	struct env env;
	struct store_settings settings;
	char dir[64];			/* "" in memory */
	struct store *store;
	/* What has been heard: the change sets, in order. */
	struct listener *listener;
	struct changeset *heard[64];
	size_t heard_count;
	/* The request that came home last. */
	struct op *done;
	char *errors;			/* log lines at error */
};

/* Opens a store in memory with example.org and ann@example.org in it. */
struct fixture *fixture_new(void);
/* The same in a folder under /tmp. */
struct fixture *fixture_new_on_disk(void);
/* Just the surroundings; fixture_open opens. */
struct fixture *fixture_bare(bool on_disk);
void fixture_open(struct fixture *f);
/* Closes the store; with check.c's blessing. */
void fixture_close(struct fixture *f);
void fixture_free(struct fixture *f);
/* Closes a store that is in trouble: no check, and errors are expected. */
void fixture_drop(struct fixture *f);
/* Removes a store's folder. */
void fixture_remove_dir(const char *dir);

/*
 * Submits, pumps and returns the result; the request is in f->done until the
 * next call.
 */
int fixture_run(struct fixture *f, struct wreq *w);
/* Pumps until nothing is left. */
void fixture_settle(struct fixture *f);
/* Forgets what has been heard. */
void fixture_deaf(struct fixture *f);
/* The i-th change of a kind that was heard, or NULL. */
const struct change *fixture_heard(struct fixture *f, enum change_kind kind,
    size_t i);

int fixture_add_domain(struct fixture *f, const char *name);
int fixture_add_account(struct fixture *f, const char *name);
/* By name, asserted. */
uint64_t fixture_account(struct fixture *f, const char *name);
uint64_t fixture_mailbox(struct fixture *f, const char *account,
    const char *name);
struct mailbox_row fixture_row(struct fixture *f, uint64_t mailbox);

/* A finished spool of these bytes, which must fit into memory. */
struct spool *fixture_spool(struct fixture *f, const char *bytes);
/* Delivers to the account's INBOX; returns the UID, asserted. */
uint32_t fixture_deliver(struct fixture *f, const char *account,
    const char *bytes);
/* As many messages in a mailbox, "From: n..." each. */
void fixture_fill(struct fixture *f, uint64_t mailbox, unsigned count);

/* One number from the database. */
int64_t fixture_get(struct fixture *f, const char *sql);
/* "uid:flags ..." of a mailbox, as text; owned. */
char *fixture_flags(struct fixture *f, uint64_t mailbox);
/* A set from a list that ends with 0: lo, hi, lo, hi, 0. */
struct uidset fixture_uids(const uint32_t *pairs);
#define UIDS(...) fixture_uids((const uint32_t[]){ __VA_ARGS__, 0 })

#endif
