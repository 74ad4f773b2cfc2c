/* The replica: a pure state machine that holds every row of the cluster, applies what peers send,
 * and says what to store, what to send and whom to dial.
 *
 * Rules R1-R5 and R7 of ARCHITECTURE.md. A row is (owner, stream); only its owner writes it (R1),
 * numbering its writes 1, 2, 3 ... within an incarnation (R2); a replica applies them without gaps
 * (R3); deletes are tombstones, collected past a floor (R4); own writes are sent only after the
 * store has said STORED for them (R5).
 *
 * Entries are kept in memory; LMDB (lmdb_store.h) mirrors them for restarts and for the readers of
 * other threads.
 *
 * Threading: one thread owns a replica (control). Pure: time comes in, effects go out.
 * Bounds: one step emits at most KVS_SENDS_MAX messages and KVS_STEP_BYTES of entries; what is left
 * is deferred and kvs_wake_at() says now.
 */
#ifndef KVS_KVS_H
#define KVS_KVS_H

#include "base/arena.h"
#include "base/trace.h"
#include "rpc/entries.h"
#include "rpc/msg.h"

enum {
	KVS_SENDS_MAX = 256,
	KVS_LINK_WINDOW = 256 * 1024, /* bytes on a link that the peer's core has not acknowledged */
	KVS_STEP_BYTES = 256 * 1024,  /* of entries sent, and again of entries stored */
	KVS_OPS_MAX = 4096,
	KVS_EVENTS_MAX = 64,
	KVS_DIALS_MAX = 256,
	KVS_CLOSES_MAX = 64,
	KVS_WATCHED_MAX = 256,
	KVS_ARENA_BYTES = 4 * 1024 * 1024, /* what an outputs' arena must be allowed to give */
	KVS_BATCHES_MAX = 64,  /* batches that the store has not confirmed; then the rest waits in memory */
	KVS_PURGES_MAX = 4096, /* live commands of one row, recorded ones too, past which no purge is taken */
	KVS_PURGE_KEPT_MS = 7 * 24 * 3600 * 1000, /* then its writers delete it; expels are kept for ever */
	KVS_EXPELS_MAX = 4096,                    /* of the whole cluster; further ones are not heeded */
	KVS_DRAINS_MAX = 20000, /* nodes of which a drain or undrain is known; further ones are not heeded */
	KVS_COMMAND_AHEAD_MS = 60 * 1000, /* a command from further in the future is not recorded, nor an expel
	                                   * heeded, before its time */
	/* Of entries, that a node which lacks much asks for. */
	KVS_BULK_BYTES_PER_S = 32 * 1000 * 1000,
	KVS_OWNERS_MAX = 20000, /* frames of further owners are refused (KVS_EVENT_REFUSED_FRAME) */
};

struct kvs;

/* Where a row stands. The same on disk, in digests and in memory. */
struct kvs_row_meta {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	struct rpc_ancestor ancestors[RPC_ANCESTORS_MAX]; /* newest first */
	size_t ancestors_n;
	uint64_t have, horizon, floor, base;
};

struct kvs_config {
	struct node_id self;
	/* Of this run: count above every earlier one's, nonce random (R2). */
	struct incarnation incarnation;
	/* Of the run before, when the store proved that its own rows are whole; else count 0: this run
	 * inherits nothing and own rows must not be loaded. */
	struct incarnation inherits;
	struct rpc_register reg;  /* copied; state is set by kvs inputs */
	uint64_t wall_ms;         /* the wall clock when it starts, as KVS_IN_CLOCK */
	const char *const *seeds; /* addresses, copied */
	size_t seeds_n;
	uint64_t seed;                  /* of every random choice */
	uint32_t repair_interval_ms;    /* between comparisons with a random member; 0 = default 10000 */
	uint32_t heartbeat_interval_ms; /* 0 = default 250 */
	uint32_t silence_beats;         /* intervals without a frame that make a claim; 0 = default 6 */
	uint32_t announce_ms;           /* at the latest; at the soonest 2/5 of it. 0 = default 100 */
	uint32_t pull_wait_ms;          /* what was announced may still be pushed; 0 = default 30 */
	uint32_t pull_retry_ms;         /* 0 = default 50 */
	uint32_t mesh_max;              /* members up to which owners push to everybody; 0 = default 11 */
	/* Budgets; tests make them small so that few entries need many frames. 0 = default = bound. */
	uint32_t digest_rows;    /* rows of one digest: RPC_DIGEST_ROWS_MAX */
	uint32_t frame_bytes;    /* of entries in one frame: 56 KiB */
	uint32_t exchange_bytes; /* of entries that answer one digest: 128 KiB */
	uint32_t batch_bytes;    /* of entries in one batch for the store: KVS_STEP_BYTES */
	/* Locations whose key begins with that byte are named in the outputs as they are applied; 0: none. */
	uint8_t watched_class;
	uint32_t tombstones_min; /* an own row keeps that many before it raises its floor: 64 */
};

