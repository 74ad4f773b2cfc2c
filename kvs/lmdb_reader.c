#include "kvs/lmdb_reader.h"

#include "kvs/lmdb_store_impl.h"

#include <string.h>

#define KVS_READER_MAGIC 0x72656164u

/* Whose a slot is, as remembered. */
struct whose {
	uint32_t slot;
	bool known;
	uint8_t stream;
	struct node_id owner;
};

enum { WHOSE_MAX = 4096 }; /* a power of two */

struct kvs_reader {
	unsigned magic;
	struct kvs_store *store;
	MDB_txn *txn; /* reset between calls, or rests */
	MDB_cursor *bundles;
	bool keeps, open;
	uint64_t drops; /* of the store, when `whose` was begun */
	struct whose whose[WHOSE_MAX];
	struct kvs_bundle_reader bundle;
};

enum err kvs_reader_open(struct kvs_store *s, struct kvs_reader **out)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->view.env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	MDB_cursor *bundles;
	rc = mdb_cursor_open(txn, s->rows.bundles.table, &bundles);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return lmdb_err(rc);
	}
	mdb_txn_reset(txn);
	struct kvs_reader *r = OBJ_NEW(struct kvs_reader, KVS_READER_MAGIC);
	r->store = s;
	r->txn = txn;
	r->bundles = bundles;
	atomic_fetch_add(&s->readers, 1);
	*out = r;
	return OK;
}

void kvs_reader_close(struct kvs_reader *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, KVS_READER_MAGIC);
	mdb_cursor_close(r->bundles);
	mdb_txn_abort(r->txn);
	atomic_fetch_sub(&r->store->readers, 1);
	OBJ_FREE(r);
}

/* -- one lookup -- */

static enum err begin(struct kvs_reader *r)
{
	if (r->open)
		return OK;
	/* Before the transaction: when a row is dropped in between, the next lookup forgets. */
	uint64_t drops = atomic_load(&r->store->drops);
	if (drops != r->drops) {
		memset(r->whose, 0, sizeof(r->whose));
		r->drops = drops;
	}
	int rc = mdb_txn_renew(r->txn);
	if (rc != 0)
		return lmdb_err(rc);
	r->open = true;
	rc = mdb_cursor_renew(r->txn, r->bundles);
	if (rc != 0)
		kvs_reader_rest(r);
	return lmdb_err(rc);
}

/* After an error nothing is kept: what is read next begins anew. */
static void end(struct kvs_reader *r, enum err e)
{
	if (!r->keeps || (e != OK && e != ERR_NOT_FOUND))
		kvs_reader_rest(r);
}

void kvs_reader_keep(struct kvs_reader *r)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	r->keeps = true;
}

void kvs_reader_rest(struct kvs_reader *r)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	if (r->open)
		mdb_txn_reset(r->txn);
	r->open = false;
}

/* NULL: no row has that slot any more. */
static const struct whose *whose_slot(struct kvs_reader *r, uint32_t slot)
{
	struct whose *w = &r->whose[slot % WHOSE_MAX];
	if (w->known && w->slot == slot)
		return w;
	struct bytes record;
	enum rpc_stream stream;
	struct node_id owner;
	if (lmdb_view_row(&r->store->rows, r->txn, slot, &record) != OK ||
	    kvs_format_row_whose(record, &owner, &stream) != OK)
		return NULL;
	*w = (struct whose){ .slot = slot, .known = true, .stream = (uint8_t)stream, .owner = owner };
	return w;
}

/* Steps through the bundles of a key, r->bundle at the beginning of each; ERR_NOT_FOUND behind the last. */
struct bundles {
	struct bytes key;
	uint64_t hash; /* as in the table's keys */
	bool begun;
};

static struct bundles bundles_of(const struct kvs_reader *r, struct bytes key)
{
	return (struct bundles){ key, kvs_format_key_hash(key) & r->store->rows.bundles.hash_mask, false };
}

