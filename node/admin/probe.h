/* Probe entries: what an operator asks to have written, and when those of others came. Pure.
 *
 * A probe is an own entry that carries the wall clock of its writing. Each replica that applies one notes how
 * long it was under way by its own wall clock: between hosts that is as true as their clocks are alike, and
 * may be below zero.
 */
#ifndef NODE_ADMIN_PROBE_H
#define NODE_ADMIN_PROBE_H

#include "base/arena.h"
#include "node/metrics.h"
#include "rpc/entries.h"

enum {
	PROBE_WRITES_MAX = RPC_PROBE_SLOTS, /* of one request */
	PROBE_SEEN_MAX = 20000,             /* owners; of further ones nothing is kept */
	/* One that was under way for longer was fetched by a replica that was away: it says nothing of how news
	 * spread, and is kept out of the histogram. */
	PROBE_FETCHED_US = 60 * 1000 * 1000,
};

/* Between processes of one host a few 100 us, over the world some seconds. */
extern const struct histogram_bounds probe_bounds_us;

/* The last probe of an owner that came here. */
struct probe_seen {
	struct node_id owner;
	uint64_t number;
	int64_t latency_us;
};

struct probe_log {
	struct probe_seen *seen; /* sorted by owner */
	size_t seen_n, seen_cap;
	struct histogram spread;
	uint64_t fetched; /* not in the histogram */
};

void probe_log_init(struct probe_log *l);
void probe_log_fini(struct probe_log *l);
/* An entry under a key of class RPC_PROBE_CLASS came at now_wall_us; what is no probe is passed over. */
void probe_log_add(
    struct probe_log *l, const struct node_id *owner, const struct rpc_entry *e, uint64_t now_wall_us);

/* The body of a POST: {"slot": 0..999, "bytes": 0..256}, or {"slots": 1..1000, "bytes": ...} for as many
 * writes, each in the slot after the one before. */
struct probe_request {
	bool has_slot;
	uint32_t slot, slots, filler_bytes;
};
/* False with *why, a literal. An empty body is one write into the next slot. */
bool probe_request_parse(struct bytes body, struct probe_request *out, const char **why);

#endif
