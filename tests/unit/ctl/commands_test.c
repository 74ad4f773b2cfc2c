/* Commands from words to text and exit status. */
#include "fake_admin.h"

#include "ctl/commands.h"

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

static struct said run(const char *admin, bool json, const char *word, const char *argument)
{
	struct said s = { 0 };
	size_t out_n, errors_n;
	FILE *out = open_memstream(&s.out, &out_n), *errors = open_memstream(&s.errors, &errors_n);
	assert_non_null(out);
	assert_non_null(errors);
	struct command_options o = { .json = json, .client = { .admin = admin } };
	assert_int_equal(address_parse(admin, &o.client.address), OK);
	char first[64], second[8192];
	snprintf(first, sizeof(first), "%s", word);
	snprintf(second, sizeof(second), "%s", argument == NULL ? "" : argument);
	char *words[] = { first, second };
	s.status = commands_run(&o, words, argument == NULL ? 1 : 2, out, errors);
	fclose(out);
	fclose(errors);
	return s;
}

/* Runs a command against a node that answers `status` and `body`. */
static struct said asked(
    const char *status, const char *body, bool json, const char *word, const char *argument)
{
	struct buf answer;
	buf_init(&answer, 1 << 20);
	buf_printf(&answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	struct fake_admin f;
	fake_admin_start(&f, buf_bytes(&answer), FAKE_CLOSES);
	struct said s = run(f.address, json, word, argument);
	fake_admin_seen(&f, s.request, sizeof(s.request));
	s.request[strcspn(s.request, "\r")] = '\0';
	fake_admin_stop(&f);
	buf_fini(&answer);
	return s;
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
	    "{\"node\":\"api-1\",\"sessions\":{\"active\":0,\"capacity\":0},\"cache\":null,\"kvs\":{\"mute\":"
	    "true}}",
	    false, "status", NULL);
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.out, "\nsessions  -\ncache     -\n"));
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
	    "\"load_age_ms\":null,\"locations\":0,\"self\":true}]}",
	    false, "nodes", NULL);
	assert_string_equal(s.request, "GET /v1/nodes HTTP/1.1");
	assert_said(s, 0,
	    "NAME        STATE     LIVE   SINCE  ROLES     ZONE  SESSIONS  ADDRESS\n"
	    "api-1       ready     down     2 h  api       b            -  127.0.0.1:7000\n"
	    "delivery-1  draining  alive   12 s  delivery  a       7/5000  127.0.0.3:7000\n");
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
	    "NAME  STATE  LIVE  SINCE  ROLES  ZONE  SESSIONS  ADDRESS\n"
	    "-     -      -         -  -      -            -  -\n");
}

static void bad_usage(void **state)
{
	(void)state;
	assert_failed(run("127.0.0.1:1", false, "stauts", NULL), 2, "no such command: stauts");
	assert_failed(run("127.0.0.1:1", false, "status", "now"), 2, "usage");
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
	struct command_options o = { .client = { .admin = f.address } };
	assert_int_equal(address_parse(f.address, &o.client.address), OK);
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
	static const char *const names[] = { "status", "nodes", "holders" };
	for (size_t i = 0; i < 3; i++) {
		assert_true(commands_known(names[i]));
		assert_non_null(strstr(list, names[i]));
		out = open_memstream(&help, &n);
		commands_help(names[i], out);
		fclose(out);
		assert_non_null(strstr(help, names[i]));
		assert_true(n > 100);
		free(help);
	}
	free(list);
	assert_false(commands_known(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status),
		cmocka_unit_test(nodes),
		cmocka_unit_test(holders),
		cmocka_unit_test(refusals_are_one_line),
		cmocka_unit_test(other_answers_are_not_understood),
		cmocka_unit_test(members_of_other_types_are_dashes),
		cmocka_unit_test(bad_usage),
		cmocka_unit_test(a_node_that_is_not_there),
		cmocka_unit_test(a_full_output_is_a_failure),
		cmocka_unit_test(every_command_has_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
