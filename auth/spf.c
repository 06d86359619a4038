#include "auth/spf.h"

#include <stdio.h>

#include "auth/spf_record.h"
#include "server/base/facts.h"
#include "server/base/xalloc.h"

static const char *const names[] = {
	[SPF_NEED] = "none", [SPF_NONE] = "none", [SPF_NEUTRAL] = "neutral",
	[SPF_PASS] = "pass", [SPF_FAIL] = "fail", [SPF_SOFTFAIL] = "softfail",
	[SPF_TEMPERROR] = "temperror", [SPF_PERMERROR] = "permerror",
};

/* What becomes of a mechanism (RFC 7208 section 4.6.2). */
enum match { MATCH_NO, MATCH_YES, MATCH_NEED, MATCH_TEMP, MATCH_PERM };

/* One run over the facts. */
struct check {
	struct facts *facts;
	const struct spf_input *in;
	struct arena *arena;
	struct spf_verdict *v;
	struct spf_macros macros;	/* domain changes with the record */
	unsigned lookups, voids;
	/* Of the record that failed, for section 6.2. */
	struct span explanation, explained_domain;
};

const char *
spf_result_name(enum spf_result r)
{
	return names[r];
}

/* The first reason is the one that counts: the innermost record gave it. */
static void
set_reason(struct check *c, const char *what, struct span where)
{
	struct spf_verdict *v = c->v;
	int n;

	if (*v->reason)
		return;
	n = snprintf(v->reason, sizeof v->reason, "%s %.*s", what,
	    (int)MIN(where.len, SPF_REASON_MAX), where.len ? where.p : "");
	for (int i = 0; i < MIN(n, (int)sizeof v->reason - 1); i++)
		if (v->reason[i] < ' ' || v->reason[i] > '~')
			v->reason[i] = '?';
}

static enum match
perm(struct check *c, const char *what, struct span where)
{
	set_reason(c, what, where);
	return MATCH_PERM;
}

/* ---- questions ---- */

static enum dns_type
address_type(const struct check *c)
{
	return addr_is_v4(c->in->ip) ? DNS_A : DNS_AAAA;
}

/*
 * The answer for a term: counts it if it says nothing. *answer may be set
 * with MATCH_NO, which here means: go on and look.
 */
static enum match
ask(struct check *c, const char *name, enum dns_type type,
    const struct dns_answer **answer)
{
	const struct dns_answer *a = facts_dns(c->facts, name, type);

	*answer = a;
	if (!a)
		return MATCH_NEED;
	if (!dns_is_final(a)) {
		set_reason(c, "no answer of DNS for", span_of(name));
		return MATCH_TEMP;
	}
	if (a->status != DNS_OK && ++c->voids > SPF_VOIDS_MAX)
		return perm(c, "too many names without records, the last is",
		    span_of(name));
	return MATCH_NO;
}

/* The name a term is about; NULL: none that DNS could have. */
static const char *
target(struct check *c, struct span domain_spec)
{
	struct buf out = BUF_INIT;
	char *name = NULL;

	if (domain_spec.len == 0)
		return arena_str(c->arena, c->macros.domain);
	if (spf_target_name(&out, domain_spec, &c->macros) == PARSE_OK)
		name = arena_str(c->arena, buf_span(&out));
	buf_release(&out);
	return name;
}

static bool
has_address(const struct check *c, const struct dns_answer *a,
    const struct spf_term *t)
{
	bool is_v4 = addr_is_v4(c->in->ip);

	for (size_t i = 0; i < a->count; i++) {
		struct addr_net net = {
			.base = a->records[i].addr,
			.prefix = !t ? 128 : is_v4 ? 96 + t->cidr4 : t->cidr6,
		};

		if (addr_is_v4(&net.base) == is_v4 &&
		    addr_in_net(c->in->ip, &net))
			return true;
	}
	return false;
}

/* ---- the names of the client (section 5.5) ---- */

static bool
is_below(struct span name, struct span domain)
{
	return name.len > domain.len &&
	    name.p[name.len - domain.len - 1] == '.' &&
	    span_ieq(span_from(name, name.len - domain.len), domain);
}

