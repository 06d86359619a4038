/*
 * Searching what the array does not know: digests, header fields, text.
 *
 * Each message goes through stages, each dearer than the one before: what the
 * database has in its row; the digest; the header's bytes; the text parts. After each the tree is
 * evaluated again, with "not known" for what later stages may find, and most
 * messages are decided early. All BODY and TEXT keys of a search share one
 * pass over the text. That pass may stop in the middle of a part when the
 * slice has had its time, and goes on in the next.
 *
 * A search of many rows is cut in two shards, for two readers at once; a
 * slice is over when both have had theirs. What the upper one finds waits
 * until the lower one is through, so that results come in order.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/date.h"
#include "store/mime/digest.h"
#include "store/mime/header.h"
#include "store/mime/text.h"
#include "store/read_priv.h"
#include "store/search_priv.h"

#define WINDOW_BYTES (64u * 1024)
#define HEADER_MAX (MIME_HEADER_MAX + 64u * 1024)	/* with the prefix */
#define NEEDLES_MAX 256
#define UIDS_MAX (SLICE_BYTES / sizeof(uint32_t))
#define SHARDS 2
#define SHARD_ROWS 256		/* fewer are not worth a second reader */

enum stage { STAGE_SAVED, STAGE_DIGEST, STAGE_HEADER, STAGE_TEXT, STAGES };

struct search_state {
	struct search_leaves leaves;
	const struct search_key *key;
	/* The search's text keys; key->number is the index. */
	struct span needles[NEEDLES_MAX];
	bool in_headers[NEEDLES_MAX];	/* a TEXT key: headers count too */
	size_t needle_count;
	uint64_t mailbox;
	bool wants_saved;		/* there is a THREAD or SAVED key */
	bool wants_fields;		/* there is a HEADER key */
	bool wants_headers;		/* there is a TEXT key */
	/* The shard's rows, [row, row_end); the next comes first. */
	size_t row, row_end;
	uint32_t *uids;			/* found and not given yet */
	size_t uid_count, uid_room;
	/* The message at hand: rows[row], or at NULL before it is begun. */
	const struct search_row *at;
	enum stage stage;		/* the next; what is below is known */
	struct arena arena;
	struct saved saved;
	struct body body;
	struct digest digest;
	struct span header;
	bool found[NEEDLES_MAX];
	/* Where in its text the pass is. */
	const struct part *part;	/* NULL: before the first */
	uint64_t part_done;
	struct text_scan *scan;
	/* A piece of the body: the same few KiB hold several parts. */
	char *window;
	uint64_t window_off;
	size_t window_len;
	struct buf scratch, line;
};

struct search_shards {
	struct search_state *v[SHARDS];
	size_t count;
	struct rjob twin;		/* the second shard's */
	struct rjob_search *search;
	/* Shards that run now; the last to end sends the job home. */
	atomic_int out;
	atomic_int err;
};

/* ---- making the job ---- */

static void
state_free(struct search_state *st)
{
	if (!st)
		return;
	free(st->uids);
	text_scan_free(st->scan);
	arena_release(&st->arena);
	buf_release(&st->scratch);
	buf_release(&st->line);
	free(st->window);
	free(st);
}

static void
search_free(struct op *op)
{
	struct rjob_search *s = CONTAINER_OF(op, struct rjob_search, j.op);
	struct search_shards *sh = s->j.state;

	for (size_t i = 0; sh && i < sh->count; i++)
		state_free(sh->v[i]);
	free(sh);
	free(s->rows);
	free(s->uids);
	job_arena_free(s->arena);
	free(s);
}

struct rjob_search *
rjob_search_new(struct env *env, struct session *s, uint64_t mailbox,
    const struct search_key *key, size_t row_count)
{
	struct rjob_search *job = xcalloc(1, sizeof *job);

	rjob_init(&job->j, RJOB_SEARCH, env, s, search_free);
	job->mailbox = mailbox;
	job->arena = job_arena_new();
	job->key = search_key_copy(key, job->arena);
	job->rows = xcalloc(row_count, sizeof *job->rows);
	job->row_count = row_count;
	return job;
}

