/* One authorised media request until its last byte is sent: what ev_job.c (from the request to the answer's
 * head) and ev_body.c (the body of a large object, slice after slice) share. On the heap: it outlives the
 * exchange of a viewer who left while a fill's answer was under way. Belongs to one worker.
 */
#ifndef NODE_DELIVERY_EV_MEDIA_JOB_H
#define NODE_DELIVERY_EV_MEDIA_JOB_H

#include "base/obj.h"
#include "node/cache/cache.h"
#include "node/cache/slices.h"
#include "node/delivery/ev_job.h"
#include "node/http/range.h"
#include "node/origin/fill.h"

#define JOB_MAGIC 0x6d6a6f62u

/* The bytes of an object from `start` up to `end`, in the cache or on their way there. */
struct body_source {
	struct cache_unit *unit;
	struct growing *growing; /* a reference */
	uint64_t start, end;
};

struct body {
	struct body_source now, next;
	enum { NEXT_NONE, NEXT_ASKED, NEXT_READY, NEXT_FAILED } state; /* of the next */
	bool waits;                                                    /* the viewer does, for it */
	bool asked_first; /* a later slice was not to be had, all of the object is asked for */
	uint64_t at, end; /* the next byte to give; where the answer ends */
	uint64_t total;   /* bytes of the object */
	uint64_t filled;  /* bytes given that were not in the cache */
	char etag[CACHE_VALIDATOR_MAX + 1];
};

struct media_job {
	unsigned magic;
	struct delivery *d;
	struct http_exchange *x; /* NULL: the viewer is gone */
	const struct config_origin *origin;
	struct rpc_session_id session;
	struct bytes content, object; /* in the exchange's arena */
	unsigned entry;               /* which of media_entries is looked for; 0: the object itself */
	uint32_t slice;               /* that the answer is to begin in, as far as is known */
	unsigned turns;               /* how often that was found to be another one */
	bool was_stale;               /* an old unit was found first */
	bool hold_later;              /* in memory, when it was sent */
	struct media_worker *worker;
	uint64_t pace_bytes_per_s; /* as of http_response */
	struct media_look *look;   /* while it is looked for aside */
	/* Of what the session starts with: it is answered with pathways where that can be (ev_steer.c). */
	bool steered;
	bool was_read, was_awaited;      /* what that took */
	struct growing *awaited;         /* to its end, a reference */
	struct growing_waiter at_length; /* its letter */
	uint64_t await_bytes;
	struct fill_waiter waiter;
	struct orphan orphan; /* while x is NULL */
	/* while the body is sent */
	bool has_body, from_peer;
	bool answered; /* the waiter is the body's */
	struct body body;
};

/* A source of the slice that was asked for, or of the whole object. Takes the unit or the reference. */
struct body_source body_source_of(
    const struct cache_meta *m, uint32_t slice, struct cache_unit *unit, struct growing *growing);
void body_source_end(struct delivery *d, struct body_source *s);

/* Adds the parts of the answer's body to `r`: the bytes that `s` selects, the first of which is in `from`,
 * which it takes. */
void body_begin(struct media_job *j, const struct cache_meta *m, const struct http_selection *s,
    struct body_source *from, struct http_response *r);
/* What was asked for ahead has been answered. */
void body_on_answer(struct media_job *j);
/* Lets go of what it holds. True: the fill's letter is under way still. */
bool body_end(struct media_job *j);

#endif