static enum err next_bundle(struct kvs_reader *r, struct bundles *b)
{
	for (;;) {
		uint8_t from[KVS_BUNDLE_TABLE_KEY_MAX];
		MDB_val mk, mv;
		if (!b->begun)
			mk = lmdb_val(kvs_bundle_table_key((struct kvs_bundle_key){ .hash = b->hash }, from));
		int rc = mdb_cursor_get(r->bundles, &mk, &mv, b->begun ? MDB_NEXT : MDB_SET_RANGE);
		if (rc != 0)
			return lmdb_err(rc);
		b->begun = true;
		struct kvs_bundle_key k;
		enum err e = kvs_bundle_parse_table_key(lmdb_bytes(&mk), &k);
		if (e == OK && k.hash != b->hash)
			return ERR_NOT_FOUND;
		if (e == OK)
			e = kvs_bundle_open(&r->bundle, lmdb_bytes(&mv));
		if (e != OK || bytes_eq(r->bundle.key, b->key))
			return e;
	}
}

/* -- holders -- */

/* The lowest ids seen so far, in order. */
struct sorted {
	struct kvs_holder *h;
	size_t n, max;
	/* What the entry before said, if it was added: whole copies of a content are told in the same words. */
	struct bytes value;
	struct rpc_location location;
};

/* Where `id` belongs, or max when it is past those that are wanted. */
static size_t place_of(const struct sorted *l, const struct node_id *id)
{
	size_t at = l->n;
	while (at > 0 && node_id_cmp(id, &l->h[at - 1].node) < 0)
		at--;
	return at;
}

static enum err add_holder(
    struct kvs_reader *r, const struct kvs_bundle_entry *entry, struct arena *a, struct sorted *l)
{
	struct bytes former = l->value; /* not longer: the next value but one may overwrite it */
	l->value = BYTES_NONE;
	if (entry->deleted)
		return OK;
	const struct whose *w = whose_slot(r, entry->slot);
	if (w == NULL || w->stream != RPC_LOCATIONS)
		return OK;
	size_t at = place_of(l, &w->owner);
	if (at == l->max)
		return OK;
	if (former.p == NULL || !bytes_eq(former, entry->value)) {
		enum err e = rpc_decode_location(entry->value, a, &l->location);
		if (e == ERR_NO_MEMORY)
			return e;
		if (e != OK)
			return OK; /* a location that says nothing */
	}
	l->value = entry->value;
	if (l->n < l->max)
		l->n++;
	memmove(&l->h[at + 1], &l->h[at], (l->n - at - 1) * sizeof(l->h[0]));
	l->h[at] = (struct kvs_holder){ .node = w->owner, .location = l->location };
	return OK;
}

