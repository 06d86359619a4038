#include "tests/check.h"

#include "smtp/smtp_priv.h"

TEST(test_verbs_are_sorted_and_found_in_any_case)
{
	const struct smtp_verb *v;

	for (size_t i = 0; (v = smtp_verb_at(i)) != NULL; i++) {
		CHECK(i == 0 || strcmp(smtp_verb_at(i - 1)->name, v->name) < 0);
		CHECK(v->states && v->parse && v->run);
		CHECK(smtp_verb_find(span_of(v->name)) == v);
	}
	CHECK(smtp_verb_find(SPAN("ehLO")) == smtp_verb_find(SPAN("EHLO")));
	CHECK(!smtp_verb_find(SPAN("EHL")));
	CHECK(!smtp_verb_find(SPAN("")));
}

TEST(test_verbs_keep_secrets)
{
	CHECK(smtp_verb_find(SPAN("AUTH"))->flags & V_SECRET);
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
