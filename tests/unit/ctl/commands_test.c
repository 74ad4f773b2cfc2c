/* Commands from words to text and exit status. */
#include "fake_admin.h"

#include "ctl/commands.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct said {
	int status;
	char *out, *errors;
	char request[256]; /* its first line */
};

static void said_free(struct said *s)
{
	free(s->out);
	free(s->errors);
}

static struct said run_words(const char *admin, bool json, char *const *words, size_t words_n)
{
	struct said s = { 0 };
	size_t out_n, errors_n;
	FILE *out = open_memstream(&s.out, &out_n), *errors = open_memstream(&s.errors, &errors_n);
	assert_non_null(out);
	assert_non_null(errors);
	struct command_options o = { .json = json };
	assert_int_equal(client_set_admin(&o.client, admin), OK);
	s.status = commands_run(&o, words, words_n, out, errors);
	fclose(out);
	fclose(errors);
	return s;
}

static struct said run(const char *admin, bool json, const char *word, const char *argument)
{
	char first[64], second[8192];
	snprintf(first, sizeof(first), "%s", word);
	snprintf(second, sizeof(second), "%s", argument == NULL ? "" : argument);
	char *words[] = { first, second };
	return run_words(admin, json, words, argument == NULL ? 1 : 2);
}

/* A node that answers `status` and `body`. */
static void start_node(struct fake_admin *f, const char *status, const char *body)
{
	struct buf answer;
	buf_init(&answer, 1 << 20);
	buf_printf(&answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	fake_admin_start(f, buf_bytes(&answer), FAKE_CLOSES);
	buf_fini(&answer);
}

/* Runs a command against such a node. */
static struct said asked_words(
    const char *status, const char *body, bool json, char *const *words, size_t words_n)
{
	struct fake_admin f;
	start_node(&f, status, body);
	struct said s = run_words(f.address, json, words, words_n);
	fake_admin_seen(&f, s.request, sizeof(s.request));
	s.request[strcspn(s.request, "\r")] = '\0';
	fake_admin_stop(&f);
	return s;
}

static struct said asked(
    const char *status, const char *body, bool json, const char *word, const char *argument)
{
	char first[64], second[256];
	snprintf(first, sizeof(first), "%s", word);
	snprintf(second, sizeof(second), "%s", argument == NULL ? "" : argument);
	char *words[] = { first, second };
	return asked_words(status, body, json, words, argument == NULL ? 1 : 2);
}

enum { WORDS_MAX = 8 };

/* Splits `line`, in place, at its spaces. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;
	for (char *word; n < WORDS_MAX && (word = strsep(&line, " ")) != NULL;)
		words[n++] = word;
	return n;
}

static struct said asked_line(const char *status, const char *body, bool json, const char *line)
{
	char copy[256], *words[WORDS_MAX];
	snprintf(copy, sizeof(copy), "%s", line);
	size_t n = split(copy, words);
	return asked_words(status, body, json, words, n);
}

static struct said run_line(const char *line)
{
	char copy[256], *words[WORDS_MAX];
	snprintf(copy, sizeof(copy), "%s", line);
	size_t n = split(copy, words);
	return run_words("127.0.0.1:1", false, words, n);
}

static void assert_said(struct said s, int status, const char *out)
{
	assert_string_equal(s.errors, "");
	assert_string_equal(s.out, out);
	assert_int_equal(s.status, status);
	said_free(&s);
}

static void assert_failed(struct said s, int status, const char *part)
{
	assert_string_equal(s.out, "");
	assert_int_equal(s.status, status);
	if (strstr(s.errors, part) == NULL)
		fail_msg("said: %s", s.errors);
	/* one line */
	assert_ptr_equal(strchr(s.errors, '\n'), s.errors + strlen(s.errors) - 1);
	said_free(&s);
}

static const char status_json[] =
    "{\"cluster\":\"demo\",\"node\":\"delivery-1\",\"id\":\"00ff\",\"roles\":[\"delivery\",\"api\"],"
    "\"zone\":\"a\",\"state\":\"ready\",\"version\":\"0.1.0\",\"incarnation\":{\"count\":3},\"uptime_s\":754,"
    "\"nodes\":{\"alive\":5,\"suspect\":0,\"down\":1},\"sessions\":{\"active\":12,\"capacity\":5000},"
    "\"cache\":{\"units\":310,\"bytes\":1288490189,\"size_bytes\":536870912000},"
    "\"kvs\":{\"rows\":15,\"entries\":320,\"tombstones\":2,\"mute\":false}}\n";

