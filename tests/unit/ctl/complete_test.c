/* What is offered where somebody pressed Tab. */
#include "ctl/complete.h"

#include "fake_admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void usage(FILE *out)
{
	fputs("options:\n  --admin HOST:PORT  whom\n  --json  as it came\n", out);
}

static char *offered(const char *line, const char *admin)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	complete_line(line, usage, admin, out);
	fclose(out);
	return text;
}

static void assert_offered(const char *line, const char *expected)
{
	char nobody[32];
	fake_admin_nobody(nobody);
	char *text = offered(line, nobody);
	assert_string_equal(text, expected);
	free(text);
}

static void commands_and_options_are_those_of_the_help(void **state)
{
	(void)state;
	assert_offered("warmcastctl pu", "purge\n");
	assert_offered("warmcastctl rollout ", "plan\nstatus\njudge\n");
	assert_offered("warmcastctl  --json\trollout s", "status\n");
	assert_offered("warmcastctl rollout status --", "--admin\n--json\n--to\n--batch\n--peak\n");
	assert_offered("warmcastctl drain --w", "--wait\n");
	assert_offered("warmcastctl status --w", "");
	assert_offered("warmcastctl nonsense ", "");
	assert_offered("warmcastctl purge ", "");
	assert_offered("warmcastctl rollout plan --batch ", ""); /* a value */
	assert_offered("warmcastctl rollout plan --batch 25% --p", "--peak\n");
	assert_offered("warmcastctl kvs get n r", "register\n");
	assert_offered("warmcastctl kvs get n register l", "load\n");
	assert_offered("warmcastctl drain n ", "");
	assert_offered("", "status\nnodes\nholders\nexplain\nwarm\npurge\nexpel\ndrain\nundrain\nrollout\nkvs\n");
}

#define TOLD                                                                                         \
	"{\"nodes\":[{\"name\":\"d-1\",\"id\":\"1\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.7:7000\"}," \
	"{\"name\":\"bad $(x)\",\"id\":\"2\",\"liveness\":\"alive\",\"rpc\":\"127.0.0.8:7000\"}]}"

static char *offered_by(const char *form, enum fake_end end)
{
	struct fake_admin f;
	struct buf answer;
	char line[256];
	buf_init(&answer, 1 << 16);
	buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(TOLD) + (end == FAKE_HANGS), TOLD);
	fake_admin_start(&f, buf_bytes(&answer), end);
	snprintf(line, sizeof(line), form, f.address);
	char *text = offered(line, "127.0.0.1:1");
	fake_admin_stop(&f);
	buf_fini(&answer);
	return text;
}

static void names_come_from_the_node_that_the_line_says(void **state)
{
	(void)state;
	char *text = offered_by("warmcastctl --admin %s drain ", FAKE_CLOSES);
	assert_string_equal(text, "d-1\n"); /* what a shell would take apart is left out */
	free(text);
	text = offered_by("warmcastctl --admin %s kvs probe d ", FAKE_CLOSES);
	assert_non_null(strstr(text, "127.0.0.7:"));
	free(text);
}

static void a_node_that_hangs_holds_nobody_up(void **state)
{
	(void)state;
	struct timespec begin, end;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &begin), 0);
	char *text = offered_by("warmcastctl --admin %s undrain ", FAKE_HANGS);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &end), 0);
	assert_string_equal(text, "");
	assert_in_range(end.tv_sec - begin.tv_sec, 0, 1 + COMPLETE_ASK_MS / 1000);
	free(text);
}

static void long_lines_are_no_harm(void **state)
{
	(void)state;
	static char line[20000];
	for (size_t i = 0; i + 1 < sizeof(line); i++)
		line[i] = i % 3 == 2 ? ' ' : 'x';
	assert_offered(line, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_options_are_those_of_the_help),
		cmocka_unit_test(names_come_from_the_node_that_the_line_says),
		cmocka_unit_test(a_node_that_hangs_holds_nobody_up),
		cmocka_unit_test(long_lines_are_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
