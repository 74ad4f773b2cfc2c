#include "ctl/rollout_judge_run.h"

#include "ctl/ask.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"

#include <poll.h>

enum { LOOK_EVERY_MS = 500, NODE_MAX = 80, TEXT_MAX_BYTES = 4096 };

const char rollout_judge_help[] =
    "Looks at the counters of the node at --admin for a time and says whether it serves viewers well: the\n"
    "share of requests that failed (5xx, and media that broke off or could not be had), of those whose\n"
    "player said that it had stalled (CMCD's bs), and of starts that found no room. A bound counts as\n"
    "exceeded when chance does not explain it, and then this ends at once. A node that is started anew\n"
    "meanwhile is as bad. With fewer than 300 requests, but some, it is looked at up to three times as\n"
    "long.\n\n"
    "  --for TIME      20s, 2m; default 20s\n"
    "  --errors SHARE  default 1%\n"
    "  --stalls SHARE  default 2%\n"
    "  --starts SHARE  default 2%\n\n"
    "exit status: 0 good, or too few requests to say (it is told), 1 not good, with the reason,\n"
    "2 bad usage\n";

static bool misunderstood(const struct client *c, char error[CLIENT_ERROR_MAX])
{
	snprintf(error, CLIENT_ERROR_MAX, "%.200s: the answer is not what a Warmcast node of this version says",
	    c->admin);
	return false;
}

static bool ask_counters(const struct client *c, struct judge_counts *out, char error[CLIENT_ERROR_MAX])
{
	struct client_answer a;
	if (client_call(c, "GET", "/metrics", BYTES_NONE, &a, error) != OK)
		return false;
	bool fine = a.status == 200;
	if (fine)
		judge_read(buf_bytes(&a.body), out);
	buf_fini(&a.body);
	return fine || misunderstood(c, error);
}

static bool look(
    const struct client *c, struct judge_counts *out, char node[NODE_MAX], char error[CLIENT_ERROR_MAX])
{
	json_t *status = ask_json(c, "GET", "/v1/status", BYTES_NONE, error);
	if (status == NULL)
		return false;
	const char *name = member_str(status, "node");
	const json_t *starts = json_object_get(json_object_get(status, "incarnation"), "count");
	bool fine = name != NULL && json_is_integer(starts);
	if (fine) {
		snprintf(node, NODE_MAX, "%s", name);
		out->incarnation = (uint64_t)json_integer_value(starts);
	} else {
		(void)misunderstood(c, error);
	}
	json_decref(status);
	return fine && ask_counters(c, out, error);
}

/* Until it is clear, or the time is over. */
static bool watch(const struct client *c, const struct judge_terms *t, struct judge_counts counts[2],
    char node[NODE_MAX], unsigned *seconds, char error[CLIENT_ERROR_MAX])
{
	if (!look(c, &counts[0], node, error))
		return false;
	uint64_t began = ctl_now_ms(), for_ms = (uint64_t)t->for_s * 1000, wait_ms, past_ms;
	enum judge_verdict v;
	do {
		(void)poll(NULL, 0, LOOK_EVERY_MS);
		if (!look(c, &counts[1], node, error))
			return false;
		v = judge(&counts[0], &counts[1], t);
		past_ms = ctl_now_ms() - began;
		bool some = counts[1].requests > counts[0].requests;
		wait_ms = v == JUDGE_FEW && some ? JUDGE_TIMES_MAX * for_ms : for_ms;
	} while (!judge_is_bad(v) && past_ms < wait_ms);
	*seconds = (unsigned)(past_ms / 1000);
	return true;
}

int rollout_run_judge(
    const struct client *c, const struct judge_terms *given, bool json, FILE *out, FILE *errors)
{
	struct judge_terms t = judge_terms_of(given);
	struct judge_counts counts[2];
	char node[NODE_MAX], error[CLIENT_ERROR_MAX];
	unsigned seconds;
	if (!watch(c, &t, counts, node, &seconds, error))
		return ctl_failed(error, errors);
	json_t *said = judge_said(node, seconds, &counts[0], &counts[1], &t);
	struct buf text;
	buf_init(&text, TEXT_MAX_BYTES);
	if (json)
		ctl_print_json(said, out);
	else if (show_judge(said, &text) == OK)
		fwrite(text.p, 1, text.n, out);
	buf_fini(&text);
	int result = CTL_DONE;
	if (fflush(out) != 0)
		result = ctl_failed("cannot write", errors);
	else if (member_str(said, "why") != NULL)
		result = ctl_failed(member_str(said, "why"), errors);
	json_decref(said);
	return result;
}
