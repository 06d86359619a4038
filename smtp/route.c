/*
 * From a domain to hosts.
 *
 * The steps, each of which may find facts missing; then all that can be asked
 * is asked at once, and everything is done again from the top:
 *
 *   rule of the config -> smarthost, or:
 *   address literal, or MX -> candidates, by preference and chance
 *   addresses of each -> cut at ourselves
 *   TLSA of each, MTA-STS of the domain -> what TLS has to satisfy
 *
 * A host that cannot be used now is left out; when none is left, what was
 * wrong with them decides between later and never.
 */
#include "smtp/route.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/facts.h"
#include "server/base/hash.h"
#include "server/base/idna.h"
#include "server/base/xalloc.h"

#define SMTP_PORT 25
#define SUBMISSION_PORT 587	/* RFC 6409 section 3.1 */
#define SUBMISSIONS_PORT 465	/* RFC 8314 section 7.3 */

/* An MX host, or what stands for one. */
struct candidate {
	const char *name;
	uint16_t preference;
	uint64_t chance;		/* the order among equals */
	bool is_us;
};

struct finder {
	const struct route_settings *settings;
	const struct route_query *query;
	struct facts *facts;
	struct arena *arena;
	struct route *route;
	const char *domain;		/* A-labels, lower case, or a literal */
	const struct route_rule *rule;	/* NULL: none is for it */
	const struct route_sts *sts;	/* NULL: no policy */
	bool is_secure;			/* DNSSEC vouches for the MX */
	bool needs;			/* a fact is missing */
	/* Why a host was left out; later wins over never. */
	bool is_later;
	const char *status, *text;
	struct candidate *candidates;
	size_t candidate_count;
};

static enum route_result
end(struct finder *f, enum route_result result, const char *status,
    const char *text)
{
	snprintf(f->route->status, sizeof f->route->status, "%s", status);
	f->route->text = text;
	return result;
}

/* A host is left out. */
static void
leave_out(struct finder *f, bool is_later, const char *status,
    const char *text)
{
	if (f->text && (f->is_later || !is_later))
		return;
	f->is_later = is_later;
	f->status = status;
	f->text = text;
}

static const struct dns_answer *
ask(struct finder *f, const char *name, enum dns_type type)
{
	const struct dns_answer *a = facts_dns(f->facts, name, type);

	if (!a)
		f->needs = true;
	return a;
}

/* ---- the config ---- */

/* How much of domain a pattern matches, as a rank; 0: it does not. */
static size_t
match_rank(const char *pattern, struct span domain)
{
	size_t n = strlen(pattern);

	if (strcmp(pattern, "*") == 0)
		return 1;
	if (span_iis(domain, pattern))
		return SIZE_MAX;
	if (*pattern == '.' && domain.len > n && span_iis(span_from(domain,
	    domain.len - n), pattern))
		return n + 1;
	return 0;
}

static const struct route_rule *
find_rule(const struct route_settings *settings, struct span domain)
{
	const struct route_rule *best = NULL;
	size_t best_rank = 0;

	for (size_t i = 0; i < settings->rule_count; i++) {
		size_t rank = match_rank(settings->rules[i].domain, domain);

		if (rank > best_rank) {
			best_rank = rank;
			best = &settings->rules[i];
		}
	}
	return best;
}

/* ---- addresses ---- */

static bool
is_own_addr(const struct route_settings *settings, const struct addr *a)
{
	for (size_t i = 0; i < settings->own_addr_count; i++)
		if (memcmp(&settings->own_addrs[i], a, sizeof *a) == 0)
			return true;
	return false;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3). */
static bool
parse_literal(struct span s, struct addr *a)
{
	if (s.len < 3 || *s.p != '[' || s.p[s.len - 1] != ']')
		return false;
	s = span_make(s.p + 1, s.len - 2);
	if (span_istarts(s, "IPv6:"))
		return addr_parse(a, span_from(s, 5)) == 0 && !addr_is_v4(a);
	return addr_parse(a, s) == 0 && addr_is_v4(a);
}

static uint64_t
chance(const struct finder *f, const void *p, size_t len)
{
	struct hash_key key = { { 0 } };

	memcpy(key.bytes, &f->query->seed, sizeof f->query->seed);
	return hash64(&key, p, len);
}

