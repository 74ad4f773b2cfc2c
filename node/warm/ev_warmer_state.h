/* What the files of the warmer share: ev_warmer.c (its thread, and the order that runs) and
 * ev_warmer_orders.c (all orders, for every thread).
 *
 * One lock covers the orders, the counters and `stopping`; nothing that may block is done under it.
 */
#ifndef NODE_WARM_EV_WARMER_STATE_H
#define NODE_WARM_EV_WARMER_STATE_H

#include "base/obj.h"
#include "node/warm/ev_bring.h"
#include "node/warm/ev_warmer.h"
#include "node/warm/plan.h"

#include <ev.h>
#include <pthread.h>

#define WARMER_MAGIC 0x7761726du

/* One object on its way. */
struct warm_fetch {
	struct bring bring;
	struct warmer *warmer;
	struct plan_item *item;
};

struct order {
	struct warmer_status s;
	const struct config_origin *origin;
	uint64_t began_ms;
	bool stop;
};

struct warmer {
	unsigned magic;
	struct warmer_config c;
	pthread_t thread;
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct letter wake;

	pthread_mutex_t lock; /* over the orders, their number, the counters and stopping */
	pthread_cond_t ended;
	struct order orders[WARMER_ORDERS_MAX];
	uint64_t number;
	struct warmer_counters count;
	bool stopping;

	/* The thread's own. */
	struct order *now; /* its state and origin stay while it runs */
	struct plan *plan;
	struct warm_fetch fetches[WARMER_AT_ONCE];
	unsigned entry; /* which of media_entries was tried last */
	uint64_t bytes_max;
	ev_timer pause;
	struct arena names;
};

static inline void warmer_lock(struct warmer *w)
{
	CHECK(pthread_mutex_lock(&w->lock) == 0);
}

static inline void warmer_unlock(struct warmer *w)
{
	CHECK(pthread_mutex_unlock(&w->lock) == 0);
}

static inline bool order_has_ended(const struct order *o)
{
	return o->s.state != RPC_WARM_WAITING && o->s.state != RPC_WARM_RUNNING;
}

static inline struct bytes order_content(const struct order *o)
{
	return bytes_str(o->s.content);
}

/* -- ev_warmer_orders.c, all under the lock -- */

/* What a person may want to know of it. */
void order_say(struct order *o, const char *what, struct bytes object);
void order_changed(struct warmer *w, struct order *o);
/* NULL: none. */
struct order *orders_oldest_waiting(struct warmer *w);

#endif