static void status(void **state)
{
	(void)state;
	struct said s = asked("200 OK", status_json, false, "status", NULL);
	assert_string_equal(s.request, "GET /v1/status HTTP/1.1");
	assert_said(s, 0,
	    "cluster   demo\n"
	    "node      delivery-1, id 00ff\n"
	    "roles     delivery,api\n"
	    "zone      a\n"
	    "state     ready\n"
	    "version   0.1.0\n"
	    "up        12 min, incarnation 3\n"
	    "nodes     5 alive, 0 suspect, 1 down\n"
	    "sessions  12 of 5000\n"
	    "cache     310 units, 1.20 GiB of 500 GiB\n"
	    "replica   15 rows, 320 entries, 2 tombstones\n");
	assert_said(asked("200 OK", status_json, true, "status", NULL), 0, status_json);
	/* An api node has no cache and no places; a mute one says so. */
	s = asked("200 OK",
	    "{\"node\":\"api-1\",\"nodes\":{\"alive\":1,\"suspect\":0,\"down\":0,\"left\":2},\"sessions\":{"
	    "\"active\":0,\"capacity\":0},\"cache\":null,\"kvs\":{\"mute\":"
	    "true}}",
	    false, "status", NULL);
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.out, "\nsessions  -\ncache     -\n"));
	assert_non_null(strstr(s.out, " 0 down, 2 left\n"));
	assert_non_null(strstr(s.out, "MUTE"));
	said_free(&s);
}

static void nodes(void **state)
{
	(void)state;
	struct said s = asked("200 OK",
	    "{\"nodes\":[{\"name\":\"delivery-1\",\"id\":\"1\",\"roles\":[\"delivery\"],\"zone\":\"a\","
	    "\"state\":\"draining\",\"liveness\":\"alive\",\"since_ms\":12400,\"rpc\":\"127.0.0.3:7000\","
	    "\"http\":[],"
	    "\"sessions\":7,\"capacity\":5000,\"load_age_ms\":10,\"locations\":2,\"self\":false},"
	    "{\"name\":\"api-1\",\"id\":\"2\",\"roles\":[\"api\"],\"zone\":\"b\",\"state\":\"ready\","
	    "\"liveness\":\"down\",\"since_ms\":7300000,\"rpc\":\"127.0.0.1:7000\",\"sessions\":0,\"capacity\":0,"
	    "\"load_age_ms\":null,\"locations\":0,\"self\":true,\"claimed_by\":[\"c1\"],\"version\":\"0.1.0\","
	    "\"protocol\":{\"min\":1,\"max\":2}}]}",
	    false, "nodes", NULL);
	assert_string_equal(s.request, "GET /v1/nodes HTTP/1.1");
	assert_said(s, 0,
	    "NAME        STATE     LIVE   SINCE  BY  ROLES     ZONE  SESSIONS  VERSION      ADDRESS\n"
	    "api-1       ready     down     2 h  c1  api       b            -  0.1.0 (1-2)  127.0.0.1:7000\n"
	    "delivery-1  draining  alive   12 s  -   delivery  a       7/5000  -            127.0.0.3:7000\n");
}

static void holders(void **state)
{
	(void)state;
	struct said s = asked("200 OK",
	    "{\"content\":\"vod/x y\",\"origin\":\"main\",\"holders\":[{\"node\":\"delivery-2\",\"id\":\"2\","
	    "\"bytes\":3145728,\"objects\":31,\"share_permille\":1000,\"entry\":\"master.m3u8\","
	    "\"liveness\":\"alive\",\"state\":\"ready\"},"
	    "{\"node\":\"delivery-1\",\"bytes\":0,\"objects\":1,\"share_permille\":0,\"entry\":\"\","
	    "\"liveness\":\"down\",\"state\":\"left\"}]}",
	    false, "holders", "vod/x y");
	assert_string_equal(s.request, "GET /v1/contents/vod/x%20y HTTP/1.1");
	assert_said(s, 0,
	    "NODE        STATE  LIVE   SHARE      HELD  OBJECTS  ENTRY\n"
	    "delivery-1  left   down       -       0 B        1  -\n"
	    "delivery-2  ready  alive  100 %  3.00 MiB       31  master.m3u8\n");
	assert_said(
	    asked("200 OK", "{\"content\":\"x\",\"origin\":\"main\",\"holders\":[]}", false, "holders", "x"), 0,
	    "no node holds it\n");
}

