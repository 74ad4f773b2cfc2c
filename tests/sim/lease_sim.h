/* A simulator of leases (rule A3): api nodes with the purse and the slots that ship, delivery nodes with the
 * book that ships, viewers and links between them, in virtual time. A seed decides everything.
 *
 * What goes wrong: links are slow, clogged, cut one way, broken and made again; messages are lost at a break,
 * doubled, and (worse than any TCP) may turn up after a break, out of order; either side crashes, stalls,
 * restarts with another incarnation; clocks run up to 1 % fast or slow, each its own; delivery nodes drain
 * and go on; api nodes hear of that late or never, and nothing of each other ever; demand jumps. Viewers
 * start at once, in the last moment, too late or never, pause and return, move with or without a word, and
 * repeat themselves.
 *
 * What must hold is in lease_oracle.c.
 */
#ifndef TESTS_SIM_LEASE_SIM_H
#define TESTS_SIM_LEASE_SIM_H

#include "assign/lease_book.h"
#include "assign/lease_purse.h"
#include "base/prng.h"
#include "base/timers.h"

enum {
	LSIM_APIS = 6,
	LSIM_NODES = 4,
	LSIM_VIEWERS = 4096,
	LSIM_PLACES = 1 << 17, /* a table of all places taken; a power of two */
	LSIM_KBPS = 8000,      /* the heaviest session */
	LSIM_DRIFT = 10000,    /* of a clock at most, in millionths */
	LSIM_CALM_STAY_MS = 20000,
	LSIM_LINES = 64,
	LSIM_LINE_BYTES = 160,
};

/* Truth and what a host's clock shows differ by an offset and a rate. */
struct lsim_clock {
	uint64_t offset_ms;
	int64_t drift; /* in millionths */
};

struct lsim_host {
	bool up;
	uint32_t run;        /* counts starts */
	uint64_t stalled_ms; /* till then */
	struct lsim_clock clock;
};

struct lsim_api {
	struct lsim_host host;
	struct lease_asker who;
	struct lease_slots *slots;
	struct lease_purse *purse;
	uint64_t wake_truth_ms; /* when it was last told to be woken */
	uint32_t per_s_milli;   /* sessions it creates */
	uint32_t favourite;     /* node */
	bool takes[LSIM_NODES]; /* what it was last told */
};

struct lsim_node {
	struct lsim_host host;
	struct lease_book_config config;
	struct lease_book *book;
	bool draining, drained;
	uint64_t wake_truth_ms;
	/* The truth: sessions that it serves, counted by who they are. */
	uint32_t sessions;
	uint64_t kbps;
};

/* One connection at a time between an api and a delivery node. */
struct lsim_link {
	bool up;
	uint32_t connection; /* counts */
	uint64_t cut_ms[2];  /* till then nothing arrives: at the api node, at the delivery node */
	uint64_t clogged_ms; /* the same, both ways, and the connection lives */
	uint32_t latency_ms;
	uint64_t last_ms[2]; /* as above; arrival of what was sent last: a connection keeps the order */
	/* The answer that the book gave last, to compare a repeat with. */
	struct incarnation answered_api;
	uint32_t answered_node_run, answered_batch;
	uint64_t answered_id;
};

enum lsim_viewer_state { VIEWER_FREE, VIEWER_COMING, VIEWER_ACTIVE };

struct lsim_viewer {
	enum lsim_viewer_state state;
	struct timer next;
	uint32_t node; /* where it goes, or is */
	uint32_t node_run;
	uint32_t kbps;
	bool hopped;
	/* Its token. */
	bool has_place;
	struct lease_place place;
	uint32_t lender, lender_run;
	uint64_t taken_ms; /* truth */
	bool came;         /* it was seen there with it once */
	bool leaves;       /* the place of one that moved without a word: idle, and given back in time */
};

enum lsim_event_kind {
	EVENT_MESSAGE,
	EVENT_API_WAKE,
	EVENT_NODE_WAKE,
	EVENT_DEMAND, /* an api node gets a viewer */
	EVENT_LAST,   /* another, just before a batch ends */
	EVENT_JUMP,   /* an api node's demand changes */
	EVENT_TOLD,   /* an api node hears of a node's state */
	EVENT_START,  /* a host comes up */
	EVENT_LINK_UP,
	EVENT_LINK_DOWN,
	EVENT_FAULT,
};

enum lsim_message_kind { MESSAGE_ASK, MESSAGE_GRANT, MESSAGE_CLOSE };

struct lsim_message {
	enum lsim_message_kind kind;
	uint32_t connection;
	bool ghost;              /* outlives its connection */
	struct lease_asker from; /* of ASK and CLOSE */
	uint64_t req_id;
	uint32_t want;
	struct lease_grant grant;
	struct lease_close close;
};

struct lsim_event {
	struct timer timer;
	enum lsim_event_kind kind;
	uint32_t api, node, run;
	bool flag;
	struct lsim_message message;
	struct lsim_event *next_free;
};

struct lsim_stats {
	uint64_t steps, viewers, by_batch, placeless, full, never, late, moved;
	uint64_t asks, grants, places, ghosts, doubled, lost, cuts, crashes, stalls, drains;
};

/* One place: (node, its incarnation, batch, index). */
struct lsim_place {
	uint64_t key; /* 0: none */
	bool taken, came;
};

