/* `rollout plan` and `rollout status`, from a node's answers to text, JSON and exit status. */
#include "fake_admin.h"

#include "base/prng.h"
#include "ctl/commands.h"
#include "ctl/rollout_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct said {
	int status;
	char *out, *errors;
};

/* `holders`: the whole answer to what is asked about them; NULL: that of everything else. */
static struct said run_against(
    const char *body, const char *holders, const struct command_options *given, const char *verb)
{
	struct said s = { 0 };
	struct fake_admin f;
	struct buf answer;
	buf_init(&answer, 1 << 20);
	buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	if (holders != NULL)
		fake_admin_start_but(&f, buf_bytes(&answer), "/v1/holders", bytes_str(holders));
	else
		fake_admin_start(&f, buf_bytes(&answer), FAKE_CLOSES);
	buf_fini(&answer);
	size_t out_n, errors_n;
	FILE *out = open_memstream(&s.out, &out_n), *errors = open_memstream(&s.errors, &errors_n);
	struct command_options o = *given;
	assert_int_equal(client_set_admin(&o.client, f.address), OK);
	char first[] = "rollout", second[16];
	snprintf(second, sizeof(second), "%s", verb);
	char *words[] = { first, second };
	s.status = commands_run(&o, words, 2, out, errors);
	fclose(out);
	fclose(errors);
	fake_admin_stop(&f);
	return s;
}

static struct said run(const char *body, const struct command_options *given, const char *verb)
{
	return run_against(body, NULL, given, verb);
}

static void said_free(struct said *s)
{
	free(s->out);
	free(s->errors);
}

#define NODE(name, role, zone, more)                                                          \
	"{\"name\":\"" name "\",\"id\":\"id-" name "\",\"roles\":[\"" role "\"],\"zone\":\"" zone \
	"\",\"version\":\"1.0\"," more "}"
#define READY "\"state\":\"ready\",\"liveness\":\"alive\""
#define DELIVERY(name, more) NODE(name, "delivery", "z1", "\"capacity\":100,\"sessions\":20," more)
#define APIS NODE("api-1", "api", "z1", READY) "," NODE("api-2", "api", "z2", READY)

/* The same answer stands for both pages: a pair, then one of d-1 alone, three times. */
#define HELD \
	"\"ids\":[\"id-d-1\",\"id-d-2\",\"id-gone\"],\"sets\":[[0,1],[0],[0,2],[0],[2],[1,0]],\"next\":null"
#define FOUR \
	DELIVERY("d-1", READY) "," DELIVERY("d-2", READY) "," DELIVERY("d-3", READY) "," DELIVERY("d-4", READY)
#define EIGHT                                                                                           \
	FOUR "," DELIVERY("d-5", READY) "," DELIVERY("d-6", READY) "," DELIVERY("d-7", READY) "," DELIVERY( \
	    "d-10", READY)
#define CLUSTER(nodes) "{\"nodes\":[" nodes "," APIS "]," HELD "}"

static void a_plan_is_a_table(void **state)
{
	(void)state;
	struct said s = run(CLUSTER(EIGHT), &(struct command_options){ 0 }, "plan");
	assert_string_equal(s.errors, "");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out,
	    "BATCH  ZONE  API  DELIVERY  INGEST  PLACES  ONLY HERE  NODES\n"
	    "    1  z1      1         6       0     600          3  api-1,d-1,d-3\n"
	    "    2  z1      2         6       0     600          0  d-2,d-4\n"
	    "    3  z1      2         6       0     600          0  d-5,d-6\n"
	    "    4  z1      2         6       0     600          0  d-7,d-10\n"
	    "    5  z2      1         8       0     800          0  api-2\n"
	    "160 sessions now, 800 places\n"
	    "the asked node does not tell what is watched: all that is held counts as watched\n");
	said_free(&s);
}

static void a_plan_is_json(void **state)
{
	(void)state;
	struct said s = run(CLUSTER(FOUR), &(struct command_options){ .json = true, .peak = 300 }, "plan");
	assert_int_equal(s.status, CTL_DONE);
	json_t *said = json_loads(s.out, JSON_REJECT_DUPLICATES, NULL), *names;
	const json_t *batches = json_object_get(said, "batches");
	assert_int_equal(json_array_size(batches), 5);
	names = json_pack("[s,s]", "api-1", "d-1");
	assert_true(json_equal(json_object_get(json_array_get(batches, 0), "nodes"), names));
	assert_true(json_is_null(json_object_get(said, "refused")));
	assert_int_equal(json_integer_value(json_object_get(said, "peak")), 300);
	json_decref(names);
	json_decref(said);
	said_free(&s);
}

