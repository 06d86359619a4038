#include "imap/finder.h"

#include <stdlib.h>
#include <string.h>

#include "imap/sync.h"
#include "server/base/xalloc.h"
#include "store/metadata.h"
#include "store/read.h"

#define BATCH_ROWS 512	/* 24 KiB; about what a slice of a reader does */

/* Jobs at a time: one has two readers, and some must be left for others. */
#define JOBS_MAX 1

void
finder_init(struct finder *f, struct imap *im, const struct view *view,
    const struct search_key *key)
{
	*f = (struct finder){ .im = im, .view = view, .key = key,
	    .next_uid = 1 };
}

void
finder_init_args(struct finder *f, struct imap *im, const struct view *view,
    struct imap_search_args *args)
{
	*f = (struct finder){ .im = im, .view = view, .args = args,
	    .next_uid = 1 };
}

void
finder_release(struct finder *f)
{
	free(f->rows);
	f->rows = NULL;
	uidset_release(&f->found);
	uidset_release(&f->read);
}

/* ---- what the mailbox knows of the keys ---- */

struct names {
	struct imap_search_names n;
	const struct imap *im;
	const struct view *view;
};

/*
 * Deviation from RFC 3501 section 9, where a number beyond the last is a BAD
 * command: here it matches nothing. Clients count on a mailbox that others
 * are about to empty.
 */
static void
add_numbers(const struct view *view, const struct seqrange *asked,
    struct uidset *out)
{
	uint32_t count = view_count(view);
	struct seqrange r = imap_seqrange_resolve(*asked, count);
	struct seqset one = { .v = &r, .n = 1 };

	if (r.lo > count || r.hi == 0)
		return;
	r.lo = MAX(r.lo, 1);
	r.hi = MIN(r.hi, count);
	(void)imap_resolve_in(view, &one, false, out);
}

/* "7:*" has those to come as well, for who is told of them (context.h). */
static void
add_future(const struct seqset *set, struct uidset *out)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].hi == SEQ_STAR && set->v[i].lo != SEQ_STAR)
			uidset_add(out, set->v[i].lo, UINT32_MAX);
}

static void
names_set(struct imap_search_names *n, const struct seqset *set, bool uid,
    struct uidset *out)
{
	const struct names *names = CONTAINER_OF(n, struct names, n);

	if (set->is_saved) {
		if (names->view == &names->im->view)
			uidset_copy(out, &names->im->saved);
		return;
	}
	if (uid) {
		(void)imap_resolve_in(names->view, set, true, out);
		add_future(set, out);
		return;
	}
	for (size_t i = 0; i < set->n; i++)
		add_numbers(names->view, &set->v[i], out);
}

static int
names_keyword(struct imap_search_names *n, struct span name)
{
	return view_find_keyword(CONTAINER_OF(n, struct names, n)->view, name);
}

static void
resolve(struct finder *f)
{
	struct imap *im = f->im;
	struct imap_search_args *args = f->args;
	struct names names = { { names_set, names_keyword,
	    env_wall_s(im->s.env) }, im, f->view };

	/* RFC 7162 3.2.10.2: numbers in the keys must stay what they are. */
	for (size_t i = 0; i < args->ref_count; i++)
		if (args->refs[i].kind == SEARCH_REF_SEQ &&
		    !args->refs[i].set.is_saved)
			im->cmd.holds_expunges = true;
	if (args->has_modseq) {
		imap_enable_condstore(im);
		f->wants_modseq = true;
	}
	imap_search_resolve(args, &im->cmd.arena, &names.n);
	f->key = args->key;
	f->args = NULL;
	if (f->is_limited)
		f->next_uid = imap_limit_search(im, f->key);
}

/* ---- filters ---- */

static size_t
find_filter(const struct imap_search_args *a)
{
	size_t i = 0;

	while (i < a->ref_count && a->refs[i].kind != SEARCH_REF_FILTER)
		i++;
	return i;
}

static char *
entry_name(struct span filter, const char *root)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, root);
	buf_adds(&b, "/filters/values/");
	buf_addspan(&b, filter);
	return buf_take(&b);
}

