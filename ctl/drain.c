#include "ctl/drain.h"

#include "ctl/ask.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"
#include "ctl/order.h"
#include "ctl/units.h"

#include <poll.h>
#include <string.h>

const char drain_help[] =
    "NODE is a name or an id. No viewer is sent there any more. What its viewers watch and no other node\n"
    "holds is copied to another one first, out of this node's cache; then those who ask where their session\n"
    "belongs are led elsewhere. The order outlives restarts of the node, until `undrain`. A node that is "
    "away\n"
    "drains when it is back.\n\n"
    "  --wait  until it has no viewer, no place there is lent to an api node, and the copies are made; "
    "shows\n"
    "          how many are left. A copy that no node has room for is given up after 10 s, one that does "
    "not\n"
    "          get on after a minute: it is counted, and named in the node's log (copy-failed)\n";

enum {
	ASK_AGAIN_MS = 100,
	DRAINED_FOR_MS = 2500, /* a draining node tells within a second what its viewers come to */
	SAY_EVERY_MS = 10000,
};

/* How far it is. */
struct left {
	uint64_t sessions, copies, failed;
};

struct watch {
	uint64_t began_ms, none_since_ms, said_ms;
	struct left said;
	bool ever;
};

/* The node of that name or id in what /v1/nodes says. */
static const json_t *node_in(const json_t *said, const char *node)
{
	const json_t *nodes = json_object_get(said, "nodes");
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *n = json_array_get(nodes, i);
		const char *name = member_str(n, "name"), *id = member_str(n, "id");
		if ((name != NULL && strcmp(name, node) == 0) || (id != NULL && strcmp(id, node) == 0))
			return n;
	}
	return NULL;
}

/* A node of a version that makes no copies has none left. */
static struct left left_of(const json_t *n)
{
	struct left l = { 0 };
	const json_t *copies = json_object_get(n, "copies");
	member_u64(n, "sessions", &l.sessions);
	member_u64(copies, "left", &l.copies);
	member_u64(copies, "failed", &l.failed);
	return l;
}

static void say(const struct watch *w, const char *state, const struct left *l, uint64_t now, FILE *errors)
{
	char age[UNITS_TEXT_MAX];
	fprintf(errors, "%s for %s: %llu sessions left, %llu copies left", state,
	    units_age(age, now - w->began_ms), (unsigned long long)l->sessions, (unsigned long long)l->copies);
	if (l->failed > 0)
		fprintf(errors, ", %llu copies could not be made", (unsigned long long)l->failed);
	fputc('\n', errors);
}

/* True: it has no viewer any more. */
static bool look(struct watch *w, const json_t *n, FILE *errors)
{
	const char *state = member_str(n, "state");
	if (state == NULL || strcmp(state, "ready") == 0 || strcmp(state, "joining") == 0)
		return false;
	struct left l = left_of(n);
	uint64_t now = ctl_now_ms();
	bool changed = !w->ever || l.sessions != w->said.sessions || l.copies != w->said.copies ||
	               l.failed != w->said.failed;
	if (changed || now - w->said_ms >= SAY_EVERY_MS) {
		say(w, state, &l, now, errors);
		w->said_ms = now;
	}
	if (changed || l.sessions > 0 || l.copies > 0)
		w->none_since_ms = now;
	w->said = l;
	w->ever = true;
	return l.sessions == 0 && l.copies == 0 && now - w->none_since_ms >= DRAINED_FOR_MS;
}

static void say_end(const struct watch *w, bool gone, FILE *out)
{
	if (w->said.failed > 0)
		fprintf(out, "%llu copies could not be made: the node's log names them (copy-failed)\n",
		    (unsigned long long)w->said.failed);
	fprintf(out, gone ? "the node is gone\n" : "drained\n");
}

static int await(const struct client *c, const char *node, FILE *out, FILE *errors)
{
	char error[CLIENT_ERROR_MAX];
	struct watch w = { .began_ms = ctl_now_ms() };
	for (; ctl_now_ms() - w.began_ms < DRAIN_WAIT_MS; (void)poll(NULL, 0, ASK_AGAIN_MS)) {
		json_t *said = ask_json(c, "GET", "/v1/nodes", BYTES_NONE, error);
		if (said == NULL)
			return ctl_failed(error, errors);
		const json_t *n = node_in(said, node);
		bool gone = n == NULL, over = gone || look(&w, n, errors);
		json_decref(said);
		if (over) {
			say_end(&w, gone, out);
			return CTL_DONE;
		}
	}
	return ctl_failed("it still has viewers", errors);
}

int drain_run(const struct client *c, const char *node, bool wait, bool json, FILE *out, FILE *errors)
{
	int status = order_node(c, node, "drain", json, out, errors);
	return status == CTL_DONE && wait ? await(c, node, json ? errors : out, errors) : status;
}
