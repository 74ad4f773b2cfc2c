/* What playlists name. */
#include "node/warm/hls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void note(void *arg, enum hls_kind kind, struct bytes uri)
{
	buf_printf(arg, "%c %.*s\n", kind == HLS_PLAYLIST ? 'p' : 'o', (int)uri.n, (const char *)uri.p);
}

static void assert_names(const char *playlist, const char *expected)
{
	struct buf got;
	buf_init(&got, 4096);
	assert_int_equal(hls_names(bytes_str(playlist), note, &got), OK);
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

static void what_is_no_playlist(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "\n#EXTM3U\n", "#EXTM3U8\n", "#extm3u\n", "<MPD/>",
		" #EXTM3U\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf got;
		buf_init(&got, 64);
		assert_int_equal(hls_names(bytes_str(texts[i]), note, &got), ERR_INVALID);
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
		cmocka_unit_test(what_is_no_playlist),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