/* Each holds something alone; d-1's first is watched, d-2 does not tell, d-3's is watched by nobody. */
#define WATCHED(told2)                                                                               \
	"\"watched\":[{\"id\":\"id-d-1\",\"told\":true,\"more\":0,\"contents\":[\"00000000000000a1\"]}," \
	"{\"id\":\"id-d-2\",\"told\":" told2 ",\"more\":0,\"contents\":[]},"                             \
	"{\"id\":\"id-d-3\",\"told\":true,\"more\":0,\"contents\":[]}],"                                 \
	"\"ids\":[\"id-d-1\",\"id-d-2\",\"id-d-3\"],\"sets\":[[0],[0],[1],[2]],\"next\":null,"           \
	"\"contents\":[\"00000000000000a1\",\"00000000000000a2\",\"00000000000000b1\",\"00000000000000c1\"]"
#define WITH(nodes, held) "{\"nodes\":[" nodes "," APIS "]," held "}"

static json_t *planned(const char *body)
{
	struct said s = run(body, &(struct command_options){ .json = true }, "plan");
	assert_int_equal(s.status, CTL_DONE);
	json_t *said = json_loads(s.out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(said);
	said_free(&s);
	return said;
}

static json_int_t last_copies(const json_t *said)
{
	json_int_t n = 0;
	const json_t *batches = json_object_get(said, "batches");
	for (size_t i = 0; i < json_array_size(batches); i++)
		n += json_integer_value(json_object_get(json_array_get(batches, i), "last_copies"));
	return n;
}

static void only_what_is_watched_counts(void **state)
{
	(void)state;
	json_t *said = planned(WITH(FOUR, WATCHED("true")));
	assert_true(json_is_true(json_object_get(said, "watched_known")));
	assert_int_equal(json_array_size(json_object_get(said, "untold")), 0);
	assert_int_equal(last_copies(said), 1);
	json_decref(said);
	/* V2: of who does not tell, all that it holds. */
	said = planned(WITH(FOUR, WATCHED("false")));
	assert_int_equal(last_copies(said), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(said, "untold"), 0)), "d-2");
	json_decref(said);
	said = planned(CLUSTER(FOUR)); /* the asked node is of a version that knows nothing of that */
	assert_true(json_is_false(json_object_get(said, "watched_known")));
	assert_int_equal(last_copies(said), 3);
	json_decref(said);
	struct said s = run(WITH(FOUR, WATCHED("false")), &(struct command_options){ 0 }, "plan");
	assert_non_null(strstr(s.out, "what they hold counts as watched: d-2\n"));
	said_free(&s);
}

/* A pair that nobody watches may go together. */
static void what_nobody_watches_keeps_no_holder(void **state)
{
	(void)state;
#define PAIR(told)                                                                       \
	"\"watched\":[{\"id\":\"id-d-1\",\"told\":true,\"more\":" told ",\"contents\":[]}]," \
	"\"ids\":[\"id-d-1\",\"id-d-2\"],\"sets\":[[0,1]],\"contents\":[\"00000000000000a1\"],\"next\":null"
	static const struct {
		const char *body;
		bool together;
	} cases[] = { { WITH(EIGHT, PAIR("0")), true }, { WITH(EIGHT, PAIR("1")), false } };
	for (size_t i = 0; i < 2; i++) {
		json_t *said = planned(cases[i].body);
		const json_t *first = json_object_get(json_array_get(json_object_get(said, "batches"), 0), "nodes");
		bool one = false, two = false;
		for (size_t k = 0; k < json_array_size(first); k++) {
			const char *name = json_string_value(json_array_get(first, k));
			one = one || strcmp(name, "d-1") == 0;
			two = two || strcmp(name, "d-2") == 0;
		}
		assert_int_equal(one && two, cases[i].together);
		json_decref(said);
	}
}

