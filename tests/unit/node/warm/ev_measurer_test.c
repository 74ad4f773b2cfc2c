/* Contents in a real cache, measured by their playlists. */
#include "node/warm/ev_measurer.h"

#include "tests/unit/node/cache/cache_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_BYTES = 64 << 20, SEGMENTS = 20, SEGMENT_BYTES = 50000 };

static void put_text(struct cache *c, const char *object, const char *text)
{
	struct cache_key k = key_of(object);
	struct cache_meta m = { .mark = cache_mark(c),
		.content = BYTES_LIT("c/1"),
		.length = strlen(text),
		.answered_wall_ms = 1000,
		.ttl_ms = 1 };
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(c, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, bytes_str(text)), OK);
	assert_int_equal(cache_write_commit(w), OK);
}

static void put_media(struct cache *c, const char *folder, unsigned segments)
{
	char object[64], text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n");
	for (unsigned i = 0; i < segments; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "#EXTINF:4.0,\ns%%20%u.m4s?x=1\n", i);
	assert_true(n < sizeof(text));
	(void)snprintf(object, sizeof(object), "c/1/%s/index.m3u8", folder);
	put_text(c, object, text);
}

static void put_segments(struct cache *c, const char *folder, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char object[64];
		struct cache_key k = key_of(object);
		(void)snprintf(object, sizeof(object), "c/1/%s/s %u.m4s", folder, i);
		k = key_of(object);
		struct cache_meta m = {
			.mark = cache_mark(c), .content = BYTES_LIT("c/1"), .length = SEGMENT_BYTES, .ttl_ms = UINT64_MAX
		};
		static const uint8_t zeros[SEGMENT_BYTES];
		struct cache_writer *w;
		assert_int_equal(cache_write_begin(c, &k, &m, &w), OK);
		assert_int_equal(cache_write(w, bytes_of(zeros, SEGMENT_BYTES)), OK);
		assert_int_equal(cache_write_commit(w), OK);
	}
}

#define MASTER                                                                              \
	"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"sound/index.m3u8\"\n" \
	"#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000\nlow/index.m3u8\n"         \
	"#EXT-X-STREAM-INF:BANDWIDTH=4000000\nhigh/index.m3u8\n"                                \
	"#EXT-X-STREAM-INF:BANDWIDTH=9000000\nhttp://elsewhere/index.m3u8\n"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	fixture_make(f);
	fixture_open(f, SIZE_BYTES, "boot");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	fixture_remove(f);
	free(f);
	return 0;
}

/* With the names of the playlists as the cache has them. */
static struct cache_measure measure(struct fixture *f, uint32_t objects)
{
	struct arena a;
	struct cache_measure m;
	struct cache_unmeasured u = {
		.origin = BYTES_LIT("main"), .content = BYTES_LIT("c/1"), .objects = objects
	};
	arena_init(&a, 1 << 20);
	u.playlists_n = cache_playlists(f->cache, u.origin, u.content, &a, u.playlists);
	measure_content(f->cache, &u, &a, &m);
	arena_fini(&a);
	return m;
}

static void what_is_held_of_variants(void **state)
{
	struct fixture *f = *state;
	put_text(f->cache, "c/1/master.m3u8", MASTER);
	struct cache_measure m = measure(f, 1);
	assert_int_equal(m.share_permille, 1); /* nothing of what it names */
	assert_int_equal(m.kbps, 4000);
	put_media(f->cache, "low", SEGMENTS);
	put_media(f->cache, "sound", SEGMENTS);
	put_segments(f->cache, "sound", 0, SEGMENTS);
	assert_int_equal(measure(f, 23).share_permille, 1); /* sound is no picture */
	put_segments(f->cache, "low", 0, SEGMENTS);
	m = measure(f, 43);
	assert_int_equal(m.share_permille, 200);
	assert_int_equal(m.segments, SEGMENTS);
	put_media(f->cache, "high", SEGMENTS);
	put_segments(f->cache, "high", 0, SEGMENTS / 2);
	m = measure(f, 53);
	assert_int_equal(m.share_permille, 600); /* a half of all, and a fifth of the other half */
	assert_int_equal(m.segments, 2 * SEGMENTS);
	put_segments(f->cache, "high", SEGMENTS / 2, SEGMENTS);
	assert_int_equal(measure(f, 63).share_permille, 1000);
	assert_int_equal(measure(f, 63).kbps, 4000);
}

