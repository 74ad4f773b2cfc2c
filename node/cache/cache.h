/* The node-local cache: whole units on disk, an index that survives restarts (D5).
 *
 * A unit is (origin store, object, validator, slice). It is written to a temporary file, and when it is
 * whole its length and checksum are recorded and it is renamed into place; its file is never changed
 * afterwards. Another validator is another file: the old one serves its readers to the end.
 *
 * Several disks, each with its own index: a lost disk loses only its own units. A disk that fails or
 * is full is out of service for writing, never for the node.
 *
 * Threading: every call from any thread unless said otherwise. No lock is held during I/O.
 */
#ifndef NODE_CACHE_CACHE_H
#define NODE_CACHE_CACHE_H

#include "base/arena.h"
#include "node/cache/purges.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CACHE_ORIGIN_MAX = 64, CACHE_OBJECT_MAX = 1024, CACHE_VALIDATOR_MAX = 64, CACHE_CHECKSUM_BYTES = 16 };

struct cache;

struct cache_key {
	struct bytes origin;
	struct bytes object; /* content/path, decoded */
	uint32_t slice;      /* slices.h; 0: the object is one unit */
};

/* When an origin store was asked, in the cache's own order of purges and doubts. */
struct cache_mark {
	uint64_t purges, doubts;
};

struct cache_meta {
	struct bytes content; /* which content the object was filled for: accounting, locations, purge */
	uint64_t length;      /* bytes of this unit */
	uint64_t total;       /* of a slice: bytes of the object; 0: the unit is the whole object */
	char etag[CACHE_VALIDATOR_MAX + 1]; /* strong entity tag with its quotes: the validator */
	int64_t modified_s;                 /* unix time, 0 = unknown */
	uint64_t answered_wall_ms;          /* when the origin store said so: freshness counts from here */
	uint64_t ttl_ms;                    /* how long it is fresh from then; UINT64_MAX = immutable */
	struct cache_mark mark;             /* of a writer: before the origin store was asked for it */
	/* Of a unit: a purge of it may have been missed. It may only be served when the origin store has
	 * confirmed it (cache_refresh). */
	bool unproven;
};

/* Bytes of the object that the unit is, or is a slice of. */
static inline uint64_t cache_object_bytes(const struct cache_meta *m)
{
	return m->total != 0 ? m->total : m->length;
}

/* A pinned unit: its file stays open and its space is charged until it is released. */
struct cache_unit {
	int fd;
	uint64_t file; /* of each file another, never 0: descriptors are used again */
	const struct cache_meta *meta;
};

struct cache_disk_config {
	const char *path;
	uint64_t size_bytes;
};

/* What was found out of a content by reading its playlists. */
struct cache_measure {
	uint32_t share_permille; /* held of what a viewer asks for; 0 = unknown */
	uint32_t kbps;           /* what a viewer of it takes; 0 = unknown */
	uint32_t segments;       /* that its playlists name */
};

struct cache_content_news {
	struct bytes origin, content;
	uint64_t bytes;     /* held now; 0 = nothing any more */
	uint32_t objects;   /* units: a large object counts once for each of its slices */
	struct bytes entry; /* "master.m3u8", "index.m3u8", "manifest.mpd" (the first of them held), or empty */
	bool fewer;         /* objects than when it was told last */
	bool measured;      /* else share and kbps are 0 */
	uint32_t share_permille, kbps;
};

enum { CACHE_PLAYLISTS_MAX = 64 };

/* A content that is worth a look. Names live in the caller's arena. */
struct cache_unmeasured {
	struct bytes origin, content;
	struct bytes playlists[CACHE_PLAYLISTS_MAX]; /* objects "....m3u8" that are held; at least one */
	size_t playlists_n;
	uint32_t objects; /* of the content, now */
};

struct cache_config {
	const struct cache_disk_config *disks;
	size_t disks_n;
	const char *boot_id;
	bool unproven;                              /* what the disks hold already is, until cache_prove */
	int (*open_now)(int dir, const char *path); /* NULL: the kernel's (fs_disk.h) */
};

