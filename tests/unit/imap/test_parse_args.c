#include "imap/parse.h"

#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_none_lets_only_spaces_follow)
{
	check_good(imap_parse_none, SPAN(""));
	check_good(imap_parse_none, SPAN("  "));
	check_bad(imap_parse_none, SPAN(" x"),
	    "unexpected text after the command");
	check_bad(imap_parse_none, SPAN("\r"), NULL);
}

TEST(test_parse_login_takes_two_astrings)
{
	struct parsing *t = parsing_new(SPAN(" ann@x {5+}\r\np w\"d"));

	CHECK_EQ(parsing_run(t, imap_parse_login), PARSE_OK);
	CHECK_SPAN(t->args.login.user, "ann@x");
	CHECK_SPAN(t->args.login.password, "p w\"d");
	parsing_free(t);
	check_bad(imap_parse_login, SPAN(" ann"),
	    "expected a space and an argument");
	check_bad(imap_parse_login, SPAN(" ann "), "expected a string");
	check_bad(imap_parse_login, SPAN(" ann pw x"), NULL);
	check_bad(imap_parse_login, SPAN(""), NULL);
	check_bad(imap_parse_login, SPAN("  ann pw"), NULL);
}

TEST(test_parse_authenticate_knows_the_initial_response)
{
	static const struct {
		const char *in;
		bool has;
		const char *initial;
	} rows[] = {
		{ " PLAIN", false, "" },
		{ " PLAIN ", false, "" },
		{ " PLAIN =", true, "" },
		{ " PLAIN dGVzdAB0ZXN0AHRlc3Q=", true,
		    "dGVzdAB0ZXN0AHRlc3Q=" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_authenticate), PARSE_OK);
		CHECK_SPAN(t->args.authenticate.mechanism, "PLAIN");
		CHECK_EQ(t->args.authenticate.has_initial, rows[i].has);
		CHECK_SPAN(t->args.authenticate.initial, rows[i].initial);
		parsing_free(t);
	}
	check_bad(imap_parse_authenticate, SPAN(""), NULL);
	check_bad(imap_parse_authenticate, SPAN(" \"PLAIN\""), NULL);
	check_bad(imap_parse_authenticate, SPAN(" PLAIN a b"), NULL);
}

/* RFC 2971 section 3.1 */
TEST(test_parse_id_takes_pairs_or_nil)
{
	struct parsing *t = parsing_new(SPAN(" (\"name\" \"sodr\" \"version\" "
	    "\"19.34\" \"vendor\" NIL)"));
	const struct imap_id_args *id = &t->args.id;

	CHECK_EQ(parsing_run(t, imap_parse_id), PARSE_OK);
	CHECK_EQ(id->count, 3);
	CHECK_SPAN(id->pairs[0].name, "name");
	CHECK_SPAN(id->pairs[0].value, "sodr");
	CHECK(!id->pairs[1].is_nil);
	CHECK(id->pairs[2].is_nil);
	parsing_free(t);
	check_good(imap_parse_id, SPAN(" NIL"));
	check_good(imap_parse_id, SPAN(" nil"));
	check_good(imap_parse_id, SPAN(" ()"));
	check_bad(imap_parse_id, SPAN(""), NULL);
	check_bad(imap_parse_id, SPAN(" (\"name\")"), NULL);
	check_bad(imap_parse_id, SPAN(" (NIL NIL)"), NULL);
	check_bad(imap_parse_id, SPAN(" (\"a\" \"b\" )"), NULL);
	check_bad(imap_parse_id, SPAN(" (\"a\" \"b\""), NULL);
}

TEST(test_parse_id_has_a_cap)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " (\"a\" NIL");
	for (int i = 1; i < 30; i++)
		buf_adds(&b, " \"a\" NIL");
	buf_addc(&b, ')');
	check_good(imap_parse_id, buf_span(&b));
	buf_truncate(&b, b.len - 1);
	buf_adds(&b, " \"a\" NIL)");
	check_bad(imap_parse_id, buf_span(&b), "more than 30 ID fields");
	buf_release(&b);
}

