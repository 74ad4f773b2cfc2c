/* Pathways in what a player reads first. */
#include "node/playlist/pathways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct pathways two(void)
{
	return (struct pathways){
		.own = BYTES_LIT("delivery-1"),
		.own_base = BYTES_LIT("http://10.0.0.1:8080/p/T/film/"),
		.other = BYTES_LIT("delivery-2"),
		.other_base = BYTES_LIT("http://10.0.0.2:8080/p/T/film/"),
		.steering = BYTES_LIT("http://api/v1/steering/T?own=delivery-1&other=delivery-2"),
	};
}

static void assert_rendered(enum err (*r)(struct bytes, const struct pathways *, struct buf *),
    const char *text, const struct pathways *p, const char *expected)
{
	struct buf got;
	buf_init(&got, 8192);
	assert_int_equal(r(bytes_str(text), p, &got), OK);
	buf_put_u8(&got, '\0');
	assert_string_equal((const char *)got.p, expected);
	buf_fini(&got);
}

static void assert_left(enum err (*r)(struct bytes, const struct pathways *, struct buf *), const char *text)
{
	struct pathways p = two();
	struct buf got;
	buf_init(&got, 8192);
	if (r(bytes_str(text), &p, &got) != ERR_NOT_FOUND)
		fail_msg("rendered: %s", text);
	assert_int_equal(got.n, 0);
	buf_fini(&got);
}

#define STEERING                                                                                       \
	"#EXT-X-CONTENT-STEERING:SERVER-URI=\"http://api/v1/steering/T?own=delivery-1&other=delivery-2\"," \
	"PATHWAY-ID=\"delivery-1\"\n"

static void variants_and_renditions_get_a_copy(void **state)
{
	(void)state;
	struct pathways p = two();
	assert_rendered(pathways_into_hls,
	    "#EXTM3U\r\n#EXT-X-VERSION:6\r\n"
	    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\",DEFAULT=YES,URI=\"audio/en.m3u8\"\r\n"
	    "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\",INSTREAM-ID=\"CC1\"\r\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AUDIO=\"a\",CLOSED-CAPTIONS=\"cc\",CODECS=\"avc1,mp4a\"\r\n"
	    "# a comment\r\nlow/index.m3u8?x=1\r\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=64000,CLOSED-CAPTIONS=NONE\r\nlow.m3u8\r\n"
	    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI=\"low/iframe.m3u8\"\r\n"
	    "#EXT-X-SESSION-DATA:DATA-ID=\"t\",URI=\"titles.json\"\r\n",
	    &p,
	    "#EXTM3U\n" STEERING "#EXT-X-VERSION:6\n"
	    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\",DEFAULT=YES,URI=\"audio/en.m3u8\"\n"
	    "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\",INSTREAM-ID=\"CC1\"\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AUDIO=\"a\",CLOSED-CAPTIONS=\"cc\",CODECS=\"avc1,mp4a\","
	    "PATHWAY-ID=\"delivery-1\"\n# a comment\nlow/index.m3u8?x=1\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=64000,CLOSED-CAPTIONS=NONE,PATHWAY-ID=\"delivery-1\"\nlow.m3u8\n"
	    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI=\"low/iframe.m3u8\",PATHWAY-ID=\"delivery-1\"\n"
	    "#EXT-X-SESSION-DATA:DATA-ID=\"t\",URI=\"titles.json\"\n"
	    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a@delivery-2\",NAME=\"x, y\",DEFAULT=YES,"
	    "URI=\"http://10.0.0.2:8080/p/T/film/audio/en.m3u8\"\n"
	    "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc@delivery-2\",NAME=\"c\",INSTREAM-ID=\"CC1\"\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AUDIO=\"a@delivery-2\",CLOSED-CAPTIONS=\"cc@delivery-2\","
	    "CODECS=\"avc1,mp4a\",PATHWAY-ID=\"delivery-2\"\n"
	    "http://10.0.0.2:8080/p/T/film/low/index.m3u8?x=1\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=64000,CLOSED-CAPTIONS=NONE,PATHWAY-ID=\"delivery-2\"\n"
	    "http://10.0.0.2:8080/p/T/film/low.m3u8\n"
	    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,"
	    "URI=\"http://10.0.0.2:8080/p/T/film/low/iframe.m3u8\",PATHWAY-ID=\"delivery-2\"\n");
}

