/* What players say of themselves. */
#include "node/delivery/cmcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static struct cmcd read_both(const char *query, const char *field)
{
	struct http_header h = { BYTES_LIT("cmcd-request"), bytes_str(field) };
	struct http_request r = { .query = bytes_str(query), .headers = &h, .headers_n = field != NULL };
	struct cmcd c;
	cmcd_read(&r, &arena, &c);
	return c;
}

static void assert_says(struct cmcd c, int64_t buffer_ms, const char *next)
{
	assert_int_equal(c.has_buffer, buffer_ms >= 0);
	if (buffer_ms >= 0)
		assert_int_equal(c.buffer_ms, buffer_ms);
	assert_true(bytes_eq(c.next, bytes_str(next)));
}

static void a_query_argument(void **state)
{
	(void)state;
	assert_says(
	    read_both(
	        "CMCD=bl%3D21300%2Cbr%3D3200%2Cnor%3D%22..%252F300kbps%252Fseg%25252035.m4s%22%2Csid%3D%22x%22",
	        NULL),
	    21300, "../300kbps/seg%2035.m4s");
	assert_says(read_both("hop=1&CMCD=su,bl%3D0", NULL), 0, "");
	assert_says(read_both("x=1", NULL), -1, "");
	assert_says(read_both("CMCD=", NULL), -1, "");
	assert_says(read_both("CMCD", NULL), -1, "");
}

static void a_field(void **state)
{
	(void)state;
	assert_says(read_both("", "bl=4000,dl=1, nor=\"seg-2.m4s\",mtp=9"), 4000, "seg-2.m4s");
	assert_says(
	    read_both("", "sid=\"a,nor=x\\\"\",bl=7"), -1, ""); /* an escape that we do not read: nothing false */
	assert_says(read_both("", "cid=\"a,bl=5,b\",bl=7"), 7, "");
	assert_says(read_both("CMCD=bl%3D1", "nor=\"a\""), 1, "a");
}

static void a_picture_that_stood_still(void **state)
{
	(void)state;
	assert_true(read_both("CMCD=bl%3D0%2Cbs%2Cbr%3D3200", NULL).starved);
	assert_true(read_both("CMCD=bs%3Dtrue", NULL).starved);
	assert_false(read_both("CMCD=bs%3Dfalse", NULL).starved);
	assert_false(read_both("CMCD=bl%3D0%2Csid%3D%22a%2Cbs%2C%22", NULL).starved);
	assert_false(read_both("bs=1", "bl=1").starved);
	assert_true(read_both("CMCD=su", NULL).said);
	assert_true(read_both("", "su").said);
	assert_false(read_both("x=CMCD", NULL).said);
	assert_false(read_both("CMCD=", NULL).said);

	struct http_header h[] = { { BYTES_LIT("cmcd-request"), BYTES_LIT("bl=100") },
		{ BYTES_LIT("cmcd-status"), BYTES_LIT("bs,rtp=12000") } };
	struct http_request r = { .headers = h, .headers_n = 2 };
	struct cmcd c;
	cmcd_read(&r, &arena, &c);
	assert_true(c.said && c.starved && c.has_buffer);
}

static void what_makes_no_sense(void **state)
{
	(void)state;
	assert_says(read_both("CMCD=bl%3D-1%2Cnor%3D%22%25", NULL), -1, "");
	assert_says(read_both("CMCD=%zz", NULL), -1, "");
	assert_says(read_both("CMCD=bl%3D99999999999", NULL), -1, "");
	assert_says(read_both("CMCD=bl%3D4294967295", NULL), CMCD_BUFFER_MAX_MS, "");
	assert_says(read_both("", "bl,nor,,=,nor=\"%g0\",nor=\"\""), -1, "");
	static char much[2 * CMCD_MAX_BYTES];
	memset(much, 'a', sizeof(much) - 1);
	memcpy(much, "bl=1,nor=", 9);
	assert_says(read_both("", much), -1, "");
	struct arena none;
	arena_init(&none, 1);
	struct http_request r = { .query = BYTES_LIT("CMCD=bl%3D1%2Cnor%3D%22abc%22") };
	struct cmcd c;
	cmcd_read(&r, &none, &c);
	assert_says(c, -1, "");
	arena_fini(&none);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_query_argument),
		T(a_field),
		T(a_picture_that_stood_still),
		T(what_makes_no_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
