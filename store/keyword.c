/*
 * Keywords: names in a mailbox, bits 8..63 in its messages' flags.
 */
#include "server/base/err.h"
#include "store/message_priv.h"

/* Sets *bit to the keyword's flag, or to 0 if there is no such name. */
static int
find_keyword(struct wtxn *t, uint64_t mailbox, struct span name,
    uint64_t *bit)
{
	int64_t n;
	int err = db_get(t->db, &n, "SELECT bit FROM keyword"
	    " WHERE mailbox = ? AND name = ?", A_INT(mailbox), A_SPAN(name));

	*bit = err == 0 ? UINT64_C(1) << n : 0;
	return err == ERR_NOTFOUND ? 0 : err;
}

/* Gives the name the lowest bit that is free. */
static int
make_keyword(struct wtxn *t, const struct mailbox_row *box, struct span name,
    uint64_t *bit)
{
	uint64_t used = 0;
	struct change *c;
	sqlite3_stmt *s;
	unsigned n = KEYWORD_FIRST;
	int err;

	if (name.len == 0 || name.len > KEYWORD_NAME_MAX)
		return ERR_LIMIT;
	if ((err = db_query(t->db, &s, "SELECT bit FROM keyword"
	    " WHERE mailbox = ?", A_INT(box->id))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0)
		used |= UINT64_C(1) << db_u32(s, 0);
	if (err < 0)
		return err;
	while (n < KEYWORD_FIRST + KEYWORDS_MAX &&
	    (used & UINT64_C(1) << n))
		n++;
	if (n == KEYWORD_FIRST + KEYWORDS_MAX)
		return ERR_KEYWORDS;
	if ((err = db_run(t->db, "INSERT INTO keyword(mailbox, bit, name)"
	    " VALUES (?, ?, ?)", A_INT(box->id), A_INT(n),
	    A_SPAN(name))) < 0)
		return err;
	*bit = UINT64_C(1) << n;
	c = changeset_add(t->changes, CHANGE_KEYWORD, box->account, box->id);
	c->modseq = wtxn_modseq(t);
	c->bit = n;
	c->name = arena_str(&t->changes->arena, name);
	return 0;
}

int
keyword_bits(struct wtxn *t, const struct mailbox_row *box,
    char *const *names, size_t n, bool make, uint64_t *bits)
{
	uint64_t bit;
	int err;

	*bits = 0;
	for (size_t i = 0; i < n; i++) {
		struct span name = span_of(names[i]);

		if ((err = find_keyword(t, box->id, name, &bit)) < 0)
			return err;
		if (bit == 0 && make &&
		    (err = make_keyword(t, box, name, &bit)) < 0)
			return err;
		*bits |= bit;
	}
	return 0;
}

/*
 * Where a keyword of the one mailbox is in the other. One that finds no room
 * is left behind: to refuse the whole copy would lose more.
 */
static int
map_bit(struct wtxn *t, struct keyword_map *map,
    const struct mailbox_row *from, const struct mailbox_row *to, unsigned n)
{
	char name[KEYWORD_NAME_MAX + 1] = "";
	struct span span;
	sqlite3_stmt *s;
	int err;

	map->known |= UINT64_C(1) << n;
	map->to[n] = 0;
	if ((err = db_query(t->db, &s, "SELECT name FROM keyword"
	    " WHERE mailbox = ? AND bit = ?", A_INT(from->id),
	    A_INT(n))) < 0)
		return err;
	if ((err = db_step(t->db, s)) <= 0)
		return err;
	span = span_head(db_span(s, 0), KEYWORD_NAME_MAX);
	memcpy(name, span.p, span.len);
	db_done(s);
	if ((err = find_keyword(t, to->id, span_of(name), &map->to[n])) < 0)
		return err;
	if (map->to[n] == 0)
		err = make_keyword(t, to, span_of(name), &map->to[n]);
	return err == ERR_KEYWORDS ? 0 : err;
}

int
keyword_map_flags(struct wtxn *t, struct keyword_map *map,
    const struct mailbox_row *from, const struct mailbox_row *to,
    uint64_t *flags)
{
	uint64_t old = *flags, left = old & ~FLAG_SYSTEM_MASK;
	int err;

	if (map->same || left == 0)
		return 0;
	*flags = old & FLAG_SYSTEM_MASK;
	while (left) {
		unsigned n = (unsigned)__builtin_ctzll(left);

		left &= left - 1;
		if (!(map->known & UINT64_C(1) << n) &&
		    (err = map_bit(t, map, from, to, n)) < 0)
			return err;
		*flags |= map->to[n];
	}
	return 0;
}
