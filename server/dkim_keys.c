#include "server/dkim_keys.h"

#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"

struct wreq_dkim_key *
dkim_keys_request(struct env *env, struct session *s,
    const struct dkim_key_job *job)
{
	struct wreq_dkim_key *r = wreq_dkim_key_new(env, s);
	const char *p = strstr(job->record.p, "p=");
	struct buf public = BUF_INIT, selector = BUF_INIT;

	if (!p || base64_decode(&public, span_of(p + 2)) < 0) {
		buf_release(&public);
		op_free(&r->w.op);
		return NULL;
	}
	dkim_selector_make(&selector, env_wall_s(env), job->algorithm);
	r->how = DKIM_KEY_ADD;
	r->domain = xstrdup(job->domain);
	r->selector = buf_take(&selector);
	r->algorithm = job->algorithm == DKIM_ED25519_SHA256 ? DKIM_ED25519 :
	    DKIM_RSA;
	r->private_key = xmemdup(job->der.p, job->der.len);
	r->private_len = job->der.len;
	r->public_len = public.len;
	r->public_key = buf_take(&public);
	r->state = DKIM_SIGNING;
	return r;
}

static void look(struct dkim_keys *k);

static void
key_kept(struct op_waiter *w, struct op *op)
{
	struct dkim_keys *k = CONTAINER_OF(w, struct dkim_keys, wait);
	struct wreq_dkim_key *r = CONTAINER_OF(op, struct wreq_dkim_key,
	    w.op);
	int err = op->err;

	if (err == 0)
		log_event(k->env->log, LOG_INFO, "dkim", "key-made",
		    F_STR("domain", r->domain),
		    F_STR("selector", r->selector));
	op_free(op);
	if (err == 0)
		look(k);	/* there may be another */
}

static void
key_made(struct op_waiter *w, struct op *op)
{
	struct dkim_keys *k = CONTAINER_OF(w, struct dkim_keys, wait);
	struct dkim_key_job *job = CONTAINER_OF(op, struct dkim_key_job,
	    j.op);
	struct wreq_dkim_key *r = NULL;

	if (op->err == 0)
		r = dkim_keys_request(k->env, NULL, job);
	if (!r)
		log_event(k->env->log, LOG_WARN, "dkim", "no-key",
		    F_STR("domain", job->domain), F_ERR(op->err));
	op_free(op);
	if (!r)
		return;
	k->wait.came = key_kept;
	op_wait(&k->wait, &r->w.op);
	store_submit(k->env->store, &r->w);
}

static void
domains_read(struct op_waiter *w, struct op *op)
{
	struct dkim_keys *k = CONTAINER_OF(w, struct dkim_keys, wait);
	struct rjob_dkim_keys *read = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	struct dkim_key_job *job = NULL;

	if (op->err == 0 && read->bare_count)
		job = dkim_key_job_new(k->env->home, NULL, read->bare[0],
		    DKIM_RSA_SHA256);
	op_free(op);
	if (!job) {
		if (k->has_news)
			look(k);
		return;
	}
	k->wait.came = key_made;
	op_wait(&k->wait, &job->j.op);
	if (work_submit(k->env->work, &job->j) == 0)
		return;
	/* The pool is full: the next piece of news tries again. */
	op_waiter_cancel(&k->wait);
	op_free(&job->j.op);
}

static void
look(struct dkim_keys *k)
{
	struct rjob_dkim_keys *read;

	if (k->wait.op) {
		k->has_news = true;
		return;
	}
	k->has_news = false;
	read = rjob_dkim_keys_new(k->env, NULL);
	k->wait.came = domains_read;
	op_wait(&k->wait, &read->j.op);
	store_read(k->env->store, &read->j);
}

static bool
is_news(const struct changeset *cs)
{
	for (size_t i = 0; i < cs->n; i++)
		if (cs->v[i].kind == CHANGE_DIRECTORY)
			return true;
	return false;
}

static void
heard(struct hub_listener *l, struct changeset *cs)
{
	if (is_news(cs))
		look(CONTAINER_OF(l, struct dkim_keys, news));
}

void
dkim_keys_open(struct dkim_keys *k, struct env *env)
{
	*k = (struct dkim_keys){ .env = env, .news.changed = heard };
	hub_listen(env->hub, &k->news);
	look(k);
}

void
dkim_keys_close(struct dkim_keys *k)
{
	if (!k->env)
		return;
	op_waiter_cancel(&k->wait);
	hub_unlisten(&k->news);
	k->env = NULL;
}