struct chanced_addr {
	struct addr addr;
	uint64_t chance;
};

static int
compare_addrs(const void *a, const void *b)
{
	uint64_t x = ((const struct chanced_addr *)a)->chance;
	uint64_t y = ((const struct chanced_addr *)b)->chance;

	return (x > y) - (x < y);
}

/* The records of an answer in an order of chance. */
static struct chanced_addr *
shuffle(struct finder *f, const struct dns_answer *a)
{
	struct chanced_addr *v = arena_array(f->arena, a->count + 1,
	    sizeof *v);

	for (size_t i = 0; i < a->count; i++) {
		v[i].addr = a->records[i].addr;
		v[i].chance = chance(f, &v[i].addr, sizeof v[i].addr);
	}
	qsort(v, a->count, sizeof *v, compare_addrs);
	return v;
}

/*
 * RFC 5321 section 5.1: all addresses are tried; one of each family in turn,
 * so that a broken IPv6 or IPv4 costs one attempt only.
 */
static void
put_addrs(struct finder *f, struct route_host *h, const struct dns_answer *v6,
    const struct dns_answer *v4)
{
	struct chanced_addr *six = shuffle(f, v6), *four = shuffle(f, v4);

	h->addrs = arena_array(f->arena, ROUTE_ADDRS_MAX, sizeof *h->addrs);
	for (size_t i = 0; i < MAX(v6->count, v4->count); i++) {
		if (i < v6->count && h->addr_count < ROUTE_ADDRS_MAX)
			h->addrs[h->addr_count++] = six[i].addr;
		if (i < v4->count && h->addr_count < ROUTE_ADDRS_MAX)
			h->addrs[h->addr_count++] = four[i].addr;
	}
}

static bool
has_own_addr(const struct finder *f, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (is_own_addr(f->settings, &a->records[i].addr))
			return true;
		if (addr_is_loopback(&a->records[i].addr) &&
		    !f->settings->allows_loopback)
			return true;
	}
	return false;
}

/* Whether what an answer does not say may be said later. */
static bool
is_open(const struct dns_answer *a)
{
	return !dns_is_final(a);
}

/* ---- TLS ---- */

static bool
is_secure(const struct dns_answer *a)
{
	return a->trust == DNS_SECURE;
}

static const char *const *
one_name(struct finder *f, const char *name)
{
	const char **v = arena_array(f->arena, 1, sizeof *v);

	v[0] = name;
	return v;
}

/* RFC 7672 section 3.2.2: what a DANE-TA certificate may be for. */
static void
set_dane(struct finder *f, struct route_host *h, const char *base,
    const struct dns_answer *tlsa)
{
	const char **names = arena_array(f->arena, 3, sizeof *names);

	names[0] = base;
	names[1] = h->name;
	names[2] = f->domain;
	h->tls = ROUTE_TLS_DANE;
	h->why = ROUTE_BY_DANE;
	h->want = (struct tls_want){
		.mode = TLS_DANE, .server_name = base, .names = names,
		.name_count = 3,
		.tlsa = tlsa->records, .tlsa_count = tlsa->count,
	};
}

enum dane_result {
	DANE_NONE,		/* no records: other policies decide */
	DANE_SET,
	DANE_UNUSABLE,		/* the host must not be used now */
	DANE_MISSING		/* a fact is missing */
};

/* One place where TLSA records may be. */
static enum dane_result
try_tlsa(struct finder *f, struct route_host *h, const char *base)
{
	const struct dns_answer *a = ask(f, arena_printf(f->arena,
	    "_%u._tcp.%s", (unsigned)(h->is_configured ? h->port : SMTP_PORT),
	    base), DNS_TLSA);

	if (!a)
		return DANE_MISSING;
	/* RFC 7672 section 2.1.2: who hides the records wins nothing. */
	if (is_open(a))
		return DANE_UNUSABLE;
	if (a->status != DNS_OK || !is_secure(a))
		return DANE_NONE;
	if (tls_want_has_usable(a->records, a->count)) {
		set_dane(f, h, base, a);
		return DANE_SET;
	}
	/* RFC 7672 section 2.2: TLS all the same, without a name to check. */
	h->tls = ROUTE_TLS_MUST;
	h->why = ROUTE_BY_DANE;
	return DANE_SET;
}

