/*
 * GETMETADATA, SETMETADATA, and what LIST and the server itself say of
 * annotations (RFC 5464, RFC 9590).
 *
 * What others set is told between commands to who has said ENABLE METADATA:
 * names of entries, one a line, gathered when the change comes by.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/imap_priv.h"
#include "imap/metadata.h"
#include "imap/notify.h"
#include "server/base/xalloc.h"

/* ---- answers ---- */

/* A literal8 is the one form that holds NULs (RFC 5464 section 5). */
static void
put_value(struct imap *im, const struct metadata_row *row)
{
	struct buf *out = im->s.out;

	if (row->is_nil) {
		buf_adds(out, "NIL");
	} else if (span_chr(row->value, '\0')) {
		buf_addc(out, '~');
		imap_put_literal_head(out, row->value.len);
		buf_addspan(out, row->value);
	} else {
		imap_put_string(out, row->value, im->is_utf8);
	}
}

void
imap_put_metadata(struct imap *im, struct span name,
    const struct rjob_metadata *job)
{
	struct buf *out = im->s.out;

	if (job->row_count == 0)
		return;
	buf_adds(out, "* METADATA ");
	imap_put_mailbox(out, name, im->is_utf8);
	for (size_t i = 0; i < job->row_count; i++) {
		buf_adds(out, i ? " " : " (");
		imap_put_astring(out, job->rows[i].entry, false);
		buf_addc(out, ' ');
		put_value(im, &job->rows[i]);
	}
	buf_adds(out, ")\r\n");
}

/* ---- names ---- */

/* An owned canonical name; NULL: the server. */
static int
take_name(struct span given, char **name)
{
	char out[MAILBOX_PATH_MAX + 1];

	*name = NULL;
	if (given.len == 0)
		return 0;
	if (mailbox_name_canonical(given, out) < 0)
		return ERR_NOMBOX;
	*name = xstrdup(out);
	return 0;
}

void
imap_metadata_entries(struct rjob_metadata *job, const struct span *entries)
{
	for (size_t i = 0; i < job->entry_count; i++)
		job->entries[i] = xmemdup0(entries[i].p, entries[i].len);
}

/* ---- GETMETADATA ---- */

enum imap_step
imap_run_getmetadata(struct imap *im)
{
	const struct imap_getmetadata_args *a = &im->cmd.args.getmetadata;
	struct rjob_metadata *job = rjob_metadata_new(im->s.env, &im->s,
	    a->entry_count);
	int err;

	imap_metadata_entries(job, a->entries);
	job->depth = a->depth;
	job->max_size = a->max_size;
	if ((err = take_name(a->name, &job->name)) < 0) {
		op_free(&job->j.op);
		return imap_fail(im, err);
	}
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

/* A slice of values, one answer each. */
enum imap_step
imap_done_getmetadata(struct imap *im, struct op *op)
{
	struct rjob_metadata *job = CONTAINER_OF(op, struct rjob_metadata,
	    j.op);
	const char *code = NULL;
	int err = op->err;

	if (err == 0)
		imap_put_metadata(im, im->cmd.args.getmetadata.name, job);
	if (err == 0 && job->j.more) {
		op_adopt(op, &im->s);
		store_read(im->s.env->store, &job->j);
		return STEP_WAIT;
	}
	if (job->longest)
		code = arena_printf(&im->cmd.arena,
		    "METADATA LONGENTRIES %llu",
		    (unsigned long long)job->longest);
	op_free(op);
	return err < 0 ? imap_fail(im, err) :
	    imap_ok(im, code, "GETMETADATA completed");
}

/* ---- SETMETADATA ---- */

static void
take_values(struct wreq_metadata *r, const struct imap_setmetadata_args *a)
{
	r->items = xcalloc(a->value_count, sizeof *r->items);
	r->item_count = a->value_count;
	for (size_t i = 0; i < a->value_count; i++) {
		const struct imap_metadata_value *v = &a->values[i];
		struct metadata_item *m = &r->items[i];

		m->entry = xmemdup0(v->entry.p, v->entry.len);
		m->remove = v->is_nil;
		m->value = xmemdup0(v->value.p, v->value.len);
		m->value_len = v->value.len;
	}
}

/* RFC 5466 section 3.2: filters are search keys, or nothing. */
static bool
has_bad_filter(struct imap *im)
{
	const struct imap_setmetadata_args *a = &im->cmd.args.setmetadata;

	for (size_t i = 0; a->name.len == 0 && i < a->value_count; i++) {
		const struct imap_metadata_value *v = &a->values[i];

		if (!v->is_nil &&
		    (span_istarts(v->entry, "/private/filters/values/") ||
		    span_istarts(v->entry, "/shared/filters/values/")) &&
		    !imap_search_is_filter(v->value, &im->cmd.arena))
			return true;
	}
	return false;
}

enum imap_step
imap_run_setmetadata(struct imap *im)
{
	const struct imap_setmetadata_args *a = &im->cmd.args.setmetadata;
	struct wreq_metadata *r;
	int err;

	if (has_bad_filter(im))
		return imap_no(im, NULL, "A filter has to be search keys");
	r = wreq_metadata_new(im->s.env, &im->s);
	r->w.origin = im->origin;
	take_values(r, a);
	if ((err = take_name(a->name, &r->name)) < 0) {
		op_free(&r->w.op);
		return imap_fail(im, err);
	}
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

enum imap_step
imap_done_setmetadata(struct imap *im, struct op *op)
{
	int err = op->err;

	op_free(op);
	if (err == ERR_RANGE)
		return imap_no(im, arena_printf(&im->cmd.arena,
		    "METADATA MAXSIZE %u", METADATA_VALUE_MAX),
		    "A value is too long");
	if (err == ERR_LIMIT)
		return imap_no(im, "METADATA TOOMANY", "Too many entries");
	return err < 0 ? imap_fail(im, err) :
	    imap_ok(im, NULL, "SETMETADATA completed");
}

/* ---- what others set ---- */

void
imap_enable_metadata(struct imap *im)
{
	im->is_metadata = true;
}

/* Whether the session is to hear of the change. */
static bool
concerns(const struct imap *im, const struct change *c)
{
	if (c->kind != CHANGE_METADATA || c->origin == im->origin)
		return false;
	if (!im->is_metadata && !imap_notify_wants_metadata(im, c))
		return false;
	if (c->reader && c->reader != im->s.account)
		return false;
	return c->mailbox == 0 || c->account == im->s.account;
}

static void
note_change(struct imap *im, const struct change *c)
{
	struct buf *news = &im->metadata_news;
	size_t start = news->len;
	struct span line;

	buf_adds(news, "* METADATA ");
	imap_put_mailbox(news, span_of(c->name), im->is_utf8);
	buf_addc(news, ' ');
	imap_put_astring(news, span_of(c->entry), false);
	buf_adds(news, "\r\n");
	line = span_from(buf_span(news), start);
	if (start && memmem(news->p, start, line.p, line.len))
		buf_truncate(news, start);
}

bool
imap_metadata_changed(struct imap *im, const struct changeset *cs)
{
	if (!im->is_metadata && !im->notify)
		return true;
	for (size_t i = 0; i < cs->n; i++)
		if (concerns(im, &cs->v[i]))
			note_change(im, &cs->v[i]);
	return im->metadata_news.len <= IMAP_METADATA_NEWS_MAX;
}

void
imap_tell_metadata(struct imap *im)
{
	if (im->metadata_news.len == 0)
		return;
	buf_addspan(im->s.out, buf_span(&im->metadata_news));
	buf_release(&im->metadata_news);
}
