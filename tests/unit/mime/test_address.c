#include "tests/check.h"

#include "store/mime/address.h"

/*
 * A list as one text: "M(display|route|local|domain)" for a mailbox, "G(name)"
 * for the start of a group, "E" for its end.
 */
static void
put_list(struct buf *out, const struct addrlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct address *a = &l->v[i];

		if (a->kind == ADDR_END) {
			buf_adds(out, "E");
			continue;
		}
		buf_adds(out, a->kind == ADDR_GROUP ? "G(" : "M(");
		buf_addspan(out, a->display);
		if (a->kind == ADDR_MAILBOX) {
			buf_addc(out, '|');
			buf_addspan(out, a->route);
			buf_addc(out, '|');
			buf_addspan(out, a->local);
			buf_addc(out, '|');
			buf_addspan(out, a->domain);
		}
		buf_addc(out, ')');
	}
}

struct row {
	const char *in, *out;
};

/* The value is given in memory of its own, so that reading past it is seen. */
static void
check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(rows[i].in);
		char *copy = xmemdup(rows[i].in, len);
		struct buf out = BUF_INIT;
		struct arena a = { 0 };
		struct addrlist l;

		address_list_parse(span_make(copy, len), &a, &l);
		CHECK(l.present);
		put_list(&out, &l);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
		arena_release(&a);
		free(copy);
	}
}

