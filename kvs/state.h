/* What the files of the core share: the replica's state. Not for users of kvs.h.
 *
 * Everything hangs on `struct kvs`; lists that are walked are arrays in a stated order, so that a
 * seed replays.
 */
#ifndef KVS_STATE_H
#define KVS_STATE_H

#include "base/prng.h"
#include "base/timers.h"
#include "kvs/kvs.h"
#include "kvs/replica.h"
#include "kvs/ring.h"
#include "kvs/told.h"

enum { KVS_PRINTS = 4096, KVS_RANGES_PENDING_MAX = 256, KVS_ASK_PATIENCE_MS = 1000 };
enum { KVS_BUCKETS = 64, KVS_PULLS_MAX = 4096, KVS_LIFE_AGAINST_MAX = 64, KVS_LIFE_WAIT_MS = 1000 };

enum kvs_timer_kind {
	KVS_TIMER_DIGEST,
	KVS_TIMER_BEAT,
	KVS_TIMER_ASK,
	KVS_TIMER_WATCH,
	KVS_TIMER_LIFE,
	KVS_TIMER_SEEDS,
	KVS_TIMER_GUEST,
	KVS_TIMER_ANNOUNCE,
	KVS_TIMER_PULL,
	KVS_TIMER_COMMANDS,
	KVS_TIMER_VERDICT,
};

struct kvs_timer {
	struct timer t;
	enum kvs_timer_kind kind;
	void *of; /* the link, member or pull it belongs to; NULL: the node's own */
};

/* What a member says in its control row of another one. */
struct member_claim {
	struct node_id on;
	struct incarnation incarnation;
	uint32_t life;
	bool answer;
};

struct member {
	unsigned magic;
	struct node_id id;
	struct incarnation incarnation; /* of its control row: what is judged must not depend on who met whom */
	struct rpc_register *reg;       /* one block with its strings; NULL: not heard of */
	enum kvs_liveness liveness;
	uint64_t since_ms, heard_ms; /* heard over a link; 0: never in this run */
	size_t links;
	bool expelled;   /* then it is not in the ring */
	bool is_known;   /* its liveness was said by an event */
	bool name_clash; /* KVS_EVENT_DUPLICATE_NAME was said */
	bool in_ring, is_near;
	bool broke;              /* the last link to it broke, and none came since */
	bool down;               /* by the verdict (claims.h) */
	uint8_t claims_on;       /* how many stand */
	uint8_t wires, claims_n; /* enum wire; its own claims */
	uint32_t hearing_slot;
	struct member_claim *claims;
	struct watch *watch; /* NULL: not watched by this node */
	char *dialled;       /* the address wanted for it, or NULL */
	bool has_load;
	struct rpc_load load;
	uint64_t load_seen_ms;
};

#define KVS_WATCH_MAGIC 0x6b767377u
struct watch {
	unsigned magic;
	struct member *member;
	struct kvs_timer timer;
	uint64_t since_ms; /* last heard, or watched since */
	bool broke, claimed;
	bool answers;        /* that claim is an answer: it stands as long as what it answers */
	uint64_t accuses_ms; /* since when it claims this node; 0: it does not */
	const char *why;     /* it is unheard; NULL: it is not */
};

struct seed {
	char *address;
	bool wanted, refused; /* nobody listens there */
};

/* A range of ids, to be compared in parts or listed. */
struct range_pending {
	bool digest;
	uint8_t depth;
	uint16_t prefix;
};

struct kvs_link {
	unsigned magic;
	uint64_t id;
	struct member *member;
	bool dialled; /* from here */
	uint64_t since_ms, heard_ms;
	struct kvs_timer beat;
	/* The digest that this node sent and that is not answered yet: at most one a link. */
	struct kvs_timer ask; /* armed: waiting */
	struct row_id ask_first, ask_last;
	bool ask_due;         /* to be asked when no other is */
	bool ask_to_end;      /* it had no upper bound */
	uint64_t ask_applied; /* frames of this link applied since */
	uint64_t asked_ms;
	bool ask_shared;         /* others were asked parts of the same comparison */
	bool ask_paused;         /* the rest is asked for when the timer is due, */
	struct row_id ask_after; /* from there on */
	/* What the comparison with that peer still has to look at (ranges.h). */
	bool speaks_ranges;
	struct row_id ask_end;
	struct range_pending pending[KVS_RANGES_PENDING_MAX];
	size_t pending_n;
	/* Spreading (spread.h), only while the peer is a neighbour in the overlay. */
	bool compared; /* a comparison with that peer came to its end */
	bool closing;  /* said so already */
	bool speaks_broadcast, near;
	size_t room; /* bytes that may be sent before it is full (R7) */
	struct told told;
	uint64_t pushed[RPC_STREAMS], announced[RPC_STREAMS]; /* changes up to there were looked at */
	uint64_t eager;                                       /* buckets that are pushed (tree.h) */
	uint8_t duplicates[KVS_BUCKETS];                      /* in a row */
	struct rpc_msg *tree, *pulls;                         /* of this step, to be added to */
};

/* A row that a peer has more of. */
#define KVS_PULL_MAGIC 0x6b767370u
enum { PULL_CANDIDATES_MAX = 8 };
struct pull {
	unsigned magic;
	struct replica *row;
	struct kvs_timer timer;
	struct incarnation incarnation;
	uint64_t have;                       /* what was announced */
	uint64_t links[PULL_CANDIDATES_MAX]; /* that announced it; 0: none */
	size_t next;
	unsigned tries;
};

struct changes {
	struct replica *oldest, *newest;
	uint64_t seq;
};

