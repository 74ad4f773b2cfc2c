/* Fills: how an object that is not in the cache, or no longer fresh, comes in (D5, D6).
 *
 * One fill a unit on this node: the table is keyed by (origin, object, slice); whoever comes while it runs
 * joins it and streams from the same growing file, released as soon as the head is known. Of a large object
 * one slice is asked for (slices.h), with one request that tells the object's length too; what comes is the
 * whole object where that is no longer than a slice, or its store knows no ranges. One that nobody waits for
 * any more before it has begun is dropped. What fails backs off.
 *
 * What the origin store does not have is remembered for 5 s (negative_ttl_ms), from its answer on: who is
 * told by another node is told how much of it is left. Of a growing content (one of its media playlists
 * without an end was read here within its last three segments, or the node that filled says so) an object
 * that is no playlist may come any moment: it is asked for again every 250 ms for 2 s while viewers wait, and
 * then missing for 500 ms. Through the content's first node that is once every 250 ms for the cluster.
 *
 * A full or failing cache disk: the unit is kept in memory (memfd, within ram_bytes) for its waiters and not
 * stored.
 *
 * Threading: fill_want and fill_forget from any worker; answers arrive as a letter in the waiter's
 * mailbox. Fills run on a bounded pool of threads; the queue in front of it is bounded (past it: ERR_FULL).
 */
#ifndef NODE_ORIGIN_FILL_H
#define NODE_ORIGIN_FILL_H

#include "node/cache/cache.h"
#include "node/config.h"
#include "node/ev_mailbox.h"
#include "node/http/growing.h"

struct fills;
struct origin_source;
struct peers;
struct ram;

struct fills_config {
	struct cache *cache;
	const struct config *config; /* origins, rules, ram_bytes */
	unsigned threads;            /* 0 = default 8; with peers as many again, for what they ask to be filled */
	size_t queue_max;            /* fills waiting for a thread; 0 = default 1024 */
	uint32_t negative_ttl_ms;    /* 0 = default 5000 */
	uint32_t stale_after_ms;     /* an answer that takes longer comes from an old unit, if there is one; 0 =
	                                default 1000 */
	uint32_t give_up_after_ms;   /* or is FILL_FAILED, ERR_TIMEOUT; 0 = default 8000 */
	uint64_t stale_if_error_ms;  /* so long past its freshness a unit stands in for a store that fails (RFC
	                                5861);  0 = default a day */
	uint64_t (*now_wall_ms)(void);
	/* One for each of config->origins, taken over; NULL: made as the configuration says. */
	struct origin_source *const *sources;
	struct peers *peers; /* asked first (D7); NULL: none. Outlives the fills */
};

MUST_USE enum err fills_new(const struct fills_config *c, struct fills **out);
/* Fails what runs, joins the threads. No waiter may be left that minds. NULL is fine. */
void fills_free(struct fills *f);

enum fill_outcome {
	FILL_HIT,       /* whole and fresh in the cache (after a revalidation): unit, to be released */
	FILL_GROWING,   /* being filled: growing (a reference) and its meta */
	FILL_NOT_FOUND, /* the origin store has no such object */
	FILL_FAILED,    /* `error`: the origin store is missing, slow, unreadable; or the queue is full. For
	                   another node ERR_BUSY: this one waits for a fill elsewhere itself */
	FILL_NO_SLICE, /* of a slice behind the first: the object has none of that number. The first tells more */
	FILL_PENDING,  /* for another node only: the origin store takes its time; ask again */
};

struct fill_answer {
	enum fill_outcome outcome;
	struct cache_unit *unit;
	struct growing *growing;
	struct cache_meta meta; /* of FILL_GROWING; content is empty in it */
	bool collapsed;         /* joined a fill that somebody else had started */
	bool stale; /* of FILL_HIT: the origin store failed or is slow; what was held before costs no viewer (D6)
	             */
	bool from_peer;
	/* Of FILL_NOT_FOUND: */
	uint32_t missing_ms; /* for so long nobody is asked for it again */
	bool grows;          /* its content grows: it may be there soon */
	enum err error;
};

/* Part of the asker's object. The letter's deliver() reads `answer`. */
struct fill_waiter {
	struct letter letter;
	struct mailbox *mailbox;
	/* Nobody has asked for it yet: while all who wait are such, what is missing is not remembered as such. It
	 * may be there by the time somebody asks. */
	bool ahead;
	/* Asked by another node (D7): no third one is made to fill for it, what is missing is told at once, and
	 * FILL_PENDING within a second. */
	bool for_peer;
	struct fill_answer answer;
	/* The table's own. */
	struct fill *fill;
	uint64_t since_mono_ms;
	struct fill_waiter *next;
	struct fill_waiter **prev; /* NULL: answered or forgotten */
};

/* Asks for an object of a content: for all of it, or its first slice. Always answered by the letter, unless
 * forgotten. */
void fill_want(struct fills *f, const struct config_origin *origin, struct bytes content, struct bytes object,
    struct fill_waiter *w);
/* Asks for one slice, from 1. What comes may be the whole object instead: meta->total tells. `etag` is that
 * of the slices which the asker has already, or NULL: what the cache or another node has under another one is
 * not taken. The origin store may have another by now: the asker compares. */
void fill_want_slice(struct fills *f, const struct config_origin *origin, struct bytes content,
    struct bytes object, uint32_t slice, const char *etag, struct fill_waiter *w);
/* Forgets a waiter whose viewer is gone. True: the letter will not be delivered any more. False: it is posted
 * already, keep the waiter until it is delivered. */
bool fill_forget(struct fills *f, struct fill_waiter *w);

/* What is being filled of a content was asked for before a purge of it: whoever streams from it is reset, who
 * still waits gets a new fill. Before cache_purge, which keeps out what is done already. Any thread. */
void fills_purge(struct fills *f, struct bytes content);

struct fills_counters {
	uint64_t running, queued, started, joined, whole, failed, not_found, negative_hits, revalidated;
	uint64_t bytes_from_origin, unstored;
	uint64_t origin_requests; /* attempts at any origin store, for an object or its head */
	uint64_t from_peers;      /* whole, out of another node's cache */
	uint64_t bytes_from_peers, peer_misses, peer_failures;
	uint64_t threads;                    /* that fills for viewers run on */
	uint64_t for_peers;                  /* asked for by other nodes */
	uint64_t fills_asked, fills_awaited; /* of other nodes; answers of these to ask again */
	uint64_t hedged;                     /* slow holders given up for the next one */
	uint64_t parked;                     /* wait until they may be asked for again */
	uint64_t missing_again;              /* asked for again, of a growing content */
	uint64_t stale;                      /* old units that stood in for a store that fails or is slow */
};
/* The bound on memory, config->ram_bytes, for others who keep something within it (fs_fill_body.h). */
struct ram *fills_ram(const struct fills *f);
void fills_count(const struct fills *f, struct fills_counters *out);

#endif
