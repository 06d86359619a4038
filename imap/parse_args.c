/*
 * Arguments of the commands whose grammar is a line or two.
 */
#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "imap/reply.h"
#include "server/base/xalloc.h"

enum parse
imap_parse_none(struct imap_parser *p, union imap_args *a)
{
	(void)a;
	return imap_parse_end(p);
}

enum parse
imap_parse_login(struct imap_parser *p, union imap_args *a)
{
	struct imap_login_args *l = &a->login;

	*l = (struct imap_login_args){ 0 };
	return imap_parse_space(p) || imap_parse_astring(p, &l->user) ||
	    imap_parse_space(p) || imap_parse_astring(p, &l->password) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

static bool
is_base64_char(unsigned char c)
{
	return c > ' ' && c < 0x7f;
}

/* RFC 3501 section 6.2.2, RFC 4959 */
enum parse
imap_parse_authenticate(struct imap_parser *p, union imap_args *a)
{
	struct imap_authenticate_args *t = &a->authenticate;

	*t = (struct imap_authenticate_args){ 0 };
	if (imap_parse_space(p) || imap_parse_atom(p, &t->mechanism))
		return PARSE_BAD;
	if (cursor_skip(&p->c, ' ')) {
		t->initial = cursor_while(&p->c, is_base64_char);
		t->has_initial = t->initial.len > 0;
		if (span_is(t->initial, "="))
			t->initial.len = 0;
	}
	return imap_parse_end(p);
}

/* RFC 5267 section 4.3.5: 1*(SP quoted) */
enum parse
imap_parse_cancelupdate(struct imap_parser *p, union imap_args *a)
{
	struct imap_cancel_args *c = &a->cancel;

	*c = (struct imap_cancel_args){ 0 };
	c->tags = arena_array(p->arena, IMAP_CONTEXTS_MAX, sizeof *c->tags);
	do {
		if (c->count == IMAP_CONTEXTS_MAX)
			return imap_bad(p, "too many tags");
		if (imap_parse_space(p) ||
		    imap_parse_string(p, &c->tags[c->count]))
			return PARSE_BAD;
		c->count++;
	} while (cursor_peek(&p->c) == ' ');
	return imap_parse_end(p);
}

static enum parse
parse_id_pair(struct imap_parser *p, struct imap_id_args *id)
{
	struct imap_id_pair *pair = &id->pairs[id->count];

	if (id->count == IMAP_ID_PAIRS_MAX)
		return imap_bad(p, "more than 30 ID fields");
	if (imap_parse_string(p, &pair->name) || imap_parse_space(p) ||
	    imap_parse_nstring(p, &pair->value, &pair->is_nil))
		return PARSE_BAD;
	id->count++;
	return PARSE_OK;
}

/* RFC 2971 section 3.1 */
enum parse
imap_parse_id(struct imap_parser *p, union imap_args *a)
{
	struct imap_id_args *id = &a->id;

	*id = (struct imap_id_args){ 0 };
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (cursor_skip_word(&p->c, "NIL"))
		return imap_parse_end(p);
	if (imap_expect(p, '(', "expected NIL or a list of strings"))
		return PARSE_BAD;
	id->pairs = arena_array(p->arena, IMAP_ID_PAIRS_MAX,
	    sizeof *id->pairs);
	if (!cursor_skip(&p->c, ')')) {
		do {
			if (parse_id_pair(p, id))
				return PARSE_BAD;
		} while (cursor_skip(&p->c, ' '));
		if (imap_expect(p, ')', "expected \")\" after the strings"))
			return PARSE_BAD;
	}
	return imap_parse_end(p);
}

/* RFC 5161 section 3.1 */
enum parse
imap_parse_compress(struct imap_parser *p, union imap_args *a)
{
	return imap_parse_space(p) ||
	    imap_parse_atom(p, &a->compress.mechanism) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_enable(struct imap_parser *p, union imap_args *a)
{
	struct imap_enable_args *e = &a->enable;

	*e = (struct imap_enable_args){ 0 };
	e->words = arena_array(p->arena, IMAP_ENABLE_MAX, sizeof *e->words);
	if (imap_parse_space(p))
		return PARSE_BAD;
	do {
		if (e->count == IMAP_ENABLE_MAX)
			return imap_bad(p, "too many words");
		if (imap_parse_atom(p, &e->words[e->count]))
			return PARSE_BAD;
		e->count++;
	} while (cursor_skip(&p->c, ' ') && !cursor_at_end(&p->c));
	return imap_parse_end(p);
}

/* use-attr: "\" atom */
static enum parse
parse_use(struct imap_parser *p, struct imap_create_args *c)
{
	const char *start = p->c.p, *name;
	enum special_use use = USE_NONE;
	struct span word;

	if (imap_expect(p, '\\', "expected a special use") ||
	    imap_parse_atom(p, &word))
		return PARSE_BAD;
	word = span_make(start, word.len + 1);
	for (unsigned u = USE_NONE + 1; u <= USE_TRASH; u++)
		if ((name = imap_use_name((enum special_use)u)) &&
		    span_iis(word, name))
			use = (enum special_use)u;
	if (use == USE_NONE || (c->use != USE_NONE && c->use != use))
		c->use_refused = true;
	c->use = use;
	return PARSE_OK;
}

/* "USE" SP "(" [use-attr *(SP use-attr)] ")" */
static enum parse
parse_create_use(struct imap_parser *p, struct imap_create_args *c)
{
	if (!cursor_skip_word(&p->c, "USE"))
		return imap_bad(p, "unknown CREATE parameter");
	if (imap_parse_space(p) ||
	    imap_expect(p, '(', "expected uses in parentheses"))
		return PARSE_BAD;
	if (cursor_skip(&p->c, ')'))
		return PARSE_OK;
	do {
		if (parse_use(p, c))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the uses");
}

enum parse
imap_parse_create(struct imap_parser *p, union imap_args *a)
{
	struct imap_create_args *c = &a->create;

	*c = (struct imap_create_args){ .use = USE_NONE };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &c->name))
		return PARSE_BAD;
	c->old_name = p->old_name;
	if (!cursor_skip(&p->c, ' ') || !cursor_skip(&p->c, '('))
		return imap_parse_end(p);
	return parse_create_use(p, c) ||
	    imap_expect(p, ')', "expected \")\" after the parameters") ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_mailbox_only(struct imap_parser *p, union imap_args *a)
{
	a->mailbox = (struct imap_mailbox_args){ 0 };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &a->mailbox.name))
		return PARSE_BAD;
	a->mailbox.old_name = p->old_name;
	return imap_parse_end(p);
}

