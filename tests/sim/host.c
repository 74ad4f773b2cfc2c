/* One node: its process, the store thread's queue and the disk. */
#include "base/check.h"
#include "base/text.h"
#include "base/timers.h"
#include "golden.h"
#include "newer.h"
#include "oracle.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_id(struct sim *s, struct node_id *id)
{
	for (size_t i = 0; i < sizeof(id->b); i++)
		id->b[i] = (uint8_t)prng_next(&s->prng);
}

static void forget_process(struct sim_node *n)
{
	kvs_free(n->k);
	n->k = NULL;
	for (size_t i = 0; i < n->queue_n; i++)
		batch_free(n->queue[i]);
	n->queue_n = 0;
	n->committing = false;
	memset(n->wants, 0, sizeof(n->wants));
	n->seen_n = 0;
}

void host_fini(struct sim_node *n)
{
	forget_process(n);
	disk_fini(&n->disk);
	disk_fini(&n->backup);
	arena_fini(&n->arena);
	free(n->out);
	free(n->seen);
}

/* From the first own batch on, the disk vouches again for all that was stored on it. */
static void commit(struct sim *s, struct sim_node *n, const struct batch *b)
{
	disk_commit(&n->disk, b);
	oracle_stored(s, n->index, b);
	if (b->own)
		n->dishonest = false;
}

void host_stop(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	for (size_t i = 0; i < n->queue_n && s->now_ms >= n->disk_full_ms; i++)
		commit(s, n, n->queue[i]);
	forget_process(n);
}

void host_wipe(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	disk_fini(&n->disk);
	n->has_backup = false;
	n->dishonest = true;
	s->stats.wipes++;
}

void host_crash(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	size_t committed = prng_below(&s->prng, n->queue_n + 1);
	for (size_t i = 0; i < committed && s->now_ms >= n->disk_full_ms; i++)
		commit(s, n, n->queue[i]);
	forget_process(n);
}

static struct kvs *new_core(struct sim *s, struct sim_node *n, struct incarnation inherits)
{
	char name[32], address[32], seed_a[32], seed_b[32];
	snprintf(name, sizeof(name), "n%zu", n->index);
	snprintf(address, sizeof(address), "h:%zu", n->index);
	snprintf(seed_a, sizeof(seed_a), "h:%d", 0);
	snprintf(seed_b, sizeof(seed_b), "h:%zu", s->nodes_n / 2);
	const char *seeds[] = { seed_a, seed_b };
	struct kvs_config c = s->profile.core;
	c.self = n->id;
	c.incarnation = n->disk.incarnation;
	c.inherits = inherits;
	c.seed = prng_next(&s->prng);
	c.seeds = seeds;
	c.seeds_n = 2;
	c.reg = (struct rpc_register){ .name = bytes_str(name),
		.zone = BYTES_LIT("z"),
		.roles = RPC_ROLE_DELIVERY,
		.state = NODE_JOINING,
		.rpc_address = bytes_str(address),
		.version_min = RPC_VERSION_MIN,
		.version_max = RPC_VERSION_MAX };
	return kvs_new(&c);
}

/* Every seed has one of each, and more as they come. */
static enum sim_build choose_build(struct sim *s, size_t node)
{
	if (s->profile.one_build)
		return SIM_THIS;
	if (node == 1 || prng_chance(&s->prng, s->profile.before_per_mille))
		return SIM_BEFORE;
	return node == 2 || prng_chance(&s->prng, s->profile.next_per_mille) ? SIM_NEXT : SIM_THIS;
}

void host_boot(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	if (n->k != NULL || n->dead)
		return;
	struct incarnation inherits = { 0 };
	oracle_booted(s, node, !n->dishonest);
	if (!n->disk.has_identity) {
		n->disk.has_identity = true;
		random_id(s, &n->disk.id);
		n->disk.incarnation = (struct incarnation){ 1, prng_next(&s->prng) };
	} else {
		n->id = n->disk.id;
		if (!n->dishonest && prng_chance(&s->prng, s->profile.next_per_mille))
			newer_ran(s, n);
		inherits = n->disk.incarnation;
		n->disk.incarnation = (struct incarnation){ inherits.count + 1, prng_next(&s->prng) };
	}
	n->id = n->disk.id;
	n->boot++;
	n->wake_ms = TIMER_NEVER;
	n->stalled_ms = 0;
	n->ahead_ms = sim_between(s, 0, 1000 * 1000);
	n->build = choose_build(s, node);
	n->k = new_core(s, n, inherits);
	sim_say(s, "boot %zu id %02x%02x incarnation %llu", node, n->id.b[0], n->id.b[1],
	    (unsigned long long)n->disk.incarnation.count);
	if (!disk_load(&n->disk, n->k)) {
		sim_fail(s, node, "V4: what the core gave to the store it refused to load");
		return;
	}
	newer_speaks(n);
	kvs_start(n->k, s->now_ms + n->ahead_ms);
	host_step(s, node, &(struct kvs_input){ .kind = KVS_IN_TICK });
}

/* -- outputs -- */

static void start_commit(struct sim *s, struct sim_node *n)
{
	if (n->committing || n->queue_n == 0)
		return;
	n->committing = true;
	struct sim_event *e =
	    sim_push(s, sim_between(s, s->profile.store_min_ms, s->profile.store_max_ms), SIM_COMMIT, n->index);
	e->boot = n->boot;
}

static void take_ops(struct sim *s, struct sim_node *n)
{
	if (n->out->ops_n == 0)
		return;
	if (n->queue_n == SIM_QUEUE_MAX || n->queue_n > KVS_BATCHES_MAX) {
		sim_fail(s, n->index, "R7: more than %d batches wait for the store", KVS_BATCHES_MAX);
		return;
	}
	struct batch *b = batch_new(n->out);
	n->queue[n->queue_n++] = b;
	oracle_submitted(s, n->index, b);
	start_commit(s, n);
}

