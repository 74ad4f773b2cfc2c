/* The load generator's command line, its histogram and its report. */
#include "tests/bench/load/options.h"
#include "tests/bench/load/report.h"

#include "base/prng.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -- the histogram -- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void percentiles_are_near(void **state)
{
	enum { N = 20001 };
	static uint64_t values[N];
	static struct latency l;
	struct prng r;
	(void)state;
	prng_init(&r, 1);
	for (size_t i = 0; i < N; i++) {
		values[i] = prng_next(&r) >> (28 + prng_below(&r, 36)); /* all sizes alike */
		latency_add(&l, values[i]);
	}
	qsort(values, N, sizeof(values[0]), by_value);
	for (unsigned m = 1; m <= 1000; m++) {
		uint64_t exact = values[((uint64_t)N * m + 999) / 1000 - 1], got = latency_at(&l, m);
		assert_in_range(got, exact, exact + exact / 64);
	}
	assert_int_equal(latency_at(&l, 1000), values[N - 1]);
	assert_int_equal(l.max_us, values[N - 1]);
	assert_int_equal(l.n, N);
}

static void small_and_large_values(void **state)
{
	static struct latency l;
	(void)state;
	assert_int_equal(latency_at(&l, 500), 0);
	assert_int_equal(latency_mean(&l), 0);
	for (uint64_t us = 0; us < 128; us++) {
		memset(&l, 0, sizeof(l));
		latency_add(&l, us);
		latency_add(&l, 1000);
		assert_int_equal(latency_at(&l, 500), us);
	}
	latency_add(&l, UINT64_MAX);
	assert_int_equal(l.max_us, (UINT64_C(1) << LATENCY_MAX_BITS) - 1);
	assert_int_equal(latency_at(&l, 1000), l.max_us);
}

/* -- the command line -- */

static struct options options;
static char error[OPTIONS_ERROR_MAX];

enum { WORDS_MAX = 32 };

static enum options_result parsed(const char *line)
{
	static char text[512];
	char *words[WORDS_MAX] = { (char *)(uintptr_t) "warmcast-load" }, *rest = NULL;
	int n = 1;
	(void)snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok_r(text, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest))
		words[n++] = w;
	error[0] = '\0';
	return options_parse(n, words, &options, error);
}

static void a_command_line(void **state)
{
	(void)state;
	assert_int_equal(
	    parsed("--rate 1000.5 --duration 60 --contents 20 --zipf 1 --names vod/{}.x --first 5 --pace 0 "
	           "--flash 1:2:0.25 h:1 http://127.0.0.1:80"),
	    OPTIONS_FINE);
	assert_true(options.rate_s > 1000.4 && options.rate_s < 1000.6);
	assert_int_equal(options.apis_n, 2);
	assert_string_equal(options.apis[1], "127.0.0.1:80");
	assert_int_equal(options.popularity.zipf.n, 20);
	assert_string_equal(options.popularity.flashes[0].content, "vod/5.x");
	assert_true(options.pace == 0);
	assert_int_equal(parsed("--trace f [::1]:80"), OPTIONS_FINE);
	assert_true(options.duration_s == 0);
	assert_int_equal(parsed("--trace f --duration 3 h:80"), OPTIONS_FINE);
	assert_true(options.duration_s == 3);
	assert_int_equal(parsed("--help --rate x"), OPTIONS_FINE);
	assert_true(options.help);
	assert_int_equal(parsed("--version"), OPTIONS_FINE);
	assert_true(options.version);
}

static void bad_command_lines(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "name at least one api node" },
		{ "h", "HOST:PORT, not \"h\"" },
		{ "h:0", "HOST:PORT, not \"h:0\"" },
		{ "h:1 --rate 0", "--rate takes a number from 0.001 to 1000000, not \"0\"" },
		{ "h:1 --rate -1", "--rate takes" },
		{ "h:1 --contents 1.5", "--contents takes a whole number" },
		{ "h:1 --names lv", "--names needs {}" },
		{ "h:1 --flash 1:2:3", "--flash takes" },
		{ "h:1 --trace f --rate 3", "--trace says who comes" },
		{ "h:1 --nothing", "no such option, or one without a value: --nothing" },
		{ "h:1 --rate", "--rate needs a value" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parsed(cases[i].line), OPTIONS_BAD);
		assert_non_null(strstr(error, cases[i].says));
		assert_null(strchr(error, '\n'));
	}
}

/* -- the report -- */

static struct counts counts;

static void fill_counts(void)
{
	memset(&counts, 0, sizeof(counts));
	counts.scheduled = 10;
	counts.created = 8;
	counts.failed = 2;
	counts.outcomes[OUTCOME_WARM] = 6;
	counts.outcomes[OUTCOME_COLD] = 2;
	counts.opening_ns = 2000000000;
	counts.playlists = 1;
	latency_add(&counts.creation, 1500);
	counts_fail(&counts, STEP_CREATE, FAIL_STATUS, 503);
	counts_fail(&counts, STEP_CREATE, FAIL_TIMEOUT, 0);
	for (unsigned i = 0; i < COUNTS_NODES + 5; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "d\"%u", i);
		counts_node(&counts, bytes_str(name));
		counts_node(&counts, bytes_str(name));
	}
	memcpy(counts.apis[0].address, "a:1", 4);
	counts.apis_n = 1;
}

static void as_json(void **state)
{
	struct buf out;
	(void)state;
	fill_counts();
	buf_init(&out, 1 << 20);
	report_json(&counts, &out);
	assert_int_equal(buf_err(&out), OK);
	json_t *root = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "created")), 8);
	assert_true(json_real_value(json_object_get(root, "warm_ratio")) == 0.75);
	assert_true(json_real_value(json_object_get(root, "created_per_s")) == 4);
	json_t *nodes = json_object_get(root, "nodes");
	assert_int_equal(json_object_size(nodes), COUNTS_NODES + 1);
	assert_int_equal(json_integer_value(json_object_get(nodes, "d\"255")), 2);
	assert_int_equal(json_integer_value(json_object_get(nodes, "(others)")), 10);
	json_t *errors = json_object_get(root, "errors");
	assert_int_equal(json_array_size(errors), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "kind")), "timed out");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 1), "status")), 503);
	json_decref(root);
	buf_fini(&out);
}

static void as_text(void **state)
{
	struct buf out;
	(void)state;
	fill_counts();
	buf_init(&out, 1 << 20);
	report_text(&counts, &out);
	buf_put_u8(&out, 0);
	assert_non_null(strstr((const char *)out.p, "6 warm (75.0 %), 0 spill, 2 cold\n"));
	assert_non_null(strstr((const char *)out.p, "status 503: 1\n"));
	buf_clear(&out);
	memset(&counts, 0, sizeof(counts));
	report_text(&counts, &out);
	buf_put_u8(&out, 0);
	assert_null(strstr((const char *)out.p, "failures"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_near),
		cmocka_unit_test(small_and_large_values),
		cmocka_unit_test(a_command_line),
		cmocka_unit_test(bad_command_lines),
		cmocka_unit_test(as_json),
		cmocka_unit_test(as_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
