#include "auth/dkim.h"

#include <sodium.h>

#include "server/base/err.h"
#include "tests/check.h"

static void
check_body(enum dkim_canon form, const char *in, const char *want)
{
	size_t len = strlen(in);

	/* Every split in two gives the same. */
	for (size_t cut = 0; cut <= len; cut++) {
		struct dkim_body b = { .form = form };
		struct buf out = BUF_INIT;

		dkim_body_add(&b, &out, in, cut);
		dkim_body_add(&b, &out, in + cut, len - cut);
		dkim_body_finish(&b, &out);
		CHECK_EQ(b.total, out.len);
		buf_truncate(&out, out.len - (size_t)b.tail);
		CHECK_STR(out.p, want);
		buf_release(&out);
	}
}

/* RFC 6376 section 3.4.5 and what 3.4.3 and 3.4.4 say of the ends. */
TEST(test_dkim_canon_of_bodies)
{
	static const struct {
		const char *in, *simple, *relaxed;
	} v[] = {
		{ " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n",
		    " C\r\nD E\r\n" },
		{ "", "\r\n", "" },
		{ "\r\n", "\r\n", "" },
		{ "\r\n\r\n\r\n", "\r\n", "" },
		{ "a", "a\r\n", "a\r\n" },
		{ "a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
		{ " \t\r\n \r\n", " \t\r\n \r\n", "" },
		{ "a \t", "a \t\r\n", "a\r\n" },
		{ "a\rb\nc \r d\r\r\n", "a\rb\nc \r d\r\r\n",
		    "a\rb\nc \r d\r\r\n" },
		{ "\r", "\r\r\n", "\r\r\n" },
		{ "\r\n\r\nx\r\n\r\n", "\r\n\r\nx\r\n", "\r\n\r\nx\r\n" },
	};

	for (size_t i = 0; i < COUNT(v); i++) {
		check_body(DKIM_SIMPLE, v[i].in, v[i].simple);
		check_body(DKIM_RELAXED, v[i].in, v[i].relaxed);
	}
}

static void
check_hash(enum dkim_canon form, const char *in, uint64_t limit,
    const char *want, uint64_t length)
{
	unsigned char hash[DKIM_HASH_LEN], right[DKIM_HASH_LEN];
	size_t len = strlen(in);
	struct buf work = BUF_INIT;

	crypto_hash_sha256(right, (const unsigned char *)want, strlen(want));
	for (size_t step = 1; step <= len + 1; step++) {
		struct dkim_hash h = { .body.form = form, .limit = limit };

		for (size_t at = 0; at < len; at += step)
			dkim_hash_add(&h, &work, in + at,
			    MIN(step, len - at));
		dkim_hash_finish(&h, &work, hash);
		CHECK(memcmp(hash, right, sizeof hash) == 0);
		CHECK_EQ(h.length, length);
	}
	buf_release(&work);
}

TEST(test_dkim_hash_of_bodies_is_that_of_their_form)
{
	check_hash(DKIM_RELAXED, " C \r\nD \t E\r\n\r\n\r\n", UINT64_MAX,
	    " C\r\nD E\r\n", 9);
	check_hash(DKIM_SIMPLE, "", UINT64_MAX, "\r\n", 2);
	check_hash(DKIM_SIMPLE, "\r\n\r\n\r\n", UINT64_MAX, "\r\n", 2);
	check_hash(DKIM_RELAXED, "\r\n \r\n\t", UINT64_MAX, "", 0);
	check_hash(DKIM_SIMPLE, "a\r\n\r\n\r\nb\r\n\r\n", UINT64_MAX,
	    "a\r\n\r\n\r\nb\r\n", 10);
	check_hash(DKIM_SIMPLE, "abcdef\r\n", 3, "abc", 8);
	check_hash(DKIM_SIMPLE, "abcdef\r\n", 0, "", 8);
	check_hash(DKIM_SIMPLE, "a\r\n\r\n\r\nb\r\n", 5, "a\r\n\r\n", 10);
	check_hash(DKIM_SIMPLE, "\r\n\r\n", 1, "\r", 2);
	check_hash(DKIM_RELAXED, "a\r\n\r\n", 3, "a\r\n", 3);
}

/* RFC 6376 section 3.4.5 */
TEST(test_dkim_canon_of_fields)
{
	static const struct {
		const char *in, *simple, *relaxed;
	} v[] = {
		{ "A: X\r\n", "A: X\r\n", "a:X\r\n" },
		{ "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n",
		    "b:Y Z\r\n" },
		{ "Subject:", "Subject:\r\n", "subject:\r\n" },
		{ "X:a\r\n b", "X:a\r\n b\r\n", "x:a b\r\n" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT(v); i++) {
		buf_clear(&out);
		dkim_canon_field(&out, DKIM_SIMPLE, span_of(v[i].in));
		CHECK_STR(out.p, v[i].simple);
		buf_clear(&out);
		dkim_canon_field(&out, DKIM_RELAXED, span_of(v[i].in));
		CHECK_STR(out.p, v[i].relaxed);
	}
	buf_release(&out);
}

TEST(test_dkim_fields_are_taken_from_the_lowest_up)
{
	static const char block[] = "To: a\r\nFrom: b\r\nTO: c\r\n d\r\n"
	    "no field\r\nto: e\r\n\r\nTo: body\r\n";
	struct arena a = { 0 };
	struct dkim_fields f;
	struct buf out = BUF_INIT;

	CHECK_EQ(dkim_fields_index(&f, span_of(block), &a), 0);
	CHECK_EQ(f.count, 4);
	dkim_put_fields(&out, DKIM_RELAXED, &f, SPAN("to:\r\n from :To:x:to"
	    ":to:"));
	CHECK_STR(out.p, "to:e\r\nfrom:b\r\nto:c d\r\nto:a\r\n");
	buf_release(&out);
	arena_release(&a);
}

TEST(test_dkim_fields_are_capped_at_the_lowest)
{
	struct buf block = BUF_INIT, out = BUF_INIT;
	struct arena a = { 0 };
	struct dkim_fields f;

	buf_adds(&block, "X: top\r\n");
	for (unsigned i = 0; i < DKIM_FIELDS_MAX; i++)
		buf_printf(&block, "F: %u\r\n", i);
	CHECK_EQ(dkim_fields_index(&f, buf_span(&block), &a), ERR_LIMIT);
	CHECK_EQ(f.count, DKIM_FIELDS_MAX);
	dkim_put_fields(&out, DKIM_RELAXED, &f, SPAN("x"));
	CHECK_EQ(out.len, 0);
	buf_release(&block);
	buf_release(&out);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dkim_canon_of_bodies),
		cmocka_unit_test(
		    test_dkim_hash_of_bodies_is_that_of_their_form),
		cmocka_unit_test(test_dkim_canon_of_fields),
		cmocka_unit_test(test_dkim_fields_are_taken_from_the_lowest_up),
		cmocka_unit_test(test_dkim_fields_are_capped_at_the_lowest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
