/*
 * Every command's grammar, over what the framer makes of the input. A refusal
 * has a reason, memory is bounded by the text, and what was understood can be
 * written down and is understood the same again.
 */
#include "imap/parse.h"

#include <assert.h>
#include <inttypes.h>

#include "imap/framer.h"
#include "imap/imap_limits.h"
#include "imap/reply.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Arrays of a size of their own, and the 16 times that grammars are allowed;
 * the nodes of a search tree have a cap instead (IMAP_SEARCH_KEYS_MAX).
 */
#define FIXED_BYTES (16u * 1024)
#define TREE_BYTES (512u * 1024)

static void
put_set(struct buf *b, const struct seqset *set)
{
	if (set->is_saved)
		buf_addc(b, '$');
	for (size_t i = 0; i < set->n; i++) {
		struct seqrange r = set->v[i];

		assert(r.lo != SEQ_STAR || r.hi == SEQ_STAR);
		assert(r.hi == SEQ_STAR || r.lo <= r.hi);
		if (i)
			buf_addc(b, ',');
		if (r.lo == SEQ_STAR)
			buf_addc(b, '*');
		else
			buf_addu(b, r.lo);
		if (r.hi == r.lo)
			continue;
		buf_addc(b, ':');
		if (r.hi == SEQ_STAR)
			buf_addc(b, '*');
		else
			buf_addu(b, r.hi);
	}
}

static void
put_flags(struct buf *b, const struct imap_flags *f)
{
	char names[KEYWORDS_MAX][KEYWORD_NAME_MAX + 1];
	const char *list[KEYWORDS_MAX];
	size_t n = MIN(f->keyword_count, KEYWORDS_MAX);
	uint64_t bits = f->bits;

	for (size_t i = 0; i < n; i++) {
		memcpy(names[i], f->keywords[i].p, f->keywords[i].len);
		names[i][f->keywords[i].len] = '\0';
		list[i] = names[i];
		bits |= 1ull << (KEYWORD_FIRST + i);
	}
	imap_put_flags(b, bits, false, list, n);
}

static void
put_fetch(struct buf *b, const union imap_args *a)
{
	static const struct {
		unsigned item;
		const char *name;
	} items[] = {
		{ FETCH_UID, "UID" }, { FETCH_FLAGS, "FLAGS" },
		{ FETCH_INTERNALDATE, "INTERNALDATE" },
		{ FETCH_SIZE, "RFC822.SIZE" }, { FETCH_ENVELOPE, "ENVELOPE" },
		{ FETCH_BODY, "BODY" }, { FETCH_BODYSTRUCTURE, "BODYSTRUCTURE" },
		{ FETCH_MODSEQ, "MODSEQ" }, { FETCH_EMAILID, "EMAILID" },
		{ FETCH_THREADID, "THREADID" }, { FETCH_SAVEDATE, "SAVEDATE" },
		{ FETCH_PREVIEW, "PREVIEW" },
	};
	const char *before = " (";

	put_set(b, &a->fetch.set);
	for (size_t i = 0; i < COUNT(items); i++) {
		if (!(a->fetch.items & items[i].item))
			continue;
		buf_adds(b, before);
		buf_adds(b, items[i].name);
		before = " ";
	}
	for (size_t i = 0; i < a->fetch.body_count; i++) {
		const struct imap_fetch_body *body = &a->fetch.bodies[i];
		struct span label = body->label;

		buf_adds(b, before);
		before = " ";
		if (body->peek && span_starts(label, "BODY")) {
			buf_adds(b, "BODY.PEEK");
			label = span_from(label, 4);
		} else if (body->peek && span_starts(label, "BINARY[")) {
			buf_adds(b, "BINARY.PEEK");
			label = span_from(label, 6);
		}
		buf_addspan(b, label);
		if (!body->partial)
			continue;
		buf_truncate(b, b->len - 1);
		buf_addc(b, '.');
		buf_addu(b, body->len);
		buf_addc(b, '>');
	}
	buf_addc(b, ')');
	if (a->fetch.has_changedsince)
		buf_printf(b, " (CHANGEDSINCE %" PRIu64 "%s)",
		    a->fetch.changed_since, a->fetch.vanished ?
		    " VANISHED" : "");
	else if (a->fetch.vanished)
		buf_adds(b, " (VANISHED)");
}

