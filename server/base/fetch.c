#include "server/base/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"

#define BODY_MAX (64u * 1024)

static void
fetch_free(struct op *op)
{
	struct fetch *f = CONTAINER_OF(op, struct fetch, op);

	buf_release(&f->body);
	free(f);
}

struct fetch *
fetch_new(struct env *env, struct session *owner, const char *host,
    const char *path)
{
	struct fetch *f = xcalloc(1, sizeof *f);

	op_init(&f->op, owner, env->home, fetch_free);
	(void)snprintf(f->host, sizeof f->host, "%s", host);
	f->path = path;
	f->media_type = "text/plain";
	f->body_max = BODY_MAX;
	f->deadline_ms = FETCH_DEADLINE_MS;
	buf_init(&f->body);
	return f;
}

void
fetch_finish(struct fetch *f, enum fetch_fault fault, const char *why)
{
	static const int errors[] = {
		[FETCH_OK] = 0, [FETCH_DNS] = ERR_NODOMAIN,
		[FETCH_CONNECT] = ERR_IO, [FETCH_TLS] = ERR_TLS,
		[FETCH_STATUS] = ERR_NOTFOUND, [FETCH_TYPE] = ERR_REFUSED,
		[FETCH_LARGE] = ERR_LIMIT, [FETCH_SYNTAX] = ERR_SYNTAX,
	};

	f->fault = fault;
	(void)snprintf(f->why, sizeof f->why, "%s", why);
	if (fault != FETCH_OK)
		buf_clear(&f->body);
	op_complete(&f->op, errors[fault]);
}
