/* The replica as worker threads read it: LMDB read transactions, lock-free beside the writer.
 *
 * Threading: one reader a thread; not shared. Every call renews the reader's transaction and resets
 * it before it returns, so that none is ever left open (a forgotten one makes the file grow without
 * bound). A thread that looks up much at once may keep the transaction of its first lookup for the others
 * (kvs_reader_keep), and rests when it has nothing to do. What is returned is copied.
 */
#ifndef KVS_LMDB_READER_H
#define KVS_LMDB_READER_H

#include "kvs/lmdb_store.h"

struct kvs_reader;

struct kvs_holder {
	struct node_id node;
	struct rpc_location location; /* entry points into the arena */
};

MUST_USE enum err kvs_reader_open(struct kvs_store *s, struct kvs_reader **out);
void kvs_reader_close(struct kvs_reader *r);

/* From now on lookups see what the first one after a rest saw, until the next rest. */
void kvs_reader_keep(struct kvs_reader *r);
/* To be called before the thread waits for anything. */
void kvs_reader_rest(struct kvs_reader *r);

/* The nodes with a location for (origin, content), dead ones too, in order of id, at most `max`. */
MUST_USE enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content,
    struct arena *a, struct kvs_holder *out, size_t max, size_t *n);
/* Goes through all contents, a piece a call, so that who asks may do something else in between. What changes
 * meanwhile is seen or not; a content that stays as it is comes exactly once. */
struct kvs_walk {
	uint64_t hash; /* where it goes on */
	uint8_t which;
	bool end;
};

struct kvs_warmth {
	struct node_id node;
	uint32_t share_permille; /* as in rpc_location */
};

/* Calls `content` for each with a location, with its rpc_location_key: its holders are in `room`, which is
 * for `max` and the callee's to change, and past `max` only counted. Looks at about `bundles` records, one at
 * least. */
MUST_USE enum err kvs_reader_walk(struct kvs_reader *r, struct kvs_walk *w, size_t bundles,
    struct kvs_warmth *room, size_t max, void (*content)(void *ctx, struct bytes key, size_t holders),
    void *ctx);
/* Any entry. ERR_NOT_FOUND when there is none. */
MUST_USE enum err kvs_reader_get(struct kvs_reader *r, const struct node_id *owner, enum rpc_stream stream,
    struct bytes key, struct arena *a, struct bytes *value);

#endif
