/* Inside of the fills: what ev_fill.c (the table and its threads), ev_fill_run.c (one fill's way),
 * ev_fill_peers.c (other nodes on it), ev_fill_missing.c (when there is no such object), ev_fill_slice.c
 * (which part of it), ev_fill_queue.c (which is next), ev_fill_watch.c (who waits too long) and
 * fs_fill_body.c (where its bytes go) share.
 *
 * One lock covers the table, the queue, the waiters, negative entries and backoffs; nothing that may block is
 * done under it, and no letter is posted under it.
 */
#ifndef NODE_ORIGIN_EV_FILL_H
#define NODE_ORIGIN_EV_FILL_H

#include "base/hash.h"
#include "base/obj.h"
#include "base/prng.h"
#include "node/origin/backoff.h"
#include "node/origin/curl_peers.h"
#include "node/origin/fill.h"
#include "node/origin/fs_fill_body.h"
#include "node/origin/negative.h"
#include "node/origin/source.h"

#include <pthread.h>
#include <sys/queue.h>

enum { FILL_BUCKETS = 4096, FILL_THREADS_MAX = 64 };

#define FILL_MAGIC 0x66696c6cu
#define FILLS_MAGIC 0x66696c73u

struct fill {
	unsigned magic;
	struct fills *fills;
	/* Fixed at its making. */
	uint64_t hash;
	unsigned origin; /* index */
	struct bytes content, object;
	uint32_t slice;       /* that is asked for */
	struct cache_key key; /* its slice is the thread's: 0 once the object is known to be one unit */
	uint64_t since_mono_ms;
	/* Under the lock. */
	char etag[CACHE_VALIDATOR_MAX + 1]; /* that some waiter has slices of; "" while none does */
	bool started;                       /* by a thread */
	bool for_peer;                      /* another node waits for it */
	bool unwanted;                      /* the last who waited has left, and was not answered */
	bool elsewhere;                     /* it waits for a fill of another node */
	bool own;                           /* a thread of those for this node's viewers has it */
	bool doomed;                        /* purged: out of its bucket, to end without a result */
	bool ahead;                         /* nobody but such who fetch ahead has asked for it */
	struct fill *next;                  /* of its bucket */
	TAILQ_ENTRY(fill) all_link;
	uint64_t looked_mono_ms; /* the watch's */
	struct fill_queue *in;   /* NULL: a thread has it */
	uint64_t due_mono_ms;    /* when parked */
	uint64_t missed_mono_ms; /* when the origin store was first found to lack it; 0 = never */
	TAILQ_ENTRY(fill) queue_link;
	struct fill_waiter *waiters;
	struct growing *growing; /* once the head is known: the table's reference */
	struct cache_meta meta;  /* of it */
	bool from_peer;          /* it comes out of another node's cache */
	struct cache_mark mark;  /* its thread's: when it began */
	uint8_t text[];
};

struct fill_origin {
	struct origin_source *source;
	struct backoff backoff;
	bool told_failing; /* by the log */
	uint64_t told_mono_ms;
};

TAILQ_HEAD(fill_queue, fill);

struct fills {
	unsigned magic;
	struct cache *cache;
	const struct config *config;
	uint64_t (*now_wall_ms)(void);
	uint32_t negative_ttl_ms;
	size_t queue_max;
	uint64_t stale_after_ms, give_up_after_ms, stale_if_error_ms;
	struct ram *ram;
	struct fill_origin origins[CONFIG_LIST_MAX];
	struct peers *peers; /* or NULL */
	pthread_t threads[FILL_THREADS_MAX];
	unsigned threads_n;
	pthread_t watch;
	bool watching;
	struct hash_key hash_key;

	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t watch_work; /* CLOCK_MONOTONIC */
	bool stopping;
	struct fill *buckets[FILL_BUCKETS];
	unsigned own_max, own_running; /* threads for this node's viewers: the others are for peers */
	struct fill_queue queue, peer_queue, parked; /* parked: until due_mono_ms */
	TAILQ_HEAD(fill_all, fill) all;              /* the oldest first */
	struct negative negative;                    /* objects */
	struct negative polls;                       /* objects of growing contents: asked for a moment ago */
	struct negative growing_contents;
	struct prng prng; /* jitter */
	struct fills_counters counters;
};

static inline void fills_lock(struct fills *f)
{
	CHECK(pthread_mutex_lock(&f->lock) == 0);
}

