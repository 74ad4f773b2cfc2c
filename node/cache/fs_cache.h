/* Inside of the cache: what its fs_*.c share.
 *
 * Locks, in the order in which they may be taken: a shard's, a disk's, the contents'. None is held during
 * I/O. shard    its units (by the first byte of the id): table, pins, open descriptors disk     order of
 * eviction, charged bytes, sequence numbers, changes that wait for the index contents what is held of each
 * content
 *
 * A unit that leaves the table (evicted, replaced, removed) lives on while it is pinned; who takes the last
 * pin away closes and unlinks it and gives its space back.
 */
#ifndef NODE_CACHE_FS_CACHE_H
#define NODE_CACHE_FS_CACHE_H

#include "base/check.h"
#include "node/cache/contents.h"
#include "node/cache/fs_disk.h"
#include "node/cache/lmdb_index.h"

#include <pthread.h>

enum {
	CACHE_SHARDS = 64, /* at most 256: chosen by the first byte of the id */
	CACHE_DISKS_MAX = 16,
	INDEX_OPS_MAX = 65536,      /* changes that wait for the index; past it they are dropped (fs_index.c) */
	REST_AFTER_ERROR_MS = 5000, /* a disk that was full or failed takes no new unit for that long */
};

struct shard {
	pthread_mutex_t lock;
	struct units units;
	TAILQ_HEAD(shard_idle, unit) idle; /* open descriptors that nobody uses, the longest unused first */
	unsigned open_n, open_max;
	_Atomic uint64_t changes; /* of what a look at any of its units would tell; raised under the lock */
};

/* A content that was purged: what was asked for before is not let in. */
struct bar {
	uint64_t number; /* of the purge */
	struct bytes content;
};

enum { BARS_MAX = 1024 };

struct known_file;

struct sweep_state {
	struct known_file *known;    /* what the index named at open, by folder */
	size_t end[FS_DISK_FOLDERS]; /* of each folder's in it */
	unsigned folder;             /* the next to sweep; FS_DISK_FOLDERS: done */
};

struct cache_disk {
	struct cache *cache;
	unsigned number;
	char *path;
	bool serves;
	struct fs_disk files;
	struct lmdb_index *index;
	char boot_id[INDEX_BOOT_ID_MAX + 1];
	pthread_t upkeep;
	struct sweep_state sweep; /* the upkeep thread's */

	/* From taking what waits to its commit: who has flushed knows that all before it is written. */
	pthread_mutex_t index_lock;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* CLOCK_MONOTONIC */
	bool closing;
	struct policy policy;
	uint64_t size_bytes;  /* as configured */
	uint64_t limit_bytes; /* less when the file system has less left */
	uint64_t charged_bytes;
	uint64_t rest_until_ms;
	uint64_t sequence, synced;
	uint64_t doubted; /* units up to that sequence are in doubt over restarts */
	struct index_op *ops, **ops_end;
	size_t ops_n;
};

#define CACHE_MAGIC 0x63616368u

struct cache {
	unsigned magic;
	struct shard shards[CACHE_SHARDS];
	struct cache_disk disks[CACHE_DISKS_MAX];
	size_t disks_n;
	pthread_mutex_t contents_lock;
	struct contents contents;
	void (*wake)(void *arg);
	void *wake_arg;
	void (*wake_measurer)(void *arg);
	void *wake_measurer_arg;
	/* fs_purge.c: bars under its lock, which is taken last. */
	pthread_mutex_t purge_lock;
	struct bar bars[BARS_MAX]; /* by number modulo BARS_MAX */
	atomic_uint_fast64_t purge_n;
	atomic_uint_fast64_t doubts, proven_from; /* a unit whose proof is below that is unproven */
	bool purges_loaded;                       /* of some disk */
	struct purges purges;
	struct cache_purge_ids purge_ids;
	atomic_uint_fast64_t hits, misses, stored, evicted, write_failures;
	atomic_uint_fast64_t pinned; /* units and writers out there: none at the close */
};

static inline void cache_lock(pthread_mutex_t *m)
{
	CHECK(pthread_mutex_lock(m) == 0);
}

static inline void cache_unlock(pthread_mutex_t *m)
{
	CHECK(pthread_mutex_unlock(m) == 0);
}

