/* What a rollout is judged by, from counters to words. */
#include "fake_admin.h"

#include "ctl/commands.h"
#include "ctl/rollout_judge_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct judge_counts read_page(const char *text)
{
	struct judge_counts n = { .incarnation = 1 };
	judge_read(bytes_str(text), &n);
	return n;
}

static void counters_are_summed(void **state)
{
	(void)state;
	struct judge_counts n = read_page(
	    "# HELP warmcast_http_requests_total Requests.\n# TYPE warmcast_http_requests_total counter\n"
	    "warmcast_http_requests_total 1000\nwarmcast_http_requests_total_other 7\n"
	    "warmcast_http_responses_total{class=\"2xx\"} 900\n"
	    "warmcast_http_responses_total{class=\"5xx\"} 40\n"
	    "warmcast_media_failed_total 3\nwarmcast_peer_errors_total 30\n"
	    "warmcast_peer_not_cached_total 12\n"
	    "warmcast_media_cmcd_requests_total 500\nwarmcast_media_cmcd_stalls_total 5\n"
	    "warmcast_sessions_created_total{outcome=\"warm\"} 10\n"
	    "warmcast_sessions_created_total{outcome=\"cold\"} 2\nwarmcast_sessions_refused_total 1\n"
	    "warmcast_sessions_arrived_total{place=\"kept\"} 4\nwarmcast_media_no_place_total 2");
	assert_int_equal(n.requests, 1000);
	assert_int_equal(n.errors, 40 - 30 + 3);
	assert_int_equal(n.told, 500);
	assert_int_equal(n.stalls, 5);
	assert_int_equal(n.starts, 10 + 2 + 1 + 4);
	assert_int_equal(n.starts_failed, 1 + 2);
}

static void other_versions_and_roles_tell_less(void **state)
{
	(void)state;
	struct judge_counts n =
	    read_page("warmcast_http_responses_total{class=\"5xx\"} 40\nwarmcast_peer_not_cached_total 35\n");
	assert_int_equal(n.errors, 5);
	n = read_page("warmcast_http_responses_total{class=\"5xx\"} 1\nwarmcast_peer_not_cached_total 35\n");
	assert_int_equal(n.errors, 0);
	n = read_page("");
	assert_int_equal(n.requests + n.errors + n.told + n.stalls + n.starts + n.starts_failed, 0);
	n = read_page(
	    "warmcast_http_requests_total\nwarmcast_http_requests_total{ 5\nwarmcast_http_requests_total{} x\n"
	    "warmcast_http_requests_total");
	assert_int_equal(n.requests, 0);
}

static enum judge_verdict verdict_of(struct judge_counts n)
{
	struct judge_terms t = judge_terms_of(&(struct judge_terms){ .for_s = 0 });
	return judge(&(struct judge_counts){ .requests = 0 }, &n, &t);
}

static void a_share_is_over_its_bound_by_more_than_chance(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 1000, .errors = 0 }), JUDGE_GOOD);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 1000, .errors = 14 }), JUDGE_GOOD);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 1000, .errors = 50 }), JUDGE_ERRORS);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 300, .errors = 15 }), JUDGE_ERRORS);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 100, .errors = 5 }), JUDGE_ERRORS);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 20, .errors = 1 }), JUDGE_FEW);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 2, .errors = 2 }), JUDGE_FEW);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 3, .errors = 3 }), JUDGE_ERRORS);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 0, .errors = 9 }), JUDGE_ERRORS);
	assert_int_equal(verdict_of((struct judge_counts){ .requests = 0 }), JUDGE_FEW);
	assert_int_equal(
	    verdict_of((struct judge_counts){ .requests = 1000, .told = 400, .stalls = 30 }), JUDGE_STALLS);
	assert_int_equal(
	    verdict_of((struct judge_counts){ .requests = 1000, .told = 400, .stalls = 8 }), JUDGE_GOOD);
	assert_int_equal(
	    verdict_of((struct judge_counts){ .requests = 1000, .starts = 400, .starts_failed = 30 }),
	    JUDGE_STARTS);
}

static void a_bound_of_nothing_takes_one_failure(void **state)
{
	(void)state;
	struct judge_terms t = judge_terms_of(&(struct judge_terms){ .errors = { true, 0 } });
	struct judge_counts none = { .requests = 0 }, one = { .requests = 100000, .errors = 1 };
	assert_int_equal(judge(&none, &one, &t), JUDGE_ERRORS);
	one.errors = 0;
	assert_int_equal(judge(&none, &one, &t), JUDGE_GOOD);
	t.errors.per_10000 = 10000;
	one.errors = one.requests;
	assert_int_equal(judge(&none, &one, &t), JUDGE_GOOD);
}

static void only_what_came_between_counts(void **state)
{
	(void)state;
	struct judge_terms t = judge_terms_of(&(struct judge_terms){ .for_s = 5 });
	struct judge_counts a = { .incarnation = 3, .requests = 5000, .errors = 2000, .told = 9 }, b = a;
	b.requests += 400;
	assert_int_equal(judge(&a, &b, &t), JUDGE_GOOD);
	b.errors = 1990; /* two counters that moved apart */
	assert_int_equal(judge(&a, &b, &t), JUDGE_GOOD);
	b.incarnation = 4;
	assert_int_equal(judge(&a, &b, &t), JUDGE_RESTARTED);
	b.incarnation = 3;
	b.requests = 4999;
	assert_int_equal(judge(&a, &b, &t), JUDGE_RESTARTED);
}

