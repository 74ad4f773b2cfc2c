#include "ctl/commands.h"

#include "base/check.h"
#include "base/text.h"
#include "ctl/diff.h"
#include "ctl/drain.h"
#include "ctl/lag.h"
#include "ctl/order.h"
#include "ctl/probe.h"
#include "ctl/rollout_judge_run.h"
#include "ctl/rollout_run.h"
#include "ctl/show.h"
#include "ctl/warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TARGET_MAX_BYTES = 8 << 10, TEXT_MAX_BYTES = 256 << 20, DETAIL_MAX = 400 };
enum { HANDLE_MIN = 64, HANDLE_MAX_BYTES = 768 }; /* characters of its text; bytes that it stands for */

struct command;

/* One run of a command. */
struct call {
	const struct command_options *o;
	const struct command *c;
	char *const *arguments;
	size_t arguments_n;
	FILE *out, *errors;
};

struct command {
	const char *name;      /* a word or two */
	const char *arguments; /* NULL: takes none */
	size_t arguments_min, arguments_max;
	const char *summary;
	const char *help;
	int (*run)(const struct call *call);
	const char *target; /* of the GET */
	enum err (*show)(const json_t *answer, struct buf *out);
	/* The options --slots and --watch; --lag; --wait; --copies; --batch, --peak and --to. */
	bool takes_tries, takes_lag, takes_wait, takes_copies, takes_terms, takes_judge;
};

static int run_plain(const struct call *call);
static int run_get(const struct call *call);
static int run_diff(const struct call *call);
static int run_nodes(const struct call *call);
static int run_probe(const struct call *call);
static int run_explain(const struct call *call);
static int run_warm(const struct call *call);
static int run_purge(const struct call *call);
static int run_expel(const struct call *call);
static int run_drain(const struct call *call);
static int run_undrain(const struct call *call);
static int run_rollout(const struct call *call);
static int run_judge(const struct call *call);

