/* For whom objects are fetched ahead, and which. */
#include "node/warm/prefetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- how many -- */

static void a_full_player_is_in_no_hurry(void **state)
{
	(void)state;
	assert_int_equal(prefetch_depth(3, false, 0), 3);
	assert_int_equal(prefetch_depth(3, true, 0), 3);
	assert_int_equal(prefetch_depth(3, true, PREFETCH_CALM_MS - 1), 3);
	assert_int_equal(prefetch_depth(3, true, PREFETCH_CALM_MS), 2);
	assert_int_equal(prefetch_depth(3, true, PREFETCH_FULL_MS), 1);
	assert_int_equal(prefetch_depth(1, true, PREFETCH_CALM_MS), 1);
	assert_int_equal(prefetch_depth(0, true, PREFETCH_FULL_MS), 0);
}

/* -- which -- */

/* What follows, one line each; "?" when the playlist does not name the object. */
static void assert_following(const char *playlist, const char *object, unsigned most, const char *expected)
{
	struct arena a;
	struct bytes out[PREFETCH_AHEAD_MAX];
	size_t n = 99;
	struct buf got;
	arena_init(&a, 1 << 16);
	buf_init(&got, 4096);
	bool found = prefetch_following(bytes_str(playlist), BYTES_LIT("c"), BYTES_LIT("c/v/index.m3u8"),
	    bytes_str(object), most, &a, out, &n);
	if (!found) {
		assert_int_equal(n, 0);
		buf_put_str(&got, "?");
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(&got, "%.*s\n", (int)out[i].n, (const char *)out[i].p);
	buf_put_u8(&got, '\0');
	assert_string_equal((const char *)got.p, expected);
	buf_fini(&got);
	arena_fini(&a);
}

static void what_follows_in_a_playlist(void **state)
{
	(void)state;
	static const char plain[] = "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n0.m4s\n#EXTINF:4,\n1.m4s\n"
	                            "#EXTINF:4,\n2.m4s\n#EXTINF:4,\n3.m4s\n#EXTINF:4,\n10.m4s\n";
	assert_following(plain, "c/v/0.m4s", 2, "c/v/1.m4s\nc/v/2.m4s\n"); /* 10.m4s ends alike */
	assert_following(plain, "c/v/2.m4s", 3, "c/v/3.m4s\nc/v/10.m4s\n");
	assert_following(plain, "c/v/10.m4s", 3, "");
	assert_following(plain, "c/v/0.m4s", 0, "");
	assert_following(plain, "c/w/0.m4s", 3, "?");
	assert_following(plain, "c/v/init.mp4", 3, "?");
	assert_following("", "c/v/0.m4s", 3, "?");
	assert_following("#EXTM3U\n%30.m4s?x=1\n1%20.m4s?y#z\n../../elsewhere/2.m4s\n../w/2.m4s\n", "c/v/0.m4s",
	    3, "c/v/1 .m4s\nc/w/2.m4s\n");
	/* Parts of files. */
	assert_following(
	    "#EXTM3U\na.mp4\na.mp4\nb.mp4\nb.mp4\na.mp4\nc.mp4\n", "c/v/a.mp4", 3, "c/v/b.mp4\nc/v/c.mp4\n");
	assert_following("#EXTM3U\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", "c/v/0", 100,
	    "c/v/1\nc/v/2\nc/v/3\nc/v/4\nc/v/5\nc/v/6\nc/v/7\nc/v/8\n");
}

/* -- for whom -- */

static const struct config_origin main_origin = { .name = "main" };

static struct rpc_session_id viewer(unsigned number)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &number, sizeof(number));
	return id;
}

/* Objects "NUMBERa", "NUMBERb" ... */
static void put(struct prefetch *p, unsigned number, size_t n, uint32_t buffer_ms, uint64_t now_ms)
{
	char names[PREFETCH_AHEAD_MAX][16];
	struct bytes objects[PREFETCH_AHEAD_MAX];
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "%u%c", number, (char)('a' + i));
		objects[i] = bytes_str(names[i]);
	}
	struct prefetch_wish w = { .viewer = viewer(number),
		.origin = &main_origin,
		.content = BYTES_LIT("c"),
		.playlist = BYTES_LIT("c/v/index.m3u8"),
		.objects = objects,
		.n = n,
		.buffer_ms = buffer_ms };
	prefetch_put(p, &w, now_ms);
}

