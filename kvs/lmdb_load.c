#include "kvs/lmdb_store_impl.h"

/* What a start reads back of `self`, and what it puts right. Rows that are damaged, or that the core finds do
 * not fit together, are dropped: others' are fetched again from peers, an own one begins anew and inherits
 * nothing.
 */

struct loading {
	struct kvs_store *s;
	struct kvs *k;
	MDB_txn *txn;
	struct kvs_row_key *dropped;
	size_t dropped_n, dropped_cap;
};

static enum err feed_entries(
    struct kvs *k, const struct node_id *owner, enum rpc_stream stream, const struct lmdb_row_entries *l)
{
	enum err e = OK;
	for (size_t i = 0; i < l->n && e == OK; i++)
		e = kvs_load_entry(k, owner, stream, &l->e[i]);
	return e;
}

static enum err feed_row(struct loading *l, const struct lmdb_rows *t, struct kvs_row_key k,
    const struct kvs_row_record *r, const struct node_id *owner)
{
	struct lmdb_row_entries entries;
	enum err e = lmdb_rows_read(t, l->txn, k, owner, r, &entries);
	if (e != OK)
		return e;
	e = kvs_load_row(l->k, &r->meta);
	if (e == OK)
		e = feed_entries(l->k, owner, k.stream, &entries);
	lmdb_row_entries_fini(&entries);
	return e;
}

static enum err drop_later(struct loading *l, struct kvs_row_key k)
{
	if (l->dropped_n == l->dropped_cap) {
		size_t cap = l->dropped_cap == 0 ? 16 : l->dropped_cap * 2;
		struct kvs_row_key *grown = reallocarray(l->dropped, cap, sizeof(*grown));
		if (grown == NULL)
			return ERR_NO_MEMORY;
		l->dropped = grown;
		l->dropped_cap = cap;
	}
	l->dropped[l->dropped_n++] = k;
	return OK;
}

/* Whether a row that could not be fed is one to drop. */
static bool is_refusal(enum err e)
{
	return e == ERR_CORRUPT || e == ERR_INVALID || e == ERR_NOT_FOUND || e == ERR_FULL;
}

static enum err drop_now(struct loading *l, struct lmdb_rows *t, MDB_txn *txn)
{
	enum err e = OK;
	for (size_t i = 0; i < l->dropped_n && e == OK; i++)
		e = lmdb_rows_drop(t, txn, l->dropped[i]);
	l->dropped_n = 0;
	return e;
}

/* -- own rows -- */

static enum err feed_own_row(void *arg, struct kvs_row_key k, const struct kvs_row_record *r)
{
	struct loading *l = arg;
	enum err e = r == NULL ? ERR_CORRUPT : feed_row(l, &l->s->own, k, r, &l->s->identity.id);
	return is_refusal(e) ? drop_later(l, k) : e;
}

static enum err drop_own(struct loading *l)
{
	struct lmdb_side *self = &l->s->self;
	MDB_txn *txn;
	int rc = mdb_txn_begin(self->env, NULL, 0, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = drop_now(l, &l->s->own, txn);
	if (e == OK)
		return lmdb_write_err(self->env, mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return e;
}

static enum err load_own(struct loading *l)
{
	if (!l->s->inherits)
		return OK;
	int rc = mdb_txn_begin(l->s->self.env, NULL, MDB_RDONLY, &l->txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = lmdb_rows_each(&l->s->own, l->txn, feed_own_row, l);
	mdb_txn_abort(l->txn);
	return e == OK && l->dropped_n > 0 ? drop_own(l) : e;
}

/* -- own rows as the view's readers see them -- */

static bool same_record(const struct kvs_row_record *a, const struct kvs_row_record *b)
{
	uint8_t ea[KVS_FORMAT_ROW_MAX], eb[KVS_FORMAT_ROW_MAX];
	return bytes_eq(kvs_format_row(a, ea), kvs_format_row(b, eb));
}

static enum err copy_row(
    struct loading *l, MDB_txn *self_txn, struct kvs_row_key from, const struct kvs_row_record *r)
{
	struct lmdb_view *view = &l->s->rows;
	const struct node_id *self = &l->s->identity.id;
	struct lmdb_row_entries entries;
	enum err e = lmdb_rows_read(&l->s->own, self_txn, from, self, r, &entries);
	if (e != OK)
		return e;
	e = lmdb_view_set(view, l->txn, &r->meta);
	for (size_t i = 0; i < entries.n && e == OK; i++)
		e = lmdb_view_put(view, l->txn, self, from.stream, &entries.e[i]);
	lmdb_row_entries_fini(&entries);
	return e;
}

static enum err seen_row(struct loading *l, enum rpc_stream stream, struct kvs_row_record *out)
{
	uint32_t slot;
	struct bytes record;
	enum err e = lmdb_view_slot(&l->s->rows, l->txn, &l->s->identity.id, stream, &slot);
	if (e == OK)
		e = lmdb_view_row(&l->s->rows, l->txn, slot, &record);
	return e == OK ? kvs_format_parse_row(record, out) : e;
}

/* Equal sums say that the view has the row as `self` has it; otherwise it is written anew: the view is new,
 * or the process ended between the two commits. */
static enum err mirror_row(struct loading *l, MDB_txn *self_txn, enum rpc_stream stream)
{
	struct kvs_row_key from = { LMDB_OWN_INDEX, stream };
	struct kvs_row_record own, seen;
	enum err own_e = lmdb_rows_get(&l->s->own, self_txn, from, &own);
	enum err seen_e = seen_row(l, stream, &seen);
	if (own_e != OK && own_e != ERR_NOT_FOUND)
		return own_e;
	if (own_e == seen_e && (own_e == ERR_NOT_FOUND || same_record(&own, &seen)))
		return OK;
	enum err e = lmdb_view_drop(&l->s->rows, l->txn, &l->s->identity.id, stream);
	return e == OK && own_e == OK ? copy_row(l, self_txn, from, &own) : e;
}

static enum err mirror_own(struct loading *l)
{
	MDB_txn *self_txn;
	int rc = mdb_txn_begin(l->s->self.env, NULL, MDB_RDONLY, &self_txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = OK;
	for (enum rpc_stream stream = 0; stream < RPC_STREAMS && e == OK; stream++)
		e = mirror_row(l, self_txn, stream);
	mdb_txn_abort(self_txn);
	return e == OK ? lmdb_view_flush(&l->s->rows, l->txn) : e;
}

static enum err load_and_mend(struct loading *l)
{
	enum err e = lmdb_load_view(l->s, l->txn, l->k);
	return e == OK ? mirror_own(l) : e;
}

static enum err load_into(struct loading *l)
{
	struct kvs_store *s = l->s;
	enum err e = load_own(l);
	if (e != OK)
		return e;
	int rc = mdb_txn_begin(s->view.env, NULL, 0, &l->txn);
	if (rc != 0)
		return lmdb_err(rc);
	e = load_and_mend(l);
	if (e == OK)
		e = lmdb_write_err(s->view.env, mdb_txn_commit(l->txn));
	else
		mdb_txn_abort(l->txn);
	if (s->rows.dropped)
		atomic_fetch_add(&s->drops, 1);
	lmdb_view_ended(&s->rows, e == OK);
	return e;
}

enum err kvs_store_load(struct kvs_store *s, struct kvs *k)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(!s->grouped);
	struct loading l = { .s = s, .k = k };
	enum err e = load_into(&l);
	free(l.dropped);
	lmdb_rows_forget(&s->own);
	return e;
}
