/*
 * The table has sets of eight entries; a seeded hash of the kind, the name
 * and the address is the entry's whole identity. Two that share all 64 bits
 * share their failures, which harms nobody.
 */
#include "auth/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

#define WAYS 8
#define SETS (THROTTLE_ENTRIES / WAYS)
#define NET_LEN 16
#define NAME_MAX_LEN 256
#define KNOWN_MS (24 * 60 * 60 * (int64_t)1000)

struct entry {
	uint64_t key;		/* 0: free */
	int64_t first_ms;	/* of the failures counted */
	int64_t last_ms;	/* the last one, or an attempt under way */
	int64_t ok_ms;		/* the last success, of a pair */
	unsigned count;
	unsigned open;		/* let through; it is not known how they end */
	bool has_ok;
};

struct throttle {
	struct hash_key key;
	struct entry sets[SETS][WAYS];
};

enum kind { KIND_ACCOUNT = 'a', KIND_NET = 'n', KIND_PAIR = 'p' };

/* In the order in which they judge (choose_judges). */
static const enum kind kinds[] = { KIND_PAIR, KIND_ACCOUNT, KIND_NET };

struct throttle *
throttle_new(const struct hash_key *key)
{
	struct throttle *t = xcalloc(1, sizeof *t);

	t->key = *key;
	return t;
}

void
throttle_free(struct throttle *t)
{
	free(t);
}

static uint64_t
make_key(const struct throttle *t, enum kind kind,
    const struct throttle_who *who)
{
	struct span name = span_head(who->name, NAME_MAX_LEN);
	unsigned char bytes[1 + NET_LEN + NAME_MAX_LEN] = { 0 };
	size_t len = 1 + NET_LEN;
	uint64_t key;

	bytes[0] = (unsigned char)kind;
	if (kind != KIND_ACCOUNT)
		memcpy(bytes + 1, who->net, NET_LEN);
	if (kind != KIND_NET && name.len) {
		memcpy(bytes + len, name.p, name.len);
		len += name.len;
	}
	key = hash64(&t->key, bytes, len);
	return key ? key : 1;
}

static struct entry *
find_entry(struct throttle *t, enum kind kind, const struct throttle_who *who)
{
	uint64_t key = make_key(t, kind, who);
	struct entry *set = t->sets[key % SETS];

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

static bool
is_known(const struct entry *e, int64_t now_ms)
{
	return e && e->has_ok && now_ms - e->ok_ms < KNOWN_MS;
}

/* Failures that still count. */
static unsigned
get_count(const struct entry *e, int64_t now_ms)
{
	if (!e || now_ms - e->first_ms >= THROTTLE_WINDOW_MS)
		return 0;
	return e->count;
}

/* Attempts under way. */
static unsigned
get_open(const struct entry *e, int64_t now_ms)
{
	if (!e || now_ms - e->last_ms >= THROTTLE_OPEN_MS)
		return 0;
	return e->open;
}

/* What is lost if the entry gives way: little, then old, goes first. */
static bool
is_worth_less(const struct entry *a, const struct entry *b, int64_t now_ms)
{
	unsigned worth_a = get_count(a, now_ms) + get_open(a, now_ms) +
	    2 * is_known(a, now_ms);
	unsigned worth_b = get_count(b, now_ms) + get_open(b, now_ms) +
	    2 * is_known(b, now_ms);

	if (worth_a != worth_b)
		return worth_a < worth_b;
	return a->last_ms < b->last_ms;
}

/* The entry, made if there is none. */
static struct entry *
get_entry(struct throttle *t, enum kind kind, const struct throttle_who *who,
    int64_t now_ms)
{
	struct entry *e = find_entry(t, kind, who);
	uint64_t key = make_key(t, kind, who);
	struct entry *set = t->sets[key % SETS];

	if (e)
		return e;
	e = set;
	for (size_t i = 0; i < WAYS && e->key; i++)
		if (!set[i].key || is_worth_less(&set[i], e, now_ms))
			e = &set[i];
	*e = (struct entry){ .key = key, .first_ms = now_ms,
	    .last_ms = now_ms };
	return e;
}

/* When the next attempt may be made, by this entry's failures alone. */
static int64_t
get_due(const struct entry *e, int64_t now_ms)
{
	unsigned count = get_count(e, now_ms);
	unsigned open = get_open(e, now_ms);
	int64_t delay;

	if (open > THROTTLE_OPEN_MAX)
		count += open - THROTTLE_OPEN_MAX;
	if (count == 0)
		return now_ms;
	delay = count > 4 ? THROTTLE_DELAY_MAX_MS : 1000 << (count - 1);
	return e->last_ms + delay;
}

/* By how many of kinds[] the attempt is judged. */
static size_t
choose_judges(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms)
{
	if (who->is_known ||
	    is_known(find_entry(t, KIND_PAIR, who), now_ms))
		return 1;
	return who->is_exempt ? 2 : 3;
}

/* The next one waits for this one as for a failure. */
static void
note_open(struct throttle *t, enum kind kind, const struct throttle_who *who,
    int64_t now_ms)
{
	struct entry *e = who->is_exempt ? find_entry(t, kind, who) :
	    get_entry(t, kind, who, now_ms);

	if (!e)
		return;
	e->open = get_open(e, now_ms) + !who->is_exempt;
	e->last_ms = now_ms;
}

/* It is known how an attempt has ended. */
static void
note_end(struct entry *e)
{
	if (e && e->open)
		e->open--;
}

enum throttle_verdict
throttle_check(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms, int64_t *until_ms)
{
	size_t count = choose_judges(t, who, now_ms);
	int64_t due = now_ms;

	if (count == 3 && get_count(find_entry(t, KIND_NET, who), now_ms) >=
	    THROTTLE_NET_FAILURES)
		return THROTTLE_REFUSE;
	for (size_t i = 0; i < count; i++)
		due = MAX(due, get_due(find_entry(t, kinds[i], who),
		    now_ms));
	if (due > now_ms) {
		*until_ms = due;
		return THROTTLE_WAIT;
	}
	for (size_t i = 0; i < count; i++)
		note_open(t, kinds[i], who, now_ms);
	return THROTTLE_PASS;
}

void
throttle_give_up(struct throttle *t, const struct throttle_who *who)
{
	if (who->is_exempt)
		return;		/* it was not counted */
	for (size_t i = 0; i < COUNT(kinds); i++)
		note_end(find_entry(t, kinds[i], who));
}

void
throttle_failure(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct entry *e = get_entry(t, kinds[i], who, now_ms);

		note_end(e);
		if (get_count(e, now_ms) == 0) {
			e->count = 0;
			e->first_ms = now_ms;
		}
		e->count++;
		e->last_ms = now_ms;
	}
}

void
throttle_success(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms)
{
	struct entry *e = get_entry(t, KIND_PAIR, who, now_ms);

	for (size_t i = 0; i < COUNT(kinds); i++)
		note_end(find_entry(t, kinds[i], who));
	e->count = 0;
	e->ok_ms = now_ms;
	e->has_ok = true;
}
