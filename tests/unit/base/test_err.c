#include "server/base/err.h"

#include "tests/check.h"

TEST(test_err_names_are_the_constants)
{
#define X(name, text) \
	CHECK_STR(err_name(name), #name); \
	CHECK_STR(err_text(name), text); \
	CHECK(name < 0);
	ERR_LIST(X)
#undef X
	CHECK_STR(err_name(0), "OK");
}

TEST(test_err_unknown_values_have_names_too)
{
	static const int odd[] = { 1, -1, -1000, INT32_MIN, INT32_MAX };

	for (size_t i = 0; i < COUNT(odd); i++) {
		CHECK_STR(err_name(odd[i]), "ERR_UNKNOWN");
		CHECK_STR(err_text(odd[i]), "unknown error");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err_names_are_the_constants),
		cmocka_unit_test(test_err_unknown_values_have_names_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
