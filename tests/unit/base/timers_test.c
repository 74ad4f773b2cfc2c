#include "base/timers.h"

#include "base/prng.h"
#include "death.h"

enum { MODEL_TIMERS = 100 };

/* What the heap must behave like: a list that is searched from end to end. */
struct model {
	struct {
		bool armed;
		uint64_t at_ms, order;
	} timers[MODEL_TIMERS];
	uint64_t orders;
};

/* The index of the earliest armed timer, or MODEL_TIMERS. */
static size_t model_first(const struct model *m)
{
	size_t first = MODEL_TIMERS;
	for (size_t i = 0; i < MODEL_TIMERS; i++) {
		if (!m->timers[i].armed)
			continue;
		if (first == MODEL_TIMERS || m->timers[i].at_ms < m->timers[first].at_ms ||
		    (m->timers[i].at_ms == m->timers[first].at_ms && m->timers[i].order < m->timers[first].order))
			first = i;
	}
	return first;
}

static void model_arm(struct model *m, size_t i, uint64_t at_ms)
{
	m->timers[i].armed = true;
	m->timers[i].at_ms = at_ms;
	m->timers[i].order = ++m->orders;
}

static void behaves_like_the_model(uint64_t seed)
{
	struct prng r;
	struct timers t;
	struct timer timer[MODEL_TIMERS] = { 0 };
	struct model m = { .orders = 0 };
	uint64_t now = 0;
	prng_init(&r, seed);
	timers_init(&t);
	for (int step = 0; step < 5000; step++) {
		size_t i = prng_below(&r, MODEL_TIMERS);
		uint64_t what = prng_below(&r, 10);
		if (what < 5) {
			uint64_t at_ms = now + prng_below(&r, 50); /* few values: many ties */
			timers_arm(&t, &timer[i], at_ms);
			model_arm(&m, i, at_ms);
		} else if (what < 7) {
			timers_disarm(&t, &timer[i]);
			m.timers[i].armed = false;
		} else {
			now += prng_below(&r, 20);
			size_t first = model_first(&m);
			bool due = first < MODEL_TIMERS && m.timers[first].at_ms <= now;
			struct timer *popped = timers_pop(&t, now);
			assert_ptr_equal(popped, due ? &timer[first] : NULL);
			if (due)
				m.timers[first].armed = false;
		}
		size_t first = model_first(&m);
		assert_true(timers_next(&t) == (first < MODEL_TIMERS ? m.timers[first].at_ms : TIMER_NEVER));
		assert_int_equal(timer_armed(&timer[i]), m.timers[i].armed);
	}
	timers_fini(&t);
}

static void random_use_against_a_naive_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		behaves_like_the_model(seed);
}

static void equal_deadlines_fire_in_the_order_they_were_armed(void **state)
{
	(void)state;
	struct timers t;
	struct timer timer[64] = { 0 };
	timers_init(&t);
	for (size_t i = 0; i < 64; i++)
		timers_arm(&t, &timer[i], 5);
	timers_arm(&t, &timer[0], 5); /* anew: now the last */
	for (size_t i = 1; i < 64; i++)
		assert_ptr_equal(timers_pop(&t, 5), &timer[i]);
	assert_ptr_equal(timers_pop(&t, 5), &timer[0]);
	assert_null(timers_pop(&t, TIMER_NEVER));
	timers_fini(&t);
}

static void nothing_fires_early(void **state)
{
	(void)state;
	struct timers t;
	struct timer timer = { 0 };
	timers_init(&t);
	assert_true(timers_next(&t) == TIMER_NEVER);
	assert_null(timers_pop(&t, 1000));
	timers_disarm(&t, &timer);
	timers_arm(&t, &timer, 10);
	assert_null(timers_pop(&t, 9));
	assert_true(timer_armed(&timer));
	timers_arm(&t, &timer, 20);
	assert_true(timers_next(&t) == 20);
	assert_null(timers_pop(&t, 19));
	assert_ptr_equal(timers_pop(&t, 20), &timer);
	assert_false(timer_armed(&timer));
	timers_fini(&t);
}

static void disarm_in_another_heap(void)
{
	struct timers one, other;
	struct timer a = { 0 }, b = { 0 };
	timers_init(&one);
	timers_init(&other);
	timers_arm(&one, &a, 1);
	timers_arm(&other, &b, 1);
	timers_disarm(&other, &a);
}

static void a_timer_of_another_heap_is_a_bug(void **state)
{
	(void)state;
	char said[512];
	assert_dies(disarm_in_another_heap, said, sizeof(said));
	assert_non_null(strstr(said, "timers_disarm"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_use_against_a_naive_model),
		cmocka_unit_test(equal_deadlines_fire_in_the_order_they_were_armed),
		cmocka_unit_test(nothing_fires_early),
		cmocka_unit_test(a_timer_of_another_heap_is_a_bug),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
