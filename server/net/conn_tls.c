/*
 * TLS of a connection: from the clear into a handshake and out of it.
 *
 * A handshake step runs on a worker: then c->tls is the worker's until the
 * job comes home, and if the connection goes first the job keeps it.
 */
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/conn_priv.h"

#define RETRY_MS 50		/* when the work queue is full */

struct handshake {
	struct job job;
	struct tls *tls;
	struct conn *conn;	/* NULL: it has gone; loop thread only */
	enum tls_result result;
};

void
conn_drop_tls(struct conn *c)
{
	if (c->handshake)
		c->handshake->conn = NULL;
	else
		tls_free(c->tls);
	c->handshake = NULL;
	c->tls = NULL;
}

static void
handshake_run(struct job *j)
{
	struct handshake *h = CONTAINER_OF(j, struct handshake, job);

	h->result = tls_handshake(h->tls);
}

static void
handshake_free(struct op *op)
{
	free(CONTAINER_OF(op, struct handshake, job.op));
}

static void
handshake_failed(struct conn *c)
{
	STAT_ADD(c->env->stats, tls_failed, 1);
	conn_log(c, "tls-failed", tls_error(c->tls));
	if (c->is_out) {
		c->session->peer.tls_fault = tls_fault(c->tls) ?
		    tls_fault(c->tls) : TLS_FAULT_OTHER;
		conn_fail(c, ERR_TLS, tls_error(c->tls));
	}
	conn_end_session(c);
	buf_truncate(&c->out, 0);
	c->state = CONN_FLUSH;	/* there may be an alert to send */
}

static void
handshake_made(struct conn *c)
{
	struct session *s = c->session;

	STAT_ADD(c->env->stats, tls_handshakes, 1);
	if (tls_is_resumed(c->tls))
		STAT_ADD(c->env->stats, tls_resumed, 1);
	c->state = CONN_OPEN;
	c->phase_ms = 0;
	conn_borrow(c);
	if (!s || (c->is_out && !c->has_started)) {
		conn_open_session(c);
		return;
	}
	tls_fill_peer(c->tls, &s->peer);
	s->want = WANT_INPUT;
	s->ops->secured(s);
}

/* Runs on the loop when the job is home; takes it. */
static void
handshake_finish(struct op *op)
{
	struct handshake *h = CONTAINER_OF(op, struct handshake, job.op);
	struct conn *c = h->conn;
	enum tls_result result = op->err < 0 ? TLS_FAILED : h->result;

	if (!c)
		tls_free(h->tls);
	free(h);
	if (!c)
		return;
	c->handshake = NULL;
	if (result == TLS_DONE)
		handshake_made(c);
	else if (result == TLS_FAILED)
		handshake_failed(c);
	conn_go(c);
}

static void
handshake_submit(struct conn *c)
{
	struct handshake *h = xcalloc(1, sizeof *h);

	op_init(&h->job.op, NULL, c->env->home, handshake_free);
	h->job.op.finish = handshake_finish;
	h->job.run = handshake_run;
	h->tls = c->tls;
	h->conn = c;
	if (work_submit(c->env->work, &h->job) < 0) {
		free(h);
		c->retry_ms = env_now_ms(c->env) + RETRY_MS;
		return;
	}
	c->handshake = h;
}

/*
 * RFC 3207 section 4.2, RFC 2595 section 4, RFC 9051 section 11.1: what came
 * in the clear after the command is thrown away; an attacker may have put it
 * there for the session behind TLS to obey.
 */
int
conn_start_tls(struct conn *c)
{
	int64_t limit = c->service->handshake_ms ? c->service->handshake_ms :
	    CONN_HANDSHAKE_MS;

	buf_truncate(&c->in, 0);
	c->in_used = 0;
	c->is_stuck = false;
	if (c->service->tls)
		c->tls = c->is_out ? tls_new_out(c->service->tls,
		    c->session->tls_want) : tls_new(c->service->tls, NULL);
	if (!c->tls)
		return ERR_TLS;
	c->state = CONN_HANDSHAKE;
	c->phase_ms = env_now_ms(c->env) + limit;
	return 0;
}

void
conn_go_handshake(struct conn *c)
{
	if (!c->handshake) {
		conn_send(c);
		if (c->can_read && !tls_has_record(c->tls))
			conn_receive(c);
		if (c->has_failed || c->has_eof) {
			conn_fail(c, ERR_TLS, "closed in the TLS handshake");
			conn_close(c);
			return;
		}
		if (c->retry_ms == 0 && tls_has_record(c->tls))
			handshake_submit(c);
	}
	c->can_read = false;
	c->is_muted = c->handshake || c->retry_ms != 0;
}
