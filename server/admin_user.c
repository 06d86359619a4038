/*
 * user and device: accounts and their passwords.
 *
 * A password is hashed on the work pool with the account's own salt, because
 * all credentials of an account share it: for a new account the salt is made
 * here, for an old one it is fetched first.
 */
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/cursor.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/account.h"

/* ---- hashing ---- */

struct hash_job {
	struct job job;
	struct buf password;
	unsigned char salt[CRED_SALT_MAX];
	size_t salt_len;
	struct passwd_params params;
	enum cred_kind kind;
	struct cred cred;
};

static void
hash_free(struct op *op)
{
	struct hash_job *h = CONTAINER_OF(op, struct hash_job, job.op);

	explicit_bzero(h->password.p, h->password.cap);
	buf_release(&h->password);
	free(h);
}

static void
hash_run(struct job *j)
{
	struct hash_job *h = CONTAINER_OF(j, struct hash_job, job);

	j->op.err = passwd_make_cred(buf_span(&h->password),
	    span_make((const char *)h->salt, h->salt_len), h->kind,
	    &h->params, &h->cred);
}

/* The password is the literal, or else one that is generated now. */
static enum admin_step
start_hash(struct admin *a, enum cred_kind kind, const unsigned char *salt,
    size_t salt_len, unsigned iterations)
{
	struct hash_job *h = xcalloc(1, sizeof *h);
	struct span password = a->literals[0];
	int err;

	if (a->literal_count == 0) {
		passwd_generate(a->s.env->random, &a->password);
		password = buf_span(&a->password);
	}
	op_init(&h->job.op, &a->s, a->s.env->home, hash_free);
	h->job.run = hash_run;
	h->job.heavy = kind == CRED_PASSWORD;
	buf_init(&h->password);
	buf_addspan(&h->password, password);
	memcpy(h->salt, salt, salt_len);
	h->salt_len = salt_len;
	h->params = a->settings->params;
	h->params.iterations = iterations;
	h->kind = kind;
	if ((err = work_submit(a->s.env->work, &h->job)) < 0) {
		op_free(&h->job.op);
		return admin_fail_err(a, err, "the password");
	}
	return ADMIN_WAIT;
}

/* Takes op. Returns 0 with *cred set, or an error that was answered. */
static int
take_hash(struct admin *a, struct op *op, struct cred *cred)
{
	struct hash_job *h = CONTAINER_OF(op, struct hash_job, job.op);
	int err = op->err;

	*cred = h->cred;
	op_free(op);
	if (err == ERR_SYNTAX)
		admin_fail(a, "that cannot be a password: it is empty, too "
		    "long, not UTF-8, or has control characters");
	else if (err < 0)
		admin_fail_err(a, err, "the password");
	return err;
}

static void
put_password(struct admin *a)
{
	if (a->password.len)
		admin_put_row(a, json_pack("{s:s}", "password",
		    a->password.p));
}

/* ---- looking an account up ---- */

static void
fetch_free(struct op *op)
{
	struct cred_request *r = CONTAINER_OF(op, struct cred_request, op);

	explicit_bzero(r, sizeof *r);
	free(r);
}

static enum admin_step
start_fetch(struct admin *a, const char *name)
{
	struct cred_request *r = xcalloc(1, sizeof *r);
	size_t len = strlen(name);

	if (len >= sizeof r->name) {
		free(r);
		return admin_fail(a, "%s is too long for an account", name);
	}
	op_init(&r->op, &a->s, a->s.env->home, fetch_free);
	memcpy(r->name, name, len + 1);
	a->s.env->creds->fetch(a->s.env->creds, r);
	return ADMIN_WAIT;
}

/* The account's own salt is known now: hash with it. Takes op. */
static enum admin_step
hash_for_account(struct admin *a, struct op *op, enum cred_kind kind,
    const char *name)
{
	struct cred_request *r = CONTAINER_OF(op, struct cred_request, op);
	enum admin_step step;

	if (op->err < 0)
		step = admin_fail_err(a, op->err, name);
	else if (!r->result.found)
		step = admin_fail_err(a, ERR_NOUSER, name);
	else
		step = start_hash(a, kind, r->result.salt, r->result.salt_len,
		    r->result.iterations);
	op_free(op);
	return step;
}

