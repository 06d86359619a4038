/*
 * APPEND (RFC 3501 section 6.3.11, RFC 3502, RFC 3516), and which literals are
 * messages.
 */
#include "imap/framer.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "store/mime/date.h"

/* What the framer leaves of a message: NUL number ':' size NUL. */
static enum parse
parse_mark(struct imap_parser *p, struct imap_append_msg *m)
{
	const char *start = p->c.p;
	uint64_t number;

	if (!cursor_skip(&p->c, '\0') ||
	    !cursor_number(&p->c, IMAP_LITERAL_COUNT_MAX, &number) ||
	    !cursor_skip(&p->c, ':') ||
	    !cursor_number(&p->c, UINT64_MAX, &m->size) ||
	    !cursor_skip(&p->c, '\0')) {
		p->c.p = start;
		return imap_bad(p, "expected a message as a literal");
	}
	m->number = (unsigned)number;
	return PARSE_OK;
}

static enum parse
parse_date_time(struct imap_parser *p, struct imap_append_msg *m)
{
	const char *start = p->c.p;
	struct span s;

	if (imap_parse_string(p, &s))
		return PARSE_BAD;
	if (date_parse_imap(s, &m->date_s) < 0) {
		p->c.p = start;
		return imap_bad(p, "expected a date like "
		    "\"17-Jul-1996 02:44:25 -0700\"");
	}
	m->has_date = true;
	return PARSE_OK;
}

/*
 * "UTF8" SP "(" literal8 ")" of RFC 6855 section 4. RFC 9755 has it no more:
 * it is the message and nothing else.
 */
static enum parse
parse_utf8(struct imap_parser *p, struct imap_append_msg *m)
{
	return imap_parse_space(p) ||
	    imap_expect(p, '(', "expected a message in parentheses") ||
	    parse_mark(p, m) ||
	    imap_expect(p, ')', "expected \")\" after the message") ?
	    PARSE_BAD : PARSE_OK;
}

/* append-message: [SP flag-list] [SP date-time] SP literal */
static enum parse
parse_message(struct imap_parser *p, struct imap_append_msg *m)
{
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (cursor_peek(&p->c) == '(' &&
	    (imap_parse_flag_list(p, &m->flags) || imap_parse_space(p)))
		return PARSE_BAD;
	if (cursor_peek(&p->c) == '"' &&
	    (parse_date_time(p, m) || imap_parse_space(p)))
		return PARSE_BAD;
	return cursor_skip_word(&p->c, "UTF8") ? parse_utf8(p, m) :
	    parse_mark(p, m);
}

/* Messages that are still to come: a mark has two NULs. */
static size_t
count_marks(struct cursor c)
{
	size_t nuls = 0;

	while (!cursor_at_end(&c))
		nuls += cursor_next(&c) == '\0';
	return nuls / 2;
}

enum parse
imap_parse_append(struct imap_parser *p, union imap_args *a)
{
	struct imap_append_args *ap = &a->append;
	size_t max;

	*ap = (struct imap_append_args){ 0 };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &ap->name))
		return PARSE_BAD;
	max = count_marks(p->c);
	if (max > IMAP_APPEND_MAX)
		return imap_bad(p, "too many messages in one APPEND");
	ap->msgs = arena_array(p->arena, max + 1, sizeof *ap->msgs);
	do {
		if (ap->msg_count == max + 1)
			return imap_bad(p, "expected a message");
		if (parse_message(p, &ap->msgs[ap->msg_count]))
			return PARSE_BAD;
		ap->msg_count++;
	} while (!cursor_at_end(&p->c) && ap->msg_count < max);
	return imap_parse_end(p);
}

enum parse
imap_parse_append_so_far(struct imap_parser *p, struct span text,
    union imap_args *a)
{
	static const char mark[] = "\0" "0:0";	/* and its last NUL */
	size_t len = text.len + sizeof mark;
	char *whole = arena_alloc(p->arena, len + 1);
	struct imap_start start;

	if (text.len)
		memcpy(whole, text.p, text.len);
	memcpy(whole + text.len, mark, sizeof mark);
	/* The one thing that is still to come behind a message. */
	if (text.len && text.p[text.len - 1] == '(')
		whole[len++] = ')';
	p->c = cursor_of_span(span_make(whole, len));
	a->append = (struct imap_append_args){ 0 };
	if (imap_parse_start(p, &start) || imap_parse_append(p, a))
		return PARSE_BAD;
	a->append.msgs[a->append.msg_count - 1].number =
	    (unsigned)a->append.msg_count - 1;
	return PARSE_OK;
}

/*
 * If the command is whole with a message put here, it is one. If it fails at
 * this very place and the mailbox is not there yet, it is the mailbox's name.
 */
static enum literal_role
append_role(struct span text, struct arena *arena, const char **why)
{
	struct imap_parser p;
	union imap_args args;

	imap_parser_init(&p, text, arena);
	if (imap_parse_append_so_far(&p, text, &args) == PARSE_OK)
		return LITERAL_MESSAGE;
	if (args.append.msg_count == 0 && !args.append.msgs &&
	    cursor_left(&p.c) == sizeof "\0" "0:0")
		return LITERAL_ARGUMENT;
	*why = p.why;
	return LITERAL_SENSELESS;
}

static enum literal_role
literal_role(struct span text, bool binary, const char **why)
{
	struct arena arena = { 0 };
	struct imap_parser p;
	struct imap_start start;
	enum literal_role role = LITERAL_ARGUMENT;

	imap_parser_init(&p, text, &arena);
	if (imap_parse_start(&p, &start)) {
		*why = p.why;
		role = LITERAL_SENSELESS;
	} else if (!start.uid && span_iis(start.verb, "APPEND")) {
		role = append_role(text, &arena, why);
	}
	/* RFC 5464 section 5: the values of SETMETADATA too. */
	if (binary && role == LITERAL_ARGUMENT &&
	    !span_iis(start.verb, "SETMETADATA")) {
		*why = "only a message can be a literal8";
		role = LITERAL_SENSELESS;
	}
	arena_release(&arena);
	return role;
}

const struct framer_roles imap_literal_roles = { .role = literal_role };