/*
 * The best of the client's names that lead back to it: the domain itself,
 * else one below it, else any; empty if there is none. MATCH_NEED or
 * MATCH_NO. Errors are no names.
 */
static enum match
validated_name(struct check *c, struct span domain, struct span *best)
{
	const struct dns_answer *ptr = facts_dns_ptr(c->facts, c->in->ip);
	enum match m = MATCH_NO;
	int rank = 0;

	*best = SPAN("");
	if (!ptr)
		return MATCH_NEED;
	for (size_t i = 0; i < ptr->count && i < SPF_HOSTS_MAX; i++) {
		struct span name = span_of(ptr->records[i].name);
		const struct dns_answer *a = facts_dns(c->facts,
		    ptr->records[i].name, address_type(c));
		int this = span_ieq(name, domain) ? 3 :
		    is_below(name, domain) ? 2 : 1;

		if (!a)
			m = MATCH_NEED;
		else if (this > rank && has_address(c, a, NULL)) {
			*best = name;
			rank = this;
		}
	}
	return m;
}

/* ---- mechanisms ---- */

static enum spf_result check_host(struct check *c, struct span domain,
    bool is_included);

static enum match
match_include(struct check *c, const char *name)
{
	struct span domain = c->macros.domain;
	enum spf_result r = check_host(c, span_of(name), true);

	c->macros.domain = domain;
	switch (r) {
	case SPF_NEED: return MATCH_NEED;
	case SPF_PASS: return MATCH_YES;
	case SPF_TEMPERROR: return MATCH_TEMP;
	case SPF_PERMERROR: return MATCH_PERM;
	case SPF_NONE:
		return perm(c, "there is no record to include at",
		    span_of(name));
	default:
		/* What the record of others says of a fail is not ours. */
		*c->v->reason = '\0';
		return MATCH_NO;
	}
}

static enum match
match_a(struct check *c, const struct spf_term *t, const char *name)
{
	const struct dns_answer *a;
	enum match m = ask(c, name, address_type(c), &a);

	return m == MATCH_NO && has_address(c, a, t) ? MATCH_YES : m;
}

static enum match
match_mx(struct check *c, const struct spf_term *t, const char *name)
{
	const struct dns_answer *mx, *a;
	enum match m = ask(c, name, DNS_MX, &mx);

	if (m != MATCH_NO)
		return m;
	if (mx->count > SPF_HOSTS_MAX)
		return perm(c, "more than 10 MX records at", span_of(name));
	for (size_t i = 0; i < mx->count; i++) {
		if (!*mx->records[i].name)
			continue;	/* null MX */
		a = facts_dns(c->facts, mx->records[i].name, address_type(c));
		if (!a)
			m = MATCH_NEED;
		else if (m != MATCH_NEED && !dns_is_final(a))
			m = MATCH_TEMP;
		else if (m == MATCH_NO && has_address(c, a, t))
			return MATCH_YES;
	}
	if (m == MATCH_TEMP)
		set_reason(c, "no answer of DNS for a host of",
		    span_of(name));
	return m;
}

static enum match
match_ptr(struct check *c, const char *name)
{
	struct span domain = span_of(name), best;

	if (validated_name(c, domain, &best) == MATCH_NEED)
		return MATCH_NEED;
	return span_ieq(best, domain) || is_below(best, domain) ? MATCH_YES :
	    MATCH_NO;
}

static enum match
match_exists(struct check *c, const char *name)
{
	const struct dns_answer *a;
	/* RFC 7208 section 5.7: an A record, whatever the client has. */
	enum match m = ask(c, name, DNS_A, &a);

	return m == MATCH_NO && a->count ? MATCH_YES : m;
}

/* Whether the address is in the net of an ip4 or ip6 term. */
static enum match
match_net(const struct check *c, const struct spf_term *t)
{
	bool is_v4 = t->mechanism == SPF_IP4;

	return addr_is_v4(c->in->ip) == is_v4 &&
	    addr_in_net(c->in->ip, &t->net) ? MATCH_YES : MATCH_NO;
}

