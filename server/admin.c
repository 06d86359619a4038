#include "server/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/lines.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/mime/date.h"
#include "store/read.h"
#include "store/write.h"

/* A backup is long; everything before the command's end is not. */
#define ADMIN_IDLE_MS (60 * 1000)

static struct admin *
admin_of(struct session *s)
{
	return CONTAINER_OF(s, struct admin, s);
}

/* ---- answers ---- */

static void
put_json(struct admin *a, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);

	buf_adds(a->s.out, text ? text : "{\"error\":\"internal\",\"exit\":1}");
	buf_addc(a->s.out, '\n');
	free(text);
	json_decref(line);
}

void
admin_put_row(struct admin *a, json_t *row)
{
	put_json(a, json_pack("{s:o}", "row", row));
}

void
admin_put_note(struct admin *a, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	put_json(a, json_pack("{s:s}", "note", text.p));
	buf_release(&text);
}

void
admin_put_progress(struct admin *a, uint64_t done, uint64_t total)
{
	put_json(a, json_pack("{s:{s:I,s:I}}", "progress", "done",
	    (json_int_t)done, "total", (json_int_t)total));
}

enum admin_step
admin_finish(struct admin *a)
{
	put_json(a, json_pack("{s:b}", "done", 1));
	return ADMIN_DONE;
}

enum admin_step
admin_fail(struct admin *a, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	put_json(a, json_pack("{s:s,s:i}", "error", text.p, "exit",
	    EXIT_REFUSED));
	buf_release(&text);
	return ADMIN_DONE;
}

enum admin_step
admin_fail_err(struct admin *a, int err, const char *what)
{
	switch (err) {
	case ERR_NOUSER:
		return admin_fail(a, "there is no account or address %s; "
		    "`kingpost user list` shows the accounts", what);
	case ERR_NODOMAIN:
		return admin_fail(a, "the domain of %s is not hosted here; "
		    "add it with `kingpost domain add`", what);
	case ERR_EXISTS:
		return admin_fail(a, "%s exists already", what);
	case ERR_NOTFOUND:
		return admin_fail(a, "there is no %s", what);
	case ERR_INUSE:
		return admin_fail(a, "%s is still in use", what);
	case ERR_FULL:
		return admin_fail(a, "the disk is full; nothing was changed");
	default:
		return admin_fail(a, "%s: %s; nothing was changed", what,
		    err_text(err));
	}
}

/* ---- for the commands ---- */

enum admin_step
admin_write(struct admin *a, struct wreq *r)
{
	store_submit(a->s.env->store, r);
	return ADMIN_WAIT;
}

enum admin_step
admin_read(struct admin *a, struct rjob *j)
{
	store_read(a->s.env->store, j);
	return ADMIN_WAIT;
}

char *
admin_address_arg(struct admin *a, unsigned n)
{
	struct span arg = a->args[n], local, domain;
	struct buf key = BUF_INIT;

	if (address_spec_parse(arg, &a->arena, &local, &domain) == 0 &&
	    domain.len && address_key(&key, local, domain) == 0)
		return buf_take(&key);
	buf_release(&key);
	admin_fail(a, "\"%.*s\" is not an address; write it like "
	    "alice@example.org", SPAN_ARG(arg));
	return NULL;
}

char *
admin_domain_arg(struct admin *a, unsigned n)
{
	struct buf key = BUF_INIT;

	if (domain_key(&key, a->args[n]) == 0 && key.len)
		return buf_take(&key);
	buf_release(&key);
	admin_fail(a, "\"%.*s\" is not a domain; write it like example.org",
	    SPAN_ARG(a->args[n]));
	return NULL;
}

char *
admin_alias_arg(struct admin *a, unsigned n)
{
	struct buf key = BUF_INIT;

	if (!span_starts(a->args[n], "@"))
		return admin_address_arg(a, n);
	buf_addc(&key, '@');
	if (domain_key(&key, span_from(a->args[n], 1)) == 0)
		return buf_take(&key);
	buf_release(&key);
	admin_fail(a, "\"%.*s\" is not a catch-all; write it like "
	    "@example.org", SPAN_ARG(a->args[n]));
	return NULL;
}

