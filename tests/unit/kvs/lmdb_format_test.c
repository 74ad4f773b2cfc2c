/* Records: what was written by any build reads back, and nothing else is believed. */
#include "kvs/format.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct kvs_row_record sample_row(void)
{
	struct kvs_row_record r = {
		.meta = { .owner = { "!\"#$%&'()*+,-./0" },
		    .stream = RPC_LOCATIONS,
		    .incarnation = { 3, 0x1122334455667788 },
		    .have = 10,
		    .horizon = 12,
		    .floor = 4,
		    .base = 2,
		    .ancestors = { { { 2, 7 }, 9 }, { { 1, 6 }, 5 } },
		    .ancestors_n = 2 },
		.entries_n = 6,
		.sum = 0xfedcba9876543210,
	};
	return r;
}

static struct kvs_identity_record sample_identity(void)
{
	struct kvs_identity_record r = {
		.id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
		.incarnation = { 42, 0x99 },
		.clean = true,
		.boot_id = "e4b7e9f0-0001",
	};
	return r;
}

static void assert_row(const struct kvs_row_record *a, const struct kvs_row_record *b)
{
	assert_true(node_id_eq(&a->meta.owner, &b->meta.owner));
	assert_int_equal(a->meta.stream, b->meta.stream);
	assert_int_equal(incarnation_cmp(a->meta.incarnation, b->meta.incarnation), 0);
	assert_int_equal(a->meta.have, b->meta.have);
	assert_int_equal(a->meta.horizon, b->meta.horizon);
	assert_int_equal(a->meta.floor, b->meta.floor);
	assert_int_equal(a->meta.base, b->meta.base);
	assert_int_equal(a->entries_n, b->entries_n);
	assert_int_equal(a->sum, b->sum);
	assert_int_equal(a->meta.ancestors_n, b->meta.ancestors_n);
	for (size_t i = 0; i < a->meta.ancestors_n; i++) {
		assert_int_equal(
		    incarnation_cmp(a->meta.ancestors[i].incarnation, b->meta.ancestors[i].incarnation), 0);
		assert_int_equal(a->meta.ancestors[i].version, b->meta.ancestors[i].version);
	}
}

/* Bytes as the first release wrote them (V4). The hashes in front were computed in Python. */
static const uint8_t golden_row[] = { 0x23, 0x76, 0x2d, 0x59, 0x59, 0x9a, 0xad, 0x9b, 0x21, 0x22, 0x23, 0x24,
	0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x02, 0x03, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x0a, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };
static const uint8_t golden_identity[] = { 0xd2, 0xda, 0x7f, 0x71, 0x32, 0x8c, 0x42, 0x6d, 0x01, 0x02, 0x03,
	0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x2a, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x99, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0d, 0x65, 0x34, 0x62,
	0x37, 0x65, 0x39, 0x66, 0x30, 0x2d, 0x30, 0x30, 0x30, 0x31 };

static void test_golden(void **state)
{
	(void)state;
	uint8_t out[KVS_FORMAT_ROW_MAX];
	struct kvs_row_record row = sample_row(), row_back;
	assert_true(bytes_eq(kvs_format_row(&row, out), bytes_of(golden_row, sizeof(golden_row))));
	assert_int_equal(kvs_format_parse_row(bytes_of(golden_row, sizeof(golden_row)), &row_back), OK);
	assert_row(&row, &row_back);
	uint8_t id_out[KVS_FORMAT_IDENTITY_MAX];
	struct kvs_identity_record id = sample_identity(), id_back;
	assert_true(
	    bytes_eq(kvs_format_identity(&id, id_out), bytes_of(golden_identity, sizeof(golden_identity))));
	assert_int_equal(
	    kvs_format_parse_identity(bytes_of(golden_identity, sizeof(golden_identity)), &id_back), OK);
	assert_true(node_id_eq(&id.id, &id_back.id));
	assert_int_equal(incarnation_cmp(id.incarnation, id_back.incarnation), 0);
	assert_true(id_back.clean);
	assert_string_equal(id_back.boot_id, id.boot_id);
	/* Hashes that stand in files. */
	uint64_t key_hash = kvs_format_key_hash(BYTES_LIT("key"));
	assert_int_equal(kvs_format_entry_hash(key_hash, BYTES_LIT("encoded")), 18067264120186577257u);
}

