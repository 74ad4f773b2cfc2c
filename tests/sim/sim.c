#include "sim.h"

#include "base/check.h"
#include "base/timers.h"
#include "newer.h"
#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high)
{
	return low + prng_below(&s->prng, high - low + 1);
}

void sim_say(struct sim *s, const char *format, ...)
{
	char *line = s->lines[s->lines_n++ % SIM_LINES].text;
	int n = snprintf(line, sizeof(s->lines[0].text), "%8llu ", (unsigned long long)s->now_ms);
	va_list ap;
	va_start(ap, format);
	vsnprintf(line + n, sizeof(s->lines[0].text) - (size_t)n, format, ap);
	va_end(ap);
	if (s->tracing)
		puts(line);
}

void sim_fail(struct sim *s, size_t node, const char *format, ...)
{
	if (s->failed)
		return; /* the first is what counts */
	s->failed = true;
	s->failed_node = node;
	int n = snprintf(s->why, sizeof(s->why), "at %llu ms, node %zu: ", (unsigned long long)s->now_ms, node);
	va_list ap;
	va_start(ap, format);
	vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, format, ap);
	va_end(ap);
}

/* -- the heap -- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static size_t sift_up(struct sim *s, size_t at)
{
	while (at > 0 && before(&s->heap[at], &s->heap[(at - 1) / 2])) {
		struct sim_event t = s->heap[at];
		s->heap[at] = s->heap[(at - 1) / 2];
		s->heap[(at - 1) / 2] = t;
		at = (at - 1) / 2;
	}
	return at;
}

static void sift_down(struct sim *s, size_t at)
{
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->heap_n; child++)
			if (before(&s->heap[child], &s->heap[least]))
				least = child;
		if (least == at)
			return;
		struct sim_event t = s->heap[at];
		s->heap[at] = s->heap[least];
		s->heap[least] = t;
		at = least;
	}
}

static struct sim_event *push(struct sim *s, struct sim_event e)
{
	if (s->heap_n == s->heap_cap) {
		s->heap_cap = s->heap_cap == 0 ? 1024 : s->heap_cap * 2;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
		CHECK(s->heap != NULL);
	}
	e.order = s->order++;
	s->heap[s->heap_n++] = e;
	return &s->heap[sift_up(s, s->heap_n - 1)];
}

struct sim_event *sim_push(struct sim *s, uint64_t in_ms, enum sim_event_kind kind, size_t node)
{
	return push(s, (struct sim_event){ .at_ms = s->now_ms + in_ms, .kind = kind, .node = node });
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event e = s->heap[0];
	s->heap[0] = s->heap[--s->heap_n];
	sift_down(s, 0);
	return e;
}

/* -- what happens -- */

static void write_key(struct sim *s, size_t node, unsigned key, struct bytes value)
{
	char name[16];
	uint8_t newer[NEWER_KEY_BYTES];
	snprintf(name, sizeof(name), "k%u", key);
	struct kvs_input in = { .kind = value.n > 0 ? KVS_IN_PUT : KVS_IN_DELETE };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_str(name);
	if (s->nodes[node].build == SIM_NEXT && key != SIM_MARK && prng_chance(&s->prng, 200))
		in.put.key = newer_key(key % NEWER_KEYS, newer);
	in.put.value = value;
	s->stats.writes++;
	host_step(s, node, &in);
}

void sim_put(struct sim *s, size_t node, unsigned key, size_t value_bytes)
{
	uint8_t value[RPC_VALUE_MAX];
	CHECK(value_bytes >= 8 && value_bytes <= sizeof(value));
	memset(value, (int)value_bytes, value_bytes);
	/* Never the same bytes twice, so that no write is taken for another. */
	memcpy(value, &s->value_number, 8);
	s->value_number++;
	write_key(s, node, key, bytes_of(value, value_bytes));
}

void sim_delete(struct sim *s, size_t node, unsigned key)
{
	write_key(s, node, key, BYTES_NONE);
}

