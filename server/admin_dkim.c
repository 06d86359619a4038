/*
 * Keys that sign what leaves a domain: made when the domain is added, and
 * shown as the record that DNS has to have.
 */
#include <stdlib.h>

#include "auth/dkim.h"
#include "server/admin.h"
#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/dkim_keys.h"
#include "store/trust.h"

enum { STAGE_READ, STAGE_MAKE, STAGE_WRITE, STAGE_READ_AGAIN };

static enum admin_step
make_key(struct admin *a, const char *domain)
{
	struct dkim_key_job *job = dkim_key_job_new(a->s.env->home, &a->s,
	    domain, DKIM_RSA_SHA256);
	int err;

	if ((err = work_submit(a->s.env->work, &job->j)) < 0) {
		op_free(&job->j.op);
		return admin_fail_err(a, err, "the key");
	}
	return ADMIN_WAIT;
}

static enum admin_step
keep_key(struct admin *a, struct op *op)
{
	struct dkim_key_job *job = CONTAINER_OF(op, struct dkim_key_job,
	    j.op);
	struct wreq_dkim_key *r = NULL;

	if (op->err == 0)
		r = dkim_keys_request(a->s.env, &a->s, job);
	op_free(op);
	return r ? admin_write(a, &r->w) :
	    admin_fail_err(a, ERR_CRYPTO, "the key");
}

/* ---- domain dkim ---- */

static enum admin_step
read_keys(struct admin *a)
{
	struct rjob_dkim_keys *job = rjob_dkim_keys_new(a->s.env, &a->s);

	if ((job->domain = admin_domain_arg(a, 0)) == NULL) {
		op_free(&job->j.op);
		return ADMIN_DONE;
	}
	return admin_read(a, &job->j);
}

enum admin_step
admin_domain_dkim(struct admin *a)
{
	a->stage = STAGE_READ;
	return read_keys(a);
}

/* The TXT record of a key, as DNS is to say it. */
static void
put_record(struct admin *a, const struct dkim_key_row *k)
{
	static const char *const states[] = {
		[DKIM_PUBLISHED] = "published", [DKIM_SIGNING] = "signing",
		[DKIM_RETIRING] = "retiring"
	};
	struct buf text = BUF_INIT, name = BUF_INIT;

	buf_printf(&name, "%s._domainkey.%s", k->selector, k->domain);
	buf_printf(&text, "v=DKIM1; k=%s; p=",
	    k->algorithm == DKIM_ED25519 ? "ed25519" : "rsa");
	base64_encode(&text, k->public_key.p, k->public_key.len);
	admin_put_row(a, json_pack("{s:s,s:s,s:s,s:s}", "name", name.p,
	    "type", "TXT", "value", text.p, "state", states[k->state]));
	buf_release(&text);
	buf_release(&name);
}

static enum admin_step
show_keys(struct admin *a, struct op *op)
{
	struct rjob_dkim_keys *job = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	bool is_bare = job->bare_count > 0;
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, job->domain);
	} else if (job->key_count == 0 && !is_bare) {
		step = admin_fail(a, "%s is not hosted here; `kingpost domain "
		    "list` shows the domains", job->domain);
	} else if (job->key_count == 0 && a->stage == STAGE_READ) {
		a->stage = STAGE_MAKE;
		step = make_key(a, job->domain);
	} else {
		for (size_t i = 0; i < job->key_count; i++)
			put_record(a, &job->keys[i]);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_domain_dkim_done(struct admin *a, struct op *op)
{
	int err = op->err;

	switch (a->stage) {
	case STAGE_MAKE:
		a->stage = STAGE_WRITE;
		return keep_key(a, op);
	case STAGE_WRITE:
		op_free(op);
		/* ERR_EXISTS: the server was faster. */
		if (err < 0 && err != ERR_EXISTS)
			return admin_fail_err(a, err, "the key");
		a->stage = STAGE_READ_AGAIN;
		return read_keys(a);
	default:
		return show_keys(a, op);
	}
}