static void test_every_flipped_bit_and_every_cut_is_seen(void **state)
{
	(void)state;
	uint8_t row[sizeof(golden_row)], id[sizeof(golden_identity)];
	struct kvs_row_record r;
	struct kvs_identity_record i;
	memcpy(row, golden_row, sizeof(row));
	for (size_t bit = 0; bit < sizeof(row) * 8; bit++) {
		row[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(kvs_format_parse_row(bytes_of(row, sizeof(row)), &r), ERR_CORRUPT);
		row[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	memcpy(id, golden_identity, sizeof(id));
	for (size_t bit = 0; bit < sizeof(id) * 8; bit++) {
		id[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(kvs_format_parse_identity(bytes_of(id, sizeof(id)), &i), ERR_CORRUPT);
		id[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < sizeof(row); n++)
		assert_int_equal(kvs_format_parse_row(bytes_of(golden_row, n), &r), ERR_CORRUPT);
	for (size_t n = 0; n < sizeof(id); n++)
		assert_int_equal(kvs_format_parse_identity(bytes_of(golden_identity, n), &i), ERR_CORRUPT);
}

/* A later build appends fields (V4): this one reads what it knows. */
static void test_what_follows_is_ignored(void **state)
{
	(void)state;
	static const uint8_t longer_row[] = { 0x18, 0x43, 0x7f, 0x50, 0xb3, 0x1f, 0x3d, 0xdb, 0x21, 0x22, 0x23,
		0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x02, 0x03, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x0a, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6e, 0x65, 0x77, 0x20, 0x66, 0x69, 0x65, 0x6c,
		0x64 };
	struct kvs_row_record r, expected = sample_row();
	assert_int_equal(kvs_format_parse_row(bytes_of(longer_row, sizeof(longer_row)), &r), OK);
	assert_row(&r, &expected);
}

static void test_keys_sort_as_numbers(void **state)
{
	(void)state;
	struct prng p;
	prng_init(&p, 3);
	for (unsigned i = 0; i < 1000; i++) {
		struct kvs_row_key a = { (uint32_t)prng_next(&p) >> prng_below(&p, 32), RPC_LOCATIONS }, back;
		struct kvs_row_key b = { (uint32_t)prng_next(&p) >> prng_below(&p, 32), RPC_CONTROL };
		uint8_t ka[KVS_FORMAT_ROW_KEY], kb[KVS_FORMAT_ROW_KEY];
		kvs_format_row_key(a, ka);
		kvs_format_row_key(b, kb);
		assert_int_equal(kvs_format_parse_row_key(bytes_of(ka, sizeof(ka)), &back), OK);
		assert_int_equal(back.owner, a.owner);
		assert_int_equal(back.stream, a.stream);
		if (a.owner != b.owner)
			assert_int_equal(memcmp(ka, kb, sizeof(ka)) < 0, a.owner < b.owner);
	}
	struct kvs_row_key k;
	assert_int_equal(kvs_format_parse_row_key(bytes_of("\0\0\0\0\3", 5), &k), ERR_CORRUPT);
	assert_int_equal(kvs_format_parse_row_key(bytes_of("\0\0\0\0", 4), &k), ERR_CORRUPT);
}

static void test_entries(void **state)
{
	(void)state;
	uint8_t out[KVS_FORMAT_VALUE_MAX];
	struct rpc_entry e = { .version = 1ull << 40, .value = BYTES_LIT("\xff\x00value") }, back = { 0 };
	struct bytes encoded = kvs_format_entry(&e, out);
	assert_int_equal(kvs_format_parse_entry(encoded, &back), OK);
	assert_int_equal(back.version, e.version);
	assert_false(back.deleted);
	assert_true(bytes_eq(back.value, e.value));
	e = (struct rpc_entry){ .version = 7, .deleted = true };
	encoded = kvs_format_entry(&e, out);
	assert_int_equal(kvs_format_parse_entry(encoded, &back), OK);
	assert_true(back.deleted);
	assert_int_equal(back.value.n, 0);
	assert_int_equal(kvs_format_parse_entry(bytes_head(encoded, 8), &back), ERR_CORRUPT);
}

static void test_names_of_rows(void **state)
{
	(void)state;
	uint8_t name[KVS_FORMAT_ROW_NAME];
	struct kvs_row_record row = sample_row();
	struct node_id owner;
	enum rpc_stream stream;
	kvs_format_row_name(&row.meta.owner, RPC_LOCATIONS, name);
	assert_int_equal(kvs_format_parse_row_name(bytes_of(name, sizeof(name)), &owner, &stream), OK);
	assert_true(node_id_eq(&owner, &row.meta.owner));
	assert_int_equal(stream, RPC_LOCATIONS);
	assert_int_equal(
	    kvs_format_parse_row_name(bytes_of(name, sizeof(name) - 1), &owner, &stream), ERR_CORRUPT);
	name[NODE_ID_BYTES] = RPC_STREAMS;
	assert_int_equal(kvs_format_parse_row_name(bytes_of(name, sizeof(name)), &owner, &stream), ERR_CORRUPT);
	/* The same stands in a record. */
	memset(&owner, 0, sizeof(owner));
	struct bytes golden = bytes_of(golden_row, sizeof(golden_row));
	assert_int_equal(kvs_format_row_whose(golden, &owner, &stream), OK);
	assert_true(node_id_eq(&owner, &row.meta.owner));
	assert_int_equal(stream, RPC_LOCATIONS);
	assert_int_equal(kvs_format_row_whose(bytes_head(golden, 24), &owner, &stream), ERR_CORRUPT);
	assert_int_equal(kvs_format_row_whose(bytes_head(golden, 7), &owner, &stream), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_every_flipped_bit_and_every_cut_is_seen),
		cmocka_unit_test(test_what_follows_is_ignored),
		cmocka_unit_test(test_keys_sort_as_numbers),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_names_of_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