static void assert_taken(struct prefetch *p, uint64_t now_ms, const char *expected)
{
	struct prefetch_object o;
	if (expected == NULL) {
		assert_false(prefetch_take(p, now_ms, &o));
		assert_false(prefetch_waits(p));
		return;
	}
	assert_true(prefetch_waits(p));
	assert_true(prefetch_take(p, now_ms, &o));
	assert_ptr_equal(o.origin, &main_origin);
	assert_true(bytes_eq(o.content, BYTES_LIT("c")));
	assert_true(bytes_eq(o.object, bytes_str(expected)));
}

static void the_first_of_all_before_the_second_of_any(void **state)
{
	(void)state;
	struct prefetch *p = prefetch_new();
	assert_taken(p, 0, NULL);
	put(p, 1, 2, 20000, 0);
	put(p, 2, 3, 1000, 0);
	put(p, 3, 1, 5000, 0);
	assert_taken(p, 1, "2a"); /* the emptiest first */
	assert_taken(p, 1, "3a");
	assert_taken(p, 1, "1a");
	assert_taken(p, 1, "2b");
	assert_taken(p, 1, "1b");
	assert_taken(p, 1, "2c");
	assert_taken(p, 1, NULL);
	prefetch_free(p);
	prefetch_free(NULL);
}

static void a_new_word_replaces_the_old_one(void **state)
{
	(void)state;
	struct prefetch *p = prefetch_new();
	struct rpc_session_id one = viewer(1), two = viewer(2);
	assert_int_equal(prefetch_playlist(p, &one).n, 0);
	put(p, 1, 3, 0, 0);
	assert_taken(p, 0, "1a");
	put(p, 1, 1, 0, 5);
	assert_taken(p, 5, "1a");
	assert_taken(p, 5, NULL);
	put(p, 1, 3, 0, 6);
	put(p, 1, 0, 0, 7); /* all of it is there */
	assert_taken(p, 7, NULL);
	assert_true(bytes_eq(prefetch_playlist(p, &one), BYTES_LIT("c/v/index.m3u8")));
	assert_int_equal(prefetch_playlist(p, &two).n, 0);
	prefetch_free(p);
}

static void who_stops_is_forgotten(void **state)
{
	(void)state;
	struct prefetch *p = prefetch_new();
	put(p, 1, 3, 0, 1000);
	put(p, 2, 1, 1, 2000);
	assert_taken(p, 1000 + PREFETCH_STALE_MS + 1, "2a");
	assert_taken(p, 1000 + PREFETCH_STALE_MS + 1, NULL);
	assert_int_equal(prefetch_stale(p), 3);
	prefetch_free(p);
}

static void of_many_the_last_are_known(void **state)
{
	(void)state;
	struct prefetch *p = prefetch_new();
	for (unsigned i = 1; i <= PREFETCH_VIEWERS_MAX + 10; i++)
		put(p, i, 2, 0, i);
	struct rpc_session_id forgotten = viewer(10), known = viewer(11);
	assert_int_equal(prefetch_playlist(p, &forgotten).n, 0);
	assert_int_not_equal(prefetch_playlist(p, &known).n, 0);
	unsigned taken = 0;
	struct prefetch_object o;
	while (prefetch_take(p, 500, &o))
		taken++;
	assert_int_equal(taken, 2 * PREFETCH_VIEWERS_MAX);
	assert_false(prefetch_waits(p));
	prefetch_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_player_is_in_no_hurry),
		cmocka_unit_test(what_follows_in_a_playlist),
		cmocka_unit_test(the_first_of_all_before_the_second_of_any),
		cmocka_unit_test(a_new_word_replaces_the_old_one),
		cmocka_unit_test(who_stops_is_forgotten),
		cmocka_unit_test(of_many_the_last_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
