/*
 * NOTIFY's arguments (RFC 5465 section 8).
 */
#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/xalloc.h"

#define MESSAGE_EVENTS (NOTIFY_NEW | NOTIFY_EXPUNGE | NOTIFY_FLAGS)

static const struct {
	const char *name;
	unsigned event;
} events[] = {
	{ "MessageNew", NOTIFY_NEW },
	{ "MessageExpunge", NOTIFY_EXPUNGE },
	{ "FlagChange", NOTIFY_FLAGS },
	{ "MailboxName", NOTIFY_NAME },
	{ "SubscriptionChange", NOTIFY_SUBSCRIPTION },
	{ "MailboxMetadataChange", NOTIFY_METADATA },
	{ "ServerMetadataChange", NOTIFY_SERVER_METADATA },
};

static const struct {
	const char *name;
	enum imap_notify_filter filter;
	bool has_names;
} filters[] = {
	{ "inboxes", NOTIFY_INBOXES, false },
	{ "personal", NOTIFY_PERSONAL, false },
	{ "subscribed", NOTIFY_SUBSCRIBED, false },
	{ "subtree", NOTIFY_SUBTREE, true },
	{ "mailboxes", NOTIFY_MAILBOXES, true },
};

/* While a command is parsed. */
struct notify_parse {
	struct imap_parser *p;
	struct imap_notify_args *args;
	size_t names;		/* of all groups */
};