/* ERR_LIMIT: more text keys than anyone has use for. */
static int
collect_needles(struct search_state *st, struct search_key *k)
{
	int err;

	if (k->op == SEARCH_HEADER)
		st->wants_fields = true;
	if (k->op >= SEARCH_THREAD)
		st->wants_saved = true;
	if (k->op == SEARCH_BODY || k->op == SEARCH_TEXT) {
		if (st->needle_count == NEEDLES_MAX)
			return ERR_LIMIT;
		k->number = st->needle_count;
		st->in_headers[st->needle_count] = k->op == SEARCH_TEXT;
		st->wants_headers |= k->op == SEARCH_TEXT;
		st->needles[st->needle_count++] = k->text;
	}
	for (size_t i = 0; i < k->kid_count; i++)
		if ((err = collect_needles(st, k->kids[i])) < 0)
			return err;
	return 0;
}

/* ---- leaves ---- */

static enum tri
tri_of(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}

static bool
value_matches(struct search_state *st, struct span value, struct span needle)
{
	return text_header_contains(value, needle, &st->scratch);
}

/* An address as people see it: name <local@domain>. */
static bool
addresses_match(struct search_state *st, const struct addrlist *list,
    struct span needle)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct address *a = &list->v[i];

		buf_clear(&st->line);
		buf_addspan(&st->line, a->display);
		if (a->kind == ADDR_MAILBOX) {
			buf_adds(&st->line, " <");
			buf_addspan(&st->line, a->local);
			buf_addc(&st->line, '@');
			buf_addspan(&st->line, a->domain);
			buf_addc(&st->line, '>');
		}
		if (value_matches(st, buf_span(&st->line), needle))
			return true;
	}
	/* RFC 9051 section 6.4.4: "" asks whether the field is there. */
	return list->present && needle.len == 0;
}

/*
 * RFC 9051 section 6.4.4: SENT keys go by the date as it is written, whatever
 * its zone. A message without a usable Date field was sent on no day.
 */
static enum tri
sent_leaf(const struct search_key *k, const struct digest *d)
{
	int64_t day;

	if (d->sent_s == 0)
		return TRI_NO;
	day = date_day(d->sent_s, d->sent_zone_min);
	if (k->op == SEARCH_SENT_BEFORE)
		return tri_of(day < k->day);
	if (k->op == SEARCH_SENT_ON)
		return tri_of(day == k->day);
	return tri_of(day >= k->day);
}

static enum tri
saved_leaf(const struct search_key *k, const struct saved *saved)
{
	int64_t day = date_day(saved->savedate_s, 0);

	switch (k->op) {
	case SEARCH_THREAD:
		return tri_of(saved->thread == k->number);
	case SEARCH_SAVED_BEFORE:
		return tri_of(day < k->day);
	case SEARCH_SAVED_ON:
		return tri_of(day == k->day);
	default:
		return tri_of(day >= k->day);
	}
}

static bool
field_matches(struct search_state *st, const struct search_key *k)
{
	struct header_field f;
	struct field_iter it;

	field_iter_init(&it, st->header);
	while (field_iter_next(&it, &f)) {
		if (!span_ieq(f.name, k->name))
			continue;
		if (k->text.len == 0)
			return true;
		buf_clear(&st->line);
		header_unfold(&st->line, f.value);
		if (value_matches(st, buf_span(&st->line), k->text))
			return true;
	}
	return false;
}

static enum tri
search_leaf(struct search_leaves *l, const struct search_key *k)
{
	struct search_state *st = CONTAINER_OF(l, struct search_state,
	    leaves);
	const struct envelope *e = &st->digest.envelope;

	if (k->op >= SEARCH_THREAD)
		return st->stage <= STAGE_SAVED ? TRI_UNKNOWN :
		    saved_leaf(k, &st->saved);
	if (st->stage <= STAGE_DIGEST)
		return search_row_leaf(k, st->at);
	switch (k->op) {
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
		return sent_leaf(k, &st->digest);
	case SEARCH_SUBJECT:
		return tri_of(e->has_subject &&
		    value_matches(st, e->subject, k->text));
	case SEARCH_FROM:
		return tri_of(addresses_match(st, &e->from, k->text));
	case SEARCH_TO:
		return tri_of(addresses_match(st, &e->to, k->text));
	case SEARCH_CC:
		return tri_of(addresses_match(st, &e->cc, k->text));
	case SEARCH_BCC:
		return tri_of(addresses_match(st, &e->bcc, k->text));
	case SEARCH_HEADER:
		if (st->stage <= STAGE_HEADER)
			return TRI_UNKNOWN;
		return tri_of(field_matches(st, k));
	case SEARCH_BODY:
	case SEARCH_TEXT:
		if (st->found[k->number])
			return TRI_YES;
		return st->stage <= STAGE_TEXT ? TRI_UNKNOWN : TRI_NO;
	default:
		return search_row_leaf(k, st->at);
	}
}

