#include "auth/dmarc.h"

#include <stdio.h>

#include "server/base/facts.h"
#include "server/base/xalloc.h"

#define LABELS_KEPT 7u		/* of a longer name, after its own query */

static const char *const names[] = {
	[DMARC_NEED] = "none", [DMARC_NO_RECORD] = "none",
	[DMARC_PASS] = "pass", [DMARC_FAIL] = "fail",
	[DMARC_TEMPERROR] = "temperror",
};

/* What one walk has found, from the longest name to the shortest. */
struct walk {
	struct step {
		struct span domain;
		bool has_record;
		struct dmarc_record record;
	} steps[DMARC_QUERIES_MAX];
	size_t count;
};

enum walk_end { WALK_DONE, WALK_NEED, WALK_ERROR };

const char *
dmarc_result_name(enum dmarc_result r)
{
	return names[r];
}

static unsigned
count_labels(struct span domain)
{
	unsigned n = domain.len > 0;

	for (size_t i = 0; i < domain.len; i++)
		n += domain.p[i] == '.';
	return n;
}

/* Without its first label; empty behind the last. */
static struct span
parent(struct span domain)
{
	const char *dot = span_chr(domain, '.');

	return dot ? span_from(domain, (size_t)(dot - domain.p) + 1) :
	    SPAN("");
}

/* Two records at a name are none (RFC 9989 section 4.10). */
static void
read_record(const struct dns_answer *a, struct step *step)
{
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++)
		if (dmarc_is_record(a->records[i].data)) {
			dmarc_record_parse(a->records[i].data, &step->record);
			n++;
		}
	step->has_record = n == 1;
}

static enum walk_end
query(struct facts *facts, struct span domain, struct arena *arena,
    struct step *step)
{
	const struct dns_answer *a = facts_dns(facts,
	    arena_printf(arena, "_dmarc.%.*s", SPAN_ARG(domain)), DNS_TXT);

	*step = (struct step){ .domain = domain };
	if (!a)
		return WALK_NEED;
	if (!dns_is_final(a))
		return WALK_ERROR;
	read_record(a, step);
	return WALK_DONE;
}

/*
 * RFC 9989 section 4.10. Its names are known before any answer, so all of
 * them are noted at once, those above a psd tag too. An error above a record
 * is no record: the one that was found is the better word.
 */
static enum walk_end
walk(struct facts *facts, struct span domain, struct arena *arena,
    struct walk *w)
{
	enum walk_end end = WALK_DONE;
	bool has_record = false;
	unsigned n = count_labels(domain);

	w->count = 0;
	while (domain.len) {
		struct step *s = &w->steps[w->count++];
		enum walk_end e = query(facts, domain, arena, s);

		has_record |= s->has_record;
		if (e == WALK_NEED || (e == WALK_ERROR && !has_record))
			end = end == WALK_DONE ? e : end;
		if (end == WALK_DONE && s->has_record &&
		    s->record.psd != DMARC_PSD_UNKNOWN)
			break;
		domain = parent(domain);
		for (n--; n > LABELS_KEPT; n--)
			domain = parent(domain);
	}
	return end;
}

/* RFC 9989 section 4.10.2; domain is where the walk began. */
static struct span
org_domain(const struct walk *w, struct span domain)
{
	struct span org = domain;

	for (size_t i = 0; i < w->count; i++) {
		const struct step *s = &w->steps[i];

		if (!s->has_record)
			continue;
		if (s->record.psd == DMARC_PSD_NO)
			return s->domain;
		if (s->record.psd == DMARC_PSD_YES && i > 0)
			return w->steps[i - 1].domain;
		org = s->domain;
	}
	return org;
}

static const struct step *
find_step(const struct walk *w, struct span domain)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->steps[i].has_record &&
		    span_eq(w->steps[i].domain, domain))
			return &w->steps[i];
	return NULL;
}

/*
 * RFC 9989 section 4.10.1: the record of the domain itself, of its
 * organisation, of the public suffix above that.
 */
static const struct step *
find_policy(const struct walk *w, struct span from, struct span org)
{
	const struct step *s = find_step(w, from);

	if (!s)
		s = find_step(w, org);
	for (size_t i = 0; i < w->count && !s; i++)
		if (w->steps[i].has_record &&
		    w->steps[i].record.psd == DMARC_PSD_YES)
			s = &w->steps[i];
	return s;
}

/*
 * RFC 9989 section 3.2.13: neither A nor AAAA nor MX. An answer that does not
 * come is for its being there. WALK_NEED or WALK_DONE.
 */
