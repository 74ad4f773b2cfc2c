#include "ctl/rollout_run.h"

#include "ctl/ask.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"

#include <stdlib.h>
#include <string.h>

/* A piece is 10,000 records of the replica: far more than it can have. */
enum { PIECES_MAX = 100000, TARGET_MAX = 128, POSITION_MAX = 32, TEXT_MAX_BYTES = 64 << 20 };
enum { ONE_PERMILLE = 1 }; /* of any role: its one node that may always go */

const char rollout_plan_help[] =
    "Prints batches of nodes that may be taken away together, one batch after the other, from what the\n"
    "asked node knows now, and changes nothing. With each batch away\n\n"
    "  - no role has lost more than the share of --batch, those that are away anyhow included; one node\n"
    "    of a role at least may go, and one at least stays\n"
    "  - all of the batch are of one zone\n"
    "  - every content with viewers that two nodes or more hold keeps one of them. Who holds less than\n"
    "    35 % of one counts where nobody holds more. The delivery nodes are asked what is watched; what\n"
    "    is held by one that does not tell, being older or not linked to the asked node, counts as watched.\n"
    "    Ask an api node, which is linked to all of them\n"
    "  - the other delivery nodes have places for the sessions of now, and for those of --peak\n\n"
    "API, DELIVERY and INGEST are the nodes that stay up, PLACES the sessions they may have. ONLY HERE\n"
    "is how many contents with viewers a node of the batch alone holds: its drain copies them to other\n"
    "nodes before it leads their viewers away. A node that is not ready and alive is in no batch.\n"
    " Plan anew before each batch: nodes, copies and viewers change.\n\n"
    "  --batch SHARE  of each role: 0.1% to 25%; default 25%\n"
    "  --peak N       the sessions that are expected before the rollout is over\n"
    "  --to VERSION   nodes that run it already are done, and in no batch\n\n"
    "With --json one object: batches (nodes, zone, up, places, last_copies), sessions, peak, places, away,\n"
    "done, refused; watched_known, and untold, whose nodes' contents all count as watched.\n\n"
    "exit status: 0 planned, or all are done; 1 there can be no plan, with the reason; 2 bad usage\n";

const char rollout_status_help[] =
    "One line a node with the version that it runs, and with --to what is to be done yet: BATCH is done,\n"
    "or the number of a batch as `rollout plan --to` would make them once all nodes that are away are back.\n"
    "Computed anew at each call. Below stands when each node was last drained and taken back, and by whom,\n"
    "the oldest first, with the version that it runs now; who was taken back is told for seven days. All\n"
    "orders are in the logs: `drain-order` and `undrain-order` of the node that was asked, `state` of the\n"
    "node that they are about, and `started` of each new build. BY is what the caller of warmcastctl says\n"
    "of himself: user and host, or $WARMCAST_OPERATOR.\n\n"
    "  --to VERSION, --batch SHARE, --peak N  as of `rollout plan`\n";

bool rollout_take_batch(const char *text, unsigned *permille)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	unsigned long whole = strtoul(text, &end, 10), tenth = 0;
	if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
		tenth = (unsigned long)(end[1] - '0');
		end += 2;
	}
	if (strcmp(end, "%") != 0 && *end != '\0')
		return false;
	if (whole > 100 || whole * 10 + tenth < 1 || whole * 10 + tenth > ROLLOUT_BATCH_MAX_PERMILLE)
		return false;
	*permille = (unsigned)(whole * 10 + tenth);
	return true;
}

static bool misunderstood(const struct client *c, char error[CLIENT_ERROR_MAX])
{
	snprintf(error, CLIENT_ERROR_MAX, "%.200s: the answer is not what a Warmcast node of this version says",
	    c->admin);
	return false;
}

/* What came of a request for a piece. */
enum asked { ASKED, ASK_FAILED, ASK_UNKNOWN /* the node is of a version that has no such page */ };

static enum asked ask_piece(
    const struct client *c, const char *target, json_t **piece, char error[CLIENT_ERROR_MAX])
{
	struct client_answer a;
	if (client_call(c, "GET", target, BYTES_NONE, &a, error) != OK)
		return ASK_FAILED;
	if (a.status == 200)
		*piece = json_loadb((const char *)a.body.p, a.body.n, JSON_REJECT_DUPLICATES, NULL);
	buf_fini(&a.body);
	if (a.status == 200)
		return *piece != NULL || misunderstood(c, error) ? ASKED : ASK_FAILED;
	snprintf(
	    error, CLIENT_ERROR_MAX, "%.200s: it does not tell who holds what now (HTTP %d)", c->admin, a.status);
	return a.status == 404 ? ASK_UNKNOWN : ASK_FAILED;
}

