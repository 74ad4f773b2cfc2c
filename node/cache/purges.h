/* Which purges a cache has applied: of each owner, up to which version of its control row (gossip's order).
 *
 * A purge is an entry of its owner's control row. Who has read a row up to a version has seen all purges that
 * stand in it up to there, so that one number an owner is enough, and what comes later is found above it. It
 * is kept on each cache disk beside its index: a disk that was away has missed what the others applied.
 *
 * Pure container, sorted by owner; no thread.
 */
#ifndef NODE_CACHE_PURGES_H
#define NODE_CACHE_PURGES_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/node_id.h"

#include <stddef.h>

struct purges_row {
	struct node_id owner;
	struct incarnation incarnation;
	uint64_t version;
	bool dirty; /* to be written */
};

struct purges {
	struct purges_row *rows;
	size_t n, cap;
};

enum { PURGES_VALUE_BYTES = 24 };

void purges_init(struct purges *p);
void purges_fini(struct purges *p);
/* NULL when there is none; valid until the next purges_at. */
struct purges_row *purges_find(const struct purges *p, const struct node_id *owner);
/* Makes it when there is none. */
struct purges_row *purges_at(struct purges *p, const struct node_id *owner);
/* What both have applied: the older of two positions, and nothing of an owner that one of them lacks, or that
 * they know in different runs. */
void purges_meet(struct purges *p, const struct purges *other);

/* A position's record: incarnation and version, little-endian; may grow at its end (V4). */
void purges_encode(const struct purges_row *r, uint8_t out[PURGES_VALUE_BYTES]);
MUST_USE enum err purges_decode(struct bytes value, struct purges_row *out);

/* A row as the replica has it now. */
struct purges_seen {
	struct incarnation incarnation;
	/* Whether that run goes on with what `former` had said up to `version` (R2). */
	bool (*inherits)(void *arg, struct incarnation former, uint64_t version);
	void *arg;
	uint64_t forgotten; /* purges up to there were deleted */
};
/* Where to read on: purges above *after are new. False: purges may have been missed, of which nothing is left
 * to be read: what is held has to be confirmed by its origin store before it is served. `known` may be NULL:
 * the owner is new. */
bool purges_read_on(const struct purges_row *known, const struct purges_seen *seen, uint64_t *after);

#endif
