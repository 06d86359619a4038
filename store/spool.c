#include "store/spool.h"

#include <assert.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/spool_priv.h"
#include "store/writer_priv.h"

#define CHARGE_STEP 16384u	/* bytes; the budget is not asked for less */

struct spool_part {
	struct spool_part *next;
	unsigned n;
	size_t at;
	char *bytes;
	size_t len;
};

/* ---- memory of all spools together ---- */

static int
take(struct env *env, size_t size)
{
	int err = budget_take(env->budget, size);

	if (err == 0)
		atomic_fetch_add(&env->budget->spooled, size);
	return err;
}

static void
give(struct env *env, size_t size)
{
	atomic_fetch_sub(&env->budget->spooled, size);
	budget_give(env->budget, size);
}

/* ---- requests ---- */

static void
unstage_free(struct op *op)
{
	free(op);
}

struct wreq_unstage *
wreq_unstage_new(uint64_t content)
{
	struct wreq_unstage *r = xcalloc(1, sizeof *r);

	op_init(&r->w.op, NULL, NULL, unstage_free);
	r->w.kind = WREQ_UNSTAGE;
	r->content = content;
	return r;
}

/* Nobody wants it any more. After the store has closed the start sweeps. */
static void
give_back(struct env *env, uint64_t content)
{
	if (content && env->store)
		store_submit(env->store, &wreq_unstage_new(content)->w);
}

/*
 * A first chunk whose spool has gone before it came home has nobody else who
 * knows of its content.
 */
static void
stage_free(struct op *op)
{
	struct wreq_stage *r = (struct wreq_stage *)op;

	if (!r->content && !r->claimed && op->err == 0)
		give_back(r->env, r->content_r);
	give(r->env, r->len);
	free(r->bytes);
	free(r);
}

int
apply_stage(struct wtxn *t, struct wreq *w)
{
	struct wreq_stage *r = (struct wreq_stage *)w;
	int err;

	r->content_r = r->content ? r->content : wtxn_id(t);
	err = content_stage(t->db, r->content_r, r->n, r->at,
	    span_make(r->bytes, r->len), w->now_s);
	return err == ERR_NOTFOUND ? ERR_STORE : err;
}

size_t
stage_bytes(const struct wreq *w)
{
	return ((const struct wreq_stage *)w)->len;
}

int
apply_unstage(struct wtxn *t, struct wreq *w)
{
	return content_unstage(t->db, ((struct wreq_unstage *)w)->content);
}

/* ---- memory ---- */

/* Charges up to size bytes in all, in steps. */
static int
charge(struct spool *s, size_t size)
{
	size_t want = (size + CHARGE_STEP - 1) / CHARGE_STEP * CHARGE_STEP;

	if (want <= s->charged)
		return 0;
	if (take(s->env, want - s->charged) < 0)
		return ERR_BUDGET;
	s->charged = want;
	return 0;
}

/* What is held now, besides what waits to be staged and is charged alone. */
static size_t
held(const struct spool *s, size_t extra)
{
	return s->bytes.len + extra + mime_memory(s->mime) +
	    s->digest_bytes.len;
}

static void
part_free(struct spool *s, struct spool_part *c)
{
	give(s->env, c->len);
	free(c->bytes);
	free(c);
}

static void
drop_bytes(struct spool *s)
{
	for (struct spool_part *c = s->pending, *next; c; c = next) {
		next = c->next;
		part_free(s, c);
	}
	s->pending = NULL;
	s->pending_tail = &s->pending;
	buf_release(&s->bytes);
}

/* After this the spool only counts. */
static int
fail(struct spool *s, int err)
{
	if (s->err == 0)
		s->err = err;
	drop_bytes(s);
	return s->err;
}

/* The part being filled goes to those that wait to be staged. */
static int
push_part(struct spool *s)
{
	struct spool_part *c;
	size_t len = s->bytes.len;

	if (take(s->env, len) < 0)
		return fail(s, ERR_BUDGET);
	c = xcalloc(1, sizeof *c);
	c->n = s->n;
	c->at = s->at;
	c->len = len;
	c->bytes = buf_take(&s->bytes);
	*s->pending_tail = c;
	s->pending_tail = &c->next;
	s->staged = true;
	s->at += len;
	if (s->at == SPOOL_CHUNK) {
		s->n++;
		s->at = 0;
	}
	return 0;
}

