#include "base/trace.h"

#include "base/check.h"
#include "death.h"

struct seen {
	uint64_t next; /* the `a` that must come next */
	unsigned n;
};

static void expect_next(void *arg, const struct trace_record *r)
{
	struct seen *s = arg;
	assert_true(r->a == s->next);
	assert_true(r->now_ms == r->a * 10 && r->b == r->a + 1 && r->c == r->a + 2);
	assert_string_equal(r->what, "step");
	s->next++;
	s->n++;
}

static void keeps_the_last_records_oldest_first(void **state)
{
	(void)state;
	static struct trace t;
	trace_init(&t, "kvs");
	assert_string_equal(t.name, "kvs");
	struct seen none = { 0 };
	trace_each(&t, expect_next, &none);
	assert_int_equal(none.n, 0);
	for (uint64_t i = 0; i < 3 * TRACE_RECORDS + 5; i++) {
		trace_add(&t, i * 10, "step", i, i + 1, i + 2);
		uint64_t written = i + 1;
		struct seen s = { .next = written > TRACE_RECORDS ? written - TRACE_RECORDS : 0 };
		trace_each(&t, expect_next, &s);
		assert_true(s.next == written);
		assert_int_equal(s.n, written < TRACE_RECORDS ? written : TRACE_RECORDS);
	}
	assert_int_equal(t.count, 3 * TRACE_RECORDS + 5);
}

static struct trace ring;

static void panic_with_a_ring(void)
{
	trace_init(&ring, "kvs");
	trace_add(&ring, 12, "hello", 1, 2, 3);
	trace_add(&ring, 13, "goodbye", 4, 5, UINT64_MAX);
	trace_dump_on_panic(&ring);
	CHECK(!"a bug");
}

static void panic_after_the_ring_was_taken_away(void)
{
	trace_init(&ring, "kvs");
	trace_add(&ring, 12, "hello", 1, 2, 3);
	trace_dump_on_panic(&ring);
	trace_dump_on_panic(NULL);
	CHECK(!"a bug");
}

static void a_panic_shows_the_ring(void **state)
{
	(void)state;
	char said[2048];
	assert_dies(panic_with_a_ring, said, sizeof(said));
	const char *hello = strstr(said, "  12 ms hello 1 2 3\n");
	const char *goodbye = strstr(said, "  13 ms goodbye 4 5 18446744073709551615\n");
	assert_non_null(strstr(said, "a bug"));
	assert_non_null(hello);
	assert_non_null(goodbye);
	assert_true(hello < goodbye);
	assert_dies(panic_after_the_ring_was_taken_away, said, sizeof(said));
	assert_null(strstr(said, "hello"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last_records_oldest_first),
		cmocka_unit_test(a_panic_shows_the_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