enum { STAGE_FETCH, STAGE_HASH, STAGE_WRITE };


/* The request was kept while the hash was made; now it is the session's. */
static enum admin_step
submit_kept(struct admin *a, struct wreq *w)
{
	a->kept = NULL;
	op_adopt(&w->op, &a->s);
	a->stage = STAGE_WRITE;
	return admin_write(a, w);
}

/*
 * The stages before the write, which all changes of a password share: w was
 * kept and cred is a part of it. True, with *step set, while there is one
 * left; takes op then.
 */
static bool
run_stage(struct admin *a, struct op *op, enum cred_kind kind,
    const char *name, struct cred *cred, struct wreq *w,
    enum admin_step *step)
{
	switch (a->stage) {
	case STAGE_FETCH:
		a->stage = STAGE_HASH;
		*step = hash_for_account(a, op, kind, name);
		return true;
	case STAGE_HASH:
		*step = take_hash(a, op, cred) < 0 ? ADMIN_DONE :
		    submit_kept(a, w);
		return true;
	default:
		return false;
	}
}

/* ---- user ---- */

enum admin_step
admin_user_add(struct admin *a)
{
	struct wreq_account *r;
	char *name = admin_address_arg(a, 0);

	if (!name)
		return ADMIN_DONE;
	r = wreq_account_new(a->s.env, NULL);
	r->how = ACCOUNT_HOW_ADD;
	r->name = name;
	r->salt_len = PASSWD_SALT_LEN;
	random_fill(a->s.env->random, r->salt, r->salt_len);
	r->iterations = a->settings->params.iterations;
	a->kept = &r->w.op;
	a->stage = STAGE_HASH;
	return start_hash(a, CRED_PASSWORD, r->salt, r->salt_len,
	    r->iterations);
}

