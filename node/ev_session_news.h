/* What api workers have to tell the sessions' nodes, gathered for one batch a second (interfaces of
 * the api role: a heartbeat costs no message of its own).
 *
 * Threading: session_news_add from any thread; session_news_take from control. Bounded: at most
 * SESSION_NEWS_MAX wait; past it add says false.
 */
#ifndef NODE_EV_SESSION_NEWS_H
#define NODE_EV_SESSION_NEWS_H

#include "base/node_id.h"
#include "rpc/msg.h"

#include <pthread.h>

enum { SESSION_NEWS_MAX = 16384 };

struct session_news_item {
	struct node_id node;
	struct rpc_session_id id;
	bool ended;
};

struct session_news {
	pthread_mutex_t lock;
	struct session_news_item *items;
	struct session_news_item *spare; /* swapped with items by take */
	size_t n;
	uint64_t dropped;
};

void session_news_init(struct session_news *s);
void session_news_fini(struct session_news *s);
bool session_news_add(
    struct session_news *s, const struct node_id *node, const struct rpc_session_id *id, bool ended);
/* All that waited, sorted by node, ends before heartbeats; valid until the next take. */
size_t session_news_take(struct session_news *s, const struct session_news_item **items);
uint64_t session_news_dropped(struct session_news *s);

#endif
