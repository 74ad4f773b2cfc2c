/* The store thread: owns every LMDB write transaction and its fsync, so that a slow disk never looks
 * like death to the peers (control goes on).
 *
 * Threading: all calls from control; the callbacks come on control's loop. Batches are committed in the
 * order of submission, several in one transaction when they queue up.
 *
 * A batch of others' rows alone waits STORE_LINGER_MS for more to come, for a commit writes whole pages: at a
 * million entries a change costs 9.6 kB of them in groups of 100, and 2.1 kB in groups of 10,000. Readers see
 * it that much later; peers do not wait for it. Own writes are committed at once, and take along what waits.
 * A group ends at STORE_GROUP_BYTES: what one transaction touches stays in the file as free pages.
 *
 * Bound: past STORE_QUEUE_BYTES store_full() is true, and control takes in no rows from peers until
 * it is false again: what it missed comes with a later digest. Own writes are few and always taken.
 */
#ifndef NODE_EV_STORE_H
#define NODE_EV_STORE_H

#include "kvs/lmdb_store.h"
#include "node/ev_mailbox.h"

enum {
	STORE_QUEUE_BYTES = 32 * 1024 * 1024,
	STORE_GROUP_BYTES = 1 * 1024 * 1024,
	STORE_LINGER_MS = 50,
	STORE_RETRY_MS = 1000,
};

struct store;

struct store_events {
	/* Everything up to seq is on disk. */
	void (*stored)(void *ctx, uint64_t seq);
	/* A commit failed and will be tried again (once told until one succeeds). ERR_CORRUPT and the like
	 * too: the caller decides whether to go on. */
	void (*failed)(void *ctx, enum err e);
	/* A read transaction is open for longer than this one's bound and holds back so many commits (once told
	 * until it is gone). Looked at after each commit: without commits nothing is held back. */
	void (*reader_stays)(void *ctx, uint64_t age_ms, uint64_t commits);
	uint64_t reader_stays_ms;
};

struct store_counters {
	uint64_t batches, commits, failures, queued_bytes;
	uint64_t commit_us, commit_max_us; /* of all commits, of the longest one */
	/* How long the oldest read transaction that is open has been seen so, and how many commits it holds back:
	 * while it lasts no page that was freed since is used again. 0: none. */
	uint64_t oldest_reader_ms, oldest_reader_commits;
	struct kvs_store_gauges kvs;
};

/* `kvs` stays the caller's, and is this thread's until store_stop. */
struct store *store_start(
    struct kvs_store *kvs, struct mailbox *control, const struct store_events *events, void *ctx);
/* Copies the batch. */
void store_submit(struct store *s, const struct kvs_outputs *batch);
bool store_full(struct store *s);
/* Whether everything submitted is on disk. */
bool store_idle(struct store *s);
void store_count(struct store *s, struct store_counters *out);
/* Why the last commit failed, for a person; empty when none did. */
void store_why(struct store *s, char out[KVS_STORE_DETAIL_BYTES]);
/* Commits what is queued (one try), ends the thread. NULL is fine. */
void store_stop(struct store *s);

#endif
