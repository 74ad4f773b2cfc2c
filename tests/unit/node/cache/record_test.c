#include "node/cache/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct record sample(void)
{
	struct record r = { .key = { .origin = BYTES_LIT("main"), .object = BYTES_LIT("c1/a b.m4s"), .slice = 3 },
		.content = BYTES_LIT("c1"),
		.etag = BYTES_LIT("\"e\""),
		.length = SLICE_BYTES,
		.total = 5 * SLICE_BYTES,
		.modified_s = -1,
		.answered_wall_ms = 5,
		.ttl_ms = UINT64_MAX,
		.sequence = 9 };
	memset(r.file.b, 1, sizeof(r.file.b));
	memset(r.checksum, 2, sizeof(r.checksum));
	return r;
}

static bool slice_fits(uint32_t slice, uint64_t length, uint64_t total)
{
	struct cache_key k = { .origin = BYTES_LIT("o"), .object = BYTES_LIT("c/x"), .slice = slice };
	return record_slice_fits(&k, length, total);
}

static void test_a_slice_is_one_that_the_object_has(void **state)
{
	(void)state;
	assert_true(slice_fits(0, 0, 0) && slice_fits(0, INT64_MAX, 0));
	assert_true(slice_fits(1, SLICE_BYTES, SLICE_BYTES + 1) && slice_fits(2, 1, SLICE_BYTES + 1));
	assert_true(slice_fits(1 << 21, SLICE_BYTES, SLICED_BYTES_MAX));
	assert_false(slice_fits(0, 5, 5) || slice_fits(1, 5, 0));
	assert_false(slice_fits(2, 2, SLICE_BYTES + 1) || slice_fits(1, 1, SLICE_BYTES + 1));
	assert_false(slice_fits(2, SLICE_BYTES, SLICE_BYTES) || slice_fits(3, 1, SLICE_BYTES + 1));
	assert_false(
	    slice_fits(1, SLICE_BYTES, SLICED_BYTES_MAX + 1) || slice_fits(UINT32_MAX, 1, SLICED_BYTES_MAX));
	assert_int_equal(slice_at(0), 1);
	assert_int_equal(slice_at(SLICE_BYTES - 1), 1);
	assert_int_equal(slice_at(SLICE_BYTES), 2);
	assert_int_equal(slice_at(SLICED_BYTES_MAX - 1), 1 << 21);
	assert_true(slice_start(UINT32_MAX) == (UINT32_MAX - 1) * SLICE_BYTES);
}

/* A reader that does not know slices leaves the field out; one that does refuses what no object has. */
static void test_a_slice_without_its_total_is_refused(void **state)
{
	(void)state;
	struct buf b;
	struct record r = sample(), out;
	r.total = 0;
	buf_init(&b, RECORD_BYTES_MAX);
	record_encode(&r, &b);
	assert_int_equal(record_decode(buf_bytes(&b), &out), ERR_CORRUPT);
	buf_fini(&b);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, RECORD_BYTES_MAX);
	struct record r = sample(), out;
	record_encode(&r, &b);
	assert_int_equal(record_decode(buf_bytes(&b), &out), OK);
	assert_true(bytes_eq(out.key.origin, r.key.origin) && bytes_eq(out.key.object, r.key.object));
	assert_true(bytes_eq(out.content, r.content) && bytes_eq(out.etag, r.etag));
	assert_true(out.key.slice == 3 && out.length == SLICE_BYTES && out.total == 5 * SLICE_BYTES &&
	            out.modified_s == -1 && out.ttl_ms == UINT64_MAX);
	assert_true(out.answered_wall_ms == 5 && out.sequence == 9);
	assert_memory_equal(out.file.b, r.file.b, sizeof(r.file.b));
	assert_memory_equal(out.checksum, r.checksum, sizeof(r.checksum));
	buf_fini(&b);
}

