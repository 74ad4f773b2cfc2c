/* Single decisions: a table of situations and what must come of each. */
#include "assign/assign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES_MAX = 4 };

#define R ASSIGN_READY
#define J ASSIGN_JOINING
#define D ASSIGN_DRAINING
#define S ASSIGN_SUSPECT
#define X ASSIGN_DOWN
#define L ASSIGN_LEFT

struct situation {
	const char *name;
	const char *zone; /* wanted; NULL = none */
	struct {
		enum assign_state state;
		uint32_t capacity, load;
		bool holder;
		const char *zone; /* NULL = "a" */
	} nodes[NODES_MAX];   /* up to the first without capacity and load */
	enum assign_outcome outcome;
	int taken; /* -1: any of those that rank decides between */
	size_t usable_n;
	enum assign_reason reasons[NODES_MAX]; /* by node, checked when taken is given */
};

#define TAKEN ASSIGN_TAKEN
#define LOWER ASSIGN_RANKED_LOWER
#define NOT_HOLDER ASSIGN_NOT_HOLDER
#define FULL ASSIGN_NO_HEADROOM
#define NOT_READY ASSIGN_NOT_READY
#define GONE ASSIGN_UNREACHABLE
#define DRAINS ASSIGN_IS_DRAINING
#define SUSPECT ASSIGN_IS_SUSPECTED
#define LOADED ASSIGN_OVER_BOUND
#define ZONE ASSIGN_OTHER_ZONE

