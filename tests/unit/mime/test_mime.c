#include "tests/check.h"

#include "store/mime/mime.h"

/* A text as a message: CR LF for each LF. */
static void
put_crlf(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_addc(out, '\r');
		buf_addc(out, *text);
	}
}

static void
put_part(struct buf *out, const struct part *p, struct span message)
{
	static const char *const kinds[] = { "leaf", "multi", "msg" };

	for (unsigned i = 0; i < p->depth; i++)
		buf_adds(out, "  ");
	buf_printf(out, "%s %.*s/%.*s", kinds[p->kind], SPAN_ARG(p->type),
	    SPAN_ARG(p->subtype));
	if (p->kind == PART_LEAF) {
		buf_printf(out, " %u [", (unsigned)p->lines);
		buf_add(out, message.p + p->body_off, (size_t)p->body_len);
		buf_addc(out, ']');
	}
	buf_addc(out, '\n');
}

/* The tree as lines: kind, type, and a leaf's line count and body. */
static void
put_tree(struct buf *out, const struct digest *d, struct span message)
{
	for (const struct part *p = d->root; p;) {
		put_part(out, p, message);
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && !p->next)
			p = p->parent;
		p = p ? p->next : NULL;
	}
}

static void
check_tree(const char *text, const char *tree)
{
	struct buf message = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	put_crlf(&message, text);
	mime_digest(buf_span(&message), &a, &d);
	CHECK_EQ(d.size, message.len);
	put_tree(&out, &d, buf_span(&message));
	CHECK_STR(out.p, tree);

	/* The same with lines that end with LF alone. */
	arena_clear(&a);
	buf_clear(&out);
	mime_digest(span_of(text), &a, &d);
	put_tree(&out, &d, span_of(text));
	for (const char *p = tree; *p; p++)
		if (*p != '\r')
			buf_addc(&want, *p);
	CHECK_STR(out.p, want.p);
	arena_release(&a);
	buf_release(&message);
	buf_release(&out);
	buf_release(&want);
}

TEST(test_message_without_parts_is_one_leaf)
{
	check_tree("Subject: x\n\nbody\n",
	    "leaf text/plain 1 [body\r\n]\n");
	check_tree("Subject: x\n\n", "leaf text/plain 0 []\n");
	check_tree("Subject: x\n", "leaf text/plain 0 []\n");
	check_tree("Subject: x", "leaf text/plain 0 []\n");
	check_tree("", "leaf text/plain 0 []\n");
	check_tree("\n", "leaf text/plain 0 []\n");
	check_tree("\nbody", "leaf text/plain 0 [body]\n");
	check_tree("\n\n\nx\ny", "leaf text/plain 3 [\r\n\r\nx\r\ny]\n");
}

/* RFC 2046 section 5.1.1, the example. */
TEST(test_multipart_is_cut_at_its_delimiters)
{
	check_tree(
	    "From: Nathaniel Borenstein <nsb@bellcore.com>\n"
	    "To: Ned Freed <ned@innosoft.com>\n"
	    "Date: Sun, 21 Mar 1993 23:56:48 -0800 (PST)\n"
	    "Subject: Sample message\n"
	    "MIME-Version: 1.0\n"
	    "Content-type: multipart/mixed; boundary=\"simple boundary\"\n"
	    "\n"
	    "This is the preamble.  It is to be ignored, though it\n"
	    "is a handy place for composition agents to include an\n"
	    "explanatory note to non-MIME conformant readers.\n"
	    "\n"
	    "--simple boundary\n"
	    "\n"
	    "This is implicitly typed plain US-ASCII text.\n"
	    "It does NOT end with a linebreak.\n"
	    "--simple boundary\n"
	    "Content-type: text/plain; charset=us-ascii\n"
	    "\n"
	    "This is explicitly typed plain US-ASCII text.\n"
	    "It DOES end with a linebreak.\n"
	    "\n"
	    "--simple boundary--\n"
	    "\n"
	    "This is the epilogue.  It is also to be ignored.\n",
	    "multi multipart/mixed\n"
	    "  leaf text/plain 1 [This is implicitly typed plain US-ASCII "
	    "text.\r\nIt does NOT end with a linebreak.]\n"
	    "  leaf text/plain 2 [This is explicitly typed plain US-ASCII "
	    "text.\r\nIt DOES end with a linebreak.\r\n]\n");
}