/* Puts and deletes at one node: one, or many at once. */
static void write_at(struct sim *s, struct sim_node *n, size_t many)
{
	for (size_t i = 0; i < many && n->k != NULL && s->now_ms >= n->stalled_ms; i++) {
		unsigned key = (unsigned)prng_below(&s->prng, s->profile.keys);
		if (prng_chance(&s->prng, s->profile.delete_per_mille))
			sim_delete(s, n->index, key);
		else
			sim_put(s, n->index, key, 8 + prng_below(&s->prng, s->profile.value_max));
	}
}

static void write_something(struct sim *s, const struct sim_event *e)
{
	if (e->flag) {
		write_at(s, &s->nodes[e->node], 15);
		return;
	}
	struct sim_node *n = &s->nodes[prng_below(&s->prng, s->nodes_n)];
	write_at(s, n, prng_chance(&s->prng, 50) ? 30 : 1);
	if (prng_chance(&s->prng, 30) && n->k != NULL && s->now_ms >= n->stalled_ms) {
		enum node_state state = (enum node_state)sim_between(s, NODE_JOINING, NODE_DRAINING);
		host_step(s, n->index, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = state });
	}
	if (!s->quiet)
		sim_push(s, sim_between(s, 1, 2 * s->profile.write_every_ms), SIM_WRITE, 0);
}

static void say_load(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	if (n->k != NULL && s->now_ms >= n->stalled_ms) {
		struct rpc_load load = { .sessions = (uint32_t)prng_below(&s->prng, 1000) };
		struct buf b;
		buf_init(&b, RPC_VALUE_MAX);
		CHECK(rpc_encode_load(&load, &b) == OK);
		struct kvs_input in = { .kind = KVS_IN_PUT };
		in.put.stream = RPC_LOAD;
		in.put.key = RPC_KEY_LOAD;
		in.put.value = buf_bytes(&b);
		host_step(s, node, &in);
		buf_fini(&b);
	}
	if (!s->quiet)
		sim_push(s, sim_between(s, 2000, 8000), SIM_LOAD, node);
}

/* I6: rows are those of all ids ever, entries those of all keys, of claims and of tombstones not yet
 * collected. */
static void check_memory(struct sim *s, size_t node)
{
	struct kvs_counters c;
	kvs_count(s->nodes[node].k, &c);
	uint64_t owners = s->nodes_n + s->stats.wipes;
	/* The mark, the register, claims, and those of the next build in both rows. */
	uint64_t keys = (uint64_t)s->profile.keys + 2 + NEWER_KEYS + 1 + KVS_CLAIMERS_MAX;
	if (c.rows > owners * RPC_STREAMS || c.entries > owners * keys || c.tombstones > owners * keys)
		sim_fail(s, node, "I6: %llu rows, %llu entries, %llu tombstones for %llu owners",
		    (unsigned long long)c.rows, (unsigned long long)c.entries, (unsigned long long)c.tombstones,
		    (unsigned long long)owners);
}

static uint64_t print_of(const struct sim *s, const struct kvs *k)
{
	if (!s->cuts_stay)
		return kvs_fingerprint(k);
	uint64_t sum = 0;
	struct kvs_row row;
	for (size_t i = 0; i < kvs_rows_n(k); i++)
		if (kvs_row_at(k, i, &row) && row.meta.stream == RPC_LOCATIONS)
			sum += (row.fingerprint + row.meta.have) * 2654435761u ^ row.meta.owner.b[0];
	return sum;
}

size_t sim_unlike(const struct sim *s, size_t *first)
{
	size_t other = s->nodes_n;
	*first = s->nodes_n;
	for (size_t i = 0; i < s->nodes_n; i++) {
		const struct sim_node *n = &s->nodes[i];
		if (n->dead || !s->core[i])
			continue;
		if (*first == s->nodes_n)
			*first = i;
		if (n->k == NULL || (n->queue_n > 0 && !s->cuts_stay) || s->nodes[*first].k == NULL ||
		    print_of(s, n->k) != print_of(s, s->nodes[*first].k))
			other = i;
	}
	return other;
}

