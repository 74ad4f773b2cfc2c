/* Purges: what is held goes, what is being filled is kept out, and each disk remembers which were applied.
 *
 * A unit whose fill asked the origin store before the purge must not come in after it. So a purge first puts
 * up a bar, then removes what it finds: who inserts under a shard's lock either was there in time to be
 * found, or sees the bar.
 */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <stdlib.h>
#include <string.h>

static const struct bytes doubt_name = { (const uint8_t *)"pdoubt", 6 };
static const struct bytes ids_name = { (const uint8_t *)"pids", 4 };

enum { OWNER_NAME_BYTES = 1 + NODE_ID_BYTES };

void cache_purge_init(struct cache *c, bool unproven)
{
	CHECK(pthread_mutex_init(&c->purge_lock, NULL) == 0);
	atomic_init(&c->doubts, PROOF_RUN);
	atomic_init(&c->proven_from, unproven ? PROOF_RUN : PROOF_DOUBTED);
	purges_init(&c->purges);
}

void cache_purge_fini(struct cache *c)
{
	for (size_t i = 0; i < BARS_MAX; i++)
		free((void *)(uintptr_t)c->bars[i].content.p);
	purges_fini(&c->purges);
	CHECK(pthread_mutex_destroy(&c->purge_lock) == 0);
}

bool cache_purges_object(struct bytes purged, struct bytes filled_for, struct bytes object)
{
	return bytes_eq(purged, filled_for) || bytes_eq(purged, object) ||
	       (object.n > purged.n && object.p[purged.n] == '/' && bytes_starts_with(object, purged));
}

struct cache_mark cache_mark(const struct cache *cc)
{
	struct cache *c = OBJ_CAST(struct cache, CACHE_MAGIC, (void *)(uintptr_t)cc);
	return (struct cache_mark){ atomic_load(&c->purge_n), atomic_load(&c->doubts) };
}

/* -- bars -- */

static void put_up_bar(struct cache *c, struct bytes content)
{
	uint8_t *copy = malloc(content.n + 1);
	CHECK(copy != NULL);
	memcpy(copy, content.p, content.n);
	cache_lock(&c->purge_lock);
	uint64_t number = atomic_load(&c->purge_n) + 1;
	struct bar *b = &c->bars[number % BARS_MAX];
	free((void *)(uintptr_t)b->content.p);
	*b = (struct bar){ number, bytes_of(copy, content.n) };
	atomic_store(&c->purge_n, number);
	cache_unlock(&c->purge_lock);
}

bool cache_barred(struct cache *c, const struct unit *u)
{
	uint64_t last = atomic_load(&c->purge_n);
	bool barred = last - u->mark > BARS_MAX; /* too many purges ago to tell */
	if (last == u->mark)
		return false;
	cache_lock(&c->purge_lock);
	last = atomic_load(&c->purge_n);
	for (uint64_t i = u->mark + 1; !barred && i <= last; i++)
		barred = cache_purges_object(c->bars[i % BARS_MAX].content, u->record.content, u->record.key.object);
	cache_unlock(&c->purge_lock);
	return barred;
}

/* -- what is held -- */

struct found {
	struct bytes content;
	struct unit_id *ids;
	size_t n, cap;
};

static void find(void *arg, struct unit *u)
{
	struct found *f = arg;
	if (!cache_purges_object(f->content, u->record.content, u->record.key.object))
		return;
	if (f->n == f->cap) {
		f->cap = f->cap == 0 ? 64 : f->cap * 2;
		f->ids = realloc(f->ids, f->cap * sizeof(f->ids[0]));
		CHECK(f->ids != NULL);
	}
	f->ids[f->n++] = u->id;
}

uint64_t cache_purge(struct cache *c, struct bytes content)
{
	OBJ_CHECK(c, CACHE_MAGIC);
	struct found f = { .content = content };
	uint64_t removed = 0;
	put_up_bar(c, content);
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct shard *s = &c->shards[i];
		f.n = 0;
		cache_lock(&s->lock);
		units_each(&s->units, find, &f);
		cache_unlock(&s->lock);
		/* A unit that came in its place meanwhile was asked for after the bar: it goes too, and is filled
		 * again. */
		for (size_t j = 0; j < f.n; j++)
			removed += cache_drop(c, &f.ids[j], NULL);
	}
	free(f.ids);
	return removed;
}

void cache_prove(struct cache *c)
{
	uint_fast64_t run = PROOF_RUN;
	if (atomic_load(&c->doubts) == PROOF_RUN)
		(void)atomic_compare_exchange_strong(&c->proven_from, &run, PROOF_LOADED);
}

