#include "kvs/lmdb_store_impl.h"

#include <stdlib.h>
#include <string.h>

/* Others' rows as a start reads them back. Entries stand by key, the core wants each row's in order of
 * version: one walk through all bundles notes where each row's entries are and adds up their sums, then row
 * after row is sorted and fed. Rows that do not add up, or that the core refuses, are dropped: peers have
 * them.
 */

/* An entry: its version, and its bundle. */
struct place {
	uint64_t version;
	const uint8_t *bundle;
	uint32_t bundle_n;
};

struct row {
	struct kvs_row_record record; /* as stored */
	uint32_t slot;
	bool own;
	size_t first, n; /* places; counted on past record.entries_n, but not kept */
	uint64_t sum;
};

struct gathering {
	struct kvs_store *s;
	struct kvs *k;
	MDB_txn *txn;
	struct row *rows; /* in order of slot */
	size_t rows_n, rows_cap;
	struct place *places;
	size_t places_n;
	uint32_t slots_n; /* behind the highest seen */
	bool dead;        /* entries of no row were seen */
	bool damaged;     /* bundles that cannot be read */
	struct kvs_bundle_reader reader;
	uint8_t scratch[KVS_FORMAT_VALUE_MAX];
};

/* -- rows -- */

static bool add_row(struct gathering *g, uint32_t slot, const struct kvs_row_record *r)
{
	if (g->rows_n == g->rows_cap) {
		size_t cap = g->rows_cap == 0 ? 64 : g->rows_cap * 2;
		struct row *grown = reallocarray(g->rows, cap, sizeof(*grown));
		if (grown == NULL)
			return false;
		g->rows = grown;
		g->rows_cap = cap;
	}
	/* `self` alone says what is own; here it is only proved whole. */
	bool own = node_id_eq(&r->meta.owner, &g->s->identity.id);
	g->rows[g->rows_n++] = (struct row){ .record = *r, .slot = slot, .own = own };
	return true;
}

/* Whether a record and the name that leads to it belong together. */
static bool fits(const struct gathering *g, const MDB_val *mk, uint32_t slot, struct kvs_row_record *out)
{
	struct node_id owner;
	enum rpc_stream stream;
	struct bytes record;
	return mk->mv_size == KVS_FORMAT_ROW_NAME &&
	       kvs_format_parse_row_name(lmdb_bytes(mk), &owner, &stream) == OK &&
	       lmdb_view_row(&g->s->rows, g->txn, slot, &record) == OK &&
	       kvs_format_parse_row(record, out) == OK && node_id_eq(&out->meta.owner, &owner) &&
	       out->meta.stream == stream;
}

static enum err read_names(struct gathering *g, MDB_cursor *c)
{
	MDB_val mk, mv;
	int rc;
	while ((rc = mdb_cursor_get(c, &mk, &mv, MDB_NEXT)) == 0) {
		struct kvs_row_record r;
		uint32_t slot = mv.mv_size == KVS_FORMAT_SLOT ? kvs_format_u32(mv.mv_data) : UINT32_MAX;
		if (slot != UINT32_MAX && fits(g, &mk, slot, &r)) {
			if (!add_row(g, slot, &r))
				return ERR_NO_MEMORY;
		} else {
			rc = mdb_cursor_del(c, 0);
			if (rc != 0)
				break;
		}
	}
	return rc == MDB_NOTFOUND ? OK : lmdb_write_err(g->s->view.env, rc);
}

