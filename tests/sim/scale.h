/* What a cluster of n replicas costs and how fast it is, in virtual time: the real core, messages
 * through the real codec, over links as TCP makes them. No faults but those that are measured, no disk
 * but the time that it takes, no oracle: kvs_sim is there for that.
 *
 *     scale.c         the command, its table and its JSON      scale_phases.c  what is done and measured
 *     scale_net.c     links and dials                          scale_host.c    one node's process
 *     scale_count.c   bytes, copies, spread, alarms            scale_run.c     the heap of events
 *     scale_halves.c  the cluster in two halves                scale_settled.c a cluster that begins settled
 *     scale_memory.c  memory that replicas share
 *
 * One heap of events ordered by (time, sequence) and one seeded generator: a seed replays exactly.
 * Nothing here knows how the core spreads what it spreads: only kvs/kvs.h is used, but by scale_settled.c.
 */
#ifndef TESTS_SCALE_H
#define TESTS_SCALE_H

#include "base/prng.h"
#include "kvs/kvs.h"
#include "rpc/names.h"

enum {
	SCALE_NODES_MAX = 20000,
	SCALE_KINDS = 32, /* of messages, more than there are */
	SCALE_KEY_BYTES = 20,
	SCALE_VALUE_BYTES = 32,
	SCALE_PAYLOAD_BYTES = SCALE_KEY_BYTES + SCALE_VALUE_BYTES,
	SCALE_STORE_US = 1000,
	SCALE_SEEDS = 3,       /* the first nodes; they are never killed */
	SCALE_CONTENTS = 1000, /* of a settled cluster */
	/* In a settled cluster the first nodes write. A broadcast tree grows with some ten writes, and each first
	 * byte of an owner's id has one: they have so many. */
	SCALE_WRITERS = 64,
	SCALE_TREES = 8,
};

struct scale_options {
	uint64_t seed;
	size_t nodes;
	uint32_t latency_min_us, latency_max_us; /* of a link; a frame takes up to a tenth more */
	uint32_t loss_per_mille;                 /* of the second round of writes */
	bool stalls; /* what is lost comes 200 ms late, as TCP has it, and all behind it */
	uint32_t idle_ms, write_ms, writes_per_s;
	uint32_t partitions; /* how often the cluster falls into halves */
	bool settled;        /* all have been there for long when it begins, and know all */
	bool verbose;
};

struct scale_update {
	size_t owner;
	uint64_t at_us, last_us; /* written; known to the last that knows it */
	uint64_t version;        /* 0: the owner's store does not hold it yet */
	size_t known_n;          /* nodes that have it, the owner among them */
	uint64_t copies;         /* received, by all together */
	uint64_t *known;         /* a bit a node */
};

struct scale_peer {
	size_t node;
	uint64_t link;
};

/* A heartbeat that came, and that the core has not seen yet. */
struct scale_heard {
	uint64_t at_ms, link;
};

struct scale_dial {
	size_t node;
	bool wanted, due; /* due: an attempt is on its way or waits */
	unsigned attempts;
};

struct scale_node {
	struct kvs *k; /* NULL: not running. Between scale_enter and scale_leave only */
	struct node_id id;
	struct incarnation incarnation;
	bool stopped;     /* its process does nothing any more and its links stay */
	bool told;        /* knows all the others (boot), or that the victim is down (deaths) */
	uint64_t wake_us; /* of the wake event that counts */
	uint64_t due_ms;  /* when the core wants to be called */
	struct scale_heard *heard;
	size_t heard_n, heard_cap;
	uint64_t seq; /* last batch */
	struct scale_peer *peers;
	size_t peers_n, peers_cap;
	struct scale_dial *dials;
	size_t dials_n, dials_cap;
	size_t *updates; /* own ones in the order they were written */
	size_t updates_n, updates_cap, versioned_n;
	size_t hello_bytes;
};

struct scale_link {
	size_t ends[2]; /* the first one dialled */
	uint32_t latency_us;
	bool up[2], closed;
	uint64_t last_us[2];  /* when the last frame arrives at that end */
	uint64_t consumed[2]; /* bytes, by the core of that end */
	uint64_t told[2];     /* of those, acknowledged */
	struct rpc_names *names[2];
};

