/*
 * cert, backup, status: the server itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/account.h"
#include "store/read.h"

/* ---- cert load ---- */

enum admin_step
admin_cert_load(struct admin *a)
{
	struct admin_host *host = a->settings->host;
	struct buf why = BUF_INIT;
	struct wreq_cert *r;
	char name[256];
	int64_t not_after_s;

	if (host->use_certificate(host, a->literals[0], a->literals[1], name,
	    sizeof name, &not_after_s, &why) < 0) {
		admin_fail(a, "%s; the old certificate stays in use", why.p);
		buf_release(&why);
		return ADMIN_DONE;
	}
	buf_release(&why);
	r = wreq_cert_new(a->s.env, &a->s);
	r->name = xstrdup(name);
	r->chain = xmemdup(a->literals[0].p, a->literals[0].len);
	r->chain_len = a->literals[0].len;
	r->key = xmemdup(a->literals[1].p, a->literals[1].len);
	r->key_len = a->literals[1].len;
	r->not_after_s = not_after_s;
	return admin_write(a, &r->w);
}

enum admin_step
admin_cert_load_done(struct admin *a, struct op *op)
{
	struct wreq_cert *r = CONTAINER_OF(op, struct wreq_cert, w.op);
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail(a, "the certificate is in use now, but "
		    "could not be stored for the next start: %s",
		    err_text(op->err));
	} else {
		admin_put_note(a, "the certificate for %s is in use, valid "
		    "until %s", r->name, admin_date(a, r->not_after_s));
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

/* ---- backup ---- */

enum admin_step
admin_backup(struct admin *a)
{
	return admin_read(a, &rjob_backup_new(a->s.env, &a->s)->j);
}

/* A slice has come, or there is room for the next one. */
enum admin_step
admin_backup_done(struct admin *a, struct op *op)
{
	struct rjob_backup *b = CONTAINER_OF(op, struct rjob_backup, j.op);
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, "the backup");
		op_free(op);
		return step;
	}
	if (b->bytes.len) {
		admin_put_progress(a, b->done, b->total);
		buf_printf(a->s.out, "{\"bytes\":%zu}\n", b->bytes.len);
		buf_addspan(a->s.out, b->bytes);
		b->bytes.len = 0;
	}
	if (!b->j.more) {
		op_free(op);
		return admin_finish(a);
	}
	if (a->s.out->len > SESSION_OUT_HIGH) {
		a->kept = op;
		return ADMIN_DRAIN;
	}
	op_adopt(op, &a->s);
	store_read(a->s.env->store, &b->j);
	return ADMIN_WAIT;
}

/* ---- status ---- */

enum admin_step
admin_status(struct admin *a)
{
	return admin_read(a, &rjob_directory_new(a->s.env, &a->s,
	    LIST_STATUS)->j);
}

enum admin_step
admin_status_done(struct admin *a, struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);
	const struct store_status *s = &d->status;
	json_t *row;

	if (op->err < 0) {
		enum admin_step step = admin_fail_err(a, op->err,
		    "the status");

		op_free(op);
		return step;
	}
	row = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:i}",
	    "version", a->s.env->version,
	    "domains", (json_int_t)s->domains,
	    "accounts", (json_int_t)s->accounts,
	    "mailboxes", (json_int_t)s->mailboxes,
	    "messages", (json_int_t)s->messages,
	    "bytes", (json_int_t)s->bytes,
	    "database_bytes", (json_int_t)s->db_bytes,
	    "log_bytes", (json_int_t)s->wal_bytes,
	    "free_bytes", (json_int_t)s->free_bytes,
	    "disk_full", s->is_full,
	    "schema", s->schema);
	json_object_set_new(row, "queue", json_pack("{s:I,s:I,s:I,s:s}",
	    "messages", (json_int_t)s->queued,
	    "waiting", (json_int_t)s->queue_waiting,
	    "held", (json_int_t)s->queue_held,
	    "next", !s->queue_next_s ? "never" :
	    s->queue_next_s <= env_wall_s(a->s.env) ? "now" :
	    admin_date(a, s->queue_next_s)));
	a->settings->host->put_status(a->settings->host, row);
	admin_put_row(a, row);
	op_free(op);
	return admin_finish(a);
}
