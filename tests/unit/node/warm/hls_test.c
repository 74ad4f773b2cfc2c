/* What playlists name. */
#include "node/warm/hls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void note(void *arg, const struct hls_item *i)
{
	buf_printf(arg, "%c %.*s\n", hls_is_playlist(i->kind) ? 'p' : 'o', (int)i->uri.n, (const char *)i->uri.p);
}

/* All that is read. */
static void note_more(void *arg, const struct hls_item *i)
{
	static const char *const kinds[] = { "variant", "rendition", "segment", "object" };
	buf_printf(arg, "%s %.*s %u %u %u\n", kinds[i->kind], (int)i->uri.n, (const char *)i->uri.p,
	    i->duration_ms, i->peak_bps, i->average_bps);
}

static void assert_names(const char *playlist, const char *expected)
{
	struct buf got;
	buf_init(&got, 4096);
	assert_int_equal(hls_read(bytes_str(playlist), note, &got), OK);
	buf_put_u8(&got, '\0');
	assert_string_equal((const char *)got.p, expected);
	buf_fini(&got);
}

static void a_master_playlist(void **state)
{
	(void)state;
	assert_names("#EXTM3U\n#EXT-X-VERSION:6\n"
	             "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a, b\",NAME=\"x=y\",URI=\"audio/en.m3u8\"\n"
	             "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",INSTREAM-ID=\"CC1\"\n"
	             "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AUDIO=\"a, b\"\n\nlow/index.m3u8\n"
	             "#EXT-X-STREAM-INF:BANDWIDTH=2560000\n# a comment between\nhigh/index.m3u8?x=1#y\n"
	             "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI=\"low/iframe.m3u8\"\n"
	             "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"https://keys/1\"\n"
	             "#EXT-X-SESSION-DATA:DATA-ID=\"t\",URI=\"titles.json\"\n",
	    "p audio/en.m3u8\np low/index.m3u8\np high/index.m3u8?x=1#y\np low/iframe.m3u8\n"
	    "o https://keys/1\no titles.json\n");
}

static void a_media_playlist(void **state)
{
	(void)state;
	assert_names("#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"600@0\"\r\n"
	             "#EXT-X-KEY:METHOD=NONE\r\n#EXT-X-KEY:METHOD=AES-128,IV=0x1,URI=\"k.key\"\r\n"
	             "#EXTINF:4.0,\r\nseg-0.m4s  \r\n#EXT-X-BYTERANGE:100@0\r\n#EXTINF:4.0,title\r\nseg-1.m4s\r\n"
	             "#EXT-X-ENDLIST",
	    "o init.mp4\no k.key\no seg-0.m4s\no seg-1.m4s\n");
	assert_names("\xef\xbb\xbf#EXTM3U\nlast-without-an-end", "o last-without-an-end\n");
	assert_names("#EXTM3U", "");
	/* A variant's name counts once; what follows is an object again. */
	assert_names("#EXTM3U\n#EXT-X-STREAM-INF:X=1\na\nb\n", "p a\no b\n");
}

static void odd_attributes(void **state)
{
	(void)state;
	assert_names("#EXTM3U\n#EXT-X-MAP:BYTERANGE=\"1@0\",URI=\"unclosed", "o unclosed\n");
	assert_names("#EXTM3U\n#EXT-X-MAP:URI=bare,X=1\n", "o bare\n");
	assert_names("#EXTM3U\n#EXT-X-MAP: URI=\"spaced\"\n", "o spaced\n");
	assert_names("#EXTM3U\n#EXT-X-MAP:X=\"URI=\",Y\n#EXT-X-MAP:URI=\"\"\n#EXT-X-MAP:\n#EXT-X-MAP\n", "");
	assert_names("#EXTM3U\n#EXT-X-MAPS:URI=\"other tag\"\n#EXT-X-MAP:XURI=\"other name\"\n", "");
}

static void assert_items(const char *playlist, const char *expected)
{
	struct buf got;
	buf_init(&got, 4096);
	assert_int_equal(hls_read(bytes_str(playlist), note_more, &got), OK);
	buf_put_u8(&got, '\0');
	assert_string_equal((const char *)got.p, expected);
	buf_fini(&got);
}

static void bandwidths(void **state)
{
	(void)state;
	assert_items("#EXTM3U\n"
	             "#EXT-X-MEDIA:TYPE=AUDIO,BANDWIDTH=5,URI=\"a.m3u8\"\n"
	             "#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=900000,CODECS=\"x,BANDWIDTH=7\",BANDWIDTH=1280000\n"
	             "low.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2560000\nhigh.m3u8\n"
	             "#EXT-X-STREAM-INF:BANDWIDTH=1e6,AVERAGE-BANDWIDTH=99999999999\nodd.m3u8\nplain\n",
	    "rendition a.m3u8 0 0 0\nvariant low.m3u8 0 1280000 900000\nvariant high.m3u8 0 2560000 0\n"
	    "variant odd.m3u8 0 0 0\nsegment plain 0 0 0\n");
}

static void durations(void **state)
{
	(void)state;
	assert_items("#EXTM3U\n#EXTINF:4,\na\n#EXTINF:6.006,title, more\n#EXT-X-MAP:URI=\"i\"\nb\n"
	             "#EXTINF:0.5\nc\n#EXTINF:12.34567,\nd\ne\n",
	    "segment a 4000 0 0\nobject i 0 0 0\nsegment b 6006 0 0\nsegment c 500 0 0\nsegment d 12345 0 0\n"
	    "segment e 0 0 0\n");
	assert_items(
	    "#EXTM3U\n#EXTINF:-1,\na\n#EXTINF:,\nb\n#EXTINF:4.x,\nc\n#EXTINF:3601,\nd\n#EXTINF:3600.9\ne\n",
	    "segment a 0 0 0\nsegment b 0 0 0\nsegment c 0 0 0\nsegment d 0 0 0\nsegment e 3600000 0 0\n");
}

static void what_is_no_playlist(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "\n#EXTM3U\n", "#EXTM3U8\n", "#extm3u\n", "<MPD/>",
		" #EXTM3U\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf got;
		buf_init(&got, 64);
		assert_int_equal(hls_read(bytes_str(texts[i]), note, &got), ERR_INVALID);
		assert_int_equal(got.n, 0);
		buf_fini(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_master_playlist),
		cmocka_unit_test(a_media_playlist),
		cmocka_unit_test(odd_attributes),
		cmocka_unit_test(bandwidths),
		cmocka_unit_test(durations),
		cmocka_unit_test(what_is_no_playlist),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
