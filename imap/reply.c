#include "imap/reply.h"

#include "imap/chars.h"
#include "imap/utf7.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/date.h"
#include "store/mime/downgrade.h"

/* A longer string is a literal: quoted ones are lines to many clients. */
#define QUOTED_MAX 1000

/* What a string must avoid. */
struct content {
	bool has_nul;
	bool has_line_end;
	bool has_8bit;
};

static struct content
look_at(struct span s)
{
	struct content c = { 0 };

	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		c.has_nul |= ch == 0;
		c.has_line_end |= ch == '\r' || ch == '\n';
		c.has_8bit |= ch >= 0x80;
	}
	return c;
}

void
imap_put_literal_head(struct buf *out, uint64_t len)
{
	buf_addc(out, '{');
	buf_addu(out, len);
	buf_adds(out, "}\r\n");
}

void
imap_put_literal8_head(struct buf *out, uint64_t len)
{
	buf_addc(out, '~');
	imap_put_literal_head(out, len);
}

void
imap_put_quoted(struct buf *out, struct span s)
{
	size_t start = 0;

	buf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_add(out, s.p + start, i - start);
			buf_addc(out, '\\');
			start = i;
		}
	buf_addspan(out, span_from(s, start));
	buf_addc(out, '"');
}

void
imap_put_string(struct buf *out, struct span s, bool utf8)
{
	struct content c = look_at(s);

	if (c.has_nul) {
		struct buf b = BUF_INIT;

		for (size_t i = 0; i < s.len; i++)
			if (s.p[i])
				buf_addc(&b, s.p[i]);
		imap_put_string(out, buf_span(&b), utf8);
		buf_release(&b);
	} else if (s.len > QUOTED_MAX || c.has_line_end ||
	    (c.has_8bit && !(utf8 && utf8_is_valid(s)))) {
		imap_put_literal_head(out, s.len);
		buf_addspan(out, s);
	} else {
		imap_put_quoted(out, s);
	}
}

void
imap_put_nstring(struct buf *out, bool present, struct span s, bool utf8)
{
	if (present)
		imap_put_string(out, s, utf8);
	else
		buf_adds(out, "NIL");
}

void
imap_put_astring(struct buf *out, struct span s, bool utf8)
{
	bool is_atom = s.len > 0 && s.len <= QUOTED_MAX &&
	    !span_iis(s, "NIL");

	for (size_t i = 0; is_atom && i < s.len; i++)
		is_atom = imap_is_astring_char((unsigned char)s.p[i]);
	if (is_atom)
		buf_addspan(out, s);
	else
		imap_put_string(out, s, utf8);
}

void
imap_put_mailbox(struct buf *out, struct span name, bool utf8)
{
	struct buf b = BUF_INIT;

	if (utf8) {
		imap_put_astring(out, name, true);
		return;
	}
	utf7_encode(&b, name);
	imap_put_astring(out, buf_span(&b), false);
	buf_release(&b);
}

static const struct {
	uint64_t bit;
	const char *name;
} system_flags[] = {
	{ FLAG_ANSWERED, "\\Answered" },
	{ FLAG_FLAGGED, "\\Flagged" },
	{ FLAG_DELETED, "\\Deleted" },
	{ FLAG_SEEN, "\\Seen" },
	{ FLAG_DRAFT, "\\Draft" },
};

void
imap_put_flags(struct buf *out, uint64_t flags, bool recent,
    const char *const *keywords, size_t count)
{
	const char *space = "";

	buf_addc(out, '(');
	if (recent) {
		buf_adds(out, "\\Recent");
		space = " ";
	}
	for (size_t i = 0; i < COUNT(system_flags); i++) {
		if (!(flags & system_flags[i].bit))
			continue;
		buf_adds(out, space);
		buf_adds(out, system_flags[i].name);
		space = " ";
	}
	for (size_t i = 0; i < MIN(count, KEYWORDS_MAX); i++) {
		if (!(flags >> (KEYWORD_FIRST + i) & 1))
			continue;
		buf_adds(out, space);
		buf_adds(out, keywords[i]);
		space = " ";
	}
	buf_addc(out, ')');
}

void
imap_put_modseq(struct buf *out, uint64_t modseq)
{
	buf_adds(out, "MODSEQ (");
	buf_addu(out, modseq);
	buf_addc(out, ')');
}