/* RFC 7672 section 2.2.2: the name that a CNAME leads to goes first. */
static enum dane_result
find_dane(struct finder *f, struct route_host *h, const struct dns_answer *v6,
    const struct dns_answer *v4)
{
	const struct dns_answer *a = v4->count ? v4 : v6;
	enum dane_result r;

	if (!f->is_secure || (v4->count && !is_secure(v4)) ||
	    (v6->count && !is_secure(v6)))
		return DANE_NONE;
	if (a->canonical && strcmp(a->canonical, h->name) != 0) {
		r = try_tlsa(f, h, a->canonical);
		if (r != DANE_NONE)
			return r;
	}
	return try_tlsa(f, h, h->name);
}

static void
set_verify(struct finder *f, struct route_host *h, enum route_why why)
{
	h->tls = ROUTE_TLS_VERIFY;
	h->why = why;
	h->want = (struct tls_want){
		.mode = TLS_PKIX, .server_name = h->name,
		.names = one_name(f, h->name), .name_count = 1,
	};
}

static void
set_unverified(struct route_host *h, enum route_tls tls, enum route_why why)
{
	h->tls = tls;
	h->why = why;
	h->want = (struct tls_want){
		.mode = TLS_OPPORTUNISTIC, .server_name = h->name
	};
}

/* RFC 8461 section 4.1: "*." stands for one label. */
static bool
matches_pattern(struct span pattern, struct span name)
{
	const char *dot = span_chr(name, '.');

	if (!span_starts(pattern, "*."))
		return span_ieq(pattern, name);
	return dot && span_ieq(span_from(pattern, 1), span_from(name,
	    (size_t)(dot - name.p)));
}

static bool
sts_names(const struct route_sts *sts, const char *name)
{
	struct span rest = span_of(sts->mx);

	while (rest.len) {
		const char *sp = span_chr(rest, ' ');
		struct span word = span_head(rest,
		    sp ? (size_t)(sp - rest.p) : rest.len);

		if (word.len && matches_pattern(word, span_of(name)))
			return true;
		rest = span_from(rest, word.len + 1);
	}
	return false;
}

/* What the config says of TLS, over everything; false: it says nothing. */
static bool
set_by_config(struct finder *f, struct route_host *h)
{
	if (!f->rule || !f->rule->has_tls)
		return false;
	switch (f->rule->tls) {
	case ROUTE_TLS_VERIFY:
		set_verify(f, h, ROUTE_BY_CONFIG);
		return true;
	case ROUTE_TLS_DANE:
		return false;
	default:
		set_unverified(h, f->rule->tls, ROUTE_BY_CONFIG);
		return true;
	}
}

static bool
demands_dane(const struct finder *f)
{
	return f->rule && f->rule->has_tls && f->rule->tls == ROUTE_TLS_DANE;
}

/* MTA-STS, where DANE has said nothing (RFC 8461 section 2). */
static bool
set_by_sts(struct finder *f, struct route_host *h)
{
	if (!f->sts || f->sts->mode == MTA_STS_NONE)
		return true;
	if (f->sts->mode == MTA_STS_TESTING) {
		h->why = ROUTE_BY_STS_TESTING;
		return true;
	}
	if (!sts_names(f->sts, h->name)) {
		leave_out(f, true, "4.7.5", arena_printf(f->arena,
		    "The mail server %s is not among those that the MTA-STS "
		    "policy of %s names", h->name, f->domain));
		return false;
	}
	set_verify(f, h, ROUTE_BY_STS);
	return true;
}

/* RFC 8689 section 4.2.1: a name that is vouched for, and a certificate. */
static bool
set_requiretls(struct finder *f, struct route_host *h)
{
	if (!f->query->is_requiretls || h->tls >= ROUTE_TLS_VERIFY)
		return true;
	if (h->tls != ROUTE_TLS_NEVER && (f->is_secure || h->is_configured)) {
		set_verify(f, h, h->why);
		return true;
	}
	leave_out(f, false, "5.7.10", arena_printf(f->arena,
	    "The message requires TLS on its whole way, and nothing vouches "
	    "for the name of the mail server %s", h->name));
	return false;
}

