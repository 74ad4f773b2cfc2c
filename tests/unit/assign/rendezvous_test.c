#include "assign/rendezvous.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct node_id id_of(unsigned i)
{
	struct node_id id = { { 0 } };
	id.b[0] = (uint8_t)i;
	id.b[15] = (uint8_t)(i >> 8);
	return id;
}

static uint64_t seed_of(const char *origin, const char *content)
{
	struct arena a;
	uint64_t seed;
	arena_init(&a, 4096);
	assert_int_equal(rendezvous_seed(bytes_str(origin), bytes_str(content), &a, &seed), OK);
	arena_fini(&a);
	return seed;
}

/* Computed by another implementation (SipHash and a 60-digit logarithm in Python): the nodes of a cluster
 * agree only while these stay. */
static void test_golden(void **state)
{
	(void)state;
	uint64_t seed = seed_of("main", "lv1234567");
	assert_int_equal(seed, 13765545490497291538u);
	static const uint64_t logs[] = { 6260565641156, 1222860387865, 573206802920, 1101114118173, 1379291333096,
		56012209699, 2155178082623, 483026448720 };
	for (unsigned i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		struct node_id id = id_of(i);
		assert_int_equal(rendezvous_score(seed, &id, 1).log, logs[i]);
	}
}

static void test_names_do_not_run_together(void **state)
{
	(void)state;
	assert_int_not_equal(seed_of("ab", "c"), seed_of("a", "bc"));
	assert_int_not_equal(seed_of("", "x"), seed_of("x", ""));
	struct arena a;
	uint64_t seed;
	arena_init(&a, 4);
	assert_int_equal(rendezvous_seed(BYTES_LIT("main"), BYTES_LIT("x"), &a, &seed), ERR_NO_MEMORY);
	arena_fini(&a);
}

static void test_order(void **state)
{
	(void)state;
	struct rendezvous_score a = { .log = 10, .weight = 1, .id = id_of(1) };
	struct rendezvous_score b = { .log = 21, .weight = 2, .id = id_of(2) };
	assert_true(rendezvous_cmp(&a, &b) < 0);
	assert_true(rendezvous_cmp(&b, &a) > 0);
	b.log = 19;
	assert_true(rendezvous_cmp(&a, &b) > 0);
	b.log = 20; /* a tie: by id */
	assert_true(rendezvous_cmp(&a, &b) < 0);
	b.weight = 0; /* weightless is last, whatever its luck */
	b.log = 1;
	assert_true(rendezvous_cmp(&a, &b) < 0);
	a.weight = 0;
	assert_true(rendezvous_cmp(&a, &b) < 0);
	a.id = b.id;
	assert_int_equal(rendezvous_cmp(&a, &b), 0);
	/* The products do not overflow. */
	a = (struct rendezvous_score){ .log = 64ull << 40, .weight = UINT32_MAX, .id = id_of(1) };
	b = (struct rendezvous_score){ .log = (64ull << 40) - 1, .weight = UINT32_MAX, .id = id_of(2) };
	assert_true(rendezvous_cmp(&a, &b) > 0);
}

/* Of 12,000 contents each node leads a share in proportion to its weight: within five standard deviations. */
static void test_shares_follow_weights(void **state)
{
	(void)state;
	enum { NODES = 5, CONTENTS = 12000 };
	static const uint32_t weights[NODES] = { 100, 200, 300, 400, 500 };
	unsigned led[NODES] = { 0 };
	for (unsigned c = 0; c < CONTENTS; c++) {
		char content[32];
		snprintf(content, sizeof(content), "lv%u", c);
		uint64_t seed = seed_of("main", content);
		struct rendezvous_score best = { 0 };
		unsigned leader = 0;
		for (unsigned i = 0; i < NODES; i++) {
			struct node_id id = id_of(i);
			struct rendezvous_score s = rendezvous_score(seed, &id, weights[i]);
			if (i == 0 || rendezvous_cmp(&s, &best) < 0) {
				best = s;
				leader = i;
			}
		}
		led[leader]++;
	}
	for (unsigned i = 0; i < NODES; i++) {
		double p = weights[i] / 1500.0, expected = p * CONTENTS, variance = expected * (1 - p);
		double off = led[i] - expected;
		assert_true(off * off < 25 * variance);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_names_do_not_run_together),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_shares_follow_weights),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
