/* explain, from words to text and exit status. */
#include "fake_admin.h"

#include "ctl/commands.h"
#include "ctl/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HANDLE "AQJrMQgCEhDGn7aTeJTZEGJQ7veHwNoSGgRtYWluIgZ2b2QvZTEyECFB9UoO_vka2j-17qyuibM6"

#define CONTENT_ANSWER                                                                                   \
	"{\"content\":\"lv1\",\"origin\":\"main\",\"zone\":\"\",\"asked\":\"api-1\",\"outcome\":\"warm\","   \
	"\"node\":\"delivery-2\",\"holders\":1,\"candidates\":["                                             \
	"{\"rank\":1,\"node\":\"delivery-2\",\"reason\":\"taken\",\"state\":\"ready\",\"zone\":\"a\","       \
	"\"holder\":true,\"objects\":6,\"bytes\":2048,\"share_permille\":250,\"capacity\":5000,\"load\":12," \
	"\"headroom\":4988,"                                                                                 \
	"\"places\":20,\"age_ms\":340,\"order\":2},"                                                         \
	"{\"rank\":null,\"node\":\"d1\",\"reason\":\"no headroom\",\"state\":\"ready\",\"zone\":\"b\","      \
	"\"holder\":false,\"objects\":0,\"bytes\":0,\"capacity\":10,\"load\":10,\"headroom\":0,"             \
	"\"places\":null,\"age_ms\":1290,\"order\":1},"                                                      \
	"{\"rank\":null,\"node\":\"d3\",\"reason\":\"from a later version\",\"age_ms\":180000}]}"

#define SESSION_ANSWER                                                                                 \
	"{\"session_id\":\"ab\",\"content\":\"lv1\",\"origin\":\"main\",\"created_by\":\"api-1\","         \
	"\"created_at\":\"2026-11-21T09:18:53.000000Z\",\"outcome\":\"cold\",\"node\":\"d1\","             \
	"\"node_now\":\"d2\",\"nodes\":40,\"usable\":38,\"reasons\":{\"taken\":1,\"ranked lower\":37,"     \
	"\"unreachable\":2},\"candidates\":[{\"rank\":1,\"node\":\"d1\",\"reason\":\"taken\","             \
	"\"state\":\"ready\",\"holder\":false,\"capacity\":50,\"load\":7,\"headroom\":43,\"places\":null," \
	"\"age_ms\":null}]}"

struct said {
	int status;
	char *out, *errors;
	char requests[2][512]; /* their first lines */
};

static struct said run(const char *status, const char *body, bool json, const char *what, size_t requests)
{
	struct said s = { 0 };
	struct fake_admin f;
	struct buf answer;
	buf_init(&answer, 1 << 20);
	buf_printf(&answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	fake_admin_start(&f, buf_bytes(&answer), FAKE_CLOSES);
	buf_fini(&answer);
	size_t out_n, errors_n;
	FILE *out = open_memstream(&s.out, &out_n), *errors = open_memstream(&s.errors, &errors_n);
	struct command_options o = { .json = json };
	assert_int_equal(client_set_admin(&o.client, f.address), OK);
	char first[] = "explain", second[300];
	snprintf(second, sizeof(second), "%s", what);
	char *words[] = { first, second };
	s.status = commands_run(&o, words, 2, out, errors);
	fclose(out);
	fclose(errors);
	char seen[2048];
	const char *at = seen;
	fake_admin_seen(&f, seen, sizeof(seen)); /* all that was asked is there by now */
	for (size_t i = 0; i < requests; i++) {
		assert_non_null(at);
		snprintf(s.requests[i], sizeof(s.requests[i]), "%.*s", (int)strcspn(at, "\r"), at);
		at = strstr(at, "\r\n\r\n");
		at = at != NULL ? at + 4 : NULL;
	}
	fake_admin_stop(&f);
	return s;
}

static void said_free(struct said *s)
{
	free(s->out);
	free(s->errors);
}

static void a_content(void **state)
{
	(void)state;
	struct said s = run("200 OK", CONTENT_ANSWER, false, "lv1/a b", 1);
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.requests[0], "GET /v1/explain?content=lv1/a%20b HTTP/1.1");
	assert_string_equal(s.out,
	    "content      lv1 (origin main)\n"
	    "decided now  warm, taken by delivery-2\n"
	    "as known by  api-1\n"
	    "\n"
	    "RANK  NODE        REASON                STATE  ZONE  SHARE      HELD  OBJECTS     LOAD  HEADROOM  "
	    "PLACES    TOLD  ORDER\n"
	    "   1  delivery-2  taken                 ready  a      25 %  2.00 KiB        6  12/5000      4988  "
	    "    20  340 ms      2\n"
	    "   -  d1          no headroom           ready  b         -         -        -    10/10         0  "
	    "     -   1.2 s      1\n"
	    "   -  d3          from a later version  -      -         -         -        -        -         -  "
	    "     -   3 min      -\n");
	said_free(&s);
	s = run("200 OK", CONTENT_ANSWER, true, "lv1", 1);
	assert_string_equal(s.out, CONTENT_ANSWER "\n");
	said_free(&s);
}

