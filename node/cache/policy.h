/* What leaves a disk that is full: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction",
 * SOSP '23), counted in bytes.
 *
 * What is new enters a small queue of a tenth of the bytes. Who was used there at least twice moves on to the
 * main queue at the small one's end, all others leave and become ghosts (ghosts.h). What comes back while it
 * is a ghost enters the main queue at once. At the end of the main queue a use, of three at most, buys one
 * more round. So what is asked for once passes through a tenth of the disk only.
 *
 * Against the paper: sizes are bytes everywhere, also of the ghosts, which reach back over nine tenths of
 * the bytes held; and a search for the next to go has a bound, for it runs under the disk's lock.
 *
 * Pure; the caller's lock covers everything but policy_used, which any thread may call at any time. What is
 * pinned by a reader may be chosen too: its space is charged until the reader is done.
 */
#ifndef NODE_CACHE_POLICY_H
#define NODE_CACHE_POLICY_H

#include "node/cache/ghosts.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum policy_place { POLICY_OUT, POLICY_SMALL, POLICY_MAIN };

/* Part of what may be chosen; zeroed at first. */
struct policy_node {
	TAILQ_ENTRY(policy_node) link;
	uint64_t key; /* its ghost's */
	uint64_t size_bytes;
	uint32_t since_s;    /* when it came into its queue, or got its last round more */
	atomic_uchar uses;   /* since then, less those that were paid for rounds; at most 3 */
	unsigned char place; /* enum policy_place */
};

struct policy_queue {
	TAILQ_HEAD(policy_order, policy_node) order; /* the next to be looked at first */
	uint64_t bytes;
};

struct policy {
	struct policy_queue small, main;
	struct ghosts ghosts;
	size_t n;
};

void policy_init(struct policy *p);
void policy_fini(struct policy *p); /* nodes in it are the caller's */
/* A new one, which is not in. key: what it has again when it comes back, evenly spread. now_s: monotonic. */
void policy_add(struct policy *p, struct policy_node *n, uint64_t key, uint64_t size_bytes, uint32_t now_s);
/* One that was held before a restart: the main queue's, after those that were put back before. */
void policy_restore(
    struct policy *p, struct policy_node *n, uint64_t key, uint64_t size_bytes, uint32_t now_s);
void policy_remove(struct policy *p, struct policy_node *n); /* no-op when it is not in */
void policy_used(struct policy_node *n);
/* Takes out who is to go and returns it, NULL when there is none. The caller drops it. */
struct policy_node *policy_victim(struct policy *p, uint32_t now_s);
/* For how long what goes next was of no use: since the heads of both queues came or got their last round, the
 * mean by what the queues hold. UINT32_MAX when there is none. */
uint32_t policy_evict_age_s(const struct policy *p, uint32_t now_s);

/* Whether `incoming` more bytes make it necessary to evict (98 % of the limit), and up to what is evicted
 * then (95 %): room is made in batches, not once a write. */
bool policy_too_full(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes);
bool policy_roomy(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes);
/* So full that there is a next to go (90 %). */
bool policy_evicts(uint64_t charged_bytes, uint64_t limit_bytes);

#endif