static inline struct shard *cache_shard(struct cache *c, const struct unit_id *id)
{
	return &c->shards[id->b[0] % CACHE_SHARDS];
}

/* After what changed; of units, under its lock. */
static inline void shard_changed(struct shard *s)
{
	atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
}

uint64_t cache_now_mono_ms(void);
static inline uint32_t cache_now_s(void)
{
	return (uint32_t)(cache_now_mono_ms() / 1000);
}
/* What a file of that length takes on a disk. */
uint64_t cache_charge_of(uint64_t length_bytes);
static inline bool disk_resting(const struct cache_disk *d, uint64_t now_mono_ms) /* its lock is held */
{
	return d->rest_until_ms > now_mono_ms;
}

/* -- fs_cache.c -- */
/* Puts a whole new unit into the table, in place of what stood there, and tells the index; its space is
 * charged already. False: it was purged meanwhile, and is destroyed. */
bool cache_insert(struct cache *c, struct unit *u);
/* At the start: a unit that the index knows; it has no place in the eviction's order yet. False: one that was
 * asked for later stands there already, from another disk. */
bool cache_insert_loaded(struct cache *c, struct unit *u);
/* Takes the unit of that id and file out, if it is still there. */
bool cache_drop(struct cache *c, const struct unit_id *id, const struct file_id *file);
/* The disk was full or failed: it rests. */
void cache_disk_rest(struct cache_disk *d);

/* -- fs_contents.c -- */
/* After contents_add and the like, without their lock: wakes whom the change is of interest to. */
void cache_contents_changed(struct cache *c, unsigned changes);
/* Wakes for news that have become due; now and then. */
void cache_contents_due(struct cache *c);

/* -- fs_purge.c -- */
/* What a unit's proof can be besides cache_mark.doubts, which begins at PROOF_RUN. */
enum { PROOF_DOUBTED = 0, PROOF_LOADED = 1, PROOF_RUN = 2 };
void cache_purge_init(struct cache *c, bool unproven);
void cache_purge_fini(struct cache *c);
/* Under the shard's lock: whether a purge since its mark forbids the unit. */
bool cache_barred(struct cache *c, const struct unit *u);
/* What that disk had applied; a disk without units has missed nothing. */
MUST_USE enum err cache_purges_read(struct cache_disk *d, bool holds_any);

/* -- fs_gather.c -- */
/* What an index named. Zeroed: nothing. */
struct gathered {
	struct unit **units; /* by id; its own until n is less */
	size_t n;
	struct index_op *drop; /* entries to delete */
	uint64_t dropped;
	uint64_t last_sequence;
};
MUST_USE enum err cache_gather(
    struct cache_disk *d, struct gathered *out); /* on failure too: what was read */
void gathered_drop(struct gathered *g, const struct unit_id *id);
void gathered_fini(struct gathered *g);

/* -- fs_load.c -- */
/* Opens one disk and loads its units. On failure the disk is closed again. */
MUST_USE enum err cache_disk_load(
    struct cache_disk *d, const char *boot_id, struct cache_disk_report *report);

/* Everything written, synced and closed; nobody uses it. */
void cache_disk_close(struct cache_disk *d);

/* -- fs_index.c -- */
/* Queues a change of the index; record NULL: delete. The disk's lock is held. */
void cache_index_later(struct cache_disk *d, const struct unit_id *id, const struct record *r);
/* Writes what waits, now. */
enum err cache_index_flush(struct cache_disk *d);
/* Syncs what was stored, and marks it. By the upkeep thread, or when there is none. */
void cache_disk_sync(struct cache_disk *d);

/* -- fs_sweep.c: by the upkeep thread, or when there is none -- */
/* units: all that the index named. */
void cache_sweep_begin(struct cache_disk *d, struct unit *const *units, size_t n);
/* Sweeps one folder. False: it was the last. */
bool cache_sweep_turn(struct cache_disk *d);
void cache_sweep_end(struct cache_disk *d);

/* -- fs_upkeep.c -- */
/* One thread a disk: writes waiting changes to the index every 250 ms, syncs and measures the disk every 5 s,
 * and sweeps, a folder at a time. */
void cache_upkeep_start(struct cache_disk *d);
void cache_upkeep_stop(struct cache_disk *d); /* and closes the disk */

#endif