static void alone_there_is_one_pathway(void **state)
{
	(void)state;
	struct pathways p = two();
	p.other = p.other_base = BYTES_NONE;
	assert_rendered(pathways_into_hls, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8", &p,
	    "#EXTM3U\n" STEERING "#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"delivery-1\"\nlow.m3u8\n");
	assert_rendered(pathways_into_mpd, "<MPD><Period/></MPD>", &p,
	    "<MPD><BaseURL serviceLocation=\"delivery-1\">http://10.0.0.1:8080/p/T/film/</BaseURL>"
	    "<ContentSteering defaultServiceLocation=\"delivery-1\" queryBeforeStart=\"true\">"
	    "http://api/v1/steering/T?own=delivery-1&amp;other=delivery-2</ContentSteering><Period/></MPD>");
}

static void a_playlist_that_is_no_multivariant_one_is_left(void **state)
{
	(void)state;
	assert_left(pathways_into_hls, "");
	assert_left(pathways_into_hls, "<MPD></MPD>");
	assert_left(pathways_into_hls, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg-0.m4s\n");
	assert_left(pathways_into_hls, "#EXTM3U\n");
}

static void whoever_knows_better_is_left_alone(void **state)
{
	static const char *const texts[] = {
		"#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"x\"\nlow.m3u8\n",
		"#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$a}.m3u8\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://elsewhere/low.m3u8\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n//elsewhere/low.m3u8\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/low.m3u8\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n?x=1\n",
		"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"http://x/a.m3u8\"\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nlow.m3u8\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_left(pathways_into_hls, texts[i]);
}

static void an_mpd_gets_base_urls(void **state)
{
	(void)state;
	struct pathways p = two();
	assert_rendered(pathways_into_mpd,
	    "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <MPD> -->\n<MPD xmlns=\"urn:x\" title='a>b'>\n"
	    " <ProgramInformation><Title>t</Title></ProgramInformation>\n "
	    "<Period><BaseURL>v/</BaseURL></Period>\n"
	    "</MPD>\n",
	    &p,
	    "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <MPD> -->\n<MPD xmlns=\"urn:x\" title='a>b'>\n"
	    " <ProgramInformation><Title>t</Title></ProgramInformation>"
	    "<BaseURL serviceLocation=\"delivery-1\">http://10.0.0.1:8080/p/T/film/</BaseURL>"
	    "<BaseURL serviceLocation=\"delivery-2\">http://10.0.0.2:8080/p/T/film/</BaseURL>"
	    "<ContentSteering defaultServiceLocation=\"delivery-1\" queryBeforeStart=\"true\">"
	    "http://api/v1/steering/T?own=delivery-1&amp;other=delivery-2</ContentSteering>"
	    "\n <Period><BaseURL>v/</BaseURL></Period>\n</MPD>\n");
}

static void an_mpd_with_bases_of_its_own_is_left(void **state)
{
	static const char *const texts[] = {
		"",
		"<",
		"<MPD",
		"<MPD>",
		"<MPD/>",
		"<MPD><Period>",
		"</MPD>",
		"<html><MPD></MPD></html>",
		"<MPD><!-- </MPD>",
		"<MPD><BaseURL>x/</BaseURL><Period/></MPD>",
		"<MPD><Period/><BaseURL>x/</BaseURL></MPD>",
		"<MPD><ContentSteering>x</ContentSteering></MPD>",
		"<MPD><Location>http://x/</Location></MPD>",
		"#EXTM3U\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_left(pathways_into_mpd, texts[i]);
}

static void a_buffer_that_is_too_small_is_told(void **state)
{
	(void)state;
	struct pathways p = two();
	struct buf got;
	buf_init(&got, 64);
	assert_int_equal(pathways_into_mpd(BYTES_LIT("<MPD><Period/></MPD>"), &p, &got), ERR_TOO_BIG);
	buf_clear(&got);
	assert_int_equal(
	    pathways_into_hls(BYTES_LIT("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8"), &p, &got),
	    ERR_TOO_BIG);
	buf_fini(&got);
}

static void names_of_pathways(void **state)
{
	(void)state;
	assert_true(pathway_name_ok(BYTES_LIT("delivery-1.tokyo_A")));
	assert_false(pathway_name_ok(BYTES_NONE));
	assert_false(pathway_name_ok(BYTES_LIT("a b")));
	assert_false(pathway_name_ok(BYTES_LIT("a\"")));
	assert_false(pathway_name_ok(BYTES_LIT("n\xc3\xa9")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variants_and_renditions_get_a_copy),
		cmocka_unit_test(alone_there_is_one_pathway),
		cmocka_unit_test(a_playlist_that_is_no_multivariant_one_is_left),
		cmocka_unit_test(whoever_knows_better_is_left_alone),
		cmocka_unit_test(an_mpd_gets_base_urls),
		cmocka_unit_test(an_mpd_with_bases_of_its_own_is_left),
		cmocka_unit_test(a_buffer_that_is_too_small_is_told),
		cmocka_unit_test(names_of_pathways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