enum admin_step
admin_user_add_done(struct admin *a, struct op *op)
{
	struct wreq_account *r = CONTAINER_OF(a->stage == STAGE_WRITE ?
	    op : a->kept, struct wreq_account, w.op);
	enum admin_step step;

	if (run_stage(a, op, CRED_PASSWORD, r->name, &r->cred, &r->w, &step))
		return step;
	if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->name);
	} else {
		put_password(a);
		admin_put_note(a, "%s can log in now", r->name);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_user_passwd(struct admin *a)
{
	struct wreq_account *r;
	char *name = admin_address_arg(a, 0);

	if (!name)
		return ADMIN_DONE;
	r = wreq_account_new(a->s.env, NULL);
	r->how = ACCOUNT_HOW_PASSWD;
	r->name = name;
	a->kept = &r->w.op;
	a->stage = STAGE_FETCH;
	return start_fetch(a, name);
}

enum admin_step
admin_user_passwd_done(struct admin *a, struct op *op)
{
	struct wreq_account *r = CONTAINER_OF(a->stage == STAGE_WRITE ?
	    op : a->kept, struct wreq_account, w.op);
	enum admin_step step;

	if (run_stage(a, op, CRED_PASSWORD, r->name, &r->cred, &r->w, &step))
		return step;
	if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->name);
	} else {
		put_password(a);
		admin_put_note(a, "%s has a new password; its open sessions "
		    "have been ended", r->name);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

static enum admin_step
change_user(struct admin *a, enum account_how how)
{
	struct wreq_account *r;
	char *name = admin_address_arg(a, 0);

	if (!name)
		return ADMIN_DONE;
	r = wreq_account_new(a->s.env, &a->s);
	r->how = how;
	r->name = name;
	return admin_write(a, &r->w);
}

enum admin_step
admin_user_del(struct admin *a)
{
	return change_user(a, ACCOUNT_HOW_DEL);
}

enum admin_step
admin_user_disable(struct admin *a)
{
	return change_user(a, ACCOUNT_HOW_DISABLE);
}

enum admin_step
admin_user_enable(struct admin *a)
{
	return change_user(a, ACCOUNT_HOW_ENABLE);
}

/* "sent=on", "messages_per_day=50", "new_recipients_per_day=default" */
static bool
take_setting(struct account_sending *v, struct span word)
{
	struct cursor c = cursor_of_span(word);
	struct span key = cursor_until(&c, '='), value;
	int64_t *number = NULL;
	uint64_t n;

	if (!cursor_skip(&c, '='))
		return false;
	value = span_make(c.p, cursor_left(&c));
	if (span_iis(key, "sent")) {
		v->file_sent = span_iis(value, "on");
		return v->file_sent || span_iis(value, "off");
	}
	if (span_iis(key, "messages_per_day"))
		number = &v->messages_day;
	else if (span_iis(key, "new_recipients_per_day"))
		number = &v->new_rcpts_day;
	if (!number)
		return false;
	*number = ACCOUNT_DEFAULT;
	if (span_iis(value, "default"))
		return true;
	if (!cursor_number(&c, INT32_MAX, &n) || !cursor_at_end(&c))
		return false;
	*number = (int64_t)n;
	return true;
}

enum admin_step
admin_user_set(struct admin *a)
{
	struct wreq_account *r;
	char *name = admin_address_arg(a, 0);

	if (!name)
		return ADMIN_DONE;
	r = wreq_account_new(a->s.env, &a->s);
	r->how = ACCOUNT_HOW_SET;
	r->name = name;
	r->sending = (struct account_sending){ ACCOUNT_KEEP, ACCOUNT_KEEP,
	    ACCOUNT_KEEP };
	for (unsigned i = 1; i < a->arg_count; i++)
		if (!take_setting(&r->sending, a->args[i])) {
			op_free(&r->w.op);
			return admin_fail(a, "\"%.*s\" is no setting; write "
			    "sent=on, sent=off, messages_per_day=NUMBER or "
			    "new_recipients_per_day=NUMBER; default instead "
			    "of a number is what the configuration says",
			    SPAN_ARG(a->args[i]));
		}
	return admin_write(a, &r->w);
}

enum admin_step
admin_user_changed(struct admin *a, struct op *op)
{
	struct wreq_account *r = CONTAINER_OF(op, struct wreq_account, w.op);
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->name);
		op_free(op);
		return step;
	}
	if (r->how == ACCOUNT_HOW_SET)
		admin_put_note(a, "%s is changed", r->name);
	else if (r->how == ACCOUNT_HOW_DEL)
		admin_put_note(a, "%s is deleted, with its mail", r->name);
	else if (r->how == ACCOUNT_HOW_DISABLE)
		admin_put_note(a, "%s cannot log in; its mail is still "
		    "taken", r->name);
	else if (r->how == ACCOUNT_HOW_ADMIN)
		admin_put_note(a, "%s may set quotas and what the server "
		    "says of itself over IMAP", r->name);
	else if (r->how == ACCOUNT_HOW_USER)
		admin_put_note(a, "%s is an account like any other",
		    r->name);
	else
		admin_put_note(a, "%s can log in again", r->name);
	op_free(op);
	return admin_finish(a);
}

enum admin_step
admin_user_list(struct admin *a)
{
	return admin_read(a, &rjob_directory_new(a->s.env, &a->s,
	    LIST_ACCOUNTS)->j);
}

enum admin_step
admin_user_list_done(struct admin *a, struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);
	enum admin_step step;

	for (size_t i = 0; op->err == 0 && i < d->count; i++) {
		const struct account_row *u = &d->accounts[i];

		admin_put_row(a, json_pack(
		    "{s:s,s:s,s:s,s:I,s:o,s:I,s:o,s:s,s:s}",
		    "account", u->name,
		    "state", u->disabled ? "disabled" : "active",
		    "role", u->is_admin ? "admin" : "user",
		    "messages", (json_int_t)u->messages,
		    "message_limit", admin_limit(u->max_messages),
		    "bytes", (json_int_t)u->bytes,
		    "storage_limit", admin_limit(u->max_bytes),
		    "created", admin_date(a, u->created_s),
		    "last_login", admin_date(a, u->last_login_s)));
	}
	step = op->err < 0 ? admin_fail_err(a, op->err, "the list") :
	    admin_finish(a);
	op_free(op);
	return step;
}

