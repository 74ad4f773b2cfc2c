/* One row of one owner as this node has it: what is shown, and beside it what is being built anew.
 *
 * `live` is what readers, digests and frames to peers show; it always has have >= base. A row that
 * must be built anew (unknown history, below a floor, bytes that differ) grows in `shadow` and is
 * swapped in when have >= base (R4), so that nothing vanishes in between.
 *
 * Pure. Source: R1-R4.
 */
#ifndef KVS_REPLICA_H
#define KVS_REPLICA_H

#include "kvs/kvs.h"
#include "kvs/row.h"

/* (owner, stream) as digests order it. */
struct row_id {
	uint8_t b[RPC_ROW_ID_BYTES];
};

enum {
	REPLICA_DROPS_MAX =
	    1024, /* collected keys waiting for the store; past it the stored row is written anew */
	REPLICA_ENTRIES_MAX = 1 << 22,
};

struct shadow {
	struct row row;
	uint64_t grown_ms; /* when it last grew */
	bool refetch;      /* it is the live row's own history, fetched anew */
};

/* Collected keys that the store does not know of yet. */
struct replica_drops {
	size_t n;
	struct row_entry *tombstones[REPLICA_DROPS_MAX];
};

/* There are many of them: what few have is kept outside. */
struct replica {
	struct row_id id;
	struct node_id owner;
	enum rpc_stream stream;
	/* Spreading. */
	uint32_t number;             /* of this row in this process, from 1 */
	uint32_t epoch, reset_epoch; /* counts histories; of the last one that inherits nothing */
	struct row live;
	struct shadow *shadow; /* NULL: nothing is being built */
	uint64_t inexact_ms;   /* since when live is not exact; UINT64_MAX: it is */
	uint64_t change;       /* changes.h */
	struct replica *older, *newer;
	uint64_t print;    /* what it adds to the fingerprint of its range */
	struct pull *pull; /* what is missing and will be asked for (pull.h); NULL: nothing */
	/* What the store holds of it (mirror.h). */
	struct {
		uint64_t have;
		bool dirty, fresh, queued;   /* fresh: the store must drop it and begin anew */
		struct replica_drops *drops; /* NULL: none */
	} disk;
};

struct replica *replica_new(const struct node_id *owner, enum rpc_stream stream);
void replica_free(struct replica *r);

struct row_id row_id_of(const struct node_id *owner, enum rpc_stream stream);
int row_id_cmp(const struct row_id *a, const struct row_id *b);

/* What a digest says of it: where it wants frames from. With a shadow that is the shadow's place. */
void replica_position(const struct replica *r, struct rpc_row_position *p);
void replica_meta(const struct replica *r, struct kvs_row_meta *m);

enum replica_outcome {
	REPLICA_APPLIED,
	REPLICA_DUPLICATE, /* nothing new in it */
	REPLICA_GAP,       /* does not continue what is here: to be asked for */
	REPLICA_BEHIND,    /* the sender is behind this row's base or incarnation: told so */
	REPLICA_MALFORMED, /* breaks the law of frames; `why` says how */
};

struct replica_news {
	const char *why;        /* literal */
	bool rebuilt;           /* live is a row that was built beside it */
	bool changed;           /* live is not what it was */
	bool reset;             /* an old history was dropped: another incarnation without inheritance */
	uint64_t reset_entries; /* how many live entries it had */
};

/* Applies a frame of this row's owner. `news` is always filled. */
enum replica_outcome replica_apply(
    struct replica *r, const struct rpc_row_frame *f, uint64_t now_ms, struct replica_news *news);

/* The live row is to be fetched anew (bytes that differ, a row that stays inexact). */
void replica_refetch(struct replica *r, uint64_t now_ms);
void replica_drop_shadow(struct replica *r);
/* A shadow that has not grown for so long waits for what nobody has any more: drops it. */
void replica_expire(struct replica *r, uint64_t now_ms, uint64_t patience_ms);
/* A row as it came from the disk: one that was being built goes on as a shadow. */
void replica_loaded(struct replica *r, uint64_t now_ms);
/* Keeps a collected tombstone for the store; row_collect's callback, arg is the replica. */
void replica_gone(void *replica, struct row_entry *e);

/* What to send to a peer that stands at p. */
struct replica_plan {
	bool send;
	bool reset;    /* built anew over there */
	uint64_t from; /* exclusive */
};
struct replica_plan replica_plan_for(const struct replica *r, const struct rpc_row_position *p);
/* True when a peer at p has what this row lacks, and it would be taken. */
bool replica_lacks(const struct replica *r, const struct rpc_row_position *p);

#endif