/* ---- bytes ---- */

/* What is at off of the message, at least one byte, from the window. */
static int
window_at(struct reader *r, struct search_state *st, uint64_t off,
    struct span *out)
{
	if (off < st->window_off || off >= st->window_off + st->window_len) {
		size_t n = (size_t)MIN(WINDOW_BYTES, st->body.total - off);
		int err;

		st->window_len = 0;
		if ((err = body_read(r->db, &st->body, off, st->window,
		    n)) < 0)
			return err;
		st->window_off = off;
		st->window_len = n;
	}
	*out = span_from(span_make(st->window, st->window_len),
	    (size_t)(off - st->window_off));
	return 0;
}

/* A whole header block, into the message's arena. */
static int
read_block(struct reader *r, struct search_state *st, uint64_t off,
    uint64_t len, struct span *out)
{
	char *bytes;
	int err;

	*out = (struct span){ 0 };
	if (off >= st->body.total)
		return 0;
	len = MIN(MIN(len, HEADER_MAX), st->body.total - off);
	bytes = arena_alloc(&st->arena, (size_t)len);
	if ((err = body_read(r->db, &st->body, off, bytes,
	    (size_t)len)) < 0)
		return err;
	*out = span_make(bytes, (size_t)len);
	return 0;
}

/* ---- the stages ---- */

static int
stage_saved(struct reader *r, struct search_state *st)
{
	if (!st->wants_saved)
		return 0;
	return read_saved(r->db, st->mailbox, st->at->row.uid, &st->saved);
}

static int
stage_digest(struct reader *r, struct search_state *st)
{
	struct span bytes;
	int err;

	if ((err = body_get(r->db, &st->arena, st->at->row.body,
	    &st->body)) < 0 ||
	    (err = read_digest(r->db, &st->arena, &st->body, &bytes)) < 0)
		return err;
	/* Damage in one digest must not end the search of all. */
	if (digest_decode(bytes, &st->arena, &st->digest) < 0)
		return ERR_NOTFOUND;
	return 0;
}

/* TEXT keys see each field as a line: its name, a colon, its text. */
static void
scan_fields(struct search_state *st, struct span block, bool all)
{
	struct header_field f;
	struct field_iter it;

	field_iter_init(&it, block);
	while (field_iter_next(&it, &f)) {
		buf_clear(&st->line);
		buf_addspan(&st->line, f.name);
		buf_adds(&st->line, ": ");
		header_unfold(&st->line, f.value);
		for (size_t i = 0; i < st->needle_count; i++)
			if (!st->found[i] && (all || st->in_headers[i]))
				st->found[i] = value_matches(st,
				    buf_span(&st->line), st->needles[i]);
	}
}

static int
stage_header(struct reader *r, struct search_state *st)
{
	int err;

	if (!st->wants_fields && !st->wants_headers)
		return 0;
	if ((err = read_block(r, st, 0, st->body.prefix.len +
	    st->digest.root->header_len, &st->header)) < 0)
		return err;
	if (st->wants_headers)
		scan_fields(st, st->header, false);
	return 0;
}