void cache_doubt(struct cache *c)
{
	atomic_store(&c->proven_from, atomic_fetch_add(&c->doubts, 1) + 1);
	for (unsigned i = 0; i < CACHE_SHARDS; i++)
		shard_changed(&c->shards[i]);
	for (size_t i = 0; i < c->disks_n; i++) {
		struct cache_disk *d = &c->disks[i];
		cache_lock(&d->lock);
		d->doubted = d->sequence;
		cache_unlock(&d->lock);
	}
}

/* -- on disk -- */

struct reading {
	struct cache_disk *disk;
	struct purges purges;
	struct cache_purge_ids ids;
};

static void read_fact(void *arg, const struct index_fact *f)
{
	struct reading *r = arg;
	if (bytes_eq(f->name, doubt_name) && f->value.n >= 8) {
		r->disk->doubted = 0;
		for (unsigned i = 0; i < 8; i++)
			r->disk->doubted |= (uint64_t)f->value.p[i] << (8 * i);
	} else if (bytes_eq(f->name, ids_name)) {
		r->ids.n = f->value.n / CACHE_PURGE_ID_BYTES;
		if (r->ids.n > CACHE_PURGE_IDS_MAX)
			r->ids.n = CACHE_PURGE_IDS_MAX;
		memcpy(r->ids.ids, f->value.p, r->ids.n * CACHE_PURGE_ID_BYTES);
	} else if (f->name.n == OWNER_NAME_BYTES) {
		struct purges_row row = { .version = 0 };
		struct node_id owner;
		memcpy(owner.b, f->name.p + 1, NODE_ID_BYTES);
		if (purges_decode(f->value, &row) == OK) {
			row.owner = owner;
			*purges_at(&r->purges, &owner) = row;
		}
	}
}

enum err cache_purges_read(struct cache_disk *d, bool holds_any)
{
	struct cache *c = d->cache;
	struct reading r = { .disk = d };
	purges_init(&r.purges);
	enum err e = lmdb_index_facts(d->index, read_fact, &r);
	if (e == OK && holds_any) {
		if (c->purges_loaded) {
			purges_meet(&c->purges, &r.purges);
		} else {
			struct purges first = c->purges;
			c->purges = r.purges;
			r.purges = first;
			c->purge_ids = r.ids;
		}
		c->purges_loaded = true;
	}
	purges_fini(&r.purges);
	return e;
}

void cache_purges_load(struct cache *c, struct purges *out, struct cache_purge_ids *ids)
{
	for (size_t i = 0; i < c->purges.n; i++)
		*purges_at(out, &c->purges.rows[i].owner) = c->purges.rows[i];
	*ids = c->purge_ids;
}

static enum err store_one(
    struct cache_disk *d, const struct purges_row *rows, size_t n, const struct cache_purge_ids *ids)
{
	struct index_fact *facts = calloc(n + 2, sizeof(*facts));
	uint8_t(*texts)[OWNER_NAME_BYTES + PURGES_VALUE_BYTES] = calloc(n + 1, sizeof(*texts));
	uint8_t doubted[8];
	size_t facts_n = 0;
	CHECK(facts != NULL && texts != NULL);
	cache_lock(&d->lock);
	for (unsigned i = 0; i < 8; i++)
		doubted[i] = (uint8_t)(d->doubted >> (8 * i));
	cache_unlock(&d->lock);
	facts[facts_n++] = (struct index_fact){ doubt_name, bytes_of(doubted, 8) };
	facts[facts_n++] =
	    (struct index_fact){ ids_name, bytes_of(ids->ids[0].b, ids->n * CACHE_PURGE_ID_BYTES) };
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].dirty)
			continue;
		texts[i][0] = 'p';
		memcpy(texts[i] + 1, rows[i].owner.b, NODE_ID_BYTES);
		purges_encode(&rows[i], texts[i] + OWNER_NAME_BYTES);
		facts[facts_n++] = (struct index_fact){ bytes_of(texts[i], OWNER_NAME_BYTES),
			bytes_of(texts[i] + OWNER_NAME_BYTES, PURGES_VALUE_BYTES) };
	}
	/* The removals first: what is said to be applied has to be gone. */
	enum err e = cache_index_flush(d);
	if (e == OK)
		e = lmdb_index_put_facts(d->index, facts, facts_n);
	free(facts);
	free(texts);
	return e;
}

enum err cache_purges_store(
    struct cache *c, const struct purges_row *rows, size_t n, const struct cache_purge_ids *ids)
{
	enum err worst = OK;
	for (size_t i = 0; i < c->disks_n; i++) {
		if (!c->disks[i].serves)
			continue;
		enum err e = store_one(&c->disks[i], rows, n, ids);
		worst = e != OK ? e : worst;
	}
	return worst;
}
