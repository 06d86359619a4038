#include "tests/check.h"

#include "imap/imap_priv.h"

TEST(test_verbs_are_sorted_and_whole)
{
	const struct imap_verb *v, *before = NULL;

	for (size_t i = 0; (v = imap_verb_at(i)); i++) {
		CHECK(!before || strcmp(before->name, v->name) < 0);
		CHECK(v->states && v->parse && v->run);
		CHECK(!(v->flags & V_WRITES) || v->states == ST_SELECTED);
		before = v;
	}
}

TEST(test_verbs_are_found_in_any_case)
{
	CHECK_STR(imap_verb_find(SPAN("fEtCh"), false)->name, "FETCH");
	CHECK_STR(imap_verb_find(SPAN("fetch"), true)->name, "UID FETCH");
	CHECK(!imap_verb_find(SPAN("NOOP"), true));
	CHECK(!imap_verb_find(SPAN("UID FETCH"), false));
	CHECK(!imap_verb_find(SPAN("FETCHES"), false));
	CHECK(!imap_verb_find(SPAN("FETC"), false));
	CHECK(!imap_verb_find(SPAN(""), false));
	CHECK(!imap_verb_find(SPAN(""), true));
}

/* RFC 3501 7.4.1, RFC 5256 3: these, and not their UID forms. */
TEST(test_expunges_are_held_back_by_some_commands_alone)
{
	const struct imap_verb *v;

	for (size_t i = 0; (v = imap_verb_at(i)); i++) {
		bool holds = strcmp(v->name, "FETCH") == 0 ||
		    strcmp(v->name, "STORE") == 0 ||
		    strcmp(v->name, "SEARCH") == 0 ||
		    strcmp(v->name, "SORT") == 0 ||
		    strcmp(v->name, "THREAD") == 0;

		CHECK_EQ(!!(v->flags & V_NOEXPUNGE), holds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs_are_sorted_and_whole),
		cmocka_unit_test(test_verbs_are_found_in_any_case),
		cmocka_unit_test(
		    test_expunges_are_held_back_by_some_commands_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