/* -- construction: new, load what the store kept, start -- */
struct kvs *kvs_new(const struct kvs_config *c);
void kvs_free(struct kvs *k);
/* Rows in any order, a row's entries in version order after it. What does not fit together is
 * refused (ERR_CORRUPT) and the row stays empty: it will be fetched again. */
MUST_USE enum err kvs_load_row(struct kvs *k, const struct kvs_row_meta *m);
MUST_USE enum err kvs_load_entry(
    struct kvs *k, const struct node_id *owner, enum rpc_stream stream, const struct rpc_entry *e);
/* After loading and before the first step. */
void kvs_start(struct kvs *k, uint64_t now_ms);

/* -- events -- */
enum kvs_input_kind {
	KVS_IN_TICK, /* a deadline has come */
	KVS_IN_LINK_UP,
	KVS_IN_LINK_DOWN,
	KVS_IN_DIAL_FAILED, /* nobody listens at an address that is wanted: the host refused, silence does not
	                       count */
	KVS_IN_MESSAGE,
	KVS_IN_PUT, /* an own write: equal bytes under the key already are no write */
	KVS_IN_DELETE,
	KVS_IN_CLOCK,   /* what the wall clock says now: once in a while, for the order and the age of commands */
	KVS_IN_COMMAND, /* what an operator orders; kvs_command_check said OK */
	KVS_IN_EXPELLED,     /* a peer refused this node as one that was expelled */
	KVS_IN_STATE,        /* joining, ready, draining, left: rewrites the register */
	KVS_IN_STORED,       /* the store holds everything up to `seq` */
	KVS_IN_STORE_FAILED, /* it could not, and tries again: this node is mute until a STORED: it emits no
	                      * batch and so no own version; own writes wait in memory, the last one of a key */
};

struct kvs_input {
	enum kvs_input_kind kind;
	union {
		struct {
			uint64_t link; /* never reused */
			struct node_id node;
			struct incarnation incarnation;
			struct bytes address; /* where it said that it may be dialled */
			uint32_t version;     /* of the protocol, common to both */
			uint64_t features;
			bool dialled; /* from here */
		} link_up;
		struct {
			uint64_t link;
			bool bye;
		} link_down;
		struct {
			const char *address;
		} dial_failed;
		struct {
			uint64_t link;
			const struct rpc_msg *m;
			/* What may be sent on that link now before it is full (R7): KVS_LINK_WINDOW at first. */
			size_t room;
		} message;
		struct {
			enum rpc_stream stream; /* control is the core's own: LOAD or LOCATIONS */
			struct bytes key, value;
		} put; /* also of KVS_IN_DELETE, without value */
		struct {
			struct rpc_command_id id; /* random */
			enum rpc_command_kind kind;
			struct bytes subject;
			/* What struct rpc_command tells besides. */
			struct bytes by, drained_by;
			uint64_t drained_ms;
			uint64_t wall_ms;
		} command;
		struct {
			struct node_id by;
		} expelled;
		uint64_t wall_ms;
		enum node_state state;
		uint64_t stored_seq;
	};
};

/* -- commands -- */
enum kvs_op_kind {
	KVS_OP_ROW,        /* set the row's meta (made when new) */
	KVS_OP_DROP_ROW,   /* the row and all its entries. A reset is DROP_ROW, ROW, ENTRY... in one batch; past
	                    * a batch's budget the rest follows in further ones, with have < base in between, so
	                    * that what a crash leaves is a row that is being built */
	KVS_OP_ENTRY,      /* set key -> version, value; a tombstone too */
	KVS_OP_DROP_ENTRY, /* a collected tombstone; it may never have been stored */
};

struct kvs_op {
	enum kvs_op_kind kind;
	const struct kvs_row_meta *row; /* KVS_OP_ROW; else owner and stream below */
	struct node_id owner;
	enum rpc_stream stream;
	struct rpc_entry entry;
};

