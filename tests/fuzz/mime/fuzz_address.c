/*
 * Any bytes as an address list, as one address and as a key: no more text
 * comes out than went in, groups are closed, keys are their own keys.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/utf8.h"
#include "store/mime/address.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_list(struct span value)
{
	struct arena a = { 0 };
	struct addrlist l;
	bool in_group = false;
	size_t text = 0;

	address_list_parse(value, &a, &l);
	expect(l.present && l.n <= MIME_ADDRESSES_MAX);
	for (size_t i = 0; i < l.n; i++) {
		const struct address *e = &l.v[i];

		expect(e->kind != ADDR_GROUP || !in_group);
		expect(e->kind != ADDR_END || in_group);
		if (e->kind != ADDR_MAILBOX)
			in_group = e->kind == ADDR_GROUP;
		text += e->display.len + e->route.len + e->local.len +
		    e->domain.len;
	}
	expect(!in_group);
	expect(text <= value.len);
	arena_release(&a);
}

static void
check_key(struct span local, struct span domain)
{
	struct buf key = BUF_INIT, again = BUF_INIT;

	if (address_key(&key, local, domain) == 0) {
		expect(utf8_is_valid(buf_span(&key)));
		expect(!memchr(key.p, '\n', key.len));
	} else {
		expect(key.len == 0);
	}
	buf_clear(&key);
	if (domain_key(&key, domain) == 0) {
		expect(utf8_is_ascii(buf_span(&key)));
		expect(domain_key(&again, buf_span(&key)) == 0);
		expect(span_eq(buf_span(&key), buf_span(&again)));
	}
	buf_release(&key);
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_make((const char *)data, size), local, domain;
	struct arena a = { 0 };
	const char *at;

	check_list(s);
	if (address_spec_parse(s, &a, &local, &domain) == 0)
		check_key(local, domain);
	if ((at = span_chr(s, '@')) != NULL)
		check_key(span_head(s, (size_t)(at - s.p)),
		    span_from(s, (size_t)(at + 1 - s.p)));
	arena_release(&a);
	return 0;
}
