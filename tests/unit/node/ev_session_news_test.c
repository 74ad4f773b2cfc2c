/* Session news: sorted batches, a bound, many writers. */
#include "node/ev_session_news.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WRITERS = 4, EACH = 3000 };

static int setup(void **state)
{
	static struct session_news s;
	session_news_init(&s);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	session_news_fini(*state);
	return 0;
}

static bool add(struct session_news *s, uint8_t node, unsigned session, bool ended)
{
	struct node_id n = { { node } };
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &session, sizeof(session));
	return session_news_add(s, &n, &id, ended);
}

static unsigned session_of(const struct session_news_item *i)
{
	unsigned v;
	memcpy(&v, i->id.b, sizeof(v));
	return v;
}

static void a_batch_is_sorted_by_node_with_ends_first(void **state)
{
	struct session_news *s = *state;
	const struct session_news_item *items;
	assert_int_equal(session_news_take(s, &items), 0);
	assert_true(add(s, 2, 1, false));
	assert_true(add(s, 1, 2, false));
	assert_true(add(s, 2, 3, true));
	assert_true(add(s, 1, 4, true));
	assert_true(add(s, 2, 5, true));
	assert_int_equal(session_news_take(s, &items), 5);
	static const struct {
		uint8_t node;
		bool ended;
	} expected[] = { { 1, true }, { 1, false }, { 2, true }, { 2, true }, { 2, false } };
	unsigned seen = 0;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(items[i].node.b[0], expected[i].node);
		assert_int_equal(items[i].ended, expected[i].ended);
		seen |= 1u << session_of(&items[i]);
	}
	assert_int_equal(seen, 0x3e);
	assert_int_equal(session_news_take(s, &items), 0);
}

static void a_taken_batch_stays_while_the_next_is_gathered(void **state)
{
	struct session_news *s = *state;
	const struct session_news_item *first, *second;
	assert_true(add(s, 1, 1, false));
	assert_int_equal(session_news_take(s, &first), 1);
	assert_true(add(s, 2, 2, false));
	assert_int_equal(session_of(&first[0]), 1);
	assert_int_equal(session_news_take(s, &second), 1);
	assert_int_equal(session_of(&second[0]), 2);
}

static void past_the_bound_it_says_no(void **state)
{
	struct session_news *s = *state;
	for (unsigned i = 0; i < SESSION_NEWS_MAX; i++)
		assert_true(add(s, 1, i, false));
	assert_false(add(s, 1, 0, true));
	assert_false(add(s, 2, 0, true));
	assert_int_equal(session_news_dropped(s), 2);
	const struct session_news_item *items;
	assert_int_equal(session_news_take(s, &items), SESSION_NEWS_MAX);
	assert_true(add(s, 1, 0, true));
	assert_int_equal(session_news_take(s, &items), 1);
	assert_int_equal(session_news_dropped(s), 2);
}

struct writer {
	pthread_t thread;
	struct session_news *news;
	uint8_t node;
	atomic_int *running;
	unsigned added;
};

static void *write_news(void *arg)
{
	struct writer *w = arg;
	for (unsigned i = 0; i < EACH; i++)
		w->added += add(w->news, w->node, i, i % 2 == 0);
	atomic_fetch_sub(w->running, 1);
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	struct session_news *s = *state;
	struct writer w[WRITERS] = { 0 };
	atomic_int running = WRITERS;
	size_t taken[WRITERS] = { 0 };
	for (uint8_t i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ .news = s, .node = i, .running = &running };
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_news, &w[i]), 0);
	}
	for (bool last = false; !last;) {
		last = atomic_load(&running) == 0;
		const struct session_news_item *items;
		size_t n = session_news_take(s, &items);
		for (size_t i = 0; i < n; i++) {
			assert_true(i == 0 || node_id_cmp(&items[i - 1].node, &items[i].node) <= 0);
			taken[items[i].node.b[0]]++;
		}
	}
	unsigned added = 0;
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(taken[i], w[i].added);
		added += w[i].added;
	}
	assert_int_equal(added + session_news_dropped(s), WRITERS * EACH);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_batch_is_sorted_by_node_with_ends_first),
		T(a_taken_batch_stays_while_the_next_is_gathered),
		T(past_the_bound_it_says_no),
		T(nothing_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
