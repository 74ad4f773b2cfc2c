#include "ctl/probe.h"

#include "base/check.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARRIVED_WITHIN_MS = 10000,
	ASK_AGAIN_MS = 25,
	NODE_TIMEOUT_MS = 2000,
	WATCH_MS = 1000,
	WRITE_BYTES = 32,
};

const char probe_help[] =
    "Has the node at --admin write an entry that means nothing to viewers, and asks each NODE (an admin\n"
    "address, HOST:PORT) when it came there; default: all nodes that the writer holds for alive, their\n"
    "admin listeners looked for at the host that peers use and the port of --admin. Each latency is\n"
    "the difference of two hosts' clocks, from the request until the node had applied the write.\n\n"
    "  --slots N  N writes, 1 to 1000, one after the other, one line each\n"
    "  --watch    a write a second until interrupted\n\n"
    "exit status: 0 all of them came everywhere within 10 s, 1 not, 2 bad usage\n";

enum outcome { WAITING, ARRIVED, UNREACHABLE };

struct asked {
	const struct peer *peer;
	enum outcome outcome;
	int64_t latency_us;
};

/* One write on its way. */
struct
try {
	const struct probe_job *job;
	char owner[64]; /* hex */
	uint64_t number;
	struct asked *asked;
	size_t asked_n, arrived;
	FILE *out, *errors;
};

static void wait_ms(uint64_t ms)
{
	(void)poll(NULL, 0, (int)ms);
}

/* -- one try -- */

static bool write_one(struct try *t, unsigned slot)
{
	char text[64], error[CLIENT_ERROR_MAX];
	snprintf(text, sizeof(text), "{\"slot\":%u,\"bytes\":%d}", slot, WRITE_BYTES);
	json_t *said = ask_json(t->job->client, "POST", "/v1/kvs/probe", bytes_str(text), error);
	const char *owner = member_str(said, "owner");
	const json_t *write = json_array_get(json_object_get(said, "writes"), 0);
	bool fine = owner != NULL && strlen(owner) < sizeof(t->owner) && member_u64(write, "number", &t->number);
	if (fine)
		memcpy(t->owner, owner, strlen(owner) + 1);
	else
		fprintf(
		    t->errors, "warmcastctl: %s\n", said == NULL ? error : "the probe's answer is not understood");
	json_decref(said);
	return fine;
}

/* A later probe of that owner stands for this one: somebody else measures too. */
static void take_seen(struct try *t, struct asked *a, const json_t *said)
{
	const json_t *seen = json_object_get(said, "seen");
	for (size_t i = 0; i < json_array_size(seen); i++) {
		const json_t *s = json_array_get(seen, i), *latency = json_object_get(s, "latency_us");
		const char *owner = member_str(s, "owner");
		uint64_t number;
		if (owner == NULL || strcmp(owner, t->owner) != 0 || !member_u64(s, "number", &number) ||
		    number < t->number || !json_is_integer(latency))
			continue;
		a->latency_us = json_integer_value(latency);
		a->outcome = ARRIVED;
		t->arrived++;
	}
}

static void ask_one(struct try *t, struct asked *a)
{
	struct client c = *t->job->client;
	char error[CLIENT_ERROR_MAX];
	c.timeout_ms = NODE_TIMEOUT_MS;
	json_t *said = client_set_admin(&c, a->peer->admin) != OK
	                   ? NULL
	                   : ask_json(&c, "GET", "/v1/kvs/probe", BYTES_NONE, error);
	if (said == NULL)
		a->outcome = UNREACHABLE;
	else
		take_seen(t, a, said);
	json_decref(said);
}

static void await_all(struct try *t)
{
	uint64_t deadline = ctl_now_ms() + ARRIVED_WITHIN_MS;
	bool waiting = true;
	while (waiting && ctl_now_ms() < deadline) {
		waiting = false;
		for (size_t i = 0; i < t->asked_n; i++) {
			if (t->asked[i].outcome == WAITING)
				ask_one(t, &t->asked[i]);
			waiting = waiting || t->asked[i].outcome == WAITING;
		}
		if (waiting)
			wait_ms(ASK_AGAIN_MS);
	}
}

/* -- showing -- */

static int by_latency(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;
	if (x->outcome != y->outcome)
		return x->outcome == ARRIVED ? -1 : y->outcome == ARRIVED ? 1 : (int)x->outcome - (int)y->outcome;
	return x->latency_us < y->latency_us ? -1 : x->latency_us > y->latency_us;
}

static double ms_of(int64_t us)
{
	return (double)us / 1000;
}

static void put_summary(const struct try *t, struct buf *out)
{
	buf_printf(out, "%zu of %zu nodes", t->arrived, t->asked_n);
	if (t->arrived > 0)
		buf_printf(out, ", p50 %.1f ms, max %.1f ms (%s)", ms_of(t->asked[(t->arrived - 1) / 2].latency_us),
		    ms_of(t->asked[t->arrived - 1].latency_us), t->asked[t->arrived - 1].peer->name);
	buf_put_u8(out, '\n');
}

static void put_table(const struct try *t, struct buf *out)
{
	static const char *const names[] = { "NODE", "LATENCY", "ADMIN" };
	struct table table;
	cells_heads(&table, names, 3);
	table_align_right(&table, 1);
	for (size_t i = 0; i < t->asked_n; i++) {
		const struct asked *a = &t->asked[i];
		table_cell(&table, a->peer->name);
		if (a->outcome == ARRIVED)
			cell_printf(&table, "%.1f ms", ms_of(a->latency_us));
		else
			table_cell(&table, a->outcome == WAITING ? "not yet" : "no answer");
		table_cell(&table, a->peer->admin);
	}
	table_print(&table, out);
	table_fini(&table);
}