enum parse
imap_parse_rename(struct imap_parser *p, union imap_args *a)
{
	struct imap_rename_args *r = &a->rename;

	*r = (struct imap_rename_args){ 0 };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &r->from))
		return PARSE_BAD;
	r->is_changed = p->old_name.len > 0;
	r->old_from = r->is_changed ? p->old_name : r->from;
	if (imap_parse_space(p) || imap_parse_mailbox(p, &r->to))
		return PARSE_BAD;
	r->is_changed |= p->old_name.len > 0;
	return imap_parse_end(p);
}

static const struct {
	const char *name;
	unsigned item;
} status_items[] = {
	{ "MESSAGES", STATUS_MESSAGES },
	{ "RECENT", STATUS_RECENT },
	{ "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY },
	{ "UNSEEN", STATUS_UNSEEN },
	{ "APPENDLIMIT", STATUS_APPENDLIMIT },
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
	{ "SIZE", STATUS_SIZE },
	{ "DELETED", STATUS_DELETED },
	{ "MAILBOXID", STATUS_MAILBOXID },
	{ "DELETED-STORAGE", STATUS_DELETED_STORAGE },
};

static unsigned
find_status_item(struct span word)
{
	for (size_t i = 0; i < COUNT(status_items); i++)
		if (span_iis(word, status_items[i].name))
			return status_items[i].item;
	return 0;
}

enum parse
imap_parse_status_items(struct imap_parser *p, unsigned *items)
{
	*items = 0;
	if (imap_expect(p, '(', "expected a list of items in parentheses"))
		return PARSE_BAD;
	do {
		const char *start = p->c.p;
		unsigned item = find_status_item(imap_scan_word(p));

		if (!item) {
			p->c.p = start;
			return imap_bad(p, "unknown STATUS item");
		}
		*items |= item;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the items");
}

enum parse
imap_parse_status(struct imap_parser *p, union imap_args *a)
{
	struct imap_status_args *s = &a->status;

	*s = (struct imap_status_args){ 0 };
	return imap_parse_space(p) || imap_parse_mailbox(p, &s->name) ||
	    imap_parse_space(p) || imap_parse_status_items(p, &s->items) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* RFC 4315 section 2.1 */
enum parse
imap_parse_uid_expunge(struct imap_parser *p, union imap_args *a)
{
	return imap_parse_space(p) || imap_parse_seqset(p, &a->set.set) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_copy(struct imap_parser *p, union imap_args *a)
{
	struct imap_copy_args *c = &a->copy;

	*c = (struct imap_copy_args){ 0 };
	return imap_parse_space(p) || imap_parse_seqset(p, &c->set) ||
	    imap_parse_space(p) || imap_parse_mailbox(p, &c->name) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* flag-list, or flags without parentheses (RFC 3501 section 9) */
static enum parse
parse_store_flags(struct imap_parser *p, struct imap_flags *f)
{
	size_t words = 0;

	if (cursor_peek(&p->c) == '(')
		return imap_parse_flag_list(p, f);
	imap_flags_init(p, f);
	do {
		if (words++ == IMAP_FLAGS_MAX)
			return imap_bad(p, "too many flags");
		if (imap_parse_flag(p, f))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' ') && !cursor_at_end(&p->c));
	return PARSE_OK;
}

/* "(UNCHANGEDSINCE" SP n ")" SP, RFC 4466 section 2.5, RFC 7162 */
static enum parse
parse_store_modifiers(struct imap_parser *p, struct imap_store_args *s)
{
	if (!cursor_skip(&p->c, '('))
		return PARSE_OK;
	if (!cursor_skip_word(&p->c, "UNCHANGEDSINCE"))
		return imap_bad(p, "unknown STORE modifier");
	return imap_parse_space(p) ||
	    imap_parse_modseq(p, &s->unchanged_since) ||
	    imap_expect(p, ')', "expected \")\" after the modifier") ||
	    imap_parse_space(p) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_store(struct imap_parser *p, union imap_args *a)
{
	struct imap_store_args *s = &a->store;

	*s = (struct imap_store_args){ .how = FLAGS_REPLACE,
	    .unchanged_since = UINT64_MAX };
	if (imap_parse_space(p) || imap_parse_seqset(p, &s->set) ||
	    imap_parse_space(p) || parse_store_modifiers(p, s))
		return PARSE_BAD;
	if (cursor_skip(&p->c, '+'))
		s->how = FLAGS_ADD;
	else if (cursor_skip(&p->c, '-'))
		s->how = FLAGS_REMOVE;
	if (!cursor_skip_word(&p->c, "FLAGS"))
		return imap_bad(p, "expected FLAGS, +FLAGS or -FLAGS");
	s->silent = cursor_skip_word(&p->c, ".SILENT");
	return imap_parse_space(p) || parse_store_flags(p, &s->flags) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number] */
enum parse
imap_parse_uidbatches(struct imap_parser *p, union imap_args *a)
{
	struct imap_uidbatches_args *u = &a->uidbatches;

	*u = (struct imap_uidbatches_args){ 0 };
	if (imap_parse_space(p) || imap_parse_nz_number(p, &u->size))
		return PARSE_BAD;
	if (!cursor_skip(&p->c, ' ') || cursor_at_end(&p->c))
		return imap_parse_end(p);
	if (imap_parse_nz_number(p, &u->from) ||
	    imap_expect(p, ':', "expected a range of batches") ||
	    imap_parse_nz_number(p, &u->to) || imap_parse_end(p))
		return PARSE_BAD;
	/* RFC 10022 section 3.1.5 */
	if (u->to < u->from) {
		p->bad_code = "CLIENTBUG";
		return imap_bad(p, "the range is the wrong way round");
	}
	return PARSE_OK;
}

/* "LANGUAGE" *(SP lang-range) */
enum parse
imap_parse_language(struct imap_parser *p, union imap_args *a)
{
	struct imap_language_args *l = &a->language;

	*l = (struct imap_language_args){ 0 };
	l->ranges = arena_array(p->arena, IMAP_LANGUAGES_MAX,
	    sizeof *l->ranges);
	while (cursor_skip(&p->c, ' ') && !cursor_at_end(&p->c)) {
		if (l->count == IMAP_LANGUAGES_MAX)
			return imap_bad(p, "too many languages");
		if (imap_parse_astring(p, &l->ranges[l->count]))
			return PARSE_BAD;
		l->count++;
	}
	return imap_parse_end(p);
}