TEST(test_address_reads_the_examples_of_rfc_5322)
{
	static const struct row rows[] = {
		/* A.1.1, A.1.2 */
		{ "John Doe <jdoe@machine.example>",
		    "M(John Doe||jdoe|machine.example)" },
		{ "\"Joe Q. Public\" <john.q.public@example.com>",
		    "M(Joe Q. Public||john.q.public|example.com)" },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, "
		    "Who? <one@y.test>",
		    "M(Mary Smith||mary|x.test)M(||jdoe|example.org)"
		    "M(Who?||one|y.test)" },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" "
		    "<sysservices@example.net>",
		    "M(||boss|nil.test)"
		    "M(Giant; \"Big\" Box||sysservices|example.net)" },
		/* A.1.3 */
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,"
		    "John <jdoe@one.test>;",
		    "G(A Group)M(Ed Jones||c|a.test)M(||joe|where.test)"
		    "M(John||jdoe|one.test)E" },
		{ "Undisclosed recipients:;", "G(Undisclosed recipients)E" },
		/* A.2 */
		{ "\"Mary Smith: Personal Account\" <smith@home.example>",
		    "M(Mary Smith: Personal Account||smith|home.example)" },
		/* A.5 */
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test"
		    "(his host)>", "M(Pete||pete|silly.test)" },
		{ "A Group(Some people)     :Chris Jones "
		    "<c@(Chris's host.)public.example>,"
		    "         joe@example.org,"
		    "  John <jdoe@one.test> (my dear friend); "
		    "(the end of the group)",
		    "G(A Group)M(Chris Jones||c|public.example)"
		    "M(||joe|example.org)M(John||jdoe|one.test)E" },
		{ "(Empty list)(start)Hidden recipients  "
		    ":(nobody(that I know))  ;", "G(Hidden recipients)E" },
		/* A.6.1 */
		{ "Joe Q. Public <john.q.public@example.com>",
		    "M(Joe Q. Public||john.q.public|example.com)" },
		{ "Mary Smith <@node.test:mary@example.net>, , "
		    "jdoe@test  . example",
		    "M(Mary Smith|@node.test|mary|example.net)"
		    "M(||jdoe|test.example)" },
		/* A.6.3 */
		{ "John Doe <jdoe@machine(comment).  example>",
		    "M(John Doe||jdoe|machine.example)" },
		{ "Mary Smith                <mary@example.net>",
		    "M(Mary Smith||mary|example.net)" },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_address_reads_old_and_lenient_forms)
{
	static const struct row rows[] = {
		{ "jo@example.org (Jo Public)",
		    "M(Jo Public||jo|example.org)" },
		{ "<jo@example.org> (Jo)", "M(Jo||jo|example.org)" },
		{ "(Jo) <jo@example.org>", "M(Jo||jo|example.org)" },
		{ "jo@example.org (J\\(o (no, not) Public)",
		    "M(J(o (no, not) Public||jo|example.org)" },
		{ "john . doe@example.org", "M(||john.doe|example.org)" },
		{ "john. doe @ example .org", "M(||john.doe|example.org)" },
		{ "\"john doe\"@example.org", "M(||john doe|example.org)" },
		{ "\"j. d\".x@example.org", "M(||j. d.x|example.org)" },
		{ "john@[192.0.2.1]", "M(||john|[192.0.2.1])" },
		{ "<john@[IPv6:2001:db8::1]>",
		    "M(||john|[IPv6:2001:db8::1])" },
		{ "<@a.test,@b.test:c@d.test>",
		    "M(|@a.test,@b.test|c|d.test)" },
		{ "< @a.test , @b.test : c@d.test >",
		    "M(|@a.test,@b.test|c|d.test)" },
		{ "@a.test:c@d.test", "M(||c|d.test)" },
		{ "a@b.test <a@b.test>", "M(a@b.test||a|b.test)" },
		{ "Jo Public jo@example.org",
		    "M(Jo Public||jo|example.org)" },
		{ "a@b.test; c@d.test", "M(||a|b.test)M(||c|d.test)" },
		{ "a@b.test c@d.test", "M(||a|b.test)M(||c|d.test)" },
		{ "<a@b.test> <c@d.test>", "M(||a|b.test)M(||c|d.test)" },
		{ "<a@b.test> junk, c@d.test",
		    "M(||a|b.test)M(||c|d.test)" },
		{ "a@b.test junk", "M(||a|b.test)" },
		{ "<mailto:a@b.test>", "M(||a|b.test)" },
		{ "<a@b@c.test>", "M(||a@b|c.test)" },
		{ "a@b@c.test", "M(||a@b|c.test)" },
		{ "root", "M(||root|)" },
		{ "Jo Public", "M(||Jo Public|)" },
		{ "a: b@c.test, d", "G(a)M(||b|c.test)M(||d|)E" },
		{ "a: b: c@d.test; e@f.test",
		    "G(a)M(b||c|d.test)EM(||e|f.test)" },
		{ "[list] jo <jo@example.org>",
		    "M([list] jo||jo|example.org)" },
		{ "j\\@x@example.org", "M(||j@x|example.org)" },
		{ "\"a\" \"b\" c <d@e.test>", "M(a b c||d|e.test)" },
		{ "a<b@c.test>d<e@f.test>",
		    "M(a||b|c.test)M(d||e|f.test)" },
		{ "gr\xc3\xbc\xc3\x9f <\xc3\xa4@\xc3\xb6.test>",
		    "M(gr\xc3\xbc\xc3\x9f||\xc3\xa4|\xc3\xb6.test)" },
		{ "a\tb\r\n c <d@e.test>", "M(a b c||d|e.test)" },
		{ "<john doe@e.test>", "M(||john doe|e.test)" },
		{ "", "" },
		{ " \t ", "" },
		{ ",,,", "" },
		{ ";", "" },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_address_takes_encoded_words_whole)
{
	static const struct row rows[] = {
		{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
		    "M(=?US-ASCII?Q?Keith_Moore?=||moore|cs.utk.edu)" },
		{ "=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>",
		    "M(=?ISO-8859-1?Q?Andr=E9?= Pirard||PIRARD|"
		    "vm1.ulg.ac.be)" },
		{ "=?utf-8?q?a@b,_c?= <d@e.test>",
		    "M(=?utf-8?q?a@b,_c?=||d|e.test)" },
		{ "=?utf-8?q?(a);<b>?= <d@e.test>",
		    "M(=?utf-8?q?(a);<b>?=||d|e.test)" },
		{ "a=?utf-8?q?b,c?= <d@e.test>",
		    "M(a=?utf-8?q?b,c?=||d|e.test)" },
		/* Not closed: an atom like any other. */
		{ "=?utf-8?q?a, b@c.test",
		    "M(||=?utf-8?q?a|)M(||b|c.test)" },
		{ "=?utf-8?q?a? <b@c.test>",
		    "M(=?utf-8?q?a?||b|c.test)" },
		{ "Nathaniel Borenstein <nsb@thumper.bellcore.com> "
		    "(=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)",
		    "M(Nathaniel Borenstein||nsb|thumper.bellcore.com)" },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_address_ends_where_its_bytes_end)
{
	static const struct row rows[] = {
		{ "a\\", "M(||a|)" },
		{ "\\", "" },
		{ "\"", "" },
		{ "\"a", "M(||a|)" },
		{ "\"a\\", "M(||a|)" },
		{ "\"a <b@c.test>, d", "M(||a <b@c.test>, d|)" },
		{ "(", "" },
		{ "(\\", "" },
		{ "(a", "" },
		{ "a@b.test (c\\", "M(c||a|b.test)" },
		{ "a@b.test (((c", "M(((c||a|b.test)" },
		{ "=", "M(||=|)" },
		{ "=?", "M(||=?|)" },
		{ "<", "M(|||)" },
		{ "<>", "M(|||)" },
		{ "<@", "M(|||)" },
		{ "<@a", "M(|||a)" },
		{ "<@a,", "M(|||a)" },
		{ "<@a:", "M(|@a||)" },
		{ "<a", "M(||a|)" },
		{ "<a@", "M(||a|)" },
		{ "<a@b", "M(||a|b)" },
		{ "a@", "M(||a|)" },
		{ "@", "M(|||)" },
		{ "a@[", "M(||a|[)" },
		{ "a@[1", "M(||a|[1)" },
		{ "<\"\"@d>", "M(|||d)" },
		{ "\"\"@d", "M(|||d)" },
		{ "a:", "G(a)E" },
		{ ":", "G()E" },
		{ "a:b", "G(a)M(||b|)E" },
		{ "a:<", "G(a)M(|||)E" },
		{ "\xc3", "M(||\xc3|)" },
		{ ">", "" },
		{ ")", "" },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_address_lists_have_a_cap_that_closes_groups)
{
	struct buf in = BUF_INIT;
	struct arena a = { 0 };
	struct addrlist l;

	buf_adds(&in, "g:");
	for (int i = 0; i < 3000; i++)
		buf_adds(&in, "a@b,");
	address_list_parse(buf_span(&in), &a, &l);
	CHECK_EQ(l.n, MIME_ADDRESSES_MAX);
	CHECK_EQ(l.v[0].kind, ADDR_GROUP);
	CHECK_EQ(l.v[l.n - 1].kind, ADDR_END);
	CHECK_EQ(l.v[l.n - 2].kind, ADDR_MAILBOX);
	buf_release(&in);
	arena_release(&a);
}

TEST(test_address_cuts_long_names)
{
	struct buf in = BUF_INIT;
	struct arena a = { 0 };
	struct addrlist l;

	for (unsigned i = 0; i < DIGEST_VALUE_MAX + 5; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, " <a@b>");
	address_list_parse(buf_span(&in), &a, &l);
	CHECK_EQ(l.n, 1);
	CHECK_EQ(l.v[0].display.len, DIGEST_VALUE_MAX);
	CHECK_SPAN(l.v[0].local, "a");
	buf_release(&in);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_reads_the_examples_of_rfc_5322),
		cmocka_unit_test(test_address_reads_old_and_lenient_forms),
		cmocka_unit_test(test_address_takes_encoded_words_whole),
		cmocka_unit_test(test_address_ends_where_its_bytes_end),
		cmocka_unit_test(
		    test_address_lists_have_a_cap_that_closes_groups),
		cmocka_unit_test(test_address_cuts_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
