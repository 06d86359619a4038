#include "tests/check.h"

#include "pop3/pop3_priv.h"

TEST(test_verbs_are_sorted_and_found_in_any_case)
{
	const struct pop3_verb *v;

	for (size_t i = 0; (v = pop3_verb_at(i)) != NULL; i++) {
		CHECK(i == 0 || strcmp(pop3_verb_at(i - 1)->name, v->name) < 0);
		CHECK(v->states && v->parse && v->run);
		CHECK(pop3_verb_find(span_of(v->name)) == v);
	}
	CHECK(pop3_verb_find(SPAN("retr")) == pop3_verb_find(SPAN("RETR")));
	CHECK(!pop3_verb_find(SPAN("APOP")));
	CHECK(!pop3_verb_find(SPAN("")));
}

TEST(test_verbs_keep_secrets)
{
	CHECK(pop3_verb_find(SPAN("PASS"))->flags & V_SECRET);
	CHECK(pop3_verb_find(SPAN("AUTH"))->flags & V_SECRET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs_are_sorted_and_found_in_any_case),
		cmocka_unit_test(test_verbs_keep_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