/* Piece after piece, until there is no next one. */
static enum asked ask_holders(
    const struct client *c, struct rollout_known *k, size_t most, char error[CLIENT_ERROR_MAX])
{
	char target[TARGET_MAX], from[POSITION_MAX] = "";
	for (size_t i = 0; i < PIECES_MAX; i++) {
		json_t *piece = NULL;
		snprintf(target, sizeof(target), "/v1/holders?contents=1&most=%zu%s%s", most,
		    from[0] == '\0' ? "" : "&from=", from);
		enum asked asked = ask_piece(c, target, &piece, error);
		if (asked != ASKED)
			return asked;
		bool fine = known_take_holders(k, piece);
		const char *next = member_str(piece, "next");
		bool end = next == NULL;
		/* It goes on, and forward only. */
		fine = fine && (end ? json_is_null(json_object_get(piece, "next"))
		                    : strlen(next) < sizeof(from) && strcmp(next, from) > 0);
		if (fine && !end)
			snprintf(from, sizeof(from), "%s", next);
		json_decref(piece);
		if (!fine)
			break;
		if (end)
			return ASKED;
	}
	return misunderstood(c, error) ? ASKED : ASK_FAILED;
}

/* A node of a version before that does not tell. */
static void ask_watched(const struct client *c, struct rollout_known *k)
{
	char error[CLIENT_ERROR_MAX];
	json_t *answer = ask_json(c, "GET", "/v1/watched", BYTES_NONE, error);
	bool told = answer != NULL && known_take_watched(k, answer);
	json_decref(answer);
	k->watched_known = told;
}

/* What there is to plan from; known_free ends it either way. Who holds what may be unknown (V2): then one
 * node of a role goes at a time, which leaves all other holders. */
static bool ask(struct rollout_job *job, bool back, struct rollout_known *k, char error[CLIENT_ERROR_MAX])
{
	struct known_wish wish = { job->terms.to, back };
	*k = (struct rollout_known){ 0 };
	json_t *nodes = ask_json(job->client, "GET", "/v1/nodes", BYTES_NONE, error);
	if (nodes == NULL)
		return false;
	if (!known_take_nodes(k, nodes, &wish))
		return misunderstood(job->client, error);
	ask_watched(job->client, k);
	enum asked asked = ask_holders(job->client, k, known_most(k, job->terms.batch_permille), error);
	if (asked == ASK_FAILED)
		return false;
	k->holders_known = asked == ASKED;
	if (!k->holders_known)
		job->terms.batch_permille = ONE_PERMILLE;
	known_settle(k);
	return true;
}

/* When what was ordered; a node of a version before that does not tell, and the status says the rest. */
static void add_drains(const struct client *c, json_t *said)
{
	char error[CLIENT_ERROR_MAX];
	json_t *answer = ask_json(c, "GET", "/v1/drains", BYTES_NONE, error);
	json_t *drains = json_object_get(answer, "drains");
	if (json_is_array(drains))
		(void)json_object_set(said, "orders", drains);
	json_decref(answer);
}

static void plan(const struct rollout_known *k, const struct rollout_terms *t, struct rollout_plan *out)
{
	struct rollout_wish wish = { .nodes = k->nodes,
		.nodes_n = k->nodes_n,
		.contents = k->contents,
		.contents_n = k->sets_n,
		.batch_permille = t->batch_permille,
		.sessions = t->peak > k->sessions ? t->peak : k->sessions };
	rollout_plan(&wish, out);
}

static int print(
    const json_t *said, bool json, enum err (*show)(const json_t *, struct buf *), FILE *out, FILE *errors)
{
	if (json) {
		ctl_print_json(said, out);
		return CTL_DONE;
	}
	struct buf text;
	buf_init(&text, TEXT_MAX_BYTES);
	enum err e = show(said, &text);
	if (e == OK)
		fwrite(text.p, 1, text.n, out);
	buf_fini(&text);
	return e == OK ? CTL_DONE : ctl_failed("the plan is too long to be shown", errors);
}

static int run(const struct rollout_job *asked, bool status, FILE *out, FILE *errors)
{
	struct rollout_job job = *asked;
	struct rollout_known k;
	struct rollout_plan p;
	char error[CLIENT_ERROR_MAX];
	if (job.terms.batch_permille == 0)
		job.terms.batch_permille = ROLLOUT_BATCH_MAX_PERMILLE;
	if (!ask(&job, status, &k, error)) {
		known_free(&k);
		return ctl_failed(error, errors);
	}
	plan(&k, &job.terms, &p);
	json_t *said = status ? rollout_status_said(&k, &p, &job.terms) : rollout_said(&k, &p, &job.terms);
	if (status)
		add_drains(job.client, said);
	int result = print(said, job.json, status ? show_rollout_status : show_rollout_plan, out, errors);
	const char *refused = member_str(said, "refused");
	if (!status && result == CTL_DONE && refused != NULL)
		result = ctl_failed(refused, errors);
	json_decref(said);
	rollout_free(&p);
	known_free(&k);
	if (fflush(out) != 0 && result == CTL_DONE)
		return ctl_failed("cannot write", errors);
	return result;
}

int rollout_run_plan(const struct rollout_job *job, FILE *out, FILE *errors)
{
	return run(job, false, out, errors);
}

int rollout_run_status(const struct rollout_job *job, FILE *out, FILE *errors)
{
	return run(job, true, out, errors);
}
