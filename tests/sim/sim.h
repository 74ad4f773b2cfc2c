/* A cluster of replicas in one process and virtual time: the real core, messages through the real
 * codec, and everything around it simulated with faults that a seed decides.
 *
 * One heap of events ordered by (time, sequence) and one seeded generator: a seed replays exactly.
 * After every step the touched node is checked against an oracle that knows each write (oracle.h).
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "base/prng.h"
#include "kvs/kvs.h"
#include "rpc/names.h"

enum {
	SIM_NODES_MAX = 64,
	SIM_OWNERS_MAX = 256, /* ids ever: a wiped disk makes a new one */
	SIM_KEYS = 48,
	SIM_MARK = SIM_KEYS - 1, /* the key of writes that are followed (liveness.c) */
	SIM_LINES = 256,         /* kept for a failure */
	SIM_CLONES_MAX = 4,
};

struct sim;
struct history;
struct frozen;
struct broadcast;
struct golden;

/* -- disk.c -- */
struct disk_entry {
	uint64_t version;
	uint8_t *data; /* key, value */
	size_t key_n, value_n;
	bool deleted;
};

struct disk_row {
	struct kvs_row_meta meta;
	struct disk_entry *entries; /* in no order */
	size_t entries_n, entries_cap;
};

/* `self` is synced with each commit; `view` is lost when the host crashes. */
struct disk {
	bool has_identity;
	struct node_id id;
	struct incarnation incarnation;
	struct disk_row *self, *view;
	size_t self_n, view_n;
};

/* A copy of a batch's ops, on their way to the disk. */
struct batch {
	struct kvs_op *ops;
	struct kvs_row_meta *metas;
	size_t ops_n;
	uint64_t seq;
	bool own;
};

void disk_fini(struct disk *d);
void disk_copy(struct disk *to, const struct disk *from);
void disk_drop_view(struct disk *d);
void disk_commit(struct disk *d, const struct batch *b);
/* Feeds a new replica. False when it refused a row: what was written must be readable. */
bool disk_load(const struct disk *d, struct kvs *k);
struct batch *batch_new(const struct kvs_outputs *out);
void batch_free(struct batch *b);

/* -- the cluster -- */
enum { SIM_QUEUE_MAX = 128 };

struct seen_row {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	uint64_t have, horizon;
};

/* The build before this one knows no feature; the next one says more than this one knows (V3). */
enum sim_build { SIM_BEFORE, SIM_THIS, SIM_NEXT };

struct sim_node {
	size_t index;
	struct kvs *k; /* NULL: not running */
	struct node_id id;
	unsigned boot;
	enum sim_build build;
	struct disk disk, backup;
	bool dead;                  /* never comes back */
	bool crash_loop;            /* crashes and comes back, for ever */
	bool has_backup, dishonest; /* the disk was wiped or restored since it last ran */
	struct arena arena;
	struct kvs_outputs *out;
	uint64_t ahead_ms;   /* its clock, of the world's */
	uint64_t wake_ms;    /* of the wake event that counts */
	uint64_t stalled_ms; /* runs nothing before */
	struct batch *queue[SIM_QUEUE_MAX];
	size_t queue_n;
	bool committing;
	uint64_t disk_full_ms;     /* until then commits fail */
	bool wants[SIM_NODES_MAX]; /* keeps a link to that host */
	struct seen_row *seen;     /* rows as last checked */
	size_t seen_n, seen_cap;
};

struct sim_link {
	uint64_t id;
	size_t ends[2];
	unsigned boots[2];
	bool up[2];
	uint64_t last_ms[2];        /* when the last message in order arrives at that end */
	uint64_t clogged_ms[2];     /* nothing arrives at that end before */
	size_t flying[2];           /* bytes on their way to that end */
	bool full[2];               /* that end was told so when it last heard something */
	struct rpc_names *names[2]; /* of each end; NULL: not agreed upon */
	bool broken;                /* no message passes any more; ends are or will be told */
};

enum sim_event_kind {
	SIM_WAKE,
	SIM_DELIVER,
	SIM_LINK_UP,
	SIM_LINK_DOWN,
	SIM_CONNECT,
	SIM_COMMIT,
	SIM_STORED,
	SIM_STORE_FAILED,
	SIM_WRITE,
	SIM_LOAD,
	SIM_FAULT,
	SIM_BOOT,
	SIM_RESTORE,
	SIM_JUDGE,
	SIM_STALL,
	SIM_RENEW,
	SIM_LEAVE,
};

/* Safety: random faults, then all heals and all replicas become equal. Liveness: random faults, then only
 * a core heals, what is outside stays broken for good, and the core must get on. Broadcast: only messages are
 * lost, and hardly anybody compares replicas (broadcast.c). */
enum sim_mode { SIM_SAFETY, SIM_LIVENESS, SIM_BROADCAST };

struct sim_event {
	uint64_t at_ms, order;
	enum sim_event_kind kind;
	size_t node, other;
	unsigned boot;
	uint64_t link, seq;
	uint8_t *bytes;
	size_t bytes_n;
	bool flag;
};

/* What a seed decides before it begins. */
struct sim_profile {
	uint32_t latency_min_ms, latency_max_ms,
	    jitter_per_mille; /* of messages that come late and out of order */
	uint32_t loss_per_mille, duplicate_per_mille;
	uint32_t store_min_ms, store_max_ms;
	uint32_t full_per_mille;                   /* of the looks at a link that find it full */
	uint32_t window;                           /* bytes on a link before it is full */
	uint32_t before_per_mille, next_per_mille; /* of the starts that are of another build */
	bool one_build;                            /* or none at all */
	uint32_t write_every_ms, fault_every_ms;
	uint32_t keys, value_max, delete_per_mille;
	uint32_t faults_until_ms, heal_within_ms;
	struct kvs_config core; /* its intervals and budgets */
};

