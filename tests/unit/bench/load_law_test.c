/* Who comes when, for what: the load generator's laws, crowds and traces. */
#include "tests/bench/load/arrivals.h"
#include "tests/bench/load/popularity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 200000, RANKS = 20 };

/* Chi-squared of the drawn ranks against the law; 19 degrees of freedom: above 50 once in 10,000 seeds. */
static double distance(double exponent, uint64_t seed)
{
	struct zipf z;
	struct prng r;
	double weights[RANKS], sum = 0, chi = 0;
	unsigned seen[RANKS] = { 0 };
	zipf_init(&z, RANKS, exponent);
	prng_init(&r, seed);
	for (size_t i = 0; i < RANKS; i++)
		sum += weights[i] = pow((double)i + 1, -exponent);
	for (size_t i = 0; i < DRAWS; i++) {
		uint64_t k = zipf_draw(&z, &r);
		assert_in_range(k, 1, RANKS);
		seen[k - 1]++;
	}
	for (size_t i = 0; i < RANKS; i++) {
		double expected = DRAWS * weights[i] / sum;
		chi += (seen[i] - expected) * (seen[i] - expected) / expected;
	}
	return chi;
}

static void ranks_follow_the_law(void **state)
{
	static const double exponents[] = { 0, 0.5, 0.8, 1, 1.0000001, 1.3, 3 };
	(void)state;
	for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++)
		assert_true(distance(exponents[i], 1) < 50);
}

static void the_ends_of_the_law(void **state)
{
	struct zipf z;
	struct prng r;
	(void)state;
	prng_init(&r, 2);
	zipf_init(&z, 1, 0.8);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(zipf_draw(&z, &r), 1);
	zipf_init(&z, UINT64_C(1000000000000), 0);
	uint64_t most = 0;
	for (size_t i = 0; i < 1000; i++) {
		uint64_t k = zipf_draw(&z, &r);
		most = k > most ? k : most;
	}
	assert_in_range(most, UINT64_C(900000000000), UINT64_C(1000000000000));
	zipf_init(&z, 1000, 20);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(zipf_draw(&z, &r), 1);
}

static void names(void **state)
{
	char name[CONTENT_MAX + 1], pattern[CONTENT_MAX + 1];
	(void)state;
	assert_int_equal(content_name("vod/{}-a", 17, name), OK);
	assert_string_equal(name, "vod/17-a");
	assert_int_equal(content_name("vod", 17, name), ERR_INVALID);
	memset(pattern, 'x', sizeof(pattern));
	memcpy(pattern, "{}", 2);
	pattern[CONTENT_MAX] = '\0'; /* 253 and the number */
	assert_int_equal(content_name(pattern, 12, name), OK);
	assert_int_equal(strlen(name), CONTENT_MAX);
	assert_int_equal(content_name(pattern, 123, name), ERR_TOO_BIG);
}

static void crowds(void **state)
{
	struct popularity p = { .names = "lv{}", .first = 100, .flashes_n = 1 };
	char name[CONTENT_MAX + 1];
	struct prng r;
	(void)state;
	prng_init(&r, 3);
	zipf_init(&p.zipf, 1000, 0);
	assert_int_equal(flash_parse(BYTES_LIT("10:2.5:0.5:hit:1"), &p.flashes[0]), OK);
	assert_string_equal(p.flashes[0].content, "hit:1");
	unsigned before = 0, during = 0, after = 0;
	for (size_t i = 0; i < 10000; i++) {
		popularity_draw(&p, &r, 9999, name);
		before += strcmp(name, "hit:1") == 0;
		popularity_draw(&p, &r, i % 2 == 0 ? 10000 : 12499, name);
		during += strcmp(name, "hit:1") == 0;
		popularity_draw(&p, &r, 12500, name);
		after += strcmp(name, "hit:1") == 0;
	}
	assert_int_equal(before + after, 0);
	assert_in_range(during, 4700, 5300);
}

static void what_is_no_crowd(void **state)
{
	static const char *const texts[] = { "", "1", "1:2", "1:2:1.5", "a:2:0.5", "1:-2:0.5", "1:2:", "1:2:0." };
	struct flash f = { .at_ms = 7 };
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(flash_parse(bytes_str(texts[i]), &f), ERR_INVALID);
	assert_int_equal(f.at_ms, 7);
}

static void even_arrivals(void **state)
{
	struct arrivals a;
	(void)state;
	arrivals_init(&a, 3, false, 1);
	assert_int_equal(arrivals_next(&a), 0);
	assert_int_equal(arrivals_next(&a), 333333333);
	for (size_t i = 2; i < 3000; i++)
		(void)arrivals_next(&a);
	assert_int_equal(arrivals_next(&a), UINT64_C(1000000000000)); /* nothing has added up */
}

static void random_arrivals(void **state)
{
	struct arrivals a;
	uint64_t last = 0, short_gaps = 0, at = 0;
	(void)state;
	arrivals_init(&a, 1000, true, 1);
	for (size_t i = 0; i < 100000; i++) {
		at = arrivals_next(&a);
		assert_true(at >= last);
		short_gaps += at - last < 1000000;
		last = at;
	}
	assert_in_range(at, UINT64_C(99000000000), UINT64_C(101000000000));
	assert_in_range(short_gaps, 62700, 63700); /* 1 - 1/e of an exponential law are below its mean */
}

static void trace_lines(void **state)
{
	struct trace_line t = { .at_ns = 1 };
	(void)state;
	assert_int_equal(trace_line_parse(BYTES_LIT("  1.25\tvod/a b \r\n"), &t), OK);
	assert_int_equal(t.at_ns, 1250000000);
	assert_string_equal(t.content, "vod/a b");
	assert_int_equal(trace_line_parse(BYTES_LIT("# 1 a"), &t), ERR_NOT_FOUND);
	assert_int_equal(trace_line_parse(BYTES_LIT(" \n"), &t), ERR_NOT_FOUND);
	assert_int_equal(trace_line_parse(BYTES_LIT("1"), &t), ERR_INVALID);
	assert_int_equal(trace_line_parse(BYTES_LIT("-1 a"), &t), ERR_INVALID);
	assert_int_equal(trace_line_parse(BYTES_LIT("1e3 a"), &t), ERR_INVALID);
	char line[CONTENT_MAX + 8] = "1 ";
	memset(line + 2, 'x', CONTENT_MAX + 1);
	assert_int_equal(trace_line_parse(bytes_str(line), &t), ERR_TOO_BIG);
	assert_string_equal(t.content, "vod/a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_follow_the_law),
		cmocka_unit_test(the_ends_of_the_law),
		cmocka_unit_test(names),
		cmocka_unit_test(crowds),
		cmocka_unit_test(what_is_no_crowd),
		cmocka_unit_test(even_arrivals),
		cmocka_unit_test(random_arrivals),
		cmocka_unit_test(trace_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
