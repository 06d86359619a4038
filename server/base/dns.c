#include "server/base/dns.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/env.h"
#include "server/base/idna.h"
#include "server/base/xalloc.h"

#define LABEL_MAX 63

static const struct {
	const char *name;
	enum dns_type type;
} types[] = {
	{ "A", DNS_A }, { "AAAA", DNS_AAAA }, { "CNAME", DNS_CNAME },
	{ "MX", DNS_MX }, { "PTR", DNS_PTR }, { "TLSA", DNS_TLSA },
	{ "TXT", DNS_TXT },
};

const char *
dns_type_name(enum dns_type type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "unknown";
}

bool
dns_type_parse(struct span s, enum dns_type *type)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		if (span_iis(s, types[i].name)) {
			*type = types[i].type;
			return true;
		}
	}
	return false;
}

const char *
dns_status_name(enum dns_status status)
{
	static const char *const names[] = {
		"OK", "NODATA", "NXDOMAIN", "SERVFAIL", "TIMEOUT"
	};

	return names[status];
}

/* ---- questions ---- */

static void
query_free(struct op *op)
{
	struct dns_query *q = CONTAINER_OF(op, struct dns_query, op);

	arena_release(&q->arena);
	free(q);
}

static struct dns_query *
query_new(struct env *env, struct session *owner, const char *name,
    enum dns_type type)
{
	struct dns_query *q = xcalloc(1, sizeof *q);

	op_init(&q->op, owner, env->home, query_free);
	(void)snprintf(q->name, sizeof q->name, "%s", name);
	q->type = type;
	dns_answer_start(q);
	return q;
}

struct dns_query *
dns_query_new(struct env *env, struct session *owner, struct span name,
    enum dns_type type)
{
	struct dns_query *q = NULL;
	struct buf ascii = BUF_INIT;

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	if (idna_to_ascii(&ascii, name) == 0)
		q = query_new(env, owner, ascii.p, type);
	buf_release(&ascii);
	return q;
}

struct dns_query *
dns_query_new_ptr(struct env *env, struct session *owner,
    const struct addr *a)
{
	const unsigned char *b = a->bytes;
	char name[DNS_NAME_MAX + 1];
	int len = 0;

	if (addr_is_v4(a)) {
		(void)snprintf(name, sizeof name, "%u.%u.%u.%u.in-addr.arpa",
		    b[15], b[14], b[13], b[12]);
		return query_new(env, owner, name, DNS_PTR);
	}
	for (size_t i = sizeof a->bytes; i-- > 0;)
		len += snprintf(name + len, sizeof name - (size_t)len,
		    "%x.%x.", b[i] & 15u, b[i] >> 4);
	(void)snprintf(name + len, sizeof name - (size_t)len, "ip6.arpa");
	return query_new(env, owner, name, DNS_PTR);
}

/* ---- answers ---- */

void
dns_answer_start(struct dns_query *q)
{
	arena_release(&q->arena);
	q->answer = (struct dns_answer){
		.status = DNS_NODATA, .canonical = q->name, .why = "",
	};
}

static bool
is_name_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

/*
 * An uncompressed name that fills all of p, as text into out of
 * DNS_NAME_MAX + 1 bytes; the root is "". RFC 1035 section 3.1.
 */
static bool
read_name(const unsigned char *p, size_t len, char *out)
{
	size_t n = 0;

	while (len && *p) {
		size_t label = *p++;

		len--;
		if (label > LABEL_MAX || label >= len ||
		    n + label + 1 > DNS_NAME_MAX)
			return false;
		if (n)
			out[n++] = '.';
		for (size_t i = 0; i < label; i++) {
			unsigned char c = ascii_lower(p[i]);

			if (!is_name_char(c))
				return false;
			out[n++] = (char)c;
		}
		p += label;
		len -= label;
	}
	out[n] = '\0';
	return len == 1;
}

static bool
add_name(struct dns_query *q, struct dns_record *r, const unsigned char *p,
    size_t len)
{
	char name[DNS_NAME_MAX + 1];

	/* Only MX may name the root: RFC 7505 section 3. */
	if (!read_name(p, len, name) || (!*name && q->type != DNS_MX))
		return false;
	r->name = arena_str(&q->arena, span_of(name));
	return true;
}

static bool
add_addr(struct dns_record *r, const unsigned char *p, size_t len,
    bool is_v4)
{
	if (len != (is_v4 ? 4u : 16u))
		return false;
	r->addr = (struct addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
	memcpy(r->addr.bytes + (is_v4 ? 12 : 0), p, len);
	/* An AAAA that holds an IPv4 address is a way around rules. */
	return is_v4 || !addr_is_v4(&r->addr);
}

/* RFC 7208 section 3.3, RFC 6376 section 3.6.2.2: joined without spaces. */
static bool
add_text(struct dns_query *q, struct dns_record *r, const unsigned char *p,
    size_t len)
{
	char *text = arena_alloc(&q->arena, len + 1);
	size_t n = 0;

	while (len) {
		size_t part = *p++;

		len--;
		if (part > len)
			return false;
		memcpy(text + n, p, part);
		n += part;
		p += part;
		len -= part;
	}
	r->data = span_make(text, n);
	return true;
}

static bool
add_record(struct dns_query *q, struct dns_record *r, const unsigned char *p,
    size_t len)
{
	switch (q->type) {
	case DNS_A:
		return add_addr(r, p, len, true);
	case DNS_AAAA:
		return add_addr(r, p, len, false);
	case DNS_MX:
		if (len < 3)
			return false;
		r->preference = (uint16_t)(p[0] << 8 | p[1]);
		return add_name(q, r, p + 2, len - 2);
	case DNS_TXT:
		return add_text(q, r, p, len);
	case DNS_TLSA:
		if (len < 4)
			return false;
		r->usage = p[0];
		r->selector = p[1];
		r->matching = p[2];
		r->data = arena_span(&q->arena,
		    span_make((const char *)p + 3, len - 3));
		return true;
	case DNS_CNAME:
	case DNS_PTR:
		return add_name(q, r, p, len);
	}
	return false;
}

/* Room for one more: the array doubles, starting with 4. */
static struct dns_record *
next_record(struct dns_query *q)
{
	struct dns_answer *a = &q->answer;
	struct dns_record *v = (struct dns_record *)(uintptr_t)a->records;
	size_t n = a->count;

	if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
		v = arena_array(&q->arena, n ? 2 * n : 4, sizeof *v);
		if (n)
			memcpy(v, a->records, n * sizeof *v);
		a->records = v;
	}
	return &v[n];
}

void
dns_answer_add(struct dns_query *q, const unsigned char *rdata, size_t len)
{
	struct dns_record r = { 0 };

	if (q->answer.count == DNS_RECORDS_MAX ||
	    q->arena.used + len > DNS_ANSWER_MAX ||
	    !add_record(q, &r, rdata, len)) {
		q->answer.bad_count++;
		return;
	}
	*next_record(q) = r;
	q->answer.count++;
	q->answer.status = DNS_OK;
}

bool
dns_answer_set_canonical(struct dns_query *q, struct span name)
{
	struct buf ascii = BUF_INIT;
	bool is_good;

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	is_good = idna_to_ascii(&ascii, name) == 0;
	if (is_good)
		q->answer.canonical = arena_str(&q->arena, buf_span(&ascii));
	buf_release(&ascii);
	return is_good;
}
