/*
 * SEARCH and UID SEARCH (RFC 3501 section 6.4.4) with SAVE (RFC 5182) and
 * UPDATE (RFC 5267). finder.c finds, result.c tells. The view does not move
 * while a command runs, so what was found stays true.
 */
#include "imap/result.h"
#include "imap/context.h"
#include "imap/sync.h"

struct search {
	struct finder f;
	bool is_found;
	struct result result;
};

static void
search_release(struct imap *im)
{
	struct search *s = im->cmd.state;

	finder_forget_refused(im);
	finder_release(&s->f);
	result_release(&s->result);
}

static enum imap_step
search_end(struct imap *im, const struct search *s, const char *text)
{
	if (im->cmd.args.search.update)
		context_add(im, &s->f.found, NULL);
	return imap_ok(im, NULL, text);
}

static enum imap_step
search_put(struct imap *im, struct search *s)
{
	return result_put(im, &s->result) ?
	    search_end(im, s, "SEARCH completed") : STEP_YIELD;
}

static int
search_save(struct imap *im, const struct uidset *found)
{
	struct uidset page = { 0 };

	if (im->cmd.args.search.partial.is_given)
		result_cut_page(im, &page, found);
	return finder_save(im, found, found->n ? found->v[0].lo : 0,
	    found->n ? found->v[found->n - 1].hi : 0, &page);
}

static enum imap_step
search_over(struct imap *im, struct search *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	const struct uidset *f = &s->f.found;

	if (s->f.err < 0)
		return finder_fail(&s->f);
	s->is_found = true;
	if (a->save && search_save(im, f) < 0)
		return imap_no(im, "NOTSAVED",
		    "No memory to save the result in");
	if (a->save && a->returns == 0 && !a->partial.is_given)
		return search_end(im, s, "SEARCH completed, result saved");
	result_init(&s->result, &s->f, im->cmd.uid);
	return search_put(im, s);
}

static enum imap_step
search_look(struct imap *im, struct search *s, struct op *op)
{
	enum imap_step step = finder_step(&s->f, op);

	return step == STEP_DONE ? search_over(im, s) : step;
}

enum imap_step
imap_run_search(struct imap *im)
{
	struct imap_search_args *a = &im->cmd.args.search;
	struct search *s = arena_alloc(&im->cmd.arena, sizeof *s);

	im->cmd.state = s;
	im->cmd.release = search_release;
	/* RFC 9051 section 6.4.4: there is no other answer any more. */
	if (im->is_rev2 && !a->esearch) {
		a->esearch = true;
		a->returns = SEARCH_RETURN_ALL;
	}
	if (a->update && context_is_tag_used(im))
		return imap_bad(im, "This tag is that of a context");
	if (a->is_charset_unknown)
		return imap_no(im, IMAP_BADCHARSET, "Unknown charset");
	if (imap_is_page_over(im, &a->partial))
		return imap_no(im, imap_limit_code(im), "The page is too large");
	finder_init_args(&s->f, im, &im->view, a);
	s->f.is_limited = true;
	return search_look(im, s, NULL);
}

enum imap_step
imap_done_search(struct imap *im, struct op *op)
{
	struct search *s = im->cmd.state;

	return s->is_found ? search_put(im, s) : search_look(im, s, op);
}

enum imap_step
imap_run_cancelupdate(struct imap *im)
{
	const struct imap_cancel_args *a = &im->cmd.args.cancel;
	bool is_known = true;

	for (size_t i = 0; i < a->count; i++)
		is_known &= context_cancel(im, a->tags[i]);
	if (!is_known)
		return imap_bad(im, "There is no context with such a tag");
	return imap_ok(im, NULL, "No further updates");
}
