#include "node/origin/server_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *text, const char *expected)
{
	size_t n = strlen(text);
	uint8_t *copy = malloc(n + 1); /* one more byte would be seen by the sanitizer */
	assert_non_null(copy);
	memcpy(copy, text, n);
	server_control_take_out(copy, n);
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(copy, expected, n);
	free(copy);
}

static void test_what_promises_is_made_a_comment(void **state)
{
	(void)state;
	becomes("#EXTM3U\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\n#EXTINF:4,\na.m4s\n",
	    "#EXTM3U\n#----X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\n#EXTINF:4,\na.m4s\n");
	becomes("#EXTM3U\r\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24.0\r\n",
	    "#EXTM3U\r\n#----X-SERVER-CONTROL:CAN-SKIP-UNTIL=24.0\r\n");
	becomes("#EXTM3U\n#EXT-X-SERVER-CONTROL:HOLD-BACK=9,CAN-BLOCK-RELOAD=YES",
	    "#EXTM3U\n#----X-SERVER-CONTROL:HOLD-BACK=9,CAN-BLOCK-RELOAD=YES");
}

static void test_all_else_stays(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"#EXTM3U",
		"#EXTM3U\n#EXT-X-SERVER-CONTROL:HOLD-BACK=12\n",
		"#EXTM3U\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=NO\n",
		"#EXTM3U\n#EXT-X-SERVER-CONTROL\n",
		"#EXTM3U\n#EXTINF:4,#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\na.m4s\n",
		"<MPD/>\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		becomes(texts[i], texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_promises_is_made_a_comment),
		cmocka_unit_test(test_all_else_stays),
	};
	return cmocka_run_group_tests_name("server_control", tests, NULL, NULL);
}
