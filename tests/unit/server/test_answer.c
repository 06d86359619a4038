#include "tests/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/answer.h"
#include "server/control.h"

static const char whole[] =
	"{\"row\":{\"account\":\"ann\"}}\n"
	"{\"progress\":{\"done\":3,\"total\":3}}\n"
	"{\"bytes\":3}\na\nb"
	"{\"done\":true}\n";

/* The raw bytes that arrived in the file. */
static void
check_split(size_t at)
{
	char name[] = "/tmp/kingpost-answer.XXXXXX", got[16];
	int fd = mkstemp(name);
	struct answer a;

	assert_true(fd >= 0);
	unlink(name);
	answer_init(&a, false, fd);
	answer_add(&a, whole, at);
	answer_add(&a, whole + at, sizeof whole - 1 - at);
	CHECK(a.has_ended);
	CHECK_EQ(a.exit, EXIT_DONE);
	CHECK_EQ(a.err, 0);
	CHECK_EQ(json_array_size(a.rows), 1);
	CHECK_EQ(pread(fd, got, sizeof got, 0), 3);
	CHECK(memcmp(got, "a\nb", 3) == 0);
	close(fd);
	answer_release(&a);
}

TEST(test_an_answer_may_be_cut_anywhere)
{
	for (size_t at = 0; at < sizeof whole; at++)
		check_split(at);
}

TEST(test_an_error_carries_its_exit_status)
{
	static const char error[] = "{\"error\":\"no\",\"exit\":1}\n";
	struct answer a;

	answer_init(&a, true, -1);
	answer_add(&a, error, sizeof error - 1);
	CHECK(a.has_ended);
	CHECK_EQ(a.exit, EXIT_REFUSED);
	answer_release(&a);
}

TEST(test_what_is_no_json_ends_it)
{
	struct answer a;

	answer_init(&a, false, -1);
	answer_add(&a, "what\n", 5);
	CHECK(a.has_ended);
	CHECK_EQ(a.exit, EXIT_REFUSED);
	answer_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_may_be_cut_anywhere),
		cmocka_unit_test(test_an_error_carries_its_exit_status),
		cmocka_unit_test(test_what_is_no_json_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