/* Decides the TLS of a host; false: it cannot be used, or not yet. */
static bool
set_tls(struct finder *f, struct route_host *h, const struct dns_answer *v6,
    const struct dns_answer *v4)
{
	enum dane_result dane;

	set_unverified(h, ROUTE_TLS_MAY, ROUTE_BY_DEFAULT);
	if (set_by_config(f, h))
		return set_requiretls(f, h);
	if (f->query->is_tls_optional)
		return true;
	dane = find_dane(f, h, v6, v4);
	if (dane == DANE_MISSING)
		return false;
	if (dane == DANE_UNUSABLE || (dane == DANE_NONE && demands_dane(f))) {
		leave_out(f, true, "4.7.5", arena_printf(f->arena,
		    "TLSA records are needed to verify the mail server %s, "
		    "and they cannot be found", h->name));
		return false;
	}
	if (dane == DANE_NONE && !set_by_sts(f, h))
		return false;
	return set_requiretls(f, h);
}

/* ---- hosts ---- */

static struct route_host *
add_host(struct finder *f, const char *name, uint16_t port)
{
	struct route_host *h = &f->route->hosts[f->route->host_count];

	*h = (struct route_host){ .name = name, .port = port };
	return h;
}

static void
unresolved(struct finder *f, const char *name, bool is_later)
{
	leave_out(f, is_later, is_later ? "4.4.3" : "5.4.4",
	    arena_printf(f->arena, is_later ?
	    "The address of the mail server %s could not be looked up" :
	    "The mail server %s has no address", name));
}

/* Adds the host of a candidate, if it can be used. */
static void
add_candidate(struct finder *f, const struct candidate *c)
{
	const struct dns_answer *v6 = ask(f, c->name, DNS_AAAA);
	const struct dns_answer *v4 = ask(f, c->name, DNS_A);
	struct route_host *h;

	if (!v6 || !v4)
		return;
	if (v6->count == 0 && v4->count == 0) {
		unresolved(f, c->name, is_open(v6) || is_open(v4));
		return;
	}
	h = add_host(f, c->name, f->settings->port ? f->settings->port :
	    SMTP_PORT);
	h->preference = c->preference;
	put_addrs(f, h, v6, v4);
	if (set_tls(f, h, v6, v4))
		f->route->host_count++;
}

/* ---- the config's smarthosts ---- */

static void
set_smarthost_tls(struct finder *f, struct route_host *h,
    const struct route_smarthost *via)
{
	if (via->tls == ROUTE_TLS_VERIFY)
		set_verify(f, h, ROUTE_BY_CONFIG);
	else
		set_unverified(h, via->tls, ROUTE_BY_CONFIG);
}

static void
add_smarthost(struct finder *f, const struct route_smarthost *via)
{
	static const struct dns_answer none = { .status = DNS_NODATA };
	struct addr literal;
	const struct dns_answer *v6 = &none, *v4 = &none;
	struct route_host *h = add_host(f, via->host, via->port);

	if (h->port == 0)
		h->port = via->is_implicit_tls ? SUBMISSIONS_PORT :
		    SUBMISSION_PORT;
	h->is_implicit_tls = via->is_implicit_tls;
	h->is_configured = true;
	h->user = via->user;
	h->password = via->password;
	if (parse_literal(span_of(via->host), &literal)) {
		h->addrs = arena_memdup(f->arena, &literal, sizeof literal);
		h->addr_count = 1;
	} else {
		v6 = ask(f, via->host, DNS_AAAA);
		v4 = ask(f, via->host, DNS_A);
		if (!v6 || !v4)
			return;
		put_addrs(f, h, v6, v4);
		if (h->addr_count == 0) {
			/* The operator's to put right: nothing fails. */
			unresolved(f, via->host, true);
			return;
		}
	}
	if (via->tls == ROUTE_TLS_DANE) {
		enum dane_result r;

		f->is_secure = true;
		r = find_dane(f, h, v6, v4);
		if (r == DANE_MISSING)
			return;
		if (r != DANE_SET) {
			leave_out(f, true, "4.7.5", arena_printf(f->arena,
			    "TLSA records are needed to verify the host %s, "
			    "and they cannot be found", h->name));
			return;
		}
	} else {
		set_smarthost_tls(f, h, via);
	}
	if (set_requiretls(f, h))
		f->route->host_count++;
}