TEST(test_parse_compress_takes_a_mechanism)
{
	struct parsing *t = parsing_new(SPAN(" deflate "));

	CHECK_EQ(parsing_run(t, imap_parse_compress), PARSE_OK);
	CHECK_SPAN(t->args.compress.mechanism, "deflate");
	parsing_free(t);
	check_bad(imap_parse_compress, SPAN(""), NULL);
	check_bad(imap_parse_compress, SPAN(" \"DEFLATE\""), NULL);
	check_bad(imap_parse_compress, SPAN(" DEFLATE 1"), NULL);
}

TEST(test_parse_enable_takes_words)
{
	struct parsing *t = parsing_new(SPAN(" CONDSTORE UTF8=ACCEPT"));

	CHECK_EQ(parsing_run(t, imap_parse_enable), PARSE_OK);
	CHECK_EQ(t->args.enable.count, 2);
	CHECK_SPAN(t->args.enable.words[1], "UTF8=ACCEPT");
	parsing_free(t);
	check_bad(imap_parse_enable, SPAN(""), NULL);
	check_bad(imap_parse_enable, SPAN(" "), NULL);
	check_bad(imap_parse_enable, SPAN(" A (B)"), NULL);
}

TEST(test_parse_mailbox_only_and_rename)
{
	struct parsing *t = parsing_new(SPAN(" inbox \"new box\""));

	CHECK_EQ(parsing_run(t, imap_parse_rename), PARSE_OK);
	CHECK_SPAN(t->args.rename.from, "INBOX");
	CHECK_SPAN(t->args.rename.to, "new box");
	parsing_free(t);
	check_good(imap_parse_mailbox_only, SPAN(" x"));
	check_bad(imap_parse_mailbox_only, SPAN(" x y"), NULL);
	check_bad(imap_parse_mailbox_only, SPAN(" "),
	    "expected a mailbox name");
	check_bad(imap_parse_rename, SPAN(" x"), NULL);
}

TEST(test_parse_status_takes_items)
{
	struct parsing *t = parsing_new(
	    SPAN(" blurdybloop (UIDNEXT messages UIDNEXT)"));

	CHECK_EQ(parsing_run(t, imap_parse_status), PARSE_OK);
	CHECK_SPAN(t->args.status.name, "blurdybloop");
	CHECK_EQ(t->args.status.items, STATUS_UIDNEXT | STATUS_MESSAGES);
	parsing_free(t);
	check_bad(imap_parse_status, SPAN(" x"), NULL);
	check_bad(imap_parse_status, SPAN(" x ()"), "unknown STATUS item");
	check_bad(imap_parse_status, SPAN(" x (FOO)"), "unknown STATUS item");
	check_bad(imap_parse_status, SPAN(" x (UIDNEXT"), NULL);
	check_bad(imap_parse_status, SPAN(" x UIDNEXT"), NULL);
}

TEST(test_parse_copy_and_uid_expunge)
{
	struct parsing *t = parsing_new(SPAN(" 2:4 MEETING"));

	CHECK_EQ(parsing_run(t, imap_parse_copy), PARSE_OK);
	CHECK_EQ(t->args.copy.set.n, 1);
	CHECK_SPAN(t->args.copy.name, "MEETING");
	parsing_free(t);
	check_good(imap_parse_uid_expunge, SPAN(" 3000:3002"));
	check_bad(imap_parse_uid_expunge, SPAN(""), NULL);
	check_bad(imap_parse_copy, SPAN(" x y"), "expected message numbers");
	check_bad(imap_parse_copy, SPAN(" 1"), NULL);
	check_bad(imap_parse_copy, SPAN(" 0 x"),
	    "0 is no number of a message");
}

