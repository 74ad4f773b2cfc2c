#include "node/ev_session_news.h"

#include "base/check.h"

#include <stdlib.h>

void session_news_init(struct session_news *s)
{
	*s = (struct session_news){ 0 };
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	s->items = calloc(SESSION_NEWS_MAX, sizeof(*s->items));
	s->spare = calloc(SESSION_NEWS_MAX, sizeof(*s->spare));
	CHECK(s->items != NULL && s->spare != NULL);
}

void session_news_fini(struct session_news *s)
{
	free(s->items);
	free(s->spare);
	CHECK(pthread_mutex_destroy(&s->lock) == 0);
}

bool session_news_add(
    struct session_news *s, const struct node_id *node, const struct rpc_session_id *id, bool ended)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	bool room = s->n < SESSION_NEWS_MAX;
	if (room)
		s->items[s->n++] = (struct session_news_item){ *node, *id, ended };
	else
		s->dropped++;
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
	return room;
}

static int by_node(const void *a, const void *b)
{
	const struct session_news_item *x = a, *y = b;
	int c = node_id_cmp(&x->node, &y->node);
	if (c != 0)
		return c;
	return (int)y->ended - (int)x->ended;
}

size_t session_news_take(struct session_news *s, const struct session_news_item **items)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	struct session_news_item *taken = s->items;
	size_t n = s->n;
	s->items = s->spare;
	s->spare = taken;
	s->n = 0;
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
	qsort(taken, n, sizeof(*taken), by_node);
	*items = taken;
	return n;
}

uint64_t session_news_dropped(struct session_news *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	uint64_t dropped = s->dropped;
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
	return dropped;
}