static void
put_select(struct buf *b, const union imap_args *a)
{
	const struct imap_select_args *s = &a->select;

	imap_put_mailbox(b, s->name, false);
	if (s->condstore || s->qresync)
		buf_adds(b, s->condstore ? " (CONDSTORE" : " (");
	if (s->qresync) {
		buf_adds(b, s->condstore ? " QRESYNC (" : "QRESYNC (");
		buf_addu(b, s->uidvalidity);
		buf_addc(b, ' ');
		buf_addu(b, s->modseq);
		if (s->uids.n) {
			buf_addc(b, ' ');
			put_set(b, &s->uids);
		}
		if (s->known_seqs.n) {
			buf_adds(b, " (");
			put_set(b, &s->known_seqs);
			buf_addc(b, ' ');
			put_set(b, &s->known_uids);
			buf_addc(b, ')');
		}
		buf_addc(b, ')');
	}
	if (s->condstore || s->qresync)
		buf_addc(b, ')');
}

static void
put_store(struct buf *b, const union imap_args *a)
{
	put_set(b, &a->store.set);
	buf_addc(b, ' ');
	if (a->store.unchanged_since != UINT64_MAX)
		buf_printf(b, "(UNCHANGEDSINCE %" PRIu64 ") ",
		    a->store.unchanged_since);
	if (a->store.how != FLAGS_REPLACE)
		buf_addc(b, a->store.how == FLAGS_ADD ? '+' : '-');
	buf_adds(b, a->store.silent ? "FLAGS.SILENT " : "FLAGS ");
	put_flags(b, &a->store.flags);
}

static void
put_copy(struct buf *b, const union imap_args *a)
{
	put_set(b, &a->copy.set);
	buf_addc(b, ' ');
	imap_put_mailbox(b, a->copy.name, false);
}

static void
put_rename(struct buf *b, const union imap_args *a)
{
	imap_put_mailbox(b, a->rename.from, false);
	buf_addc(b, ' ');
	imap_put_mailbox(b, a->rename.to, false);
}

static void
put_login(struct buf *b, const union imap_args *a)
{
	imap_put_astring(b, a->login.user, false);
	buf_addc(b, ' ');
	imap_put_astring(b, a->login.password, false);
}

static const struct verb {
	const char *name;
	enum parse (*parse)(struct imap_parser *, union imap_args *);
	void (*put)(struct buf *, const union imap_args *);
} verbs[] = {
	{ "APPEND", imap_parse_append, NULL },
	{ "AUTHENTICATE", imap_parse_authenticate, NULL },
	{ "CANCELUPDATE", imap_parse_cancelupdate, NULL },
	{ "COPY", imap_parse_copy, put_copy },
	{ "COMPRESS", imap_parse_compress, NULL },
	{ "ENABLE", imap_parse_enable, NULL },
	{ "ESEARCH", imap_parse_esearch, NULL },
	{ "EXPUNGE", imap_parse_uid_expunge, NULL },
	{ "FETCH", imap_parse_fetch, put_fetch },
	{ "ID", imap_parse_id, NULL },
	{ "GETMETADATA", imap_parse_getmetadata, NULL },
	{ "GETQUOTA", imap_parse_getquota, NULL },
	{ "LIST", imap_parse_list, NULL },
	{ "LOGIN", imap_parse_login, put_login },
	{ "LSUB", imap_parse_lsub, NULL },
	{ "NOOP", imap_parse_none, NULL },
	{ "RENAME", imap_parse_rename, put_rename },
	{ "REPLACE", imap_parse_replace, NULL },
	{ "SEARCH", imap_parse_search, NULL },
	{ "CREATE", imap_parse_create, NULL },
	{ "DELETE", imap_parse_mailbox_only, NULL },
	{ "SELECT", imap_parse_select, put_select },
	{ "SETACL", imap_parse_setacl, NULL },
	{ "LISTRIGHTS", imap_parse_identifier, NULL },
	{ "SETMETADATA", imap_parse_setmetadata, NULL },
	{ "SORT", imap_parse_sort, NULL },
	{ "THREAD", imap_parse_thread, NULL },
	{ "SETQUOTA", imap_parse_setquota, NULL },
	{ "STATUS", imap_parse_status, NULL },
	{ "STORE", imap_parse_store, put_store },
	{ "NOTIFY", imap_parse_notify, NULL },
	{ "UIDBATCHES", imap_parse_uidbatches, NULL },
	{ "LANGUAGE", imap_parse_language, NULL },
};

