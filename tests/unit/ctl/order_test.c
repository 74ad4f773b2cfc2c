/* purge and expel, from words to text and exit status. */
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

static struct said run(
    const char *status, const char *body, bool wait, bool json, const char *a, const char *b)
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
	struct command_options o = { .json = json, .wait = wait };
	assert_int_equal(client_set_admin(&o.client, f.address), OK);
	char first[64], second[64];
	snprintf(first, sizeof(first), "%s", a);
	snprintf(second, sizeof(second), "%s", b);
	char *words[] = { first, second };
	s.status = commands_run(&o, words, 2, out, errors);
	fclose(out);
	fclose(errors);
	if (s.status != CTL_USAGE)
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

#define APPLIED                                                                   \
	"{\"id\":\"00\",\"content\":\"lv1\",\"recorded_by\":\"api-2\",\"applied\":[{" \
	"\"node\":\"delivery-1\",\"down\":false}],\"pending\":[{\"node\":\"delivery-2\",\"down\":true}]}"

static void a_purge_tells_who_has_it(void **state)
{
	(void)state;
	struct said s = run("200 OK", APPLIED, false, false, "purge", "lv1");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.request, "POST /v1/purge HTTP/1.1");
	assert_string_equal(
	    s.out, "recorded by api-2\napplied by 1 of 2 delivery nodes; not yet by delivery-2 (down)\n");
	said_free(&s);
	s = run("200 OK", APPLIED, true, false, "purge", "lv1"); /* who is down is not waited for */
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.errors, "");
	said_free(&s);
}

static void it_says_that_nobody_recorded_it(void **state)
{
	(void)state;
	struct said s = run("202 Accepted", "{\"id\":\"00\",\"recorded_by\":null}", false, false, "expel", "d/1");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.request, "POST /v1/nodes/d%2F1/expel HTTP/1.1");
	assert_non_null(strstr(s.out, "recorded by no second node"));
	said_free(&s);
}

static void a_refusal_is_one_line(void **state)
{
	(void)state;
	struct said s =
	    run("409 Conflict", "{\"detail\":\"A node does not expel itself.\"}", false, false, "expel", "a");
	assert_int_equal(s.status, CTL_FAILED);
	assert_string_equal(s.out, "");
	assert_non_null(strstr(s.errors, "A node does not expel itself. (HTTP 409)\n"));
	said_free(&s);
}

static void as_json_it_is_what_the_node_said(void **state)
{
	(void)state;
	struct said s = run("200 OK", "{\"recorded_by\":\"b\"}", false, true, "expel", "a");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.out, "{\"recorded_by\":\"b\"}\n");
	said_free(&s);
}

static void a_drain_and_its_end(void **state)
{
	(void)state;
	struct said s = run("200 OK", "{\"recorded_by\":\"b\"}", false, false, "drain", "d");
	assert_int_equal(s.status, CTL_DONE);
	assert_string_equal(s.request, "POST /v1/nodes/d/drain HTTP/1.1");
	assert_string_equal(s.out, "recorded by b\n");
	said_free(&s);
	s = run("200 OK", "{\"recorded_by\":\"b\"}", false, false, "undrain", "d");
	assert_string_equal(s.request, "POST /v1/nodes/d/undrain HTTP/1.1");
	said_free(&s);
}

static void only_what_takes_time_is_waited_for(void **state)
{
	(void)state;
	struct said s = run("200 OK", "{}", true, false, "expel", "a");
	assert_int_equal(s.status, CTL_USAGE);
	assert_string_equal(s.errors, "warmcastctl: expel takes no --wait\n");
	said_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_purge_tells_who_has_it),
		cmocka_unit_test(it_says_that_nobody_recorded_it),
		cmocka_unit_test(a_refusal_is_one_line),
		cmocka_unit_test(as_json_it_is_what_the_node_said),
		cmocka_unit_test(a_drain_and_its_end),
		cmocka_unit_test(only_what_takes_time_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
