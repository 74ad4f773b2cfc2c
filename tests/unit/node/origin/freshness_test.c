#include "node/origin/freshness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_classes_by_suffix_and_rule(void **state)
{
	(void)state;
	struct config c = { .rules = { { ".vtt", CLASS_SEGMENT }, { "live.m4s", CLASS_OTHER } }, .rules_n = 2 };
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/index.m3u8")), CLASS_PLAYLIST);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/manifest.mpd")), CLASS_PLAYLIST);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/1.m4s")), CLASS_SEGMENT);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/init.mp4")), CLASS_SEGMENT);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/1.ts")), CLASS_SEGMENT);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/enc.key")), CLASS_KEY);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/poster.jpg")), CLASS_OTHER);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/1.vtt")), CLASS_SEGMENT);
	assert_int_equal(freshness_class(&c, BYTES_LIT("c/live.m4s")), CLASS_OTHER);
	assert_int_equal(freshness_class(&c, BYTES_NONE), CLASS_OTHER);
}

static void test_how_long_each_is_fresh(void **state)
{
	(void)state;
	static const struct {
		enum object_class class;
		const char *head;
		uint64_t ttl_ms;
	} cases[] = {
		{ CLASS_SEGMENT, "", UINT64_MAX },
		{ CLASS_KEY, "", 0 },
		{ CLASS_OTHER, "#EXT-X-TARGETDURATION:4\n", 60000 },
		{ CLASS_PLAYLIST, "", 2000 },
		{ CLASS_PLAYLIST, "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n", 3000 },
		{ CLASS_PLAYLIST, "#EXTM3U\r\n#EXT-X-TARGETDURATION:7\r\n", 3500 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:5", 2500 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:3000\n", 30000 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:0\n", 2000 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:-1\n", 2000 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:99999999999999999999\n", 2000 },
		{ CLASS_PLAYLIST, "1.ts?#EXT-X-TARGETDURATION:6\n", 2000 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:6\n#EXT-X-ENDLIST\n", 60000 },
		{ CLASS_PLAYLIST, "#EXT-X-TARGETDURATION:6\n#EXT-X-ENDLIST", 60000 },
		{ CLASS_PLAYLIST, "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n", 60000 },
		{ CLASS_PLAYLIST, "#EXT-X-PLAYLIST-TYPE:EVENT\r\n#EXT-X-TARGETDURATION:6\n", 3000 },
		{ CLASS_PLAYLIST, "<?xml version=\"1.0\"?>\n<MPD type=\"dynamic\"/>", 2000 },
		{ CLASS_PLAYLIST, "<MPD type='static'/>", 60000 },
		{ CLASS_PLAYLIST, "<MPD/>", 60000 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(freshness_ttl_ms(cases[i].class, bytes_str(cases[i].head)), cases[i].ttl_ms);
}

static void test_what_grows(void **state)
{
	(void)state;
	assert_true(freshness_playlist(BYTES_LIT("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n")).grows);
	assert_true(freshness_playlist(BYTES_LIT("<MPD type='dynamic'>")).grows);
	assert_false(freshness_playlist(BYTES_LIT("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-ENDLIST\n")).grows);
	assert_false(
	    freshness_playlist(BYTES_LIT("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\r\n"))
	        .grows);
	assert_false(freshness_playlist(BYTES_LIT("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n")).grows);
	assert_false(freshness_playlist(BYTES_LIT("<MPD>")).grows);
	assert_false(freshness_playlist(BYTES_NONE).grows);
}

static void test_counts_from_the_answer(void **state)
{
	(void)state;
	struct cache_meta m = { .answered_wall_ms = 100000, .ttl_ms = 2000 };
	assert_true(freshness_holds(&m, 100000));
	assert_true(freshness_holds(&m, 101999));
	assert_false(freshness_holds(&m, 102000));
	assert_true(freshness_holds(&m, 99000)); /* the clock was set back a little */
	assert_false(freshness_holds(&m, 1000)); /* or by far */
	m.ttl_ms = UINT64_MAX;
	assert_true(freshness_holds(&m, 0));
	m.ttl_ms = 0;
	assert_false(freshness_holds(&m, 100000));
	assert_false(freshness_holds(&m, 99999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes_by_suffix_and_rule),
		cmocka_unit_test(test_how_long_each_is_fresh),
		cmocka_unit_test(test_what_grows),
		cmocka_unit_test(test_counts_from_the_answer),
	};
	return cmocka_run_group_tests_name("freshness", tests, NULL, NULL);
}
