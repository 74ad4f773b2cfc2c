/* What holds of every decision, over random clusters. A failure names its seed. */
#include "assign/assign.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES_MAX = 24, SEEDS = 4000 };

struct cluster {
	struct assign_node nodes[NODES_MAX];
	struct assign_request request;
	char content[32];
	struct arena arena;
};

static uint64_t seed_now; /* 0 between runs */

static int tell_seed(void **state)
{
	(void)state;
	if (seed_now != 0)
		print_error("failed with seed %llu\n", (unsigned long long)seed_now);
	seed_now = 0;
	return 0;
}

static const char *const zones[] = { "a", "b", "c" };

static void make_cluster(struct cluster *c, struct prng *p)
{
	size_t n = prng_below(p, NODES_MAX + 1);
	unsigned holders_per_mille = prng_chance(p, 300) ? 0 : 300;
	unsigned full_per_mille = prng_chance(p, 200) ? 900 : 200;
	for (size_t i = 0; i < n; i++) {
		struct assign_node *d = &c->nodes[i];
		*d = (struct assign_node){ .zone = bytes_str(zones[prng_below(p, 3)]) };
		for (unsigned b = 0; b < NODE_ID_BYTES; b++)
			d->id.b[b] = (uint8_t)prng_next(p);
		d->state = prng_chance(p, 600) ? ASSIGN_READY : (enum assign_state)prng_below(p, ASSIGN_LEFT + 1);
		d->capacity = (uint32_t)prng_below(p, 1000);
		d->load = prng_chance(p, full_per_mille) ? d->capacity : (uint32_t)prng_below(p, 1000);
		d->holder = prng_chance(p, holders_per_mille);
		d->places = prng_chance(p, 200) ? (uint32_t)prng_below(p, 4) : 0;
		d->unseen = prng_chance(p, 300) ? (uint32_t)prng_below(p, 50) : 0;
		d->share_permille = prng_chance(p, 500) ? (uint16_t)prng_below(p, 1001) : 0;
		d->miss_permille = prng_chance(p, 500) ? (uint16_t)prng_below(p, 1001) : 0;
		d->evict_age_s = prng_chance(p, 300) ? ASSIGN_CACHE_NOT_FULL : (uint32_t)prng_below(p, 5000);
	}
	snprintf(c->content, sizeof(c->content), "lv%llu", (unsigned long long)prng_next(p));
	c->request = (struct assign_request){
		.origin = BYTES_LIT("main"),
		.content = bytes_str(c->content),
		.zone = prng_chance(p, 500) ? bytes_str(zones[prng_below(p, 3)]) : BYTES_NONE,
		.nodes = c->nodes,
		.nodes_n = n,
		.reserve_permille = (uint32_t)prng_below(p, 100),
		.explain = true,
	};
}

static struct assign_result decide(struct cluster *c)
{
	struct assign_result r;
	assert_int_equal(assign_decide(&c->request, &c->arena, &r), OK);
	return r;
}

static void each_seed(void (*check)(struct cluster *c, struct prng *p))
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct prng p;
		struct cluster c;
		seed_now = seed;
		prng_init(&p, seed);
		arena_init(&c.arena, 1 << 20);
		make_cluster(&c, &p);
		check(&c, &p);
		arena_fini(&c.arena);
	}
	seed_now = 0;
}

static bool has_headroom(const struct assign_node *d)
{
	return d->capacity > 0 && (d->places > 0 || d->load < d->capacity);
}

static bool could_take(const struct assign_node *d)
{
	return has_headroom(d) &&
	       (d->state == ASSIGN_READY || d->state == ASSIGN_JOINING || d->state == ASSIGN_SUSPECT);
}

static bool in_zone(const struct cluster *c, const struct assign_node *d)
{
	return bytes_eq(c->request.zone, d->zone);
}

static void check_never_where_there_is_no_room(struct cluster *c, struct prng *p)
{
	(void)p;
	struct assign_result r = decide(c);
	size_t usable = 0;
	for (size_t i = 0; i < c->request.nodes_n; i++)
		usable += could_take(&c->nodes[i]);
	assert_int_equal(r.usable_n, usable);
	assert_int_equal(r.outcome == ASSIGN_REFUSED, usable == 0);
	bool seen[NODES_MAX] = { false };
	for (size_t i = 0; i < r.candidates_n; i++) {
		assert_false(seen[r.candidates[i].node]);
		seen[r.candidates[i].node] = true;
		assert_int_equal(could_take(&c->nodes[r.candidates[i].node]), i < r.usable_n);
		assert_int_equal(r.candidates[i].reason == ASSIGN_TAKEN, i == 0 && usable > 0);
	}
	if (usable > 0)
		assert_int_equal(r.node, r.candidates[0].node);
}