/* The next message of that kind on that way is lost. */
struct sim_lose {
	bool armed;
	size_t from, to;
	enum rpc_kind kind;
};

struct sim_stats {
	uint64_t steps, messages, frames, writes, crashes, wipes, restores, cuts, resets, jumps, refused, differs;
	uint64_t clones, duplicates, clogs, clock_jumps, leaves;
	uint64_t healed_in_ms, settled_in_ms, reached_in_ms, copies, pulls;
};

struct sim {
	uint64_t seed;
	size_t nodes_n;
	bool tracing;
	struct prng prng;
	struct sim_profile profile;
	uint64_t now_ms, order;
	struct sim_event *heap;
	size_t heap_n, heap_cap;
	struct sim_node nodes[SIM_NODES_MAX];
	struct sim_link *links;
	size_t links_n, links_cap;
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX];    /* from, to: nothing passes */
	bool linked[SIM_NODES_MAX][SIM_NODES_MAX]; /* by a link that is not broken */
	bool cuts_stay;                            /* for good */
	enum sim_mode mode;
	bool healing;                /* no further random faults */
	bool core[SIM_NODES_MAX];    /* healthy since then; in safety mode all */
	bool quiet;                  /* nobody writes any more */
	uint64_t quiet_ms;           /* since when */
	struct frozen *frozen;       /* liveness.c */
	struct broadcast *broadcast; /* broadcast.c */
	struct golden *golden;       /* NULL: nobody listens (golden.h) */
	struct sim_lose lose;
	struct node_id clones[SIM_CLONES_MAX];
	size_t clones_n;
	uint64_t value_number;
	struct history *histories;
	size_t histories_n, histories_cap;
	struct sim_stats stats;
	bool failed, done;
	char why[512];
	size_t failed_node;
	struct {
		char text[160];
	} lines[SIM_LINES];
	uint64_t lines_n;
};

/* -- sim.c -- */
/* Runs a seed to its end; false: an invariant broke, sim->why says which. */
bool sim_run(struct sim *s);
/* Goes on until that time. */
void sim_until(struct sim *s, uint64_t until_ms);
void sim_init(struct sim *s, enum sim_mode mode, uint64_t seed, size_t nodes, bool tracing);
void sim_fini(struct sim *s);
struct sim_event *sim_push(struct sim *s, uint64_t in_ms, enum sim_event_kind kind, size_t node);
/* Uniform in [low, high]. */
uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high);
void sim_say(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, size_t node, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A node of the core whose replica is not like that of the first of it; nodes_n: all are alike. */
size_t sim_unlike(const struct sim *s, size_t *first);
/* One own write: the value's first 8 bytes are a number that only rises. */
void sim_put(struct sim *s, size_t node, unsigned key, size_t value_bytes);
void sim_delete(struct sim *s, size_t node, unsigned key);

/* -- liveness.c -- */
void liveness_freeze(struct sim *s);
void liveness_judge(struct sim *s);
void liveness_fini(struct sim *s);
/* A node outside of the core stops for a while, again and again. */
void liveness_stall(struct sim *s, size_t node);

/* -- broadcast.c -- */
void broadcast_profile(struct sim *s);
void broadcast_judge(struct sim *s);
void broadcast_fini(struct sim *s);

/* -- diff.c -- */
void sim_say_difference(struct sim *s, size_t a, size_t b);

/* -- host.c: one node's process, its disk and its store -- */
void host_boot(struct sim *s, size_t node);
void host_step(struct sim *s, size_t node, const struct kvs_input *in);
void host_commit(struct sim *s, const struct sim_event *e);
/* Ends the process. Of what waits for the disk a random part was committed. */
void host_crash(struct sim *s, size_t node);
/* Ends it in order: all is committed that the disk takes. */
void host_stop(struct sim *s, size_t node);
/* An empty disk: the next boot makes a new id. */
void host_wipe(struct sim *s, size_t node);
/* Its clock jumps forward. */
void host_jump(struct sim *s, size_t node, uint64_t by_ms);
/* A wake event: TICK, if one is due. */
void host_wake(struct sim *s, const struct sim_event *e);
void host_fini(struct sim_node *n);

/* -- net.c -- */
void net_send(struct sim *s, size_t from, uint64_t link, const struct rpc_msg *m);
void net_deliver(struct sim *s, const struct sim_event *e);
void net_forget_names(struct sim_link *l);
void net_connect(struct sim *s, size_t a, size_t b);
void net_link_up(struct sim *s, const struct sim_event *e);
void net_link_down(struct sim *s, const struct sim_event *e);
/* A random link passes nothing for a while, then all of it. */
void net_clog(struct sim *s);
/* An orderly end of all links of that node. */
void net_bye(struct sim *s, size_t node);
/* With BYE, which both ends are told. */
void net_close(struct sim *s, size_t from, uint64_t link);
/* The process of that node is gone; the others hear of it soon (or late: the host is silent). */
void net_forget(struct sim *s, size_t node, bool silent);
/* Links over a cut break in a while. */
void net_recut(struct sim *s);

/* -- clone.c -- */
void clone_one(struct sim *s);
/* A node was told that another runs under its id. False: nobody does. */
bool clone_told(struct sim *s, size_t node);
void clone_renew(struct sim *s, const struct sim_event *e);
/* Two processes run under one id. */
bool clone_lives(const struct sim *s);

/* -- faults.c -- */
void faults_profile(struct sim *s);
void faults_one(struct sim *s);
/* The process dies and its disk is what the backup was. */
void faults_restore(struct sim *s, size_t node);
/* A node that said it leaves is gone. */
void faults_left(struct sim *s, size_t node);
void faults_heal(struct sim *s);

#endif