static void assert_refused(const char *cluster, const struct command_options *o, const char *why)
{
	struct said s = run(cluster, o, "plan");
	assert_int_equal(s.status, CTL_FAILED);
	if (strstr(s.errors, why) == NULL)
		fail_msg("not '%s' but: %s", why, s.errors);
	if (o->json) {
		json_t *said = json_loads(s.out, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(strstr(s.errors, json_string_value(json_object_get(said, "refused"))));
		assert_int_equal(json_array_size(json_object_get(said, "batches")), 0);
		json_decref(said);
	}
	said_free(&s);
}

static void a_refusal_says_why(void **state)
{
	(void)state;
	assert_refused(CLUSTER(FOUR), &(struct command_options){ .peak = 301, .json = true },
	    "without d-1 the other delivery nodes have 300 places, and 301 are needed (80 sessions now, peak "
	    "301)");
	static const char drains[] =
	    CLUSTER(FOUR "," DELIVERY("d-5", "\"state\":\"draining\",\"liveness\":\"alive\""));
	assert_refused(drains, &(struct command_options){ 0 }, "1 of 5 delivery nodes are away already");
	static const char suspect[] =
	    CLUSTER(FOUR "," DELIVERY("d-5", "\"state\":\"ready\",\"liveness\":\"suspect\""));
	assert_refused(
	    suspect, &(struct command_options){ .json = true }, "1 of 5 delivery nodes are away already");
	assert_refused("{\"nodes\":[" FOUR "," NODE("api-1", "api", "z1", READY) "]," HELD "}",
	    &(struct command_options){ 0 }, "api-1 is the only api node");
	assert_refused("{\"nodes\":[]," HELD "}", &(struct command_options){ .to = "1.0" }, "no node is there");
	/* Who was expelled is no part of it. */
	struct said s =
	    run(CLUSTER(FOUR "," DELIVERY("d-5", "\"state\":\"left\",\"liveness\":\"down\",\"expelled\":true")),
	        &(struct command_options){ 0 }, "plan");
	assert_int_equal(s.status, CTL_DONE);
	assert_null(strstr(s.out, "d-5"));
	said_free(&s);
}

static void no_answer_is_taken_on_trust(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{\"nodes\":7," HELD "}",
		"{\"nodes\":[{}]," HELD "}",
		"{\"nodes\":[" FOUR "]}",
		"{\"nodes\":[" FOUR "],\"ids\":[],\"sets\":[[0]],\"next\":null}",
		"{\"nodes\":[" FOUR "],\"ids\":[\"id-d-1\"],\"sets\":[[-1]],\"next\":null}",
		"{\"nodes\":[" FOUR "],\"ids\":[\"id-d-1\"],\"sets\":[7],\"next\":null}",
		"{\"nodes\":[" FOUR "],\"ids\":[7],\"sets\":[[\"0\"]],\"next\":null}",
		"{\"nodes\":[" FOUR "],\"ids\":[],\"sets\":[],\"next\":7}",
		/* The same place again and again. */
		"{\"nodes\":[" FOUR "],\"ids\":[],\"sets\":[],\"next\":\"00\"}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct said s = run(bad[i], &(struct command_options){ 0 }, "plan");
		assert_int_equal(s.status, CTL_FAILED);
		assert_non_null(strstr(s.errors, "not what a Warmcast node"));
		assert_string_equal(s.out, "");
		said_free(&s);
	}
}

/* V2: a node of a version before this page. */
static void what_the_node_does_not_tell_is_not_risked(void **state)
{
	(void)state;
	static const char older[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";
	struct said s = run_against(CLUSTER(EIGHT), older, &(struct command_options){ 0 }, "plan");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out,
	    "BATCH  ZONE  API  DELIVERY  INGEST  PLACES  ONLY HERE  NODES\n"
	    "    1  z1      1         7       0     700          -  api-1,d-1\n"
	    "    2  z1      2         7       0     700          -  d-2\n"
	    "    3  z1      2         7       0     700          -  d-3\n"
	    "    4  z1      2         7       0     700          -  d-4\n"
	    "    5  z1      2         7       0     700          -  d-5\n"
	    "    6  z1      2         7       0     700          -  d-6\n"
	    "    7  z1      2         7       0     700          -  d-7\n"
	    "    8  z1      2         7       0     700          -  d-10\n"
	    "    9  z2      1         8       0     800          -  api-2\n"
	    "160 sessions now, 800 places\n"
	    "the asked node does not tell who holds what: no two nodes of a role go together\n");
	said_free(&s);
	/* One that could and cannot now is another thing. */
	static const char broken[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}";
	s = run_against(CLUSTER(EIGHT), broken, &(struct command_options){ 0 }, "plan");
	assert_int_equal(s.status, CTL_FAILED);
	assert_non_null(strstr(s.errors, "HTTP 503"));
	said_free(&s);
}

static void a_status_shows_what_remains(void **state)
{
	(void)state;
	static const char half[] = "{\"nodes\":[" APIS "," DELIVERY("d-1",
	    "\"state\":\"draining\",\"liveness\":\"alive\"") ","
	                                                     "{\"name\":\"d-2\",\"id\":\"id-d-2\",\"roles\":["
	                                                     "\"delivery\"],\"zone\":\"z1\",\"version\":\"2."
	                                                     "0\"," READY
	                                                     ",\"capacity\":100,\"sessions\":1}]," HELD "}";
	struct said s = run(half, &(struct command_options){ .to = "2.0" }, "status");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out, "NAME   ROLES     ZONE  STATE     LIVE   SESSIONS  VERSION  BATCH\n"
	                           "api-1  api       z1    ready     alive         -  1.0          1\n"
	                           "api-2  api       z2    ready     alive         -  1.0          2\n"
	                           "d-1    delivery  z1    draining  alive    20/100  1.0          1\n"
	                           "d-2    delivery  z1    ready     alive     1/100  2.0       done\n"
	                           "3 run 1.0, 1 run 2.0\n"
	                           "1 of 4 nodes done, 2 batches remain\n");
	said_free(&s);
	s = run("{\"drains\":[{\"at\":\"2026-11-22T03:00:00Z\",\"order\":\"drain\",\"node\":\"d-1\",\"asked\":"
	        "\"api-2\"}],"
	        "\"nodes\":[" FOUR "]," HELD "}",
	    &(struct command_options){ 0 }, "status");
	assert_null(strstr(s.out, "remain"));
	assert_non_null(strstr(s.out, "4 run 1.0\n\n"
	                              "NODE  DRAINED               BY  BACK  BY  VERSION\n"
	                              "d-1   2026-11-22T03:00:00Z  -   -     -   -\n"));
	said_free(&s);
	/* The latest order about a node tells of it; d-2's came from a node of a version before. */
	s = run(
	    "{\"drains\":["
	    "{\"at\":\"2026-11-22T05:00:00Z\",\"order\":\"drain\",\"node\":\"d-1\",\"id\":\"id-d-1\",\"by\":"
	    "\"ann@ops\"},"
	    "{\"at\":\"2026-11-22T04:30:00Z\",\"order\":\"undrain\",\"node\":\"d-2\",\"id\":\"id-d-2\",\"by\":"
	    "\"bob@ops\","
	    "\"drained_at\":\"2026-11-22T04:00:00Z\",\"drained_by\":\"ann@ops\"},"
	    "{\"at\":\"2026-11-22T03:30:00Z\",\"order\":\"undrain\",\"node\":\"d-3\",\"id\":\"gone\",\"by\":null}"
	    ","
	    "{\"at\":\"2026-11-22T03:00:00Z\",\"order\":\"drain\",\"node\":\"d-3\",\"id\":\"gone\",\"by\":null}],"
	    "\"nodes\":[" FOUR "]," HELD "}",
	    &(struct command_options){ 0 }, "status");
	assert_non_null(
	    strstr(s.out, "NODE  DRAINED               BY       BACK                  BY       VERSION\n"
	                  "d-3   2026-11-22T03:00:00Z  -        2026-11-22T03:30:00Z  -        -\n"
	                  "d-2   2026-11-22T04:00:00Z  ann@ops  2026-11-22T04:30:00Z  bob@ops  1.0\n"
	                  "d-1   2026-11-22T05:00:00Z  ann@ops  -                     -        1.0\n"));
	said_free(&s);
	/* A plan meanwhile has to wait for the one that is away, and knows when all are done. */
	s = run(half, &(struct command_options){ .to = "1.0" }, "plan");
	assert_int_equal(s.status, CTL_FAILED);
	said_free(&s);
	s = run(CLUSTER(FOUR), &(struct command_options){ .to = "1.0" }, "plan");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out, "all nodes run 1.0\n");
	said_free(&s);
}