enum kvs_event_kind {
	/* A node's liveness, by what its watchers claim and by own links; `detail` says which (R8). */
	KVS_EVENT_NODE_ALIVE,
	KVS_EVENT_NODE_SUSPECT,
	KVS_EVENT_NODE_DOWN,
	KVS_EVENT_CLAIM, /* this node says that one it watches cannot be reached; `value`: unheard, ms */
	KVS_EVENT_CLAIM_WITHDRAWN,
	KVS_EVENT_LIFE_RAISED,    /* nodes that are down claim this one: it says that it lives; `value`: life */
	KVS_EVENT_NODE_STATE,     /* its register says another state */
	KVS_EVENT_ROW_RESET,      /* an old history was dropped whole */
	KVS_EVENT_OWN_JUMPED,     /* own id was seen under a higher incarnation: jumped above it */
	KVS_EVENT_DUPLICATE_ID,   /* and above every jump of a minute: another process has this id. Own writes
	                           * are refused from now on: start again as a new id */
	KVS_EVENT_DUPLICATE_NAME, /* two living ids with one name */
	KVS_EVENT_MUTE,           /* the store fails */
	KVS_EVENT_REFUSED_FRAME,  /* a frame that breaks the rules; `detail` says which */
	KVS_EVENT_NODE_EXPELLED,  /* an operator expelled it, this node perhaps */
	KVS_EVENT_COMMAND_AHEAD,  /* of a clock that is KVS_COMMAND_AHEAD_MS ahead of this one: it waits */
	KVS_EVENT_ROW_DIFFERS,    /* a row that ought to equal a peer's did not: it is fetched anew */
};

struct kvs_event {
	enum kvs_event_kind kind;
	struct node_id node;
	const char *detail; /* literal */
	uint64_t value;
};

struct kvs_dial {
	const char *address; /* valid until the next step */
	bool wanted;         /* keep a link there, or stop */
};

/* An entry of the watched class that a peer's frame brought. Its slices may point into the step's message. */
struct kvs_watched {
	struct node_id owner;
	struct rpc_entry entry;
};

/* Filled by a step, in memory of `arena`, which the caller resets between steps. Slices may also
 * point into the replica: all of it is valid until the next step. */
struct kvs_outputs {
	struct arena *arena;
	struct {
		uint64_t link;
		struct rpc_msg *m;
	} sends[KVS_SENDS_MAX];
	size_t sends_n;
	/* One batch: commit it as one transaction, own rows synced, then say STORED with its seq. 0 ops: none. */
	struct kvs_op *ops;
	size_t ops_n;
	uint64_t ops_seq;
	bool ops_own; /* holds own entries: sync before STORED (R5) */
	struct kvs_dial *dials;
	size_t dials_n;
	/* Links that are to be closed with BYE; KVS_IN_LINK_DOWN comes for them as for any other. */
	uint64_t *closes;
	size_t closes_n;
	struct kvs_event *events;
	size_t events_n;
	/* The first KVS_WATCHED_MAX of a step: for measuring, so a lost one is not made up for. */
	struct kvs_watched *watched;
	size_t watched_n;
	/* A member's register, load or liveness changed: read the members again. */
	bool members_changed;
	/* A command came to stand in some row: read the commands again. */
	bool commands_changed;
	/* The incarnation of this run changed: hellos to come must carry the new one. Set once the store
	 * holds it (it stood in the meta of the own rows of a batch, and STORED came for that). */
	bool incarnation_changed;
};

void kvs_step(struct kvs *k, uint64_t now_ms, const struct kvs_input *in, struct kvs_outputs *out);
/* When the next TICK is due; TIMER_NEVER before kvs_start. */
uint64_t kvs_wake_at(const struct kvs *k);

/* -- what is known -- */
enum kvs_liveness { KVS_ALIVE, KVS_SUSPECT, KVS_DOWN };

struct kvs_member {
	struct node_id id;
	struct incarnation incarnation;
	const struct rpc_register *reg; /* NULL until heard of */
	enum kvs_liveness liveness;
	uint64_t since_ms; /* when liveness last changed */
	bool has_load;
	struct rpc_load load;
	uint64_t load_seen_ms; /* when that load was applied here */
	uint64_t control_version, locations_version;
	uint64_t locations_n; /* live entries */
	bool linked;
	bool expelled;     /* KVS_DOWN for ever, in no overlay, its links are closed */
	uint64_t heard_ms; /* over a link; 0: never in this run */
	unsigned claims;   /* that stand on it (R8) */
	bool disputed;     /* down, and heard over a link within a second: a candidate of last resort */
};

