/* `kvs probe` and `nodes --lag` over a node that stands in for all: it says the same to every question. */
#include "fake_admin.h"

#include "ctl/commands.h"
#include "ctl/lag.h"
#include "ctl/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct said {
	int status;
	char *out, *errors;
};

static void start(struct fake_admin *f, const char *status, const char *body)
{
	struct buf answer;
	buf_init(&answer, 1 << 20);
	buf_printf(&answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	fake_admin_start(f, buf_bytes(&answer), FAKE_CLOSES);
	buf_fini(&answer);
}

static struct said probe(const char *admin, char *const *nodes, size_t nodes_n, unsigned tries, bool json)
{
	struct said s = { 0 };
	struct client c = { 0 };
	size_t n;
	FILE *out = open_memstream(&s.out, &n), *errors = open_memstream(&s.errors, &n);
	assert_int_equal(client_set_admin(&c, admin), OK);
	struct probe_job job = { .client = &c, .nodes = nodes, .nodes_n = nodes_n, .tries = tries, .json = json };
	s.status = probe_run(&job, out, errors);
	fclose(out);
	fclose(errors);
	return s;
}

static void assert_said(struct said s, int status, const char *out, const char *errors)
{
	assert_string_equal(s.out, out);
	if (strstr(s.errors, errors) == NULL || (errors[0] == '\0' && s.errors[0] != '\0'))
		fail_msg("said: %s", s.errors);
	assert_int_equal(s.status, status);
	free(s.out);
	free(s.errors);
}

#define WROTE "\"owner\":\"ab\",\"writes\":[{\"slot\":0,\"number\":7,\"version\":3}]"

static void all_have_it(void **state)
{
	(void)state;
	struct fake_admin f;
	char expected[256], *nodes[2];
	start(&f, "200 OK",
	    "{" WROTE ",\"seen\":[{\"owner\":\"aa\",\"number\":9,\"latency_us\":1},"
	    "{\"owner\":\"ab\",\"number\":7,\"latency_us\":1549}]}");
	nodes[0] = nodes[1] = f.address;
	struct said s = probe(f.address, nodes, 2, 1, false);
	size_t width = strlen(f.address);
	snprintf(expected, sizeof(expected),
	    "%-*s  LATENCY  ADMIN\n%s   1.5 ms  %s\n%s   1.5 ms  %s\n2 of 2 nodes, p50 1.5 ms, max 1.5 ms (%s)\n",
	    (int)width, "NODE", f.address, f.address, f.address, f.address, f.address);
	assert_said(s, CTL_DONE, expected, "");
	snprintf(expected, sizeof(expected),
	    "{\"owner\":\"ab\",\"number\":7,\"nodes\":[{\"node\":\"%s\",\"answered\":true,\"latency_us\":1549}]}"
	    "\n",
	    f.address);
	assert_said(probe(f.address, nodes, 1, 1, true), CTL_DONE, expected, "");
	snprintf(expected, sizeof(expected),
	    "1 of 1 nodes, p50 1.5 ms, max 1.5 ms (%s)\n1 of 1 nodes, p50 1.5 ms, max 1.5 ms (%s)\n"
	    "to the last node, of 2 writes: p50 1.5 ms, max 1.5 ms\n",
	    f.address, f.address);
	assert_said(probe(f.address, nodes, 1, 2, false), CTL_DONE, expected, "");
	fake_admin_stop(&f);
}

/* Itself is not asked, nor one that is down; the port is that of the writer. */
static void the_writers_cluster_is_asked(void **state)
{
	(void)state;
	struct fake_admin f;
	char expected[512];
	start(&f, "200 OK",
	    "{" WROTE ",\"seen\":[{\"owner\":\"ab\",\"number\":8,\"latency_us\":-2000}],\"nodes\":["
	    "{\"id\":\"1\",\"name\":\"n1\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.1:7000\",\"self\":true},"
	    "{\"id\":\"2\",\"name\":\"n2\",\"liveness\":\"down\",\"rpc\":\"127.0.0.1:7000\",\"self\":false},"
	    "{\"id\":\"4\",\"name\":\"n4\",\"liveness\":\"alive\",\"rpc\":\"\",\"self\":false},"
	    "{\"id\":\"3\",\"name\":\"n3\",\"liveness\":\"suspect\",\"rpc\":\"127.0.0.1:7000\",\"self\":false}]"
	    "}");
	snprintf(expected, sizeof(expected),
	    "NODE  LATENCY  ADMIN\nn3    -2.0 ms  %s\n1 of 1 nodes, p50 -2.0 ms, max -2.0 ms (n3)\n", f.address);
	assert_said(probe(f.address, NULL, 0, 1, false), CTL_DONE, expected, "");
	fake_admin_stop(&f);
}

static void one_that_does_not_answer(void **state)
{
	(void)state;
	struct fake_admin f;
	char expected[256], nobody[32], *nodes[] = { nobody };
	fake_admin_nobody(nobody);
	start(&f, "200 OK", "{" WROTE "}");
	snprintf(expected, sizeof(expected), "%-*s    LATENCY  ADMIN\n%s  no answer  %s\n0 of 1 nodes\n",
	    (int)strlen(nobody), "NODE", nobody, nobody);
	assert_said(probe(f.address, nodes, 1, 1, false), CTL_FAILED, expected, "");
	fake_admin_stop(&f);
}

static void one_that_refuses_or_says_nonsense(void **state)
{
	(void)state;
	struct fake_admin f;
	char bad[] = "n1", nobody[32], *nodes[] = { bad }, *good[] = { nobody };
	fake_admin_nobody(nobody);
	start(&f, "503 Service Unavailable", "{\"detail\":\"its store\\nfails\"}");
	assert_said(probe(f.address, good, 1, 1, false), CTL_FAILED, "", "its store fails (HTTP 503)\n");
	assert_said(probe(f.address, NULL, 0, 1, false), CTL_FAILED, "", "HTTP 503");
	assert_said(probe(f.address, nodes, 1, 1, false), CTL_USAGE, "", "not HOST:PORT: n1\n");
	fake_admin_stop(&f);
	static const char *const bodies[] = { "{}", "[]", "x", "{\"owner\":\"a\",\"writes\":[{\"number\":-1}]}",
		"{\"nodes\":[{\"id\":1}]}" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		start(&f, "200 OK", bodies[i]);
		assert_said(probe(f.address, good, 1, 1, false), CTL_FAILED, "", "warmcastctl: ");
		assert_said(probe(f.address, NULL, 0, 1, false), CTL_FAILED, "", "warmcastctl: ");
		fake_admin_stop(&f);
	}
	assert_said(probe(nobody, good, 1, 1, false), CTL_FAILED, "", "connection refused");
}

/* -- lag -- */

/* `behind` of the node with that id, or -1 when it has none. */
static json_int_t behind(const json_t *answer, const char *id)
{
	const json_t *list = json_object_get(answer, "nodes");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *n = json_array_get(list, i);
		const json_t *v = json_object_get(n, "behind");
		if (strcmp(json_string_value(json_object_get(n, "id")), id) == 0)
			return v == NULL ? -1 : json_integer_value(v);
	}
	fail_msg("no node %s", id);
	return -1;
}

