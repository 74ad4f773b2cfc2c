#include "node/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static void assert_out(const char *text)
{
	assert_int_equal(buf_err(&out), OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)out.p, text);
}

/* -- a reader of the format, as strict as its rules -- */

struct checker {
	char family[128], type[16];
	char seen[32][128]; /* families */
	size_t seen_n;
	double last_bucket, inf_bucket;
	bool sum, count;
};

static size_t name_length(const char *s, bool colons)
{
	size_t n = 0;
	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' ||
	       (colons && s[n] == ':') || (n > 0 && s[n] >= '0' && s[n] <= '9'))
		n++;
	return n;
}

/* {name="value",...}; `le` gets that label's value. Returns what follows. */
static const char *check_labels(const char *s, char le[64])
{
	*le = '\0';
	do {
		s++;
		size_t n = name_length(s, false);
		assert_true(n > 0 && strncmp(s + n, "=\"", 2) == 0);
		const char *value = s + n + 2, *end = value;
		for (; *end != '"'; end++) {
			assert_true(*end != '\0' && *end != '\n');
			if (*end == '\\') {
				end++;
				assert_true(*end == '\\' || *end == '"' || *end == 'n');
			}
		}
		if (strncmp(s, "le", n) == 0)
			snprintf(le, 64, "%.*s", (int)(end - value), value);
		s = end + 1;
	} while (*s == ',');
	assert_int_equal(*s, '}');
	return s + 1;
}

static void check_histogram(struct checker *c, const char *suffix, const char *le, double value)
{
	if (strcmp(suffix, "_bucket") == 0) {
		assert_true(*le != '\0' && value >= c->last_bucket);
		c->last_bucket = value;
		if (strcmp(le, "+Inf") == 0) {
			c->inf_bucket = value;
			c->last_bucket = 0;
		}
	} else if (strcmp(suffix, "_sum") == 0) {
		c->sum = true;
	} else {
		assert_string_equal(suffix, "_count");
		assert_true(c->sum && value == c->inf_bucket);
		c->count = true;
	}
}

static void check_sample(struct checker *c, const char *line)
{
	char le[64] = "", suffix[64];
	size_t n = name_length(line, true), family = strlen(c->family);
	assert_true(n >= family && family > 0 && strncmp(line, c->family, family) == 0);
	snprintf(suffix, sizeof(suffix), "%.*s", (int)(n - family), line + family);
	const char *s = line + n;
	if (*s == '{')
		s = check_labels(s, le);
	assert_int_equal(*s, ' ');
	char *end;
	double value = strtod(s + 1, &end);
	assert_true(end > s + 1 && *end == '\0');
	if (strcmp(c->type, "histogram") == 0)
		check_histogram(c, suffix, le, value);
	else
		assert_true(*suffix == '\0' && *le == '\0');
}

/* The word after `prefix` into `out`; returns what follows the space behind it. */
static const char *take_word(const char *line, const char *prefix, char *word, size_t room)
{
	const char *from = line + strlen(prefix), *space = strchr(from, ' ');
	size_t n = space == NULL ? strlen(from) : (size_t)(space - from);
	assert_true(n > 0 && n < room);
	memcpy(word, from, n);
	word[n] = '\0';
	return space == NULL ? "" : space + 1;
}

static void check_line(struct checker *c, const char *line)
{
	char name[128];
	if (strncmp(line, "# HELP ", 7) == 0) {
		assert_true(*take_word(line, "# HELP ", name, sizeof(name)) != '\0');
		for (size_t i = 0; i < c->seen_n; i++)
			assert_string_not_equal(c->seen[i], name);
		assert_true(c->seen_n < sizeof(c->seen) / sizeof(c->seen[0]));
		snprintf(c->seen[c->seen_n++], sizeof(c->seen[0]), "%s", name);
		snprintf(c->family, sizeof(c->family), "%s", name);
		*c->type = '\0';
	} else if (strncmp(line, "# TYPE ", 7) == 0) {
		snprintf(c->type, sizeof(c->type), "%s", take_word(line, "# TYPE ", name, sizeof(name)));
		assert_string_equal(name, c->family);
	} else {
		assert_true(*c->type != '\0');
		check_sample(c, line);
	}
}

static void check_exposition(struct checker *c)
{
	assert_int_equal(buf_err(&out), OK);
	assert_true(out.n > 0 && out.p[out.n - 1] == '\n');
	memset(c, 0, sizeof(*c));
	for (struct bytes rest = buf_bytes(&out); rest.n > 0;) {
		char line[1024];
		size_t n = bytes_index(rest, '\n');
		assert_true(n > 0 && n < sizeof(line));
		memcpy(line, rest.p, n);
		line[n] = '\0';
		check_line(c, line);
		rest = bytes_from(rest, n + 1);
	}
}

/* -- tests -- */

