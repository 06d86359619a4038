#include "server/net/conn_limits.h"

#include <sys/resource.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

#define MINUTE_MS 60000

/* One address; remembered for the minute after its last connection. */
struct limit_addr {
	struct list link;	/* in idle while open is 0 */
	uint64_t key;
	unsigned open;
	unsigned pending;
	unsigned new_count;	/* in the minute from minute_ms on */
	int64_t minute_ms;
};

struct limit_account {
	uint64_t id;
	unsigned open;
};

const char *
limit_text(enum limit_verdict v)
{
	switch (v) {
	case LIMIT_OK:
		break;
	case LIMIT_OVER_TOTAL:
		return "too many connections";
	case LIMIT_OVER_PENDING:
		return "too many connections not logged in from this address";
	case LIMIT_OVER_RATE:
		return "too many new connections a minute from this address";
	case LIMIT_OVER_ACCOUNT:
		return "too many connections of this account";
	}
	return "";
}

static unsigned
or_default(unsigned n, unsigned dflt)
{
	return n ? n : dflt;
}

void
conn_limits_init(struct conn_limits *l, struct env *env,
    const struct conn_limits_settings *set)
{
	*l = (struct conn_limits){ .env = env, .set = *set };
	list_init(&l->conns);
	list_init(&l->idle);
}

static void
addr_forget(struct conn_limits *l, struct limit_addr *a)
{
	list_remove(&a->link);
	(void)idmap_take(&l->addrs, a->key);
	free(a);
}

void
conn_limits_release(struct conn_limits *l)
{
	assert(l->count == 0 && list_is_empty(&l->conns));
	LIST_FOREACH(node, &l->idle)
		addr_forget(l, CONTAINER_OF(node, struct limit_addr, link));
	idmap_release(&l->addrs);
	idmap_release(&l->accounts);
}

unsigned
conn_limits_total(unsigned wanted, unsigned reserved)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
		return wanted;
	if (r.rlim_cur <= reserved)
		return 1;
	return (unsigned)MIN((rlim_t)wanted, r.rlim_cur - reserved);
}

bool
conn_limits_is_exempt(const struct conn_limits *l, const struct addr *a)
{
	for (size_t i = 0; i < l->set.exempt_count; i++)
		if (addr_in_net(a, &l->set.exempt[i]))
			return true;
	return false;
}

/*
 * The entry for an address, made if need be. Bounded: the one that has been
 * idle longest makes room; those with connections are bounded by the total.
 * Two addresses with one keyed 64-bit hash would share their limits, which
 * nobody outside can aim for.
 */
static struct limit_addr *
addr_get(struct conn_limits *l, const struct addr *addr)
{
	unsigned char bytes[16];
	struct limit_addr *a;
	uint64_t key;

	addr_limit_key(addr, bytes);
	key = hash64(&l->env->hash_key, bytes, sizeof bytes);
	if ((a = idmap_find(&l->addrs, key)))
		return a;
	if (l->addrs.count >= LIMIT_ADDRS && !list_is_empty(&l->idle))
		addr_forget(l, CONTAINER_OF(l->idle.next, struct limit_addr,
		    link));
	a = xcalloc(1, sizeof *a);
	a->key = key;
	a->minute_ms = env_now_ms(l->env);
	list_init(&a->link);
	list_add_tail(&l->idle, &a->link);
	idmap_put(&l->addrs, key, a);
	return a;
}

static enum limit_verdict
addr_judge(struct conn_limits *l, struct limit_addr *a)
{
	int64_t now = env_now_ms(l->env);

	if (now - a->minute_ms >= MINUTE_MS) {
		a->minute_ms = now;
		a->new_count = 0;
	}
	if (a->new_count >= or_default(l->set.new_minute, LIMIT_NEW_MINUTE))
		return LIMIT_OVER_RATE;
	a->new_count++;
	if (a->pending >= or_default(l->set.pending, LIMIT_PENDING))
		return LIMIT_OVER_PENDING;
	return LIMIT_OK;
}

enum limit_verdict
limit_enter(struct conn_limits *l, struct limit_hold *h,
    const struct addr *addr)
{
	struct limit_addr *a = NULL;
	enum limit_verdict v = LIMIT_OK;

	*h = (struct limit_hold){ 0 };
	if (!addr)
		return LIMIT_OK;
	if (!conn_limits_is_exempt(l, addr)) {
		a = addr_get(l, addr);
		v = addr_judge(l, a);
	}
	if (v == LIMIT_OK && l->count >= or_default(l->set.total, LIMIT_TOTAL))
		v = LIMIT_OVER_TOTAL;
	if (v != LIMIT_OK)
		return v;
	h->is_counted = true;
	l->count++;
	if ((h->addr = a)) {
		list_remove(&a->link);
		a->open++;
		a->pending++;
		h->is_pending = true;
	}
	return LIMIT_OK;
}

static void
account_leave(struct conn_limits *l, struct limit_hold *h)
{
	struct limit_account *acc = h->account;

	h->account = NULL;
	if (!acc || --acc->open > 0)
		return;
	(void)idmap_take(&l->accounts, acc->id);
	free(acc);
}

/* Pending or not, in the address's books. */
static void
set_pending(struct limit_hold *h, bool is_pending)
{
	if (!h->addr || h->is_pending == is_pending)
		return;
	h->is_pending = is_pending;
	if (is_pending)
		h->addr->pending++;
	else
		h->addr->pending--;
}

enum limit_verdict
limit_login(struct conn_limits *l, struct limit_hold *h, uint64_t account)
{
	struct limit_account *acc;

	account_leave(l, h);
	set_pending(h, account == 0);
	if (account == 0)
		return LIMIT_OK;
	acc = idmap_find(&l->accounts, account);
	if (!acc) {
		acc = xcalloc(1, sizeof *acc);
		acc->id = account;
		idmap_put(&l->accounts, account, acc);
	}
	h->account = acc;
	acc->open++;
	return acc->open > or_default(l->set.account, LIMIT_ACCOUNT) ?
	    LIMIT_OVER_ACCOUNT : LIMIT_OK;
}

void
limit_leave(struct conn_limits *l, struct limit_hold *h)
{
	struct limit_addr *a = h->addr;

	account_leave(l, h);
	set_pending(h, false);
	if (a && --a->open == 0)
		list_add_tail(&l->idle, &a->link);
	if (h->is_counted)
		l->count--;
	*h = (struct limit_hold){ 0 };
}
