/* What is told of a content, and when it is to be measured. */
#include "node/cache/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { UNITS_MAX = 1201 };

struct fixture {
	struct contents t;
	struct contents_told told;
	struct unit *units[UNITS_MAX];
	size_t n;
	uint64_t now_ms;
	struct arena arena;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	contents_init(&f->t);
	arena_init(&f->arena, 1 << 20);
	f->now_ms = 1000;
	*state = f;
	return 0;
}

static unsigned drop(struct fixture *f)
{
	struct unit *u = f->units[--f->n];
	unsigned changes = contents_remove(&f->t, u, f->now_ms);
	unit_free(u);
	return changes;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	while (f->n > 0)
		(void)drop(f);
	contents_fini(&f->t);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

static unsigned add(struct fixture *f, const char *object)
{
	struct record r = { .key = { .origin = BYTES_LIT("main"), .object = bytes_str(object) },
		.content = BYTES_LIT("c"),
		.length = 10 };
	assert_true(f->n < UNITS_MAX);
	f->units[f->n] = unit_new(&r, 0);
	return contents_add(&f->t, f->units[f->n++], f->now_ms);
}

static void add_segments(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "c/%zu.ts", f->n);
		(void)add(f, name);
	}
}

static bool tells(struct fixture *f)
{
	return contents_tell(&f->t, f->now_ms, &f->told);
}

static unsigned measured(struct fixture *f, uint32_t share, uint32_t kbps)
{
	struct cache_measure m = { .share_permille = share, .kbps = kbps, .segments = 128 };
	return contents_measured(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), (uint32_t)f->n, &m, f->now_ms);
}

static bool is_due(struct fixture *f, uint64_t *at_ms)
{
	struct cache_unmeasured u;
	bool due = contents_next_unmeasured(&f->t, f->now_ms, &f->arena, &u, at_ms);
	if (due) {
		assert_true(bytes_eq(u.origin, BYTES_LIT("main")) && bytes_eq(u.content, BYTES_LIT("c")));
		assert_int_equal(u.objects, f->n);
		assert_true(u.playlists_n > 0);
		for (size_t i = 0; i < u.playlists_n; i++)
			assert_true(bytes_ends_with(u.playlists[i], BYTES_LIT(".m3u8")));
	}
	return due;
}

/* -- telling -- */

static void a_little_is_told_later(void **state)
{
	struct fixture *f = *state;
	add_segments(f, 16);
	assert_true(tells(f));
	assert_int_equal(f->told.news.objects, 16);
	assert_false(f->told.news.measured);
	add_segments(f, 1);
	assert_false(tells(f));
	f->now_ms += CONTENTS_TELL_LATE_MS - 1;
	assert_false(contents_has_news(&f->t, f->now_ms));
	f->now_ms++;
	assert_true(contents_has_news(&f->t, f->now_ms));
	assert_true(tells(f));
	assert_int_equal(f->told.news.objects, 17);
	assert_false(tells(f));
	f->now_ms += 10 * CONTENTS_TELL_LATE_MS;
	assert_false(tells(f));
}

static void much_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	add_segments(f, 16);
	assert_true(tells(f));
	add_segments(f, 1);
	assert_false(tells(f));
	add_segments(f, 1); /* an eighth */
	assert_true(tells(f));
	assert_int_equal(f->told.news.objects, 18);
	assert_false(f->told.news.fewer);
	f->now_ms += 10 * CONTENTS_TELL_LATE_MS;
	assert_false(tells(f));                                                  /* and not a second time */
	assert_int_equal(add(f, "c/index.m3u8") & CONTENTS_NEWS, CONTENTS_NEWS); /* an entry */
	assert_true(tells(f));
	while (f->n > 0)
		(void)drop(f);
	assert_true(tells(f));
	assert_int_equal(f->told.news.objects, 0);
	assert_int_equal(f->t.n, 0);
}

static void steps_of_the_share_are_told(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t share;
		bool told;
	} steps[] = { { 10, true }, { 100, false }, { 126, true }, { 124, false }, { 100, true }, { 130, true },
		{ 249, false }, { 251, true }, { 1000, true }, { 990, false }, { 870, true }, { 1, true },
		{ 0, true }, { 0, false }, { 500, true } };
	(void)add(f, "c/v/index.m3u8");
	add_segments(f, 127);
	assert_true(tells(f));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		unsigned changes = measured(f, steps[i].share, 0);
		assert_int_equal(changes & CONTENTS_NEWS, steps[i].told ? CONTENTS_NEWS : 0);
		assert_int_equal(tells(f), steps[i].told);
		if (steps[i].told) {
			assert_true(f->told.news.measured);
			assert_int_equal(f->told.news.share_permille, steps[i].share);
		}
	}
	add_segments(f, 100); /* with a known share they say nothing */
	assert_false(tells(f));
	(void)measured(f, 500, 4000);
	assert_true(tells(f));
	assert_int_equal(f->told.news.kbps, 4000);
	(void)measured(f, 500, 4400);
	assert_false(tells(f));
	(void)measured(f, 500, 4500);
	assert_true(tells(f));
}

/* Passes so many seconds; what is due is measured and told at once. */
static void pass(struct fixture *f, unsigned seconds, unsigned segments, unsigned *told, unsigned *looked)
{
	uint64_t at_ms;
	for (unsigned i = 0; i < seconds; i++) {
		f->now_ms += 1000;
		if (is_due(f, &at_ms)) {
			struct cache_measure m = { .share_permille = (uint32_t)(f->n - 1) * 1000 / segments,
				.segments = segments };
			(void)contents_measured(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), (uint32_t)f->n, &m, f->now_ms);
			++*looked;
		}
		*told += tells(f);
	}
}