static uint32_t expected_load(const struct cluster *c, const struct assign_node *d)
{
	uint64_t unseen = 0, capacity = 0;
	for (size_t i = 0; i < c->request.nodes_n; i++) {
		unseen += c->nodes[i].capacity > 0 ? c->nodes[i].unseen : 0;
		capacity += c->nodes[i].capacity;
	}
	uint64_t left = d->capacity * ((unseen << 20) / (2 * capacity)) >> 20;
	return d->load + (d->unseen > left ? d->unseen - (uint32_t)left : 0);
}

static bool has_sure_room(const struct cluster *c, const struct assign_node *d)
{
	uint32_t reserve = (uint32_t)((uint64_t)d->capacity * c->request.reserve_permille / 1000);
	return d->capacity > 0 && (d->places > 0 || expected_load(c, d) + reserve < d->capacity);
}

static bool is_warm(const struct assign_node *d)
{
	return d->holder && (d->share_permille == 0 || d->share_permille >= ASSIGN_SHARE_WARM_PERMILLE);
}

/* As the order of holders sees it. */
static double fullness(const struct cluster *c, const struct assign_node *d)
{
	uint32_t handicap = is_warm(d) ? 0 : d->capacity / 64;
	return (double)(expected_load(c, d) + handicap) / d->capacity;
}

static void check_warm_whenever_it_can_be(struct cluster *c, struct prng *p)
{
	(void)p;
	struct assign_result r = decide(c);
	bool narrowed = false;
	for (size_t i = 0; i < c->request.nodes_n; i++)
		narrowed |=
		    c->nodes[i].state == ASSIGN_READY && has_headroom(&c->nodes[i]) && in_zone(c, &c->nodes[i]);
	const struct assign_node *best = NULL;
	for (size_t i = 0; i < c->request.nodes_n; i++) {
		const struct assign_node *d = &c->nodes[i];
		if (!d->holder || d->state != ASSIGN_READY || !has_sure_room(c, d) || (narrowed && !in_zone(c, d)))
			continue;
		if (best == NULL || fullness(c, d) < fullness(c, best))
			best = d;
	}
	if (narrowed)
		assert_true(in_zone(c, &c->nodes[r.node]));
	if (best == NULL)
		return;
	const struct assign_node *taken = &c->nodes[r.node];
	assert_true(taken->holder && has_sure_room(c, taken));
	assert_int_equal(r.outcome == ASSIGN_WARM, is_warm(taken));
	assert_true(fullness(c, taken) <= fullness(c, best));
}

static enum assign_reason reason_of(const struct assign_result *r, uint32_t node, size_t *at)
{
	for (*at = 0; *at < r->candidates_n; ++*at)
		if (r->candidates[*at].node == node)
			return r->candidates[*at].reason;
	fail_msg("node %u is missing", node);
	return ASSIGN_TAKEN;
}

/* Without the whole order it says the same of the best few, and of each node why. */
static void check_it_decides_the_same_without_explaining(struct cluster *c, struct prng *p)
{
	(void)p;
	struct assign_result all = decide(c);
	c->request.explain = false;
	struct assign_result few = decide(c);
	size_t n = all.usable_n < ASSIGN_BEST ? all.usable_n : ASSIGN_BEST;
	assert_int_equal(few.outcome, all.outcome);
	assert_int_equal(few.candidates_n, all.candidates_n);
	assert_int_equal(few.usable_n, all.usable_n);
	assert_int_equal(few.ordered_n, n);
	assert_int_equal(all.ordered_n, all.usable_n);
	if (n > 0)
		assert_int_equal(few.node, all.node);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(few.candidates[i].node, all.candidates[i].node);
	for (size_t i = 0; i < all.candidates_n; i++) {
		size_t at;
		assert_int_equal(reason_of(&few, all.candidates[i].node, &at), all.candidates[i].reason);
		assert_int_equal(at < few.usable_n, i < all.usable_n);
	}
}

static void check_order_of_input_does_not_matter(struct cluster *c, struct prng *p)
{
	struct assign_result before = decide(c);
	struct assign_node was[NODES_MAX];
	memcpy(was, c->nodes, sizeof(was));
	for (size_t i = c->request.nodes_n; i > 1; i--) {
		size_t j = prng_below(p, i);
		struct assign_node swapped = c->nodes[i - 1];
		c->nodes[i - 1] = c->nodes[j];
		c->nodes[j] = swapped;
	}
	struct assign_result after = decide(c);
	assert_int_equal(before.outcome, after.outcome);
	assert_int_equal(before.candidates_n, after.candidates_n);
	for (size_t i = 0; i < before.candidates_n; i++) {
		assert_int_equal(before.candidates[i].reason, after.candidates[i].reason);
		assert_true(node_id_eq(&was[before.candidates[i].node].id, &c->nodes[after.candidates[i].node].id));
	}
}

