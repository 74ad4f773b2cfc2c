/* `rollout judge`: whether a node serves viewers well enough for a rollout to go on, from its counters at two
 * moments (rule V5). Pure.
 *
 * A share is over its bound when it is so by more than chance: by the score test of a proportion with
 * continuity correction, at 95 % of one side (E. B. Wilson, "Probable inference, the law of succession, and
 * statistical inference", J. Am. Stat. Assoc. 22, 1927). One failure in twenty proves nothing, five in a
 * hundred break a bound of 1 %.
 */
#ifndef CTL_ROLLOUT_JUDGE_H
#define CTL_ROLLOUT_JUDGE_H

#include "base/bytes.h"

#include <jansson.h>

/* Rises as long as the process lives. */
struct judge_counts {
	uint64_t incarnation; /* of the node: another one is another start */
	uint64_t requests, errors;
	uint64_t told, stalls; /* requests whose player said how it does; that it had stalled */
	uint64_t starts, starts_failed;
};

/* Of /metrics; what is not in it (a node without that role, or of a version before) counts 0. */
void judge_read(struct bytes metrics, struct judge_counts *out);

struct judge_bound {
	bool given;
	unsigned per_10000;
};
struct judge_terms {
	unsigned for_s; /* 0: not given */
	struct judge_bound errors, stalls, starts;
};

/* "1%", "0.25 %" or "1": hundredths of a percent, 0 to 100 %. */
MUST_USE bool judge_take_bound(const char *text, struct judge_bound *out);
/* "20s", "2m" or "20": 1 s to 1 h. */
MUST_USE bool judge_take_time(const char *text, unsigned *seconds);
/* An option of it that was given; NULL: none was. */
const char *judge_given(const struct judge_terms *t);
/* What was not given has its default. */
struct judge_terms judge_terms_of(const struct judge_terms *given);

enum {
	JUDGE_ENOUGH = 300,   /* requests: one in twenty that fails is found among them 99 times of 100 */
	JUDGE_FAILED_MIN = 3, /* fewer are chance, unless the bound is 0 */
};

enum judge_verdict {
	JUDGE_GOOD,
	JUDGE_FEW, /* good, as far as JUDGE_ENOUGH is not reached */
	JUDGE_RESTARTED,
	JUDGE_ERRORS,
	JUDGE_STALLS,
	JUDGE_STARTS,
};
enum judge_verdict judge(
    const struct judge_counts *before, const struct judge_counts *after, const struct judge_terms *t);
/* JUDGE_RESTARTED and worse. */
bool judge_is_bad(enum judge_verdict v);

/* {"node","seconds","requests":{"count","failed","bound_percent"},"players":{...},"starts":{...},"verdict",
 * "why":TEXT|null} */
json_t *judge_said(const char *node, unsigned seconds, const struct judge_counts *before,
    const struct judge_counts *after, const struct judge_terms *t);
MUST_USE enum err show_judge(const json_t *said, struct buf *out);

#endif
