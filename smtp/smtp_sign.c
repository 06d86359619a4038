/*
 * Signing what is submitted for elsewhere (RFC 6376): the keys of the domain
 * that From names are read, the work pool signs. The fields go on top of what
 * is queued, so that a retry signs nothing. The body has been hashed while it
 * came in (message_sign).
 */
#include "smtp/smtp_priv.h"

#include "server/base/xalloc.h"
#include "smtp/sign.h"
#include "store/mime/address.h"

bool
smtp_leaves(const struct smtp_txn *t)
{
	for (size_t i = 0; i < t->rcpt_count; i++)
		if (t->rcpts[i].elsewhere_count)
			return true;
	return false;
}

/* The domain in whose name the message speaks; owned, or NULL. */
static char *
author_domain(const struct smtp_txn *t)
{
	struct span domain = t->message.senders.author;
	const char *at = t->from.len ? memrchr(t->from.p, '@', t->from.len) :
	    NULL;
	struct buf key = BUF_INIT;

	if (!domain.len && at)
		domain = span_from(t->from, (size_t)(at - t->from.p) + 1);
	if (domain.len && domain_key(&key, domain) == 0)
		return buf_take(&key);
	buf_release(&key);
	return NULL;
}

bool
smtp_sign_begin(struct smtp_in *s)
{
	char *domain = NULL;
	struct rjob_dkim_keys *job;

	if (s->txn.message.signer)
		domain = author_domain(&s->txn);
	if (!domain)
		return false;
	job = rjob_dkim_keys_new(s->s.env, &s->s);
	job->domain = domain;
	store_read(s->s.env->store, &job->j);
	return true;
}

int
smtp_sign_keys(struct smtp_in *s, struct op *op, bool *is_waiting)
{
	struct rjob_dkim_keys *job = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	struct message *m = &s->txn.message;
	int err = op->err < 0 ? op->err : sign_submit(&s->s, &m->signer,
	    buf_span(&m->signed_head), job, 0, is_waiting);

	op_free(op);
	return err;
}

int
smtp_sign_done(struct smtp_in *s, struct op *op)
{
	struct dkim_sign_job *sign = CONTAINER_OF(op, struct dkim_sign_job,
	    j.op);
	int err = op->err;

	if (err == 0)
		s->txn.signature = arena_span(&s->txn.arena,
		    buf_span(&sign->field));
	op_free(op);
	return err;
}