const char *
admin_date(struct admin *a, int64_t s)
{
	struct buf b = BUF_INIT;
	const char *text;

	if (s == 0)
		return "never";
	date_put_iso(&b, s);
	text = arena_str(&a->arena, buf_span(&b));
	buf_release(&b);
	return text;
}

/* ---- the session ---- */

/* Nothing of the last command is left, least of all its secrets. */
static void
forget_command(struct admin *a)
{
	if (a->secret.cap)
		explicit_bzero(a->secret.p, a->secret.cap);
	if (a->password.cap)
		explicit_bzero(a->password.p, a->password.cap);
	buf_release(&a->secret);
	buf_release(&a->password);
	op_free(a->kept);
	a->kept = NULL;
	arena_clear(&a->arena);
	a->command = NULL;
	a->arg_count = a->literal_count = 0;
	a->literals_left = 0;
	a->stage = 0;
}

static void
after_step(struct admin *a, enum admin_step step)
{
	if (step != ADMIN_DONE) {
		a->s.want = step == ADMIN_WAIT ? WANT_PAUSE : WANT_DRAIN;
		a->s.deadline_ms = 0;
		return;
	}
	/* One command a connection: what comes after is nobody's. */
	forget_command(a);
	a->s.want = WANT_CLOSE;
}

/*
 * Finds the command that the first words name: two of them ("user add"), or
 * one ("status"). Returns how many words it took.
 */
static unsigned
find_command(struct admin *a)
{
	struct buf name = BUF_INIT;
	unsigned words = 0;

	for (unsigned n = 1; n <= 2 && n <= a->arg_count; n++) {
		if (n == 2)
			buf_addc(&name, ' ');
		buf_addspan(&name, a->args[n - 1]);
		for (const struct admin_command *c = admin_commands; c->name;
		    c++)
			if (span_is(buf_span(&name), c->name)) {
				a->command = c;
				words = n;
			}
	}
	buf_release(&name);
	return words;
}

static unsigned
literals_needed(const struct admin_command *c)
{
	return c->needs == NEEDS_PEM_FILES ? 2 : 0;
}

static enum admin_step
run_command(struct admin *a)
{
	unsigned words = find_command(a);

	if (words == 0)
		return admin_fail(a, "the server does not know this command; "
		    "is it an older version than this program?");
	a->arg_count -= words;
	memmove(a->args, a->args + words, a->arg_count * sizeof *a->args);
	if (a->arg_count < a->command->min || a->arg_count > a->command->max)
		return admin_fail(a, "usage: kingpost %s %s",
		    a->command->name, a->command->args);
	if (a->literal_count < literals_needed(a->command))
		return admin_fail(a, "%s: a file is missing",
		    a->command->name);
	log_event(a->s.env->log, LOG_INFO, "admin", "command",
	    F_STR("name", a->command->name),
	    F_SPAN("arg", a->arg_count ? a->args[0] : SPAN("")));
	return a->command->run(a);
}

/* "{n}" as a literal's size; false for any other word. */
static bool
scan_literal(struct span word, uint64_t *n)
{
	struct cursor c = cursor_of_span(word);

	return cursor_skip(&c, '{') &&
	    cursor_number(&c, CONTROL_LITERAL_MAX, n) &&
	    cursor_skip(&c, '}') && cursor_at_end(&c);
}