static inline void fills_unlock(struct fills *f)
{
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

uint64_t fills_now_mono_ms(void);

/* -- ev_fill.c -- */
/* The head is known: everybody who waits, and whoever comes from now on, streams from it. Takes the
 * reference. */
void fill_grows(struct fill *f, struct growing *g, const struct cache_meta *meta, bool from_peer);
/* Takes the fill out of the table, answers who still waits (`a`'s unit is pinned once more for each), and
 * frees it. */
void fill_ends(struct fill *f, const struct fill_answer *a);
/* Frees one that has not begun, if all who waited for it gave up: a store that was slow is not asked for what
 * nobody wants any more. */
bool fill_drops_unawaited(struct fill *f);
/* Whether the fills end, or this one was purged: a long one gives up. */
bool fill_gives_up(struct fill *f);
bool fill_is_doomed(struct fill *f);
/* False once all who waited for its head have left: then nothing more is begun for it. */
bool fill_is_wanted(struct fill *f);

/* Under the lock. */
struct fill *fills_find(
    struct fills *fs, uint64_t hash, unsigned origin, struct bytes object, uint32_t slice);
struct fill_waiter *fill_detach_all(struct fill *f); /* under the lock */
/* Of other nodes, those who have waited for that long. Under the lock. */
struct fill_waiter *fill_detach_peers(struct fill *f, uint64_t now_ms, uint64_t waited_ms);
/* Posts `a` to all of a detached list. Under the lock. */
void fills_answer(struct fills *fs, struct fill_waiter *all, const struct fill_answer *a);

/* -- ev_fill_queue.c -- all under the lock -- */
void fills_push(struct fill *f);
/* The next one, once there is one for which a thread is free; NULL: the fills end. */
struct fill *fills_pop(struct fills *fs);
void fills_popped_ends(struct fills *fs, bool own);
void fill_unqueue(struct fill *f);
/* It is begun anew then. */
void fill_parks(struct fill *f, uint64_t due_mono_ms);
/* Begins those that are due. When the next will be; UINT64_MAX: none. */
uint64_t fills_unpark(struct fills *fs, uint64_t now_mono_ms);

/* -- ev_fill_missing.c -- */
/* Whether `w` is answered by what is remembered: then its answer is filled. Else *wait_ms: what is to be
 * filled for it is not asked for before. Under the lock. */
bool fills_know_missing(struct fills *fs, uint64_t hash, unsigned origin, struct bytes content,
    struct fill_waiter *w, uint64_t *wait_ms);
/* The origin store has no such object, as it said itself, or as another node told. Ends the fill, or has it
 * begin anew after a while: not to be touched any more. */
void fill_missing(struct fill *f, const struct peer_answer *told);
/* Whether one of the content's playlists said so of late. */
bool fill_content_grows(struct fill *f);
/* A playlist was read. */
void fill_learns_playlist(struct fill *f, struct bytes head);

/* -- ev_fill_peers.c -- */
/* True: the fill is over, or begins anew later. False: the object is to be had from the origin store. `held`
 * (a unit that is stale, or NULL) is the caller's in that case. */
bool fill_from_peers(struct fill *f, struct cache_unit *held);

/* -- ev_fill_watch.c -- */
/* The thread that answers those who wait too long for an origin store that hangs. */
void *fills_watch(void *arg);

/* -- ev_fill_slice.c -- */
/* Whether objects of that name may be cut: playlists are read whole, and keys are small. */
bool fills_cuts(const struct fills *fs, unsigned origin, struct bytes object);
/* The whole object, or else its slice, as the cache has it under that validator (""; any): as cache_look, and
 * the key says which of them it is. */
struct cache_unit *fills_look(struct fills *fs, struct cache_key *k, uint32_t slice, const char *etag);
/* The same of what the fill is asked for. */
struct cache_unit *fill_held(struct fill *f);
/* Opens what is asked for. ERR_INVALID: there is no such slice. */
MUST_USE enum err fill_open(struct fill *f, struct origin_source *s, void **handle, struct origin_info *info,
    struct origin_part *part);
/* What comes is that part: fits the key, the length and the total to it. ERR_TOO_BIG: an object that is too
 * large to be cut. */
MUST_USE enum err fill_takes(
    struct fill *f, const struct origin_info *info, const struct origin_part *part, struct cache_meta *meta);
/* Whether no waiter is known to need another validator. */
bool fill_expects(struct fill *f, const char *etag);
/* A slice comes in place of `held`, or of nothing: what the cache has of the object under another validator
 * than its, where one was expected or held, goes. */
void fill_replaces(struct fill *f, const struct cache_meta *meta, const struct cache_unit *held);
/* The object is gone from its store: it goes from the cache. */
void fill_is_missing(struct fill *f);

/* -- ev_fill_run.c -- */
/* Whether a unit may be served for an origin store that fails: not what may have been purged, and not longer
 * than RFC 5861's stale-if-error is set to here. */
bool fills_may_stand_in(const struct fills *fs, const struct cache_unit *held);
/* `f` is not to be touched after. */
void fill_run(struct fill *f);
/* With what a node gives. True: the fill is over, and `held` released. False: it could not be used, and
 * nobody streams from it. Ends the handle. */
bool fill_take_from_peer(struct fill *f, const struct peer_round *r, void *handle,
    const struct peer_answer *a, struct cache_unit *held);

#endif