/* In the order of the message. */
static const struct part *
next_part(const struct part *p)
{
	if (p->child)
		return p->child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

static bool
is_text(const struct part *p)
{
	return p->kind == PART_LEAF && span_is(p->type, "text");
}

/*
 * Begins a part: a scan where it is text. The header of a message inside is
 * text of the body that holds it.
 */
static int
begin_part(struct reader *r, struct search_state *st)
{
	const struct part *p = st->part;
	struct span block;
	int err;

	st->part_done = 0;
	if (is_text(p))
		st->scan = text_scan_new(p, st->needles, st->needle_count,
		    st->found);
	if (!p->parent || p->parent->kind != PART_MESSAGE)
		return 0;
	if ((err = read_block(r, st, st->body.prefix.len + p->header_off,
	    p->header_len, &block)) < 0)
		return err;
	scan_fields(st, block, true);
	return 0;
}

static bool
is_decided(struct search_state *st)
{
	return search_eval(st->key, &st->leaves) != TRI_UNKNOWN;
}

static void
end_part(struct search_state *st)
{
	if (st->scan)
		text_scan_finish(st->scan);
	text_scan_free(st->scan);
	st->scan = NULL;
	st->part = is_decided(st) ? NULL : next_part(st->part);
}

/* Feeds the part's text to its scan until its end or, 1, the slice's. */
static int
scan_part(struct reader *r, struct search_state *st)
{
	const struct part *p = st->part;
	uint64_t off, left;
	struct span bytes;
	int err;

	while (st->scan && st->part_done < p->body_len) {
		off = st->body.prefix.len + p->body_off + st->part_done;
		left = p->body_len - st->part_done;
		if (off >= st->body.total)
			break;
		if ((err = window_at(r, st, off, &bytes)) < 0)
			return err;
		if (bytes.len > left)
			bytes.len = (size_t)left;
		text_scan_add(st->scan, bytes.p, bytes.len);
		st->part_done += bytes.len;
		if (is_decided(st))
			break;
		if (reader_is_due(r))
			return 1;
	}
	return 0;
}

/* 1: the slice is over before the text is. */
static int
stage_text(struct reader *r, struct search_state *st)
{
	int err;

	if (st->needle_count == 0)
		return 0;
	if (!st->part) {
		st->part = st->digest.root;
		if ((err = begin_part(r, st)) < 0)
			return err;
	}
	for (;;) {
		if ((err = scan_part(r, st)) != 0)
			return err;
		end_part(st);
		if (!st->part)
			return 0;
		if ((err = begin_part(r, st)) < 0)
			return err;
		if (reader_is_due(r))
			return 1;
	}
}

static int
run_stage(struct reader *r, struct search_state *st)
{
	if (st->stage == STAGE_SAVED)
		return stage_saved(r, st);
	if (st->stage == STAGE_DIGEST)
		return stage_digest(r, st);
	if (st->stage == STAGE_HEADER)
		return stage_header(r, st);
	return stage_text(r, st);
}

/* ---- one message ---- */

static void
begin_row(struct search_state *st, const struct search_row *row)
{
	st->at = row;
	st->stage = STAGE_SAVED;
	arena_clear(&st->arena);
	st->window_len = 0;
	st->header = (struct span){ 0 };
	for (size_t i = 0; i < st->needle_count; i++)
		st->found[i] = st->needles[i].len == 0;
}

static void
end_row(struct search_state *st)
{
	text_scan_free(st->scan);
	st->scan = NULL;
	st->part = NULL;
	st->at = NULL;
	st->row++;
}

enum verdict { MATCHES_NOT, MATCHES, SLICE_OVER };

/* One that is gone, or damaged, matches nothing. */
static int
search_row(struct reader *r, struct search_state *st, enum verdict *v)
{
	enum tri t = search_eval_row(st->key, st->at);
	int err;

	while (t == TRI_UNKNOWN) {
		if ((err = run_stage(r, st)) == ERR_NOTFOUND) {
			t = TRI_NO;
		} else if (err < 0) {
			return err;
		} else if (err > 0) {
			*v = SLICE_OVER;
			return 0;
		} else {
			st->stage++;
			t = search_eval(st->key, &st->leaves);
		}
	}
	*v = t == TRI_YES ? MATCHES : MATCHES_NOT;
	return 0;
}

/* ---- shards ---- */

static struct search_state *
state_new(const struct rjob_search *s, size_t row, size_t row_end)
{
	struct search_state *st = xcalloc(1, sizeof *st);

	st->leaves.leaf = search_leaf;
	st->key = s->key;
	st->mailbox = s->mailbox;
	st->row = row;
	st->row_end = row_end;
	st->window = xmalloc(WINDOW_BYTES);
	buf_init(&st->scratch);
	buf_init(&st->line);
	return st;
}

/* The key's text keys are numbered once, before anybody else reads it. */
static void
copy_needles(struct search_state *to, const struct search_state *from)
{
	memcpy(to->needles, from->needles, sizeof to->needles);
	memcpy(to->in_headers, from->in_headers, sizeof to->in_headers);
	to->needle_count = from->needle_count;
	to->wants_saved = from->wants_saved;
	to->wants_fields = from->wants_fields;
	to->wants_headers = from->wants_headers;
}

static void
search_begin(struct rjob_search *s)
{
	struct search_shards *sh = xcalloc(1, sizeof *sh);
	size_t half = s->row_count / 2;

	s->j.state = sh;
	sh->search = s;
	sh->count = s->row_count < SHARDS * SHARD_ROWS ? 1 : SHARDS;
	if (sh->count == 1)
		half = s->row_count;
	sh->v[0] = state_new(s, 0, half);
	atomic_store(&sh->err, collect_needles(sh->v[0], s->key));
	if (sh->count == 1)
		return;
	sh->v[1] = state_new(s, half, s->row_count);
	copy_needles(sh->v[1], sh->v[0]);
}

static bool
shard_is_over(const struct search_state *st)
{
	return st->row == st->row_end;
}

struct rjob *
search_twin(struct rjob *j)
{
	struct rjob_search *s = CONTAINER_OF(j, struct rjob_search, j);
	struct search_shards *sh;

	if (!j->state)
		search_begin(s);
	sh = j->state;
	if (sh->count == 1 || shard_is_over(sh->v[0]) ||
	    shard_is_over(sh->v[1])) {
		atomic_store(&sh->out, 1);
		return NULL;
	}
	atomic_store(&sh->out, 2);
	sh->twin = (struct rjob){
		.kind = RJOB_SEARCH_TWIN, .actor = j->actor,
		.state = sh,
	};
	return &sh->twin;
}

static void
add_uid(struct search_state *st, uint32_t uid)
{
	if (st->uid_count == st->uid_room) {
		st->uid_room = MAX(2 * st->uid_room, 256);
		st->uids = xreallocarray(st->uids, st->uid_room,
		    sizeof *st->uids);
	}
	st->uids[st->uid_count++] = uid;
}

static int
run_shard(struct reader *r, struct rjob_search *s, struct search_state *st)
{
	enum verdict v = MATCHES_NOT;
	struct mailbox_row box;
	size_t found = st->uid_count;
	int err;

	if (st->wants_saved && (err = mailbox_access(r->db, s->j.actor,
	    s->mailbox, RIGHT_READ, &box)) < 0)
		return err;
	while (!shard_is_over(st) && st->uid_count - found < UIDS_MAX) {
		if (!st->at)
			begin_row(st, &s->rows[st->row]);
		if ((err = search_row(r, st, &v)) < 0)
			return err;
		if (v == SLICE_OVER)
			break;
		if (v == MATCHES)
			add_uid(st, st->at->row.uid);
		end_row(st);
		if (reader_is_due(r))
			break;
	}
	return 0;
}

int
slice_search(struct reader *r, struct rjob *j)
{
	struct rjob_search *s = CONTAINER_OF(j, struct rjob_search, j);
	struct search_shards *sh = j->state;
	int err = atomic_load(&sh->err);

	if (err < 0)
		return err;
	return run_shard(r, s, sh->v[shard_is_over(sh->v[0]) &&
	    sh->count > 1]);
}

int
slice_search_twin(struct reader *r, struct rjob *j)
{
	struct search_shards *sh = j->state;

	return run_shard(r, sh->search, sh->v[1]);
}

/* What has been found so far and comes next in order, for the session. */
static void
give_results(struct rjob_search *s, struct search_shards *sh)
{
	s->uid_count = 0;
	s->done_count = 0;
	for (size_t i = 0; i < sh->count; i++) {
		struct search_state *st = sh->v[i];

		s->done_count += st->row - (i ? sh->v[0]->row_end : 0);
		if (i > 0 && !shard_is_over(sh->v[0]))
			break;
		s->uids = xreallocarray(s->uids,
		    MAX(s->uid_count + st->uid_count, 1), sizeof *s->uids);
		for (size_t n = 0; n < st->uid_count; n++)
			s->uids[s->uid_count++] = st->uids[n];
		st->uid_count = 0;
	}
	s->j.more = !shard_is_over(sh->v[0]) ||
	    !shard_is_over(sh->v[sh->count - 1]);
}

void
search_home(struct rjob *j, int err)
{
	struct search_shards *sh = j->state;
	struct rjob_search *s = sh->search;

	if (err < 0)
		atomic_store(&sh->err, err);
	if (atomic_fetch_sub(&sh->out, 1) > 1)
		return;
	err = atomic_load(&sh->err);
	s->j.more = false;
	if (err == 0)
		give_results(s, sh);
	op_complete(&s->j.op, err);
}