/* "h:NUMBER" */
static bool host_of(const char *address, size_t *host)
{
	uint64_t n;
	if (strncmp(address, "h:", 2) != 0 || text_u64(bytes_str(address + 2), SIM_NODES_MAX - 1, &n) != OK)
		return false;
	*host = (size_t)n;
	return true;
}

static void take_dials(struct sim *s, struct sim_node *n)
{
	size_t host;
	for (size_t i = 0; i < n->out->dials_n; i++) {
		if (host_of(n->out->dials[i].address, &host))
			n->wants[host] = n->out->dials[i].wanted;
		else
			sim_fail(s, n->index, "dials what nobody named: %s", n->out->dials[i].address);
	}
}

static void take_events(struct sim *s, struct sim_node *n)
{
	for (size_t i = 0; i < n->out->events_n; i++) {
		const struct kvs_event *e = &n->out->events[i];
		sim_say(s, "  event %d at %zu about %02x: %s %llu", e->kind, n->index, e->node.b[0], e->detail,
		    (unsigned long long)e->value);
		if (s->golden != NULL)
			golden_event(s->golden, n->index, e);
		switch (e->kind) {
		case KVS_EVENT_ROW_RESET: s->stats.resets++; break;
		case KVS_EVENT_OWN_JUMPED: s->stats.jumps++; break;
		case KVS_EVENT_REFUSED_FRAME:
			s->stats.refused++;
			sim_fail(s, n->index, "a frame of an honest peer was refused: %s", e->detail);
			break;
		case KVS_EVENT_ROW_DIFFERS:
			s->stats.differs++;
			sim_fail(s, n->index, "I3: exact rows differ at version %llu", (unsigned long long)e->value);
			break;
		case KVS_EVENT_DUPLICATE_ID:
			if (!clone_told(s, n->index))
				sim_fail(s, n->index, "an id is called duplicate, and nobody cloned it");
			break;
		default: break;
		}
	}
}

/* In the world's time. */
static uint64_t wake_at(const struct sim_node *n)
{
	uint64_t at = kvs_wake_at(n->k);
	if (at == TIMER_NEVER)
		return at;
	return at > n->ahead_ms ? at - n->ahead_ms : 0;
}

static void plan_wake(struct sim *s, struct sim_node *n)
{
	uint64_t wake = wake_at(n);
	if (wake >= n->wake_ms && n->wake_ms > s->now_ms)
		return;
	if (wake == TIMER_NEVER)
		return;
	n->wake_ms = wake;
	struct sim_event *e = sim_push(s, wake > s->now_ms ? wake - s->now_ms : 0, SIM_WAKE, n->index);
	e->boot = n->boot;
}

void host_wake(struct sim *s, const struct sim_event *e)
{
	struct sim_node *n = &s->nodes[e->node];
	if (n->k == NULL || n->boot != e->boot || e->at_ms != n->wake_ms)
		return;
	n->wake_ms = 0;
	if (wake_at(n) <= s->now_ms)
		host_step(s, e->node, &(struct kvs_input){ .kind = KVS_IN_TICK });
	else
		plan_wake(s, n);
}

void host_jump(struct sim *s, size_t node, uint64_t by_ms)
{
	struct sim_node *n = &s->nodes[node];
	n->ahead_ms += by_ms;
	if (n->k != NULL)
		plan_wake(s, n);
}

static bool may_change_rows(const struct kvs_input *in)
{
	return in->kind != KVS_IN_TICK && !(in->kind == KVS_IN_MESSAGE && in->message.m->kind != RPC_ROW_FRAME &&
	                                      in->message.m->kind != RPC_DIGEST);
}

void host_step(struct sim *s, size_t node, const struct kvs_input *in)
{
	struct sim_node *n = &s->nodes[node];
	arena_reset(&n->arena);
	newer_speaks(n);
	kvs_step(n->k, s->now_ms + n->ahead_ms, in, n->out);
	newer_speaks(NULL);
	s->stats.steps++;
	take_events(s, n);
	for (size_t i = 0; i < n->out->sends_n; i++)
		net_send(s, node, n->out->sends[i].link, n->out->sends[i].m);
	take_ops(s, n);
	take_dials(s, n);
	for (size_t i = 0; i < n->out->closes_n; i++)
		net_close(s, node, n->out->closes[i]);
	if (may_change_rows(in))
		oracle_check(s, node);
	if (!s->failed)
		plan_wake(s, n);
}

/* -- the store -- */

void host_commit(struct sim *s, const struct sim_event *e)
{
	struct sim_node *n = &s->nodes[e->node];
	if (n->k == NULL || n->boot != e->boot)
		return;
	n->committing = false;
	if (s->now_ms < n->disk_full_ms) {
		sim_push(s, 0, SIM_STORE_FAILED, e->node)->boot = n->boot;
		n->committing = true;
		sim_push(s, n->disk_full_ms - s->now_ms, SIM_COMMIT, e->node)->boot = n->boot;
		return;
	}
	/* All that waits goes into one commit, as the store thread does it. */
	for (size_t i = 0; i < n->queue_n; i++)
		commit(s, n, n->queue[i]);
	struct sim_event *stored = sim_push(s, 0, SIM_STORED, e->node);
	stored->boot = n->boot;
	stored->seq = n->queue[n->queue_n - 1]->seq;
	for (size_t i = 0; i < n->queue_n; i++)
		batch_free(n->queue[i]);
	n->queue_n = 0;
}
