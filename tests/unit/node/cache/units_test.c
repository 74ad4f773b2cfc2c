#include "node/cache/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct unit *make(const char *content, const char *object, uint64_t length)
{
	struct record r = { .key = { .origin = BYTES_LIT("main"), .object = bytes_str(object) },
		.content = bytes_str(content),
		.etag = BYTES_LIT("\"e\""),
		.length = length };
	return unit_new(&r, 0);
}

static void test_finds_what_was_put(void **state)
{
	(void)state;
	enum { N = 2000 };
	struct units t;
	units_init(&t);
	char name[32];
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "c/%u", i);
		units_put(&t, make("c", name, i));
	}
	assert_int_equal(t.n, N);
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "c/%u", i);
		struct cache_key k = { .origin = BYTES_LIT("main"), .object = bytes_str(name) };
		struct unit_id id;
		record_unit_id(&k, &id);
		struct unit *u = units_find(&t, &id, &k);
		assert_non_null(u);
		assert_int_equal(u->record.length, i);
		k.object = BYTES_LIT("another key with this id");
		assert_null(units_find(&t, &id, &k));
		units_take(&t, u);
		assert_null(units_at(&t, &id));
		unit_free(u);
	}
	assert_int_equal(t.n, 0);
	assert_null(units_any(&t));
	units_fini(&t);
}

static void test_any_yields_all(void **state)
{
	(void)state;
	enum { N = 500 };
	struct units t;
	units_init(&t);
	units_reserve(&t, N);
	size_t mask = t.mask;
	assert_true(mask >= N);
	char name[32];
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "c/%u", i);
		units_put(&t, make("c", name, i));
		/* Some go between, so that what comes lies below where the search stood. */
		if (i % 7 == 3) {
			struct unit *u = units_any(&t);
			units_take(&t, u);
			unit_free(u);
		}
	}
	assert_int_equal(t.mask, mask); /* it had room */
	units_reserve(&t, 1);
	assert_int_equal(t.mask, mask);
	unsigned n = 0;
	for (struct unit *u; (u = units_any(&t)) != NULL; n++) {
		units_take(&t, u);
		unit_free(u);
	}
	assert_int_equal(n, N - N / 7);
	assert_int_equal(t.n, 0);
	units_fini(&t);
}

static void test_counts_contents(void **state)
{
	(void)state;
	struct contents t;
	struct contents_told told;
	contents_init(&t);
	assert_false(contents_tell(&t, 0, &told));
	struct unit *index = make("a/b", "a/b/index.m3u8", 10), *master = make("a/b", "a/b/master.m3u8", 20);
	struct unit *deep = make("a/b", "a/b/x/manifest.mpd", 5), *other = make("z", "z/1.m4s", 1);
	assert_true((contents_add(&t, deep, 0) & CONTENTS_NEWS) != 0);
	assert_false((contents_add(&t, index, 0) & CONTENTS_NEWS) != 0);
	assert_false((contents_add(&t, master, 0) & CONTENTS_NEWS) != 0);
	assert_false((contents_add(&t, other, 0) & CONTENTS_NEWS) != 0);
	assert_int_equal(t.units, 4);
	assert_int_equal(t.bytes, 36);
	assert_true(contents_tell(&t, 0, &told));
	assert_true(
	    bytes_eq(told.news.content, BYTES_LIT("a/b")) && bytes_eq(told.news.origin, BYTES_LIT("main")));
	assert_true(bytes_eq(told.news.entry, BYTES_LIT("master.m3u8")));
	assert_int_equal(told.news.bytes, 35);
	assert_int_equal(told.news.objects, 3);
	assert_true(contents_tell(&t, 0, &told));
	assert_true(bytes_eq(told.news.content, BYTES_LIT("z")));
	assert_int_equal(told.news.entry.n, 0);
	assert_false(contents_tell(&t, 0, &told));
	assert_true((contents_remove(&t, master, 0) & CONTENTS_NEWS) != 0);
	assert_true(contents_tell(&t, 0, &told));
	assert_true(bytes_eq(told.news.entry, BYTES_LIT("index.m3u8")));
	assert_true((contents_remove(&t, index, 0) & CONTENTS_NEWS) != 0);
	assert_true(contents_tell(&t, 0, &told));
	assert_int_equal(told.news.entry.n, 0); /* x/manifest.mpd is not the content's own */
	assert_true((contents_remove(&t, deep, 0) & CONTENTS_NEWS) != 0);
	assert_false((contents_remove(&t, other, 0) & CONTENTS_NEWS) != 0);
	assert_true(contents_tell(&t, 0, &told));
	assert_int_equal(told.news.objects, 0);
	assert_true(contents_tell(&t, 0, &told));
	assert_false(contents_tell(&t, 0, &told));
	assert_int_equal(t.n, 0); /* told to the end: forgotten */
	unit_free(index);
	unit_free(master);
	unit_free(deep);
	unit_free(other);
	contents_fini(&t);
}

static void test_many_contents(void **state)
{
	(void)state;
	enum { N = 1000 };
	struct contents t;
	struct contents_told told;
	struct unit *units[N];
	char content[32], object[48];
	contents_init(&t);
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(content, sizeof(content), "c%u", i);
		(void)snprintf(object, sizeof(object), "c%u/manifest.mpd", i);
		units[i] = make(content, object, 1);
		assert_int_equal(contents_add(&t, units[i], 0), i == 0 ? CONTENTS_NEWS : 0);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_true(contents_tell(&t, 0, &told)); /* in the order in which they changed */
		(void)snprintf(content, sizeof(content), "c%u", i);
		assert_true(bytes_eq(told.news.content, bytes_str(content)));
	}
	for (unsigned i = 0; i < N; i++) {
		(void)contents_remove(&t, units[i], 0);
		unit_free(units[i]);
	}
	contents_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_was_put),
		cmocka_unit_test(test_any_yields_all),
		cmocka_unit_test(test_counts_contents),
		cmocka_unit_test(test_many_contents),
	};
	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
