/* A few replicas in one room: instant store, links that carry messages in order through the codec,
 * virtual time. For tests of the core that need no faults; those are the simulator's (tests/sim). */
#ifndef TESTS_KVS_PAIR_H
#define TESTS_KVS_PAIR_H

#include "kvs/kvs.h"

enum { PAIR_NODES = 4, PAIR_QUEUE = 4096 };

struct pair_node {
	struct kvs *k;
	struct node_id id;
	struct arena arena;
	struct kvs_outputs out;
	bool hold_store; /* batches are not confirmed until pair_store */
	uint64_t last_seq, ops, own_ops, closes;
	struct kvs_event events[256]; /* the last ones */
	size_t events_n;
	struct kvs_row_meta control; /* own control row as the store has it */
};

struct pair {
	uint64_t now_ms;
	struct pair_node nodes[PAIR_NODES];
	struct {
		size_t to;
		uint64_t link;
		uint8_t *p;
		size_t n;
	} queue[PAIR_QUEUE];
	size_t queue_n;
	uint64_t sent[RPC_RANGES + 1]; /* messages by kind */
	/* Sees each message before it travels; false loses it. */
	bool (*filter)(void *arg, size_t from, size_t to, const struct rpc_msg *m);
	void *filter_arg;
	uint64_t features; /* of links made from now on: none at first, as with a build that only knows digests */
};

void pair_init(struct pair *p);
void pair_fini(struct pair *p);
/* The config of node i: id of bytes i + 1, name "nI", address "n<i>:1", incarnation (1, i). */
struct kvs_config pair_config(size_t i);
void pair_start(struct pair *p, size_t i, const struct kvs_config *c);
void pair_step(struct pair *p, size_t i, const struct kvs_input *in);
void pair_put(struct pair *p, size_t i, const char *key, const char *value);
void pair_delete(struct pair *p, size_t i, const char *key);
void pair_link(struct pair *p, size_t a, size_t b);
void pair_unlink(struct pair *p, size_t a, size_t b, bool bye);
void pair_store(struct pair *p, size_t i);
/* Carries messages and runs timers until that time. */
void pair_run(struct pair *p, uint64_t until_ms);
/* The value under a key of owner's locations as node i has it; "" when there is none. */
const char *pair_get(struct pair *p, size_t i, size_t owner, const char *key);
size_t pair_events(const struct pair *p, size_t i, enum kvs_event_kind kind);

#endif