/* RFC 2046 section 5.1.5: a digest's parts are messages. */
TEST(test_digest_has_messages_for_parts)
{
	check_tree(
	    "Content-Type: multipart/mixed; boundary=\"----main boundary"
	    "----\"\n\n"
	    "------main boundary----\n\n"
	    "Introductory text\n\n"
	    "------main boundary----\n"
	    "Content-Type: multipart/digest;\n"
	    "\tboundary=\"---- next message ----\"\n\n"
	    "------ next message ----\n\n"
	    "From: someone-else\nSubject: my opinion\n\n"
	    "body\n\n"
	    "------ next message ----\n"
	    "Content-Type: text/plain\n\nno message\n"
	    "------ next message ------\n"
	    "------main boundary------\n",
	    "multi multipart/mixed\n"
	    "  leaf text/plain 1 [Introductory text\r\n]\n"
	    "  multi multipart/digest\n"
	    "    msg message/rfc822\n"
	    "      leaf text/plain 1 [body\r\n]\n"
	    "    leaf text/plain 0 [no message]\n");
}

TEST(test_parts_end_at_the_delimiters_of_their_forebears)
{
	/* The inner one has no close delimiter; nor has the outer one. */
	check_tree(
	    "Content-Type: multipart/mixed; boundary=o\n\n"
	    "--o\nContent-Type: multipart/mixed; boundary=i\n\n"
	    "--i\n\na\n--o\n\nb\n--i\nc",
	    "multi multipart/mixed\n"
	    "  multi multipart/mixed\n"
	    "    leaf text/plain 0 [a]\n"
	    "  leaf text/plain 2 [b\r\n--i\r\nc]\n");
	/* In a message in a part. */
	check_tree(
	    "Content-Type: multipart/mixed; boundary=o\n\n"
	    "--o\nContent-Type: message/rfc822\n\n"
	    "Subject: x\nContent-Type: multipart/mixed; boundary=i\n\n"
	    "--i\n\na\n--o--\n",
	    "multi multipart/mixed\n"
	    "  msg message/rfc822\n"
	    "    multi multipart/mixed\n"
	    "      leaf text/plain 0 [a]\n");
	/* In the middle of a header. */
	check_tree(
	    "Content-Type: multipart/mixed; boundary=o\n\n"
	    "--o\nContent-Type: text/html\n--o\nContent-Type: image/png\n"
	    "--o--",
	    "multi multipart/mixed\n"
	    "  leaf text/html 0 []\n"
	    "  leaf image/png 0 []\n");
}

TEST(test_delimiters_may_follow_each_other)
{
	check_tree(
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\n--b\n\n--b\n\n\n--b--\n",
	    "multi multipart/mixed\n"
	    "  leaf text/plain 0 []\n"
	    "  leaf text/plain 0 []\n"
	    "  leaf text/plain 0 []\n");
	check_tree(
	    "Content-Type: multipart/digest; boundary=b\n\n--b\n--b--\n",
	    "multi multipart/digest\n"
	    "  msg message/rfc822\n"
	    "    leaf text/plain 0 []\n");
	check_tree(
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: message/rfc822\n\n--b--\n",
	    "multi multipart/mixed\n"
	    "  msg message/rfc822\n"
	    "    leaf text/plain 0 []\n");
}

TEST(test_delimiters_are_whole_lines)
{
	check_tree(
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b  \t\n\n--bb\n--b-\n--b--x\n -b\n --b\n-b\n--\n--b x\na\n"
	    "--b-- \t\n--b\nc\n",
	    "multi multipart/mixed\n"
	    "  leaf text/plain 8 [--bb\r\n--b-\r\n--b--x\r\n -b\r\n --b\r\n"
	    "-b\r\n--\r\n--b x\r\na]\n");
}

TEST(test_boundaries_may_begin_alike)
{
	check_tree(
	    "Content-Type: multipart/mixed; boundary=ab\n\n"
	    "--ab\nContent-Type: multipart/mixed; boundary=abc\n\n"
	    "--abc\n\n1\n--abc--\n--ab\nContent-Type: "
	    "multipart/mixed; boundary=a\n\n--a\n\n2\n--ab--\n",
	    "multi multipart/mixed\n"
	    "  multi multipart/mixed\n"
	    "    leaf text/plain 0 [1]\n"
	    "  multi multipart/mixed\n"
	    "    leaf text/plain 0 [2]\n");
	/* "b--" is a boundary of its own. */
	check_tree(
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: multipart/mixed; boundary=\"b--\"\n\n"
	    "--b--\n\n1\n--b----\n--b\n\n2\n--b--\n",
	    "multi multipart/mixed\n"
	    "  multi multipart/mixed\n"
	    "    leaf text/plain 0 [1]\n"
	    "  leaf text/plain 0 [2]\n");
}