/* %{p} costs questions of its own. */
static enum match
prepare_macros(struct check *c, struct span domain_spec)
{
	if (!spf_uses_p(domain_spec))
		return MATCH_NO;
	return validated_name(c, c->macros.domain, &c->macros.validated);
}

static enum match
match_term(struct check *c, const struct spf_term *t)
{
	const char *name;

	if (t->mechanism == SPF_ALL)
		return MATCH_YES;
	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6)
		return match_net(c, t);
	if (++c->lookups > SPF_LOOKUPS_MAX)
		return perm(c, "more than 10 terms that ask DNS, with",
		    t->text);
	if (prepare_macros(c, t->domain_spec) == MATCH_NEED)
		return MATCH_NEED;
	if (!(name = target(c, t->domain_spec)))
		return t->mechanism == SPF_INCLUDE ?
		    perm(c, "no name in", t->text) : MATCH_NO;
	switch (t->mechanism) {
	case SPF_INCLUDE: return match_include(c, name);
	case SPF_A: return match_a(c, t, name);
	case SPF_MX: return match_mx(c, t, name);
	case SPF_PTR: return match_ptr(c, name);
	default: return match_exists(c, name);
	}
}

/* ---- records ---- */

/*
 * Notes what the terms of a record ask first, so that all of it is asked
 * together and not one term after the other.
 */
static void
look_ahead(struct check *c, const struct spf_record *r)
{
	static const enum dns_type types[] = {
		[SPF_INCLUDE] = DNS_TXT, [SPF_MX] = DNS_MX,
		[SPF_EXISTS] = DNS_A,
	};
	unsigned left = SPF_LOOKUPS_MAX - MIN(c->lookups, SPF_LOOKUPS_MAX);

	for (size_t i = 0; i < r->count && left > 0; i++) {
		const struct spf_term *t = &r->terms[i];
		const char *name;

		if (t->mechanism == SPF_ALL)
			return;
		if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6)
			continue;
		left--;
		if (t->mechanism == SPF_PTR || spf_uses_p(t->domain_spec))
			(void)facts_dns_ptr(c->facts, c->in->ip);
		else if ((name = target(c, t->domain_spec)))
			(void)facts_dns(c->facts, name,
			    t->mechanism == SPF_A ? address_type(c) :
			    types[t->mechanism]);
	}
}

/* The one record of a domain; SPF_PASS: it is in *txt. */
static enum spf_result
find_record(struct check *c, const char *name, struct span *txt)
{
	const struct dns_answer *a = facts_dns(c->facts, name, DNS_TXT);
	size_t n = 0;

	if (!a)
		return SPF_NEED;
	if (!dns_is_final(a)) {
		set_reason(c, "no answer of DNS for", span_of(name));
		return SPF_TEMPERROR;
	}
	for (size_t i = 0; i < a->count; i++)
		if (spf_is_record(a->records[i].data)) {
			*txt = a->records[i].data;
			n++;
		}
	if (n == 1)
		return SPF_PASS;
	set_reason(c, n ? "more than one SPF record at" :
	    "no SPF record at", span_of(name));
	return n ? SPF_PERMERROR : SPF_NONE;
}

static enum spf_result
qualified(const struct spf_term *t)
{
	switch (t->qualifier) {
	case '-': return SPF_FAIL;
	case '~': return SPF_SOFTFAIL;
	case '?': return SPF_NEUTRAL;
	default: return SPF_PASS;
	}
}

static enum spf_result
follow_redirect(struct check *c, const struct spf_record *r, bool is_included)
{
	const char *name;
	enum spf_result result;

	if (++c->lookups > SPF_LOOKUPS_MAX) {
		(void)perm(c, "more than 10 terms that ask DNS, with",
		    r->redirect);
		return SPF_PERMERROR;
	}
	if (prepare_macros(c, r->redirect) == MATCH_NEED)
		return SPF_NEED;
	name = target(c, r->redirect);
	result = name ? check_host(c, span_of(name), is_included) : SPF_NONE;
	/* RFC 7208 section 6.1 */
	return result == SPF_NONE ? SPF_PERMERROR : result;
}

