/* What leaves a disk that is full: a first-in first-out order in which a use gives one more round (second
 * chance, CLOCK; Corbato 1968), counted in bytes.
 *
 * Pure; the caller's lock covers everything but policy_used, which any thread may call at any time. What is
 * pinned by a reader may be chosen too: its space is charged until the reader is done.
 */
#ifndef NODE_CACHE_POLICY_H
#define NODE_CACHE_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Part of what may be chosen. */
struct policy_node {
	TAILQ_ENTRY(policy_node) link;
	atomic_bool used;
	bool in;
	uint32_t since_s; /* when it came, or got its last round more */
};

struct policy {
	TAILQ_HEAD(policy_order, policy_node) order;
	size_t n;
};

void policy_init(struct policy *p);
/* now_s: monotonic. */
void policy_add(struct policy *p, struct policy_node *n, uint32_t now_s);
void policy_remove(struct policy *p, struct policy_node *n); /* no-op when it is not in */
void policy_used(struct policy_node *n);
/* The next to go, or NULL when there is none. It stays in, at the end of the order, until it is removed: so
 * two threads that make room at once get different ones. */
struct policy_node *policy_victim(struct policy *p, uint32_t now_s);
/* How long ago about the next to go was used last: at least since when it came or got its last round.
 * UINT32_MAX when there is none. */
uint32_t policy_evict_age_s(const struct policy *p, uint32_t now_s);

/* Whether `incoming` more bytes make it necessary to evict (98 % of the limit), and up to what is evicted
 * then (95 %): room is made in batches, not once a write. */
bool policy_too_full(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes);
bool policy_roomy(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes);
/* So full that there is a next to go (90 %). */
bool policy_evicts(uint64_t charged_bytes, uint64_t limit_bytes);

#endif