/* V4: bytes as the first version writes them. They must be read for ever. */
static void test_reads_recorded_bytes(void **state)
{
	(void)state;
	static const uint8_t recorded[] = "\x01"
	                                  "\x01\x01\x00\x00\x00o"
	                                  "\x02\x03\x00\x00\x00"
	                                  "c/x"
	                                  "\x03\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x04\x01\x00\x00\x00"
	                                  "c"
	                                  "\x05\x03\x00\x00\x00\"t\""
	                                  "\x06\x08\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x07\x08\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x08\x08\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x09\x08\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x0a\x10\x00\x00\x00"
	                                  "0123456789abcdef"
	                                  "\x0b\x10\x00\x00\x00"
	                                  "fedcba9876543210"
	                                  "\x0c\x08\x00\x00\x00\x0b\x00\x00\x00\x00\x00\x00\x00"
	                                  "\x63\x02\x00\x00\x00zz"; /* a field of a later version */
	struct record r;
	assert_int_equal(record_decode(bytes_of(recorded, sizeof(recorded) - 1), &r), OK);
	assert_true(bytes_eq(r.key.object, BYTES_LIT("c/x")) && bytes_eq(r.content, BYTES_LIT("c")));
	assert_true(
	    r.length == 7 && r.modified_s == 8 && r.answered_wall_ms == 9 && r.ttl_ms == 10 && r.sequence == 11);
	struct buf b;
	buf_init(&b, RECORD_BYTES_MAX);
	record_encode(&r, &b);
	assert_int_equal(b.n, sizeof(recorded) - 1 - 7);
	assert_memory_equal(b.p, recorded, b.n);
	buf_fini(&b);
}

static void test_refuses_what_is_damaged(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, RECORD_BYTES_MAX);
	struct record r = sample(), out;
	record_encode(&r, &b);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(record_decode(bytes_of(b.p, n), &out), ERR_CORRUPT);
	b.p[0] = 2;
	assert_int_equal(record_decode(buf_bytes(&b), &out), ERR_VERSION);
	b.p[0] = 1;
	for (size_t i = 1; i < b.n; i++) {
		uint8_t was = b.p[i];
		for (unsigned v = 0; v < 256; v += 51) {
			b.p[i] = (uint8_t)v;
			if (record_decode(buf_bytes(&b), &out) == OK)
				assert_true(record_key_fits(&out.key) && out.etag.n <= CACHE_VALIDATOR_MAX);
		}
		b.p[i] = was;
	}
	buf_fini(&b);
}

static void test_the_largest_fits(void **state)
{
	(void)state;
	static uint8_t text[CACHE_OBJECT_MAX];
	memset(text, 'x', sizeof(text));
	struct record r = sample(), out;
	r.key.origin = bytes_of(text, CACHE_ORIGIN_MAX);
	r.key.object = r.content = bytes_of(text, CACHE_OBJECT_MAX);
	r.etag = bytes_of(text, CACHE_VALIDATOR_MAX);
	struct buf b;
	buf_init(&b, RECORD_BYTES_MAX);
	record_encode(&r, &b);
	assert_int_equal(buf_err(&b), OK);
	assert_int_equal(record_decode(buf_bytes(&b), &out), OK);
	buf_fini(&b);
	r.key.object.n++;
	assert_false(record_key_fits(&r.key));
	r.key.object = BYTES_LIT("a\0b");
	assert_false(record_key_fits(&r.key));
}

static void test_ids_tell_keys_apart(void **state)
{
	(void)state;
	const struct cache_key keys[] = { { BYTES_LIT("a"), BYTES_LIT("bc"), 0 },
		{ BYTES_LIT("ab"), BYTES_LIT("c"), 0 }, { BYTES_LIT("a"), BYTES_LIT("bc"), 1 },
		{ BYTES_LIT("a"), BYTES_LIT("b"), 0 } };
	struct unit_id ids[4];
	for (int i = 0; i < 4; i++) {
		record_unit_id(&keys[i], &ids[i]);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(ids[i].b, ids[j].b, sizeof(ids[i].b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slice_is_one_that_the_object_has),
		cmocka_unit_test(test_a_slice_without_its_total_is_refused),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reads_recorded_bytes),
		cmocka_unit_test(test_refuses_what_is_damaged),
		cmocka_unit_test(test_the_largest_fits),
		cmocka_unit_test(test_ids_tell_keys_apart),
	};
	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
