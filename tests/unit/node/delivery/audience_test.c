/* Who watches what, counted. */
#include "node/delivery/audience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct audience_content *enter(struct audience *a, const char *origin, const char *content)
{
	return audience_enter(a, bytes_str(origin), bytes_str(content));
}

static void viewers_come_and_go(void **state)
{
	(void)state;
	struct audience a;
	struct arena arena;
	struct watched *w;
	size_t n;
	audience_init(&a);
	arena_init(&arena, 1 << 16);
	struct audience_content *one = enter(&a, "main", "lv1");
	assert_ptr_equal(enter(&a, "main", "lv1"), one);
	struct audience_content *other = enter(&a, "mai", "nlv1"); /* the same letters */
	assert_ptr_not_equal(other, one);
	assert_ptr_not_equal(enter(&a, "main", "lv2"), one);
	assert_int_equal(audience_list(&a, &arena, &w, &n), OK);
	assert_int_equal(n, 3);
	qsort(w, n, sizeof(*w), watched_cmp);
	assert_int_equal(w[0].viewers, 2);
	assert_true(bytes_eq(w[0].content, BYTES_LIT("lv1")));
	assert_true(bytes_eq(w[1].origin, BYTES_LIT("mai")) && bytes_eq(w[2].content, BYTES_LIT("lv2")));
	audience_leave(&a, one);
	audience_leave(&a, other);
	audience_leave(&a, one);
	assert_int_equal(audience_list(&a, &arena, &w, &n), OK);
	assert_int_equal(n, 1);
	assert_true(bytes_eq(w[0].content, BYTES_LIT("lv2")));
	arena_fini(&arena);
	audience_fini(&a);
}

static void many_contents(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	static struct audience_content *c[MANY];
	struct audience a;
	char name[16];
	audience_init(&a);
	for (unsigned i = 0; i < 2 * MANY; i++) {
		snprintf(name, sizeof(name), "c%u", i % MANY);
		c[i % MANY] = enter(&a, "main", name);
	}
	assert_int_equal(a.n, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		audience_leave(&a, c[i]);
		audience_leave(&a, c[i]);
	}
	assert_int_equal(a.n, 0);
	audience_fini(&a);
}

static void a_small_arena_is_an_error(void **state)
{
	(void)state;
	struct audience a;
	struct arena arena;
	struct watched *w;
	size_t n;
	audience_init(&a);
	arena_init(&arena, 64);
	for (unsigned i = 0; i < 3; i++)
		(void)enter(&a, "main", i == 0 ? "a" : i == 1 ? "b" : "c");
	assert_int_equal(audience_list(&a, &arena, &w, &n), ERR_NO_MEMORY);
	arena_fini(&arena);
	audience_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(viewers_come_and_go),
		cmocka_unit_test(many_contents),
		cmocka_unit_test(a_small_arena_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
