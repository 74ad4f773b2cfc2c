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
	    ASSIGN_COLD, 1, 2, { LOWER, TAKEN } },
	{ "nowhere", NULL, { { R, 10, 10, true, NULL }, { R, 0, 0, false, NULL } }, ASSIGN_REFUSED, -1, 0,
	    { 0 } },
	{ "a draining holder takes nobody, but it holds", NULL,
	    { { D, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_SPILL, 1, 1,
	    { NOT_READY, TAKEN } },
	{ "a dead holder is none", NULL, { { X, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_COLD,
	    1, 1, { GONE, TAKEN } },
	{ "nor is one that left", NULL, { { L, 100, 0, true, NULL }, { R, 100, 50, false, NULL } }, ASSIGN_COLD,
	    1, 1, { NOT_READY, TAKEN } },
	{ "nor a suspected one, while another is sound", NULL,
	    { { S, 100, 0, true, NULL }, { R, 100, 99, false, NULL } }, ASSIGN_COLD, 1, 2, { GONE, TAKEN } },
	{ "a suspected one before refusing", NULL,
	    { { S, 100, 0, false, NULL }, { R, 100, 100, true, NULL }, { X, 9, 0, true, NULL } }, ASSIGN_SPILL, 0,
	    1, { TAKEN, FULL, GONE } },
	{ "a joining one before a suspected one (A6)", NULL,
	    { { S, 100, 0, true, NULL }, { J, 100, 50, false, NULL } }, ASSIGN_COLD, 1, 2, { GONE, TAKEN } },
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
	    { { R, 100, 0, true, "a" }, { S, 100, 0, true, "b" } }, ASSIGN_WARM, 0, 2, { TAKEN, GONE } },
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

static void test_memory_bound(void **state)
{
	(void)state;
	struct assign_node node = { .capacity = 1 };
	struct assign_request r = {
		.origin = BYTES_LIT("m"), .content = BYTES_LIT("c"), .nodes = &node, .nodes_n = 1
	};
	struct assign_result got = { .usable_n = 42 };
	uint32_t order = 7;
	for (size_t max = 0; max < 24; max++) {
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
	for (enum assign_reason r = ASSIGN_TAKEN; r <= ASSIGN_OTHER_ZONE; r++)
		assert_true(strlen(assign_reason_str(r)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_situations),
		cmocka_unit_test(test_memory_bound),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
