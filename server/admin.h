/*
 * Administration: the session behind the control socket.
 *
 * One table of commands serves two callers: the running server, over its
 * local socket, and `kingpost COMMAND` in its own process when no server runs.
 * The table is authoritative: the command line's help comes from it as well.
 *
 * A command is a run() that answers or starts an op, and a done() that is
 * given the op's result. Both return whether the command has ended.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "auth/passwd.h"
#include "server/base/arena.h"
#include "server/base/session.h"
#include "server/base/span.h"
#include "server/control.h"

struct admin;

/*
 * ADMIN_DRAIN: the answer so far has to go out first; then done() gets the op
 * that was put into kept.
 */
enum admin_step { ADMIN_DONE, ADMIN_WAIT, ADMIN_DRAIN };

/* What the command line has to get from its user first. */
enum admin_needs {
	NEEDS_NOTHING,
	NEEDS_PASSWORD,		/* one literal: typed, piped, or generated */
	NEEDS_YES,		/* --yes, or the answer to a question */
	NEEDS_PEM_FILES,	/* the arguments are files: two literals */
	NEEDS_TARGET_FILE,	/* the last argument is a file to be written */
	NEEDS_MESSAGE		/* one literal: standard input */
};

struct admin_command {
	const char *name;	/* "user add" */
	const char *args;	/* "ADDRESS TARGET..." */
	unsigned min, max;	/* how many arguments */
	enum admin_needs needs;
	enum admin_step (*run)(struct admin *);
	enum admin_step (*done)(struct admin *, struct op *);	/* takes op */
	const char *summary;	/* one line */
	const char *help;	/* paragraphs, with examples */
};

/* Sorted by name; ends with a NULL name. */
extern const struct admin_command admin_commands[];

/* What only a running server can do. */
struct admin_host {
	/*
	 * Checks and uses a certificate at once. Returns 0 or ERR_CONFIG with
	 * a sentence; *not_after_s and name are those of the certificate.
	 */
	int (*use_certificate)(struct admin_host *, struct span chain,
	    struct span key, char *name, size_t name_size,
	    int64_t *not_after_s, struct buf *why);
	/* Adds its own facts to the answer of `status`. */
	void (*put_status)(struct admin_host *, json_t *row);
};

struct queue_settings;

struct admin_settings {
	struct passwd_params params;
	const struct queue_settings *queue;	/* how mail is sent */
	struct admin_host *host;
};

#define ADMIN_ARGS_MAX 256
#define SEND_MAX (200u * 1024)	/* bytes of a message of `send` */

/* Where a command is between its ops. */
struct admin {
	struct session s;
	const struct admin_settings *settings;
	struct arena arena;		/* the command's */
	const struct admin_command *command;
	struct span args[ADMIN_ARGS_MAX];
	unsigned arg_count;
	struct span literals[CONTROL_LITERALS];
	unsigned literal_count;
	struct buf secret;		/* literals' bytes; wiped */
	size_t literals_left;		/* bytes still to come */
	unsigned stage;			/* the command's own */
	struct buf password;		/* generated, to be shown; wiped */
	struct op *kept;		/* an op kept between stages; owned */
	struct span text;		/* the command's own; in the arena */
};

/* For a session_maker; settings is a struct admin_settings. */
struct session *admin_make(struct env *env, const void *settings);

/* ---- for the commands (admin_*.c) ---- */