static const struct command commands[] = {
	{ "status", NULL, 0, 0, "what the asked node says of itself and sees of the cluster",
	    "Shows the node that listens on the admin address: its name, state and age, how many nodes it\n"
	    "sees, its sessions, cache and replica.\n",
	    run_plain, "/v1/status", show_status },
	{ "nodes", NULL, 0, 0, "all nodes that the asked node knows, with state and load",
	    "One line a node. STATE is what it says of itself (joining, ready, draining, left), LIVE what\n"
	    "the asked node takes it for: alive, suspect (may not be reachable), down (enough of its watchers\n"
	    "do not hear it), disputed (down, and yet the asked node hears it), - (left). SINCE is how long\n"
	    "that has been so, BY who claims that it cannot be reached, SESSIONS the places taken of its\n"
	    "capacity, VERSION its build and the protocol versions it speaks, ADDRESS where other nodes\n"
	    "reach it.\n\n"
	    "  --lag  asks each node too: BEHIND is how many of its writes the asked node has not yet (control\n"
	    "         and locations together). A node's admin listener is looked for at the host that its peers\n"
	    "         use and the port of --admin.\n",
	    run_nodes, "/v1/nodes", show_nodes, .takes_lag = true },
	{ "holders", "CONTENT", 1, 1, "the delivery nodes whose cache holds a content",
	    "One line a holder. SHARE is how much of the content it holds where that is known, HELD how much\n"
	    "in bytes, ENTRY the playlist by which viewers enter the content there.\n",
	    run_plain, "/v1/contents/", show_holders },
	{ "explain", "CONTENT|SESSION", 1, 1, "where viewers are sent, and why",
	    "Of a content: where a viewer would be sent now; of a session (the handle that its creation gave):\n"
	    "why it was sent there, as long as the api node that created it remembers. Asks an api node, since\n"
	    "only those decide. One line a delivery node, in the order in which they would be tried (RANK; -\n"
	    "takes nobody, or came behind the first three of a session). REASON is why it would be taken or\n"
	    "not, HELD and OBJECTS what it holds of the content, LOAD the sessions of its capacity: what it\n"
	    "last told, TOLD ago (-: never), and those that the asked node sent there since. PLACES are leased\n"
	    "to the asked node and not given out, ORDER is the content's own order of all nodes, by their\n"
	    "capacities: spill and cold begin with it, and depart from it where caches and loads differ.\n",
	    run_explain, NULL, NULL },
	{ "warm", "CONTENT", 1, 1, "places copies of a content ahead of its audience",
	    "Asks an api node, which chooses delivery nodes: those that hold some of the content, then those "
	    "that\n"
	    "spill and cold would choose, so that the audience finds the copies. They fetch what its HLS\n"
	    "playlists name, a few objects at once (of a DASH content the manifest only), as long as it is less\n"
	    "than half of their cache. A purge of the content stops it.\n\n"
	    "  --copies N  how many nodes, 1 to 64; default 1\n"
	    "  --wait      until all of them have all of it, or nothing has moved for a minute\n\n"
	    "exit status: 0 ordered of as many nodes (and with --wait done), 1 not, 2 bad usage\n",
	    run_warm, NULL, NULL, .takes_wait = true, .takes_copies = true },
	{ "purge", "CONTENT", 1, 1, "has every delivery node drop a content from its cache",
	    "The asked node writes the order, and a second node records it, so that it outlives the first one's\n"
	    "disk; each delivery node drops all objects of the content, and cancels what it is fetching of it. "
	    "One\n"
	    "that is away does so when it is back, before it serves any of it again.\n\n"
	    "  --wait  until all delivery nodes that are not down have done it, at most a minute\n\n"
	    "exit status: 0 ordered (and with --wait done), 1 not, 2 bad usage\n",
	    run_purge, NULL, NULL, .takes_wait = true },
	{ "expel", "NODE", 1, 1, "puts a node out of the cluster for good",
	    "NODE is the name or the id of a node other than the asked one. No node links to it any more, no "
	    "viewer\n"
	    "is sent there, and it leaves when it hears of it. This cannot be taken back: to return, the node "
	    "has to\n"
	    "become another one, by an empty data_dir.\n",
	    run_expel, NULL, NULL },
	{ "drain", "NODE", 1, 1, "has a node take no new viewers", drain_help, run_drain, NULL, NULL,
	    .takes_wait = true },
	{ "undrain", "NODE", 1, 1, "takes back that a node drains",
	    "NODE is a name or an id. It is ready again at once, with all that its cache holds.\n", run_undrain,
	    NULL, NULL },
	{ "rollout plan", NULL, 0, 0, "which nodes may be upgraded together", rollout_plan_help, run_rollout,
	    NULL, NULL, .takes_terms = true },
	{ "rollout status", NULL, 0, 0, "which nodes run what, and what is to be done yet", rollout_status_help,
	    run_rollout, NULL, NULL, .takes_terms = true },
	{ "rollout judge", NULL, 0, 0, "whether the asked node serves viewers well now", rollout_judge_help,
	    run_judge, NULL, NULL, .takes_judge = true },
	{ "kvs stats", NULL, 0, 0, "how the asked node's replica does",
	    "Shows what the replica holds, with a fingerprint of all rows but load: equal replicas have equal\n"
	    "ones. Of what came from peers since the start:\n\n"
	    "  entries    new ones, by what brought them: pushed by neighbours, pulled from one that announced\n"
	    "             them, or repaired, which is what only a comparison of replicas found\n"
	    "  frames     applied; duplicates, which are copies too many; gaps, which are pulled; behind, of a\n"
	    "             peer that has less; refused, against the rules\n"
	    "  copies     of an update, on average: 1 is the least\n"
	    "  asked      pulls of rows, ranges compared by fingerprints, digests sent\n"
	    "  claims     made by this node that another cannot be reached; standing, of all on any\n\n"
	    "Then frames and bytes between nodes by kind of message, without those of TLS and TCP.\n",
	    run_plain, "/v1/kvs/stats", show_kvs_stats },
	{ "kvs owners", NULL, 0, 0, "where each row of the asked node's replica stands",
	    "One line an owner and stream. INC is the owner's run, VERSION the last write that is here,\n"
	    "HORIZON up to where newer writes may stand in for older ones, FLOOR up to where deletes are\n"
	    "forgotten, BASE from where the row is whole, DELETED the deletes that are remembered. A row is\n"
	    "EXACT when it is as the owner had it at that version.\n",
	    run_plain, "/v1/kvs/owners", show_owners },
	{ "kvs get", "OWNER KEY...", 2, SIZE_MAX, "entries of an owner as the asked node has them",
	    "OWNER is the name or the id of a node. A KEY is `register` (what the owner says of itself), `load`\n"
	    "or, of a location, ORIGIN:CONTENT.\n",
	    run_get, "/v1/kvs/get", show_entry },
	{ "kvs diff", "NODE NODE", 2, 2, "whether two nodes' replicas agree",
	    "Each NODE is an admin address, HOST:PORT: a node's replica is told by its own admin listener only,\n"
	    "and --admin is not used. Prints each row that differs in run, version, floor or fingerprint, one\n"
	    "line a node. Rows of load, which change all the time, are left out. Rows that are being written\n"
	    "may differ for a moment: ask again.\n\n"
	    "exit status: 0 equal, 1 different, 2 bad usage, or a node that did not answer\n",
	    run_diff, "/v1/kvs/owners", NULL },
	{ "kvs probe", "[NODE...]", 0, SIZE_MAX, "how long a write takes to every node", probe_help, run_probe,
	    NULL, NULL, .takes_tries = true },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* How many of the words name it; 0: they do not. */
static size_t named(const struct command *c, char *const *words, size_t words_n)
{
	const char *space = strchr(c->name, ' ');
	if (space == NULL)
		return words_n >= 1 && strcmp(words[0], c->name) == 0 ? 1 : 0;
	size_t first = (size_t)(space - c->name);
	bool is = words_n >= 2 && strlen(words[0]) == first && memcmp(words[0], c->name, first) == 0 &&
	          strcmp(words[1], space + 1) == 0;
	return is ? 2 : 0;
}

/* Named by the words, or one of those that the only word stands for. */
static bool meant(const struct command *c, char *const *words, size_t words_n)
{
	const char *space = strchr(c->name, ' ');
	return named(c, words, words_n) > 0 ||
	       (words_n == 1 && space != NULL && strlen(words[0]) == (size_t)(space - c->name) &&
	           strncmp(words[0], c->name, strlen(words[0])) == 0);
}

bool commands_known(char *const *words, size_t words_n)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (meant(&commands[i], words, words_n))
			return true;
	return false;
}