/* Two hours of a programme, a segment every six seconds: some updates instead of 1,200. */
static void a_long_viewing_says_little(void **state)
{
	struct fixture *f = *state;
	enum { SEGMENTS = UNITS_MAX - 1 };
	unsigned told = 0, looked = 0;
	(void)add(f, "c/v/index.m3u8");
	for (unsigned i = 0; i < SEGMENTS; i++) {
		add_segments(f, 1);
		pass(f, 6, SEGMENTS, &told, &looked);
	}
	pass(f, 61, SEGMENTS, &told, &looked);
	assert_int_equal(f->told.news.share_permille, 1000);
	assert_in_range(told, 9, 40);
	assert_in_range(looked, 60, 200);
}

/* The playlists are gone: there is no other measure any more. */
static void a_share_shrinks_without_playlists(void **state)
{
	struct fixture *f = *state;
	add_segments(f, 99);
	(void)add(f, "c/v/index.m3u8");
	assert_true(tells(f));
	(void)measured(f, 800, 0);
	assert_true(tells(f));
	(void)drop(f); /* the playlist */
	while (f->n > 50)
		(void)drop(f);
	assert_true(tells(f));
	assert_true(f->told.news.fewer);
	assert_int_equal(f->told.news.share_permille, 400);
	while (f->n > 1)
		(void)drop(f);
	assert_true(tells(f));
	assert_int_equal(f->told.news.share_permille, 8);
}

/* -- measuring -- */

static void a_playlist_is_measured_soon(void **state)
{
	struct fixture *f = *state;
	uint64_t at_ms = 0;
	add_segments(f, 10);
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, UINT64_MAX);
	assert_int_equal(add(f, "c/v/index.m3u8") & CONTENTS_UNMEASURED, CONTENTS_UNMEASURED);
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, 1000 + CONTENTS_MEASURE_SOON_MS);
	f->now_ms = at_ms;
	add_segments(f, 1); /* it is due already, and stays so */
	assert_true(is_due(f, &at_ms));
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, UINT64_MAX);
	assert_int_equal(measured(f, 90, 0) & CONTENTS_UNMEASURED, 0);
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, UINT64_MAX);
}

static void some_segments_are_measured_later(void **state)
{
	struct fixture *f = *state;
	uint64_t at_ms = 0;
	(void)add(f, "c/v/index.m3u8");
	f->now_ms += CONTENTS_MEASURE_SOON_MS;
	assert_true(is_due(f, &at_ms));
	(void)measured(f, 1, 0); /* of 128 segments: two are a 64th */
	add_segments(f, 1);
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, f->now_ms + CONTENTS_MEASURE_LATE_MS);
	f->now_ms += 50;
	add_segments(f, 1);
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, f->now_ms + CONTENTS_MEASURE_SOON_MS);
	f->now_ms = at_ms;
	assert_true(is_due(f, &at_ms));
	/* What changed while it was measured. */
	struct cache_measure m = { .share_permille = 15, .segments = 128 };
	assert_int_not_equal(
	    contents_measured(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), 1, &m, f->now_ms) & CONTENTS_UNMEASURED,
	    0);
	f->now_ms += CONTENTS_MEASURE_SOON_MS;
	assert_true(is_due(f, &at_ms));
	(void)measured(f, 15, 0);
	add_segments(f, 1);
	while (f->n > 0)
		(void)drop(f); /* nothing is left to measure by */
	assert_false(is_due(f, &at_ms));
	assert_int_equal(at_ms, UINT64_MAX);
}

static void an_arena_without_room(void **state)
{
	struct fixture *f = *state;
	uint64_t at_ms = 0;
	struct arena none;
	struct cache_unmeasured u;
	arena_init(&none, 1);
	(void)add(f, "c/v/index.m3u8");
	f->now_ms += CONTENTS_MEASURE_SOON_MS;
	assert_false(contents_next_unmeasured(&f->t, f->now_ms, &none, &u, &at_ms));
	f->now_ms += CONTENTS_MEASURE_LATE_MS;
	assert_true(is_due(f, &at_ms));
	arena_fini(&none);
}

static void playlists_are_named(void **state)
{
	struct fixture *f = *state;
	struct bytes names[CACHE_PLAYLISTS_MAX];
	assert_int_equal(contents_playlists(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), &f->arena, names), 0);
	add_segments(f, 1);
	for (unsigned i = 0; i < CACHE_PLAYLISTS_MAX + 3; i++) {
		char name[32];
		snprintf(name, sizeof(name), "c/%u.m3u8", i);
		(void)add(f, name);
	}
	assert_int_equal(
	    contents_playlists(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), &f->arena, names), CACHE_PLAYLISTS_MAX);
	assert_true(bytes_eq(names[1], BYTES_LIT("c/1.m3u8")));
	while (f->n > 2)
		(void)drop(f);
	assert_int_equal(contents_playlists(&f->t, BYTES_LIT("main"), BYTES_LIT("c"), &f->arena, names), 1);
	assert_true(bytes_eq(names[0], BYTES_LIT("c/0.m3u8")));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_little_is_told_later),
		T(much_is_told_at_once),
		T(steps_of_the_share_are_told),
		T(a_long_viewing_says_little),
		T(a_share_shrinks_without_playlists),
		T(a_playlist_is_measured_soon),
		T(some_segments_are_measured_later),
		T(an_arena_without_room),
		T(playlists_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
