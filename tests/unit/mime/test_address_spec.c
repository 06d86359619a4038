#include "tests/check.h"

#include "server/base/err.h"
#include "server/base/idna.h"
#include "store/mime/address.h"

TEST(test_spec_takes_addresses_by_the_book)
{
	static const struct {
		const char *in, *local, *domain;
	} ok[] = {
		{ "a@b", "a", "b" },
		{ "john.q.public@example.com", "john.q.public",
		    "example.com" },
		{ "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~",
		    "example.com" },
		{ "\"john doe\"@example.com", "john doe", "example.com" },
		{ "\"a\\\"b\\\\c\"@example.com", "a\"b\\c", "example.com" },
		{ "\"\"@example.com", "", "example.com" },
		{ "\"a@b\"@example.com", "a@b", "example.com" },
		{ "j@[192.0.2.1]", "j", "[192.0.2.1]" },
		{ "j@[IPv6:2001:db8::1]", "j", "[IPv6:2001:db8::1]" },
		{ "\xc3\xa4@\xc3\xb6.example", "\xc3\xa4",
		    "\xc3\xb6.example" },
		{ "a@x-y.example", "a", "x-y.example" },
		{ "a@b_c.example", "a", "b_c.example" },
		{ "a@1.example", "a", "1.example" },
	};

	for (size_t i = 0; i < COUNT(ok); i++) {
		struct arena a = { 0 };
		struct span local, domain;

		CHECK_EQ(address_spec_parse(span_of(ok[i].in), &a, &local,
		    &domain), 0);
		CHECK_SPAN(local, ok[i].local);
		CHECK_SPAN(domain, ok[i].domain);
		arena_release(&a);
	}
}

TEST(test_spec_refuses_all_else)
{
	static const char *const bad[] = {
		"", "a", "@", "a@", "@b", "a@b@c", "a b@c", " a@b", "a@b ",
		"<a@b>", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c",
		"a@-b", "a@b-", "\"a@b", "\"a\"b@c", "\"a\\\"@b", "\"a\\",
		"\"", "\"a\"", "\"a\"@", "a@[", "a@[]", "a@[1", "a@1]",
		"a@[a b]", "a@[a\\b]", "a@b,c", "a@b;c", "a@b:c", "a(x)@b",
		"a@b(x)", "a\\@b", "a@b\n", "a\r@b", "a\x7f@b", "\"\n\"@b",
		"\xc3@b", "a@\xc3", "a@b\xff.c", "a@b!c", "a@b/c", "a@b%c",
		/* A label of 64 */
		("a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaa.b"),
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		size_t len = strlen(bad[i]);
		char *copy = xmemdup(bad[i], len);
		struct arena a = { 0 };
		struct span local, domain;

		CHECK_EQ(address_spec_parse(span_make(copy, len), &a, &local,
		    &domain), ERR_SYNTAX);
		arena_release(&a);
		free(copy);
	}
}

TEST(test_spec_has_limits_for_both_halves)
{
	struct buf in = BUF_INIT;
	struct arena a = { 0 };
	struct span local, domain;

	for (int i = 0; i < 255; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "@b");
	CHECK_EQ(address_spec_parse(buf_span(&in), &a, &local, &domain), 0);
	CHECK_EQ(local.len, 255);
	buf_clear(&in);
	for (int i = 0; i < 256; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "@b");
	CHECK_EQ(address_spec_parse(buf_span(&in), &a, &local, &domain),
	    ERR_SYNTAX);
	buf_clear(&in);
	buf_adds(&in, "a@b");
	for (int i = 0; i < 127; i++)
		buf_adds(&in, ".b");
	CHECK_EQ(address_spec_parse(buf_span(&in), &a, &local, &domain), 0);
	buf_adds(&in, ".b");
	CHECK_EQ(address_spec_parse(buf_span(&in), &a, &local, &domain),
	    ERR_SYNTAX);
	buf_release(&in);
	arena_release(&a);
}

TEST(test_key_is_the_same_for_the_same_address)
{
	static const struct {
		const char *local, *domain, *key;
	} rows[] = {
		{ "Bob", "Example.COM", "bob@example.com" },
		{ "b\xc3\x84", "x.example", "b\xc3\xa4@x.example" },
		/* A with a combining diaeresis is the letter. */
		{ "bA\xcc\x88", "x.example", "b\xc3\xa4@x.example" },
		{ "Stra\xc3\x9f" "e", "x.example", "strasse@x.example" },
		{ "a", "M\xc3\xbcnchen.example",
		    "a@xn--mnchen-3ya.example" },
		{ "a", "XN--mnchen-3ya.example",
		    "a@xn--mnchen-3ya.example" },
		{ "a", "[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]" },
		{ "a b", "c", "a b@c" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(address_key(&out, span_of(rows[i].local),
		    span_of(rows[i].domain)), 0);
		CHECK_STR(out.p, rows[i].key);
		buf_release(&out);
	}
}

TEST(test_key_appends_nothing_for_what_is_no_address)
{
	static const struct {
		const char *local, *domain;
	} bad[] = {
		{ "", "b" }, { "a", "" }, { "a\n", "b" }, { "a", "b c" },
		{ "\xff", "b" }, { "a", "\xff" }, { "a", "b..c" },
		{ "a", "[" }, { "a", "xn--\xc3\xbc" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		buf_adds(&out, "x");
		CHECK_EQ(address_key(&out, span_of(bad[i].local),
		    span_of(bad[i].domain)), ERR_SYNTAX);
		CHECK_STR(out.p, "x");
		buf_release(&out);
	}
}

TEST(test_idna_gives_lower_case_a_labels)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "EXAMPLE.com", "example.com" },
		{ "_dmarc.Example", "_dmarc.example" },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
		/* RFC 5891 section 4: sharp s stays itself. */
		{ "fa\xc3\x9f.example", "xn--fa-hia.example" },
		/* Registered under IDNA 2003, invalid since; it works on. */
		{ "xn--i-7iq.example", "xn--i-7iq.example" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(idna_to_ascii(&out, span_of(rows[i].in)), 0);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
	}
}

TEST(test_idna_refuses_what_is_no_name)
{
	static const char *const bad[] = {
		"", ".", "a.", ".a", "a..b", "a b", "a\n", "a/b", "\xc3",
		"\xc3\xa4.", "a@b", "\xe2\x82\xac\xff",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(idna_to_ascii(&out, span_of(bad[i])), ERR_SYNTAX);
		CHECK_EQ(out.len, 0);
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec_takes_addresses_by_the_book),
		cmocka_unit_test(test_spec_refuses_all_else),
		cmocka_unit_test(test_spec_has_limits_for_both_halves),
		cmocka_unit_test(test_key_is_the_same_for_the_same_address),
		cmocka_unit_test(
		    test_key_appends_nothing_for_what_is_no_address),
		cmocka_unit_test(test_idna_gives_lower_case_a_labels),
		cmocka_unit_test(test_idna_refuses_what_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
