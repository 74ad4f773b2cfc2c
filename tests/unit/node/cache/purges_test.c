#include "node/cache/purges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct node_id a = { { 1 } }, b = { { 2 } }, c = { { 3 } };

static void set(struct purges *p, const struct node_id *owner, uint64_t count, uint64_t version)
{
	struct purges_row *r = purges_at(p, owner);
	r->incarnation = (struct incarnation){ count, 7 };
	r->version = version;
}

static void rows_are_found_by_owner(void **state)
{
	(void)state;
	struct purges p;
	purges_init(&p);
	set(&p, &b, 1, 5);
	set(&p, &a, 1, 6);
	set(&p, &b, 2, 9);
	assert_int_equal(p.n, 2);
	assert_int_equal(purges_find(&p, &a)->version, 6);
	assert_int_equal(purges_find(&p, &b)->version, 9);
	assert_null(purges_find(&p, &c));
	for (uint8_t i = 10; i < 110; i++)
		set(&p, &(struct node_id){ { (uint8_t)(255 - i) } }, 1, i);
	for (uint8_t i = 10; i < 110; i++)
		assert_int_equal(purges_find(&p, &(struct node_id){ { (uint8_t)(255 - i) } })->version, i);
	purges_fini(&p);
}

static void disks_meet_where_the_older_one_stands(void **state)
{
	(void)state;
	struct purges p, q;
	purges_init(&p);
	purges_init(&q);
	set(&p, &a, 1, 5);
	set(&q, &a, 1, 3);
	set(&p, &b, 1, 5);
	set(&q, &b, 2, 5);
	set(&p, &c, 1, 5);
	purges_meet(&p, &q);
	assert_int_equal(p.n, 1);
	assert_int_equal(purges_find(&p, &a)->version, 3);
	purges_fini(&p);
	purges_fini(&q);
}

static void a_record_comes_back(void **state)
{
	(void)state;
	uint8_t record[PURGES_VALUE_BYTES + 1] = { 0 };
	struct purges_row r = { .incarnation = { 0x1122334455667788, 9 }, .version = 0xfedcba9876543210 }, got;
	purges_encode(&r, record);
	assert_int_equal(purges_decode(bytes_of(record, sizeof(record)), &got), OK); /* a later one is longer */
	assert_int_equal(incarnation_cmp(got.incarnation, r.incarnation), 0);
	assert_true(got.version == r.version);
	assert_int_equal(purges_decode(bytes_of(record, PURGES_VALUE_BYTES - 1), &got), ERR_CORRUPT);
}

struct heir {
	struct incarnation former;
	uint64_t version;
};

static bool inherits(void *arg, struct incarnation former, uint64_t version)
{
	const struct heir *h = arg;
	return incarnation_cmp(h->former, former) == 0 && version <= h->version;
}

static void where_to_read_on(void **state)
{
	(void)state;
	struct heir heir = { { 1, 7 }, 20 };
	struct purges_row known = { .incarnation = { 1, 7 }, .version = 10 };
	struct purges_seen seen = { { 1, 7 }, inherits, &heir, 0 };
	uint64_t after;
	assert_true(purges_read_on(&known, &seen, &after));
	assert_int_equal(after, 10);
	seen.forgotten = 10;
	assert_true(purges_read_on(&known, &seen, &after));
	seen.forgotten = 11; /* a purge that was never seen here is gone */
	assert_false(purges_read_on(&known, &seen, &after));
	assert_int_equal(after, 10);
	seen.forgotten = 0;
	seen.incarnation = (struct incarnation){ 2, 8 };
	assert_true(purges_read_on(&known, &seen, &after));
	assert_int_equal(after, 10);
	known.version = 21; /* more than it inherits: another history */
	assert_false(purges_read_on(&known, &seen, &after));
	assert_int_equal(after, 0);
	known.version = 10;
	known.incarnation.nonce = 6;
	assert_false(purges_read_on(&known, &seen, &after));
	assert_int_equal(after, 0);
	/* A new owner has all of its purges still, unless it says otherwise. */
	assert_true(purges_read_on(NULL, &seen, &after));
	assert_int_equal(after, 0);
	seen.forgotten = 1;
	assert_false(purges_read_on(NULL, &seen, &after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_found_by_owner),
		cmocka_unit_test(disks_meet_where_the_older_one_stands),
		cmocka_unit_test(a_record_comes_back),
		cmocka_unit_test(where_to_read_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
