#include "tests/zone.h"

#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/xalloc.h"

#define CNAMES_MAX 8

struct zone_record {
	struct list by_zone;
	char *name;
	enum dns_type type;
	enum dns_status status;		/* DNS_OK: rdata is a record */
	enum dns_trust trust;
	struct buf rdata;
};

static void
record_free(struct zone_record *r)
{
	list_remove(&r->by_zone);
	buf_release(&r->rdata);
	free(r->name);
	free(r);
}

/* ---- RDATA ---- */

static void
put_name(struct buf *out, struct span name)
{
	while (name.len && !span_is(name, ".")) {
		const char *dot = span_chr(name, '.');
		size_t n = dot ? (size_t)(dot - name.p) : name.len;

		buf_addc(out, (char)n);
		buf_add(out, name.p, n);
		name = span_from(name, n + 1);
	}
	buf_addc(out, '\0');
}

static struct span
take_field(struct span *rest)
{
	const char *space = span_chr(*rest, ' ');
	struct span s = span_head(*rest, space ? (size_t)(space - rest->p) :
	    rest->len);

	*rest = span_from(*rest, s.len + 1);
	return s;
}

static bool
put_number(struct buf *out, struct span s, unsigned bytes)
{
	struct cursor c = cursor_of_span(s);
	uint64_t n;

	if (!cursor_number(&c, 0xffff, &n) || !cursor_at_end(&c))
		return false;
	if (bytes == 2)
		buf_addc(out, (char)(n >> 8));
	buf_addc(out, (char)n);
	return true;
}

static bool
put_addr(struct buf *out, struct span s, bool is_v4)
{
	struct addr a;

	if (addr_parse(&a, s) < 0 || addr_is_v4(&a) != is_v4)
		return false;
	buf_add(out, a.bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
	return true;
}

static bool
put_rdata(struct buf *out, enum dns_type type, struct span s)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		return put_addr(out, s, type == DNS_A);
	case DNS_MX:
		if (!put_number(out, take_field(&s), 2))
			return false;
		put_name(out, s);
		return true;
	case DNS_TXT:
		do {
			struct span part = span_head(s, 255);

			buf_addc(out, (char)part.len);
			buf_addspan(out, part);
			s = span_from(s, part.len);
		} while (s.len);
		return true;
	case DNS_TLSA:
		return put_number(out, take_field(&s), 1) &&
		    put_number(out, take_field(&s), 1) &&
		    put_number(out, take_field(&s), 1) &&
		    hex_decode(out, s) == 0;
	case DNS_CNAME:
	case DNS_PTR:
		put_name(out, s);
		return true;
	}
	return false;
}

static bool
find_outcome(struct span value, enum dns_status *status)
{
	static const struct {
		const char *name;
		enum dns_status status;
	} outcomes[] = {
		{ "nodata", DNS_NODATA }, { "nxdomain", DNS_NXDOMAIN },
		{ "servfail", DNS_SERVFAIL }, { "timeout", DNS_TIMEOUT },
	};

	for (size_t i = 0; i < COUNT(outcomes); i++) {
		if (span_is(value, outcomes[i].name)) {
			*status = outcomes[i].status;
			return true;
		}
	}
	return false;
}

/* ---- the zone ---- */

static bool
is_of(const struct zone_record *r, struct span name, enum dns_type type)
{
	return r->type == type && span_ieq(span_of(r->name), name);
}

/* What the new record contradicts goes. */
static void
zone_replace(struct zone *z, const struct zone_record *by)
{
	LIST_FOREACH(node, &z->records) {
		struct zone_record *r = CONTAINER_OF(node, struct zone_record,
		    by_zone);

		if (is_of(r, span_of(by->name), by->type) &&
		    (by->status != DNS_OK || r->status != DNS_OK))
			record_free(r);
	}
}

bool
zone_add(struct zone *z, struct span name, struct span type,
    struct span value, struct span mark)
{
	struct zone_record *r = xcalloc(1, sizeof *r);
	struct buf copy = BUF_INIT;
	bool is_good;

	list_init(&r->by_zone);
	buf_init(&r->rdata);
	buf_addspan(&copy, name);
	r->name = buf_take(&copy);
	r->trust = span_is(mark, "secure") ? DNS_SECURE :
	    span_is(mark, "bogus") ? DNS_BOGUS : DNS_INSECURE;
	is_good = dns_type_parse(type, &r->type) &&
	    (mark.len == 0 || r->trust != DNS_INSECURE) &&
	    (find_outcome(value, &r->status) ||
	    put_rdata(&r->rdata, r->type, value));
	if (!is_good) {
		record_free(r);
		return false;
	}
	zone_replace(z, r);
	list_add_tail(&z->records, &r->by_zone);
	return true;
}

