#include "node/cache/policy.h"

#include "base/check.h"

enum { HIGH_PERCENT = 98, LOW_PERCENT = 95, EVICTS_PERCENT = 90 };
enum {
	SMALL_PERCENT = 10,
	USES_MAX = 3,
	USES_TO_MAIN = 2, /* in the small queue */
	LOOKS_MAX = 1024, /* for one victim: some 0.1 ms */
};

static uint64_t percent_of(uint64_t v, unsigned percent)
{
	return v / 100 * percent + v % 100 * percent / 100;
}

static uint64_t held_bytes(const struct policy *p)
{
	return p->small.bytes + p->main.bytes;
}

static struct policy_queue *queue_of(struct policy *p, const struct policy_node *n)
{
	return n->place == POLICY_SMALL ? &p->small : &p->main;
}

static void enter(struct policy *p, struct policy_node *n, enum policy_place place, uint32_t now_s)
{
	n->place = (unsigned char)place;
	n->since_s = now_s;
	struct policy_queue *q = queue_of(p, n);
	TAILQ_INSERT_TAIL(&q->order, n, link);
	q->bytes += n->size_bytes;
}

static void leave(struct policy *p, struct policy_node *n)
{
	struct policy_queue *q = queue_of(p, n);
	TAILQ_REMOVE(&q->order, n, link);
	q->bytes -= n->size_bytes;
	n->place = POLICY_OUT;
}

void policy_init(struct policy *p)
{
	*p = (struct policy){ 0 };
	TAILQ_INIT(&p->small.order);
	TAILQ_INIT(&p->main.order);
	ghosts_init(&p->ghosts);
}

void policy_fini(struct policy *p)
{
	ghosts_fini(&p->ghosts);
}

static void take_in(struct policy *p, struct policy_node *n, uint64_t key, uint64_t size_bytes)
{
	CHECK(n->place == POLICY_OUT);
	n->key = key;
	n->size_bytes = size_bytes;
	atomic_store_explicit(&n->uses, 0, memory_order_relaxed);
	ghosts_fit(&p->ghosts, ++p->n);
}

void policy_add(struct policy *p, struct policy_node *n, uint64_t key, uint64_t size_bytes, uint32_t now_s)
{
	take_in(p, n, key, size_bytes);
	bool back = ghosts_take(&p->ghosts, key, percent_of(held_bytes(p), 100 - SMALL_PERCENT));
	enter(p, n, back ? POLICY_MAIN : POLICY_SMALL, now_s);
}

void policy_restore(
    struct policy *p, struct policy_node *n, uint64_t key, uint64_t size_bytes, uint32_t now_s)
{
	take_in(p, n, key, size_bytes);
	enter(p, n, POLICY_MAIN, now_s);
}

void policy_remove(struct policy *p, struct policy_node *n)
{
	if (n->place == POLICY_OUT)
		return;
	leave(p, n);
	p->n--;
}

void policy_used(struct policy_node *n)
{
	/* Read first: the line of a hot unit stays shared among the workers' caches. Uses that meet may count as
	 * one. */
	unsigned char uses = atomic_load_explicit(&n->uses, memory_order_relaxed);
	if (uses < USES_MAX)
		atomic_store_explicit(&n->uses, (unsigned char)(uses + 1), memory_order_relaxed);
}

/* Looks at the next in turn. True: it goes. Else it was moved to the end of the main queue. */
static bool look(struct policy *p, struct policy_node *n, unsigned uses, uint32_t now_s)
{
	bool is_small = n->place == POLICY_SMALL;
	if (uses >= (is_small ? USES_TO_MAIN : 1)) {
		if (is_small)
			atomic_store_explicit(&n->uses, 0, memory_order_relaxed);
		else
			atomic_fetch_sub_explicit(&n->uses, 1, memory_order_relaxed);
		leave(p, n);
		enter(p, n, POLICY_MAIN, now_s);
		return false;
	}
	if (is_small)
		ghosts_put(&p->ghosts, n->key, n->size_bytes);
	return true;
}

static struct policy_node *next_of(const struct policy *p)
{
	struct policy_node *small = TAILQ_FIRST(&p->small.order), *main = TAILQ_FIRST(&p->main.order);
	bool small_is_full = p->small.bytes >= percent_of(held_bytes(p), SMALL_PERCENT);
	if (small != NULL && (small_is_full || main == NULL))
		return small;
	return main;
}

struct policy_node *policy_victim(struct policy *p, uint32_t now_s)
{
	struct policy_node *least = NULL;
	unsigned least_uses = USES_MAX + 1;
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		struct policy_node *n = next_of(p);
		if (n == NULL)
			return NULL;
		unsigned uses = atomic_load_explicit(&n->uses, memory_order_relaxed);
		if (uses < least_uses) {
			least = n;
			least_uses = uses;
		}
		if (look(p, n, uses, now_s)) {
			least = n;
			break;
		}
	}
	policy_remove(p, least);
	return least;
}

static uint64_t idle_s(const struct policy_queue *q, uint32_t now_s)
{
	const struct policy_node *n = TAILQ_FIRST(&q->order);
	return n != NULL && now_s > n->since_s ? now_s - n->since_s : 0;
}

/* The end of the small queue alone would tell little: it is young where many new things come, whatever they
 * push out of the main one. */
uint32_t policy_evict_age_s(const struct policy *p, uint32_t now_s)
{
	if (p->n == 0)
		return UINT32_MAX;
	double small = (double)p->small.bytes, main = (double)p->main.bytes;
	double all = small + main > 0 ? small + main : 1;
	return (
	    uint32_t)(((double)idle_s(&p->small, now_s) * small + (double)idle_s(&p->main, now_s) * main) / all);
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