/* ---- candidates ---- */

static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return (x->chance > y->chance) - (x->chance < y->chance);
}

static void
add_mx(struct finder *f, const char *name, uint16_t preference)
{
	f->candidates[f->candidate_count++] = (struct candidate){
		.name = name, .preference = preference,
		.chance = chance(f, name, strlen(name)),
		.is_us = strcmp(name, f->settings->hostname) == 0,
	};
}

/* Marks those that lead to us by address; false: addresses are missing. */
static bool
mark_own(struct finder *f)
{
	bool is_known = true;

	for (size_t i = 0; i < MIN(f->candidate_count, ROUTE_HOSTS_MAX); i++) {
		struct candidate *c = &f->candidates[i];
		const struct dns_answer *v6, *v4;

		if (c->is_us)
			continue;
		v6 = ask(f, c->name, DNS_AAAA);
		v4 = ask(f, c->name, DNS_A);
		if (!v6 || !v4)
			is_known = false;
		else
			c->is_us = has_own_addr(f, v6) || has_own_addr(f, v4);
	}
	return is_known;
}

/*
 * RFC 5321 section 5.1: where we are among the hosts, those that are no
 * better than us are not for us to try: they would send it back.
 */
static void
cut_at_us(struct finder *f)
{
	for (size_t i = 0; i < f->candidate_count; i++) {
		size_t keep = i;

		if (!f->candidates[i].is_us)
			continue;
		while (keep > 0 && f->candidates[keep - 1].preference ==
		    f->candidates[i].preference)
			keep--;
		f->candidate_count = keep;
		return;
	}
}

/* Fills candidates, sorted; ROUTE_OK: go on. */
static enum route_result
find_candidates(struct finder *f)
{
	const struct dns_answer *mx = ask(f, f->domain, DNS_MX);

	if (!mx)
		return ROUTE_NEED;
	if (is_open(mx))
		return end(f, ROUTE_LATER, "4.4.3", arena_printf(f->arena,
		    "The mail servers of %s could not be looked up%s",
		    f->domain, mx->trust == DNS_BOGUS ?
		    ": DNSSEC says that the answer is forged" : ""));
	if (mx->status == DNS_NXDOMAIN)
		return end(f, ROUTE_FAIL, "5.1.2", arena_printf(f->arena,
		    "There is no domain %s", f->domain));
	/* RFC 7505 section 3. */
	if (mx->count == 1 && !mx->records[0].name[0])
		return end(f, ROUTE_FAIL, "5.1.10", arena_printf(f->arena,
		    "The domain %s takes no mail", f->domain));
	f->is_secure = is_secure(mx);
	f->candidates = arena_array(f->arena, mx->count + 1,
	    sizeof *f->candidates);
	for (size_t i = 0; i < mx->count; i++)
		if (mx->records[i].name[0])
			add_mx(f, mx->records[i].name,
			    mx->records[i].preference);
	if (f->candidate_count == 0 && mx->bad_count)
		return end(f, ROUTE_LATER, "4.4.4", arena_printf(f->arena,
		    "The MX records of %s name no host", f->domain));
	/* RFC 5321 section 5.1: the domain is its own mail server. */
	if (f->candidate_count == 0)
		add_mx(f, f->domain, 0);
	qsort(f->candidates, f->candidate_count, sizeof *f->candidates,
	    compare_candidates);
	return ROUTE_OK;
}

/*
 * RFC 8461 section 5.1: a policy that cannot be had is none. But where it was
 * our store or our time that failed, there may be one that we keep.
 */
static enum route_result
find_sts(struct finder *f)
{
	const struct fact *fact = facts_other(f->facts, FACT_FETCH,
	    f->domain);

	if (!fact)
		f->needs = true;
	else if (fact->err == 0)
		f->sts = fact->value;
	else if (fact->err != ERR_NOTFOUND)
		return end(f, ROUTE_LATER, "4.4.3", arena_printf(f->arena,
		    "The MTA-STS policy of %s could not be looked up",
		    f->domain));
	return ROUTE_OK;
}

