#include "node/fs_locations.h"

#include "base/check.h"
#include "base/hash.h"
#include "rpc/entries.h"

#include <stdlib.h>

static const struct hash_key held_key = { "warmcast-held-1" };

struct poll {
	struct locations *l;
	locations_put *put;
	void *arg;
};

void locations_init(struct locations *l, const struct kvs *kvs, const struct node_id *self)
{
	*l = (struct locations){ .kvs = kvs, .self = *self };
}

void locations_fini(struct locations *l)
{
	free(l->held);
	l->held = NULL;
}

static void remember(struct locations *l, struct bytes key)
{
	if (l->held_n == l->held_cap) {
		l->held_cap = l->held_cap == 0 ? 1024 : l->held_cap * 2;
		l->held = realloc(l->held, l->held_cap * sizeof(*l->held));
		CHECK(l->held != NULL);
	}
	l->held[l->held_n++] = hash64(&held_key, key);
}

/* What this node says of a content now. False: nothing. */
static bool said(const struct locations *l, struct bytes key, struct rpc_location *out)
{
	struct arena a;
	struct bytes value;
	arena_init(&a, RPC_VALUE_MAX);
	bool there = kvs_own_get(l->kvs, RPC_LOCATIONS, key, &value) && rpc_decode_location(value, &a, out) == OK;
	out->entry = BYTES_NONE; /* it was the arena's */
	arena_fini(&a);
	return there;
}

/* Leftovers of a content that goes: no viewer is sent there for them (A1), and what they cost all nodes is as
 * much as a whole content's location. A content that comes begins as small, and is told. */
static bool is_leftover(const struct cache_content_news *n, bool was_said, const struct rpc_location *was)
{
	bool small = n->share_permille > 0 && n->share_permille < LOCATION_SHARE_MIN_PERMILLE;
	return small && (n->fewer || (was_said && n->objects < was->objects));
}

static void on_news(void *arg, const struct cache_content_news *n)
{
	struct poll *p = arg;
	uint8_t key[RPC_KEY_MAX];
	size_t key_n;
	/* A content whose name is too long for a key is served, but not told: viewers reach it cold. */
	if (rpc_location_key(n->origin, n->content, key, &key_n) != OK)
		return;
	struct bytes k = bytes_of(key, key_n);
	struct rpc_location was = { 0 };
	bool was_said = said(p->l, k, &was);
	if (n->objects == 0 || is_leftover(n, was_said, &was)) {
		if (n->objects == 0 || was_said)
			p->put(p->arg, k, BYTES_NONE, true);
		return;
	}
	if (!p->l->reconciled)
		remember(p->l, k);
	struct rpc_location location = { .bytes = n->bytes,
		.objects = n->objects,
		.share_permille = n->share_permille,
		.entry = n->entry,
		.kbps = n->kbps };
	/* After a start nothing is measured yet, and what this node said before it stands until it is. */
	if (!n->measured) {
		location.share_permille = was.share_permille;
		location.kbps = was.kbps;
	}
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	if (rpc_encode_location(&location, &value) == OK)
		p->put(p->arg, k, buf_bytes(&value), false);
	buf_fini(&value);
}

/* -- the first time: what an earlier run said -- */

struct stale {
	const struct locations *l;
	struct arena keys;
	struct bytes *list;
	size_t n, cap;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void find_stale(void *arg, const struct rpc_entry *e)
{
	struct stale *s = arg;
	struct bytes origin, content;
	/* Other classes of keys are none of the cache's. */
	if (rpc_location_key_split(e->key, &origin, &content) != OK)
		return;
	uint64_t h = hash64(&held_key, e->key);
	if (e->deleted ||
	    (s->l->held_n > 0 && bsearch(&h, s->l->held, s->l->held_n, sizeof(h), by_value) != NULL))
		return;
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : s->cap * 2;
		s->list = realloc(s->list, s->cap * sizeof(*s->list));
		CHECK(s->list != NULL);
	}
	s->list[s->n] = arena_dup(&s->keys, e->key);
	CHECK(s->list[s->n].p != NULL);
	s->n++;
}

static void reconcile(struct locations *l, locations_put *put, void *arg)
{
	struct stale s = { .l = l };
	arena_init(&s.keys, SIZE_MAX / 2);
	if (l->held_n > 0)
		qsort(l->held, l->held_n, sizeof(*l->held), by_value);
	kvs_each_entry(l->kvs, &l->self, RPC_LOCATIONS, find_stale, &s);
	for (size_t i = 0; i < s.n; i++)
		put(arg, s.list[i], BYTES_NONE, true);
	free(s.list);
	arena_fini(&s.keys);
	locations_fini(l);
	l->reconciled = true;
}

bool locations_poll(struct locations *l, struct cache *cache, locations_put *put, void *arg)
{
	struct poll p = { l, put, arg };
	if (cache_poll_news(cache, LOCATIONS_POLL_MAX, on_news, &p) == LOCATIONS_POLL_MAX)
		return true;
	if (!l->reconciled)
		reconcile(l, put, arg);
	return false;
}