static const struct situation situations[] = {
	{ "nobody", NULL, { { 0 } }, ASSIGN_REFUSED, -1, 0, { 0 } },
	{ "the only one", NULL, { { R, 10, 0, false, NULL } }, ASSIGN_COLD, 0, 1, { TAKEN } },
	{ "a holder before idle ones (A1)", NULL,
	    { { R, 100, 0, false, NULL }, { R, 100, 99, true, NULL }, { R, 100, 0, false, NULL } }, ASSIGN_WARM,
	    1, 3, { NOT_HOLDER, TAKEN, NOT_HOLDER } },
	{ "the least loaded holder for its capacity", NULL,
	    { { R, 100, 50, true, NULL }, { R, 1000, 400, true, NULL }, { R, 10, 6, true, NULL } }, ASSIGN_WARM,
	    1, 3, { LOWER, TAKEN, LOWER } },
	{ "every holder full: a spill", NULL,
	    { { R, 100, 100, true, NULL }, { R, 100, 99, false, NULL }, { R, 5, 9, true, NULL } }, ASSIGN_SPILL,
	    1, 1, { FULL, TAKEN, FULL } },
	{ "no holder, one over the bound", NULL, { { R, 100, 90, false, NULL }, { R, 100, 10, false, NULL } },
	    ASSIGN_COLD, 1, 2, { LOADED, TAKEN } },
	{ "nowhere", NULL, { { R, 10, 10, true, NULL }, { R, 0, 0, false, NULL } }, ASSIGN_REFUSED, -1, 0,
	    { 0 } },
	{ "a draining holder takes nobody, but it holds", NULL,
	    { { D, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_SPILL, 1, 1, { DRAINS, TAKEN } },
	{ "a dead holder is none", NULL, { { X, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_COLD,
	    1, 1, { GONE, TAKEN } },
	{ "nor is one that left", NULL, { { L, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_COLD,
	    1, 1, { NOT_READY, TAKEN } },
	{ "nor a suspected one, while another is sound", NULL,
	    { { S, 100, 0, true, NULL }, { R, 100, 99, false, NULL } }, ASSIGN_COLD, 1, 2, { SUSPECT, TAKEN } },
	{ "a suspected one before refusing", NULL,
	    { { S, 100, 0, false, NULL }, { R, 100, 100, true, NULL }, { X, 9, 0, true, NULL } }, ASSIGN_SPILL, 0,
	    1, { TAKEN, FULL, GONE } },
	{ "a joining one before a suspected one (A6)", NULL,
	    { { S, 100, 0, true, NULL }, { J, 100, 50, false, NULL } }, ASSIGN_COLD, 1, 2, { SUSPECT, TAKEN } },
	{ "a joining one after a ready one", NULL, { { J, 100, 0, true, NULL }, { R, 100, 50, false, NULL } },
	    ASSIGN_SPILL, 1, 2, { NOT_READY, TAKEN } },
	{ "a joining holder when nothing is ready", NULL,
	    { { J, 100, 60, true, NULL }, { J, 100, 50, false, NULL } }, ASSIGN_WARM, 0, 2,
	    { TAKEN, NOT_HOLDER } },
	{ "down, left and draining never", NULL,
	    { { X, 10, 0, true, NULL }, { L, 10, 0, true, NULL }, { D, 10, 0, true, NULL } }, ASSIGN_REFUSED, -1,
	    0, { 0 } },
	{ "the wanted zone while it has headroom (A4)", "b",
	    { { R, 100, 0, true, "a" }, { R, 100, 99, false, "b" } }, ASSIGN_COLD, 1, 2, { ZONE, TAKEN } },
	{ "any zone when it has none", "b",
	    { { R, 100, 0, true, "a" }, { R, 100, 100, false, "b" }, { R, 100, 0, false, "c" } }, ASSIGN_WARM, 0,
	    2, { TAKEN, FULL, NOT_HOLDER } },
	{ "a suspect of the zone does not hold the viewer there", "b",
	    { { R, 100, 0, true, "a" }, { S, 100, 0, true, "b" } }, ASSIGN_WARM, 0, 2, { TAKEN, SUSPECT } },
	{ "a zone nobody has", "q", { { R, 100, 0, true, "a" }, { R, 100, 0, false, "b" } }, ASSIGN_WARM, 0, 2,
	    { TAKEN, NOT_HOLDER } },
	{ "a spill within the zone", "b",
	    { { R, 100, 0, true, "a" }, { R, 100, 100, true, "b" }, { R, 100, 9, false, "b" } }, ASSIGN_SPILL, 2,
	    2, { ZONE, FULL, TAKEN } },
};

static size_t build(const struct situation *s, struct assign_node *nodes)
{
	size_t n = 0;
	for (; n < NODES_MAX && (s->nodes[n].capacity > 0 || s->nodes[n].load > 0 || s->nodes[n].state != R); n++)
		nodes[n] = (struct assign_node){
			.id = { { (uint8_t)(n + 1) } },
			.zone = bytes_str(s->nodes[n].zone == NULL ? "a" : s->nodes[n].zone),
			.state = s->nodes[n].state,
			.capacity = s->nodes[n].capacity,
			.load = s->nodes[n].load,
			.holder = s->nodes[n].holder,
		};
	return n;
}

static void test_situations(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
		const struct situation *s = &situations[i];
		struct assign_node nodes[NODES_MAX];
		struct assign_request r = {
			.origin = BYTES_LIT("main"),
			.content = BYTES_LIT("lv1"),
			.zone = bytes_str(s->zone),
			.nodes = nodes,
			.nodes_n = build(s, nodes),
			.explain = true,
		};
		struct assign_result got;
		print_message("  %s\n", s->name);
		assert_int_equal(assign_decide(&r, &a, &got), OK);
		assert_int_equal(got.outcome, s->outcome);
		assert_int_equal(got.usable_n, s->usable_n);
		assert_int_equal(got.candidates_n, r.nodes_n);
		if (s->taken >= 0) {
			assert_int_equal(got.node, s->taken);
			assert_int_equal(got.candidates[0].node, s->taken);
			for (size_t c = 0; c < got.candidates_n; c++)
				assert_int_equal(got.candidates[c].reason, s->reasons[got.candidates[c].node]);
		}
		arena_reset(&a);
	}
	arena_fini(&a);
}

/* -- what is known beyond state and load -- */

enum { FEW = 3 };

struct outlook {
	const char *name;
	uint32_t reserve_permille;
	struct assign_node nodes[FEW]; /* ids, and a capacity of 1,000, are filled in */
	enum assign_outcome outcome;
	uint32_t taken;
	enum assign_reason reasons[FEW];
};

#define UNSURE ASSIGN_ROOM_UNSURE
#define LITTLE ASSIGN_HOLDS_LITTLE
#define ROOMY .evict_age_s = ASSIGN_CACHE_NOT_FULL, .miss_permille = 1
#define FULL_AT(age) .evict_age_s = (age)

static const struct outlook outlooks[] = {
	{ "a leased place is sure, whatever the load (A3)", 50,
	    { { .load = 1000, .holder = true, .places = 1 }, { .load = 90 }, { .load = 1000, .holder = true } },
	    ASSIGN_WARM, 0, { TAKEN, NOT_HOLDER, FULL } },
	{ "within the reserve a holder's room is not sure", 50,
	    { { .load = 960, .holder = true }, { .load = 940 }, { .load = 950, .holder = true } }, ASSIGN_SPILL,
	    1, { UNSURE, TAKEN, UNSURE } },
	{ "it is without a reserve", 0,
	    { { .load = 960, .holder = true }, { .load = 940 }, { .load = 950, .holder = true } }, ASSIGN_WARM, 2,
	    { LOWER, NOT_HOLDER, TAKEN } },
	{ "what others may have assigned counts as load", 0,
	    { { .load = 500, .holder = true, .unseen = 90 }, { .load = 600 }, { .load = 550, .holder = true } },
	    ASSIGN_WARM, 2, { LOWER, NOT_HOLDER, TAKEN } },
	{ "but half of what the average node was given has left again", 0,
	    { { .load = 500, .holder = true, .unseen = 60 }, { .load = 0, .unseen = 120 },
	        { .load = 550, .holder = true } },
	    ASSIGN_WARM, 0, { TAKEN, NOT_HOLDER, LOWER } },
	{ "it may leave no sure room, but refuses nobody", 0,
	    { { .load = 990, .holder = true, .unseen = 200 }, { .load = 990, .unseen = 400 }, { .load = 1000 } },
	    ASSIGN_WARM, 0, { TAKEN, LOWER, FULL } },
	{ "of those without sure room the least loaded, holder or not", 50,
	    { { .load = 980, .holder = true }, { .load = 970 }, { .load = 990, .holder = true } }, ASSIGN_SPILL,
	    1, { LOWER, TAKEN, LOWER } },
	{ "who holds little is not warm, but better than none", 0,
	    { { .load = 500, .holder = true, .share_permille = 300 }, { .load = 100 }, { .load = 100 } },
	    ASSIGN_COLD, 0, { TAKEN, NOT_HOLDER, NOT_HOLDER } },
	{ "it counts as a little fuller", 0,
	    { { .load = 500, .holder = true, .share_permille = 300 },
	        { .load = 510, .holder = true, .share_permille = 350 }, { .load = 520, .holder = true } },
	    ASSIGN_WARM, 1, { LITTLE, TAKEN, LOWER } },
	{ "and makes no spill of a cold content", 0,
	    { { .load = 1000, .holder = true, .share_permille = 300 }, { .load = 100 }, { .load = 1000 } },
	    ASSIGN_COLD, 1, { FULL, TAKEN, FULL } },
	{ "a small cache age is outweighed by a large one", 0,
	    { { FULL_AT(1) }, { FULL_AT(100000) }, { FULL_AT(1) } }, ASSIGN_COLD, 1, { LOWER, TAKEN, LOWER } },
	{ "so is a full cache by one with room", 0, { { FULL_AT(1) }, { FULL_AT(1000) }, { ROOMY } }, ASSIGN_COLD,
	    2, { LOWER, LOWER, TAKEN } },
};

static void test_outlooks(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < sizeof(outlooks) / sizeof(outlooks[0]); i++) {
		const struct outlook *o = &outlooks[i];
		struct assign_node nodes[FEW];
		for (uint32_t n = 0; n < FEW; n++) {
			nodes[n] = o->nodes[n];
			nodes[n].id = (struct node_id){ { (uint8_t)(n + 1) } };
			nodes[n].capacity = 1000;
		}
		struct assign_request r = { BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE, nodes, FEW,
			o->reserve_permille, true };
		struct assign_result got;
		print_message("  %s\n", o->name);
		assert_int_equal(assign_decide(&r, &a, &got), OK);
		assert_int_equal(got.outcome, o->outcome);
		assert_int_equal(got.node, o->taken);
		for (size_t c = 0; c < got.candidates_n; c++)
			assert_int_equal(got.candidates[c].reason, o->reasons[got.candidates[c].node]);
		arena_reset(&a);
	}
	arena_fini(&a);
}

enum { CONTENTS = 6000, TEN = 10 };

/* How many of the contents each of ten nodes is given first; and how often the first was passed over for its
 * cold cache. */
static unsigned lead_of_first(struct assign_node *nodes, unsigned *cold)
{
	struct arena a;
	unsigned led = 0;
	*cold = 0;
	arena_init(&a, 1 << 16);
	for (unsigned n = 0; n < TEN; n++) {
		nodes[n].id = (struct node_id){ { (uint8_t)(n + 1), 77 } };
		nodes[n].capacity = 100;
	}
	for (unsigned i = 0; i < CONTENTS; i++) {
		char content[16];
		snprintf(content, sizeof(content), "lv%u", i);
		struct assign_request r = { BYTES_LIT("main"), bytes_str(content), BYTES_NONE, nodes, TEN, 0, true };
		struct assign_result got;
		assert_int_equal(assign_decide(&r, &a, &got), OK);
		led += got.node == 0;
		for (size_t c = 0; c < TEN; c++)
			*cold += got.candidates[c].reason == ASSIGN_CACHE_COLD;
		arena_reset(&a);
	}
	arena_fini(&a);
	return led;
}

/* D9: a node that starts with an empty cache is given contents as its measured hit ratio rises. */
static void test_a_cold_cache_takes_more_as_it_warms(void **state)
{
	(void)state;
	struct assign_node nodes[TEN] = { 0 };
	for (unsigned n = 0; n < TEN; n++) {
		nodes[n].evict_age_s = 1000;
		nodes[n].miss_permille = 100;
	}
	unsigned cold, led, before = 0;
	static const struct {
		uint16_t miss_permille;
		unsigned at_least, at_most; /* of 6,000; a tenth is its share when all are alike */
	} steps[] = { { 1000, 20, 60 }, { 700, 150, 280 }, { 400, 380, 540 }, { 100, 540, 660 } };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		nodes[0].miss_permille = steps[i].miss_permille;
		led = lead_of_first(nodes, &cold);
		assert_in_range(led, steps[i].at_least, steps[i].at_most);
		assert_true(led > before);
		assert_true((cold > 0) == (steps[i].miss_permille > 100));
		before = led;
	}
	/* Its empty cache draws contents only when it serves from it. */
	nodes[0].evict_age_s = ASSIGN_CACHE_NOT_FULL;
	assert_true(lead_of_first(nodes, &cold) > 5 * before);
	nodes[0].miss_permille = 1000;
	assert_true(lead_of_first(nodes, &cold) < before);
	nodes[0].miss_permille = 0; /* nothing measured: an even share */
	assert_in_range(lead_of_first(nodes, &cold), 540, 800);
}

/* What makes the caches evict as one: a cold content goes where what it pushes out is old. */
static void test_cold_contents_go_where_the_cache_is_old(void **state)
{
	(void)state;
	struct assign_node nodes[TEN] = { 0 };
	for (unsigned n = 0; n < TEN; n++)
		nodes[n].evict_age_s = 1000;
	unsigned cold, alike = lead_of_first(nodes, &cold);
	assert_in_range(alike, 500, 700);
	nodes[0].evict_age_s = 2000;
	assert_true(lead_of_first(nodes, &cold) > 3 * alike);
	nodes[0].evict_age_s = 500;
	assert_true(lead_of_first(nodes, &cold) < alike / 4);
	assert_int_equal(cold, 0);
}

/* A content in demand goes where it finds much room, a cold one wherever its rank says. */
static void test_spills_go_where_there_is_room(void **state)
{
	(void)state;
	struct assign_node nodes[TEN] = { 0 };
	for (unsigned n = 0; n < TEN; n++)
		nodes[n].load = 80;
	nodes[0].load = 60;
	nodes[9].load = 100;
	unsigned cold, of_cold = lead_of_first(nodes, &cold);
	assert_in_range(of_cold, CONTENTS / 9 - 100, CONTENTS / 9 + 100);
	nodes[9].holder = true;
	/* Four shares of twelve: the room of the others is half of its own. */
	assert_in_range(lead_of_first(nodes, &cold), CONTENTS / 3 - 200, CONTENTS / 3 + 200);
}

static void test_unseen(void **state)
{
	(void)state;
	assert_int_equal(assign_unseen(3, 7, 2000, 3000), 14);
	assert_int_equal(assign_unseen(3, 7, 0, 1000), 0);
	assert_int_equal(assign_unseen(3, 0, 2000, 3000), 0);
	assert_int_equal(assign_unseen(3, 7, 60000, 3000), 21);
	assert_int_equal(assign_unseen(UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX), UINT32_MAX);
}

static void test_memory_bound(void **state)
{
	(void)state;
	struct assign_node node = { .capacity = 1 };
	struct assign_request r = {
		.origin = BYTES_LIT("m"), .content = BYTES_LIT("c"), .nodes = &node, .nodes_n = 1
	};
	struct assign_result got = { .usable_n = 42 };
	uint32_t order = 7;
	for (size_t max = 0; max < 64; max++) {
		struct arena a;
		arena_init(&a, max);
		assert_int_equal(assign_decide(&r, &a, &got), ERR_NO_MEMORY);
		assert_int_equal(got.usable_n, 42);
		assert_int_equal(assign_rank(r.origin, r.content, &node, 1, &a, &order), ERR_NO_MEMORY);
		assert_int_equal(order, 7);
		arena_fini(&a);
	}
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(assign_outcome_str(ASSIGN_WARM), "warm");
	assert_string_equal(assign_outcome_str(ASSIGN_SPILL), "spill");
	assert_string_equal(assign_outcome_str(ASSIGN_COLD), "cold");
	assert_string_equal(assign_outcome_str(ASSIGN_REFUSED), "refused");
	static const char *const reasons[] = { "taken", "ranked lower", "not a holder", "no headroom",
		"not ready", "unreachable", "other zone", "draining", "suspected", "holds too little",
		"room not sure", "over the load bound", "cache is cold" };
	for (enum assign_reason r = ASSIGN_TAKEN; r <= ASSIGN_CACHE_COLD; r++)
		assert_string_equal(assign_reason_str(r), reasons[r]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_situations),
		cmocka_unit_test(test_outlooks),
		cmocka_unit_test(test_a_cold_cache_takes_more_as_it_warms),
		cmocka_unit_test(test_cold_contents_go_where_the_cache_is_old),
		cmocka_unit_test(test_spills_go_where_there_is_room),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_memory_bound),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
