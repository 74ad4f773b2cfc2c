#include "bench.h"

#include "base/obj.h"
#include "base/timers.h"
#include "node/ev_store.h"
#include "rpc/nng_link.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAGIC 0x68737462u

enum { READER_STAYS_MS = 10000 };

struct host {
	unsigned magic;
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct ev_timer wake;
	struct kvs_store *kvs_store;
	struct kvs_store_identity id;
	struct kvs *kvs;
	struct store *store;
	struct nng_links *links;
	struct arena arena;
	struct kvs_outputs out;
	uint64_t open_ns, load_ns;
	bool closing;
};

static const uint64_t the_link = 1; /* of host_take */

static uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

static void fill_random(void *p, size_t n)
{
	static struct prng r;
	static bool seeded;
	if (!seeded)
		prng_init(&r, now_ns());
	seeded = true;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)prng_next(&r);
}

/* -- the core and who serves it -- */

static void rearm_wake(struct host *h)
{
	uint64_t at = kvs_wake_at(h->kvs), now = now_ms();
	ev_timer_stop(h->loop, &h->wake);
	if (at == TIMER_NEVER)
		return;
	ev_now_update(h->loop);
	ev_timer_set(&h->wake, at > now ? (double)(at - now) / 1000.0 : 0.0, 0.0);
	ev_timer_start(h->loop, &h->wake);
}

static void step(struct host *h, const struct kvs_input *in)
{
	arena_reset(&h->arena);
	memset(&h->out, 0, sizeof(h->out));
	h->out.arena = &h->arena;
	kvs_step(h->kvs, now_ms(), in, &h->out);
	if (h->out.ops_n > 0)
		store_submit(h->store, &h->out);
	for (size_t i = 0; h->links != NULL && i < h->out.sends_n; i++)
		if (nng_links_send(h->links, h->out.sends[i].link, h->out.sends[i].m) == ERR_TOO_BIG)
			CHECK(false);
	for (size_t i = 0; h->links != NULL && i < h->out.dials_n; i++) {
		if (!h->out.dials[i].wanted)
			nng_links_undial(h->links, h->out.dials[i].address);
		else
			CHECK(nng_links_dial(h->links, h->out.dials[i].address) == OK);
	}
	uint64_t closes[KVS_CLOSES_MAX];
	size_t closes_n = h->links != NULL ? h->out.closes_n : 0;
	for (size_t i = 0; i < closes_n; i++)
		closes[i] = h->out.closes[i];
	for (size_t i = 0; i < closes_n; i++)
		nng_links_close(h->links, closes[i]); /* each is an input at once */
	rearm_wake(h);
}

static void on_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	step(w->data, &(struct kvs_input){ .kind = KVS_IN_TICK });
}

static void on_stored(void *ctx, uint64_t seq)
{
	struct host *h = OBJ_CAST(struct host, HOST_MAGIC, ctx);
	step(h, &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = seq });
}

static void on_failed(void *ctx, enum err e)
{
	(void)ctx;
	fprintf(stderr, "bench_kvs: the store fails: %s\n", err_str(e));
	exit(1);
}

static void on_reader_stays(void *ctx, uint64_t age_ms, uint64_t commits)
{
	(void)ctx;
	fprintf(stderr, "bench_kvs: a reader stays for %llu ms and %llu commits\n", (unsigned long long)age_ms,
	    (unsigned long long)commits);
}

static void on_link_up(void *ctx, link_id link, const struct rpc_hello *peer, uint32_t version, bool dialled)
{
	struct host *h = OBJ_CAST(struct host, HOST_MAGIC, ctx);
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = link;
	in.link_up.node = peer->node;
	in.link_up.incarnation = peer->incarnation;
	in.link_up.address = peer->rpc_address;
	in.link_up.version = version;
	in.link_up.features = peer->features;
	in.link_up.dialled = dialled;
	step(h, &in);
}

static void on_link_down(void *ctx, link_id link, bool bye)
{
	struct host *h = OBJ_CAST(struct host, HOST_MAGIC, ctx);
	if (h->closing)
		return;
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = link;
	in.link_down.bye = bye;
	step(h, &in);
}

static void on_message(void *ctx, link_id link, const struct rpc_msg *m)
{
	struct host *h = OBJ_CAST(struct host, HOST_MAGIC, ctx);
	if (m->kind == RPC_ROW_FRAME && store_full(h->store))
		return;
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = link;
	in.message.m = m;
	in.message.room = nng_links_room(h->links, link);
	step(h, &in);
}

static void on_refused(void *ctx, const char *address, enum rpc_refusal reason, const struct rpc_hello *peer,
    bool by_peer, const char *text)
{
	(void)ctx;
	(void)peer;
	(void)by_peer;
	fprintf(stderr, "bench_kvs: %s: refused (%s): %s\n", address, rpc_refusal_str(reason), text);
	exit(1);
}

static void on_dial_failed(void *ctx, const char *address, enum err e)
{
	(void)ctx;
	(void)address;
	(void)e;
}

/* -- life -- */