/* ---- device ---- */

/* A label is shown in lists and logs: short, printable, UTF-8. */
static char *
label_arg(struct admin *a, unsigned n)
{
	struct span s = span_trim(a->args[n]);
	bool good = s.len > 0 && s.len <= 100 && utf8_is_valid(s);

	for (size_t i = 0; i < s.len; i++)
		good = good && (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f;
	if (!good) {
		admin_fail(a, "a device's name has 1 to 100 characters and "
		    "no controls");
		return NULL;
	}
	return xstrdup(arena_str(&a->arena, s));
}

static struct wreq_device *
new_device(struct admin *a, struct session *owner, enum directory_how how)
{
	char *account = admin_address_arg(a, 0);
	char *label = account ? label_arg(a, 1) : NULL;
	struct wreq_device *r;

	if (!label) {
		free(account);
		return NULL;
	}
	r = wreq_device_new(a->s.env, owner);
	r->how = how;
	r->account = account;
	r->label = label;
	return r;
}

enum admin_step
admin_device_add(struct admin *a)
{
	struct wreq_device *r = new_device(a, NULL, DIR_ADD);

	if (!r)
		return ADMIN_DONE;
	a->kept = &r->w.op;
	a->stage = STAGE_FETCH;
	a->literal_count = 0;	/* always generated: 128 bits at least */
	return start_fetch(a, r->account);
}

enum admin_step
admin_device_add_done(struct admin *a, struct op *op)
{
	struct wreq_device *r = CONTAINER_OF(a->stage == STAGE_WRITE ?
	    op : a->kept, struct wreq_device, w.op);
	enum admin_step step;

	if (run_stage(a, op, CRED_DEVICE, r->account, &r->cred, &r->w, &step))
		return step;
	if (op->err < 0) {
		step = admin_fail_err(a, op->err, op->err == ERR_EXISTS ?
		    r->label : r->account);
	} else {
		put_password(a);
		admin_put_note(a, "type it into %s as the password of %s; "
		    "it is not shown again", r->label, r->account);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_device_del(struct admin *a)
{
	struct wreq_device *r = new_device(a, &a->s, DIR_DEL);

	return r ? admin_write(a, &r->w) : ADMIN_DONE;
}

enum admin_step
admin_device_del_done(struct admin *a, struct op *op)
{
	struct wreq_device *r = CONTAINER_OF(op, struct wreq_device, w.op);
	enum admin_step step;

	if (op->err == ERR_NOTFOUND) {
		step = admin_fail(a, "%s has no device called %s; `kingpost "
		    "device list %s` shows them", r->account, r->label,
		    r->account);
	} else if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->account);
	} else {
		admin_put_note(a, "%s can no longer log in as %s", r->label,
		    r->account);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_device_list(struct admin *a)
{
	char *account = admin_address_arg(a, 0);
	struct rjob_directory *d;

	if (!account)
		return ADMIN_DONE;
	d = rjob_directory_new(a->s.env, &a->s, LIST_DEVICES);
	d->account = account;
	return admin_read(a, &d->j);
}

enum admin_step
admin_device_list_done(struct admin *a, struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);
	enum admin_step step;

	for (size_t i = 0; op->err == 0 && i < d->count; i++) {
		const struct device_row *v = &d->devices[i];

		admin_put_row(a, json_pack("{s:s,s:s,s:s,s:s}",
		    "device", v->label,
		    "created", admin_date(a, v->created_s),
		    "last_used", admin_date(a, v->last_used_s),
		    "last_from", v->last_from ? v->last_from : ""));
	}
	step = op->err < 0 ? admin_fail_err(a, op->err, d->account) :
	    admin_finish(a);
	op_free(op);
	return step;
}