static void kvs_stats(void **state)
{
	(void)state;
	static const char body[] = "{\"node\":\"n1\",\"mute\":false,\"fingerprint\":\"00000000000000ab\"}\n";
	struct said s = asked_line("200 OK", body, false, "kvs stats");
	assert_string_equal(s.request, "GET /v1/kvs/stats HTTP/1.1");
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.out, "node           n1\n"));
	said_free(&s);
	assert_said(asked_line("200 OK", body, true, "kvs stats"), 0, body);
	assert_failed(asked_line("200 OK", "{}", false, "kvs stats"), 1, "is not what");
}

/* A row as /v1/kvs/owners has it; only what the tests vary. */
#define ROW(owner, id, stream, version, floor, print)                                                \
	"{\"owner\":\"" owner "\",\"id\":\"" id "\",\"stream\":\"" stream                                \
	"\",\"incarnation\":3,\"nonce\":\"00aa\",\"version\":" version ",\"horizon\":9,\"floor\":" floor \
	",\"base\":0,\"entries\":4,\"tombstones\":1,\"fingerprint\":\"" print "\",\"exact\":true}"

static void kvs_owners(void **state)
{
	(void)state;
	static const char body[] =
	    "{\"node\":\"n1\",\"rows\":[" ROW("n2", "02", "locations", "9", "1", "ab") "," ROW(
	        "n2", "02", "control", "1", "0", "cd") "," ROW("", "01", "control", "12", "0", "ef") "]}\n";
	struct said s = asked_line("200 OK", body, false, "kvs owners");
	assert_string_equal(s.request, "GET /v1/kvs/owners HTTP/1.1");
	assert_said(s, 0,
	    "OWNER  STREAM     INC  VERSION  HORIZON  FLOOR  BASE  ENTRIES  DELETED  FINGERPRINT  EXACT  ID\n"
	    "-      control      3       12        9      0     0        4        1  ef           yes    01\n"
	    "n2     control      3        1        9      0     0        4        1  cd           yes    02\n"
	    "n2     locations    3        9        9      1     0        4        1  ab           yes    02\n");
	assert_said(asked_line("200 OK", body, true, "kvs owners"), 0, body);
	assert_failed(asked_line("200 OK", "{\"rows\":[1]}", false, "kvs owners"), 1, "is not what");
}

static void kvs_get(void **state)
{
	(void)state;
	static const char body[] =
	    "{\"owner\":\"n1\",\"id\":\"01\",\"stream\":\"control\",\"incarnation\":3,\"nonce\":\"00aa\","
	    "\"key\":\"register\",\"version\":2,\"value\":{\"name\":\"n1\",\"roles\":[\"api\",\"delivery\"],"
	    "\"capacity\":50,\"zone\":\"\"}}\n";
	struct said s = asked_line("200 OK", body, false, "kvs get n1 register");
	assert_string_equal(s.request, "GET /v1/kvs/get?owner=n1&stream=control&key=register HTTP/1.1");
	assert_said(s, 0,
	    "owner           n1\n"
	    "id              01\n"
	    "stream          control\n"
	    "key             register\n"
	    "incarnation     3\n"
	    "version         2\n"
	    "value.name      n1\n"
	    "value.roles     api,delivery\n"
	    "value.capacity  50\n"
	    "value.zone      -\n");
	assert_said(asked_line("200 OK", body, true, "kvs get n1 register"), 0, body);
	s = asked_line(
	    "200 OK", "{\"key\":\"x\",\"value\":null,\"value_hex\":\"ff01\"}", false, "kvs get n&1 main:vod/x&y");
	assert_string_equal(
	    s.request, "GET /v1/kvs/get?owner=n%261&stream=locations&key=main%3Avod/x%26y HTTP/1.1");
	assert_non_null(strstr(s.out, "value (hex)  ff01\n"));
	said_free(&s);
	s = asked_line("200 OK", body, true, "kvs get n1 load register");
	assert_non_null(strstr(s.request, "stream=load&key=load"));
	assert_int_equal(strlen(s.out), 2 * strlen(body));
	said_free(&s);
	assert_failed(asked_line("404 Not Found", "{\"detail\":\"No such entry.\"}", false, "kvs get n1 load"), 1,
	    "No such entry. (HTTP 404)");
	assert_failed(asked_line("200 OK", "{\"key\":\"x\"}", false, "kvs get n1 load"), 1, "is not what");
	assert_failed(run_line("kvs get n1 registre"), 2, "no such key: registre");
	assert_failed(run_line("kvs get n1"), 2, "usage: warmcastctl kvs get OWNER KEY...");
}

