/*
 * IDLE (RFC 2177): a command that lasts until DONE, and tells meanwhile.
 *
 * Whatever follows DONE in the same packet is the next command's (CLIENTS:
 * phones send it at once), which the framer's line mode sees to.
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"

static void
set_still_here(struct imap *im)
{
	im->still_here_ms = env_now_ms(im->s.env) + IMAP_STILL_HERE_MS;
}

static void
idle_release(struct imap *im)
{
	free(im->cmd.state);
}

/* Most connections spend their days here: all that stays is the tag. */
static void
keep_the_tag(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;

	c->state = xmemdup(c->tag.p, c->tag.len);
	c->tag.p = c->state;
	c->release = idle_release;
	arena_release(&c->arena);
	framer_done(&im->framer);
}

enum imap_step
imap_run_idle(struct imap *im)
{
	keep_the_tag(im);
	im->mode = MODE_IDLE;
	set_still_here(im);
	imap_continue(im, "idling");
	return imap_done_idle(im, NULL);
}

enum imap_step
imap_done_idle(struct imap *im, struct op *op)
{
	enum imap_step step;

	/* Who does not read is told the rest when it does. */
	if (!op && im->s.out->len > SESSION_OUT_HIGH)
		return STEP_YIELD;
	step = imap_tell(im, false, op);
	return step == STEP_DONE ? STEP_INPUT : step;
}

enum imap_step
imap_idle_line(struct imap *im, struct span line)
{
	if (span_iis(line, "DONE"))
		return imap_ok(im, NULL, "IDLE completed");
	return imap_bad(im, "Expected DONE");
}

/*
 * Keeps address translators from forgetting the connection, and finds out
 * where a client has gone without a word.
 */
void
imap_idle_still_here(struct imap *im)
{
	buf_adds(im->s.out, "* OK Still here\r\n");
	set_still_here(im);
}