static void shares_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned permille; /* 0: it is none */
	} cases[] = { { "25%", 250 }, { "25", 250 }, { "12.5%", 125 }, { "0.1%", 1 }, { "1", 10 }, { "0", 0 },
		{ "0%", 0 }, { "25.1%", 0 }, { "26%", 0 }, { "100%", 0 }, { "", 0 }, { "%", 0 }, { "-1%", 0 },
		{ " 5%", 0 }, { "5%%", 0 }, { "5.%", 0 }, { "5.55%", 0 }, { "99999999999999999999", 0 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned permille = 0;
		assert_int_equal(rollout_take_batch(cases[i].text, &permille), cases[i].permille > 0);
		assert_int_equal(permille, cases[i].permille);
	}
}

static void others_take_no_terms(void **state)
{
	(void)state;
	struct command_options o = { .peak = 1 };
	char *words[] = { (char[]){ "nodes" } };
	assert_int_equal(client_set_admin(&o.client, "127.0.0.1:1"), OK);
	FILE *nowhere = fopen("/dev/null", "w");
	assert_int_equal(commands_run(&o, words, 1, nowhere, nowhere), CTL_USAGE);
	fclose(nowhere);
}

/* -- a large cluster, from what its nodes say -- */

enum { NODES = 800, APIS_N = 40, CONTENTS = 100000, HOLDERS = 3, ZONES = 4 };