TEST(test_parse_store_knows_its_six_forms)
{
	static const struct {
		const char *in;
		enum flags_how how;
		bool silent;
	} rows[] = {
		{ " 2:4 FLAGS (\\Deleted)", FLAGS_REPLACE, false },
		{ " 2:4 flags.silent (\\Deleted)", FLAGS_REPLACE, true },
		{ " 2:4 +FLAGS (\\Deleted)", FLAGS_ADD, false },
		{ " 2:4 +Flags.Silent \\Deleted", FLAGS_ADD, true },
		{ " 2:4 -FLAGS \\Deleted", FLAGS_REMOVE, false },
		{ " 2:4 -FLAGS.SILENT (\\Deleted) ", FLAGS_REMOVE, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_store), PARSE_OK);
		CHECK_EQ(t->args.store.how, rows[i].how);
		CHECK_EQ(t->args.store.silent, rows[i].silent);
		CHECK_EQ(t->args.store.flags.bits, FLAG_DELETED);
		parsing_free(t);
	}
}

TEST(test_parse_store_takes_flags_without_parentheses)
{
	struct parsing *t = parsing_new(SPAN(" 1 +FLAGS \\Seen $x \\Draft"));

	CHECK_EQ(parsing_run(t, imap_parse_store), PARSE_OK);
	CHECK_EQ(t->args.store.flags.bits, FLAG_SEEN | FLAG_DRAFT);
	CHECK_EQ(t->args.store.flags.keyword_count, 1);
	parsing_free(t);
	check_good(imap_parse_store, SPAN(" 1 FLAGS ()"));
	check_bad(imap_parse_store, SPAN(" 1 FLAGS"), NULL);
	check_bad(imap_parse_store, SPAN(" 1 FLAGS "), "expected a flag");
	check_bad(imap_parse_store, SPAN(" 1 *FLAGS (x)"), NULL);
	check_bad(imap_parse_store, SPAN(" 1 FLAGS.LOUD (x)"), NULL);
	check_bad(imap_parse_store, SPAN(" 1 FLAGS (x) y"), NULL);
}

/* RFC 7162 section 3.1.3, examples 3 and 8 */
TEST(test_parse_store_takes_unchangedsince)
{
	static const struct {
		const char *in;
		uint64_t since;
	} rows[] = {
		{ " 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Seen)",
		    12121230045 },
		{ " 12 (unchangedsince 0) +FLAGS $MDNSent", 0 },
		{ " * (UNCHANGEDSINCE 9223372036854775807) FLAGS ()",
		    INT64_MAX },
		{ " 1 FLAGS ()", UINT64_MAX },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_store), PARSE_OK);
		CHECK_EQ(t->args.store.unchanged_since, rows[i].since);
		parsing_free(t);
	}
	check_bad(imap_parse_store,
	    SPAN(" 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()"),
	    "expected a number of 63 bits");
	check_bad(imap_parse_store, SPAN(" 1 (UNCHANGEDSINCE) FLAGS ()"), NULL);
	check_bad(imap_parse_store, SPAN(" 1 (UNCHANGEDSINCE 1)FLAGS ()"),
	    NULL);
	check_bad(imap_parse_store, SPAN(" 1 (CHANGED 1) FLAGS ()"),
	    "unknown STORE modifier");
	check_bad(imap_parse_store, SPAN(" 1 () FLAGS ()"), NULL);
}

/* RFC 6154 section 3 */
TEST(test_parse_create_takes_a_use)
{
	static const struct {
		const char *in;
		enum special_use use;
		bool refused;
	} rows[] = {
		{ " x", USE_NONE, false },
		{ " x (USE ())", USE_NONE, false },
		{ " x (USE (\\Sent))", USE_SENT, false },
		{ " x (use (\\TRASH \\Trash))", USE_TRASH, false },
		{ " x (USE (\\Drafts \\Sent))", USE_SENT, true },
		{ " x (USE (\\All))", USE_NONE, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_create), PARSE_OK);
		CHECK_SPAN(t->args.create.name, "x");
		CHECK_EQ(t->args.create.use, rows[i].use);
		CHECK_EQ(t->args.create.use_refused, rows[i].refused);
		parsing_free(t);
	}
	check_bad(imap_parse_create, SPAN(" x ()"),
	    "unknown CREATE parameter");
	check_bad(imap_parse_create, SPAN(" x (USE)"), NULL);
	check_bad(imap_parse_create, SPAN(" x (USE (Sent))"),
	    "expected a special use");
	check_bad(imap_parse_create, SPAN(" x (USE (\\Sent"), NULL);
	check_bad(imap_parse_create, SPAN(" x (USE (\\Sent)"), NULL);
	check_bad(imap_parse_create, SPAN(" x (USE (\\Sent)) y"), NULL);
}

