#include "pair.h"

#include "base/check.h"
#include "base/timers.h"
#include "rpc/codec.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINK_BASE = 100 };

static uint64_t link_between(size_t a, size_t b)
{
	size_t low = a < b ? a : b, high = a < b ? b : a;
	return LINK_BASE + low * PAIR_NODES + high;
}

void pair_init(struct pair *p)
{
	*p = (struct pair){ 0 };
	p->now_ms = 1000;
}

static void node_free(struct pair_node *n)
{
	if (n->k == NULL)
		return;
	kvs_free(n->k);
	arena_fini(&n->arena);
	n->k = NULL;
}

void pair_fini(struct pair *p)
{
	for (size_t i = 0; i < PAIR_NODES; i++)
		node_free(&p->nodes[i]);
	for (size_t i = 0; i < p->queue_n; i++)
		free(p->queue[i].p);
}

struct kvs_config pair_config(size_t i)
{
	static char names[PAIR_NODES][8], addresses[PAIR_NODES][8];
	snprintf(names[i], sizeof(names[i]), "n%zu", i);
	snprintf(addresses[i], sizeof(addresses[i]), "n%zu:1", i);
	struct kvs_config c = {
		.incarnation = { 1, i },
		.reg = {
			.name = bytes_str(names[i]),
			.zone = BYTES_LIT("z"),
			.roles = RPC_ROLE_DELIVERY,
			.state = NODE_READY,
			.rpc_address = bytes_str(addresses[i]),
			.version_min = 1,
			.version_max = 1,
		},
		.seed = i + 7,
		.repair_interval_ms = 1000,
	};
	memset(c.self.b, (int)i + 1, sizeof(c.self.b));
	return c;
}

void pair_start(struct pair *p, size_t i, const struct kvs_config *c)
{
	struct pair_node *n = &p->nodes[i];
	if (n->k == NULL) {
		n->k = kvs_new(c);
		arena_init(&n->arena, (size_t)KVS_ARENA_BYTES * 2);
		n->out.arena = &n->arena;
	}
	n->id = c->self;
	kvs_start(n->k, p->now_ms);
	pair_step(p, i, &(struct kvs_input){ .kind = KVS_IN_TICK });
}

static void post(struct pair *p, size_t from, uint64_t link, const struct rpc_msg *m)
{
	size_t pair = (size_t)(link - LINK_BASE), low = pair / PAIR_NODES, high = pair % PAIR_NODES;
	size_t to = low == from ? high : low;
	p->sent[m->kind]++;
	if (p->filter != NULL && !p->filter(p->filter_arg, from, to, m))
		return;
	struct arena scratch;
	arena_init(&scratch, 1 << 20);
	struct buf b;
	buf_init(&b, RPC_FRAME_MAX);
	CHECK(rpc_encode(m, &scratch, &b) == OK);
	arena_fini(&scratch);
	CHECK(p->queue_n < PAIR_QUEUE);
	p->queue[p->queue_n].to = to;
	p->queue[p->queue_n].link = link;
	p->queue[p->queue_n].p = b.p;
	p->queue[p->queue_n++].n = b.n;
}

/* In order behind what was sent before. */
static void post_close(struct pair *p, size_t from, uint64_t link)
{
	CHECK(p->queue_n < PAIR_QUEUE);
	p->queue[p->queue_n].to = from;
	p->queue[p->queue_n].link = link;
	p->queue[p->queue_n++].p = NULL;
	p->nodes[from].closes++;
}

/* As the daemon does: an expelled peer hears why. */
static void close_link(struct pair *p, size_t from, uint64_t link)
{
	size_t low = (size_t)(link - LINK_BASE) / PAIR_NODES, high = (size_t)(link - LINK_BASE) % PAIR_NODES;
	size_t to = low == from ? high : low;
	for (size_t i = 0; i < kvs_members_n(p->nodes[from].k); i++) {
		struct kvs_member m;
		kvs_member_at(p->nodes[from].k, i, &m);
		if (m.expelled && node_id_eq(&m.id, &p->nodes[to].id)) {
			struct kvs_input in = { .kind = KVS_IN_EXPELLED, .expelled.by = p->nodes[from].id };
			pair_step(p, to, &in);
		}
	}
	pair_unlink(p, low, high, true);
}

static void take_out(struct pair *p, size_t i)
{
	struct pair_node *n = &p->nodes[i];
	for (size_t s = 0; s < n->out.sends_n; s++)
		post(p, i, n->out.sends[s].link, n->out.sends[s].m);
	for (size_t s = 0; s < n->out.closes_n; s++)
		post_close(p, i, n->out.closes[s]);
	for (size_t e = 0; e < n->out.events_n; e++)
		n->events[n->events_n++ % 256] = n->out.events[e];
	n->ops += n->out.ops_n;
	if (n->out.ops_own)
		n->own_ops += n->out.ops_n;
	for (size_t o = 0; o < n->out.ops_n; o++) {
		const struct kvs_op *op = &n->out.ops[o];
		if (op->kind == KVS_OP_ROW && node_id_eq(&op->owner, &n->id) && op->stream == RPC_CONTROL)
			n->control = *op->row;
	}
	if (n->out.ops_n > 0)
		n->last_seq = n->out.ops_seq;
}