/* I7: who knows the same says the same of who is down. A node says nothing of itself. */
static void compare_verdicts(struct sim *s, size_t a, size_t b)
{
	const struct kvs *k = s->nodes[a].k, *other = s->nodes[b].k;
	for (size_t i = 0; i < kvs_members_n(k); i++) {
		struct kvs_member m, n;
		kvs_member_at(k, i, &m);
		kvs_member_at(other, i, &n);
		bool of_us = node_id_eq(&m.id, &s->nodes[a].id) || node_id_eq(&m.id, &s->nodes[b].id);
		if (!of_us && (m.liveness == KVS_DOWN) != (n.liveness == KVS_DOWN))
			sim_fail(s, a, "I7: %02x is %s, to node %zu it is %s, and both know the same", m.id.b[0],
			    m.liveness == KVS_DOWN ? "down" : "up", b, n.liveness == KVS_DOWN ? "down" : "up");
	}
}

static void check_verdicts(struct sim *s, size_t first)
{
	for (size_t i = 0; i < s->nodes_n; i++)
		if (i != first && !s->nodes[i].dead && s->nodes[i].k != NULL &&
		    kvs_members_n(s->nodes[i].k) == kvs_members_n(s->nodes[first].k))
			compare_verdicts(s, i, first);
}

/* I5: all living replicas are the same, within a bound of time after the last fault. */
static void judge(struct sim *s)
{
	if (s->mode == SIM_LIVENESS) {
		liveness_judge(s);
		return;
	}
	if (s->mode == SIM_BROADCAST) {
		broadcast_judge(s);
		return;
	}
	for (size_t i = 0; i < s->nodes_n; i++)
		if (s->nodes[i].k != NULL)
			check_memory(s, i);
	size_t first, other = sim_unlike(s, &first);
	uint64_t passed = s->now_ms - s->profile.faults_until_ms;
	if (other == s->nodes_n && !clone_lives(s)) {
		if (!s->cuts_stay)
			check_verdicts(s, first);
		s->done = true;
		s->stats.healed_in_ms = passed;
	} else if (passed > s->profile.heal_within_ms && clone_lives(s)) {
		sim_fail(s, first, "two processes run under one id, and neither was told");
	} else if (passed > s->profile.heal_within_ms) {
		sim_say_difference(s, first, other);
		sim_fail(s, other, "I5: %llu ms after the last fault this replica is not what that of node %zu is",
		    (unsigned long long)passed, first);
	} else {
		sim_push(s, 100, SIM_JUDGE, 0);
	}
}

static void fault(struct sim *s)
{
	if (s->now_ms >= s->profile.faults_until_ms) {
		s->profile.faults_until_ms = (uint32_t)s->now_ms;
		if (s->mode == SIM_LIVENESS)
			liveness_freeze(s);
		else
			faults_heal(s);
		return;
	}
	faults_one(s);
	sim_push(s, sim_between(s, 1, 2 * s->profile.fault_every_ms), SIM_FAULT, 0);
}

static void store_says(struct sim *s, const struct sim_event *e)
{
	struct sim_node *n = &s->nodes[e->node];
	if (n->k == NULL || n->boot != e->boot)
		return;
	struct kvs_input in = { .kind = e->kind == SIM_STORED ? KVS_IN_STORED : KVS_IN_STORE_FAILED };
	in.stored_seq = e->seq;
	host_step(s, e->node, &in);
}

/* A stalled process gets all of it later, in order; the disk and the world go on. */
static bool put_off(struct sim *s, const struct sim_event *e)
{
	bool runs = e->kind == SIM_WAKE || e->kind == SIM_DELIVER || e->kind == SIM_LINK_UP ||
	            e->kind == SIM_LINK_DOWN || e->kind == SIM_STORED || e->kind == SIM_STORE_FAILED;
	struct sim_node *n = &s->nodes[e->node];
	if (!runs || s->now_ms >= n->stalled_ms)
		return false;
	struct sim_event later = *e;
	if (e->kind == SIM_WAKE && e->at_ms == n->wake_ms)
		n->wake_ms = n->stalled_ms;
	later.at_ms = n->stalled_ms;
	push(s, later);
	return true;
}

