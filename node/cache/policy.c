#include "node/cache/policy.h"

#include "base/check.h"

enum { HIGH_PERCENT = 98, LOW_PERCENT = 95, EVICTS_PERCENT = 90 };

void policy_init(struct policy *p)
{
	TAILQ_INIT(&p->order);
	p->n = 0;
}

void policy_add(struct policy *p, struct policy_node *n, uint32_t now_s)
{
	CHECK(!n->in);
	n->in = true;
	n->since_s = now_s;
	atomic_store_explicit(&n->used, false, memory_order_relaxed);
	TAILQ_INSERT_TAIL(&p->order, n, link);
	p->n++;
}

void policy_remove(struct policy *p, struct policy_node *n)
{
	if (!n->in)
		return;
	TAILQ_REMOVE(&p->order, n, link);
	n->in = false;
	p->n--;
}

void policy_used(struct policy_node *n)
{
	/* Read first: the line of a hot unit stays shared among the workers' caches. */
	if (!atomic_load_explicit(&n->used, memory_order_relaxed))
		atomic_store_explicit(&n->used, true, memory_order_relaxed);
}

struct policy_node *policy_victim(struct policy *p, uint32_t now_s)
{
	/* One round takes every second chance away; readers may give some back meanwhile, so the bound. */
	for (size_t left = p->n + 1; left > 0; left--) {
		struct policy_node *n = TAILQ_FIRST(&p->order);
		if (n == NULL)
			return NULL;
		TAILQ_REMOVE(&p->order, n, link);
		TAILQ_INSERT_TAIL(&p->order, n, link);
		if (!atomic_exchange_explicit(&n->used, false, memory_order_relaxed))
			return n;
		n->since_s = now_s;
	}
	return TAILQ_FIRST(&p->order);
}

uint32_t policy_evict_age_s(const struct policy *p, uint32_t now_s)
{
	const struct policy_node *n = TAILQ_FIRST(&p->order);
	if (n == NULL)
		return UINT32_MAX;
	return now_s > n->since_s ? now_s - n->since_s : 0;
}

static uint64_t percent_of(uint64_t v, unsigned percent)
{
	return v / 100 * percent + v % 100 * percent / 100;
}

/* charged + incoming > bound, without wrapping. */
static bool over(uint64_t charged, uint64_t incoming, uint64_t bound)
{
	return charged > bound || incoming > bound - charged;
}

bool policy_too_full(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes)
{
	return over(charged_bytes, incoming_bytes, percent_of(limit_bytes, HIGH_PERCENT));
}

bool policy_evicts(uint64_t charged_bytes, uint64_t limit_bytes)
{
	return over(charged_bytes, 0, percent_of(limit_bytes, EVICTS_PERCENT));
}

bool policy_roomy(uint64_t charged_bytes, uint64_t incoming_bytes, uint64_t limit_bytes)
{
	return !over(charged_bytes, incoming_bytes, percent_of(limit_bytes, LOW_PERCENT));
}