static bool
is_at_or_below(const char *name, struct span of)
{
	struct span s = span_of(name);

	if (s.len > of.len && s.p[s.len - of.len - 1] == '.')
		s = span_from(s, s.len - of.len);
	return span_ieq(s, of);
}

static bool
zone_has_name(const struct zone *z, struct span name)
{
	LIST_FOREACH(node, &z->records)
		if (is_at_or_below(CONTAINER_OF(node, struct zone_record,
		    by_zone)->name, name))
			return true;
	return false;
}

struct lookup {
	struct dns_query *q;
	char name[DNS_NAME_MAX + 1];	/* where CNAMEs have led so far */
	bool is_secure;
	bool is_bogus;
};

static void
note_trust(struct lookup *l, const struct zone_record *r)
{
	l->is_secure &= r->trust == DNS_SECURE;
	l->is_bogus |= r->trust == DNS_BOGUS;
}

/* Whether name has records, or an outcome, of the type. */
static bool
look_up(struct zone *z, struct lookup *l, enum dns_type type)
{
	struct dns_answer *a = &l->q->answer;
	bool is_found = false;

	LIST_FOREACH(node, &z->records) {
		struct zone_record *r = CONTAINER_OF(node, struct zone_record,
		    by_zone);

		if (!is_of(r, span_of(l->name), type))
			continue;
		is_found = true;
		note_trust(l, r);
		if (r->status != DNS_OK)
			a->status = r->status;
		else
			dns_answer_add(l->q, (unsigned char *)r->rdata.p,
			    r->rdata.len);
	}
	return is_found;
}

static const struct zone_record *
find_cname(const struct zone *z, const char *name)
{
	LIST_FOREACH(node, &z->records) {
		const struct zone_record *r = CONTAINER_OF(node,
		    struct zone_record, by_zone);

		if (is_of(r, span_of(name), DNS_CNAME) && r->status == DNS_OK)
			return r;
	}
	return NULL;
}

static void
follow(struct lookup *l, const struct zone_record *r)
{
	const char *p = r->rdata.p;
	size_t n = 0;

	note_trust(l, r);
	for (; *p; p += *p + 1) {
		memcpy(l->name + n, p + 1, (size_t)*p);
		n += (size_t)*p;
		l->name[n++] = '.';
	}
	l->name[n ? n - 1 : 0] = '\0';
	(void)dns_answer_set_canonical(l->q, span_of(l->name));
}

static void
zone_answer(struct zone *z, struct dns_query *q)
{
	struct lookup l = { .q = q, .is_secure = true };
	const struct zone_record *cname;
	unsigned hops = 0;

	memcpy(l.name, q->name, sizeof l.name);
	dns_answer_start(q);
	while (!look_up(z, &l, q->type)) {
		cname = find_cname(z, l.name);
		if (!cname || ++hops > CNAMES_MAX) {
			q->answer.status = cname ? DNS_SERVFAIL :
			    zone_has_name(z, span_of(l.name)) ? DNS_NODATA :
			    DNS_NXDOMAIN;
			l.is_secure &= hops > 0 && !cname;
			break;
		}
		follow(&l, cname);
	}
	q->answer.trust = l.is_bogus ? DNS_BOGUS : l.is_secure ? DNS_SECURE :
	    DNS_INSECURE;
	if (l.is_bogus) {
		q->answer.status = DNS_SERVFAIL;
		q->answer.records = NULL;
		q->answer.count = 0;
		q->answer.why = "DNSSEC validation failed";
	}
	q->answer.ttl_s = 300;
}

static void
zone_ask(struct dns_source *source, struct dns_query *q)
{
	struct zone *z = CONTAINER_OF(source, struct zone, source);

	z->asked++;
	zone_answer(z, q);
	op_complete(&q->op, 0);
}

void
zone_init(struct zone *z)
{
	*z = (struct zone){ .source.ask = zone_ask };
	list_init(&z->records);
}

void
zone_release(struct zone *z)
{
	LIST_FOREACH(node, &z->records)
		record_free(CONTAINER_OF(node, struct zone_record, by_zone));
}