TEST(test_multipart_that_cannot_be_cut_is_a_leaf)
{
	static const char *const types[] = {
		"multipart/mixed",
		"multipart/mixed; boundary=\"\"",
		"multipart/mixed; boundary=\" \"",
		"multipart/mixed; boundary=\"\xc3\xa4\"",
		"multipart/mixed; boundary=nowhere",
	};

	for (size_t i = 0; i < COUNT(types); i++) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "Content-Type: %s\n\n--\n--b\n\na\n",
		    types[i]);
		check_tree(b.p, "leaf multipart/mixed 4 "
		    "[--\r\n--b\r\n\r\na\r\n]\n");
		buf_release(&b);
	}
}

TEST(test_boundary_has_a_longest)
{
	for (size_t len = MIME_BOUNDARY_MAX - 1; len <= MIME_BOUNDARY_MAX + 1;
	    len++) {
		struct buf b = BUF_INIT, name = BUF_INIT;
		struct arena a = { 0 };
		struct digest d;

		for (size_t i = 0; i < len; i++)
			buf_addc(&name, 'b');
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=%s"
		    "\r\n\r\n--%s\r\n\r\na\r\n--%s--\r\n", name.p, name.p,
		    name.p);
		mime_digest(buf_span(&b), &a, &d);
		CHECK_EQ(d.root->kind, len <= MIME_BOUNDARY_MAX ?
		    PART_MULTIPART : PART_LEAF);
		buf_release(&b);
		buf_release(&name);
		arena_release(&a);
	}
}

TEST(test_encoded_messages_are_not_looked_into)
{
	check_tree(
	    "Content-Type: message/rfc822\n\nSubject: x\n\na\n",
	    "msg message/rfc822\n"
	    "  leaf text/plain 1 [a\r\n]\n");
	check_tree(
	    "Content-Type: message/global\n"
	    "Content-Transfer-Encoding: 8bit\n\nSubject: x\n\na\n",
	    "msg message/global\n"
	    "  leaf text/plain 1 [a\r\n]\n");
	check_tree(
	    "Content-Type: message/rfc822\n"
	    "Content-Transfer-Encoding: base64\n\nU3ViamVjdA==\n",
	    "leaf message/rfc822 1 [U3ViamVjdA==\r\n]\n");
	check_tree(
	    "Content-Type: message/partial\n\nSubject: x\n\na\n",
	    "leaf message/partial 3 [Subject: x\r\n\r\na\r\n]\n");
	/* A multipart has no encoding, whatever it says. */
	check_tree(
	    "Content-Type: multipart/mixed; boundary=b\n"
	    "Content-Transfer-Encoding: base64\n\n--b\n\na\n--b--\n",
	    "multi multipart/mixed\n"
	    "  leaf text/plain 0 [a]\n");
}

TEST(test_depth_has_a_cap)
{
	struct buf b = BUF_INIT;
	struct arena a = { 0 };
	const struct part *p;
	struct digest d;

	for (int i = 0; i < 80; i++)
		buf_adds(&b, "Content-Type: message/rfc822\r\n\r\n");
	buf_adds(&b, "x: y\r\n\r\nend\r\n");
	mime_digest(buf_span(&b), &a, &d);
	for (p = d.root; p->child; p = p->child)
		;
	CHECK_EQ(p->depth, MIME_DEPTH_MAX - 1);
	CHECK_EQ(p->kind, PART_LEAF);
	CHECK_EQ(p->body_off + p->body_len, b.len);
	CHECK(d.flavour & FLAVOUR_UNPARSED);
	buf_release(&b);
	arena_release(&a);
}

