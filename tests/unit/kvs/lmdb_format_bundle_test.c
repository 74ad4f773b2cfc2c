/* Bundles: what was written reads back, in few bytes, and whatever else there is does no harm. */
#include "kvs/format_bundle.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kvs_bundle_entry sample[] = {
	{ .slot = 3, .version = 200, .value = { (const uint8_t *)"\x08\x01master.m3u8", 13 } },
	{ .slot = 4, .version = 1, .deleted = true },
	{ .slot = 5, .version = 2, .value = { (const uint8_t *)"\x08\x01master.m3u8", 13 } },
	{ .slot = 300, .version = 3, .value = { (const uint8_t *)"\x08\x7f\x01master.m3u8", 14 } },
	{ .slot = 301, .version = 4, .value = { (const uint8_t *)"else", 4 } },
};
enum { SAMPLE = sizeof(sample) / sizeof(sample[0]) };

/* In order: number of slots skipped, version, flags, value. */
static const uint8_t golden[] = { 2, 'o', 'x',                                      /* key */
	3, 0xc8, 1, 0, 13, 8, 1, 'm', 'a', 's', 't', 'e', 'r', '.', 'm', '3', 'u', '8', /* in full */
	0, 1, 1,                                                                        /* deleted */
	0, 2, 2,                                                                        /* the same */
	0xa6, 2, 3, 4, 1, 12, 1, 0x7f,                                                  /* a difference */
	0, 4, 0, 4, 'e', 'l', 's', 'e' };

static void assert_entries(struct bytes record, const struct kvs_bundle_entry *e, size_t n)
{
	struct kvs_bundle_reader r;
	struct kvs_bundle_entry got;
	assert_int_equal(kvs_bundle_open(&r, record), OK);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(kvs_bundle_next(&r, &got), OK);
		assert_int_equal(got.slot, e[i].slot);
		assert_int_equal(got.version, e[i].version);
		assert_int_equal(got.deleted, e[i].deleted);
		assert_true(bytes_eq(got.value, e[i].value));
	}
	assert_int_equal(kvs_bundle_next(&r, &got), ERR_NOT_FOUND);
}

static void test_golden(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(kvs_bundle_write(BYTES_LIT("ox"), sample, SAMPLE, KVS_BUNDLE_MAX, &out), SAMPLE);
	assert_int_equal(out.n, sizeof(golden));
	assert_memory_equal(out.p, golden, sizeof(golden));
	assert_entries(bytes_of(golden, sizeof(golden)), sample, SAMPLE);
	buf_fini(&out);
}

static void test_table_keys(void **state)
{
	(void)state;
	const struct kvs_bundle_key keys[] = { { 5, 0, 0 }, { 5, 0, 1 }, { 5, 0, 256 }, { 5, 1, 0 }, { 5, 1, 7 },
		{ 6, 0, 0 }, { 256, 0, 0 }, { UINT64_MAX, 255, UINT32_MAX } };
	struct bytes last = BYTES_NONE;
	uint8_t out[2][KVS_BUNDLE_TABLE_KEY_MAX];
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct kvs_bundle_key back;
		struct bytes key = kvs_bundle_table_key(keys[i], out[i % 2]);
		assert_int_equal(kvs_bundle_parse_table_key(key, &back), OK);
		assert_int_equal(back.hash, keys[i].hash);
		assert_int_equal(back.which, keys[i].which);
		assert_int_equal(back.first, keys[i].first);
		assert_true(bytes_cmp(last, key) < 0);
		last = key;
	}
	struct kvs_bundle_key k;
	assert_int_equal(kvs_bundle_parse_table_key(bytes_head(last, 12), &k), ERR_CORRUPT);
}

static void test_as_many_as_fit(void **state)
{
	(void)state;
	struct kvs_bundle_entry e[100];
	static uint8_t large[RPC_VALUE_MAX];
	for (uint32_t i = 0; i < 100; i++)
		e[i] = (struct kvs_bundle_entry){ .slot = i, .version = i + 1, .value = bytes_of(large, 20) };
	struct buf out;
	buf_init(&out, 1 << 16);
	/* In full 24, then 3 each. */
	assert_int_equal(kvs_bundle_write(BYTES_LIT("k"), e, 100, 100, &out), 86); /* EXTRA */
	assert_int_equal(kvs_bundle_write(BYTES_LIT("k"), e, 100, KVS_BUNDLE_MAX, &out), 100);
	/* One at least, however large; and a little more. */
	e[0].value = bytes_of(large, sizeof(large));
	assert_int_equal(kvs_bundle_write(BYTES_LIT("k"), e, 1, KVS_BUNDLE_MAX, &out), 1);
	assert_true(kvs_bundle_write(BYTES_LIT("k"), e, 100, KVS_BUNDLE_MAX, &out) > 50);
	assert_int_equal(buf_err(&out), OK);
	buf_fini(&out);
}

/* Read on memory of its own size, so that the address sanitizer sees a byte too many. */
static void read_all(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	assert_non_null(copy);
	memcpy(copy + 1, p, n);
	struct kvs_bundle_reader r;
	struct kvs_bundle_entry e;
	enum err got = kvs_bundle_open(&r, bytes_of(copy + 1, n));
	uint64_t sum = 0;
	for (size_t i = 0; got == OK; i++) {
		assert_true(i <= n);
		got = kvs_bundle_next(&r, &e);
		for (size_t b = 0; got == OK && b < e.value.n; b++)
			sum += e.value.p[b];
	}
	assert_true(got == ERR_NOT_FOUND || got == ERR_CORRUPT);
	assert_true(sum < UINT64_MAX);
	free(copy);
}

static void test_damage(void **state)
{
	(void)state;
	struct prng p;
	prng_init(&p, 11);
	for (size_t n = 0; n <= sizeof(golden); n++)
		read_all(golden, n);
	for (unsigned i = 0; i < 50000; i++) {
		uint8_t damaged[sizeof(golden)];
		memcpy(damaged, golden, sizeof(golden));
		for (uint64_t hits = 1 + prng_below(&p, 4); hits > 0; hits--)
			damaged[prng_below(&p, sizeof(damaged))] = (uint8_t)prng_next(&p);
		read_all(damaged, sizeof(damaged));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_table_keys),
		cmocka_unit_test(test_as_many_as_fit),
		cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
