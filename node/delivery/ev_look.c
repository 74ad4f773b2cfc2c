/* Where a file lies may have to be read from its disk before it can be opened, and what is in it before it
 * can be looked at: done aside, so that a slow disk holds up those only who want something from it. */
#include "node/delivery/ev_job.h"

#include "base/obj.h"
#include "node/cache/cache.h"
#include "node/http/ev_aside.h"
#include "node/http/ev_server.h"
#include "node/http/fs_warmth.h"

#include <string.h>
#include <sys/stat.h>

#define LOOK_MAGIC 0x6c6f6f6bu

/* On the heap, with a key of its own: it may outlive the exchange. */
struct media_look {
	unsigned magic;
	struct aside_work work;
	struct aside *aside;
	struct cache *cache;
	void (*found)(void *arg, struct cache_unit *unit); /* NULL: forgotten */
	void *arg;
	struct cache_unit *unit;
	bool reads;           /* its bytes too */
	struct cache_key key; /* in text */
	uint8_t text[];
};

static void look_free(struct media_look *l)
{
	cache_release(l->cache, l->unit);
	OBJ_FREE(l);
}

static struct media_look *look_of(struct aside_work *w)
{
	struct media_look *l = CONTAINER_OF(w, struct media_look, work);
	OBJ_CHECK(l, LOOK_MAGIC);
	return l;
}

static void run(struct aside_work *w)
{
	struct media_look *l = look_of(w);
	l->unit = cache_get(l->cache, &l->key);
	if (l->unit != NULL && l->reads)
		fs_warmth.fetch(l->unit->fd, 0, l->unit->meta->length);
}

static void done(struct aside_work *w)
{
	struct media_look *l = look_of(w);
	void (*found)(void *arg, struct cache_unit *unit) = l->found;
	if (found != NULL) {
		struct cache_unit *unit = l->unit;
		void *arg = l->arg;
		l->unit = NULL;
		look_free(l);
		found(arg, unit);
		return;
	}
	look_free(l);
}

static void drop(struct aside_work *w)
{
	look_free(look_of(w));
}

static struct media_look *begin(struct delivery *d, struct http_exchange *x, const struct cache_key *key,
    uint64_t lane, bool reads, void (*found)(void *arg, struct cache_unit *unit), void *arg)
{
	struct http_worker *w = http_worker_of(x);
	struct media_look *l = obj_alloc(sizeof(*l) + key->origin.n + key->object.n, LOOK_MAGIC);
	memcpy(l->text, key->origin.p, key->origin.n);
	memcpy(l->text + key->origin.n, key->object.p, key->object.n);
	l->key = *key;
	l->key.origin = bytes_of(l->text, key->origin.n);
	l->key.object = bytes_of(l->text + key->origin.n, key->object.n);
	l->work =
	    (struct aside_work){ .mailbox = http_worker_mailbox(w), .run = run, .done = done, .drop = drop };
	l->aside = http_worker_aside(w);
	l->cache = d->c.cache;
	l->found = found;
	l->arg = arg;
	l->reads = reads;
	if (aside_do(l->aside, lane, &l->work) == OK)
		return l;
	look_free(l);
	return NULL;
}

struct media_look *media_look_aside(struct delivery *d, struct http_exchange *x, const struct cache_key *key,
    int disk, void (*found)(void *arg, struct cache_unit *unit), void *arg)
{
	/* Lanes of devices have numbers that are less. */
	const uint64_t lanes_of_disks = UINT64_C(1) << 63;
	return begin(d, x, key, lanes_of_disks | (uint64_t)disk, false, found, arg);
}

struct media_look *media_read_aside(struct delivery *d, struct http_exchange *x, const struct cache_key *key,
    const struct cache_unit *unit, void (*found)(void *arg, struct cache_unit *unit), void *arg)
{
	struct stat st;
	return begin(d, x, key, fstat(unit->fd, &st) == 0 ? st.st_dev : 0, true, found, arg);
}

void media_look_forget(struct media_look *l)
{
	l->found = NULL;
	if (aside_forget(l->aside, &l->work))
		look_free(l);
}