/* Cuts the line into words and literals to come. False: it is no good. */
static bool
parse_line(struct admin *a, struct span line)
{
	struct cursor c = cursor_of_span(line);

	while (!cursor_at_end(&c)) {
		struct span word = cursor_until(&c, ' ');
		struct buf plain = BUF_INIT;
		uint64_t n;

		(void)cursor_skip(&c, ' ');
		if (scan_literal(word, &n)) {
			if (a->literal_count == CONTROL_LITERALS ||
			    a->literals_left + n > CONTROL_LITERAL_MAX)
				return false;
			a->literals[a->literal_count++].len = (size_t)n;
			a->literals_left += (size_t)n;
			continue;
		}
		/* A brace in a word is encoded; this is a literal too large. */
		if (a->arg_count == ADMIN_ARGS_MAX || span_starts(word, "{") ||
		    percent_decode(&plain, word) < 0) {
			buf_release(&plain);
			return false;
		}
		a->args[a->arg_count++] = arena_span(&a->arena,
		    buf_span(&plain));
		buf_release(&plain);
	}
	return true;
}

static void
all_is_here(struct admin *a)
{
	size_t at = 0;

	for (unsigned i = 0; i < a->literal_count; i++) {
		a->literals[i].p = a->secret.p + at;
		at += a->literals[i].len;
	}
	after_step(a, run_command(a));
}

static size_t
read_line(struct admin *a, const char *p, size_t len)
{
	struct span line;
	size_t used = 0;

	switch (lines_find(p, len, CONTROL_LINE_MAX, 1, &line, &used)) {
	case LINE_MORE:
		return 0;
	case LINE_OK:
		if (!parse_line(a, line))
			break;
		if (a->literals_left == 0)
			all_is_here(a);
		else
			buf_reserve(&a->secret, a->literals_left);
		return used;
	default:
		break;
	}
	after_step(a, admin_fail(a, "the request cannot be understood"));
	return len;
}

static size_t
admin_input(struct session *s, const char *p, size_t len)
{
	struct admin *a = admin_of(s);

	s->deadline_ms = env_now_ms(s->env) + ADMIN_IDLE_MS;
	if (a->literals_left == 0)
		return read_line(a, p, len);
	len = MIN(len, a->literals_left);
	buf_add(&a->secret, p, len);
	a->literals_left -= len;
	if (a->literals_left == 0)
		all_is_here(a);
	return len;
}

static void
admin_start(struct session *s)
{
	s->deadline_ms = env_now_ms(s->env) + ADMIN_IDLE_MS;
}

static void
admin_op_done(struct session *s, struct op *op)
{
	struct admin *a = admin_of(s);

	after_step(a, a->command->done(a, op));
}

static void
admin_drained(struct session *s)
{
	struct admin *a = admin_of(s);
	struct op *op = a->kept;

	/* Only a backup waits for room; its job goes on with the next slice. */
	a->kept = NULL;
	after_step(a, a->command->done(a, op));
}

static void
admin_changed(struct session *s, struct changeset *cs)
{
	(void)s;
	(void)cs;
}

static void
admin_timeout(struct session *s)
{
	after_step(admin_of(s), admin_fail(admin_of(s),
	    "the request did not come in time"));
}

static void
admin_stop(struct session *s, enum stop_reason reason)
{
	(void)reason;
	after_step(admin_of(s), admin_fail(admin_of(s),
	    "the server is ending; try again when it is back"));
}

static void
admin_nothing(struct session *s)
{
	(void)s;
}

static void
admin_end(struct session *s)
{
	struct admin *a = admin_of(s);

	forget_command(a);
	arena_release(&a->arena);
	free(a);
}

static const struct session_ops admin_ops = {
	.name = "admin",
	.start = admin_start,
	.input = admin_input,
	.done = admin_op_done,
	.changed = admin_changed,
	.turn = admin_nothing,
	.drained = admin_drained,
	.secured = admin_nothing,
	.timeout = admin_timeout,
	.stop = admin_stop,
	.end = admin_end,
};

struct session *
admin_make(struct env *env, const void *settings)
{
	struct admin *a = xcalloc(1, sizeof *a);

	session_init(&a->s, &admin_ops, env);
	a->settings = settings;
	buf_init(&a->secret);
	buf_init(&a->password);
	return &a->s;
}
