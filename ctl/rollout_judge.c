#include "ctl/rollout_judge.h"

#include "base/text.h"
#include "ctl/cells.h"

#include <inttypes.h>
#include <string.h>

enum { SECONDS_DEFAULT = 20, SECONDS_MAX = 3600, ERRORS_DEFAULT = 100, STALLS_DEFAULT = 200, WHY_MAX = 240 };

/* -- /metrics -- */

/* The samples of a family together; of `label` only those that have it ("class=\"5xx\""), NULL: all. */
static uint64_t sum_of(struct bytes metrics, const char *family, const char *label)
{
	uint64_t sum = 0, n;
	while (metrics.n > 0) {
		size_t end = bytes_index(metrics, '\n');
		struct bytes line = bytes_head(metrics, end), name = bytes_str(family), labels = BYTES_NONE;
		metrics = bytes_from(metrics, end < metrics.n ? end + 1 : end);
		if (!bytes_starts_with(line, name))
			continue;
		line = bytes_from(line, name.n);
		if (line.n > 0 && line.p[0] == '{') {
			labels = bytes_head(line, bytes_index(line, '}'));
			line = bytes_from(line, labels.n < line.n ? labels.n + 1 : labels.n);
		}
		if (line.n == 0 || line.p[0] != ' ') /* a longer name */
			continue;
		bool meant =
		    label == NULL || (labels.n > 0 && memmem(labels.p, labels.n, label, strlen(label)) != NULL);
		if (meant && text_u64(bytes_from(line, 1), UINT64_MAX / 2, &n) == OK)
			sum += n;
	}
	return sum;
}

void judge_read(struct bytes m, struct judge_counts *out)
{
	/* Other nodes are answered with 5xx too, and look elsewhere. Of versions before, only those for want of
	 * a cached unit are known. */
	uint64_t of_peers = sum_of(m, "warmcast_peer_errors_total", NULL);
	if (of_peers == 0)
		of_peers = sum_of(m, "warmcast_peer_not_cached_total", NULL);
	uint64_t all = sum_of(m, "warmcast_http_responses_total", "class=\"5xx\"");
	uint64_t refused = sum_of(m, "warmcast_sessions_refused_total", NULL);
	out->requests = sum_of(m, "warmcast_http_requests_total", NULL);
	out->errors = (all > of_peers ? all - of_peers : 0) + sum_of(m, "warmcast_media_failed_total", NULL);
	out->told = sum_of(m, "warmcast_media_cmcd_requests_total", NULL);
	out->stalls = sum_of(m, "warmcast_media_cmcd_stalls_total", NULL);
	out->starts = sum_of(m, "warmcast_sessions_created_total", NULL) + refused +
	              sum_of(m, "warmcast_sessions_arrived_total", NULL);
	out->starts_failed = refused + sum_of(m, "warmcast_media_no_place_total", NULL);
}

/* -- terms -- */

bool judge_take_bound(const char *text, struct judge_bound *out)
{
	unsigned whole = 0, part = 0, places = 0;
	const char *p = text;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && whole <= 100; p++)
		whole = whole * 10 + (unsigned)(*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && places < 2; p++, places++)
			part += (unsigned)(*p - '0') * (places == 0 ? 10 : 1);
	p += *p == ' ';
	p += *p == '%';
	if (*p != '\0' || whole * 100 + part > 10000)
		return false;
	*out = (struct judge_bound){ true, whole * 100 + part };
	return true;
}

bool judge_take_time(const char *text, unsigned *seconds)
{
	struct bytes s = bytes_str(text);
	uint64_t n, unit = 1;
	if (s.n > 0 && (s.p[s.n - 1] == 's' || s.p[s.n - 1] == 'm')) {
		unit = s.p[s.n - 1] == 'm' ? 60 : 1;
		s = bytes_head(s, s.n - 1);
	}
	if (text_u64(s, SECONDS_MAX, &n) != OK || n == 0 || n * unit > SECONDS_MAX)
		return false;
	*seconds = (unsigned)(n * unit);
	return true;
}

const char *judge_given(const struct judge_terms *t)
{
	if (t->for_s != 0)
		return "--for";
	if (t->errors.given)
		return "--errors";
	return t->stalls.given ? "--stalls" : t->starts.given ? "--starts" : NULL;
}

struct judge_terms judge_terms_of(const struct judge_terms *given)
{
	struct judge_terms t = *given;
	if (t.for_s == 0)
		t.for_s = SECONDS_DEFAULT;
	if (!t.errors.given)
		t.errors.per_10000 = ERRORS_DEFAULT;
	if (!t.stalls.given)
		t.stalls.per_10000 = STALLS_DEFAULT;
	if (!t.starts.given)
		t.starts.per_10000 = STALLS_DEFAULT;
	return t;
}

/* -- the verdict -- */

/* More than chance would make of the bound: the square of how far it is over, without half a case, is
 * compared with z^2 = 1.645^2 times the variance. */
static bool is_over(uint64_t failed, uint64_t all, struct judge_bound b)
{
	if (b.per_10000 > 0 && failed < JUDGE_FAILED_MIN)
		return false;
	double share = (double)b.per_10000 / 10000, expected = share * (double)all;
	double over = (double)failed - 0.5 - expected;
	return over > 0 && over * over > 2.706 * expected * (1 - share);
}