/* ---- the spool ---- */

struct spool *
spool_new(struct env *env, uint64_t max)
{
	struct spool *s = xcalloc(1, sizeof *s);

	s->env = env;
	s->max = max;
	buf_init(&s->bytes);
	buf_init(&s->digest_bytes);
	s->pending_tail = &s->pending;
	s->mime = mime_new();
	blake2b_init(&s->hash_state);
	return s;
}

void
spool_settle(struct spool *s)
{
	s->content = 0;
}

void
spool_free(struct spool *s)
{
	if (!s)
		return;
	give_back(s->env, s->content);
	drop_bytes(s);
	mime_free(s->mime);
	buf_release(&s->digest_bytes);
	give(s->env, s->charged);
	free(s);
}

/* So many bytes more fit before what there is has to be staged. */
static size_t
room(const struct spool *s)
{
	size_t max = SPOOL_CHUNK - s->at;

	if (atomic_load_explicit(&s->env->budget->spooled,
	    memory_order_relaxed) > SPOOL_SHARE)
		max = MIN(max, SPOOL_PART);
	return s->bytes.len < max ? max - s->bytes.len : 0;
}

int
spool_add(struct spool *s, const char *p, size_t len)
{
	assert(!s->finished);
	s->size += len;
	if (s->err < 0)
		return s->err;
	if (s->size > s->max)
		return fail(s, ERR_LIMIT);
	blake2b_add(&s->hash_state, p, len);
	mime_add(s->mime, p, len);
	while (len > 0) {
		size_t part = MIN(MIN(len, SPOOL_PART), room(s));

		/* Only when more comes: 256 KiB to the byte stay in memory. */
		if (part == 0) {
			if (push_part(s) < 0)
				return s->err;
			continue;
		}
		if (charge(s, held(s, part)) < 0)
			return fail(s, ERR_BUDGET);
		buf_add(&s->bytes, p, part);
		p += part;
		len -= part;
	}
	return 0;
}

int
spool_error(const struct spool *s)
{
	return s->err;
}

uint64_t
spool_size(const struct spool *s)
{
	return s->size;
}

bool
spool_submit_stage(struct spool *s, struct session *session)
{
	struct spool_part *c = s->pending;
	struct wreq_stage *r;

	/* The first makes the content that the others name. */
	if (!c || s->err < 0 || s->out >= (s->content ? SPOOL_STAGES_MAX : 1))
		return false;
	s->pending = c->next;
	if (!s->pending)
		s->pending_tail = &s->pending;
	r = xcalloc(1, sizeof *r);
	wreq_init(&r->w, WREQ_STAGE, s->env, session, stage_free);
	r->w.op.tag = SPOOL_OP_TAG;
	r->env = s->env;
	r->content = s->content;
	r->n = c->n;
	r->at = c->at;
	r->bytes = c->bytes;
	r->len = c->len;
	free(c);
	s->out++;
	store_submit(s->env->store, &r->w);
	return true;
}

int
spool_staged(struct spool *s, struct op *op)
{
	struct wreq_stage *r = (struct wreq_stage *)op;
	int err = op->err;

	assert(op->tag == SPOOL_OP_TAG && s->out > 0);
	s->out--;
	r->claimed = true;
	if (err == 0)
		s->content = r->content_r;
	else
		(void)fail(s, err);
	op_free(op);
	return err;
}

bool
spool_is_full(const struct spool *s)
{
	return s->out >= SPOOL_STAGES_MAX || s->pending;
}

bool
spool_has_stages_out(const struct spool *s)
{
	return s->out > 0 || s->pending;
}

int
spool_finish(struct spool *s)
{
	assert(!s->finished);
	s->finished = true;
	if (s->err < 0)
		return s->err;
	s->digest = mime_finish(s->mime);
	digest_encode(&s->digest_bytes, s->digest);
	blake2b_final(&s->hash_state, s->hash);
	if (charge(s, held(s, 0)) < 0)
		return fail(s, ERR_BUDGET);
	return s->staged ? push_part(s) : 0;
}

const struct digest *
spool_digest(const struct spool *s)
{
	return s->digest;
}

struct span
spool_bytes(const struct spool *s)
{
	if (s->staged)
		return (struct span){ 0 };
	return buf_span(&s->bytes);
}