static enum err scan_holders(struct kvs_reader *r, struct bytes key, struct arena *a, struct sorted *l)
{
	struct bundles b = bundles_of(r, key);
	enum err e;
	while ((e = next_bundle(r, &b)) == OK) {
		struct kvs_bundle_entry entry;
		while ((e = kvs_bundle_next(&r->bundle, &entry)) == OK) {
			e = add_holder(r, &entry, a, l);
			if (e != OK)
				return e;
		}
		if (e != ERR_NOT_FOUND)
			return e;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	uint8_t key[RPC_KEY_MAX];
	size_t key_n = sizeof(key);
	enum err e = rpc_location_key(origin, content, key, &key_n);
	if (e == OK)
		e = begin(r);
	if (e != OK)
		return e;
	struct sorted l = { .h = out, .max = max };
	e = scan_holders(r, bytes_of(key, key_n), a, &l);
	end(r, e);
	if (e == OK)
		*n = l.n;
	return e;
}

/* -- all contents -- */

struct walking {
	struct kvs_reader *r;
	struct kvs_warmth *room;
	size_t max, n;
	struct arena arena;
	uint8_t key[RPC_KEY_MAX]; /* of the content whose holders are gathered */
	size_t key_n;
};

/* The locations of the bundle that r->bundle has opened. */
static enum err gather(struct walking *g)
{
	struct kvs_bundle_entry entry;
	enum err e;
	while ((e = kvs_bundle_next(&g->r->bundle, &entry)) == OK) {
		struct rpc_location l;
		const struct whose *w = entry.deleted ? NULL : whose_slot(g->r, entry.slot);
		arena_reset(&g->arena);
		if (w == NULL || w->stream != RPC_LOCATIONS || rpc_decode_location(entry.value, &g->arena, &l) != OK)
			continue;
		if (g->n < g->max)
			g->room[g->n] = (struct kvs_warmth){ w->owner, l.share_permille };
		g->n++;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* The next bundle's key; its record is opened. ERR_NOT_FOUND behind the last. */
static enum err step(struct kvs_reader *r, const struct kvs_walk *w, bool first, struct kvs_bundle_key *at)
{
	uint8_t from[KVS_BUNDLE_TABLE_KEY_MAX];
	MDB_val mk, mv;
	if (first) {
		struct kvs_bundle_key k = { .hash = w->hash, .which = w->which };
		mk = lmdb_val(kvs_bundle_table_key(k, from));
	}
	int rc = mdb_cursor_get(r->bundles, &mk, &mv, first ? MDB_SET_RANGE : MDB_NEXT);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = kvs_bundle_parse_table_key(lmdb_bytes(&mk), at);
	return e == OK ? kvs_bundle_open(&r->bundle, lmdb_bytes(&mv)) : e;
}

static enum err walk(struct walking *g, struct kvs_walk *w, size_t bundles,
    void (*content)(void *ctx, struct bytes key, size_t holders), void *ctx)
{
	struct kvs_bundle_key at;
	struct bytes origin, name;
	enum err e;
	for (size_t i = 0; (e = step(g->r, w, i == 0, &at)) == OK; i++) {
		/* The bundles of one key follow one another. */
		if (at.hash != w->hash || at.which != w->which) {
			if (g->n > 0)
				content(ctx, bytes_of(g->key, g->key_n), g->n);
			g->n = 0;
			*w = (struct kvs_walk){ at.hash, at.which, false };
			if (i >= bundles)
				return OK;
		}
		struct bytes key = g->r->bundle.key;
		if (rpc_location_key_split(key, &origin, &name) == OK) {
			memcpy(g->key, key.p, key.n); /* no longer than that */
			g->key_n = key.n;
			e = gather(g);
		}
		if (e != OK)
			return e;
	}
	if (e != ERR_NOT_FOUND)
		return e;
	if (g->n > 0)
		content(ctx, bytes_of(g->key, g->key_n), g->n);
	w->end = true;
	return OK;
}

enum err kvs_reader_walk(struct kvs_reader *r, struct kvs_walk *w, size_t bundles, struct kvs_warmth *room,
    size_t max, void (*content)(void *ctx, struct bytes key, size_t holders), void *ctx)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	struct walking g = { .r = r, .room = room, .max = max };
	enum err e = begin(r);
	if (e != OK)
		return e;
	arena_init(&g.arena, RPC_ARENA_MAX);
	e = walk(&g, w, bundles, content, ctx);
	arena_fini(&g.arena);
	end(r, e);
	return e;
}

/* -- any entry -- */

/* A live entry's value; ERR_NOT_FOUND for a tombstone too. The slice ends with the lookup. */
static enum err get_value(struct kvs_reader *r, uint32_t slot, struct bytes key, struct bytes *value)
{
	struct bundles b = bundles_of(r, key);
	enum err e;
	while ((e = next_bundle(r, &b)) == OK) {
		struct kvs_bundle_entry entry;
		while ((e = kvs_bundle_next(&r->bundle, &entry)) == OK && entry.slot < slot)
			;
		if (e == OK && entry.slot == slot) {
			*value = entry.value;
			return entry.deleted ? ERR_NOT_FOUND : OK;
		}
		if (e != OK && e != ERR_NOT_FOUND)
			return e;
	}
	return e;
}

static enum err get_copy(struct kvs_reader *r, const struct node_id *owner, enum rpc_stream stream,
    struct bytes key, struct arena *a, struct bytes *out)
{
	uint32_t slot;
	struct bytes value;
	enum err e = lmdb_view_slot(&r->store->rows, r->txn, owner, stream, &slot);
	if (e == OK)
		e = get_value(r, slot, key, &value);
	if (e != OK)
		return e;
	struct bytes copy = arena_dup(a, value);
	if (copy.p == NULL)
		return ERR_NO_MEMORY;
	*out = copy;
	return OK;
}

enum err kvs_reader_get(struct kvs_reader *r, const struct node_id *owner, enum rpc_stream stream,
    struct bytes key, struct arena *a, struct bytes *value)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	if (key.n > RPC_KEY_MAX)
		return ERR_NOT_FOUND;
	enum err e = begin(r);
	if (e != OK)
		return e;
	e = get_copy(r, owner, stream, key, a, value);
	end(r, e);
	return e;
}