/* Faults: all that is said above. Calm: nothing breaks, demand is even and the nodes are as full as is said;
 * most viewers must then have a place. */
enum lsim_mode { LSIM_FAULTS, LSIM_CALM };

struct lsim {
	enum lsim_mode mode;
	unsigned load_percent; /* of the capacity, in mode calm */
	uint64_t seed, now_ms;
	struct prng prng;
	size_t apis_n, nodes_n;
	struct lsim_api apis[LSIM_APIS];
	struct lsim_node nodes[LSIM_NODES];
	struct lsim_link links[LSIM_APIS][LSIM_NODES];
	struct lsim_viewer viewers[LSIM_VIEWERS];
	struct timers timers;        /* events */
	struct timers viewer_timers; /* viewers' next */
	struct lsim_event *free_events;
	struct lsim_place places[LSIM_PLACES];
	size_t places_n;
	bool healed; /* no more faults, no more demand */
	uint64_t fault_every_ms;
	unsigned fault_per_mille, crash_per_mille, ghosts_per_mille;
	unsigned flaps_per_mille; /* of the crashes: api node 0 */
	bool tracing, failed;
	char why[256];
	char lines[LSIM_LINES][LSIM_LINE_BYTES];
	uint64_t lines_n;
	struct lsim_stats stats;
};

/* lease_world.c */
void lsim_init(struct lsim *s, enum lsim_mode mode, unsigned load_percent, uint64_t seed, bool tracing);
void lsim_fini(struct lsim *s);
bool lsim_run(struct lsim *s); /* false: an invariant broke; s->why */
void lsim_say(struct lsim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lsim_fail(struct lsim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t lsim_between(struct lsim *s, uint64_t low, uint64_t high);
uint64_t lsim_local(const struct lsim *s, const struct lsim_clock *c);
/* The first moment, not before now, at which that clock shows at least local_ms. */
uint64_t lsim_truth(const struct lsim *s, const struct lsim_clock *c, uint64_t local_ms);
/* An event to come; the caller fills in what its kind needs. */
struct lsim_event *lsim_after(struct lsim *s, uint64_t in_ms, enum lsim_event_kind kind);
void lsim_forget_messages(struct lsim *s);

/* lease_hosts.c */
void lsim_api_start(struct lsim *s, uint32_t api);
void lsim_api_crash(struct lsim *s, uint32_t api);
void lsim_api_step(struct lsim *s, uint32_t api); /* the purse, and what it says */
void lsim_api_told(struct lsim *s, uint32_t api, uint32_t node, bool takes);
void lsim_node_start(struct lsim *s, uint32_t node);
void lsim_node_crash(struct lsim *s, uint32_t node);
void lsim_node_drain(struct lsim *s, uint32_t node, bool draining);
void lsim_node_wake(struct lsim *s, uint32_t node);
void lsim_host_hear(struct lsim *s, const struct lsim_event *e); /* a message that arrived */

/* lease_net.c */
void lsim_send(struct lsim *s, uint32_t api, uint32_t node, bool to_node, struct lsim_message m);
void lsim_link_up(struct lsim *s, uint32_t api, uint32_t node);
void lsim_link_down(struct lsim *s, uint32_t api, uint32_t node);
/* A message is due: delivered, held, or lost. */
void lsim_message_due(struct lsim *s, struct lsim_event *e);
/* Breaks all of a host's links, and has them made again later. */
void lsim_links_break(struct lsim *s, bool is_api, uint32_t host);

/* lease_viewers.c */
void lsim_demand(struct lsim *s, uint32_t api);
void lsim_demand_last(struct lsim *s, uint32_t api, uint32_t node);
/* A session for a node, placed from the api node's batch if it can be; NULL: too many viewers. */
struct lsim_viewer *lsim_viewer_new(struct lsim *s, uint32_t api, uint32_t node);
void lsim_viewer_comes(struct lsim *s, struct lsim_viewer *v, uint32_t node, uint64_t in_ms);
void lsim_viewer_due(struct lsim *s, struct lsim_viewer *v);
void lsim_viewers_end(struct lsim *s); /* all go */
void lsim_viewers_lose_node(struct lsim *s, uint32_t node);

/* lease_faults.c */
void lsim_fault(struct lsim *s);
void lsim_jump(struct lsim *s, uint32_t api);
void lsim_heal(struct lsim *s);

/* lease_calm.c */
void lsim_calm_init(struct lsim *s);
void lsim_calm_node(struct lease_book_config *c);
void lsim_calm_session(struct lsim *s, uint32_t api); /* a viewer, and nothing odd about him */
void lsim_calm_check(struct lsim *s);                 /* at the end */

/* lease_oracle.c */
void lsim_check(struct lsim *s); /* after every step */
void lsim_check_taken(struct lsim *s, const struct lsim_viewer *v);
/* `before`: the book before this arrival. */
void lsim_check_arrival(
    struct lsim *s, struct lsim_viewer *v, enum lease_admission how, const struct lease_book_view *before);
void lsim_check_answer(struct lsim *s, uint32_t api, uint32_t node, const struct lease_asker *who,
    const struct lease_grant *g, const struct lease_book_view *before);
void lsim_check_all_free(struct lsim *s);

#endif