static enum parse
parse_name(struct notify_parse *np, struct imap_notify_group *g)
{
	struct span *name = &g->names[g->name_count];

	if (np->names++ == IMAP_NOTIFY_NAMES_MAX)
		return imap_bad(np->p, "too many mailboxes");
	if (imap_parse_mailbox(np->p, name))
		return PARSE_BAD;
	/* A "/" at the end means nothing here, as in CREATE. */
	if (name->len > 1 && name->p[name->len - 1] == '/')
		name->len--;
	g->name_count++;
	return PARSE_OK;
}

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static enum parse
parse_names(struct notify_parse *np, struct imap_notify_group *g)
{
	struct imap_parser *p = np->p;
	size_t left = IMAP_NOTIFY_NAMES_MAX - np->names;
	struct cursor look = p->c;
	size_t max = 1;
	int ch;

	if (imap_parse_space(p))
		return PARSE_BAD;
	while (max < left && (ch = cursor_next(&look)) != -1)
		max += ch == ' ';
	g->names = arena_array(p->arena, max, sizeof *g->names);
	if (!cursor_skip(&p->c, '('))
		return parse_name(np, g);
	do {
		if (g->name_count == max)
			return imap_bad(p, "too many mailboxes");
		if (parse_name(np, g))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the mailboxes");
}

/* [SP "(" fetch-att *(SP fetch-att) ")"], with SELECTED only */
static enum parse
parse_fetch(struct notify_parse *np, bool is_selected)
{
	struct cursor look = np->p->c;

	if (!cursor_skip(&look, ' ') || cursor_peek(&look) != '(')
		return PARSE_OK;
	if (!is_selected)
		return imap_bad(np->p, "items of FETCH go with SELECTED only");
	np->p->c = look;
	np->args->has_fetch = true;
	return imap_parse_fetch_atts(np->p, &np->args->fetch);
}

static enum parse
parse_event(struct notify_parse *np, bool is_selected, unsigned *set)
{
	struct imap_parser *p = np->p;
	const char *start = p->c.p;
	unsigned event = 0;
	struct span word;

	if (imap_parse_atom(p, &word))
		return imap_bad(p, "expected an event");
	for (size_t i = 0; i < COUNT(events); i++)
		if (span_iis(word, events[i].name))
			event = events[i].event;
	if (event == 0)
		np->args->has_bad_event = true;
	if (is_selected && event > NOTIFY_FLAGS) {
		p->c.p = start;
		return imap_bad(p, "SELECTED is about messages only");
	}
	*set |= event;
	return event == NOTIFY_NEW ? parse_fetch(np, is_selected) : PARSE_OK;
}

/* RFC 5465 section 5: some go together. */
static enum parse
check_events(struct notify_parse *np, unsigned set)
{
	unsigned both = NOTIFY_NEW | NOTIFY_EXPUNGE;

	if (np->args->has_bad_event)
		return PARSE_OK;	/* that is told instead */
	if ((set & MESSAGE_EVENTS) && (set & both) != both)
		return imap_bad(np->p, "MessageNew and MessageExpunge go "
		    "together, and with FlagChange");
	return PARSE_OK;
}

/* events = ( "(" event *(SP event) ")" ) / "NONE" */
static enum parse
parse_events(struct notify_parse *np, bool is_selected, unsigned *set)
{
	struct imap_parser *p = np->p;

	*set = 0;
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (cursor_skip_word(&p->c, "NONE"))
		return PARSE_OK;
	if (imap_expect(p, '(', "expected events or NONE"))
		return PARSE_BAD;
	do {
		if (parse_event(np, is_selected, set))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the events") ||
	    check_events(np, *set) ? PARSE_BAD : PARSE_OK;
}

static enum parse
parse_selected(struct notify_parse *np, bool delayed)
{
	if (np->args->has_selected)
		return imap_bad(np->p, "SELECTED stands there twice");
	np->args->has_selected = true;
	np->args->delayed = delayed;
	return parse_events(np, true, &np->args->selected);
}

static enum parse
parse_other(struct notify_parse *np, struct span word)
{
	struct imap_notify_args *a = np->args;
	struct imap_notify_group *g = &a->groups[a->group_count];

	for (size_t i = 0; i < COUNT(filters); i++) {
		if (!span_iis(word, filters[i].name))
			continue;
		if (a->group_count == IMAP_NOTIFY_GROUPS_MAX)
			return imap_bad(np->p, "too many groups of events");
		a->group_count++;
		g->filter = filters[i].filter;
		if (filters[i].has_names && parse_names(np, g))
			return PARSE_BAD;
		return parse_events(np, false, &g->events);
	}
	return imap_bad(np->p, "unknown kind of mailboxes");
}

/* event-group = "(" filter-mailboxes SP events ")" */
static enum parse
parse_group(struct notify_parse *np)
{
	struct imap_parser *p = np->p;
	struct span word;
	enum parse r;

	if (imap_expect(p, '(', "expected a group of events"))
		return PARSE_BAD;
	word = imap_scan_word(p);
	if (span_iis(word, "SELECTED"))
		r = parse_selected(np, false);
	else if (span_iis(word, "SELECTED-DELAYED"))
		r = parse_selected(np, true);
	else
		r = parse_other(np, word);
	return r || imap_expect(p, ')', "expected \")\" after a group") ?
	    PARSE_BAD : PARSE_OK;
}

/* "SET" [SP "STATUS"] 1*(SP event-group) */
static enum parse
parse_set(struct notify_parse *np)
{
	struct imap_parser *p = np->p;
	struct imap_notify_args *a = np->args;

	a->set = true;
	a->status = cursor_skip_word(&p->c, " STATUS");
	a->groups = arena_array(p->arena, IMAP_NOTIFY_GROUPS_MAX + 1,
	    sizeof *a->groups);
	do {
		if (imap_parse_space(p) || parse_group(np))
			return PARSE_BAD;
	} while (cursor_peek(&p->c) == ' ' && cursor_left(&p->c) > 1);
	return imap_parse_end(p);
}

enum parse
imap_parse_notify(struct imap_parser *p, union imap_args *a)
{
	struct notify_parse np = { .p = p, .args = &a->notify };

	a->notify = (struct imap_notify_args){
		.text = span_make(p->c.p, cursor_left(&p->c))
	};
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (cursor_skip_word(&p->c, "NONE"))
		return imap_parse_end(p);
	if (cursor_skip_word(&p->c, "SET"))
		return parse_set(&np);
	return imap_bad(p, "expected SET or NONE");
}
