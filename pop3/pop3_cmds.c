/*
 * The maildrop but for its messages' text: STAT, LIST, UIDL, DELE, RSET,
 * NOOP, QUIT (RFC 1939 sections 5 to 7).
 */
#include "pop3/pop3_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/store.h"
#include "store/write.h"

/* Whether the message can be named; if not, the refusal is given. */
static bool
check_msg(struct pop3 *s, uint32_t msg)
{
	if (msg == 0 || msg > s->count) {
		pop3_err(s, NULL, "There is no such message");
		return false;
	}
	if (pop3_is_deleted(s, msg)) {
		pop3_err(s, NULL, "That message is deleted");
		return false;
	}
	return true;
}

enum pop3_step
pop3_run_stat(struct pop3 *s)
{
	buf_printf(s->s.out, "+OK %" PRIu32 " %" PRIu64 "\r\n",
	    s->left_count, s->left_size);
	return STEP_DONE;
}

/* ---- LIST and UIDL ---- */

static void
put_size(struct pop3 *s, const char *before, uint32_t msg)
{
	struct msgrow row;

	(void)view_get(&s->view, msg, &row);
	buf_printf(s->s.out, "%s%" PRIu32 " %" PRIu32 "\r\n", before, msg,
	    row.size);
}

/*
 * RFC 1939 section 7: a unique-id never changes and is never given again;
 * neither is a UID under its UIDVALIDITY.
 */
static void
put_unique_id(struct pop3 *s, const char *before, uint32_t msg)
{
	struct msgrow row;

	(void)view_get(&s->view, msg, &row);
	buf_printf(s->s.out, "%s%" PRIu32 " %" PRIu32 ".%" PRIu32 "\r\n",
	    before, msg, view_uidvalidity(&s->view), row.uid);
}

/* Lines for the messages that are left, until output is full. */
static enum pop3_step
put_lines(struct pop3 *s, void (*put)(struct pop3 *, const char *, uint32_t))
{
	for (; s->next <= s->count; s->next++) {
		if (s->s.out->len > SESSION_OUT_HIGH)
			return STEP_DRAIN;
		if (!pop3_is_deleted(s, s->next))
			put(s, "", s->next);
	}
	buf_adds(s->s.out, ".\r\n");
	return STEP_DONE;
}

enum pop3_step
pop3_more_list(struct pop3 *s)
{
	return put_lines(s, put_size);
}

enum pop3_step
pop3_run_list(struct pop3 *s)
{
	if (s->args.has_msg) {
		if (check_msg(s, s->args.msg))
			put_size(s, "+OK ", s->args.msg);
		return STEP_DONE;
	}
	buf_printf(s->s.out, "+OK %" PRIu32 " messages (%" PRIu64
	    " octets)\r\n", s->left_count, s->left_size);
	s->next = 1;
	return pop3_more_list(s);
}

enum pop3_step
pop3_more_uidl(struct pop3 *s)
{
	return put_lines(s, put_unique_id);
}

enum pop3_step
pop3_run_uidl(struct pop3 *s)
{
	if (s->args.has_msg) {
		if (check_msg(s, s->args.msg))
			put_unique_id(s, "+OK ", s->args.msg);
		return STEP_DONE;
	}
	pop3_ok(s, "The unique ids");
	s->next = 1;
	return pop3_more_uidl(s);
}

/* ---- DELE, RSET, NOOP ---- */

/* Moves the message in or out of what is deleted. */
static void
set_deleted(struct pop3 *s, uint32_t msg, bool deleted)
{
	unsigned char bit = (unsigned char)(1u << (msg - 1) % 8);
	struct msgrow row;

	if (pop3_is_deleted(s, msg) == deleted)
		return;
	(void)view_get(&s->view, msg, &row);
	s->deleted[(msg - 1) / 8] ^= bit;
	if (deleted) {
		s->left_count--;
		s->left_size -= row.size;
	} else {
		s->left_count++;
		s->left_size += row.size;
	}
}

enum pop3_step
pop3_run_dele(struct pop3 *s)
{
	if (!check_msg(s, s->args.msg))
		return STEP_DONE;
	set_deleted(s, s->args.msg, true);
	pop3_ok(s, "Deleted, once you say QUIT");
	return STEP_DONE;
}

enum pop3_step
pop3_run_rset(struct pop3 *s)
{
	for (uint32_t i = 1; i <= s->count; i++)
		set_deleted(s, i, false);
	pop3_ok(s, "Nothing is deleted");
	return STEP_DONE;
}

enum pop3_step
pop3_run_noop(struct pop3 *s)
{
	pop3_ok(s, "Still here");
	return STEP_DONE;
}

/* ---- QUIT ---- */

/* What goes anyway need not be marked as seen. */
static void
forget_deleted_seen(struct pop3 *s)
{
	struct uidset left = { 0 };
	struct msgrow row;

	if (!s->seen.n)
		return;
	for (uint32_t i = 1; i <= s->count; i++) {
		if (pop3_is_deleted(s, i))
			continue;
		(void)view_get(&s->view, i, &row);
		if (uidset_has(&s->seen, row.uid))
			uidset_add(&left, row.uid, row.uid);
	}
	uidset_release(&s->seen);
	s->seen = left;
}

/* RFC 1939 section 6: the UPDATE state is one request. */
static enum pop3_step
expunge(struct pop3 *s)
{
	struct wreq_expunge *w = wreq_expunge_new(s->s.env, &s->s);
	struct msgrow row;

	forget_deleted_seen(s);
	pop3_flush_seen(s);
	w->mailbox = s->mailbox;
	for (uint32_t i = 1; i <= s->count; i++) {
		if (!pop3_is_deleted(s, i))
			continue;
		(void)view_get(&s->view, i, &row);
		uidset_add(&w->uids, row.uid, row.uid);
	}
	store_submit(s->s.env->store, &w->w);
	return STEP_WAIT;
}

enum pop3_step
pop3_run_quit(struct pop3 *s)
{
	if (s->state == ST_TRANS && s->left_count < s->count)
		return expunge(s);
	pop3_flush_seen(s);
	pop3_ok(s, "Goodbye");
	return STEP_CLOSE;
}

enum pop3_step
pop3_done_quit(struct pop3 *s, struct op *op)
{
	int err = op->err;
	char text[64];

	op_free(op);
	if (err < 0 && err != ERR_NOMBOX) {
		pop3_err(s, "SYS/TEMP", "The messages could not be deleted; "
		    "try again later");
		return STEP_CLOSE;
	}
	(void)snprintf(text, sizeof text, "Goodbye; %" PRIu32
	    " messages deleted", s->count - s->left_count);
	pop3_ok(s, text);
	return STEP_CLOSE;
}