static void happen(struct sim *s, const struct sim_event *e)
{
	switch (e->kind) {
	case SIM_WAKE: host_wake(s, e); break;
	case SIM_DELIVER: net_deliver(s, e); break;
	case SIM_LINK_UP: net_link_up(s, e); break;
	case SIM_LINK_DOWN: net_link_down(s, e); break;
	case SIM_CONNECT: net_connect(s, e->node, e->other); break;
	case SIM_COMMIT: host_commit(s, e); break;
	case SIM_STORED:
	case SIM_STORE_FAILED: store_says(s, e); break;
	case SIM_WRITE: write_something(s, e); break;
	case SIM_LOAD: say_load(s, e->node); break;
	case SIM_FAULT: fault(s); break;
	case SIM_BOOT: host_boot(s, e->node); break;
	case SIM_RESTORE: faults_restore(s, e->node); break;
	case SIM_JUDGE: judge(s); break;
	case SIM_STALL: liveness_stall(s, e->node); break;
	case SIM_RENEW: clone_renew(s, e); break;
	case SIM_LEAVE: faults_left(s, e->node); break;
	}
}

void sim_init(struct sim *s, enum sim_mode mode, uint64_t seed, size_t nodes, bool tracing)
{
	memset(s, 0, sizeof(*s));
	s->mode = mode;
	s->seed = seed;
	s->nodes_n = nodes;
	s->tracing = tracing;
	prng_init(&s->prng, seed);
	memset(s->core, true, sizeof(s->core)); /* nobody is out of it before the freeze */
	faults_profile(s);
	if (mode == SIM_BROADCAST)
		broadcast_profile(s);
	for (size_t i = 0; i < nodes; i++) {
		struct sim_node *n = &s->nodes[i];
		n->index = i;
		n->wake_ms = TIMER_NEVER;
		arena_init(&n->arena, (size_t)KVS_ARENA_BYTES * 2);
		n->out = calloc(1, sizeof(*n->out));
		CHECK(n->out != NULL);
		n->out->arena = &n->arena;
	}
}

static void next(struct sim *s)
{
	struct sim_event e = pop(s);
	s->now_ms = e.at_ms;
	if (put_off(s, &e))
		return;
	happen(s, &e);
	free(e.bytes);
}

void sim_until(struct sim *s, uint64_t until_ms)
{
	while (!s->failed && s->heap_n > 0 && s->heap[0].at_ms <= until_ms)
		next(s);
	s->now_ms = until_ms;
}

bool sim_run(struct sim *s)
{
	for (size_t i = 0; i < s->nodes_n; i++) {
		bool late = s->mode != SIM_BROADCAST && prng_chance(&s->prng, 200);
		sim_push(s, sim_between(s, 0, late ? 20000 : 3000), SIM_BOOT, i);
		if (s->mode != SIM_BROADCAST)
			sim_push(s, sim_between(s, 0, 8000), SIM_LOAD, i);
		for (size_t j = 0; j < i; j++)
			sim_push(s, sim_between(s, 0, 900), SIM_CONNECT, i)->other = j;
	}
	if (s->mode == SIM_BROADCAST) {
		sim_push(s, 0, SIM_JUDGE, 0);
	} else {
		sim_push(s, 100, SIM_WRITE, 0);
		sim_push(s, 3000, SIM_FAULT, 0);
	}
	while (!s->failed && !s->done)
		next(s);
	return !s->failed;
}

void sim_fini(struct sim *s)
{
	for (size_t i = 0; i < s->nodes_n; i++)
		host_fini(&s->nodes[i]);
	for (size_t i = 0; i < s->heap_n; i++)
		free(s->heap[i].bytes);
	free(s->heap);
	for (size_t i = 0; i < s->links_n; i++)
		net_forget_names(&s->links[i]);
	free(s->links);
	oracle_fini(s);
	liveness_fini(s);
	broadcast_fini(s);
}
