/*
 * user quota and user role: what an account may hold, and what it may do.
 */
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/cursor.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/config.h"
#include "store/account.h"
#include "store/quota.h"

/* ---- user quota ---- */

static int
parse_count(struct span text, uint64_t *n)
{
	struct cursor c = cursor_of_span(text);

	return cursor_number(&c, QUOTA_MAX, n) && cursor_at_end(&c) ? 0 :
	    ERR_SYNTAX;
}

static int
parse_bytes(struct admin *a, struct span text, uint64_t *n)
{
	int err = config_parse_size(arena_str(&a->arena, text), n);

	return err == 0 && *n > QUOTA_MAX ? ERR_SYNTAX : err;
}

/* "storage=500M", "messages=none". False: the answer has been given. */
static bool
take_limit(struct admin *a, struct span arg, struct wreq_quota *r)
{
	bool is_storage = span_starts(arg, "storage=");
	struct span text = span_from(arg, is_storage ? 8 : 9);
	uint64_t n = QUOTA_NONE;
	int err = 0;

	if (!is_storage && !span_starts(arg, "messages=")) {
		admin_fail(a, "\"%.*s\" is no limit; give --storage or "
		    "--messages", SPAN_ARG(arg));
		return false;
	}
	if (!span_is(text, "none"))
		err = is_storage ? parse_bytes(a, text, &n) :
		    parse_count(text, &n);
	if (err < 0) {
		admin_fail(a, "\"%.*s\" is not a limit; write %s, or none",
		    SPAN_ARG(text), is_storage ? "it like 500M or 2G" :
		    "a number of messages");
		return false;
	}
	if (is_storage) {
		r->sets_bytes = true;
		r->quota.max_bytes = n;
	} else {
		r->sets_messages = true;
		r->quota.max_messages = n;
	}
	return true;
}

/* With no limit given nothing is changed, and all is shown. */
enum admin_step
admin_user_quota(struct admin *a)
{
	struct wreq_quota *r;
	char *name = admin_address_arg(a, 0);

	if (!name)
		return ADMIN_DONE;
	r = wreq_quota_new(a->s.env, &a->s);
	r->account = name;
	for (unsigned i = 1; i < a->arg_count; i++)
		if (!take_limit(a, a->args[i], r)) {
			op_free(&r->w.op);
			return ADMIN_DONE;
		}
	return admin_write(a, &r->w);
}

json_t *
admin_limit(uint64_t limit)
{
	return limit == QUOTA_NONE ? json_null() :
	    json_integer((json_int_t)limit);
}

enum admin_step
admin_user_quota_done(struct admin *a, struct op *op)
{
	struct wreq_quota *r = CONTAINER_OF(op, struct wreq_quota, w.op);
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->account);
	} else {
		admin_put_row(a, json_pack("{s:s,s:I,s:o,s:I,s:o}",
		    "account", r->account,
		    "bytes", (json_int_t)r->quota.bytes,
		    "storage_limit", admin_limit(r->quota.max_bytes),
		    "messages", (json_int_t)r->quota.messages,
		    "message_limit", admin_limit(r->quota.max_messages)));
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

/* ---- user role ---- */

enum admin_step
admin_user_role(struct admin *a)
{
	bool is_admin = span_is(a->args[1], "admin");
	struct wreq_account *r;
	char *name;

	if (!is_admin && !span_is(a->args[1], "user"))
		return admin_fail(a, "\"%.*s\" is not a role; it is admin or "
		    "user", SPAN_ARG(a->args[1]));
	name = admin_address_arg(a, 0);
	if (!name)
		return ADMIN_DONE;
	r = wreq_account_new(a->s.env, &a->s);
	r->how = is_admin ? ACCOUNT_HOW_ADMIN : ACCOUNT_HOW_USER;
	r->name = name;
	return admin_write(a, &r->w);
}