void pair_step(struct pair *p, size_t i, const struct kvs_input *in)
{
	struct pair_node *n = &p->nodes[i];
	arena_reset(&n->arena);
	kvs_step(n->k, p->now_ms, in, &n->out);
	uint64_t before = n->last_seq;
	take_out(p, i);
	if (n->last_seq != before && !n->hold_store)
		pair_store(p, i);
}

void pair_store(struct pair *p, size_t i)
{
	pair_step(p, i, &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = p->nodes[i].last_seq });
}

void pair_put(struct pair *p, size_t i, const char *key, const char *value)
{
	struct kvs_input in = { .kind = KVS_IN_PUT };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_str(key);
	in.put.value = bytes_str(value);
	pair_step(p, i, &in);
}

void pair_delete(struct pair *p, size_t i, const char *key)
{
	struct kvs_input in = { .kind = KVS_IN_DELETE };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_str(key);
	pair_step(p, i, &in);
}

void pair_link(struct pair *p, size_t a, size_t b)
{
	for (size_t side = 0; side < 2; side++) {
		size_t here = side == 0 ? a : b, there = side == 0 ? b : a;
		struct kvs_input in = { .kind = KVS_IN_LINK_UP };
		in.link_up.link = link_between(a, b);
		in.link_up.node = p->nodes[there].id;
		in.link_up.incarnation = kvs_incarnation(p->nodes[there].k);
		in.link_up.version = 1;
		in.link_up.features = p->features;
		in.link_up.dialled = side == 0;
		pair_step(p, here, &in);
	}
}

void pair_unlink(struct pair *p, size_t a, size_t b, bool bye)
{
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = link_between(a, b);
	in.link_down.bye = bye;
	pair_step(p, a, &in);
	pair_step(p, b, &in);
}

static bool deliver_one(struct pair *p)
{
	if (p->queue_n == 0)
		return false;
	size_t to = p->queue[0].to;
	uint64_t link = p->queue[0].link;
	uint8_t *bytes = p->queue[0].p;
	size_t n = p->queue[0].n;
	p->queue_n--;
	memmove(p->queue, p->queue + 1, p->queue_n * sizeof(p->queue[0]));
	if (bytes == NULL) {
		close_link(p, to, link);
		return true;
	}
	struct arena a;
	arena_init(&a, 4 << 20);
	struct rpc_msg m;
	CHECK(rpc_decode(bytes_of(bytes, n), &a, &m) == OK);
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = link;
	in.message.m = &m;
	in.message.room = KVS_LINK_WINDOW;
	if (p->nodes[to].k != NULL)
		pair_step(p, to, &in);
	arena_fini(&a);
	free(bytes);
	return true;
}

void pair_run(struct pair *p, uint64_t until_ms)
{
	for (;;) {
		while (deliver_one(p))
			;
		size_t who = PAIR_NODES;
		uint64_t next = TIMER_NEVER;
		for (size_t i = 0; i < PAIR_NODES; i++)
			if (p->nodes[i].k != NULL && kvs_wake_at(p->nodes[i].k) < next) {
				next = kvs_wake_at(p->nodes[i].k);
				who = i;
			}
		if (who == PAIR_NODES || next > until_ms)
			break;
		if (next > p->now_ms)
			p->now_ms = next;
		pair_step(p, who, &(struct kvs_input){ .kind = KVS_IN_TICK });
	}
	p->now_ms = until_ms;
}

struct found {
	struct bytes key;
	char value[256];
};

static void look(void *arg, const struct rpc_entry *e)
{
	struct found *f = arg;
	if (!e->deleted && bytes_eq(e->key, f->key))
		snprintf(f->value, sizeof(f->value), "%.*s", (int)e->value.n, (const char *)e->value.p);
}

const char *pair_get(struct pair *p, size_t i, size_t owner, const char *key)
{
	static struct found f;
	f = (struct found){ .key = bytes_str(key) };
	kvs_each_entry(p->nodes[i].k, &p->nodes[owner].id, RPC_LOCATIONS, look, &f);
	return f.value;
}

size_t pair_events(const struct pair *p, size_t i, enum kvs_event_kind kind)
{
	size_t n = 0;
	for (size_t e = 0; e < p->nodes[i].events_n && e < 256; e++)
		n += p->nodes[i].events[e].kind == kind;
	return n;
}