static const struct verb *
find_verb(struct span name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_iis(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

/* Written down, read again and written down again: the same. */
static void
check_round_trip(const struct verb *v, const union imap_args *args)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct arena arena = { 0 };
	struct imap_parser p;
	union imap_args again;

	buf_addc(&first, ' ');
	v->put(&first, args);
	imap_parser_init(&p, buf_span(&first), &arena);
	assert(v->parse(&p, &again) == PARSE_OK);
	buf_addc(&second, ' ');
	v->put(&second, &again);
	assert(span_eq(buf_span(&first), buf_span(&second)));
	buf_release(&first);
	buf_release(&second);
	arena_release(&arena);
}

static unsigned
tree_depth(const struct search_key *k)
{
	unsigned deepest = 0;

	for (size_t i = 0; i < k->kid_count; i++)
		deepest = MAX(deepest, tree_depth(k->kids[i]));
	return deepest + 1;
}

static bool
is_searching(const struct verb *v)
{
	return v && (v->parse == imap_parse_search ||
	    v->parse == imap_parse_sort || v->parse == imap_parse_thread ||
	    v->parse == imap_parse_esearch);
}

static void
check_search(struct imap_search_args *a)
{
	/* A negated key is two nodes for one level, and so is an AND. */
	assert(tree_depth(a->key) <= 3 * IMAP_DEPTH_MAX);
	for (size_t i = 0; i < a->ref_count; i++)
		assert(a->refs[i].key->op == SEARCH_NONE);
	assert(a->save || a->update || a->partial.is_given ||
	    !a->esearch == !a->returns);
	assert(!a->partial.is_given || (a->partial.lo >= 1 &&
	    a->partial.lo <= a->partial.hi));
	assert(a->esearch || !a->save);
}

static void
check_append(const struct imap_append_args *a)
{
	assert(a->msg_count > 0);
	for (size_t i = 0; i < a->msg_count; i++)
		assert(a->msgs[i].part_count > 0);
}

static void
check_command(struct span text)
{
	struct arena arena = { 0 };
	struct imap_start start;
	struct imap_parser p;
	const struct verb *v;
	union imap_args args;
	enum parse r;

	imap_parser_init(&p, text, &arena);
	r = imap_parse_start(&p, &start);
	v = r ? NULL : find_verb(start.verb);
	if (v)
		r = v->parse(&p, &args);
	assert(p.c.p >= text.p && p.c.p <= text.p + text.len);
	assert((r == PARSE_BAD) == (p.why != NULL));
	assert(arena.used <= 16 * text.len + FIXED_BYTES +
	    (is_searching(v) ? TREE_BYTES : 0));
	if (v && !r && v->put)
		check_round_trip(v, &args);
	if (is_searching(v) && !r)
		check_search(&args.search);
	if (v && !r && v->parse == imap_parse_append)
		check_append(&args.append);
	arena_release(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = { (const char *)data, (const char *)data + size };
	struct framer f;
	struct frame fr;
	bool due = false;

	framer_init(&f, &imap_literal_roles, NULL);
	framer_set_limits(&f, &framer_limits_loggedin);
	while (due || !cursor_at_end(&in)) {
		in.p += framer_feed(&f, in.p, cursor_left(&in), &fr);
		due = fr.kind == FRAME_MESSAGE;
		if (due)
			framer_accept(&f);
		if (fr.kind == FRAME_COMMAND) {
			/* Of its own size, for the sanitizer. */
			char *copy = xmemdup(fr.text.p, fr.text.len);

			check_command(span_make(copy, fr.text.len));
			free(copy);
		}
	}
	framer_release(&f);
	return 0;
}
