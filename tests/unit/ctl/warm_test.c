/* warm, from words to text and exit status. */
#include "fake_admin.h"

#include "ctl/commands.h"
#include "ctl/warm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE(name, state, ended, more) \
	"{\"node\":\"" name "\",\"holder\":false,\"state\":\"" state "\",\"ended\":" ended "," more "}"
#define COUNTS(objects, remaining, failed)                                                                 \
	"\"objects\":" objects ",\"remaining\":" remaining ",\"failed\":" failed ",\"bytes\":2048,\"detail\":" \
	"\"\""
#define ANSWER(nodes) "{\"id\":\"00ff\",\"content\":\"lv1\",\"copies\":2,\"nodes\":[" nodes "]}"

struct said {
	int status;
	char *out, *errors;
	char request[256]; /* its first line */
};

static struct said run(const char *status, const char *body, unsigned copies, bool wait, bool json)
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
	struct command_options o = { .json = json, .wait = wait, .copies = copies };
	assert_int_equal(client_set_admin(&o.client, f.address), OK);
	char first[] = "warm", second[] = "lv1";
	char *words[] = { first, second };
	s.status = commands_run(&o, words, 2, out, errors);
	fclose(out);
	fclose(errors);
	fake_admin_seen(&f, s.request, sizeof(s.request));
	s.request[strcspn(s.request, "\r")] = '\0';
	fake_admin_stop(&f);
	return s;
}

static void said_free(struct said *s)
{
	free(s->out);
	free(s->errors);
}

static void an_order_is_given(void **state)
{
	(void)state;
	struct said s = run("202 Accepted",
	    ANSWER(NODE("d1", "ordered", "false", COUNTS("0", "0", "0")) "," NODE(
	        "d2", "running", "false", COUNTS("3", "4", "0"))),
	    2, false, false);
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.request, "POST /v1/warm HTTP/1.1");
	assert_string_equal(s.out, "NODE  HELD BEFORE  STATE    OBJECTS  REMAINING  FAILED     BYTES  DETAIL\n"
	                           "d1    no           ordered        0          0       0  2.00 KiB  -\n"
	                           "d2    no           running        3          4       0  2.00 KiB  -\n");
	assert_string_equal(s.errors, "");
	said_free(&s);
}

static void fewer_nodes_than_copies_are_a_failure(void **state)
{
	(void)state;
	struct said s =
	    run("202 Accepted", ANSWER(NODE("d1", "ordered", "false", COUNTS("0", "0", "0"))), 2, false, true);
	assert_int_equal(s.status, CTL_FAILED);
	assert_non_null(strstr(s.out, "\"copies\":2"));
	assert_string_equal(s.errors, "warmcastctl: only 1 delivery nodes could be chosen for 2 copies\n");
	said_free(&s);
}

static void it_waits_until_all_is_over(void **state)
{
	(void)state;
	struct said s = run("202 Accepted",
	    ANSWER(NODE("d1", "done", "true", COUNTS("9", "0", "0")) "," NODE(
	        "d2", "done", "true", COUNTS("9", "0", "0"))),
	    2, true, false);
	assert_int_equal(s.status, CTL_DONE);
	said_free(&s);
	/* What failed, is down, stopped or cannot be told is not waited for, and is a failure. */
	static const char *const others[] = { NODE("d2", "done", "true", COUNTS("8", "0", "1")),
		NODE("d2", "stopped", "true", COUNTS("8", "0", "0")),
		NODE("d2", "down", "false", COUNTS("8", "0", "0")),
		NODE("d2", "unreachable", "false", COUNTS("8", "0", "0")),
		NODE("d2", "too old", "false", COUNTS("0", "0", "0")) };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char body[1024];
		snprintf(body, sizeof(body), ANSWER("%s,%s"), NODE("d1", "done", "true", COUNTS("9", "0", "0")),
		    others[i]);
		s = run("202 Accepted", body, 2, true, false);
		assert_int_equal(s.status, CTL_FAILED);
		assert_non_null(strstr(s.errors, "warmcastctl: 1 of 2 nodes have all of it\n"));
		said_free(&s);
	}
}

static void a_refusal(void **state)
{
	(void)state;
	struct said s = run(
	    "503 Service Unavailable", "{\"detail\":\"No node has headroom.\",\"status\":503}", 1, true, false);
	assert_int_equal(s.status, CTL_FAILED);
	assert_non_null(strstr(s.errors, ": No node has headroom. (HTTP 503)\n"));
	said_free(&s);
}

static void copies_belong_to_warm(void **state)
{
	(void)state;
	struct command_options o = { .copies = 2 };
	assert_int_equal(client_set_admin(&o.client, "127.0.0.1:1"), OK);
	char *text;
	size_t n;
	FILE *errors = open_memstream(&text, &n);
	char first[] = "purge", second[] = "lv1";
	char *words[] = { first, second };
	assert_int_equal(commands_run(&o, words, 2, errors, errors), CTL_USAGE);
	fclose(errors);
	assert_string_equal(text, "warmcastctl: purge takes no --copies\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_given),
		cmocka_unit_test(fewer_nodes_than_copies_are_a_failure),
		cmocka_unit_test(it_waits_until_all_is_over),
		cmocka_unit_test(a_refusal),
		cmocka_unit_test(copies_belong_to_warm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