static void assert_said(struct judge_counts n, const char *why, const char *text)
{
	struct judge_terms t = judge_terms_of(&(struct judge_terms){ .for_s = 0 });
	json_t *said = judge_said("d-1", 20, &(struct judge_counts){ .incarnation = 1 }, &n, &t);
	const char *told = json_string_value(json_object_get(said, "why"));
	assert_string_equal(told == NULL ? "" : told, why);
	struct buf out;
	buf_init(&out, 1 << 16);
	assert_int_equal(show_judge(said, &out), OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)out.p, text);
	buf_fini(&out);
	json_decref(said);
}

static void the_reason_names_node_measure_and_bound(void **state)
{
	(void)state;
	assert_said(
	    (struct judge_counts){ .incarnation = 1, .requests = 412, .errors = 21, .told = 30, .starts = 8 },
	    "d-1: 21 of 412 requests failed (5.10 %); the bound is 1.00 %",
	    "d-1, 20 s; 412 requests, 21 failed (bound 1.00 %); 30 told how they do, 0 stalled (bound 2.00 %); "
	    "8 starts, 0 failed (bound 2.00 %): errors\n");
	assert_said((struct judge_counts){ .incarnation = 1, .requests = 412, .told = 100, .stalls = 9 },
	    "d-1: 9 of 100 requests told of a stall (9.00 %); the bound is 2.00 %",
	    "d-1, 20 s; 412 requests, 0 failed (bound 1.00 %); 100 told how they do, 9 stalled (bound 2.00 %); "
	    "0 starts, 0 failed (bound 2.00 %): stalls\n");
	assert_said((struct judge_counts){ .incarnation = 1, .requests = 4 }, "",
	    "d-1, 20 s; 4 requests, 0 failed (bound 1.00 %); 0 told how they do, 0 stalled (bound 2.00 %); "
	    "0 starts, 0 failed (bound 2.00 %): good, but too few requests to be sure\n");
	assert_said((struct judge_counts){ .incarnation = 2 }, "d-1 was started anew while it was judged",
	    "d-1, 20 s; 0 requests, 0 failed (bound 1.00 %); 0 told how they do, 0 stalled (bound 2.00 %); "
	    "0 starts, 0 failed (bound 2.00 %): restarted\n");
}

static void terms_as_people_write_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int per_10000;
	} bounds[] = { { "1%", 100 }, { "0.25 %", 25 }, { "2.5", 250 }, { "0", 0 }, { "100%", 10000 },
		{ "100.01%", -1 }, { "101", -1 }, { "99999999999", -1 }, { "", -1 }, { "%", -1 }, { "-1", -1 },
		{ "1%%", -1 }, { "1.234", -1 }, { "1x", -1 } };
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		struct judge_bound b = { .given = false };
		assert_int_equal(judge_take_bound(bounds[i].text, &b), bounds[i].per_10000 >= 0);
		assert_int_equal(b.given, bounds[i].per_10000 >= 0);
		if (b.given)
			assert_int_equal(b.per_10000, bounds[i].per_10000);
	}
	static const struct {
		const char *text;
		unsigned seconds;
	} times[] = { { "20s", 20 }, { "2m", 120 }, { "7", 7 }, { "60m", 3600 }, { "0", 0 }, { "61m", 0 },
		{ "s", 0 }, { "", 0 }, { "1h", 0 }, { "-1", 0 }, { "99999999999999999999", 0 } };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		unsigned s = 0;
		assert_int_equal(judge_take_time(times[i].text, &s), times[i].seconds > 0);
		assert_int_equal(s, times[i].seconds);
	}
	assert_null(judge_given(&(struct judge_terms){ .for_s = 0 }));
	assert_string_equal(judge_given(&(struct judge_terms){ .starts = { true, 0 } }), "--starts");
}

/* Against a node that says the same at each look. */
static int run_against(const char *status, const char *metrics, char **out, char **errors)
{
	struct fake_admin f;
	struct buf answer;
	size_t out_n, errors_n;
	struct client c = { .admin = NULL };
	buf_init(&answer, 1 << 16);
	buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(status), status);
	fake_admin_start_but(&f, buf_bytes(&answer), "/metrics", bytes_str(metrics));
	buf_fini(&answer);
	assert_int_equal(client_set_admin(&c, f.address), OK);
	FILE *to = open_memstream(out, &out_n), *bad = open_memstream(errors, &errors_n);
	int result = rollout_run_judge(&c, &(struct judge_terms){ .for_s = 1 }, false, to, bad);
	fclose(to);
	fclose(bad);
	fake_admin_stop(&f);
	return result;
}

static void assert_ends(
    const char *status, const char *metrics, int result, const char *said, const char *complained)
{
	char *out, *errors;
	assert_int_equal(run_against(status, metrics, &out, &errors), result);
	assert_non_null(strstr(out, said));
	assert_non_null(strstr(errors, complained));
	free(out);
	free(errors);
}

static void a_node_that_is_asked(void **state)
{
	(void)state;
	static const char status[] = "{\"node\":\"d-1\",\"incarnation\":{\"count\":4}}";
	static const char metrics[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\nwarmcast_http_requests_total 100\n";
	assert_ends(status, metrics, CTL_DONE, "d-1, 1 s; 0 requests, 0 failed", "");
	assert_ends("{}", metrics, CTL_FAILED, "", "is not what a Warmcast node of this version says");
	assert_ends(status, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", CTL_FAILED, "",
	    "is not what a Warmcast node of this version says");
	assert_ends("no JSON", metrics, CTL_FAILED, "", "warmcastctl: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_summed),
		cmocka_unit_test(other_versions_and_roles_tell_less),
		cmocka_unit_test(a_share_is_over_its_bound_by_more_than_chance),
		cmocka_unit_test(a_bound_of_nothing_takes_one_failure),
		cmocka_unit_test(only_what_came_between_counts),
		cmocka_unit_test(the_reason_names_node_measure_and_bound),
		cmocka_unit_test(terms_as_people_write_them),
		cmocka_unit_test(a_node_that_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