/* What happened at open, one line a disk. */
struct cache_disk_report {
	const char *path;
	enum err state;        /* OK, or why the disk is out of service */
	uint64_t units, bytes; /* found */
	uint64_t dropped;      /* index entries without a good file, files without an entry */
	bool rebuilt;          /* the index was unreadable: set aside and made anew */
	char detail[200];
};

/* Opens every disk (made with mode 0700 when missing); fails only when no disk serves. ERR_BUSY: another
 * process has one of them. reports has room for disks_n. */
MUST_USE enum err cache_open(
    const struct cache_config *c, struct cache **out, struct cache_disk_report *reports);
void cache_close(struct cache *c); /* no unit pinned, no writer open; NULL is fine */

/* The newest whole unit of that key, fresh or not; NULL when there is none. Release it. Counts as a use. Of a
 * slice: the whole object, where that is one unit (meta->total tells them apart). */
struct cache_unit *cache_get(struct cache *c, const struct cache_key *k);
/* The same, but never waits for a disk. NULL with *disk >= 0: there is one, and where its file lies has to be
 * read from that disk first: ask with cache_get where waiting does no harm. Else *disk is -1. */
struct cache_unit *cache_get_now(struct cache *c, const struct cache_key *k, int *disk);
/* As cache_get, without counting as a use, a hit or a miss: for fills, whose askers called cache_get before.
 */
struct cache_unit *cache_look(struct cache *c, const struct cache_key *k);
void cache_release(struct cache *c, struct cache_unit *u);
/* One more pin of the same unit, for another reader; never NULL. */
struct cache_unit *cache_pin(struct cache *c, const struct cache_unit *u);

/* For a copy that somebody keeps of a unit elsewhere: whether the cache still hands out that unit,
 * unconfirmed and undoubted since. Says "changed" too often, never too seldom; then the copy looks again. */
enum { CACHE_FILE_BYTES = 16 };
struct cache_watch {
	const _Atomic uint64_t *changes; /* of a part of the cache, as long as that is open */
	uint64_t seen;
	uint8_t file[CACHE_FILE_BYTES]; /* no two units ever have the same */
};
struct cache_watch cache_watch(const struct cache *c, const struct cache_unit *u);
static inline bool cache_unchanged(const struct cache_watch *w)
{
	return atomic_load_explicit(w->changes, memory_order_acquire) == w->seen;
}

/* -- filling: by one thread a writer -- */
struct cache_writer;
/* Makes room (evicting) and opens a temporary file. ERR_NO_SPACE, ERR_IO: serve through, do not store. */
MUST_USE enum err cache_write_begin(
    struct cache *c, const struct cache_key *k, const struct cache_meta *m, struct cache_writer **out);
/* A descriptor to read what was written so far (for growing_new): the caller's, dup'ed. ERR_IO when out of
 * them. */
MUST_USE enum err cache_write_fd(struct cache_writer *w, int *fd);
MUST_USE enum err cache_write(struct cache_writer *w, struct bytes data);
/* Whole: checks the length, renames, indexes, tells the news. Ends the writer in any case. ERR_EXPIRED: its
 * content was purged since meta->mark. */
MUST_USE enum err cache_write_commit(struct cache_writer *w);
void cache_write_abort(struct cache_writer *w);

/* The same validator was confirmed by the origin store, which was asked after `mark`: fresh again from then.
 */
void cache_refresh(struct cache *c, const struct cache_key *k, const char *etag, uint64_t answered_wall_ms,
    struct cache_mark mark);
void cache_remove(struct cache *c, const struct cache_key *k);
/* The object has that validator now, and `total` bytes: its units under another one go. Looks at each slice
 * that it could have: not for a loop's thread. */
void cache_remove_others(struct cache *c, const struct cache_key *k, uint64_t total, const char *etag);

