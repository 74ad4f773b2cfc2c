#include "assign/rendezvous.h"

#include "base/prng.h"

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
		struct rendezvous_score score = rendezvous_score(seed, &id, 1);
		assert_int_equal(rendezvous_log(&score), logs[i]);
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

static struct rendezvous_score exact(uint64_t log, uint64_t weight, unsigned id)
{
	return (struct rendezvous_score){ .low = log, .high = log, .weight = weight, .id = id_of(id) };
}

static void test_order(void **state)
{
	(void)state;
	struct rendezvous_score a = exact(10, 1, 1), b = exact(21, 2, 2);
	assert_true(rendezvous_cmp(&a, &b) < 0);
	assert_true(rendezvous_cmp(&b, &a) > 0);
	b = exact(19, 2, 2);
	assert_true(rendezvous_cmp(&a, &b) > 0);
	b = exact(20, 2, 2); /* a tie: by id */
	assert_true(rendezvous_cmp(&a, &b) < 0);
	b = exact(1, 0, 2); /* weightless is last, whatever its luck */
	assert_true(rendezvous_cmp(&a, &b) < 0);
	a.weight = 0;
	assert_true(rendezvous_cmp(&a, &b) < 0);
	a.id = b.id;
	assert_int_equal(rendezvous_cmp(&a, &b), 0);
	/* The products do not overflow. */
	a = exact(64ull << 40, UINT64_MAX, 1);
	b = exact((64ull << 40) - 1, UINT64_MAX, 2);
	assert_true(rendezvous_cmp(&a, &b) > 0);
}

/* Also where the draw is next to 0 or 1, or to a power of two. */
static uint64_t draw_hash(struct prng *p, unsigned i)
{
	uint64_t h = prng_next(p) >> (i % 64);
	if (i % 3 == 0)
		h = ~h;
	if (i % 5 == 0)
		h = (1ull << (i % 64)) + (h & 0xff) - 0x7f;
	return h | 1;
}

static struct rendezvous_score score_of_hash(struct prng *p, unsigned i, unsigned id)
{
	struct rendezvous_score s = {
		.hash = draw_hash(p, i), .weight = 1 + prng_below(p, 1000), .id = id_of(id)
	};
	rendezvous_bound(&s);
	return s;
}

static void test_bounds_hold_the_logarithm_and_do_not_change_the_order(void **state)
{
	(void)state;
	struct prng p;
	prng_init(&p, 4);
	unsigned by_bounds = 0;
	enum { DRAWS = 60000 };
	for (unsigned i = 0; i < DRAWS; i++) {
		struct rendezvous_score a = score_of_hash(&p, i, 1), b = score_of_hash(&p, i / 2, 2);
		uint64_t log = rendezvous_log(&a);
		assert_true(a.low <= log && log <= a.high);
		assert_true(a.high - a.low < (1ull << 40) / 100);
		struct rendezvous_score ea = exact(log, a.weight, 1), eb = exact(rendezvous_log(&b), b.weight, 2);
		assert_int_equal(rendezvous_cmp(&a, &b), rendezvous_cmp(&ea, &eb));
		by_bounds += a.high * b.weight < b.low * a.weight || b.high * a.weight < a.low * b.weight;
	}
	assert_true(by_bounds > DRAWS * 9 / 10);
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
		cmocka_unit_test(test_bounds_hold_the_logarithm_and_do_not_change_the_order),
		cmocka_unit_test(test_shares_follow_weights),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