TEST(test_parse_uidbatches)
{
	static const struct {
		const char *in;
		uint32_t size, from, to;
	} rows[] = {
		{ " 500", 500, 0, 0 },
		{ " 500 ", 500, 0, 0 },
		{ " 1 2:2", 1, 2, 2 },
		{ " 4294967295 1:4294967295", UINT32_MAX, 1, UINT32_MAX },
	};
	static const char *const bad[] = {
		"", " ", " 0", " *", " 1:2", " 500 1", " 500 1:", " 500 :2",
		" 500 0:1", " 500 1:*", " 500  1:2", " 500 1:2 3",
		" 4294967296",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_uidbatches), PARSE_OK);
		CHECK_EQ(t->args.uidbatches.size, rows[i].size);
		CHECK_EQ(t->args.uidbatches.from, rows[i].from);
		CHECK_EQ(t->args.uidbatches.to, rows[i].to);
		parsing_free(t);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_uidbatches, span_of(bad[i]), NULL);
}

TEST(test_parse_language_takes_ranges)
{
	struct parsing *t = parsing_new(SPAN(" de-AT \"en\" {1}\r\n*"));

	CHECK_EQ(parsing_run(t, imap_parse_language), PARSE_OK);
	CHECK_EQ(t->args.language.count, 3);
	CHECK_SPAN(t->args.language.ranges[0], "de-AT");
	CHECK_SPAN(t->args.language.ranges[2], "*");
	parsing_free(t);
	check_bad(imap_parse_language, SPAN(" ("), NULL);
}

/* RFC 5267 section 4.3.5 */
TEST(test_parse_cancelupdate_takes_tags)
{
	struct parsing *t = parsing_new(SPAN(" \"a\" \"B01\""));

	CHECK_EQ(parsing_run(t, imap_parse_cancelupdate), PARSE_OK);
	CHECK_EQ(t->args.cancel.count, 2);
	CHECK_SPAN(t->args.cancel.tags[1], "B01");
	parsing_free(t);
	check_bad(imap_parse_cancelupdate, SPAN(""), NULL);
	check_bad(imap_parse_cancelupdate, SPAN(" "), NULL);
	check_bad(imap_parse_cancelupdate, SPAN(" B01"), NULL);
	check_bad(imap_parse_cancelupdate, SPAN(" \"a\" \"b\" \"c\" \"d\""
	    " \"e\" \"f\" \"g\" \"h\" \"i\" \"j\" \"k\" \"l\" \"m\" \"n\""
	    " \"o\" \"p\" \"q\""), "too many tags");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_uidbatches),
		cmocka_unit_test(test_parse_language_takes_ranges),
		cmocka_unit_test(test_parse_cancelupdate_takes_tags),
		cmocka_unit_test(test_parse_none_lets_only_spaces_follow),
		cmocka_unit_test(test_parse_login_takes_two_astrings),
		cmocka_unit_test(
		    test_parse_authenticate_knows_the_initial_response),
		cmocka_unit_test(test_parse_id_takes_pairs_or_nil),
		cmocka_unit_test(test_parse_id_has_a_cap),
		cmocka_unit_test(test_parse_compress_takes_a_mechanism),
		cmocka_unit_test(test_parse_enable_takes_words),
		cmocka_unit_test(test_parse_mailbox_only_and_rename),
		cmocka_unit_test(test_parse_status_takes_items),
		cmocka_unit_test(test_parse_copy_and_uid_expunge),
		cmocka_unit_test(test_parse_store_knows_its_six_forms),
		cmocka_unit_test(
		    test_parse_store_takes_flags_without_parentheses),
		cmocka_unit_test(test_parse_store_takes_unchangedsince),
		cmocka_unit_test(test_parse_create_takes_a_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