static enum imap_step
read_filter(struct finder *f, struct span name)
{
	struct env *env = f->im->s.env;
	struct rjob_metadata *job = rjob_metadata_new(env, &f->im->s, 2);

	f->undefined = name;
	f->filter_text = (struct span){ 0 };
	job->entries[0] = entry_name(name, "/private");
	job->entries[1] = entry_name(name, "/shared");
	job->max_size = UINT64_MAX;
	store_read(env->store, &job->j);
	return STEP_WAIT;
}

/* RFC 5466 section 3.1: one's own goes before that of all. */
static void
take_filter(struct finder *f, const struct rjob_metadata *job)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < job->row_count; i++) {
		const struct metadata_row *row = &job->rows[i];

		if (row->is_nil || (f->filter_text.len &&
		    !span_istarts(row->entry, "/private/")))
			continue;
		buf_clear(&b);
		buf_addc(&b, ' ');
		buf_addspan(&b, row->value);
		f->filter_text = arena_span(&f->im->cmd.arena, buf_span(&b));
	}
	buf_release(&b);
}

/*
 * Filters in filters are inserted, too; a loop ends where there have been too
 * many. ERR_NOTFOUND: as if there were none.
 */
static int
insert_filter(struct finder *f)
{
	struct imap_parser p;

	if (f->filter_text.len == 0 ||
	    f->filter_count++ == IMAP_FILTERS_MAX)
		return ERR_NOTFOUND;
	imap_parser_init(&p, f->filter_text, &f->im->cmd.arena);
	p.uid_only = f->im->is_uidonly;
	if (imap_search_insert(f->args, find_filter(f->args), &p))
		return ERR_NOTFOUND;
	f->undefined = (struct span){ 0 };
	return 0;
}

/* Reads one filter after the other, as long as there are any. */
static enum imap_step
filters_step(struct finder *f, struct op *op)
{
	size_t i;

	if (op) {
		struct rjob_metadata *job = CONTAINER_OF(op,
		    struct rjob_metadata, j.op);

		f->err = op->err;
		take_filter(f, job);
		if (f->err == 0 && job->j.more) {
			op_adopt(op, &f->im->s);
			store_read(f->im->s.env->store, &job->j);
			return STEP_WAIT;
		}
		op_free(op);
		if (f->err == 0)
			f->err = insert_filter(f);
	}
	if (f->err < 0)
		return STEP_DONE;
	i = find_filter(f->args);
	if (i < f->args->ref_count)
		return read_filter(f, f->args->refs[i].keyword);
	resolve(f);
	return STEP_DONE;
}

enum imap_step
finder_fail(struct finder *f)
{
	if (f->err != ERR_NOTFOUND || f->undefined.len == 0)
		return imap_fail(f->im, f->err);
	return imap_no(f->im, arena_printf(&f->im->cmd.arena,
	    "UNDEFINED-FILTER %.*s", SPAN_ARG(f->undefined)),
	    "There is no such filter");
}

/* ---- looking ---- */

static void
submit_rows(struct finder *f)
{
	struct env *env = f->im->s.env;
	struct rjob_search *job = rjob_search_new(env, &f->im->s,
	    view_mailbox(f->view), f->key, f->row_count);

	imap_progress(f->im, view_find_uid(f->view, f->rows[0].row.uid) - 1,
	    view_count(f->view));
	memcpy(job->rows, f->rows, f->row_count * sizeof *f->rows);
	f->row_count = 0;
	f->jobs_out++;
	store_read(env->store, &job->j);
}

static void
look_at(struct finder *f, uint32_t seq)
{
	struct search_row row;
	bool is_ghost = view_get(f->view, seq, &row.row);
	uint32_t uid = row.row.uid;
	enum tri t;

	if (f->among && !uidset_has(f->among, uid)) {
		f->next_uid = uid;
		return;
	}
	f->next_uid = (uint64_t)uid + 1;
	if (is_ghost)
		return;
	row.recent = view_is_recent(f->view, uid);
	t = search_eval_row(f->key, &row);
	if (t == TRI_YES) {
		uidset_add(&f->found, uid, uid);
		f->modseq = MAX(f->modseq, row.row.modseq);
	}
	if (t != TRI_UNKNOWN)
		return;
	if (!f->rows)
		f->rows = xcalloc(BATCH_ROWS, sizeof *f->rows);
	f->rows[f->row_count++] = row;
}