static enum walk_end
find_existence(struct facts *facts, struct span domain, struct arena *arena,
    bool *exists)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX };
	const char *name = arena_str(arena, domain);
	enum walk_end end = WALK_DONE;

	*exists = false;
	for (size_t i = 0; i < COUNT(types); i++) {
		const struct dns_answer *a = facts_dns(facts, name, types[i]);

		if (!a)
			end = WALK_NEED;
		else
			*exists |= a->status == DNS_OK || !dns_is_final(a);
	}
	return *exists ? WALK_DONE : end;
}

/* What the record asks for where its domain is above From's. */
static enum walk_end
find_request(struct facts *facts, const struct dmarc_input *in,
    const struct step *policy, struct arena *arena, enum dmarc_request *r)
{
	bool exists = true;
	enum walk_end end = WALK_DONE;

	if (span_eq(policy->domain, in->from)) {
		*r = policy->record.p;
		return WALK_DONE;
	}
	if (policy->record.np != policy->record.sp)
		end = find_existence(facts, in->from, arena, &exists);
	*r = exists ? policy->record.sp : policy->record.np;
	return end;
}

/* ---- alignment (section 4.4) ---- */

struct aligner {
	struct facts *facts;
	struct arena *arena;
	struct span from, org;
	bool has_need, has_error;
};

static bool
is_aligned(struct aligner *al, struct span domain, bool is_strict)
{
	struct walk w;

	if (domain.len == 0)
		return false;
	if (span_eq(domain, al->from))
		return true;
	if (is_strict)
		return false;
	switch (walk(al->facts, domain, al->arena, &w)) {
	case WALK_NEED:
		al->has_need = true;
		return false;
	case WALK_ERROR:
		al->has_error = true;
		return false;
	case WALK_DONE:
		break;
	}
	return span_eq(org_domain(&w, domain), al->org);
}

static enum dmarc_result
align(struct facts *facts, const struct dmarc_input *in, struct arena *arena,
    struct dmarc_verdict *v)
{
	struct aligner al = {
		.facts = facts, .arena = arena, .from = in->from,
		.org = v->org_domain,
	};

	v->is_spf_aligned = is_aligned(&al, in->spf, v->record.is_strict_spf);
	for (size_t i = 0; i < in->dkim_count && i < DMARC_DKIM_MAX; i++)
		v->is_dkim_aligned |= is_aligned(&al, in->dkim[i],
		    v->record.is_strict_dkim);
	if (v->is_spf_aligned || v->is_dkim_aligned)
		return DMARC_PASS;
	return al.has_need ? DMARC_NEED : al.has_error ? DMARC_TEMPERROR :
	    DMARC_FAIL;
}

/* ---- the whole ---- */

/* t=y asks for one step less (RFC 9989 section 4.7). */
static enum dmarc_request
soften(enum dmarc_request r, bool is_testing)
{
	return is_testing && r > DMARC_NONE ? (enum dmarc_request)(r - 1) : r;
}

static enum dmarc_result
judge(struct facts *facts, const struct dmarc_input *in, struct arena *arena,
    struct dmarc_verdict *v)
{
	const struct step *policy;
	enum dmarc_result result;
	struct walk w;

	switch (walk(facts, in->from, arena, &w)) {
	case WALK_NEED: return DMARC_NEED;
	case WALK_ERROR: return DMARC_TEMPERROR;
	case WALK_DONE: break;
	}
	v->org_domain = org_domain(&w, in->from);
	policy = find_policy(&w, in->from, v->org_domain);
	if (!policy || !policy->record.is_valid)
		return DMARC_NO_RECORD;
	v->policy_domain = policy->domain;
	v->record = policy->record;
	result = align(facts, in, arena, v);
	if (find_request(facts, in, policy, arena, &v->asked) == WALK_NEED)
		result = DMARC_NEED;
	v->applied = soften(v->asked, v->record.is_testing);
	return result;
}

static void
set_reason(struct dmarc_verdict *v)
{
	static const char *const texts[] = {
		[DMARC_NEED] = "",
		[DMARC_NO_RECORD] = "no DMARC record for",
		[DMARC_PASS] = "aligned with",
		[DMARC_FAIL] = "neither SPF nor DKIM is aligned with",
		[DMARC_TEMPERROR] = "no answer of DNS about",
	};

	snprintf(v->reason, sizeof v->reason, "%s %.*s", texts[v->result],
	    (int)MIN(v->org_domain.len, DMARC_REASON_MAX),
	    v->org_domain.len ? v->org_domain.p : "");
}

enum dmarc_result
dmarc_check(struct facts *facts, const struct dmarc_input *in,
    struct arena *arena, struct dmarc_verdict *v)
{
	struct dmarc_input own = *in;

	own.from = arena_span(arena, in->from);
	*v = (struct dmarc_verdict){
		.org_domain = own.from, .policy_domain = own.from,
	};
	v->result = judge(facts, &own, arena, v);
	set_reason(v);
	return v->result;
}