static void put_json(const struct try *t, struct buf *out)
{
	json_t *list = json_array();
	for (size_t i = 0; i < t->asked_n; i++) {
		const struct asked *a = &t->asked[i];
		json_t *latency = a->outcome == ARRIVED ? json_integer(a->latency_us) : json_null();
		json_t *one = json_pack("{s:s, s:b, s:o}", "node", a->peer->name, "answered",
		    a->outcome != UNREACHABLE, "latency_us", latency);
		CHECK(one != NULL && json_array_append_new(list, one) == 0);
	}
	json_t *all =
	    json_pack("{s:s, s:I, s:o}", "owner", t->owner, "number", (json_int_t)t->number, "nodes", list);
	CHECK(all != NULL);
	char *text = json_dumps(all, JSON_COMPACT);
	CHECK(text != NULL);
	buf_put_str(out, text);
	buf_put_u8(out, '\n');
	free(text);
	json_decref(all);
}

static int show_try(const struct try *t)
{
	struct buf text;
	buf_init(&text, 16 << 20);
	if (t->job->json) {
		put_json(t, &text);
	} else {
		if (t->job->tries == 1 && !t->job->watch)
			put_table(t, &text);
		put_summary(t, &text);
	}
	fwrite(text.p, 1, text.n, t->out);
	buf_fini(&text);
	bool written = fflush(t->out) == 0 && !ferror(t->out);
	if (!written)
		fprintf(t->errors, "warmcastctl: cannot write\n");
	return written && t->arrived == t->asked_n ? CTL_DONE : CTL_FAILED;
}

/* -- all of them -- */

static int run_try(const struct probe_job *job, const struct peers *peers, unsigned slot, int64_t *last_us,
    FILE *out, FILE *errors)
{
	struct try t = { .job = job, .out = out, .errors = errors };
	if (!write_one(&t, slot))
		return CTL_FAILED;
	t.asked = calloc(peers->n + 1, sizeof(*t.asked));
	CHECK(t.asked != NULL);
	for (size_t i = 0; i < peers->n; i++)
		if (!peers->list[i].self)
			t.asked[t.asked_n++].peer = &peers->list[i];
	await_all(&t);
	qsort(t.asked, t.asked_n, sizeof(*t.asked), by_latency);
	*last_us = t.arrived > 0 ? t.asked[t.arrived - 1].latency_us : 0;
	int status = show_try(&t);
	free(t.asked);
	return status;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static int run_tries(const struct probe_job *job, const struct peers *peers, FILE *out, FILE *errors)
{
	int64_t last_us[PROBE_TRIES_MAX];
	int worst = CTL_DONE;
	unsigned n = 0;
	do {
		uint64_t began = ctl_now_ms();
		int status = run_try(job, peers, n % PROBE_TRIES_MAX, &last_us[n % PROBE_TRIES_MAX], out, errors);
		worst = status > worst ? status : worst;
		n++;
		if (job->watch && ctl_now_ms() < began + WATCH_MS)
			wait_ms(began + WATCH_MS - ctl_now_ms());
	} while (!ferror(out) && (job->watch || n < job->tries));
	if (n > 1 && !job->json) {
		qsort(last_us, n, sizeof(last_us[0]), by_value);
		fprintf(out, "to the last node, of %u writes: p50 %.1f ms, max %.1f ms\n", n,
		    ms_of(last_us[(n - 1) / 2]), ms_of(last_us[n - 1]));
	}
	return worst;
}

/* Whom to ask; else the person knows why. */
static int find_peers(const struct probe_job *job, struct peers *peers, FILE *errors)
{
	char error[CLIENT_ERROR_MAX];
	const char *bad = NULL;
	if (job->nodes_n > 0) {
		bool fine = peers_named(job->nodes, job->nodes_n, peers, &bad);
		if (!fine)
			fprintf(errors, "warmcastctl: the admin address is not HOST:PORT: %s\n", bad);
		return fine ? CTL_DONE : CTL_USAGE;
	}
	json_t *nodes = ask_json(job->client, "GET", "/v1/nodes", BYTES_NONE, error);
	bool fine = nodes != NULL && peers_of(nodes, &job->client->address, peers);
	if (!fine)
		fprintf(errors, "warmcastctl: %s\n", nodes == NULL ? error : "the list of nodes is not understood");
	json_decref(nodes);
	return fine ? CTL_DONE : CTL_FAILED;
}

int probe_run(const struct probe_job *job, FILE *out, FILE *errors)
{
	struct peers peers;
	CHECK(job->tries >= 1 && job->tries <= PROBE_TRIES_MAX);
	int found = find_peers(job, &peers, errors);
	if (found != CTL_DONE)
		return found;
	size_t kept = 0;
	for (size_t i = 0; i < peers.n; i++) { /* one that is down is not waited for */
		if (peers.list[i].alive) {
			struct peer swap = peers.list[kept];
			peers.list[kept++] = peers.list[i];
			peers.list[i] = swap;
		}
	}
	struct peers living = { peers.list, kept };
	int status = run_tries(job, &living, out, errors);
	peers_free(&peers);
	return status;
}