static void a_media_playlist_alone(void **state)
{
	struct fixture *f = *state;
	put_media(f->cache, "v", SEGMENTS);
	struct cache_measure m = measure(f, 1);
	assert_int_equal(m.share_permille, 1);
	assert_int_equal(m.kbps, 0);
	put_segments(f->cache, "v", 0, SEGMENTS / 4);
	m = measure(f, 6);
	assert_int_equal(m.share_permille, 250);
	assert_int_equal(m.kbps, SEGMENT_BYTES * 8 / 4000);
}

/* Segments that are parts of one file. */
static void one_file_in_parts(void **state)
{
	struct fixture *f = *state;
	put_text(f->cache, "c/1/index.m3u8",
	    "#EXTM3U\n#EXTINF:4,\n#EXT-X-BYTERANGE:25000@0\ns 0.m4s\n"
	    "#EXTINF:4,\n#EXT-X-BYTERANGE:25000\ns 0.m4s\n");
	assert_int_equal(measure(f, 1).share_permille, 1);
	put_segments(f->cache, ".", 0, 1); /* another name */
	assert_int_equal(measure(f, 2).share_permille, 1);
	put_text(f->cache, "c/1/s 0.m4s", "all of it");
	struct cache_measure m = measure(f, 3);
	assert_int_equal(m.share_permille, 1000);
	assert_int_equal(m.kbps, 9 * 8 / 8000);
}

static void what_is_no_playlist(void **state)
{
	struct fixture *f = *state;
	put_text(f->cache, "c/1/index.m3u8", "<html>");
	put_segments(f->cache, "v", 0, 3);
	struct cache_measure m = measure(f, 4);
	assert_int_equal(m.share_permille, 0);
	assert_int_equal(m.kbps, 0);
	assert_int_equal(m.segments, 0);
}

/* -- the thread -- */

struct told {
	struct fixture *f;
	uint32_t share_permille, wanted;
};

static void on_news(void *arg, const struct cache_content_news *n)
{
	struct told *t = arg;
	if (n->measured)
		t->share_permille = n->share_permille;
}

static bool is_told(void *arg)
{
	struct told *t = arg;
	(void)cache_poll_news(t->f->cache, 100, on_news, t);
	return t->share_permille == t->wanted;
}

static void the_thread_measures(void **state)
{
	struct fixture *f = *state;
	struct measurer *m;
	struct told told = { .f = f };
	assert_int_equal(measurer_start(f->cache, &m), OK);
	put_media(f->cache, "v", SEGMENTS);
	put_segments(f->cache, "v", 0, SEGMENTS / 2);
	told.wanted = 500;
	assert_true(eventually(is_told, &told));
	put_segments(f->cache, "v", SEGMENTS / 2, SEGMENTS);
	told.wanted = 1000;
	assert_true(eventually(is_told, &told));
	assert_true(measurer_count(m) >= 2);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c/1")), SEGMENTS + 1);
	measurer_stop(m);
	measurer_stop(NULL);
}

static void after_a_start_it_is_measured_again(void **state)
{
	struct fixture *f = *state;
	struct measurer *m;
	put_media(f->cache, "v", SEGMENTS);
	put_segments(f->cache, "v", 0, SEGMENTS / 2);
	fixture_close(f);
	fixture_open(f, SIZE_BYTES, "boot");
	struct told told = { .f = f, .wanted = 500 };
	assert_false(is_told(&told));
	assert_int_equal(measurer_start(f->cache, &m), OK);
	assert_true(eventually(is_told, &told));
	measurer_stop(m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_held_of_variants),
		T(a_media_playlist_alone),
		T(one_file_in_parts),
		T(what_is_no_playlist),
		T(the_thread_measures),
		T(after_a_start_it_is_measured_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