void
imap_put_objectid(struct buf *out, enum object_kind kind, uint64_t id)
{
	if (id == 0) {
		buf_adds(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	buf_addc(out, (char)kind);
	buf_addu(out, id);
	buf_addc(out, ')');
}

void
imap_put_internaldate(struct buf *out, int64_t utc_s)
{
	buf_addc(out, '"');
	date_put_imap(out, utc_s);
	buf_addc(out, '"');
}

const char *
imap_use_name(enum special_use use)
{
	switch (use) {
	case USE_NONE:
		break;
	case USE_ARCHIVE:
		return "\\Archive";
	case USE_DRAFTS:
		return "\\Drafts";
	case USE_JUNK:
		return "\\Junk";
	case USE_SENT:
		return "\\Sent";
	case USE_TRASH:
		return "\\Trash";
	}
	return NULL;
}

void
imap_put_status(struct buf *out, const struct mailbox_info *box,
    unsigned items, uint64_t append_limit)
{
	const struct {
		unsigned item;
		const char *name;
		uint64_t value;
	} rows[] = {
		{ STATUS_MESSAGES, "MESSAGES", box->messages },
		{ STATUS_RECENT, "RECENT", box->recent },
		{ STATUS_UIDNEXT, "UIDNEXT", box->uidnext },
		{ STATUS_UIDVALIDITY, "UIDVALIDITY", box->uidvalidity },
		{ STATUS_UNSEEN, "UNSEEN", box->unseen },
		{ STATUS_APPENDLIMIT, "APPENDLIMIT", append_limit },
		{ STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", box->modseq },
		{ STATUS_SIZE, "SIZE", box->bytes },
		{ STATUS_DELETED, "DELETED", box->deleted },
		{ STATUS_DELETED_STORAGE, "DELETED-STORAGE",
		    box->deleted_bytes },
		{ STATUS_MAILBOXID, "MAILBOXID", box->id },
	};
	const char *space = "";

	buf_addc(out, '(');
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!(items & rows[i].item))
			continue;
		buf_adds(out, space);
		buf_adds(out, rows[i].name);
		buf_addc(out, ' ');
		if (rows[i].item == STATUS_MAILBOXID)
			imap_put_objectid(out, OBJECT_MAILBOX, box->id);
		else
			buf_addu(out, rows[i].value);
		space = " ";
	}
	buf_addc(out, ')');
}

void
imap_put_text(struct buf *out, struct span s)
{
	if (s.len == 0)
		buf_addc(out, '-');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		/* "[" at the front would begin a response code. */
		if (i == 0 && c == '[')
			buf_addc(out, '(');
		else
			buf_addc(out, c >= ' ' && c < 0x7f ? s.p[i] : '?');
	}
}

/* An address of ENVELOPE: (name route mailbox host). */
static void
put_address(struct buf *out, const struct address *a, bool utf8)
{
	bool is_end = a->kind == ADDR_END;
	struct span name = a->kind == ADDR_MAILBOX ? a->display :
	    span_make(NULL, 0);
	/* A group's name stands where its mailbox would. */
	struct span local = a->kind == ADDR_GROUP ? a->display : a->local;

	buf_addc(out, '(');
	imap_put_nstring(out, name.len > 0, name, utf8);
	buf_addc(out, ' ');
	imap_put_nstring(out, a->kind == ADDR_MAILBOX && a->route.len > 0,
	    a->route, utf8);
	buf_addc(out, ' ');
	imap_put_nstring(out, !is_end, local, utf8);
	buf_addc(out, ' ');
	/* No host means group, so that an address without one has "". */
	imap_put_nstring(out, a->kind == ADDR_MAILBOX, a->domain, utf8);
	buf_addc(out, ')');
}

static void
put_addresses(struct buf *out, const struct addrlist *list, bool utf8)
{
	struct arena arena = { 0 };

	if (list->n == 0) {
		buf_adds(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	for (size_t i = 0; i < list->n; i++) {
		struct address shown = list->v[i];

		if (!utf8)
			shown = downgrade_address(&shown, &arena);
		put_address(out, &shown, utf8);
	}
	buf_addc(out, ')');
	arena_release(&arena);
}

/*
 * A field without a rule of its own: RFC 6858 section 2.4 leaves out what
 * cannot be shown.
 */
static void
put_field(struct buf *out, bool present, struct span value, bool utf8)
{
	imap_put_nstring(out, present && (utf8 || !downgrade_is_needed(value)),
	    value, utf8);
}

static void
put_subject(struct buf *out, const struct envelope *e, bool utf8)
{
	struct buf b = BUF_INIT;

	if (utf8 || !downgrade_is_needed(e->subject)) {
		imap_put_nstring(out, e->has_subject, e->subject, utf8);
		return;
	}
	downgrade_text(&b, e->subject);
	imap_put_nstring(out, e->has_subject, buf_span(&b), false);
	buf_release(&b);
}

void
imap_put_envelope(struct buf *out, const struct envelope *e, bool utf8)
{
	/* RFC 3501 section 7.4.2: absent or empty, they are as From */
	const struct addrlist *lists[] = {
		&e->from,
		e->sender.n ? &e->sender : &e->from,
		e->reply_to.n ? &e->reply_to : &e->from,
		&e->to, &e->cc, &e->bcc,
	};

	buf_addc(out, '(');
	put_field(out, e->has_date, e->date, utf8);
	buf_addc(out, ' ');
	put_subject(out, e, utf8);
	for (size_t i = 0; i < COUNT(lists); i++) {
		buf_addc(out, ' ');
		put_addresses(out, lists[i], utf8);
	}
	buf_addc(out, ' ');
	put_field(out, e->has_in_reply_to, e->in_reply_to, utf8);
	buf_addc(out, ' ');
	put_field(out, e->has_message_id, e->message_id, utf8);
	buf_addc(out, ')');
}
