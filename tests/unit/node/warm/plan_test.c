/* Where names lead, and what is fetched when. */
#include "node/warm/plan.h"
#include "node/warm/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- resolve -- */

static void names_lead_to_objects_of_the_content(void **state)
{
	(void)state;
	static const struct {
		const char *base, *uri, *object; /* NULL: not of the content */
	} cases[] = {
		{ "a/b/master.m3u8", "v/index.m3u8", "a/b/v/index.m3u8" },
		{ "a/b/v/index.m3u8", "seg-1.m4s", "a/b/v/seg-1.m4s" },
		{ "a/b/v/index.m3u8", "./x/../seg.m4s?q=1#f", "a/b/v/seg.m4s" },
		{ "a/b/v/index.m3u8", "../audio/1.aac", "a/b/audio/1.aac" },
		{ "a/b/v/index.m3u8", "%41%20b.ts", "a/b/v/A b.ts" },
		{ "a/b/v w/index.m3u8", "s.ts", "a/b/v w/s.ts" }, /* the folder is decoded once */
		{ "a/b/v%41/index.m3u8", "s.ts", "a/b/v%41/s.ts" }, { "a/b/master.m3u8", "../bb/x.ts", NULL },
		{ "a/b/master.m3u8", "../../../x.ts", NULL }, { "a/b/master.m3u8", "../b", NULL },
		{ "a/b/master.m3u8", "..", NULL }, { "a/b/master.m3u8", ".", NULL }, { "a/b/master.m3u8", "", NULL },
		{ "a/b/master.m3u8", "?x", NULL }, { "a/b/master.m3u8", "v/", NULL },
		{ "a/b/master.m3u8", "v//x", NULL }, { "a/b/master.m3u8", "/a/b/x.ts", NULL },
		{ "a/b/master.m3u8", "//host/a/b/x.ts", NULL }, { "a/b/master.m3u8", "http://host/a/b/x.ts", NULL },
		{ "a/b/master.m3u8", "data:text/plain,x", NULL }, { "a/b/master.m3u8", "%2e%2e/x.ts", NULL },
		{ "a/b/master.m3u8", "x%2Fy.ts", NULL }, { "a/b/master.m3u8", "x%00.ts", NULL },
		{ "a/b/master.m3u8", "%zz", NULL }, { "a/b/master.m3u8", "\xff", NULL },
		{ "a/b/master.m3u8", "1:2.ts", "a/b/1:2.ts" }, /* no scheme begins with a digit */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena a;
		struct bytes object;
		arena_init(&a, 4096);
		enum err e =
		    warm_resolve(BYTES_LIT("a/b"), bytes_str(cases[i].base), bytes_str(cases[i].uri), &a, &object);
		if (cases[i].object == NULL) {
			if (e != ERR_NOT_FOUND)
				fail_msg("%s is taken", cases[i].uri);
		} else if (e != OK || !bytes_eq(object, bytes_str(cases[i].object))) {
			fail_msg("%s: %s, %.*s", cases[i].uri, err_str(e), e == OK ? (int)object.n : 0,
			    e == OK ? (const char *)object.p : "");
		}
		arena_fini(&a);
	}
}

static void a_small_arena_is_an_error(void **state)
{
	(void)state;
	struct arena a;
	struct bytes object;
	arena_init(&a, 8);
	assert_int_equal(
	    warm_resolve(BYTES_LIT("a"), BYTES_LIT("a/m"), BYTES_LIT("segment"), &a, &object), ERR_NO_MEMORY);
	arena_fini(&a);
}

/* -- plan -- */

static bool is(const struct plan_item *item, const char *object)
{
	return item != NULL && bytes_eq(bytes_of(item->object, item->object_n), bytes_str(object));
}

static void playlists_come_first_and_nothing_twice(void **state)
{
	(void)state;
	struct plan *p = plan_new(10);
	plan_add(p, BYTES_LIT("1"), false);
	plan_add(p, BYTES_LIT("a"), true);
	plan_add(p, BYTES_LIT("1"), true);
	plan_add(p, BYTES_LIT("2"), false);
	assert_int_equal(plan_waiting(p), 3);
	const struct plan_item *a = plan_next(p);
	assert_true(is(a, "a") && a->playlist);
	assert_true(is(plan_next(p), "1"));
	plan_add(p, BYTES_LIT("b"), true);
	plan_add(p, BYTES_LIT("1"), false); /* known, though it was taken */
	assert_true(is(plan_next(p), "b"));
	assert_true(is(plan_next(p), "2"));
	assert_null(plan_next(p));
	assert_int_equal(plan_waiting(p), 0);
	plan_free(p);
	plan_free(NULL);
}

static void what_failed_is_tried_again_at_the_end(void **state)
{
	(void)state;
	struct plan *p = plan_new(10);
	plan_add(p, BYTES_LIT("1"), false);
	plan_add(p, BYTES_LIT("2"), false);
	struct plan_item *one = plan_next(p);
	for (unsigned i = 1; i < PLAN_TRIES_MAX; i++) {
		assert_int_equal(one->tries, i);
		assert_true(plan_again(p, one));
		struct plan_item *next = plan_next(p);
		assert_true(i > 1 || is(next, "2"));
		if (i == 1)
			next = plan_next(p);
		assert_ptr_equal(next, one);
	}
	assert_false(plan_again(p, one));
	assert_null(plan_next(p));
	plan_free(p);
}

static void it_is_bounded(void **state)
{
	(void)state;
	enum { MANY = 3000, MOST = 1000 };
	struct plan *p = plan_new(MOST);
	char name[16];
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		plan_add(p, bytes_str(name), i % 3 == 0);
	}
	assert_int_equal(plan_waiting(p), MOST);
	assert_int_equal(plan_left_out(p), MANY - MOST);
	plan_add(p, BYTES_LIT("o1"), false);
	assert_int_equal(plan_left_out(p), MANY - MOST); /* known: not left out */
	size_t n = 0, tried_again = 0;
	for (struct plan_item *item; (item = plan_next(p)) != NULL; n++)
		if (item->tries == 1 && n % 2 == 0)
			tried_again += plan_again(p, item);
	assert_int_equal(n, MOST + tried_again);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_to_objects_of_the_content),
		cmocka_unit_test(a_small_arena_is_an_error),
		cmocka_unit_test(playlists_come_first_and_nothing_twice),
		cmocka_unit_test(what_failed_is_tried_again_at_the_end),
		cmocka_unit_test(it_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