static const char *arguments_of(const struct command *c)
{
	return c->arguments == NULL ? "" : c->arguments;
}

void commands_list(FILE *out)
{
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-14s %-12s %s\n", commands[i].name, arguments_of(&commands[i]), commands[i].summary);
}

void commands_help(char *const *words, size_t words_n, FILE *out)
{
	const char *between = "";
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		if (!meant(c, words, words_n))
			continue;
		fprintf(out, "%susage: warmcastctl [--admin HOST:PORT] [--json] %s%s%s\n\n%s", between, c->name,
		    c->arguments == NULL ? "" : " ", arguments_of(c), c->help);
		between = "\n";
	}
}

/* -- asking -- */

/* Segments stay segments: a content id may hold slashes. */
static void put_encoded(struct buf *out, const char *path)
{
	for (; *path != '\0'; path++) {
		uint8_t c = (uint8_t)*path;
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (alnum || strchr("-._~/", c) != NULL)
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* One line, whatever the node wrote. */
static void print_line(FILE *errors, const char *admin, int status, const char *text)
{
	fprintf(errors, "warmcastctl: %s: ", admin);
	for (size_t n = 0; *text != '\0' && n < DETAIL_MAX; text++, n++)
		fputc((uint8_t)*text < 0x20 || *text == 0x7f ? ' ' : *text, errors);
	fprintf(errors, " (HTTP %d)\n", status);
}

/* The detail of a problem document (RFC 9457), else its title. */
static int refused(const struct command_options *o, const struct client_answer *a, FILE *errors)
{
	json_t *problem = json_loadb((const char *)a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(problem, "detail"));
	if (text == NULL)
		text = json_string_value(json_object_get(problem, "title"));
	print_line(errors, o->client.admin, a->status, text == NULL ? "it refused, and did not say why" : text);
	json_decref(problem);
	return CTL_FAILED;
}

static int print(struct bytes text, FILE *out, FILE *errors)
{
	bool ends = text.n > 0 && text.p[text.n - 1] == '\n';
	fwrite(text.p, 1, text.n, out);
	if (!ends)
		fputc('\n', out);
	if (fflush(out) == 0 && !ferror(out))
		return CTL_DONE;
	fprintf(errors, "warmcastctl: cannot write: %s\n", strerror(errno));
	return CTL_FAILED;
}

static int not_understood(const struct command_options *o, FILE *errors)
{
	fprintf(errors, "warmcastctl: %s: the answer is not what a Warmcast node of this version says\n",
	    o->client.admin);
	return CTL_FAILED;
}

static int show_by(
    const struct call *call, enum err (*to_text)(const json_t *answer, struct buf *out), struct bytes body)
{
	json_t *answer = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	if (answer == NULL)
		return not_understood(call->o, call->errors);
	int status;
	struct buf text;
	buf_init(&text, TEXT_MAX_BYTES);
	if (to_text(answer, &text) != OK)
		status = not_understood(call->o, call->errors);
	else
		status = print(call->o->json ? body : buf_bytes(&text), call->out, call->errors);
	buf_fini(&text);
	json_decref(answer);
	return status;
}

static int show(const struct call *call, struct bytes body)
{
	return show_by(call, call->c->show, body);
}

/* The body of a 200, to be ended with buf_fini; else CTL_FAILED, and the person knows why. */
static int fetch(const struct command_options *o, const char *target, struct buf *body, FILE *errors)
{
	struct client_answer a;
	char error[CLIENT_ERROR_MAX];
	if (client_call(&o->client, "GET", target, BYTES_NONE, &a, error) != OK) {
		fprintf(errors, "warmcastctl: %s\n", error);
		return CTL_FAILED;
	}
	if (a.status == 200) {
		*body = a.body;
		return CTL_DONE;
	}
	int status = refused(o, &a, errors);
	buf_fini(&a.body);
	return status;
}

/* Asks for a target that is complete, and shows the answer. */
static int ask(const struct call *call, struct buf *target)
{
	struct buf body;
	buf_put_u8(target, '\0');
	if (buf_err(target) != OK) {
		fprintf(call->errors, "warmcastctl: %s: over a stated limit\n", arguments_of(call->c));
		return CTL_USAGE;
	}
	int status = fetch(call->o, (const char *)target->p, &body, call->errors);
	if (status != CTL_DONE)
		return status;
	status = show(call, buf_bytes(&body));
	buf_fini(&body);
	return status;
}

/* -- commands -- */

static int run_plain(const struct call *call)
{
	struct buf target;
	buf_init(&target, TARGET_MAX_BYTES);
	buf_put_str(&target, call->c->target);
	if (call->arguments_n > 0)
		put_encoded(&target, call->arguments[0]);
	int status = ask(call, &target);
	buf_fini(&target);
	return status;
}

/* Whether it may be a session's handle; of a content id of that form the node tells that it is none. */
static bool may_be_handle(const char *text)
{
	struct bytes s = bytes_str(text);
	uint8_t decoded[HANDLE_MAX_BYTES];
	size_t n = sizeof(decoded);
	return s.n >= HANDLE_MIN && text_unbase64url(decoded, &n, s) == OK;
}

static bool is_problem(const struct client_answer *a, const char *type)
{
	json_t *problem = json_loadb((const char *)a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(problem, "type"));
	bool is = text != NULL && bytes_ends_with(bytes_str(text), bytes_str(type));
	json_decref(problem);
	return is;
}

/* False: that is no session. */
static bool explain_session(const struct call *call, const char *handle, int *status)
{
	struct client_answer a;
	char error[CLIENT_ERROR_MAX], target[HANDLE_MAX_BYTES * 2];
	snprintf(target, sizeof(target), "/v1/explain?session=%s", handle);
	if (client_call(&call->o->client, "GET", target, BYTES_NONE, &a, error) != OK) {
		fprintf(call->errors, "warmcastctl: %s\n", error);
		*status = CTL_FAILED;
		return true;
	}
	bool is = a.status != 404 || !is_problem(&a, ":no-such-session");
	if (a.status == 200)
		*status = show_by(call, show_explain_session, buf_bytes(&a.body));
	else if (is)
		*status = refused(call->o, &a, call->errors);
	buf_fini(&a.body);
	return is;
}

static int run_explain(const struct call *call)
{
	int status;
	const char *what = call->arguments[0];
	if (may_be_handle(what) && explain_session(call, what, &status))
		return status;
	struct command content = *call->c;
	struct call of_content = *call;
	content.target = "/v1/explain?content=";
	content.show = show_explain_content;
	of_content.c = &content;
	return run_plain(&of_content);
}

/* The stream in which an owner has such a key; NULL: there is no such key. */
static const char *stream_of(const char *key)
{
	if (strcmp(key, "register") == 0)
		return "control";
	if (strcmp(key, "load") == 0)
		return "load";
	return strchr(key, ':') != NULL ? "locations" : NULL;
}

static int get_one(const struct call *call, const char *owner, const char *key)
{
	struct buf target;
	buf_init(&target, TARGET_MAX_BYTES);
	buf_printf(&target, "%s?owner=", call->c->target);
	put_encoded(&target, owner);
	buf_printf(&target, "&stream=%s&key=", stream_of(key));
	put_encoded(&target, key);
	int status = ask(call, &target);
	buf_fini(&target);
	return status;
}

static int run_get(const struct call *call)
{
	for (size_t i = 1; i < call->arguments_n; i++) {
		if (stream_of(call->arguments[i]) == NULL) {
			fprintf(call->errors, "warmcastctl: no such key: %s (register, load or ORIGIN:CONTENT)\n",
			    call->arguments[i]);
			return CTL_USAGE;
		}
	}
	int worst = CTL_DONE;
	for (size_t i = 1; i < call->arguments_n; i++) {
		if (i > 1 && !call->o->json)
			fputc('\n', call->out);
		int status = get_one(call, call->arguments[0], call->arguments[i]);
		worst = status > worst ? status : worst;
	}
	return worst;
}

/* The table of owners of the node at `admin`; NULL, and the person knows why. */
static json_t *owners_of(const struct call *call, const char *admin)
{
	struct command_options o = *call->o;
	struct buf body;
	if (client_set_admin(&o.client, admin) != OK) {
		fprintf(call->errors, "warmcastctl: the admin address is not HOST:PORT: %s\n", admin);
		return NULL;
	}
	if (fetch(&o, call->c->target, &body, call->errors) != CTL_DONE)
		return NULL;
	json_t *owners = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	buf_fini(&body);
	if (owners == NULL || !diff_understands(owners)) {
		not_understood(&o, call->errors);
		json_decref(owners);
		return NULL;
	}
	return owners;
}

static int run_diff(const struct call *call)
{
	const char *nodes[2] = { call->arguments[0], call->arguments[1] };
	int status = CTL_TROUBLE;
	json_t *a = owners_of(call, nodes[0]), *b = a == NULL ? NULL : owners_of(call, nodes[1]);
	if (b != NULL) {
		struct buf text;
		buf_init(&text, TEXT_MAX_BYTES);
		bool equal = diff_owners(a, b, nodes, call->o->json, &text);
		if (buf_err(&text) != OK)
			fprintf(call->errors, "warmcastctl: too many rows differ to be shown\n");
		else if (print(buf_bytes(&text), call->out, call->errors) == CTL_DONE)
			status = equal ? CTL_DONE : CTL_DIFFERENT;
		buf_fini(&text);
	}
	json_decref(a);
	json_decref(b);
	return status;
}

static int run_probe(const struct call *call)
{
	struct probe_job job = { .client = &call->o->client,
		.nodes = call->arguments,
		.nodes_n = call->arguments_n,
		.tries = call->o->tries == 0 ? 1 : call->o->tries,
		.watch = call->o->watch,
		.json = call->o->json };
	return probe_run(&job, call->out, call->errors);
}

static int run_warm(const struct call *call)
{
	return warm_run(&call->o->client, call->arguments[0], call->o->copies == 0 ? 1 : call->o->copies,
	    call->o->wait, call->o->json, call->out, call->errors);
}

static int run_purge(const struct call *call)
{
	return order_purge(
	    &call->o->client, call->arguments[0], call->o->wait, call->o->json, call->out, call->errors);
}

static int run_expel(const struct call *call)
{
	return order_node(&call->o->client, call->arguments[0], "expel", call->o->json, call->out, call->errors);
}

static int run_drain(const struct call *call)
{
	return drain_run(
	    &call->o->client, call->arguments[0], call->o->wait, call->o->json, call->out, call->errors);
}

static int run_undrain(const struct call *call)
{
	return order_node(
	    &call->o->client, call->arguments[0], "undrain", call->o->json, call->out, call->errors);
}

static int run_rollout(const struct call *call)
{
	const struct command_options *o = call->o;
	struct rollout_job job = { &o->client, { o->batch_permille, o->peak, o->to }, o->json };
	bool status = strcmp(call->c->name, "rollout status") == 0;
	return (status ? rollout_run_status : rollout_run_plan)(&job, call->out, call->errors);
}

static int run_judge(const struct call *call)
{
	const struct command_options *o = call->o;
	return rollout_run_judge(&o->client, &o->judge, o->json, call->out, call->errors);
}

static int run_nodes(const struct call *call)
{
	if (!call->o->lag)
		return run_plain(call);
	char error[CLIENT_ERROR_MAX];
	json_t *nodes = lag_ask(&call->o->client, error);
	if (nodes == NULL) {
		fprintf(call->errors, "warmcastctl: %s\n", error);
		return CTL_FAILED;
	}
	char *text = json_dumps(nodes, JSON_COMPACT);
	CHECK(text != NULL);
	int status = show(call, bytes_str(text));
	free(text);
	json_decref(nodes);
	return status;
}

/* An option that another command takes is no typing error to pass over. */
static const char *wrong_option(const struct command_options *o, const struct command *c)
{
	if (!c->takes_tries && (o->tries != 0 || o->watch))
		return o->watch ? "--watch" : "--slots";
	if (!c->takes_wait && o->wait)
		return "--wait";
	if (!c->takes_copies && o->copies != 0)
		return "--copies";
	if (!c->takes_terms && (o->batch_permille != 0 || o->peak != 0 || o->to != NULL))
		return o->batch_permille != 0 ? "--batch" : o->peak != 0 ? "--peak" : "--to";
	if (!c->takes_judge && judge_given(&o->judge) != NULL)
		return judge_given(&o->judge);
	return !c->takes_lag && o->lag ? "--lag" : NULL;
}

int commands_run(const struct command_options *o, char *const *words, size_t words_n, FILE *out, FILE *errors)
{
	const struct command *c = NULL;
	size_t used = 0;
	for (size_t i = 0; i < COMMANDS && used == 0; i++) {
		c = &commands[i];
		used = named(c, words, words_n);
	}
	if (used == 0) {
		bool half = words_n >= 2 && commands_known(words, 1);
		fprintf(errors, "warmcastctl: no such command: %s%s%s (see warmcastctl --help)\n", words[0],
		    half ? " " : "", half ? words[1] : "");
		return CTL_USAGE;
	}
	if (wrong_option(o, c) != NULL) {
		fprintf(errors, "warmcastctl: %s takes no %s\n", c->name, wrong_option(o, c));
		return CTL_USAGE;
	}
	struct call call = { o, c, words + used, words_n - used, out, errors };
	bool fits = call.arguments_n >= c->arguments_min && call.arguments_n <= c->arguments_max;
	for (size_t i = 0; i < call.arguments_n; i++)
		fits = fits && call.arguments[i][0] != '\0';
	if (fits)
		return c->run(&call);
	fprintf(errors, "warmcastctl: usage: warmcastctl %s%s%s\n", c->name, c->arguments == NULL ? "" : " ",
	    arguments_of(c));
	return CTL_USAGE;
}