enum scale_event_kind {
	SCALE_BOOT,
	SCALE_WAKE,
	SCALE_DIAL,
	SCALE_DIAL_FAILED,
	SCALE_LINK_UP,
	SCALE_LINK_DOWN,
	SCALE_DELIVER,
	SCALE_STORED,
	SCALE_STATE,
	SCALE_WRITE,
};

struct scale_event {
	uint64_t at_us, order;
	enum scale_event_kind kind;
	size_t node, other;
	bool bye, refused;
	uint64_t number; /* link, batch or update */
	uint8_t *bytes;
	size_t bytes_n;
};

struct scale_traffic {
	uint64_t frames[SCALE_KINDS], bytes[SCALE_KINDS]; /* as sent, with the length prefix */
};

struct scale {
	struct scale_options o;
	struct prng prng;
	uint64_t now_us, order;
	struct scale_event *heap;
	size_t heap_n, heap_cap;
	struct scale_node *nodes;
	size_t living_n;
	struct scale_link *links;
	size_t links_n, links_cap;
	/* What is decoded is read while the step's messages are encoded. */
	struct arena step_arena, encode_arena, decode_arena;
	struct kvs_outputs *out;
	struct buf frame;
	uint32_t loss_per_mille; /* at present */
	struct scale_update *updates;
	size_t updates_n, updates_cap, spread_n; /* spread: known to all that live */
	size_t victim;                           /* SIZE_MAX: none */
	size_t told_n;                           /* of the living that know that it is down */
	uint64_t told_us;                        /* when the last of them heard */
	struct scale_traffic sent;
	int shared_fd; /* what replicas are copies of; -1: they share nothing */
	size_t inside; /* whose copy stands at its place; SIZE_MAX: none */
	/* In a settled cluster, while nothing is timed: clocks wake at multiples of it, so that heartbeats of a
	 * node fall together. 0: they wake when they should. */
	uint64_t slack_us;
	bool halved; /* nothing passes between nodes of even and of odd number */
	bool apart;  /* halved, or not yet all the same again: who is down for whom means nothing */
	uint64_t steps, false_alarms, errors;
};

struct scale_spread {
	uint64_t updates, missing;     /* missing: not known to all in time */
	double copies;                 /* an update and node */
	double bytes, idle_free_bytes; /* an update and node: all that was sent; less what idling costs */
	double p50_ms, p99_ms, max_ms; /* from the write to the last node */
	struct scale_traffic sent;
};

/* After the halves can meet again, until all replicas are equal and nobody is down for anybody. */
struct scale_mending {
	uint32_t rounds, failed; /* failed: not in time */
	uint64_t updates;        /* written while apart, by both, a round */
	double p50_ms, max_ms;
	double bytes; /* a node and round: all that was sent until then */
};

struct scale_report {
	size_t nodes;
	bool booted, converged;
	double boot_ms;                    /* after the last node's start, until all knew all */
	double links;                      /* a node, when settled */
	double idle_bytes, idle_tcp_bytes; /* a second and node; with 52 bytes of headers a frame */
	struct scale_traffic idle;
	struct scale_spread clean, lossy;
	struct scale_mending halves;
	double kill_ms, stop_ms; /* until the last knew; < 0: not all knew in time */
	uint64_t false_alarms, errors, steps;
	double virtual_s;
};

/* -- scale_run.c -- */
void scale_init(struct scale *s, const struct scale_options *o);
void scale_fini(struct scale *s);
struct scale_event *scale_push(struct scale *s, uint64_t in_us, enum scale_event_kind kind, size_t node);
void scale_run_until(struct scale *s, uint64_t until_us);
/* An array that has room for n; aborts when out of memory. */
void *scale_grow(void *array, size_t *cap, size_t n, size_t size);
uint64_t scale_between(struct scale *s, uint64_t low, uint64_t high);

/* -- scale_host.c -- */
void scale_boot(struct scale *s, size_t node);
void scale_wake(struct scale *s, const struct scale_event *e);
void scale_write(struct scale *s, const struct scale_event *e);
void scale_step(struct scale *s, size_t node, const struct kvs_input *in);
void scale_message(struct scale *s, size_t node, uint64_t link, const struct rpc_msg *m);
/* A heartbeat, which the core may as well see with the next thing that happens to it, at the time when it
 * came. */