/* The first row that may be looked at; too high: there is none. */
static uint32_t
seek_row(struct finder *f)
{
	uint32_t none = view_count(f->view) + 1, uid;

	if (f->next_uid > UINT32_MAX)
		return none;
	uid = (uint32_t)f->next_uid;
	if (f->among && (uid = uidset_next(f->among, uid)) == 0)
		return none;
	f->next_uid = uid;
	return view_seek_uid(f->view, uid);
}

/* Looks at rows while readers have room for more; false: out of time. */
static bool
look_on(struct finder *f)
{
	uint32_t count = view_count(f->view), seq = seek_row(f);

	while (seq <= count && f->jobs_out < JOBS_MAX) {
		if (!imap_has_time(f->im))
			return false;
		look_at(f, seq);
		seq = f->among ? seek_row(f) : seq + 1;
		if (f->row_count == BATCH_ROWS)
			submit_rows(f);
	}
	if (f->row_count && f->jobs_out < JOBS_MAX)
		submit_rows(f);
	return true;
}

static uint64_t
modseq_of(const struct finder *f, uint32_t uid)
{
	struct msgrow row;

	(void)view_get(f->view, view_find_uid(f->view, uid), &row);
	return row.modseq;
}

/* A slice of what a reader has looked at. */
static void
take_slice(struct finder *f, struct rjob_search *job)
{
	int err = job->j.op.err;

	for (size_t i = 0; err == 0 && i < job->uid_count; i++) {
		uidset_add(&f->read, job->uids[i], job->uids[i]);
		if (f->wants_modseq)
			f->modseq = MAX(f->modseq, modseq_of(f,
			    job->uids[i]));
	}
	if (err == 0 && f->err == 0 && job->j.more) {
		op_adopt(&job->j.op, &f->im->s);
		store_read(f->im->s.env->store, &job->j);
		return;
	}
	op_free(&job->j.op);
	f->jobs_out--;
	if (f->err == 0)
		f->err = err;
}

enum imap_step
finder_step(struct finder *f, struct op *op)
{
	if (f->args) {
		enum imap_step step = filters_step(f, op);

		if (step != STEP_DONE || f->err < 0)
			return step;
		op = NULL;
	}
	if (op)
		take_slice(f, CONTAINER_OF(op, struct rjob_search, j.op));
	if (f->err == 0 && !look_on(f))
		return STEP_YIELD;
	if (f->jobs_out)
		return STEP_WAIT;
	uidset_merge(&f->found, &f->read);
	uidset_release(&f->read);
	return STEP_DONE;
}

/* ---- what is common to the answers ---- */

void
finder_put_esearch(struct imap *im)
{
	struct buf *out = im->s.out;

	/* Outlook takes the tag as a quoted string only. */
	buf_adds(out, "* ESEARCH (TAG ");
	imap_put_quoted(out, im->cmd.tag);
	buf_adds(out, im->cmd.uid ? ") UID" : ")");
}

unsigned
finder_relevancy(uint64_t i, uint64_t n)
{
	return n < 2 ? 100 : (unsigned)(1 + 99 * i / (n - 1));
}

int
finder_save(struct imap *im, const struct uidset *found, uint32_t min,
    uint32_t max, struct uidset *page)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	bool is_part = a->partial.is_given || (a->returns &
	    (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX));

	if (!is_part || (a->returns &
	    (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT)))
		uidset_copy(page, found);
	if (found->n && (a->returns & SEARCH_RETURN_MIN))
		uidset_add(page, min, min);
	if (found->n && (a->returns & SEARCH_RETURN_MAX))
		uidset_add(page, max, max);
	return imap_save_found(im, page);
}

void
finder_put_partial(struct imap *im, bool is_empty)
{
	buf_adds(im->s.out, " PARTIAL (");
	buf_addspan(im->s.out, im->cmd.args.search.partial.text);
	buf_adds(im->s.out, is_empty ? " NIL" : " ");
}

/* RFC 5182 section 2.1: a NO leaves nothing to refer to. */
void
finder_forget_refused(struct imap *im)
{
	if (im->cmd.args.search.save && im->cmd.status == STATUS_NO)
		imap_forget_found(im);
}
