/*
 * SORT (RFC 5256 section 3): the keys of a message, all of them, become one
 * string of bytes whose order is the order asked for; then bytes are sorted.
 *
 * In a key a number is eight bytes, high ones first, and a text is its
 * i;unicode-casemap form with a zero behind it. Where the order is reversed
 * all bits are. So a key that begins another comes before it, and what one
 * term says weighs more than all behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"

#define CHARGE_BYTES (64u * 1024)	/* of keys, at a time */
#define HEAD_BYTES sizeof(uint64_t)

struct sort_state {
	size_t row;		/* the next to be read */
	struct msort sort;
	struct arena arena;	/* one message's digest */
	struct buf folded, key;
	size_t keys_charged;
};

/* ---- the job ---- */

static void
state_free(struct sort_state *st)
{
	if (!st)
		return;
	free(st->sort.v);
	free(st->sort.spare);
	arena_release(&st->arena);
	buf_release(&st->folded);
	buf_release(&st->key);
	free(st);
}

static void
sort_free(struct op *op)
{
	struct rjob_sort *s = CONTAINER_OF(op, struct rjob_sort, j.op);

	state_free(s->j.state);
	free(s->terms);
	free(s->rows);
	free(s->items);
	arena_release(&s->keys);
	budget_give(s->budget, s->charged);
	free(s);
}

static int
charge(struct rjob_sort *s, size_t bytes)
{
	int err = budget_take(s->budget, bytes);

	if (err == 0)
		s->charged += bytes;
	return err;
}

struct rjob_sort *
rjob_sort_new(struct env *env, struct session *session,
    const struct sort_term *terms, size_t term_count, size_t row_cap)
{
	struct rjob_sort *s = xcalloc(1, sizeof *s);

	rjob_init(&s->j, RJOB_SORT, env, session, sort_free);
	s->budget = env->budget;
	if (charge(s, row_cap * (sizeof *s->rows + 2 * sizeof *s->items)) < 0) {
		sort_free(&s->j.op);
		return NULL;
	}
	s->terms = xcalloc(term_count, sizeof *s->terms);
	memcpy(s->terms, terms, term_count * sizeof *terms);
	s->term_count = term_count;
	s->rows = xcalloc(row_cap, sizeof *s->rows);
	s->row_cap = row_cap;
	return s;
}

void
rjob_sort_add(struct rjob_sort *s, const struct msgrow *row)
{
	if (s->row_count < s->row_cap)
		s->rows[s->row_count++] = sort_row_of(row);
}

/* ---- keys ---- */

static bool
needs_digest(const struct rjob_sort *s)
{
	for (size_t i = 0; i < s->term_count; i++)
		if (s->terms[i].by != SORT_ARRIVAL &&
		    s->terms[i].by != SORT_SIZE &&
		    s->terms[i].by != SORT_RELEVANCY)
			return true;
	return false;
}

static void
add_number(struct buf *key, uint64_t n)
{
	char bytes[8];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(n >> (56 - 8 * i));
	buf_add(key, bytes, sizeof bytes);
}

/* A date before 1970 is lower, too. */
static void
add_date(struct buf *key, int64_t s)
{
	add_number(key, (uint64_t)s ^ 1ull << 63);
}

static void
add_text(struct sort_state *st, struct span text)
{
	buf_clear(&st->folded);
	utf8_casemap(&st->folded, text);
	/* Digests have no NUL in them; one that has must not cut others. */
	for (size_t i = 0; i < st->folded.len; i++)
		if (st->folded.p[i] == '\0')
			st->folded.p[i] = '\1';
	buf_addspan(&st->key, buf_span(&st->folded));
	buf_addc(&st->key, '\0');
}