/* Members sorted by id, this node among them. Pointers are valid until the next step. */
size_t kvs_members_n(const struct kvs *k);
void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out);
/* Who claims that it cannot be reached; at most KVS_CLAIMERS_MAX. */
enum { KVS_CLAIMERS_MAX = 10 };
size_t kvs_claimers(const struct kvs *k, const struct node_id *on, struct node_id out[KVS_CLAIMERS_MAX]);
/* A node that just came has what its peers had then, or is alone: no other node is known, and nobody listens
 * where the seeds are. */
bool kvs_caught_up(const struct kvs *k);
struct incarnation kvs_incarnation(const struct kvs *k);
/* The own location under that key; false when there is none. */
bool kvs_own_get(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes *value);

/* One row as it is shown: what two replicas compare. */
struct kvs_row {
	struct kvs_row_meta meta;
	uint64_t entries, tombstones; /* live ones; deleted ones that are not collected */
	uint64_t fingerprint;         /* order-independent, of all entries: equal bytes have equal ones */
	bool exact;                   /* nothing newer than `have` stands in for an entry (R3) */
};

/* Rows sorted by owner and stream. False: nothing of row i is whole yet. */
size_t kvs_rows_n(const struct kvs *k);
bool kvs_row_at(const struct kvs *k, size_t i, struct kvs_row *out);
bool kvs_row_of(
    const struct kvs *k, const struct node_id *owner, enum rpc_stream stream, struct kvs_row *out);
/* The entry under that key, a tombstone too; false when there is none. Slices are valid until the next step.
 */
bool kvs_entry_of(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream, struct bytes key,
    struct rpc_entry *out);

/* -- commands (R1): entries of the control row of whom the operator spoke to, and of a second node -- */

/* ERR_FULL: at KVS_PURGES_MAX or KVS_EXPELS_MAX; ERR_CLOSED: this node is expelled, or its id is used twice;
 * ERR_INVALID: a node does not expel itself. */
MUST_USE enum err kvs_command_check(const struct kvs *k, enum rpc_command_kind kind, struct bytes subject);

struct kvs_command {
	struct rpc_command_id id;
	uint64_t version; /* of its entry */
	struct rpc_command what;
};
/* The live commands in an owner's row above `version`, in the order of their versions. Slices of `what` are
 * valid during the call. */
void kvs_each_command(const struct kvs *k, const struct node_id *owner, uint64_t version,
    void (*each)(void *arg, const struct kvs_command *c), void *arg);
/* Purges of that owner up to there were deleted, being older than KVS_PURGE_KEPT_MS. */
uint64_t kvs_forgotten(const struct kvs *k, const struct node_id *owner);
/* False: the own row does not have it yet (it is not stored). Else *by is another node whose row has it, or
 * this one: nobody has recorded it yet. */
bool kvs_command_recorded(const struct kvs *k, const struct rpc_command_id *id, struct node_id *by);
/* Whether another node could record it: one that is not down, has not left, and is not expelled. */
bool kvs_has_company(const struct kvs *k);
/* An operator wants that node to take no viewers. */
bool kvs_drain_ordered(const struct kvs *k, const struct node_id *node);
/* This node knows that it was expelled: it writes nothing any more. */
bool kvs_expelled(const struct kvs *k);

struct kvs_counters {
	uint64_t rows, entries, tombstones, bytes;
	/* Row frames of peers by what came of them: new; nothing new; not continuing what is here; of a sender
	 * who is behind; against the rules. */
	uint64_t frames_applied, frames_duplicate, frames_gap, frames_behind, frames_refused;
	uint64_t frames_pushed, frames_repair; /* sent unasked; applied that were asked for */
	/* Entries of applied frames; of those, what a pull or a comparison of replicas brought. */
	uint64_t entries_applied, entries_pulled, entries_repaired;
	uint64_t pulls, ranges_asked, digests_sent; /* rows; ranges; messages */
	uint64_t resets;
	uint64_t claims_made, claims_standing; /* by this node; on any member */
};
void kvs_count(const struct kvs *k, struct kvs_counters *out);
/* Order-independent check value of all stored rows (for tests and `nodes`): equal replicas have equal ones.
 */
uint64_t kvs_fingerprint(const struct kvs *k);
/* For tests: each row and its live entries in version order. */
void kvs_each_row(const struct kvs *k, void (*row)(void *arg, const struct kvs_row_meta *m), void *arg);
void kvs_each_entry(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream,
    void (*entry)(void *arg, const struct rpc_entry *e), void *arg);
/* The entries of a row above `version`, tombstones too, in the order of their versions. Slices are valid
 * during the call. */
void kvs_each_entry_after(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream,
    uint64_t version, void (*entry)(void *arg, const struct rpc_entry *e), void *arg);
const struct trace *kvs_trace(const struct kvs *k);

#endif