struct dial {
	char *address;
	size_t wanted; /* by how many seeds and members */
	bool said;     /* what the caller was told last */
};

/* Own writes on their way: staged -> flying (in a batch) -> in the row (STORED), R5. */
struct own {
	struct replica *rows[RPC_STREAMS];
	struct row staged[RPC_STREAMS]; /* numbered by staged_seq, not by version */
	uint64_t staged_seq;
	uint64_t taken[RPC_STREAMS]; /* staged up to here is flying or in the row */
	struct row flying[RPC_STREAMS];
	uint64_t flying_have[RPC_STREAMS], flying_floor[RPC_STREAMS];
	struct incarnation flying_incarnation;
	bool in_flight, flying_rename, flying_jump;
	uint64_t seq;            /* of the batch in flight */
	bool rename;             /* the stored rows are to carry `incarnation` */
	bool jump;               /* because own id was seen above it */
	bool fresh[RPC_STREAMS]; /* the stored row is void: to be dropped first */
	struct incarnation incarnation;
	uint64_t jumped_ms; /* the first of `jumps` */
	unsigned jumps;
	bool duplicate;
};

/* A command that stands in one row only, as far as is known: somebody is to record it. */
struct command_wait {
	struct rpc_command_id id;
	struct node_id holder;
	uint64_t since_ms;
	bool adopted; /* by this node: its row is to show it */
};

struct expel {
	struct rpc_command_id id;
	struct rpc_hlc at;
	struct node_id subject, issuer;
	bool stands; /* whom it expelled did not expel its issuer before */
};

struct drain_order {
	struct node_id subject;
	struct rpc_hlc at;
	struct rpc_command_id id;
	bool drain;
};

struct commands {
	struct command_wait *waits; /* sorted by id */
	size_t waits_n, waits_cap;
	struct expel *expels; /* sorted by clock and id */
	size_t expels_n, expels_cap;
	struct drain_order *drains; /* the latest about each node, sorted by it */
	size_t drains_n, drains_cap;
	struct rpc_hlc clock;
	uint64_t wall_ms, wall_at_ms; /* what the wall clock said, and when */
	uint64_t forgot_ms;           /* when old purges were looked for last */
	uint64_t ahead_said_ms;
	bool ahead;          /* a command waits for its time */
	bool close_expelled; /* a link may lead to an expelled member */
	bool self_expelled;
	struct kvs_timer timer;
};

#define KVS_MAGIC 0x6b767321u
#define KVS_MEMBER_MAGIC 0x6b76736du
#define KVS_LINK_MAGIC 0x6b76736cu

struct kvs {
	unsigned magic;
	struct kvs_config cfg;    /* defaults filled in; reg and seeds are not used from here */
	struct rpc_register *reg; /* own, as last written */
	bool started;
	uint64_t now_ms;
	struct prng prng;
	struct timers timers;
	struct kvs_timer digest;
	struct incarnation incarnation; /* shown to others */

	struct replica **rows; /* sorted by id */
	size_t rows_n, rows_cap;
	struct member **members; /* sorted by id */
	size_t members_n, members_cap;
	struct kvs_link **links; /* sorted by id */
	size_t links_n, links_cap;
	struct dial *dials; /* sorted by address */
	size_t dials_n, dials_cap;
	struct seed *seeds;
	size_t seeds_n;
	bool seeding; /* a link may be one to a seed */
	struct member *self;
	struct own own;

	/* Liveness and links. */
	struct ring ring; /* of the members that have not left */
	struct watch *watches[RING_NEIGHBOURS_MAX];
	struct member *near[RING_NEIGHBOURS_MAX];
	size_t watches_n, near_n;
	uint64_t on_time_ms, doubt_ms; /* watch.h: no claim before */
	bool near_stale, claims_stale, review_due;
	struct member **claimers; /* with claims of theirs, sorted by id */
	size_t claimers_n, claimers_cap;
	uint64_t verdict_ms; /* no verdict before */
	struct kvs_timer verdict;
	struct member **accused; /* with claims on them, at the last verdict */
	size_t accused_n, accused_cap;
	struct kvs_timer life, seeds_timer, guest_timer;
	uint64_t life_wait_ms, life_raised_ms;
	struct node_id life_against[KVS_LIFE_AGAINST_MAX]; /* whose claims former lives made void */
	size_t life_against_n;
	bool guests; /* there may be some */

	/* Spreading. */
	struct changes changes[RPC_STREAMS];
	uint32_t row_numbers;
	bool spread_due, mesh;
	bool asked; /* a link has messages to be added to */
	struct kvs_timer announce;
	unsigned compared_n; /* sync.h */
	size_t pulls_n;
	uint64_t prints[KVS_PRINTS]; /* prints.h */
	uint8_t misses[KVS_BUCKETS]; /* pulls in a row of what was not pushed */

	struct commands commands;

	/* Rows whose stored form lags, oldest first. */
	struct replica **dirty;
	size_t dirty_n, dirty_cap;
	uint64_t emitted_seq, stored_seq;
	bool mute;

	/* Of the step that runs. */
	struct kvs_outputs *out;
	size_t ops_cap, ops_bytes, sent_bytes;
	bool more, dials_pending;
	struct row_entry **grave; /* freed when the next step begins */
	size_t grave_n, grave_cap;

	struct kvs_counters counters;
	struct trace trace;
};

/* NULL when it is gone. */
struct kvs_link *links_find(const struct kvs *k, uint64_t id);

/* An array of pointers that grows; aborts when out of memory. */
void *kvs_grow(void *array, size_t *cap, size_t n, size_t size);

#endif