/* Two nodes with these rows are compared. */
static struct said compared(const char *a, const char *b, bool json, char names[2][32])
{
	struct fake_admin f[2];
	char bodies[2][4096];
	snprintf(bodies[0], sizeof(bodies[0]), "{\"node\":\"a\",\"rows\":%s}", a);
	snprintf(bodies[1], sizeof(bodies[1]), "{\"node\":\"b\",\"rows\":%s}", b);
	char kvs[] = "kvs", diff[] = "diff";
	for (size_t i = 0; i < 2; i++) {
		start_node(&f[i], "200 OK", bodies[i]);
		memcpy(names[i], f[i].address, sizeof(names[i]));
	}
	char *words[] = { kvs, diff, names[0], names[1] };
	struct said s = run_words("127.0.0.1:1", json, words, 4); /* nobody is asked there */
	fake_admin_seen(&f[1], s.request, sizeof(s.request));
	fake_admin_stop(&f[0]);
	fake_admin_stop(&f[1]);
	return s;
}

static void kvs_diff_of_equal_ones(void **state)
{
	(void)state;
	char names[2][32];
	/* Other orders, other names for an owner, other loads: equal. */
	static const char a[] = "[" ROW("n1", "01", "control", "1", "0", "ab") "," ROW(
	    "n1", "01", "load", "7", "0", "aa") "," ROW("n2", "02", "locations", "5", "2", "cd") "]";
	static const char b[] =
	    "[" ROW("n2", "02", "locations", "5", "2", "cd") "," ROW("", "01", "control", "1", "0", "ab") "]";
	struct said s = compared(a, b, false, names);
	assert_memory_equal(s.request, "GET /v1/kvs/owners HTTP/1.1\r\n", 29);
	assert_said(s, 0, "the replicas are equal: 2 rows\n");
	s = compared(a, b, true, names);
	char expected[256];
	snprintf(expected, sizeof(expected),
	    "{\"equal\":true,\"nodes\":[\"%s\",\"%s\"],\"rows\":2,\"differing\":[]}\n", names[0], names[1]);
	assert_said(s, 0, expected);
	assert_said(compared("[]", "[]", false, names), 0, "the replicas are equal: 0 rows\n");
}

/* Each thing by which rows differ: a row that one lacks, version, floor, fingerprint, run. */
static void kvs_diff_of_different_ones(void **state)
{
	(void)state;
	static const char a[] =
	    "[" ROW("n1", "01", "control", "1", "0", "ab") "," ROW("n2", "02", "locations", "5", "2", "cd") "]";
	static const char *const others[] = {
		"[" ROW("n1", "01", "control", "1", "0", "ab") "]",
		"[" ROW("n1", "01", "control", "1", "0", "ab") "," ROW("n2", "02", "locations", "6", "2", "cd") "]",
		"[" ROW("n1", "01", "control", "1", "0", "ab") "," ROW("n2", "02", "locations", "5", "3", "cd") "]",
		"[" ROW("n1", "01", "control", "1", "0", "ab") "," ROW("n2", "02", "locations", "5", "2", "ce") "]",
		"[" ROW("n1", "01", "control", "1", "0",
		    "ab") ",{\"id\":\"02\",\"stream\":\"locations\","
		          "\"incarnation\":3,\"nonce\":\"00ab\",\"version\":5,\"floor\":2,\"fingerprint\":\"cd\"}]",
	};
	char names[2][32];
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		for (int swapped = 0; swapped < 2; swapped++) {
			struct said s = compared(swapped ? others[i] : a, swapped ? a : others[i], false, names);
			assert_string_equal(s.errors, "");
			assert_int_equal(s.status, 1);
			assert_non_null(strstr(s.out, "\nthe replicas differ: 1 of 2 rows\n"));
			assert_null(strstr(s.out, "control"));
			said_free(&s);
		}
	}
	struct said s = compared(a, others[0], false, names);
	char expected[512];
	int wide = (int)strlen(names[0]) > (int)strlen(names[1]) ? (int)strlen(names[0]) : (int)strlen(names[1]);
	snprintf(expected, sizeof(expected),
	    "OWNER  STREAM     %-*s  INC  VERSION  FLOOR  ENTRIES  DELETED  FINGERPRINT\n"
	    "n2     locations  %-*s    3        5      2        4        1  cd\n"
	    "n2     locations  %-*s    -        -      -        -        -  -\n"
	    "the replicas differ: 1 of 2 rows\n",
	    wide, "NODE", wide, names[0], wide, names[1]);
	assert_string_equal(s.out, expected);
	said_free(&s);
	s = compared(a, others[1], true, names);
	json_t *j = json_loads(s.out, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(s.status, 1);
	assert_true(json_is_false(json_object_get(j, "equal")));
	const json_t *d = json_array_get(json_object_get(j, "differing"), 0);
	const json_t *theirs = json_array_get(json_object_get(d, "rows"), 1);
	assert_string_equal(json_string_value(json_object_get(d, "owner")), "n2");
	assert_int_equal(json_integer_value(json_object_get(theirs, "version")), 6);
	json_decref(j);
	said_free(&s);
}

