/* What is remembered of decisions, also while they are made. */
#include "fixture.h"

#include "node/api/recall.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct id {
	uint8_t b[TOKEN_SESSION_BYTES];
};

static struct id id_of(uint64_t number)
{
	struct id id = { { 0 } };
	number++; /* no id is all zeros */
	memcpy(id.b, &number, sizeof(number));
	memcpy(id.b + 8, &number, sizeof(number));
	return id;
}

static struct place decide(struct fixture *f)
{
	struct place p;
	fixture_publish(f);
	assert_int_equal(
	    place_decide(&f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE, &f->arena, &p),
	    OK);
	return p;
}

static void it_remembers_what_was_known_then(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 4; i++)
		fixture_add(f, i);
	f->nodes[1].load = 77;
	f->nodes[1].load_seen_ms = fixture_mono_ms - 1500;
	f->nodes[1].capacity = 5000;
	f->nodes[2].has_load = false;
	f->nodes[3].liveness = KVS_DOWN;
	fixture_hold(f, 2, "");
	struct place p = decide(f);
	struct recall *r = recall_new(2);
	struct id id = id_of(1), none = id_of(2);
	recall_add(r, 1, id.b, &p, p.decision.node);
	struct recalled got;
	assert_false(recall_find(r, none.b, &got));
	assert_true(recall_find(r, id.b, &got));
	assert_int_equal(got.outcome, ASSIGN_WARM);
	assert_int_equal(got.nodes_n, 4);
	assert_int_equal(got.usable_n, 3);
	assert_int_equal(got.best_n, 4);
	assert_int_equal(got.by_reason[ASSIGN_TAKEN], 1);
	assert_int_equal(got.by_reason[ASSIGN_NOT_HOLDER], 2);
	assert_int_equal(got.by_reason[ASSIGN_UNREACHABLE], 1);
	assert_int_equal(got.best[0].slot, f->nodes[1].slot);
	assert_int_equal(got.best[0].reason, ASSIGN_TAKEN);
	assert_int_equal(got.best[0].load, 77);
	assert_int_equal(got.best[0].capacity, 5000);
	assert_int_equal(got.best[0].age_ms, 1500);
	assert_true(got.best[0].holder && got.best[0].reported);
	assert_int_equal(got.best[3].slot, f->nodes[3].slot);
	assert_int_equal(got.best[3].state, ASSIGN_DOWN);
	assert_int_equal(got.best[3].reason, ASSIGN_UNREACHABLE);
	size_t silent = 0;
	for (size_t i = 0; i < 4; i++)
		silent += !got.best[i].reported;
	assert_int_equal(silent, 1);
	recall_free(r);
}

static void the_taken_one_is_kept_however_far_back(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 20; i++)
		fixture_add(f, i);
	struct place p = decide(f);
	struct recall *r = recall_new(1);
	struct recalled got;
	for (size_t i = 0; i < 20; i++) {
		struct id id = id_of(i);
		uint32_t at = p.decision.candidates[i].node;
		recall_add(r, 0, id.b, &p, at);
		assert_true(recall_find(r, id.b, &got));
		assert_int_equal(got.nodes_n, 20);
		assert_int_equal(got.usable_n, 20);
		assert_int_equal(got.ordered_n, ASSIGN_BEST);
		assert_int_equal(got.best_n, RECALL_BEST);
		size_t kept = i < RECALL_BEST ? i : RECALL_BEST - 1;
		assert_int_equal(got.best[kept].slot, p.nodes[at].slot);
		assert_int_equal(got.best[0].slot, p.nodes[p.decision.candidates[0].node].slot);
	}
	recall_free(r);
}

static void the_oldest_is_forgotten(void **state)
{
	struct fixture *f = *state;
	fixture_add(f, 1);
	struct place p = decide(f);
	struct recall *r = recall_new(2);
	struct recalled got;
	struct id other = id_of(1000000);
	recall_add(r, 1, other.b, &p, 0);
	for (uint64_t i = 0; i <= RECALL_SESSIONS; i++) {
		struct id id = id_of(i);
		recall_add(r, 0, id.b, &p, 0);
	}
	struct id first = id_of(0), second = id_of(1), last = id_of(RECALL_SESSIONS);
	assert_false(recall_find(r, first.b, &got));
	assert_true(recall_find(r, second.b, &got));
	assert_true(recall_find(r, last.b, &got));
	assert_true(recall_find(r, other.b, &got)); /* another ring is another memory */
	recall_free(r);
}

static void what_does_not_fit_is_cut(void **state)
{
	struct fixture *f = *state;
	struct view_node *n = fixture_add(f, 1);
	n->capacity = UINT32_MAX;
	n->load = UINT32_MAX - 1;
	n->load_seen_ms = 0;
	fixture_mono_ms = UINT64_C(1) << 40;
	struct place p = decide(f);
	struct recall *r = recall_new(1);
	struct recalled got;
	struct id id = id_of(0);
	recall_add(r, 0, id.b, &p, 0);
	assert_true(recall_find(r, id.b, &got));
	assert_int_equal(got.best[0].capacity, RECALL_CAPACITY_MAX);
	assert_int_equal(got.best[0].age_ms, RECALL_AGE_MAX_MS);
	assert_int_equal(got.best[0].load, UINT32_MAX - 1);
	assert_int_equal(got.best[0].slot, n->slot);
	recall_add(NULL, 7, id.b, &p, 0); /* where nothing is remembered */
	recall_free(r);
	recall_free(NULL);
}

/* -- while it is written -- */

/* A race shows itself early there, and each round takes long. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 300 };
#else
enum { ROUNDS = 1500 };
#endif

struct writer {
	struct recall *recall;
	struct place places[2];
	atomic_bool done;
};

/* The same id in every record, of one decision and then of another: it is found in the first one, always. */
static void *write_all(void *arg)
{
	struct writer *w = arg;
	struct id id = id_of(3);
	for (uint64_t i = 0; i < (uint64_t)ROUNDS * RECALL_SESSIONS; i++)
		recall_add(w->recall, 0, id.b, &w->places[i / RECALL_SESSIONS % 2], 0);
	atomic_store(&w->done, true);
	return NULL;
}

static void a_reader_sees_no_half_of_a_record(void **state)
{
	struct fixture *f = *state;
	struct writer w = { .recall = recall_new(1) };
	for (uint8_t i = 1; i <= 3; i++)
		fixture_add(f, i)->load = 1;
	w.places[0] = decide(f);
	for (size_t i = 0; i < 3; i++) {
		f->nodes[i].load = 2;
		f->nodes[i].capacity = 2000;
	}
	w.places[1] = decide(f);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	size_t found = 0;
	struct id id = id_of(3);
	do {
		struct recalled got;
		if (!recall_find(w.recall, id.b, &got))
			continue;
		found++;
		for (size_t k = 0; k < 3; k++)
			if (got.best[k].load * 1000 != got.best[k].capacity || got.best[k].load != got.best[0].load)
				fail_msg("half of one and half of another");
	} while (!atomic_load(&w.done));
	assert_int_equal(pthread_join(thread, NULL), 0);
	struct recalled got;
	assert_true(recall_find(w.recall, id.b, &got));
	print_message("found %zu times\n", found);
	recall_free(w.recall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_remembers_what_was_known_then, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
		    the_taken_one_is_kept_however_far_back, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_oldest_is_forgotten, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_cut, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_reader_sees_no_half_of_a_record, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