static int by_slot(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static struct row *row_of(const struct gathering *g, uint32_t slot)
{
	size_t low = 0, high = g->rows_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (g->rows[mid].slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low < g->rows_n && g->rows[low].slot == slot ? &g->rows[low] : NULL;
}

/* Records that no name leads to: nobody could change or drop them. */
static enum err drop_nameless(struct gathering *g, MDB_cursor *c)
{
	MDB_val mk, mv;
	int rc;
	while ((rc = mdb_cursor_get(c, &mk, &mv, MDB_NEXT)) == 0) {
		if (mk.mv_size == KVS_FORMAT_SLOT && row_of(g, kvs_format_u32(mk.mv_data)) != NULL)
			continue;
		rc = mdb_cursor_del(c, 0);
		if (rc != 0)
			break;
	}
	return rc == MDB_NOTFOUND ? OK : lmdb_write_err(g->s->view.env, rc);
}

static enum err with_cursor(
    struct gathering *g, MDB_dbi table, enum err (*walk)(struct gathering *g, MDB_cursor *c))
{
	MDB_cursor *c;
	int rc = mdb_cursor_open(g->txn, table, &c);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = walk(g, c);
	mdb_cursor_close(c);
	return e;
}

static enum err read_rows(struct gathering *g)
{
	enum err e = with_cursor(g, g->s->rows.names, read_names);
	if (e != OK)
		return e;
	if (g->rows_n > 1)
		qsort(g->rows, g->rows_n, sizeof(*g->rows), by_slot);
	if (g->rows_n > 0)
		g->slots_n = g->rows[g->rows_n - 1].slot + 1;
	return with_cursor(g, g->s->rows.rows, drop_nameless);
}

/* -- entries -- */

/* Room for what the records promise; one that promises more than the file can hold is damaged. */
static enum err make_room(struct gathering *g)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(g->s->view.env, &info) != 0 || mdb_env_stat(g->s->view.env, &stat) != 0)
		return ERR_IO;
	uint64_t most = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize / 3;
	for (size_t i = 0; i < g->rows_n; i++) {
		struct row *r = &g->rows[i];
		if (r->own)
			continue;
		if (r->record.entries_n > most - g->places_n)
			r->record.entries_n = 0;
		r->first = g->places_n;
		g->places_n += r->record.entries_n;
	}
	g->places = reallocarray(NULL, g->places_n + 1, sizeof(*g->places));
	return g->places == NULL ? ERR_NO_MEMORY : OK;
}

static void note(
    struct gathering *g, const struct kvs_bundle_entry *b, uint64_t key_hash, struct bytes bundle)
{
	struct row *r = row_of(g, b->slot);
	if (b->slot >= g->slots_n && b->slot != UINT32_MAX)
		g->slots_n = b->slot + 1;
	if (r == NULL) {
		g->dead = true;
		return;
	}
	struct rpc_entry e = { .version = b->version, .deleted = b->deleted, .value = b->value };
	r->sum += kvs_format_entry_hash(key_hash, kvs_format_entry(&e, g->scratch));
	if (!r->own && r->n < r->record.entries_n)
		g->places[r->first + r->n] = (struct place){ b->version, bundle.p, (uint32_t)bundle.n };
	r->n++;
}

static enum err walk_bundles(struct gathering *g, MDB_cursor *c)
{
	MDB_val mk, mv;
	int rc;
	while ((rc = mdb_cursor_get(c, &mk, &mv, MDB_NEXT)) == 0) {
		struct kvs_bundle_key k;
		struct kvs_bundle_entry b;
		enum err e = kvs_bundle_parse_table_key(lmdb_bytes(&mk), &k);
		if (e == OK)
			e = kvs_bundle_open(&g->reader, lmdb_bytes(&mv));
		uint64_t key_hash = e == OK ? kvs_format_key_hash(g->reader.key) : 0;
		/* In another's place it would never be found. */
		if (e == OK && k.hash != (key_hash & g->s->rows.bundles.hash_mask))
			e = ERR_CORRUPT;
		while (e == OK && (e = kvs_bundle_next(&g->reader, &b)) == OK)
			note(g, &b, key_hash, lmdb_bytes(&mv));
		g->damaged |= e != ERR_NOT_FOUND;
	}
	return rc == MDB_NOTFOUND ? OK : lmdb_err(rc);
}

static int by_version(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	return a->version < b->version ? -1 : a->version > b->version;
}