/* What cannot be compared is neither equal nor different. */
static void kvs_diff_in_trouble(void **state)
{
	(void)state;
	char names[2][32], line[128], nobody[32];
	fake_admin_nobody(nobody);
	snprintf(line, sizeof(line), "kvs diff %s %s", nobody, nobody);
	assert_failed(run_line(line), 2, "connection refused");
	assert_failed(run_line("kvs diff n1 n2"), 2, "not HOST:PORT: n1");
	assert_failed(run_line("kvs diff 127.0.0.1:1"), 2, "usage: warmcastctl kvs diff NODE NODE");
	assert_failed(compared("[]", "[1]", false, names), 2, "is not what");
	assert_failed(compared("[]", "[{\"id\":\"1\",\"stream\":\"load\"}]", false, names), 2, "is not what");
}

static void refusals_are_one_line(void **state)
{
	(void)state;
	assert_failed(asked("404 Not Found", "{\"title\":\"Not Found\",\"detail\":\"No origin store\\nhas it.\"}",
	                  false, "holders", "x"),
	    1, "No origin store has it. (HTTP 404)");
	assert_failed(asked("503 Service Unavailable", "{\"title\":\"Sorry\"}", true, "nodes", NULL), 1,
	    "Sorry (HTTP 503)");
	assert_failed(asked("500 Oops", "<html>", false, "nodes", NULL), 1, "HTTP 500");
	assert_failed(asked("301 Moved", "", false, "nodes", NULL), 1, "HTTP 301");
}

static void other_answers_are_not_understood(void **state)
{
	(void)state;
	static const char *const bodies[] = { "", "{", "[]", "3",
		"{\"node\":\"x\",\"nodes\":[],\"nodes\":[],\"holders\":[]}", "{\"nodes\":3,\"holders\":3}",
		"{\"nodes\":[1],\"holders\":[null]}", "{}x" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_failed(asked("200 OK", bodies[i], false, "nodes", NULL), 1, "is not what");
		assert_failed(asked("200 OK", bodies[i], false, "holders", "x"), 1, "is not what");
		assert_failed(asked("200 OK", bodies[i], false, "status", NULL), 1, "is not what");
	}
	assert_failed(asked("200 OK", "no json", true, "status", NULL), 1, "is not what");
}

static void members_of_other_types_are_dashes(void **state)
{
	(void)state;
	assert_said(asked("200 OK",
	                "{\"nodes\":[{\"name\":1,\"roles\":{},\"since_ms\":-1,\"capacity\":\"x\",\"rpc\":null}]}",
	                false, "nodes", NULL),
	    0,
	    "NAME  STATE  LIVE  SINCE  BY  ROLES  ZONE  SESSIONS  VERSION  ADDRESS\n"
	    "-     -      -         -  -   -      -            -  -        -\n");
}

