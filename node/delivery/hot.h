/* Small objects that are asked for often, in memory: the body, the same as gzip where that is wanted, and the
 * head of the usual answer as text.
 *
 * What is held is a copy of a unit of the cache, and says which (cache_watch); whoever answers with it asks
 * first whether that is still the cache's. Bounded in bytes; what makes room is chosen by SIEVE (Zhang et
 * al., NSDI '24): a hand goes from the oldest to the newest, takes away the mark of what was used since it
 * last came by, and what has none leaves. An object is let in when it is asked for a second time within some
 * thousand others.
 *
 * Pure; one worker's, without locks. One that left the table lives on while it is being sent.
 */
#ifndef NODE_DELIVERY_HOT_H
#define NODE_DELIVERY_HOT_H

#include "base/hash.h"
#include "node/cache/cache.h"

#include <sys/queue.h>

enum {
	HOT_OBJECT_MAX_BYTES = 64 << 10, /* of what goes out as gzip */
	/* Of what goes out as it is: from 4 KiB on a copy into the socket's memory costs more than sendfile,
	 * which makes none. */
	HOT_PLAIN_MAX_BYTES = 2 << 10,
	HOT_GHOSTS = 4096, /* objects remembered as seen once */
};

enum hot_coding { HOT_IDENTITY, HOT_GZIP, HOT_CODINGS };

/* The head of the usual answer, and when it says what is so: its Date is of that second, its Age holds up to
 * then. */
struct hot_head {
	struct bytes text; /* empty: to be made */
	uint64_t date_s;
	uint64_t until_wall_ms;
};

struct hot {
	unsigned magic;
	struct hot_table *table;
	struct cache_meta meta; /* `content` is not kept */
	struct cache_watch watch;
	uint64_t looked_mono_ms; /* when the cache was last asked */
	struct bytes body[HOT_CODINGS];
	struct hot_head head[HOT_CODINGS];
	bool incompressible;
	bool varies; /* the giver's: goes out as gzip to those who take it */
	/* the table's own */
	TAILQ_ENTRY(hot) order;
	struct hot *next; /* of its bucket */
	uint64_t hash;
	uint64_t charged_bytes;
	unsigned refs;
	bool held, used;
	struct bytes origin, object;
	uint8_t text[];
};

struct hot_config {
	uint64_t max_bytes;
	struct hash_key key;
	/* A bound that is shared with others, besides; may be NULL. */
	bool (*take)(void *ctx, uint64_t bytes);
	void (*give)(void *ctx, uint64_t bytes);
	void *ctx;
};

struct hot_table;
struct hot_table *hot_table_new(const struct hot_config *c);
void hot_table_free(struct hot_table *t); /* nothing of it is being sent; NULL is fine */

/* What is held under that name, marked as used; NULL when there is nothing. */
struct hot *hot_find(struct hot_table *t, struct bytes origin, struct bytes object);
/* Whether the object was asked about before, not long ago; from now on it was. */
bool hot_seen(struct hot_table *t, struct bytes origin, struct bytes object);
/* Lets it in, in place of what was held under that name. Takes `body`, which is malloc'd, in any case; NULL:
 * there is no room. */
struct hot *hot_put(struct hot_table *t, struct bytes origin, struct bytes object,
    const struct cache_meta *meta, const struct cache_watch *watch, struct bytes body);
void hot_drop(struct hot_table *t, struct hot *h);
/* What the cache says now of the same unit. */
void hot_update(struct hot *h, const struct cache_meta *meta, const struct cache_watch *watch);
/* Makes the gzip, once. False: there is none, it would not be worth it. */
bool hot_pack(struct hot *h);
/* Keeps a copy of the text. */
void hot_set_head(struct hot *h, enum hot_coding coding, const struct hot_head *head);
struct hot *hot_ref(struct hot *h);
void hot_unref(struct hot *h);

struct hot_counts {
	uint64_t objects, bytes;
};
struct hot_counts hot_count(const struct hot_table *t);

#endif