enum { AHEAD = 12, CACHE_LINE = 64 };

static void prefetch(const struct place *p)
{
	for (uint32_t at = 0; at < p->bundle_n && at < 4 * CACHE_LINE; at += CACHE_LINE)
		__builtin_prefetch(p->bundle + at);
}

static enum err feed_entry(struct gathering *g, const struct row *r, const struct place *p)
{
	struct kvs_bundle_entry b;
	enum err e = kvs_bundle_open(&g->reader, bytes_of(p->bundle, p->bundle_n));
	while (e == OK && (e = kvs_bundle_next(&g->reader, &b)) == OK && b.slot != r->slot)
		;
	if (e != OK)
		return ERR_CORRUPT;
	struct rpc_entry entry = {
		.version = b.version, .key = g->reader.key, .value = b.value, .deleted = b.deleted
	};
	return kvs_load_entry(g->k, &r->record.meta.owner, r->record.meta.stream, &entry);
}

static enum err feed_row(struct gathering *g, struct row *r)
{
	if (r->record.meta.incarnation.count == 0 || r->n != r->record.entries_n || r->sum != r->record.sum)
		return ERR_CORRUPT;
	if (r->own)
		return OK;
	if (r->n > 1)
		qsort(g->places + r->first, r->n, sizeof(*g->places), by_version);
	enum err e = kvs_load_row(g->k, &r->record.meta);
	for (size_t i = 0; i < r->n && e == OK; i++) {
		/* Bundles lie anywhere in the file: the memory is asked for them ahead. */
		if (i + AHEAD < r->n)
			prefetch(&g->places[r->first + i + AHEAD]);
		e = feed_entry(g, r, &g->places[r->first + i]);
	}
	return e;
}

static bool is_refusal(enum err e)
{
	return e == ERR_CORRUPT || e == ERR_INVALID || e == ERR_NOT_FOUND || e == ERR_FULL;
}

/* Nothing is written before the last row is fed: places point into pages. */
static enum err feed_rows(struct gathering *g)
{
	enum err e = OK;
	size_t dropped = 0;
	for (size_t i = 0; i < g->rows_n && e == OK; i++) {
		struct row *r = &g->rows[i];
		e = feed_row(g, r);
		if (is_refusal(e)) {
			g->rows[dropped++] = *r;
			e = OK;
		}
	}
	for (size_t i = 0; i < dropped && e == OK; i++) {
		const struct kvs_row_meta *m = &g->rows[i].record.meta;
		e = lmdb_view_drop(&g->s->rows, g->txn, &m->owner, m->stream);
	}
	return e;
}

/* -- putting right -- */

static enum err mend(struct gathering *g)
{
	struct lmdb_view *v = &g->s->rows;
	uint32_t next = 0;
	enum err e = lmdb_next_slot_get(g->txn, v->meta, &next);
	/* A slot given out again would wake entries of another row. */
	if (e == ERR_CORRUPT || (e == OK && next < g->slots_n))
		e = lmdb_next_slot_put(g->txn, v->meta, g->slots_n);
	if (e != OK)
		return e;
	v->sweep.on |= g->dead || g->damaged;
	/* What cannot be read goes now, or the next write to it would fail. */
	while (e == OK && g->damaged && v->sweep.on)
		e = lmdb_view_sweep(v, g->txn, UINT16_MAX);
	return e;
}

enum err lmdb_load_view(struct kvs_store *s, MDB_txn *txn, struct kvs *k)
{
	struct gathering *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ERR_NO_MEMORY;
	g->s = s;
	g->k = k;
	g->txn = txn;
	enum err e = read_rows(g);
	if (e == OK)
		e = make_room(g);
	if (e == OK)
		e = with_cursor(g, s->rows.bundles.table, walk_bundles);
	if (e == OK)
		e = feed_rows(g);
	if (e == OK)
		e = mend(g);
	free(g->places);
	free(g->rows);
	free(g);
	return e;
}
