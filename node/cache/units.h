/* The index in memory: which units there are, by key (units), and what is held of each content (contents).
 *
 * Pure and without locks. The cache keeps several `struct units`, each under its own lock (a shard); one
 * `struct contents` under another. A unit outlives its place in the table while readers pin it.
 */
#ifndef NODE_CACHE_UNITS_H
#define NODE_CACHE_UNITS_H

#include "node/cache/policy.h"
#include "node/cache/record.h"

#define UNIT_MAGIC 0x756e6974u

struct content;

struct unit {
	unsigned magic;
	/* Fixed at its making, except freshness in `record` (its shard's lock). */
	struct unit_id id;
	struct record record;
	unsigned disk;
	uint64_t charge_bytes; /* space on the disk */
	/* Under its shard's lock. */
	struct unit *next; /* of its bucket */
	uint32_t pins;
	uint64_t mark;  /* cache_mark.purges of its fill */
	uint64_t proof; /* cache_mark.doubts of it, or of when it was confirmed last */
	bool held;      /* in the table */
	bool idle;      /* in the shard's list of descriptors that nobody uses */
	int fd;         /* -1: not open */
	TAILQ_ENTRY(unit) idle_link;
	/* Under its disk's lock. */
	struct policy_node policy;
	/* Under the contents' lock. */
	struct content *content;
	uint8_t text[];
};

/* A copy of the record, with its slices. Never NULL: aborts out of memory. */
struct unit *unit_new(const struct record *r, unsigned disk);
void unit_free(struct unit *u);
/* 64 bits of its id. */
uint64_t unit_key64(const struct unit *u);
/* What cache.h tells of it; `content` points into the unit. */
void unit_meta(const struct unit *u, struct cache_meta *out);

struct units {
	struct unit **buckets;
	size_t mask;
	size_t n;
	size_t empty; /* so many buckets at the start are empty */
};

void units_init(struct units *t);
void units_fini(struct units *t); /* units in it are the caller's */
void units_reserve(
    struct units *t, size_t n); /* room for n in all, so that it need not grow on the way there */
/* The unit of that id and whole key: another key with the same id is not found. */
struct unit *units_find(const struct units *t, const struct unit_id *id, const struct cache_key *k);
/* Whatever stands under that id. */
struct unit *units_at(const struct units *t, const struct unit_id *id);
void units_put(struct units *t, struct unit *u); /* nothing may stand under its id */
void units_take(struct units *t, struct unit *u);
/* Calls for each; it may not change the table. */
void units_each(const struct units *t, void (*each)(void *arg, struct unit *u), void *arg);
/* Any unit, or NULL when it is empty. Taking them all in turn looks at every bucket once. */
struct unit *units_any(struct units *t);

#endif