/* ---- the whole ---- */

static enum route_result
conclude(struct finder *f)
{
	if (f->needs)
		return ROUTE_NEED;
	if (f->settings->fallback && !(f->rule && f->rule->via)) {
		add_smarthost(f, f->settings->fallback);
		if (f->needs)
			return ROUTE_NEED;
	}
	if (f->route->host_count)
		return ROUTE_OK;
	if (!f->text)
		return end(f, ROUTE_LATER, "4.4.3", "No mail server is known");
	return end(f, f->is_later ? ROUTE_LATER : ROUTE_FAIL, f->status,
	    f->text);
}

static enum route_result
route_by_mx(struct finder *f)
{
	enum route_result r;
	bool is_known;

	if ((r = find_sts(f)) != ROUTE_OK)
		return r;
	r = find_candidates(f);
	if (r == ROUTE_LATER && f->settings->fallback) {
		leave_out(f, true, "4.4.3", f->route->text);
		return conclude(f);
	}
	if (r != ROUTE_OK)
		return r;
	is_known = mark_own(f);
	cut_at_us(f);
	if (f->candidate_count == 0)
		return end(f, ROUTE_FAIL, "5.4.6", arena_printf(f->arena,
		    "Mail for %s would come back to this server, which does "
		    "not host it", f->domain));
	if (!is_known || f->needs)
		return ROUTE_NEED;
	for (size_t i = 0; i < MIN(f->candidate_count, ROUTE_HOSTS_MAX); i++)
		add_candidate(f, &f->candidates[i]);
	return conclude(f);
}

static enum route_result
route_to_literal(struct finder *f, const struct addr *a)
{
	struct route_host *h;

	if (is_own_addr(f->settings, a) || (addr_is_loopback(a) &&
	    !f->settings->allows_loopback))
		return end(f, ROUTE_FAIL, "5.4.6", arena_printf(f->arena,
		    "Mail for %s would come back to this server", f->domain));
	h = add_host(f, f->domain, f->settings->port ? f->settings->port :
	    SMTP_PORT);
	h->addrs = arena_memdup(f->arena, a, sizeof *a);
	h->addr_count = 1;
	set_unverified(h, ROUTE_TLS_MAY, ROUTE_BY_DEFAULT);
	h->want.server_name = NULL;	/* RFC 6066 section 3: names alone */
	(void)set_by_config(f, h);
	if (set_requiretls(f, h))
		f->route->host_count++;
	return conclude(f);
}

enum route_result
route_find(const struct route_settings *settings,
    const struct route_query *query, struct facts *facts,
    struct arena *arena, struct route *route)
{
	struct finder f = {
		.settings = settings, .query = query, .facts = facts,
		.arena = arena, .route = route,
	};
	struct buf name = BUF_INIT;
	struct addr literal;
	bool is_literal = parse_literal(query->domain, &literal);
	int err = 0;

	*route = (struct route){ .text = "" };
	route->hosts = arena_array(arena, ROUTE_HOSTS_MAX + 1,
	    sizeof *route->hosts);
	if (is_literal)
		buf_addspan(&name, query->domain);
	else
		err = idna_to_ascii(&name, query->domain);
	f.domain = arena_str(arena, buf_span(&name));
	buf_release(&name);
	if (err < 0)
		return end(&f, ROUTE_FAIL, "5.1.2",
		    "The address has a domain that cannot be one");
	f.rule = find_rule(settings, span_of(f.domain));
	if (f.rule && f.rule->via) {
		add_smarthost(&f, f.rule->via);
		return conclude(&f);
	}
	return is_literal ? route_to_literal(&f, &literal) : route_by_mx(&f);
}

struct span
route_destination(const struct route_settings *settings, struct span domain,
    struct arena *arena)
{
	const struct route_rule *rule = find_rule(settings, domain);
	char *name;

	if (rule && rule->via)
		return span_of(rule->via->host);
	name = arena_str(arena, domain);
	for (char *p = name; *p; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return span_of(name);
}
