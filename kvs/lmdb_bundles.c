#include "kvs/lmdb_bundles.h"

#include "base/check.h"

#include <string.h>

/* A bundle's parts when it is split: its bytes, and for each part the key again. */
enum { OUT_BYTES = 256 * 1024, PARTS_MAX = 64 };

void lmdb_bundles_init(struct lmdb_bundles *t)
{
	t->hash_mask = UINT64_MAX;
	buf_init(&t->out, OUT_BYTES);
}

void lmdb_bundles_fini(struct lmdb_bundles *t)
{
	buf_fini(&t->out);
}

void lmdb_bundles_forget(struct lmdb_bundles *t)
{
	t->cursor = NULL;
}

static enum err cursor_of(struct lmdb_bundles *t, MDB_txn *txn)
{
	return t->cursor != NULL ? OK : lmdb_err(mdb_cursor_open(txn, t->table, &t->cursor));
}

/* -- reading one -- */

/* A value that the reader built is overwritten by what it builds next. */
static enum err keep_built(struct lmdb_bundles *t, struct kvs_bundle_entry *e)
{
	const uint8_t *from = &t->reader.built[0][0], *end = from + sizeof(t->reader.built);
	if (e->value.p < from || e->value.p >= end)
		return OK;
	if (e->value.n > sizeof(t->built) - t->built_n)
		return ERR_CORRUPT;
	uint8_t *copy = t->built + t->built_n;
	memcpy(copy, e->value.p, e->value.n);
	t->built_n += e->value.n;
	e->value.p = copy;
	return OK;
}

static enum err read_entries(struct lmdb_bundles *t)
{
	t->n = 0;
	t->built_n = 0;
	for (;;) {
		struct kvs_bundle_entry e;
		enum err got = kvs_bundle_next(&t->reader, &e);
		if (got == ERR_NOT_FOUND)
			return OK;
		if (got == OK)
			got = t->n < KVS_BUNDLE_ENTRIES_MAX ? keep_built(t, &e) : ERR_CORRUPT;
		if (got != OK)
			return got;
		t->e[t->n++] = e;
	}
}

/* -- finding -- */

static enum err parse(
    const MDB_val *mk, const MDB_val *mv, struct kvs_bundle_key *k, struct kvs_bundle_reader *r)
{
	enum err e = kvs_bundle_parse_table_key(lmdb_bytes(mk), k);
	return e == OK ? kvs_bundle_open(r, lmdb_bytes(mv)) : e;
}

/* The last bundle of `key` whose first slot is at or below `slot`; without one the bundle that has to be
 * made, in t->at. Bundles of one hash are few: all are walked. */
static enum err seek(struct lmdb_bundles *t, struct bytes key, uint64_t hash, uint32_t slot, MDB_val *found)
{
	uint8_t from[KVS_BUNDLE_TABLE_KEY_MAX];
	bool others = false, known = false;
	uint8_t last_which = 0;
	MDB_val mk = lmdb_val(kvs_bundle_table_key((struct kvs_bundle_key){ .hash = hash }, from)), mv;
	t->at = (struct kvs_bundle_key){ .hash = hash };
	t->exists = false;
	int rc = mdb_cursor_get(t->cursor, &mk, &mv, MDB_SET_RANGE);
	for (; rc == 0; rc = mdb_cursor_get(t->cursor, &mk, &mv, MDB_NEXT)) {
		struct kvs_bundle_key k;
		enum err e = parse(&mk, &mv, &k, &t->reader);
		if (e != OK)
			return e;
		if (k.hash != hash)
			break;
		if (!bytes_eq(t->reader.key, key)) {
			others = true;
			last_which = k.which;
			continue;
		}
		known = true;
		t->at.which = k.which;
		if (k.first > slot)
			break;
		t->at = k;
		t->exists = true;
		*found = mv;
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_err(rc);
	if (!known && others) {
		if (last_which == UINT8_MAX)
			return ERR_FULL;
		t->at.which = (uint8_t)(last_which + 1);
	}
	return OK;
}

enum err lmdb_bundles_find(
    struct lmdb_bundles *t, MDB_txn *txn, struct bytes key, uint64_t hash, uint32_t slot)
{
	MDB_val found = { 0 };
	enum err e = cursor_of(t, txn);
	if (e == OK)
		e = seek(t, key, hash & t->hash_mask, slot, &found);
	if (e != OK)
		return e;
	t->key = key;
	t->n = 0;
	if (t->exists) {
		e = kvs_bundle_open(&t->reader, lmdb_bytes(&found));
		if (e == OK)
			e = read_entries(t);
		if (e != OK)
			return e;
	}
	for (t->i = 0; t->i < t->n && t->e[t->i].slot < slot; t->i++)
		;
	t->found = t->i < t->n && t->e[t->i].slot == slot;
	return OK;
}

/* -- changing -- */

struct part {
	struct kvs_bundle_key at;
	size_t from, to; /* in `out` */
};

/* All parts are written out before the first is stored: values point into pages. */
static enum err make_parts(struct lmdb_bundles *t, struct part *parts, size_t *parts_n)
{
	size_t limit = KVS_BUNDLE_MAX, n = 0;
	buf_clear(&t->out);
	for (size_t done = 0; done < t->n;) {
		if (n == PARTS_MAX)
			return ERR_CORRUPT;
		struct part *p = &parts[n];
		p->at = t->at;
		if (n > 0)
			p->at.first = t->e[done].slot;
		p->from = t->out.n;
		size_t wrote = kvs_bundle_write(t->key, t->e + done, t->n - done, limit, &t->out);
		if (n == 0 && wrote < t->n && limit == KVS_BUNDLE_MAX) {
			limit = KVS_BUNDLE_SPLIT;
			buf_clear(&t->out);
			continue;
		}
		p->to = t->out.n;
		done += wrote;
		n++;
	}
	*parts_n = n;
	return buf_err(&t->out) == ERR_TOO_BIG ? ERR_CORRUPT : buf_err(&t->out);
}

static enum err store(struct lmdb_bundles *t, MDB_txn *txn)
{
	struct part parts[PARTS_MAX];
	uint8_t key_bytes[KVS_BUNDLE_TABLE_KEY_MAX];
	size_t n;
	enum err e = make_parts(t, parts, &n);
	if (e != OK)
		return e;
	int rc = 0;
	if (n == 0 && t->exists) {
		MDB_val mk = lmdb_val(kvs_bundle_table_key(t->at, key_bytes));
		rc = mdb_del(txn, t->table, &mk, NULL);
	}
	for (size_t i = 0; i < n && rc == 0; i++) {
		MDB_val mk = lmdb_val(kvs_bundle_table_key(parts[i].at, key_bytes));
		MDB_val mv = lmdb_val(bytes_of(t->out.p + parts[i].from, parts[i].to - parts[i].from));
		rc = mdb_cursor_put(t->cursor, &mk, &mv, i == 0 ? 0 : MDB_NOOVERWRITE);
	}
	if (rc == MDB_KEYEXIST)
		return ERR_CORRUPT; /* two bundles that overlap */
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

enum err lmdb_bundles_set(struct lmdb_bundles *t, MDB_txn *txn, const struct kvs_bundle_entry *e)
{
	struct kvs_bundle_entry *at = &t->e[t->i];
	size_t behind = t->n - t->i - t->found;
	if (e == NULL && !t->found)
		return OK;
	memmove(at + (e != NULL), at + t->found, behind * sizeof(*at));
	if (e != NULL)
		*at = *e;
	t->n = t->i + (e != NULL) + behind;
	return store(t, txn);
}

/* -- sweeping -- */

/* Of the bundle at the cursor. *left: entries that stay; t->n: those that were. */
static enum err drop_dead(
    struct lmdb_bundles *t, enum err (*dead)(void *arg, uint32_t slot, bool *dead), void *arg, size_t *left)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->n; i++) {
		bool gone;
		enum err e = dead(arg, t->e[i].slot, &gone);
		if (e != OK)
			return e;
		if (!gone)
			t->e[kept++] = t->e[i];
	}
	*left = kept;
	return OK;
}