/* Answers. The json is stolen. */
void admin_put_row(struct admin *a, json_t *row);
void admin_put_note(struct admin *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void admin_put_progress(struct admin *a, uint64_t done, uint64_t total);

/* The last line of an answer; all return ADMIN_DONE. */
enum admin_step admin_finish(struct admin *a);
enum admin_step admin_fail(struct admin *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* In words that fit the error; what is the thing it is about. */
enum admin_step admin_fail_err(struct admin *a, int err, const char *what);

/* Submits; returns ADMIN_WAIT. */
struct wreq;
struct rjob;
enum admin_step admin_write(struct admin *a, struct wreq *r);
enum admin_step admin_read(struct admin *a, struct rjob *j);

/*
 * Argument n as the key an address is stored by; owned. NULL when it is no
 * address, and then the answer has been given.
 */
char *admin_address_arg(struct admin *a, unsigned n);
/* "@domain" is legal too. */
char *admin_alias_arg(struct admin *a, unsigned n);
char *admin_domain_arg(struct admin *a, unsigned n);

/* The date as people write it, or "never" for 0. Lives in the arena. */
const char *admin_date(struct admin *a, int64_t s);

/* admin_user.c */
enum admin_step admin_user_add(struct admin *a);
enum admin_step admin_user_add_done(struct admin *a, struct op *op);
enum admin_step admin_user_passwd(struct admin *a);
enum admin_step admin_user_passwd_done(struct admin *a, struct op *op);
enum admin_step admin_user_del(struct admin *a);
enum admin_step admin_user_disable(struct admin *a);
enum admin_step admin_user_enable(struct admin *a);
enum admin_step admin_user_set(struct admin *a);
enum admin_step admin_user_changed(struct admin *a, struct op *op);
/* admin_user_changed is the end of admin_user_role too. */
enum admin_step admin_user_list(struct admin *a);
enum admin_step admin_user_list_done(struct admin *a, struct op *op);
enum admin_step admin_device_add(struct admin *a);
enum admin_step admin_device_add_done(struct admin *a, struct op *op);
enum admin_step admin_device_del(struct admin *a);
enum admin_step admin_device_del_done(struct admin *a, struct op *op);
enum admin_step admin_device_list(struct admin *a);
enum admin_step admin_device_list_done(struct admin *a, struct op *op);

/* admin_quota.c */
enum admin_step admin_user_quota(struct admin *a);
enum admin_step admin_user_quota_done(struct admin *a, struct op *op);
enum admin_step admin_user_role(struct admin *a);
/* A limit of an account: a number or null. */
json_t *admin_limit(uint64_t limit);

/* admin_directory.c */
enum admin_step admin_domain_add(struct admin *a);
enum admin_step admin_domain_del(struct admin *a);
enum admin_step admin_domain_done(struct admin *a, struct op *op);
enum admin_step admin_domain_list(struct admin *a);
enum admin_step admin_domain_list_done(struct admin *a, struct op *op);
enum admin_step admin_alias_add(struct admin *a);
enum admin_step admin_alias_refuse(struct admin *a);
enum admin_step admin_alias_del(struct admin *a);
enum admin_step admin_alias_done(struct admin *a, struct op *op);
enum admin_step admin_alias_list(struct admin *a);
enum admin_step admin_alias_list_done(struct admin *a, struct op *op);

/* admin_queue.c */
enum admin_step admin_queue_list(struct admin *a);
enum admin_step admin_queue_list_done(struct admin *a, struct op *op);
enum admin_step admin_queue_show(struct admin *a);
enum admin_step admin_queue_show_done(struct admin *a, struct op *op);
enum admin_step admin_queue_bounce(struct admin *a);
enum admin_step admin_queue_hold(struct admin *a);
enum admin_step admin_queue_release(struct admin *a);
enum admin_step admin_queue_retry(struct admin *a);
enum admin_step admin_queue_drop(struct admin *a);
enum admin_step admin_queue_route(struct admin *a);
enum admin_step admin_queue_edited(struct admin *a, struct op *op);

/* admin_send.c */
enum admin_step admin_send(struct admin *a);
enum admin_step admin_send_done(struct admin *a, struct op *op);

/* admin_dkim.c */
enum admin_step admin_domain_dkim(struct admin *a);
enum admin_step admin_domain_dkim_done(struct admin *a, struct op *op);

/* admin_server.c */
enum admin_step admin_cert_load(struct admin *a);
enum admin_step admin_cert_load_done(struct admin *a, struct op *op);
enum admin_step admin_backup(struct admin *a);
enum admin_step admin_backup_done(struct admin *a, struct op *op);
enum admin_step admin_status(struct admin *a);
enum admin_step admin_status_done(struct admin *a, struct op *op);

#endif