TEST(test_part_count_has_a_cap)
{
	struct buf b = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;
	size_t n = 0;

	buf_adds(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		buf_adds(&b, "--b\r\n\r\n.\r\n");
	mime_digest(buf_span(&b), &a, &d);
	for (const struct part *p = d.root->child; p; p = p->next) {
		CHECK_EQ(p->body_len, 1);
		n++;
	}
	CHECK_EQ(n, MIME_PARTS_MAX - 1);
	CHECK(d.flavour & FLAVOUR_UNPARSED);
	CHECK_EQ(d.root->body_off + d.root->body_len, b.len);
	buf_release(&b);
	arena_release(&a);
}

TEST(test_headers_have_a_cap)
{
	struct buf b = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	buf_adds(&b, "Subject: kept\r\n");
	while (b.len < MIME_HEADER_MAX)
		buf_adds(&b, "X-Fill: 0123456789012345678901234567890\r\n");
	buf_adds(&b, "To: not@read\r\n\r\nbody");
	mime_digest(buf_span(&b), &a, &d);
	CHECK_SPAN(d.envelope.subject, "kept");
	CHECK(!d.envelope.to.present);
	CHECK_EQ(d.root->header_len, b.len - 4);
	CHECK_EQ(d.root->body_len, 4);
	CHECK(d.flavour & FLAVOUR_UNPARSED);
	buf_release(&b);
	arena_release(&a);
}

TEST(test_addresses_of_a_message_have_a_cap)
{
	struct buf b = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;
	size_t n = 0;

	buf_adds(&b, "Content-Type: multipart/digest; boundary=b\r\n\r\n");
	for (int i = 0; i < 50; i++) {
		buf_adds(&b, "--b\r\n\r\nTo: ");
		for (int k = 0; k < 1000; k++)
			buf_adds(&b, "a,");
		buf_adds(&b, "\r\n\r\n");
	}
	mime_digest(buf_span(&b), &a, &d);
	for (const struct part *p = d.root->child; p; p = p->next) {
		CHECK(p->envelope->to.present);
		n += p->envelope->to.n;
	}
	CHECK(n >= MIME_ADDRESSES_TOTAL);
	CHECK(n <= MIME_ADDRESSES_TOTAL + MIME_ADDRESSES_MAX);
	CHECK(d.flavour & FLAVOUR_UNPARSED);
	buf_release(&b);
	arena_release(&a);
}

TEST(test_flavour_says_what_the_bytes_are)
{
	static const struct {
		const char *message;
		unsigned flavour;
	} rows[] = {
		{ "A: b\r\n\r\nplain\r\n", 0 },
		{ "A: b\r\n\r\n\xc3\xa4\r\n", FLAVOUR_8BIT },
		{ "A: \xc3\xa4\r\n\r\nb\r\n", FLAVOUR_UTF8_HEADERS },
		{ "A: \xc3\xa4\r\n\r\n\xc3\xa4", FLAVOUR_8BIT |
		    FLAVOUR_UTF8_HEADERS },
		{ "A: b\n\r\n", FLAVOUR_BARE_CR_LF },
		{ "A: b\r\n\r\na\rb", FLAVOUR_BARE_CR_LF },
		{ "A: b\r\n\r\na\r", FLAVOUR_BARE_CR_LF },
		{ "A: b\r\n\r\na\r\r\n", FLAVOUR_BARE_CR_LF },
		{ "\n", FLAVOUR_BARE_CR_LF },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		    "--b\r\nA: \xc3\xa4\r\n\r\nx\r\n--b--\r\n",
		    FLAVOUR_UTF8_HEADERS },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		    "\xc3\xa4\r\n--b\r\n\r\nx\r\n--b--\r\n", FLAVOUR_8BIT },
		/* Body to those who carry it */
		{ "Content-Type: message/rfc822\r\n\r\nA: \xc3\xa4\r\n\r\nx",
		    FLAVOUR_8BIT },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena a = { 0 };
		struct digest d;

		mime_digest(span_of(rows[i].message), &a, &d);
		CHECK_EQ(d.flavour, rows[i].flavour);
		arena_release(&a);
	}
}