static void lag(void **state)
{
	(void)state;
	struct fake_admin f;
	struct client c = { 0 };
	char error[CLIENT_ERROR_MAX];
	/* The one that answers is node 2. */
	start(&f, "200 OK",
	    "{\"id\":\"2\",\"incarnation\":{\"count\":3},\"versions\":{\"control\":10,\"locations\":20},"
	    "\"nodes\":["
	    "{\"id\":\"1\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.1:1\",\"incarnation\":3,\"versions\":{"
	    "\"control\":1,"
	    "\"locations\":1}},"
	    "{\"id\":\"2\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.1:1\",\"incarnation\":3,\"versions\":{"
	    "\"control\":9,"
	    "\"locations\":15}}]}");
	assert_int_equal(client_set_admin(&c, f.address), OK);
	json_t *j = lag_ask(&c, error);
	assert_non_null(j);
	assert_int_equal(behind(j, "1"), -1); /* another answered there */
	assert_int_equal(behind(j, "2"), 6);
	json_decref(j);
	fake_admin_stop(&f);
	/* What is here is of an earlier history, which may be longer. */
	start(&f, "200 OK",
	    "{\"id\":\"2\",\"incarnation\":{\"count\":4},\"versions\":{\"control\":2,\"locations\":3},\"nodes\":["
	    "{\"id\":\"2\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.1:1\",\"incarnation\":3,\"versions\":{"
	    "\"control\":9,"
	    "\"locations\":15}}]}");
	assert_int_equal(client_set_admin(&c, f.address), OK);
	j = lag_ask(&c, error);
	assert_int_equal(behind(j, "2"), 5);
	json_decref(j);
	fake_admin_stop(&f);
	start(&f, "200 OK", "{}");
	assert_int_equal(client_set_admin(&c, f.address), OK);
	assert_null(lag_ask(&c, error));
	assert_non_null(strstr(error, "not understood"));
	fake_admin_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_have_it),
		cmocka_unit_test(the_writers_cluster_is_asked),
		cmocka_unit_test(one_that_does_not_answer),
		cmocka_unit_test(one_that_refuses_or_says_nonsense),
		cmocka_unit_test(lag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