void scale_hear(struct scale *s, size_t node, uint64_t link);
bool scale_runs(const struct scale *s, size_t node);
void scale_address(size_t node, char out[24]);
struct scale_texts {
	char name[32], address[24], seeds[SCALE_SEEDS][24];
	const char *seed_list[SCALE_SEEDS];
};
/* A node's identity, and its config, which points to `texts`. */
void scale_make_id(struct scale *s, size_t node, uint64_t count);
void scale_config(struct scale *s, size_t node, struct scale_texts *texts, struct kvs_config *c);
/* It has a core now. */
void scale_live(struct scale *s, size_t node, struct kvs *k, const struct scale_texts *texts);

/* -- scale_memory.c -- */
/* The replica of that node is what n->k points to, and what is allocated is part of it. */
void scale_enter(struct scale *s, size_t node);
void scale_leave(struct scale *s);
/* One replica is made between these two, and n->k of each node that adopts it is a copy of that. Pages that a
 * replica does not write to are shared by all. */
void scale_memory_begin(struct scale *s);
void scale_memory_end(struct scale *s);
void scale_memory_adopt(struct scale *s, size_t node);
/* The end of that node's copy. */
void scale_memory_drop(struct scale *s, size_t node);
void scale_memory_fini(struct scale *s);

/* -- scale_settled.c -- */
/* Makes all nodes, each with the register and the contents of all others. */
void scale_settled(struct scale *s);

/* -- scale_net.c -- */
void scale_send(struct scale *s, size_t from, uint64_t link, struct rpc_msg *m);
void scale_deliver(struct scale *s, const struct scale_event *e);
void scale_want(struct scale *s, size_t from, const struct kvs_dial *d);
void scale_dial(struct scale *s, const struct scale_event *e);
void scale_dial_failed(struct scale *s, const struct scale_event *e);
void scale_link_up(struct scale *s, const struct scale_event *e);
void scale_forget_names(struct scale_link *l);
void scale_link_down(struct scale *s, const struct scale_event *e);
/* With BYE. */
void scale_close(struct scale *s, size_t from, uint64_t link);
/* The process ends: its links close without a BYE, and who dials it is refused. */
void scale_kill(struct scale *s, size_t node);
/* From now on nothing passes between the halves; or it does again, over new links. */
void scale_halve(struct scale *s);
void scale_join_halves(struct scale *s);

/* -- scale_count.c -- */
void scale_key(size_t update, uint8_t key[SCALE_KEY_BYTES]);
void scale_value(size_t update, uint8_t value[SCALE_VALUE_BYTES]);
/* The node with that id; it carries its number. */
size_t scale_node_of(const struct node_id *id);
void scale_count_events(struct scale *s, size_t node);
/* A frame of that row has come, and the core has seen it. */
void scale_count_frame(struct scale *s, size_t node, const struct rpc_row_frame *f);
/* The owner's store holds more than before. */
void scale_count_stored(struct scale *s, size_t node);
/* A death or a member: has this node heard? */
bool scale_knows_all(struct scale *s, size_t node);
bool scale_knows_victim(struct scale *s, size_t node);
/* What no frame told of: how things really stand. */
void scale_count_all(struct scale *s, size_t first_update);
void scale_traffic_since(const struct scale *s, const struct scale_traffic *then, struct scale_traffic *out);
uint64_t scale_traffic_bytes(const struct scale_traffic *t);
uint64_t scale_traffic_frames(const struct scale_traffic *t);

/* -- scale_phases.c -- */
void scale_measure(const struct scale_options *o, struct scale_report *r);
void scale_say(const struct scale *s, const char *phase);
/* Writes of random nodes at random times from now on. */
void scale_plan_writes(struct scale *s, size_t n, uint64_t within_us);
/* By size, for qsort. */
int scale_by_size(const void *a, const void *b);
/* All replicas that run have one fingerprint. */
bool scale_all_equal(struct scale *s);

/* -- scale_halves.c -- */
void scale_halves(struct scale *s, struct scale_mending *m);

#endif
