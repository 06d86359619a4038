/*
 * What every unit test includes: cmocka in the order it needs, and CHECK.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/xalloc.h"

#define CHECK(cond) assert_true(cond)
#define CHECK_EQ(a, b) assert_int_equal((a), (b))
#define CHECK_STR(a, b) assert_string_equal((a), (b))
/* A span against a C string. */
#define CHECK_SPAN(s, str) do { \
		assert_int_equal((s).len, strlen(str)); \
		assert_memory_equal((s).p, (str), (s).len); \
	} while (0)

/* A test function without cmocka's unused argument. */
#define TEST(name) \
	static void name##_body(void); \
	static void name(void **state) { (void)state; name##_body(); } \
	static void name##_body(void)

#endif
