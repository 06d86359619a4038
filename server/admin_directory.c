/*
 * domain and alias: what addresses there are besides the accounts' own.
 */
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/account.h"

/* ---- domain ---- */

static enum admin_step
change_domain(struct admin *a, enum directory_how how)
{
	char *name = admin_domain_arg(a, 0);
	struct wreq_domain *r;

	if (!name)
		return ADMIN_DONE;
	r = wreq_domain_new(a->s.env, &a->s);
	r->how = how;
	r->name = name;
	return admin_write(a, &r->w);
}

enum admin_step
admin_domain_add(struct admin *a)
{
	return change_domain(a, DIR_ADD);
}

enum admin_step
admin_domain_del(struct admin *a)
{
	return change_domain(a, DIR_DEL);
}

enum admin_step
admin_domain_done(struct admin *a, struct op *op)
{
	struct wreq_domain *r = CONTAINER_OF(op, struct wreq_domain, w.op);
	enum admin_step step;

	if (op->err == ERR_INUSE) {
		step = admin_fail(a, "%s still has accounts or aliases; "
		    "delete those first", r->name);
	} else if (op->err == ERR_NODOMAIN || op->err == ERR_NOTFOUND) {
		step = admin_fail(a, "%s is not hosted here; `kingpost domain "
		    "list` shows the domains", r->name);
	} else if (op->err < 0) {
		step = admin_fail_err(a, op->err, r->name);
	} else {
		admin_put_note(a, r->how == DIR_ADD ?
		    "%s is hosted here now" : "%s is no longer hosted here",
		    r->name);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_domain_list(struct admin *a)
{
	return admin_read(a, &rjob_directory_new(a->s.env, &a->s,
	    LIST_DOMAINS)->j);
}

enum admin_step
admin_domain_list_done(struct admin *a, struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);
	enum admin_step step;

	for (size_t i = 0; op->err == 0 && i < d->count; i++)
		admin_put_row(a, json_pack("{s:s,s:I,s:s}",
		    "domain", d->domains[i].name,
		    "addresses", (json_int_t)d->domains[i].addresses,
		    "created", admin_date(a, d->domains[i].created_s)));
	step = op->err < 0 ? admin_fail_err(a, op->err, "the list") :
	    admin_finish(a);
	op_free(op);
	return step;
}

/* ---- alias ---- */

static struct wreq_alias *
new_alias(struct admin *a, enum directory_how how)
{
	char *address = admin_alias_arg(a, 0);
	struct wreq_alias *r;

	if (!address)
		return NULL;
	r = wreq_alias_new(a->s.env, &a->s);
	r->how = how;
	r->address = address;
	return r;
}

/* Arguments from 1 on as targets. False: answered already, r is freed. */
static bool
add_targets(struct admin *a, struct wreq_alias *r)
{
	r->targets = xcalloc(a->arg_count, sizeof *r->targets);
	for (unsigned i = 1; i < a->arg_count; i++) {
		char *target = admin_address_arg(a, i);

		if (!target) {
			op_free(&r->w.op);
			return false;
		}
		r->targets[r->target_count++] = target;
	}
	return true;
}

enum admin_step
admin_alias_add(struct admin *a)
{
	struct wreq_alias *r = new_alias(a, DIR_ADD);

	if (!r || !add_targets(a, r))
		return ADMIN_DONE;
	return admin_write(a, &r->w);
}

/* It goes into replies of SMTP and into JSON. */
static bool
is_sentence(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return utf8_is_valid(s);
}

enum admin_step
admin_alias_refuse(struct admin *a)
{
	struct wreq_alias *r = new_alias(a, DIR_ADD);

	if (!r)
		return ADMIN_DONE;
	r->refused = true;
	if (a->arg_count > 1 && !is_sentence(a->args[1])) {
		op_free(&r->w.op);
		return admin_fail(a, "the reason is one line of text, in "
		    "UTF-8 and without control characters");
	}
	if (a->arg_count > 1)
		r->reason = xstrdup(arena_str(&a->arena, a->args[1]));
	return admin_write(a, &r->w);
}

enum admin_step
admin_alias_del(struct admin *a)
{
	struct wreq_alias *r = new_alias(a, DIR_DEL);

	if (!r || !add_targets(a, r))
		return ADMIN_DONE;
	return admin_write(a, &r->w);
}

static enum admin_step
fail_alias(struct admin *a, const struct wreq_alias *r, int err)
{
	const char *who = r->culprit_r ? r->culprit_r : r->address;

	switch (err) {
	case ERR_REFUSED:
		return admin_fail(a, "%s cannot be a target: it leads back "
		    "to the alias", who);
	case ERR_EXISTS:
		return admin_fail(a, "%s is taken: it is an account or has "
		    "this target already", who);
	case ERR_NOTFOUND:
		return admin_fail(a, "there is no alias %s; `kingpost alias "
		    "list` shows them", who);
	default:
		return admin_fail_err(a, err, who);
	}
}

enum admin_step
admin_alias_done(struct admin *a, struct op *op)
{
	struct wreq_alias *r = CONTAINER_OF(op, struct wreq_alias, w.op);
	enum admin_step step;

	if (op->err < 0) {
		step = fail_alias(a, r, op->err);
	} else {
		if (r->how == DIR_DEL)
			admin_put_note(a, r->target_count ?
			    "%s no longer leads there" : "%s is deleted",
			    r->address);
		else
			admin_put_note(a, r->refused ?
			    "mail for %s is refused now" :
			    "mail for %s is delivered to its targets now",
			    r->address);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}

enum admin_step
admin_alias_list(struct admin *a)
{
	return admin_read(a, &rjob_directory_new(a->s.env, &a->s,
	    LIST_ALIASES)->j);
}

enum admin_step
admin_alias_list_done(struct admin *a, struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);
	enum admin_step step;

	for (size_t i = 0; op->err == 0 && i < d->count; i++) {
		const struct alias_row *l = &d->aliases[i];
		json_t *targets = json_array();

		for (size_t t = 0; t < l->target_count; t++)
			json_array_append_new(targets,
			    json_string(l->targets[t]));
		admin_put_row(a, json_pack("{s:s,s:o,s:b,s:s}",
		    "alias", l->address, "targets", targets,
		    "refused", l->refused,
		    "reason", l->reason ? l->reason : ""));
	}
	step = op->err < 0 ? admin_fail_err(a, op->err, "the list") :
	    admin_finish(a);
	op_free(op);
	return step;
}
