/* Answers of the operators' HTTP as people see them. */
#include "ctl/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text of an answer; the caller frees. */
static char *shown(enum err (*show)(const json_t *answer, struct buf *out), const char *answer)
{
	json_t *json = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	struct buf out;
	buf_init(&out, 1 << 16);
	assert_int_equal(show(json, &out), OK);
	char *text = malloc(out.n + 1);
	assert_non_null(text);
	memcpy(text, out.p, out.n);
	text[out.n] = '\0';
	buf_fini(&out);
	json_decref(json);
	return text;
}

/* One node of an answer, as a line of the table. */
#define LIVENESS(name, members) "{\"name\":\"" name "\"," members "}"
#define NAME_64 "a-name-that-is-as-long-as-a-name-of-a-node-can-be-in-any-cluster"

static void nodes_in_trouble(void **state)
{
	(void)state;
	char *out = shown(show_nodes,
	    "{\"nodes\":[" LIVENESS("left", "\"state\":\"left\",\"liveness\":\"down\"") "," LIVENESS("dispute",
	        "\"liveness\":\"down\",\"disputed\":true,\"claimed_by\":[\"b\",\"a\"]") "," LIVENESS("broke",
	        "\"liveness\":\"suspect\",\"claimed_by\":[]") "," LIVENESS("many",
	        "\"liveness\":\"down\",\"claimed_by\":[\"delivery-9\",\"delivery-11\","
	        "\"delivery-12\",\"delivery-13\",\"delivery-14\"]") "," LIVENESS("long",
	        "\"liveness\":\"down\",\"claimed_by\":[\"x\",\"" NAME_64 "\"]") "]}");
	static const char *const lines[] = {
		"\nbroke    -      suspect       -  the asked node ",
		"\ndispute  -      disputed      -  a,b ",
		"\nleft     left   -             -  -  ",
		"\nlong     -      down          -  " NAME_64 " +1  -  ",
		"\nmany     -      down          -  delivery-9,delivery-11,delivery-12 +2  ",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strstr(out, lines[i]) == NULL)
			fail_msg("no '%s' in\n%s", lines[i], out);
	free(out);
}

static void stats_of_the_replica(void **state)
{
	(void)state;
	static const char body[] =
	    "{\"node\":\"n1\",\"uptime_s\":7200,\"rows\":15,\"entries\":320,\"tombstones\":2,\"bytes\":2048,"
	    "\"frames_applied\":20,\"frames_duplicate\":5,\"frames_gap\":1,\"frames_behind\":2,"
	    "\"frames_refused\":3,\"frames_pushed\":4,\"entries_applied\":60,\"entries_pulled\":6,"
	    "\"entries_repaired\":4,\"pulls\":8,\"ranges_asked\":9,\"digests_sent\":10,\"resets\":11,"
	    "\"claims_made\":12,\"claims_standing\":13,\"commits\":4,\"commit_us\":10000,"
	    "\"commit_max_us\":7050,\"store_queued_bytes\":0,\"store_file_bytes\":4096,"
	    "\"oldest_reader_ms\":3000,\"links\":3,\"traffic\":["
	    "{\"kind\":\"hello\",\"frames_in\":0,\"bytes_in\":0,\"frames_out\":0,\"bytes_out\":0},"
	    "{\"kind\":\"heartbeat\",\"frames_in\":10,\"bytes_in\":60,\"frames_out\":9,\"bytes_out\":54},"
	    "{\"kind\":\"row_frame\",\"frames_in\":31,\"bytes_in\":9000,\"frames_out\":4,\"bytes_out\":800}],"
	    "\"mute\":false,\"fingerprint\":\"00000000000000ab\"}\n";
	char *out = shown(show_kvs_stats, body);
	assert_string_equal(out, "node           n1\n"
	                         "up             2 h\n"
	                         "holds          15 rows, 320 entries, 2 tombstones\n"
	                         "bytes          2.00 KiB\n"
	                         "fingerprint    00000000000000ab\n"
	                         "entries        60 applied: 50 pushed, 6 pulled, 4 repaired\n"
	                         "frames         20 applied, 5 duplicates, 1 gaps, 2 behind, 3 refused\n"
	                         "copies         1.25 an update\n"
	                         "pushed         4 frames\n"
	                         "asked          8 pulls, 9 ranges, 10 digests\n"
	                         "resets         11 rows\n"
	                         "claims         12 made, 13 standing\n"
	                         "commits        4, 2.5 ms each, the longest 7.0 ms\n"
	                         "store          4.00 KiB\n"
	                         "store queue    0 B\n"
	                         "oldest reader  3 s\n"
	                         "mute           no\n"
	                         "links          3\n"
	                         "\n"
	                         "KIND       FRAMES IN  BYTES IN  FRAMES OUT  BYTES OUT\n"
	                         "heartbeat         10        60           9         54\n"
	                         "row_frame         31      9000           4        800\n"
	                         "all               41      9060          13        854\n");
	free(out);
}

/* A node of another version may say less. */
static void what_is_not_said_is_a_dash(void **state)
{
	(void)state;
	char *out = shown(show_kvs_stats, "{\"mute\":true,\"fingerprint\":\"ab\"}");
	assert_non_null(strstr(out, "\nholds          -\n"));
	assert_non_null(strstr(out, "\nentries        -\n"));
	assert_non_null(strstr(out, "\ncopies         -\n"));
	assert_non_null(strstr(out, "mute           YES"));
	assert_null(strstr(out, "KIND"));
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_in_trouble),
		cmocka_unit_test(stats_of_the_replica),
		cmocka_unit_test(what_is_not_said_is_a_dash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
