/* A trace simulator of session assignment: the real assign_decide beside the usual ways to place viewers,
 * all of them over the same trace. Virtual time in microseconds, no threads; a seed gives the same
 * figures again.
 *
 * Trace: Poisson arrivals. A viewer takes one of two renditions (3 in 4 the first) from the start of a
 * programme of 30 minutes and stays for an exponential time (mean 20 minutes) or to its end; the rate of
 * arrivals follows from the utilisation. Contents by Zipf's law; every ten minutes five contents, drawn
 * from the whole catalogue, become hits (at random among the first 20 ranks) and push those below down.
 *
 * Cache: as many contents as it has places, whatever part of them. What is being watched stays; of the
 * rest the one that was read last the longest ago goes (LRU). A fill is a content's way into a cache.
 *
 * Knowledge: an api node sees load reports and locations as they were `age` ago, and its own assignments at
 * once (node/tally). Places are leased over a direct link (5 ms), so they are not subject to that age.
 */
#ifndef BENCH_ASSIGN_SIM_H
#define BENCH_ASSIGN_SIM_H

#include "assign/assign.h"
#include "base/prng.h"

enum { NODES_MAX = 64, APIS_MAX = 16, RENDITIONS = 2, NONE = UINT32_MAX };

struct setup {
	unsigned nodes, capacity, contents, cached; /* cached: contents a node's cache holds */
	double zipf, utilisation;
	unsigned apis;
	uint64_t age_us;
	uint64_t seed;
	unsigned warmup_s, measured_s;
	double watched_s;  /* mean of the exponential, before the programme's end cuts it */
	uint32_t length_s; /* of a programme */
};

/* -- trace.c -- */

struct arrival {
	uint64_t at_us;
	uint32_t content;
	uint32_t watched_ms;
	uint8_t rendition, api;
};

struct trace {
	struct arrival *arrivals;
	size_t n;
	struct bytes *names; /* of contents */
};

struct trace trace_make(const struct setup *s);
void trace_free(struct trace *t);

/* -- cache.c -- */

struct reach {
	uint32_t done_ms, to_ms; /* what is there at least, and what it grows to */
	uint64_t since_us;       /* from the start of who fetches it */
};

struct slot {
	uint32_t older, newer; /* in the list of those that nobody watches */
	uint32_t viewers;
	bool held;
	uint64_t read_us;
	struct reach reach[RENDITIONS];
};

struct cache {
	struct slot *slots; /* by content */
	uint32_t places, used, length_s;
	uint32_t oldest, newest;
	uint32_t used_max;
};

/* Whether a content that could go is held elsewhere too; NULL: nobody asks. */
struct elsewhere {
	const uint64_t *holders; /* by content: bits of nodes */
	uint64_t self;
};

struct entered {
	bool filled;
	uint32_t evicted;        /* or NONE */
	uint32_t hit_ms;         /* of what this viewer watches */
	uint16_t share_permille; /* held when he came */
};

void cache_init(struct cache *c, const struct setup *s, uint32_t places);
void cache_fini(struct cache *c);
struct entered cache_enter(struct cache *c, const struct arrival *a, const struct elsewhere *elsewhere);
void cache_leave(struct cache *c, uint32_t content, uint64_t now_us);
/* Seconds since what would go next was last read; UINT32_MAX while there is room. */
uint32_t cache_evict_age_s(const struct cache *c, uint64_t now_us);
/* Of what the next viewer is likely to ask for, in permille; 1 at least of what is held. */
uint16_t cache_share_permille(const struct cache *c, uint32_t content, uint64_t now_us);

/* A peer leases nothing. With spares: a cache evicts first, of its oldest 64, what others hold too. */
enum variant {
	PEER,
	WITH_ALL,
	WITHOUT_AGES,
	WITHOUT_UNSEEN,
	WITHOUT_LEASES,
	WITH_SPARES,
};

/* -- world.c: nodes, and what api nodes know of them -- */

struct tally;

struct lease {
	uint32_t places;
	uint64_t ask_us; /* not before */
};

struct change {
	uint64_t at_us;
	uint32_t content; /* NONE: its load */
	uint32_t value;   /* load, or whether it holds */
	uint8_t node;
};

struct node {
	struct cache cache;
	uint32_t active, outstanding;
	uint32_t active_max, booked_max;
	double watched_ms, hit_ms; /* lately */
	uint32_t evict_age_s;      /* as it said last */
	uint16_t miss_permille;    /* the same */
};

struct world {
	const struct setup *setup;
	const struct trace *trace;
	uint64_t now_us;
	struct node nodes[NODES_MAX];
	struct node_id ids[NODES_MAX];
	struct tally *tallies[APIS_MAX + NODES_MAX]; /* of api nodes, then of nodes that send viewers on */
	struct lease leases[APIS_MAX][NODES_MAX];
	enum variant variant;
	/* what was known `age` ago */
	uint32_t seen_load[NODES_MAX];
	uint64_t *seen_holders; /* by content: bits of nodes */
	struct change *changes; /* not yet seen: a ring */
	size_t changes_first, changes_n, changes_room;
	uint64_t tick_us;
};

void world_init(struct world *w, const struct setup *s, const struct trace *t, enum variant v);
void world_fini(struct world *w);
/* Time goes on: what has become known by then is known. */
void world_advance(struct world *w, uint64_t now_us);
/* What the api node assigned to it in the last seconds, in which a report may not hold it yet. */
uint32_t world_own(const struct world *w, unsigned api, unsigned node, unsigned *window_s);
/* Load as the api node knows it: the report and its own assignments. */
uint32_t world_load(const struct world *w, unsigned api, unsigned node);
/* A place taken from the lease, or placeless if there is room; false: full. */
bool world_admit(struct world *w, const struct arrival *a, unsigned node, struct entered *out);
void world_leave(struct world *w, uint32_t content, unsigned node);
/* Places that the api node asked for have come by now. */
void world_lease(struct world *w, unsigned api);
bool world_has_headroom(const struct world *w);

/* -- policies -- */

struct choice {
	unsigned nodes[2]; /* the node, and where that would send the viewer on */
	unsigned n;
	bool warm;
};

struct policy {
	const char *name, *title;
	void (*choose)(struct world *w, const struct arrival *a, struct choice *out);
	/* where the node that refuses sends the viewer; NULL: where the api node would have sent him next */
	void (*hop)(struct world *w, const struct arrival *a, unsigned refused_by, struct choice *out);
	enum variant variant;
};

extern const struct policy policy_ours, policy_no_ages, policy_no_unseen, policy_no_leases, policy_spares;
extern const struct policy policy_least, policy_two, policy_ring, policy_bounded;

/* -- run.c -- */

/* Of the measured time. Warm: the node held so much of the content when the viewer came as a warm holder
 * has to; called: the decision said so. */
struct figures {
	uint64_t sessions, fills, warm, called, redirects;
	uint64_t refused, refused_with_headroom;
	uint64_t watched_ms, hit_ms, called_watched_ms, called_hit_ms;
	uint32_t load_max, booked_max, cache_max;
};

struct figures run_policy(const struct setup *s, const struct trace *t, const struct policy *p);
struct figures run_one_lru(const struct setup *s, const struct trace *t);

/* -- speed.c -- */

/* Nanoseconds of one decision, the median of many. */
uint64_t speed_ns(unsigned holders, bool explain);

#endif