TEST(test_flavour_sees_nuls_and_long_lines)
{
	struct arena a = { 0 };
	struct digest d;

	for (size_t len = 997; len <= 1000; len++) {
		struct buf b = BUF_INIT;

		buf_adds(&b, "A: b\r\n\r\n");
		for (size_t i = 0; i < len; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, "\r\n");
		mime_digest(buf_span(&b), &a, &d);
		CHECK_EQ(d.flavour, len > 998 ? FLAVOUR_LONG_LINES : 0);
		buf_truncate(&b, b.len - 2);
		mime_digest(buf_span(&b), &a, &d);
		CHECK_EQ(d.flavour, len > 998 ? FLAVOUR_LONG_LINES : 0);
		buf_release(&b);
	}
	/* At every place of a block, and behind the last. */
	for (size_t at = 0; at < 150; at++) {
		char m[150];

		memset(m, 'x', sizeof m);
		m[at] = '\0';
		mime_digest(span_make(m, sizeof m), &a, &d);
		CHECK_EQ(d.flavour, FLAVOUR_NUL);
		m[at] = '\r';
		mime_digest(span_make(m, sizeof m), &a, &d);
		CHECK_EQ(d.flavour, FLAVOUR_BARE_CR_LF);
	}
	arena_release(&a);
}

static const char *const messages[] = {
	"A: b\n\nplain\n",
	"Subject: =?utf-8?q?=C3=A4?=\nFrom: a@b, c@d\n\nx\ny",
	"Content-Type: multipart/mixed; boundary=\"bound ary\"\n\npre\n"
	    "--bound ary\nContent-Type: text/html\n\n<p>a\xc3\xa4</p>\n"
	    "--bound ary  \n\n--bound ary--x\n--bound ary--\nepi\n--\n",
	"Content-Type: multipart/digest; boundary=b\n\n--b\n\n"
	    "Subject: \xc3\xa4\n\nx\n--b\n--b\n\n\n--b--",
	"Content-Type: message/rfc822\n\nContent-Type: text/plain; "
	    "charset=iso-8859-1\n\n\xe4\n",
	"\n\n\n", "A", "A:\n b\n\n\n",
};

/* The stored digest of text, added in pieces of step bytes. */
static void
encode_in_pieces(struct buf *out, struct span text, size_t step)
{
	struct mime *m = mime_new();

	while (text.len) {
		struct span s = span_head(text, step);
		char *copy = xmemdup(s.p, s.len);

		mime_add(m, copy, s.len);
		free(copy);
		text = span_from(text, s.len);
	}
	digest_encode(out, mime_finish(m));
	CHECK(mime_memory(m) > 0);
	mime_free(m);
}

TEST(test_any_split_of_the_bytes_gives_the_same_digest)
{
	for (size_t i = 0; i < COUNT(messages); i++) {
		struct buf text = BUF_INIT, whole = BUF_INIT;

		put_crlf(&text, messages[i]);
		encode_in_pieces(&whole, buf_span(&text), text.len);
		for (size_t step = 1; step < text.len; step++) {
			struct buf pieces = BUF_INIT;

			encode_in_pieces(&pieces, buf_span(&text), step);
			CHECK(span_eq(buf_span(&whole), buf_span(&pieces)));
			buf_release(&pieces);
		}
		buf_release(&text);
		buf_release(&whole);
	}
}

TEST(test_free_takes_null_and_the_unfinished)
{
	struct mime *m = mime_new();

	mime_add(m, "Subject", 7);
	mime_free(m);
	mime_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_without_parts_is_one_leaf),
		cmocka_unit_test(test_multipart_is_cut_at_its_delimiters),
		cmocka_unit_test(test_digest_has_messages_for_parts),
		cmocka_unit_test(
		    test_parts_end_at_the_delimiters_of_their_forebears),
		cmocka_unit_test(test_delimiters_may_follow_each_other),
		cmocka_unit_test(test_delimiters_are_whole_lines),
		cmocka_unit_test(test_boundaries_may_begin_alike),
		cmocka_unit_test(
		    test_multipart_that_cannot_be_cut_is_a_leaf),
		cmocka_unit_test(test_boundary_has_a_longest),
		cmocka_unit_test(test_encoded_messages_are_not_looked_into),
		cmocka_unit_test(test_depth_has_a_cap),
		cmocka_unit_test(test_part_count_has_a_cap),
		cmocka_unit_test(test_headers_have_a_cap),
		cmocka_unit_test(test_addresses_of_a_message_have_a_cap),
		cmocka_unit_test(test_flavour_says_what_the_bytes_are),
		cmocka_unit_test(test_flavour_sees_nuls_and_long_lines),
		cmocka_unit_test(
		    test_any_split_of_the_bytes_gives_the_same_digest),
		cmocka_unit_test(test_free_takes_null_and_the_unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
