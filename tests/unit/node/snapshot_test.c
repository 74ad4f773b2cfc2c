#include "node/snapshot.h"

#include "base/check.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { READERS = 3, VIEWS = 3000, READS_MIN = 1000 };

/* Every part of view `number` says its number, so that a torn or freed one shows. */
static struct cluster_view *view_of(uint64_t number)
{
	size_t n = 1 + number % 7;
	struct cluster_view *v = cluster_view_new(n);
	v->made_mono_ms = number;
	for (size_t i = 0; i < n; i++) {
		v->nodes[i].id.b[0] = (uint8_t)(10 * (i + 1));
		v->nodes[i].load_seen_ms = number;
	}
	return v;
}

static void starts_empty_and_serves_the_newest(void **state)
{
	(void)state;
	struct view_publisher p;
	view_publisher_init(&p, 2);
	const struct cluster_view *v = view_acquire(&p, 0);
	assert_int_equal(v->nodes_n, 0);
	view_publish(&p, view_of(1));
	/* What a reader holds stays as it was; another reader sees the new one. */
	assert_int_equal(v->nodes_n, 0);
	assert_int_equal(view_acquire(&p, 1)->made_mono_ms, 1);
	view_release(&p, 1);
	view_release(&p, 0);
	assert_int_equal(view_acquire(&p, 0)->made_mono_ms, 1);
	view_release(&p, 0);
	view_publisher_fini(&p);
}

static void keeps_no_more_views_than_readers(void **state)
{
	(void)state;
	struct view_publisher p;
	view_publisher_init(&p, 2);
	view_publish(&p, view_of(1));
	(void)view_acquire(&p, 0);
	for (uint64_t i = 2; i < 100; i++)
		view_publish(&p, view_of(i));
	assert_int_equal(p.retired->made_mono_ms, 1);
	assert_null(p.retired->next_retired);
	view_release(&p, 0);
	view_publish(&p, view_of(100));
	assert_null(p.retired);
	view_publisher_fini(&p);
}

static void finds_by_id(void **state)
{
	(void)state;
	struct cluster_view *v = view_of(6);
	struct node_id id = { { 0 } };
	for (size_t i = 0; i < v->nodes_n; i++)
		assert_ptr_equal(cluster_view_find(v, &v->nodes[i].id), &v->nodes[i]);
	for (unsigned b = 0; b < 256; b += 5) {
		id.b[0] = (uint8_t)b;
		assert_int_equal(cluster_view_find(v, &id) != NULL, b % 10 == 0 && b >= 10 && b <= 70);
	}
	cluster_view_free(v);
}

struct reading {
	struct view_publisher *p;
	size_t reader;
	atomic_bool *done;
	uint64_t reads;
};

static void *read_views(void *arg)
{
	struct reading *r = arg;
	uint64_t last = 0;
	bool done = false;
	while (!done || r->reads < READS_MIN) {
		done = atomic_load(r->done);
		const struct cluster_view *v = view_acquire(r->p, r->reader);
		CHECK(v->made_mono_ms >= last);
		last = v->made_mono_ms;
		for (size_t i = 0; i < v->nodes_n; i++)
			CHECK(v->nodes[i].load_seen_ms == v->made_mono_ms);
		view_release(r->p, r->reader);
		r->reads++;
	}
	CHECK(last == VIEWS);
	return NULL;
}

static void readers_race_a_publisher(void **state)
{
	(void)state;
	struct view_publisher p;
	atomic_bool done = false;
	pthread_t threads[READERS];
	struct reading readings[READERS];
	view_publisher_init(&p, READERS);
	for (size_t i = 0; i < READERS; i++) {
		readings[i] = (struct reading){ &p, i, &done, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, read_views, &readings[i]), 0);
	}
	for (uint64_t i = 1; i <= VIEWS; i++) {
		view_publish(&p, view_of(i));
		if (i % 64 == 0)
			sched_yield();
	}
	atomic_store(&done, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	view_publisher_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty_and_serves_the_newest),
		cmocka_unit_test(keeps_no_more_views_than_readers),
		cmocka_unit_test(finds_by_id),
		cmocka_unit_test(readers_race_a_publisher),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
