/*
 * Values of annotations (RFC 5464 section 4.2), in the order asked for; what
 * lies below an entry follows it in the order of names.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/metadata_priv.h"
#include "store/read_priv.h"

static void
metadata_job_free(struct op *op)
{
	struct rjob_metadata *m = CONTAINER_OF(op, struct rjob_metadata,
	    j.op);

	for (size_t i = 0; i < m->entry_count; i++)
		free(m->entries[i]);
	free(m->entries);
	free(m->name);
	free(m->after);
	job_arena_free(m->arena);
	free(m);
}

struct rjob_metadata *
rjob_metadata_new(struct env *env, struct session *s, size_t entry_count)
{
	struct rjob_metadata *m = xcalloc(1, sizeof *m);

	rjob_init(&m->j, RJOB_METADATA, env, s, metadata_job_free);
	m->entries = xcalloc(entry_count, sizeof *m->entries);
	m->entry_count = entry_count;
	m->max_size = UINT64_MAX;
	m->arena = job_arena_new();
	return m;
}

/* Grows by doubling in the arena; the old rows are left behind. */
static struct metadata_row *
add_row(struct rjob_metadata *m, struct span entry)
{
	struct metadata_row *old = m->rows;
	size_t n = m->row_count;

	if (n == 0 || (n & (n - 1)) == 0) {
		m->rows = arena_array(m->arena, n ? 2 * n : 1, sizeof *old);
		if (n)
			memcpy(m->rows, old, n * sizeof *old);
	}
	m->row_count++;
	m->rows[n] = (struct metadata_row){
	    .entry = arena_span(m->arena, entry) };
	return &m->rows[n];
}

/* The one entry that is made up: RFC 5464 section 3.2.1.1, a URI. */
static bool
add_admin(struct reader *r, struct rjob_metadata *m, const char *entry)
{
	const char *postmaster = r->store->settings.postmaster;

	if (m->mailbox || m->name || !postmaster || !postmaster[0] ||
	    !span_iis(span_of(entry), METADATA_ADMIN))
		return false;
	add_row(m, span_of(entry))->value = span_of(arena_printf(m->arena,
	    "mailto:%s", postmaster));
	return true;
}

/*
 * The values of the entry at hand and below. The slice may end in between;
 * then m->after is where to go on.
 */
static int
read_entry(struct reader *r, struct rjob_metadata *m, uint64_t mailbox,
    size_t *bytes)
{
	const char *entry = m->entries[m->at];
	bool any = m->after != NULL;
	sqlite3_stmt *s;
	int err;

	/* '0' is what comes after '/': a range finds entry/anything. */
	if ((err = db_query(r->db, &s, "SELECT entry, value FROM metadata"
	    " WHERE mailbox = ?1 AND account = ?2 AND entry > ?5"
	    " AND (entry = ?3 COLLATE NOCASE OR (?4 > 0 AND entry > ?3 || '/'"
	    " AND entry < ?3 || '0' AND (?4 = 2 OR"
	    " instr(substr(entry, length(?3) + 2), '/') = 0)))"
	    " ORDER BY entry", A_INT(mailbox),
	    A_INT(metadata_is_shared(span_of(entry)) ? 0 : m->j.actor),
	    A_STR(entry), A_INT(m->depth),
	    A_STR(m->after ? m->after : ""))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0) {
		struct span name = db_span(s, 0), value = db_span(s, 1);

		any = true;
		if (value.len > m->max_size) {
			m->longest = MAX(m->longest, value.len);
			continue;
		}
		add_row(m, name)->value = arena_span(m->arena, value);
		*bytes += name.len + value.len;
		if (*bytes < SLICE_BYTES)
			continue;
		free(m->after);
		m->after = xstrdup(arena_str(m->arena, name));
		m->j.more = true;
		db_done(s);
		return 0;
	}
	if (err == 0 && !any && !add_admin(r, m, entry) &&
	    m->depth == METADATA_DEPTH_0)
		add_row(m, span_of(entry))->is_nil = true;
	return err;
}

int
slice_metadata(struct reader *r, struct rjob *j)
{
	struct rjob_metadata *m = CONTAINER_OF(j, struct rjob_metadata, j);
	struct mailbox_row row = { 0 };
	size_t bytes = 0;
	int err;

	arena_clear(m->arena);
	m->rows = NULL;
	m->row_count = 0;
	if ((m->mailbox || m->name) && (err = metadata_access(r->db, j->actor,
	    m->mailbox, span_of(m->name), &row)) < 0)
		return err;
	for (; m->at < m->entry_count; m->at++) {
		if ((err = read_entry(r, m, row.id, &bytes)) < 0 || j->more)
			return err;
		free(m->after);
		m->after = NULL;
	}
	return 0;
}