static void
add_term(struct sort_state *st, enum sort_by by, const struct sort_row *row,
    const struct digest_keys *d)
{
	switch (by) {
	case SORT_ARRIVAL:
		add_date(&st->key, row->internaldate_s);
		break;
	case SORT_DATE:
		/* RFC 5256 section 2.2 */
		add_date(&st->key, d->sent_s ? d->sent_s :
		    row->internaldate_s);
		break;
	case SORT_SIZE:
		add_number(&st->key, row->size);
		break;
	case SORT_RELEVANCY:
		add_number(&st->key, UINT32_MAX - row->uid);
		break;
	case SORT_CC:
		add_text(st, d->sort_cc);
		break;
	case SORT_FROM:
		add_text(st, d->sort_from);
		break;
	case SORT_TO:
		add_text(st, d->sort_to);
		break;
	case SORT_DISPLAYFROM:
		add_text(st, d->display_from);
		break;
	case SORT_DISPLAYTO:
		add_text(st, d->display_to);
		break;
	case SORT_SUBJECT:
		add_text(st, d->base_subject);
		break;
	}
}

static void
make_key(struct rjob_sort *s, struct sort_state *st,
    const struct sort_row *row, const struct digest_keys *d)
{
	buf_clear(&st->key);
	for (size_t i = 0; i < s->term_count; i++) {
		size_t start = st->key.len;

		add_term(st, s->terms[i].by, row, d);
		for (; s->terms[i].reverse && start < st->key.len; start++)
			st->key.p[start] = (char)~st->key.p[start];
	}
}

/* The key at hand becomes an item. Short keys need no memory. */
static int
keep_key(struct rjob_sort *s, struct sort_state *st, struct sort_item *item)
{
	unsigned char head[HEAD_BYTES] = { 0 };
	size_t len = MIN(st->key.len, HEAD_BYTES);

	memcpy(head, st->key.p, len);
	for (size_t i = 0; i < HEAD_BYTES; i++)
		item->head = item->head << 8 | head[i];
	item->rest_len = (uint32_t)(st->key.len - len);
	item->rest = arena_memdup(&s->keys, st->key.p + len, item->rest_len);
	if (s->keys.used <= st->keys_charged)
		return 0;
	st->keys_charged += CHARGE_BYTES + item->rest_len;
	return charge(s, CHARGE_BYTES + item->rest_len);
}

/* ---- the slice ---- */

static int
read_row(struct reader *r, struct rjob_sort *s, struct sort_state *st)
{
	const struct sort_row *row = &s->rows[st->row];
	struct sort_item *item = &st->sort.v[st->row];
	struct digest_keys keys = { 0 };
	int err = 0;

	arena_clear(&st->arena);
	if (needs_digest(s))
		err = read_digest_keys(r->db, &st->arena, row->body, &keys);
	/* One that is gone has no texts, which come first. */
	if (err < 0 && err != ERR_NOTFOUND)
		return err;
	make_key(s, st, row, &keys);
	item->row = (uint32_t)st->row++;
	return keep_key(s, st, item);
}

static struct sort_state *
sort_begin(struct rjob_sort *s)
{
	struct sort_state *st = xcalloc(1, sizeof *st);

	s->j.state = st;
	buf_init(&st->folded);
	buf_init(&st->key);
	msort_init(&st->sort, xcalloc(s->row_count, sizeof *s->items),
	    xcalloc(s->row_count, sizeof *s->items), s->row_count);
	return st;
}

int
slice_sort(struct reader *r, struct rjob *j)
{
	struct rjob_sort *s = CONTAINER_OF(j, struct rjob_sort, j);
	struct sort_state *st = j->state ? j->state : sort_begin(s);
	int err;

	while (st->row < s->row_count) {
		if ((err = read_row(r, s, st)) < 0)
			return err;
		if (reader_is_due(r)) {
			j->more = true;
			return 0;
		}
	}
	j->more = !msort_run(&st->sort, r);
	if (!j->more) {
		s->items = st->sort.v;
		st->sort.v = NULL;
	}
	return 0;
}