static json_t *large_nodes(void)
{
	json_t *nodes = json_array();
	for (int i = 0; i < NODES; i++) {
		char name[16], zone[8];
		snprintf(name, sizeof(name), "n-%d", i);
		snprintf(zone, sizeof(zone), "z%d", i % ZONES);
		json_array_append_new(
		    nodes, json_pack("{s:s,s:s,s:[s],s:s,s:s,s:s,s:i,s:i}", "name", name, "id", name, "roles",
		               i < APIS_N ? "api" : "delivery", "zone", zone, "state", "ready", "liveness", "alive",
		               "capacity", 5000, "sessions", 2000));
	}
	return json_pack("{s:o}", "nodes", nodes);
}

/* All of a content are of one zone: the hardest to part. */
static json_t *large_holders(struct prng *prng)
{
	json_t *ids = json_array(), *sets = json_array();
	for (int i = 0; i < NODES; i++)
		json_array_append_new(ids, json_sprintf("n-%d", i));
	for (int c = 0; c < CONTENTS; c++) {
		json_t *set = json_array();
		int at = APIS_N + (int)prng_below(prng, NODES - APIS_N - ZONES * HOLDERS);
		for (uint64_t h = 0; h <= prng_below(prng, HOLDERS); h++)
			json_array_append_new(set, json_integer(at + ZONES * (int)h));
		json_array_append_new(sets, set);
	}
	return json_pack("{s:o,s:o,s:n}", "ids", ids, "sets", sets, "next");
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Time is shown and not judged: the machine that runs this may have other work. */
static void eight_hundred_nodes_with_a_hundred_thousand_contents(void **state)
{
	(void)state;
	struct prng prng;
	prng_init(&prng, 6);
	json_t *pieces = large_holders(&prng);
	struct rollout_known k;
	struct rollout_plan p;
	struct rollout_terms terms = { 250, 2500000, NULL };
	json_t *nodes = large_nodes();
	double began_s = now_s();
	assert_true(known_take_nodes(&k, nodes, &(struct known_wish){ 0 }));
	assert_true(known_take_holders(&k, pieces));
	known_settle(&k);
	struct rollout_wish w = { k.nodes, k.nodes_n, k.contents, k.sets_n, 250, terms.peak };
	rollout_plan(&w, &p);
	double planned_s = now_s() - began_s;
	assert_int_equal(p.verdict, ROLLOUT_PLANNED);
	size_t contents = 0;
	for (size_t i = 0; i < k.sets_n; i++) {
		contents += k.sets[i].contents;
		const struct rollout_content *c = &k.contents[i];
		bool apart = c->holders_n < 2;
		for (size_t h = 1; h < c->holders_n; h++)
			apart = apart || p.batch_of[c->holders[h]] != p.batch_of[c->holders[0]];
		assert_true(apart);
	}
	assert_int_equal(contents, CONTENTS);
	print_message("800 nodes, 100000 contents: %u batches in %.0f ms\n", p.batches_n, planned_s * 1000);
	json_decref(rollout_said(&k, &p, &terms));
	rollout_free(&p);
	known_free(&k);
	json_decref(pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_is_a_table),
		cmocka_unit_test(a_plan_is_json),
		cmocka_unit_test(only_what_is_watched_counts),
		cmocka_unit_test(what_nobody_watches_keeps_no_holder),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(no_answer_is_taken_on_trust),
		cmocka_unit_test(what_the_node_does_not_tell_is_not_risked),
		cmocka_unit_test(a_status_shows_what_remains),
		cmocka_unit_test(shares_are_read),
		cmocka_unit_test(others_take_no_terms),
		cmocka_unit_test(eight_hundred_nodes_with_a_hundred_thousand_contents),
	};
	return cmocka_run_group_tests_name("rollout_run", tests, NULL, NULL);
}
