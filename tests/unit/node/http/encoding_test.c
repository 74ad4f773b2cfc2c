#include "node/http/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_takes_gzip(void **state)
{
	(void)state;
	static const char *const takes[] = { "gzip", "GZIP", "x-gzip", "deflate, gzip", "gzip;q=0.5",
		"gzip ; q=1", "br,gzip;q=0.001", "*", "br;q=1.0, *;q=0.5", "gzip;", "\tgzip\t,identity" };
	static const char *const refuses[] = { "", "identity", "br, deflate", "gzip;q=0", "gzip; q=0.000",
		"*;q=0", "gzip;Q=0.0, br", "gzip;q=0, *", "gzipped", "notgzip", ",,;", "br;q=0.5" };
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		if (!http_takes_gzip(bytes_str(takes[i])))
			fail_msg("'%s' takes gzip", takes[i]);
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++)
		if (http_takes_gzip(bytes_str(refuses[i])))
			fail_msg("'%s' does not take gzip", refuses[i]);
	assert_false(http_takes_gzip(BYTES_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_takes_gzip) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