/* -- purges (fs_purge.c) -- */
/* Whether an object, filled for a content, is of the content that is purged: filled for it, or named so. */
bool cache_purges_object(struct bytes purged, struct bytes filled_for, struct bytes object);
/* To be taken before an origin store is asked for what will be stored. */
struct cache_mark cache_mark(const struct cache *c);
/* Removes all of a content, of whatever origin store; returns how many units. What was asked for before is
 * not stored when it is whole (cache_write_commit says ERR_EXPIRED). Looks at every unit: not for a loop's
 * thread. */
uint64_t cache_purge(struct cache *c, struct bytes content);
/* Every purge that what the disks held at the start may have missed was applied. */
void cache_prove(struct cache *c);
/* Purges may have been missed: all that is held now is unproven, after restarts too once cache_purges_store
 * has said so. */
void cache_doubt(struct cache *c);

enum { CACHE_PURGE_ID_BYTES = 16, CACHE_PURGE_IDS_MAX = 32 };
struct cache_purge_id {
	uint8_t b[CACHE_PURGE_ID_BYTES];
};
/* The purges that were applied last, the oldest first. */
struct cache_purge_ids {
	struct cache_purge_id ids[CACHE_PURGE_IDS_MAX];
	size_t n;
};
/* What all disks that hold anything had applied when they were opened. */
void cache_purges_load(struct cache *c, struct purges *out, struct cache_purge_ids *ids);
/* Durable on every disk on return, with the removals and doubts before it. Rows that are not dirty stay as
 * they are there. An error: on one disk at least it is not; that one stays behind. */
MUST_USE enum err cache_purges_store(
    struct cache *c, const struct purges_row *rows, size_t n, const struct cache_purge_ids *ids);

/* -- what is held of each content (fs_contents.c) -- */

/* For the location entries. Calls `news` for every content of which more than a little changed since it was
 * last told (all of them the first time), or a little five minutes ago; at most `max`; returns how many. More
 * than a little: the entry, the first or last object, an eighth of the share, or where that is unknown of the
 * objects. One thread (control). Slices are valid during the call. */
size_t cache_poll_news(
    struct cache *c, size_t max, void (*news)(void *arg, const struct cache_content_news *n), void *arg);
/* Called (from any thread, cheaply) when there is news to poll. After cache_on_news(c, NULL, NULL) has
 * returned it is not called any more. It must not call the cache. */
void cache_on_news(struct cache *c, void (*wake)(void *arg), void *arg);

/* What a content is made of its playlists tell, which the cache does not read: it says which contents have
 * changed enough since they were measured, some 100 ms after they did, or a minute after they changed a
 * little. After a start all that have a playlist. One thread asks. */
/* True: *out is to be measured and not told again until it changes; the arena has no room: it is told later.
 * False: *at_mono_ms says when there will be one; UINT64_MAX when none is known. */
bool cache_next_unmeasured(
    struct cache *c, struct arena *a, struct cache_unmeasured *out, uint64_t *at_mono_ms);
/* What was found, when `objects` of it were held. */
void cache_measured(struct cache *c, struct bytes origin, struct bytes content, uint32_t objects,
    const struct cache_measure *m);
/* Called (from any thread, cheaply) when the answer of cache_next_unmeasured is another. As cache_on_news. */
void cache_on_unmeasured(struct cache *c, void (*wake)(void *arg), void *arg);
/* Its playlists, as of cache_unmeasured; returns how many. 0 too when the arena has no room. */
size_t cache_playlists(struct cache *c, struct bytes origin, struct bytes content, struct arena *a,
    struct bytes names[CACHE_PLAYLISTS_MAX]);
/* Whether all of that object is held, as one unit or in slices, fresh or not. No use of it, no hit and no
 * miss. */
bool cache_holds(struct cache *c, const struct cache_key *k, uint64_t *length_bytes);

struct cache_counters {
	uint64_t units, bytes, size_bytes, hits, misses, stored, evicted, write_failures, disks_down;
	/* How long ago what would be evicted next was used last, of the disk where that is the least; UINT32_MAX
	 * while no disk is nearly full. */
	uint32_t evict_age_s;
};
void cache_count(const struct cache *c, struct cache_counters *out);
/* Regular upkeep (sync marks, unlinking, statfs): a thread of the cache's own does it. */

#endif