static void nobody_takes_it(void **state)
{
	(void)state;
	struct said s = run("200 OK",
	    "{\"content\":\"lv1\",\"origin\":\"main\",\"zone\":\"z\",\"asked\":\"api-1\",\"outcome\":\"refused\","
	    "\"node\":null,\"candidates\":[]}",
	    false, "lv1", 1);
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out, "content        lv1 (origin main)\n"
	                           "viewer's zone  z\n"
	                           "decided now    refused: no delivery node can take a viewer\n"
	                           "as known by    api-1\n"
	                           "\n"
	                           "no delivery node is known\n");
	said_free(&s);
}

static void a_session(void **state)
{
	(void)state;
	struct said s = run("200 OK", SESSION_ANSWER, false, HANDLE, 1);
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.requests[0], "GET /v1/explain?session=" HANDLE " HTTP/1.1");
	assert_string_equal(s.out, "content         lv1 (origin main)\n"
	                           "session         ab\n"
	                           "created         2026-11-21T09:18:53Z by api-1\n"
	                           "decided then    cold, taken by d1\n"
	                           "belongs now to  d2: it moves there at its next heartbeat or redirect\n"
	                           "of nodes        40, of which 38 could take it\n"
	                           "reasons         1 taken, 37 ranked lower, 2 unreachable\n"
	                           "\n"
	                           "RANK  NODE  REASON  STATE  HOLDER  LOAD  HEADROOM  PLACES  TOLD\n"
	                           "   1  d1    taken   ready  -       7/50        43       -     -\n");
	said_free(&s);
}

static void what_is_no_session_may_be_a_content(void **state)
{
	(void)state;
	static const char none[] =
	    "{\"type\":\"urn:warmcast:problem:no-such-session\",\"detail\":\"That is none.\",\"status\":404}";
	struct said s = run("404 Not Found", none, false, HANDLE, 2);
	assert_int_equal(s.status, CTL_FAILED);
	assert_string_equal(s.requests[0], "GET /v1/explain?session=" HANDLE " HTTP/1.1");
	assert_string_equal(s.requests[1], "GET /v1/explain?content=" HANDLE " HTTP/1.1");
	said_free(&s);
	static const char forgotten[] =
	    "{\"type\":\"urn:warmcast:problem:forgotten\",\"detail\":\"It is long ago.\",\"status\":404}";
	s = run("404 Not Found", forgotten, false, HANDLE, 1);
	assert_int_equal(s.status, CTL_FAILED);
	assert_non_null(strstr(s.errors, ": It is long ago. (HTTP 404)\n"));
	assert_string_equal(s.out, "");
	said_free(&s);
}

static void answers_of_another_kind(void **state)
{
	(void)state;
	static const char *const bodies[] = { "[]", "{}", "{\"candidates\":[]}", "{\"content\":\"a\"}",
		"no json" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct said s = run("200 OK", bodies[i], false, "lv1", 1);
		assert_int_equal(s.status, CTL_FAILED);
		said_free(&s);
		s = run("200 OK", bodies[i], false, HANDLE, 1);
		assert_int_equal(s.status, CTL_FAILED);
		assert_string_equal(s.out, "");
		said_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content),
		cmocka_unit_test(nobody_takes_it),
		cmocka_unit_test(a_session),
		cmocka_unit_test(what_is_no_session_may_be_a_content),
		cmocka_unit_test(answers_of_another_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
