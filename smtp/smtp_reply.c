#include "smtp/smtp_reply.h"

#include <assert.h>

#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

static const struct smtp_reply replies[] = {
#define X(id, code, enhanced, flags, text) \
	[id] = { code, enhanced, flags, text },
	SMTP_REPLY_LIST(X)
#undef X
};

/* Trouble of our own; a peer may always try again (LIMITS: promises). */
static const struct {
	int err;
	enum smtp_reply_id reply;
} errors[] = {
	{ ERR_FULL,   R_NO_SPACE },
	{ ERR_BUDGET, R_NO_MEMORY },
	{ ERR_QUOTA,  R_QUOTA },
	{ ERR_NOUSER, R_ACCOUNT_GONE },
	{ ERR_NOMBOX, R_ACCOUNT_GONE },
	{ ERR_CLOSED, R_SHUTDOWN },
};

const struct smtp_reply *
smtp_reply_get(enum smtp_reply_id id)
{
	assert((unsigned)id < COUNT(replies));
	return &replies[id];
}

enum smtp_reply_id
smtp_reply_for_err(int err)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].err == err)
			return errors[i].reply;
	return R_TROUBLE;
}

/* Appends words that may hold bytes of a peer's. */
static void
put_text(struct buf *out, struct span text, bool is_utf8)
{
	struct span s = span_head(text, SMTP_REPLY_TEXT_MAX);

	/* A cut may go through a character: then none of them is kept. */
	if (is_utf8 && !utf8_is_valid(s))
		is_utf8 = false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f || (c > 0x7f && !is_utf8))
			c = '?';
		buf_addc(out, (char)c);
	}
}

void
smtp_reply_put(struct buf *out, enum smtp_reply_id id, struct span text,
    bool is_utf8)
{
	const struct smtp_reply *r = smtp_reply_get(id);

	buf_printf(out, "%d ", r->code);
	if (*r->enhanced)
		buf_printf(out, "%s ", r->enhanced);
	put_text(out, text.len ? text : span_of(r->text), is_utf8);
	buf_adds(out, "\r\n");
}

void
smtp_reply_line(struct buf *out, int code, bool is_last, const char *text)
{
	buf_printf(out, "%d%c%s\r\n", code, is_last ? ' ' : '-', text);
}