static void writes_help_type_and_samples(void **state)
{
	(void)state;
	metrics_counter(&out, "warmcast_requests_total", "Requests.", UINT64_MAX);
	metrics_family(&out, "warmcast_nodes", METRIC_GAUGE, "Nodes by state.");
	const struct metric_label ready[] = { { "state", BYTES_LIT("ready") }, { "zone", BYTES_LIT("a") } };
	metrics_u64(&out, "warmcast_nodes", ready, 2, 3);
	metrics_double(&out, "warmcast_nodes", NULL, 0, 0.25);
	assert_out("# HELP warmcast_requests_total Requests.\n# TYPE warmcast_requests_total counter\n"
	           "warmcast_requests_total 18446744073709551615\n"
	           "# HELP warmcast_nodes Nodes by state.\n# TYPE warmcast_nodes gauge\n"
	           "warmcast_nodes{state=\"ready\",zone=\"a\"} 3\nwarmcast_nodes 0.25\n");
}

static void escapes_help_and_label_values(void **state)
{
	(void)state;
	const struct metric_label labels[] = { { "v", BYTES_LIT("a\\\"\n\xc3\xa9") } };
	const struct metric_label binary[] = { { "v", BYTES_LIT("\xff\0z") } };
	metrics_family(&out, "m", METRIC_GAUGE, "a \\ \"b\"\nc");
	metrics_u64(&out, "m", labels, 1, 1);
	metrics_u64(&out, "m", binary, 1, 1);
	assert_out(
	    "# HELP m a \\\\ \"b\"\\nc\n# TYPE m gauge\nm{v=\"a\\\\\\\"\\n\xc3\xa9\"} 1\nm{v=\"??z\"} 1\n");
}

static void writes_numbers_that_are_none(void **state)
{
	(void)state;
	metrics_family(&out, "m", METRIC_GAUGE, "h");
	metrics_double(&out, "m", NULL, 0, -__builtin_inf());
	metrics_double(&out, "m", NULL, 0, __builtin_nan(""));
	assert_out("# HELP m h\n# TYPE m gauge\nm -Inf\nm NaN\n");
}

static void counts_into_buckets(void **state)
{
	(void)state;
	static const struct histogram_bounds bounds = { .per_unit = 1000, .n = 3, .le = { 5, 250, 1000 } };
	struct histogram h;
	histogram_init(&h, &bounds);
	static const uint64_t values[] = { 0, 5, 6, 250, 1000, 1001, 60000 };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		histogram_observe(&h, values[i]);
	const struct metric_label labels[] = { { "way", BYTES_LIT("hit") } };
	metrics_family(&out, "m_seconds", METRIC_HISTOGRAM, "h");
	metrics_histogram(&out, "m_seconds", labels, 1, &h);
	assert_out(
	    "# HELP m_seconds h\n# TYPE m_seconds histogram\nm_seconds_bucket{way=\"hit\",le=\"0.005\"} 2\n"
	    "m_seconds_bucket{way=\"hit\",le=\"0.25\"} 4\nm_seconds_bucket{way=\"hit\",le=\"1\"} 5\n"
	    "m_seconds_bucket{way=\"hit\",le=\"+Inf\"} 7\nm_seconds_sum{way=\"hit\"} 62.262\n"
	    "m_seconds_count{way=\"hit\"} 7\n");
}

static void the_whole_holds_to_the_format(void **state)
{
	(void)state;
	struct checker c;
	struct histogram h;
	histogram_init(&h, &histogram_latency_us);
	for (uint64_t v = 1; v < 100000000; v *= 3)
		histogram_observe(&h, v);
	metrics_gauge(&out, "warmcast_sessions", "Sessions.", 5);
	metrics_family(&out, "warmcast_request_seconds", METRIC_HISTOGRAM, "Time to the \"first\" byte.\\");
	for (int i = 0; i < 2; i++) {
		const struct metric_label labels[] = { { "node", i == 0 ? BYTES_LIT("a,b}=\" \n") : BYTES_LIT("") } };
		metrics_histogram(&out, "warmcast_request_seconds", labels, 1, &h);
	}
	metrics_counter(&out, "warmcast_bytes_total", "Bytes.", 0);
	check_exposition(&c);
	assert_int_equal(c.seen_n, 3);
	assert_true(c.sum && c.count && c.inf_bucket == 17);
}

static void keeps_the_buffers_bound(void **state)
{
	(void)state;
	struct buf small;
	buf_init(&small, 20);
	metrics_gauge(&small, "warmcast_sessions", "Sessions.", 5);
	assert_int_equal(buf_err(&small), ERR_TOO_BIG);
	buf_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_help_type_and_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_help_and_label_values, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_numbers_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_into_buckets, setup, teardown),
		cmocka_unit_test_setup_teardown(the_whole_holds_to_the_format, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_the_buffers_bound, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
