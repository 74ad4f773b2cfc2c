/* Whom warmcastctl says that it works for. */
#include "ctl/who.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void it_is_said_or_found_out(void **state)
{
	(void)state;
	char who[WHO_MAX + 1], host[256] = "";
	assert_int_equal(setenv("WARMCAST_OPERATOR", "deploy bot\"\n\xc3\xa4", 1), 0);
	who_gives_orders(who);
	assert_string_equal(who, "deploy_bot____");
	assert_int_equal(setenv("WARMCAST_OPERATOR", "", 1), 0);
	who_gives_orders(who);
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	const char *at = strchr(who, '@');
	assert_non_null(at);
	assert_true(at > who);
	assert_memory_equal(at + 1, host, strlen(at + 1));
	if (geteuid() == 0) {
		assert_int_equal(setenv("SUDO_USER", "ann", 1), 0);
		who_gives_orders(who);
		assert_memory_equal(who, "ann@", 4);
	}
}

static void what_is_too_long_is_cut(void **state)
{
	(void)state;
	char longest[301], who[WHO_MAX + 1];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(setenv("WARMCAST_OPERATOR", longest, 1), 0);
	who_gives_orders(who);
	assert_int_equal(strlen(who), WHO_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_said_or_found_out),
		cmocka_unit_test(what_is_too_long_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