static enum err sweep_one(struct lmdb_bundles *t, MDB_txn *txn, const MDB_val *mk, const MDB_val *mv,
    enum err (*dead)(void *arg, uint32_t slot, bool *dead), void *arg)
{
	size_t left = 0;
	enum err e = parse(mk, mv, &t->at, &t->reader);
	if (e == OK)
		e = read_entries(t);
	/* In another's place it would never be found. */
	if (e == OK && (kvs_format_key_hash(t->reader.key) & t->hash_mask) != t->at.hash)
		e = ERR_CORRUPT;
	if (e == ERR_CORRUPT)
		return lmdb_write_err(mdb_txn_env(txn), mdb_cursor_del(t->cursor, 0));
	if (e == OK)
		e = drop_dead(t, dead, arg, &left);
	if (e != OK || left == t->n)
		return e;
	if (left == 0)
		return lmdb_write_err(mdb_txn_env(txn), mdb_cursor_del(t->cursor, 0));
	t->n = left;
	t->key = t->reader.key;
	t->exists = true;
	return store(t, txn);
}

/* What comes behind; false: nothing can. */
static bool step(struct kvs_bundle_key *k)
{
	if (k->first < UINT32_MAX) {
		k->first++;
		return true;
	}
	k->first = 0;
	if (k->which < UINT8_MAX) {
		k->which++;
		return true;
	}
	k->which = 0;
	return ++k->hash != 0;
}

enum err lmdb_bundles_sweep(struct lmdb_bundles *t, MDB_txn *txn, struct kvs_bundle_key *from, unsigned max,
    enum err (*dead)(void *arg, uint32_t slot, bool *dead), void *arg, bool *end)
{
	uint8_t key_bytes[KVS_BUNDLE_TABLE_KEY_MAX];
	enum err e = cursor_of(t, txn);
	*end = false;
	for (unsigned i = 0; i < max && e == OK && !*end; i++) {
		/* Sought anew each time, for what a change does to the cursor is LMDB's business. */
		MDB_val mk = lmdb_val(kvs_bundle_table_key(*from, key_bytes)), mv;
		int rc = mdb_cursor_get(t->cursor, &mk, &mv, MDB_SET_RANGE);
		struct kvs_bundle_key k;
		*end = rc == MDB_NOTFOUND;
		if (*end)
			break;
		if (rc != 0)
			return lmdb_err(rc);
		if (kvs_bundle_parse_table_key(lmdb_bytes(&mk), &k) != OK) {
			e = lmdb_write_err(mdb_txn_env(txn), mdb_cursor_del(t->cursor, 0));
			continue;
		}
		e = sweep_one(t, txn, &mk, &mv, dead, arg);
		*from = k;
		*end = !step(from);
	}
	return e;
}
