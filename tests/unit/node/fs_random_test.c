#include "node/fs_random.h"

#include "node/fs_boot_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void gives_each_byte_once(void **state)
{
	(void)state;
	enum { IDS = 2000 };
	static uint8_t ids[IDS][16];
	struct random_pool r;
	random_pool_init(&r);
	for (int i = 0; i < IDS; i++)
		random_take(&r, ids[i], 16);
	qsort(ids, IDS, 16, compare);
	for (int i = 1; i < IDS; i++)
		assert_int_not_equal(memcmp(ids[i - 1], ids[i], 16), 0);
	/* What was given is not kept. */
	for (size_t i = 0; i < RANDOM_POOL_BYTES - r.left; i++)
		assert_int_equal(r.bytes[i], 0);
	random_pool_fini(&r);
}

static void refills_when_too_little_is_left(void **state)
{
	(void)state;
	struct random_pool r;
	uint8_t out[RANDOM_POOL_BYTES];
	random_pool_init(&r);
	random_take(&r, out, 4090);
	assert_int_equal(r.left, 6);
	assert_int_not_equal(random_u64(&r), random_u64(&r));
	assert_int_equal(r.left, RANDOM_POOL_BYTES - 16);
	random_take(&r, out, sizeof(out));
	assert_int_equal(r.left, 0);
	random_pool_fini(&r);
}

static void boot_id_is_a_uuid(void **state)
{
	(void)state;
	char a[BOOT_ID_LEN + 1], b[BOOT_ID_LEN + 1];
	assert_int_equal(fs_boot_id(a), OK);
	assert_int_equal(fs_boot_id(b), OK);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), BOOT_ID_LEN);
	assert_true(a[8] == '-' && a[23] == '-');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_byte_once),
		cmocka_unit_test(refills_when_too_little_is_left),
		cmocka_unit_test(boot_id_is_a_uuid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