static struct judge_counts between(const struct judge_counts *a, const struct judge_counts *b)
{
	return (struct judge_counts){ .requests = b->requests - a->requests,
		.errors = b->errors > a->errors ? b->errors - a->errors : 0, /* two counters that move apart */
		.told = b->told - a->told,
		.stalls = b->stalls - a->stalls,
		.starts = b->starts - a->starts,
		.starts_failed = b->starts_failed - a->starts_failed };
}

static bool is_another(const struct judge_counts *a, const struct judge_counts *b)
{
	return a->incarnation != b->incarnation || b->requests < a->requests || b->told < a->told ||
	       b->stalls < a->stalls || b->starts < a->starts || b->starts_failed < a->starts_failed;
}

enum judge_verdict judge(
    const struct judge_counts *before, const struct judge_counts *after, const struct judge_terms *t)
{
	if (is_another(before, after))
		return JUDGE_RESTARTED;
	struct judge_counts n = between(before, after);
	if (is_over(n.errors, n.requests, t->errors))
		return JUDGE_ERRORS;
	if (is_over(n.stalls, n.told, t->stalls))
		return JUDGE_STALLS;
	if (is_over(n.starts_failed, n.starts, t->starts))
		return JUDGE_STARTS;
	return n.requests < JUDGE_ENOUGH ? JUDGE_FEW : JUDGE_GOOD;
}

bool judge_is_bad(enum judge_verdict v)
{
	return v >= JUDGE_RESTARTED;
}

/* -- in words -- */

static json_t *share_said(uint64_t count, uint64_t failed, struct judge_bound b)
{
	json_t *said = json_object();
	json_object_set_new(said, "count", json_integer((json_int_t)count));
	json_object_set_new(said, "failed", json_integer((json_int_t)failed));
	json_object_set_new(said, "bound_percent", json_real((double)b.per_10000 / 100));
	return said;
}

static void put_why(char why[WHY_MAX], const char *node, const struct judge_counts *n, enum judge_verdict v,
    const struct judge_terms *t)
{
	const struct {
		uint64_t failed, all;
		const char *what;
		unsigned per_10000;
	} cases[] = { [JUDGE_ERRORS] = { n->errors, n->requests, "requests failed", t->errors.per_10000 },
		[JUDGE_STALLS] = { n->stalls, n->told, "requests told of a stall", t->stalls.per_10000 },
		[JUDGE_STARTS] = { n->starts_failed, n->starts, "starts failed", t->starts.per_10000 } };
	if (v == JUDGE_RESTARTED) {
		snprintf(why, WHY_MAX, "%.64s was started anew while it was judged", node);
		return;
	}
	double percent = cases[v].all == 0 ? 100 : 100 * (double)cases[v].failed / (double)cases[v].all;
	snprintf(why, WHY_MAX, "%.64s: %" PRIu64 " of %" PRIu64 " %s (%.2f %%); the bound is %.2f %%", node,
	    cases[v].failed, cases[v].all, cases[v].what, percent, (double)cases[v].per_10000 / 100);
}

json_t *judge_said(const char *node, unsigned seconds, const struct judge_counts *before,
    const struct judge_counts *after, const struct judge_terms *t)
{
	static const char *const verdicts[] = { "good", "few", "restarted", "errors", "stalls", "starts" };
	enum judge_verdict v = judge(before, after, t);
	struct judge_counts n =
	    v == JUDGE_RESTARTED ? (struct judge_counts){ .requests = 0 } : between(before, after);
	char why[WHY_MAX];
	json_t *said = json_object();
	json_object_set_new(said, "node", json_string(node));
	json_object_set_new(said, "seconds", json_integer(seconds));
	json_object_set_new(said, "requests", share_said(n.requests, n.errors, t->errors));
	json_object_set_new(said, "players", share_said(n.told, n.stalls, t->stalls));
	json_object_set_new(said, "starts", share_said(n.starts, n.starts_failed, t->starts));
	json_object_set_new(said, "verdict", json_string(verdicts[v]));
	if (judge_is_bad(v))
		put_why(why, node, &n, v, t);
	json_object_set_new(said, "why", judge_is_bad(v) ? json_string(why) : json_null());
	return said;
}

static void put_share(
    const json_t *said, const char *key, const char *what, const char *failed, struct buf *out)
{
	const json_t *of = json_object_get(said, key);
	buf_printf(out, "; %" JSON_INTEGER_FORMAT " %s, %" JSON_INTEGER_FORMAT " %s (bound %.2f %%)",
	    json_integer_value(json_object_get(of, "count")), what,
	    json_integer_value(json_object_get(of, "failed")), failed,
	    json_number_value(json_object_get(of, "bound_percent")));
}

enum err show_judge(const json_t *said, struct buf *out)
{
	const char *node = member_str(said, "node"), *verdict = member_str(said, "verdict");
	if (node == NULL || verdict == NULL)
		return ERR_INVALID;
	buf_printf(
	    out, "%s, %" JSON_INTEGER_FORMAT " s", node, json_integer_value(json_object_get(said, "seconds")));
	put_share(said, "requests", "requests", "failed", out);
	put_share(said, "players", "told how they do", "stalled", out);
	put_share(said, "starts", "starts", "failed", out);
	buf_printf(
	    out, ": %s\n", strcmp(verdict, "few") == 0 ? "good, but too few requests to be sure" : verdict);
	return buf_err(out);
}
