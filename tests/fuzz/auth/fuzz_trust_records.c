/*
 * Records and fields that strangers write: SPF, DMARC, tag lists,
 * Authentication-Results. The first byte chooses.
 */
#include <assert.h>

#include "auth/authres.h"
#include "auth/dmarc_record.h"
#include "auth/spf_record.h"
#include "auth/tags.h"
#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_spf(struct span in)
{
	struct addr ip = { { 32, 1, 13, 184, [15] = 1 } };
	struct spf_macros m = {
		.sender = SPAN("a.b-c@mail.example.org"), .ip = &ip,
		.domain = SPAN("example.org"), .helo = SPAN("x.example"),
	};
	struct arena arena = { 0 };
	struct buf out = BUF_INIT;
	struct spf_record r;
	unsigned labels;

	if (spf_is_record(in) &&
	    spf_record_parse(in, &arena, &r) == PARSE_OK) {
		/* What was parsed can be expanded, to a name or to none. */
		for (size_t i = 0; i < r.count; i++) {
			buf_clear(&out);
			assert(spf_expand(&out, r.terms[i].domain_spec, &m,
			    false) == PARSE_OK);
			buf_clear(&out);
			if (spf_target_name(&out, r.terms[i].domain_spec,
			    &m) == PARSE_OK)
				assert(spf_is_name(buf_span(&out), &labels));
			else
				assert(out.len == 0);
		}
	}
	assert(arena.used <= 64 * in.len + 1024);
	buf_clear(&out);
	(void)spf_expand(&out, span_head(in, 4096), &m, true);
	buf_release(&out);
	arena_release(&arena);
}

static void
check_dmarc(struct span in)
{
	struct dmarc_record r;
	struct span address;
	struct cursor c;

	if (!dmarc_is_record(in))
		return;
	dmarc_record_parse(in, &r);
	assert(r.p <= DMARC_REJECT && r.sp <= DMARC_REJECT &&
	    r.np <= DMARC_REJECT);
	c = cursor_of_span(r.rua);
	while (dmarc_next_mailto(&c, &address))
		assert(address.len > 0 && span_chr(address, '@'));
}

static void
check_tags(struct span in)
{
	struct tags t;
	struct span item;

	if (tags_parse(in, &t) != PARSE_OK)
		return;
	assert(t.count > 0 && t.count <= TAGS_MAX);
	for (size_t i = 0; i < t.count; i++) {
		struct cursor c = cursor_of_span(t.v[i].value);
		size_t sum = 0;

		while (tags_next_item(&c, ':', &item))
			sum += item.len;
		assert(sum <= t.v[i].value.len);
	}
}

static void
check_authres(struct span in)
{
	struct buf out = BUF_INIT;

	(void)authres_is_of(in, SPAN("mail.example.org"));
	authres_begin(&out, "mail.example.org");
	authres_method(&out, "spf", "fail", in);
	authres_property(&out, "smtp", "mailfrom", in);
	authres_end(&out, true);
	/* What was written is a field of ours, and one field. */
	assert(authres_is_of(span_from(buf_span(&out), 23),
	    SPAN("mail.example.org")));
	for (size_t i = 0; i + 1 < out.len; i++) {
		assert(out.p[i] != '\n' || out.p[i + 1] == '\t');
		assert((out.p[i] == '\r') == (out.p[i + 1] == '\n'));
	}
	buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(struct span) = {
		check_spf, check_dmarc, check_tags, check_authres,
	};

	if (size > 0)
		checks[data[0] % COUNT(checks)](span_make(
		    (const char *)data + 1, size - 1));
	return 0;
}