static void an_option_of_another_command_is_bad_usage(void **state)
{
	(void)state;
	char nodes[] = "nodes", kvs[] = "kvs", probe[] = "probe", *words[] = { kvs, probe };
	struct command_options o = { .watch = true };
	assert_int_equal(client_set_admin(&o.client, "127.0.0.1:1"), OK);
	char *only = nodes, *text = NULL;
	size_t n;
	FILE *errors = open_memstream(&text, &n);
	assert_non_null(errors);
	assert_int_equal(commands_run(&o, &only, 1, stdout, errors), 2);
	o = (struct command_options){ .client = o.client, .tries = 3 };
	assert_int_equal(commands_run(&o, &only, 1, stdout, errors), 2);
	o = (struct command_options){ .client = o.client, .lag = true };
	assert_int_equal(commands_run(&o, words, 2, stdout, errors), 2);
	fclose(errors);
	assert_string_equal(text, "warmcastctl: nodes takes no --watch\nwarmcastctl: nodes takes no --slots\n"
	                          "warmcastctl: kvs probe takes no --lag\n");
	free(text);
}

static void bad_usage(void **state)
{
	(void)state;
	assert_failed(run("127.0.0.1:1", false, "stauts", NULL), 2, "no such command: stauts");
	assert_failed(run("127.0.0.1:1", false, "status", "now"), 2, "usage");
	assert_failed(run_line("kvs"), 2, "no such command: kvs");
	assert_failed(run_line("kvs stat"), 2, "no such command: kvs stat");
	assert_failed(run_line("kvs stats now"), 2, "usage: warmcastctl kvs stats");
	assert_failed(run("127.0.0.1:1", false, "holders", NULL), 2, "usage");
	assert_failed(run("127.0.0.1:1", false, "holders", ""), 2, "usage");
	char name[8000];
	memset(name, ' ', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_failed(run("127.0.0.1:1", false, "holders", name), 2, "limit");
}

static void a_node_that_is_not_there(void **state)
{
	(void)state;
	char address[32];
	fake_admin_nobody(address);
	assert_failed(run(address, false, "status", NULL), 1, "connection refused");
}

static void a_full_output_is_a_failure(void **state)
{
	(void)state;
	struct buf answer;
	buf_init(&answer, 1 << 16);
	buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(status_json), status_json);
	struct fake_admin f;
	fake_admin_start(&f, buf_bytes(&answer), FAKE_CLOSES);
	FILE *full = fopen("/dev/full", "w"), *errors = fopen("/dev/null", "w");
	struct command_options o = { 0 };
	assert_int_equal(client_set_admin(&o.client, f.address), OK);
	char word[] = "status", *words[] = { word };
	assert_int_equal(commands_run(&o, words, 1, full, errors), 1);
	fclose(full);
	fclose(errors);
	fake_admin_stop(&f);
	buf_fini(&answer);
}

static void every_command_has_help(void **state)
{
	(void)state;
	char *list = NULL, *help = NULL;
	size_t n;
	FILE *out = open_memstream(&list, &n);
	commands_list(out);
	fclose(out);
	static const char *const names[] = { "status", "nodes", "holders", "kvs stats", "kvs owners", "kvs get",
		"kvs diff", "kvs" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[32], *words[WORDS_MAX];
		snprintf(line, sizeof(line), "%s", names[i]);
		size_t words_n = split(line, words);
		assert_true(commands_known(words, words_n));
		assert_non_null(strstr(list, names[i]));
		out = open_memstream(&help, &n);
		commands_help(words, words_n, out);
		fclose(out);
		assert_non_null(strstr(help, names[i]));
		assert_true(n > 100);
		if (strcmp(names[i], "kvs") == 0)
			assert_non_null(strstr(help, "kvs diff NODE NODE"));
		free(help);
	}
	free(list);
	char none[] = "", kvs[] = "kvs", *unknown[] = { kvs, none };
	assert_false(commands_known(unknown, 2));
	assert_false(commands_known(unknown + 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status),
		cmocka_unit_test(nodes),
		cmocka_unit_test(holders),
		cmocka_unit_test(kvs_stats),
		cmocka_unit_test(kvs_owners),
		cmocka_unit_test(kvs_get),
		cmocka_unit_test(kvs_diff_of_equal_ones),
		cmocka_unit_test(kvs_diff_of_different_ones),
		cmocka_unit_test(kvs_diff_in_trouble),
		cmocka_unit_test(refusals_are_one_line),
		cmocka_unit_test(other_answers_are_not_understood),
		cmocka_unit_test(members_of_other_types_are_dashes),
		cmocka_unit_test(an_option_of_another_command_is_bad_usage),
		cmocka_unit_test(bad_usage),
		cmocka_unit_test(a_node_that_is_not_there),
		cmocka_unit_test(a_full_output_is_a_failure),
		cmocka_unit_test(every_command_has_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