static struct kvs *core_new(const struct host *h, const struct host_config *c)
{
	const char *seeds[1] = { c->seed };
	struct kvs_config k = { .self = h->id.self,
		.incarnation = h->id.incarnation,
		.inherits = h->id.inherits,
		.reg = { .name = bytes_str(c->name),
		    .zone = BYTES_LIT("a"),
		    .roles = RPC_ROLE_API,
		    .state = NODE_READY,
		    .rpc_address = bytes_str(c->listen != NULL ? c->listen : "127.0.0.1:1"),
		    .version_min = RPC_VERSION_MIN,
		    .version_max = RPC_VERSION_MAX },
		.seeds = seeds,
		.seeds_n = c->seed != NULL,
		.seed = 7 };
	return kvs_new(&k);
}

static void open_all(struct host *h, const struct host_config *c)
{
	struct kvs_store_report report;
	struct kvs_store_config s = { .data_dir = c->dir, .random = fill_random, .boot_id = "bench" };
	uint64_t begin = now_ns();
	enum err e = kvs_store_open(&s, &h->kvs_store, &h->id, &report);
	if (e != OK) {
		fprintf(stderr, "bench_kvs: %s: %s: %s\n", c->dir, err_str(e), report.detail);
		exit(1);
	}
	h->open_ns = now_ns() - begin;
	h->kvs = core_new(h, c);
	begin = now_ns();
	CHECK(kvs_store_load(h->kvs_store, h->kvs) == OK);
	h->load_ns = now_ns() - begin;
}

static void open_links(struct host *h, const struct host_config *c)
{
	static const struct nng_links_events events = { .up = on_link_up,
		.down = on_link_down,
		.message = on_message,
		.refused = on_refused,
		.dial_failed = on_dial_failed };
	struct nng_links_config l = { .loop = h->loop,
		.self = { .cluster = BYTES_LIT("bench"),
		    .node = h->id.self,
		    .name = bytes_str(c->name),
		    .incarnation = kvs_incarnation(h->kvs),
		    .version_min = RPC_VERSION_MIN,
		    .version_max = RPC_VERSION_MAX,
		    .features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES | RPC_FEATURE_NAMES,
		    .build = BYTES_LIT("bench"),
		    .rpc_address = bytes_str(c->listen) },
		.listen = c->listen,
		.seed = 7,
		.events = &events,
		.ctx = h };
	enum err e = nng_links_new(&l, &h->links);
	if (e != OK) {
		fprintf(stderr, "bench_kvs: %s: %s\n", c->listen, err_str(e));
		exit(1);
	}
}

struct host *host_new(const struct host_config *c)
{
	static const struct store_events events = { on_stored, on_failed, on_reader_stays, READER_STAYS_MS };
	struct host *h = OBJ_NEW(struct host, HOST_MAGIC);
	h->loop = ev_loop_new(EVFLAG_AUTO);
	CHECK(h->loop != NULL);
	mailbox_init(&h->mailbox, h->loop);
	ev_timer_init(&h->wake, on_wake, 0.0, 0.0);
	h->wake.data = h;
	arena_init(&h->arena, KVS_ARENA_BYTES);
	open_all(h, c);
	h->store = store_start(h->kvs_store, &h->mailbox, &events, h);
	kvs_start(h->kvs, now_ms());
	if (c->listen != NULL)
		open_links(h, c);
	step(h, &(struct kvs_input){ .kind = KVS_IN_TICK });
	if (c->listen != NULL)
		return h;
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = the_link;
	in.link_up.node = (struct node_id){ { 0x66 } };
	in.link_up.incarnation = (struct incarnation){ 1, 1 };
	in.link_up.version = RPC_VERSION_MAX;
	step(h, &in);
	return h;
}

void host_free(struct host *h)
{
	h->closing = true;
	nng_links_free(h->links);
	store_stop(h->store);
	ev_timer_stop(h->loop, &h->wake);
	mailbox_fini(&h->mailbox);
	kvs_free(h->kvs);
	kvs_store_close(h->kvs_store);
	arena_fini(&h->arena);
	ev_loop_destroy(h->loop);
	OBJ_FREE(h);
}

void host_exit(void)
{
	nng_links_exit();
}

struct ev_loop *host_loop(struct host *h)
{
	return h->loop;
}

struct kvs *host_core(struct host *h)
{
	return h->kvs;
}

struct kvs_store *host_store(struct host *h)
{
	return h->kvs_store;
}

uint64_t host_open_ns(const struct host *h)
{
	return h->open_ns;
}

uint64_t host_load_ns(const struct host *h)
{
	return h->load_ns;
}

void host_run(struct host *h, bool wait)
{
	ev_run(h->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
}

void host_take(struct host *h, struct rpc_msg *m)
{
	while (store_full(h->store))
		host_run(h, true);
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = the_link;
	in.message.m = m;
	step(h, &in);
	host_run(h, false);
}

/* The core holds back batches past KVS_BATCHES_MAX, and says so by waking now. */
void host_settle(struct host *h)
{
	while (!store_idle(h->store) || kvs_wake_at(h->kvs) <= now_ms())
		host_run(h, true);
}

uint64_t host_commits(struct host *h)
{
	struct store_counters c;
	store_count(h->store, &c);
	return c.commits;
}

uint64_t host_bytes_in(struct host *h)
{
	struct nng_links_counters c;
	nng_links_count(h->links, &c);
	return c.bytes_in;
}