static void check_a_leaving_node_moves_only_its_own(struct cluster *c, struct prng *p)
{
	size_t n = c->request.nodes_n;
	if (n == 0)
		return;
	uint32_t all[NODES_MAX], rest[NODES_MAX];
	assert_int_equal(assign_rank(c->request.origin, c->request.content, c->nodes, n, &c->arena, all), OK);
	struct assign_node was[NODES_MAX];
	memcpy(was, c->nodes, sizeof(was));
	size_t gone = prng_below(p, n);
	c->nodes[gone] = c->nodes[n - 1];
	assert_int_equal(
	    assign_rank(c->request.origin, c->request.content, c->nodes, n - 1, &c->arena, rest), OK);
	size_t j = 0;
	for (size_t i = 0; i < n; i++)
		if (all[i] != gone)
			assert_true(node_id_eq(&was[all[i]].id, &c->nodes[rest[j++]].id));
	assert_int_equal(j, n - 1);
}

static void test_never_where_there_is_no_room(void **state)
{
	(void)state;
	each_seed(check_never_where_there_is_no_room);
}

static void test_warm_whenever_it_can_be(void **state)
{
	(void)state;
	each_seed(check_warm_whenever_it_can_be);
}

static void test_it_decides_the_same_without_explaining(void **state)
{
	(void)state;
	each_seed(check_it_decides_the_same_without_explaining);
}

static void test_order_of_input_does_not_matter(void **state)
{
	(void)state;
	each_seed(check_order_of_input_does_not_matter);
}

static void test_a_leaving_node_moves_only_its_own(void **state)
{
	(void)state;
	each_seed(check_a_leaving_node_moves_only_its_own);
}

/* Contents that nobody holds, one viewer each: none is refused while there is room, and no node runs
 * ahead of the bound. */
static void test_cold_load_stays_bounded(void **state)
{
	(void)state;
	enum { NODES = 10 };
	struct cluster c = { .request = { .origin = BYTES_LIT("main"), .nodes = c.nodes, .nodes_n = NODES } };
	arena_init(&c.arena, 1 << 20);
	uint64_t capacity = 0, load = 0;
	for (unsigned i = 0; i < NODES; i++) {
		c.nodes[i] = (struct assign_node){ .id = { { (uint8_t)i, 3 } }, .capacity = 100 + 50 * i };
		capacity += c.nodes[i].capacity;
	}
	for (; load < capacity; load++) {
		snprintf(c.content, sizeof(c.content), "lv%llu", (unsigned long long)load);
		c.request.content = bytes_str(c.content);
		struct assign_result r = decide(&c);
		assert_int_equal(r.outcome, ASSIGN_COLD);
		struct assign_node *d = &c.nodes[r.node];
		d->load++;
		double mean = (double)(load + 1) / (double)capacity;
		bool bounded = d->load <= 1 + 1.25 * mean * d->capacity || d->load <= 1 + d->capacity / 8.0;
		assert_true(bounded);
		arena_reset(&c.arena);
	}
	c.request.content = BYTES_LIT("one more");
	assert_int_equal(decide(&c).outcome, ASSIGN_REFUSED);
	arena_fini(&c.arena);
}

/* A hot content: viewers come faster than locations spread, and still it grows one copy at a time. */
static void test_a_hot_content_grows_one_copy_at_a_time(void **state)
{
	(void)state;
	enum { NODES = 6, CAPACITY = 100 };
	struct cluster c = { .request = { .origin = BYTES_LIT("main"),
		                     .content = BYTES_LIT("final"),
		                     .nodes = c.nodes,
		                     .nodes_n = NODES } };
	arena_init(&c.arena, 1 << 20);
	for (unsigned i = 0; i < NODES; i++)
		c.nodes[i] = (struct assign_node){ .id = { { (uint8_t)i, 9 } }, .capacity = CAPACITY };
	uint32_t first = decide(&c).node;
	for (unsigned viewer = 0; viewer < 12; viewer++) {
		struct assign_result r = decide(&c);
		assert_int_equal(r.outcome, ASSIGN_COLD);
		assert_int_equal(r.node, first);
		c.nodes[r.node].load++;
	}
	unsigned holders = 0;
	for (unsigned viewer = 12; viewer < NODES * CAPACITY; viewer++) {
		struct assign_result r = decide(&c);
		unsigned room = 0;
		for (unsigned i = 0; i < NODES; i++)
			room += c.nodes[i].holder ? CAPACITY - c.nodes[i].load : 0;
		assert_int_equal(r.outcome, room > 0 ? ASSIGN_WARM : holders > 0 ? ASSIGN_SPILL : ASSIGN_COLD);
		holders += !c.nodes[r.node].holder;
		c.nodes[r.node].holder = true;
		c.nodes[r.node].load++;
		arena_reset(&c.arena);
	}
	assert_int_equal(holders, NODES);
	arena_fini(&c.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_never_where_there_is_no_room, tell_seed),
		cmocka_unit_test_teardown(test_warm_whenever_it_can_be, tell_seed),
		cmocka_unit_test_teardown(test_it_decides_the_same_without_explaining, tell_seed),
		cmocka_unit_test_teardown(test_order_of_input_does_not_matter, tell_seed),
		cmocka_unit_test_teardown(test_a_leaving_node_moves_only_its_own, tell_seed),
		cmocka_unit_test(test_cold_load_stays_bounded),
		cmocka_unit_test(test_a_hot_content_grows_one_copy_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