static enum spf_result
evaluate(struct check *c, const struct spf_record *r, bool is_included)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct spf_term *t = &r->terms[i];

		switch (match_term(c, t)) {
		case MATCH_NO: continue;
		case MATCH_NEED: return SPF_NEED;
		case MATCH_TEMP: return SPF_TEMPERROR;
		case MATCH_PERM: return SPF_PERMERROR;
		case MATCH_YES: break;
		}
		*c->v->reason = '\0';
		set_reason(c, "matched", t->text);
		if (!is_included) {
			c->explanation = r->explanation;
			c->explained_domain = c->macros.domain;
		}
		return qualified(t);
	}
	if (r->redirect.len)
		return follow_redirect(c, r, is_included);
	set_reason(c, "nothing matched in the record of", c->macros.domain);
	return SPF_NEUTRAL;
}

/* Recursion is bounded: each step has counted as a look-up before. */
static enum spf_result
check_host(struct check *c, struct span domain, bool is_included)
{
	struct spf_record record;
	struct span txt = SPAN("");
	enum spf_result r;
	unsigned labels;

	/* RFC 7208 section 4.3 */
	if (!spf_is_name(domain, &labels) || labels < 2) {
		set_reason(c, "no domain in", domain);
		return SPF_NONE;
	}
	c->macros.domain = domain;
	r = find_record(c, arena_str(c->arena, domain), &txt);
	if (r != SPF_PASS)
		return r;
	if (spf_record_parse(txt, c->arena, &record) != PARSE_OK) {
		set_reason(c, "a record that cannot be read at", domain);
		return SPF_PERMERROR;
	}
	look_ahead(c, &record);
	return evaluate(c, &record, is_included);
}

/* ---- explanations (section 6.2) ---- */

/* Whatever is wrong with an explanation: there is none. */
static enum spf_result
explain(struct check *c)
{
	const struct dns_answer *a;
	struct buf text = BUF_INIT;
	const char *name;

	c->macros.domain = c->explained_domain;
	if (c->explanation.len == 0)
		return SPF_FAIL;
	if (prepare_macros(c, c->explanation) == MATCH_NEED)
		return SPF_NEED;
	if (!(name = target(c, c->explanation)))
		return SPF_FAIL;
	if (!(a = facts_dns(c->facts, name, DNS_TXT)))
		return SPF_NEED;
	if (a->count != 1)
		return SPF_FAIL;
	if (prepare_macros(c, a->records[0].data) == MATCH_NEED)
		return SPF_NEED;
	if (spf_expand(&text, span_head(a->records[0].data,
	    SPF_EXPLANATION_MAX), &c->macros, true) == PARSE_OK)
		snprintf(c->v->explanation, sizeof c->v->explanation, "%s",
		    text.p);
	buf_release(&text);
	return SPF_FAIL;
}

/* ---- the whole ---- */

/* The sender that macros know: postmaster where there is no local part. */
static struct span
sender_of(const struct spf_input *in, struct span domain, struct arena *a)
{
	struct span local = in->local;

	if (in->domain.len == 0 || local.len == 0)
		local = SPAN("postmaster");
	return span_of(arena_printf(a, "%.*s@%.*s", SPAN_ARG(local),
	    SPAN_ARG(domain)));
}

enum spf_result
spf_check(struct facts *facts, const struct spf_input *in,
    struct arena *arena, struct spf_verdict *v)
{
	struct span domain = in->domain.len ? in->domain : in->helo;
	struct check c = {
		.facts = facts, .in = in, .arena = arena, .v = v,
	};

	*v = (struct spf_verdict){ .domain = arena_span(arena, domain) };
	c.macros = (struct spf_macros){
		.sender = sender_of(in, v->domain, arena),
		.helo = in->helo, .receiver = span_of(in->receiver),
		.ip = in->ip, .now_s = in->now_s,
	};
	v->result = check_host(&c, v->domain, false);
	if (v->result == SPF_FAIL)
		v->result = explain(&c);
	return v->result;
}
