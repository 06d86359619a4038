/*
 * APPEND (RFC 3501 section 6.3.11, RFC 3502, RFC 3516, RFC 4469), REPLACE (RFC
 * 8508), and which literals are messages.
 */
#include "imap/framer.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "store/mime/date.h"

/* What the framer leaves of a message: NUL number ':' size NUL. */
static enum parse
parse_mark(struct imap_parser *p, struct imap_cat_part *part)
{
	const char *start = p->c.p;
	uint64_t number;

	if (!cursor_skip(&p->c, '\0') ||
	    !cursor_number(&p->c, IMAP_LITERAL_COUNT_MAX, &number) ||
	    !cursor_skip(&p->c, ':') ||
	    !cursor_number(&p->c, UINT64_MAX, &part->size) ||
	    !cursor_skip(&p->c, '\0')) {
		p->c.p = start;
		return imap_bad(p, "expected a message as a literal");
	}
	part->number = (unsigned)number;
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

/* Room for one more; what is there moves. Full at each power of two. */
static void *
grow(struct imap_parser *p, void *v, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))
		return v;
	more = arena_array(p->arena, n ? 2 * n : 1, size);
	if (n)
		memcpy(more, v, n * size);
	return more;
}

static struct imap_cat_part *
add_part(struct imap_parser *p, struct imap_append_msg *m)
{
	m->parts = grow(p, m->parts, m->part_count, sizeof *m->parts);
	return &m->parts[m->part_count++];
}

/* A literal was announced here, and nothing is known of what follows. */
static bool
is_so_far(const struct imap_parser *p)
{
	return p->so_far && cursor_at_end(&p->c);
}

/* cat-part: "TEXT" SP literal / "URL" SP astring */
static enum parse
parse_part(struct imap_parser *p, struct imap_append_msg *m)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);
	struct imap_cat_part *part;

	if (m->part_count == IMAP_CATENATE_MAX)
		return imap_bad(p, "too many parts in one message");
	part = add_part(p, m);
	part->is_url = span_iis(word, "URL");
	if (!part->is_url && !span_iis(word, "TEXT")) {
		p->c.p = start;
		return imap_bad(p, "expected TEXT or URL");
	}
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (!part->is_url)
		return parse_mark(p, part);
	p->argument = p->c.p;
	return imap_parse_astring(p, &part->url);
}

/* "(" cat-part *(SP cat-part) ")" */
static enum parse
parse_parts(struct imap_parser *p, struct imap_append_msg *m)
{
	m->is_catenated = true;
	if (imap_parse_space(p) || imap_expect(p, '(', "expected \"(\""))
		return PARSE_BAD;
	do {
		if (parse_part(p, m))
			return PARSE_BAD;
		if (is_so_far(p))
			return PARSE_OK;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the parts");
}

/*
 * "UTF8" SP "(" literal8 ")" of RFC 6855 section 4. RFC 9755 has it no more:
 * it is the message and nothing else.
 */
static enum parse
parse_utf8(struct imap_parser *p, struct imap_append_msg *m)
{
	if (imap_parse_space(p) ||
	    imap_expect(p, '(', "expected a message in parentheses") ||
	    parse_mark(p, add_part(p, m)))
		return PARSE_BAD;
	return is_so_far(p) ? PARSE_OK :
	    imap_expect(p, ')', "expected \")\" after the message");
}

/* append-message: [SP flag-list] [SP date-time] SP append-data */
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
	if (cursor_skip_word(&p->c, "CATENATE"))
		return parse_parts(p, m);
	if (cursor_skip_word(&p->c, "UTF8"))
		return parse_utf8(p, m);
	return parse_mark(p, add_part(p, m));
}

static bool
has_more(const struct imap_parser *p)
{
	struct cursor c = p->c;

	while (cursor_skip(&c, ' '))
		;
	return !cursor_at_end(&c);
}

static enum parse
parse_messages(struct imap_parser *p, struct imap_append_args *ap, size_t max)
{
	p->argument = p->c.p;
	if (imap_parse_mailbox(p, &ap->name))
		return PARSE_BAD;
	do {
		struct imap_append_msg m = { 0 };

		if (ap->msg_count == max)
			return imap_bad(p, "too many messages at once");
		if (parse_message(p, &m))
			return PARSE_BAD;
		ap->msgs = grow(p, ap->msgs, ap->msg_count, sizeof m);
		ap->msgs[ap->msg_count++] = m;
	} while (has_more(p));
	return imap_parse_end(p);
}

enum parse
imap_parse_append(struct imap_parser *p, union imap_args *a)
{
	a->append = (struct imap_append_args){ 0 };
	return imap_parse_space(p) ||
	    parse_messages(p, &a->append, IMAP_APPEND_MAX) ?
	    PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_replace(struct imap_parser *p, union imap_args *a)
{
	struct imap_append_args *ap = &a->append;

	*ap = (struct imap_append_args){ 0 };
	if (imap_parse_space(p) || imap_parse_seqset(p, &ap->replaced))
		return PARSE_BAD;
	if (ap->replaced.n != 1 ||
	    ap->replaced.v[0].lo != ap->replaced.v[0].hi)
		return imap_bad(p, "expected the number of one message");
	return imap_parse_space(p) || parse_messages(p, ap, 1) ?
	    PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_append_so_far(struct imap_parser *p, struct span text,
    union imap_args *a)
{
	static const char mark[] = "\0" "0:0";	/* and its last NUL */
	char *whole = arena_alloc(p->arena, text.len + sizeof mark);
	struct imap_start start;

	if (text.len)
		memcpy(whole, text.p, text.len);
	memcpy(whole + text.len, mark, sizeof mark);
	p->c = cursor_of_span(span_make(whole, text.len + sizeof mark));
	p->so_far = true;
	if (imap_parse_start(p, &start))
		return PARSE_BAD;
	return span_iis(start.verb, "REPLACE") ? imap_parse_replace(p, a) :
	    imap_parse_append(p, a);
}

/*
 * If the command is fine with a message put here, it is one. If it fails at
 * this very place because a string is wanted, it is that: the mailbox's name,
 * or a URL.
 */
static enum literal_role
append_role(struct span text, struct arena *arena, const char **why)
{
	struct imap_parser p;
	union imap_args args;

	imap_parser_init(&p, text, arena);
	if (imap_parse_append_so_far(&p, text, &args) == PARSE_OK)
		return LITERAL_MESSAGE;
	if (p.argument == p.c.p && cursor_left(&p.c) == sizeof "\0" "0:0")
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
	} else if (span_iis(start.verb, "REPLACE") ||
	    (!start.uid && span_iis(start.verb, "APPEND"))) {
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
