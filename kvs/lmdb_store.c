#include "kvs/lmdb_store_impl.h"

/* -- one operation -- */

static enum err apply_to(struct lmdb_side *side, struct kvs_row_key k, const struct kvs_op *op)
{
	switch (op->kind) {
	case KVS_OP_ROW: return lmdb_rows_set(&side->rows, side->txn, k, op->row);
	case KVS_OP_DROP_ROW: return lmdb_rows_drop(&side->rows, side->txn, k);
	case KVS_OP_ENTRY: return lmdb_rows_put(&side->rows, side->txn, k, &op->entry);
	case KVS_OP_DROP_ENTRY: return lmdb_rows_remove(&side->rows, side->txn, k, op->entry.key);
	}
	UNREACHABLE();
}

static enum err begin_side(struct lmdb_side *side)
{
	return side->txn != NULL ? OK : lmdb_err(mdb_txn_begin(side->env, NULL, 0, &side->txn));
}

/* Own rows go to `self` too. One that carries a later incarnation than this run's (the core jumped above a
 * stranger's) takes the identity along: it is on disk before anything is sent under it (R2). */
static enum err apply_own(struct kvs_store *s, enum rpc_stream stream, const struct kvs_op *op)
{
	enum err e = begin_side(&s->self);
	if (e != OK)
		return e;
	if (op->kind == KVS_OP_ROW && incarnation_cmp(op->row->incarnation, s->next_identity.incarnation) > 0) {
		s->next_identity.incarnation = op->row->incarnation;
		e = lmdb_identity_put(s->self.txn, s->self.meta, &s->next_identity);
		if (e != OK)
			return e;
	}
	return apply_to(&s->self, (struct kvs_row_key){ LMDB_OWN_INDEX, stream }, op);
}

static enum err apply_op(struct kvs_store *s, const struct kvs_op *op)
{
	const struct node_id *owner = op->kind == KVS_OP_ROW ? &op->row->owner : &op->owner;
	enum rpc_stream stream = op->kind == KVS_OP_ROW ? op->row->stream : op->stream;
	CHECK(stream == RPC_CONTROL || stream == RPC_LOCATIONS); /* load is never stored */
	struct kvs_row_key k = { .stream = stream };
	enum err e = lmdb_owner_index(s, s->view.txn, owner, &k.owner);
	if (e == OK && node_id_eq(owner, &s->identity.id))
		e = apply_own(s, stream, op);
	return e == OK ? apply_to(&s->view, k, op) : e;
}

/* -- groups -- */

enum err kvs_store_begin(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(!s->grouped);
	enum err e = begin_side(&s->view);
	if (e != OK)
		return e;
	s->next_identity = s->identity;
	s->failed = OK;
	s->grouped = true;
	return OK;
}

enum err kvs_store_apply(struct kvs_store *s, const struct kvs_op *ops, size_t n)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(s->grouped);
	for (size_t i = 0; i < n && s->failed == OK; i++)
		s->failed = apply_op(s, &ops[i]);
	return s->failed;
}

static void abort_side(struct lmdb_side *side)
{
	if (side->txn != NULL)
		mdb_txn_abort(side->txn);
	side->txn = NULL;
	lmdb_rows_forget(&side->rows);
}

static enum err flush_side(struct lmdb_side *side)
{
	return side->txn == NULL ? OK : lmdb_rows_flush(&side->rows, side->txn);
}

/* LMDB frees the transaction whether it could be committed or not. */
static enum err commit_side(struct lmdb_side *side)
{
	if (side->txn == NULL)
		return OK;
	int rc = mdb_txn_commit(side->txn);
	side->txn = NULL;
	lmdb_rows_forget(&side->rows);
	return lmdb_write_err(side->env, rc);
}

void kvs_store_abort(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	abort_side(&s->self);
	abort_side(&s->view);
	s->owner_cached = false; /* its index may have been given out by what was undone */
	s->grouped = false;
}

enum err kvs_store_commit(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(s->grouped);
	enum err e = s->failed;
	if (e == OK)
		e = flush_side(&s->self);
	if (e == OK)
		e = flush_side(&s->view);
	if (e == OK)
		e = commit_side(&s->self);
	if (e == OK) {
		s->identity.incarnation = s->next_identity.incarnation;
		e = commit_side(&s->view);
	}
	kvs_store_abort(s);
	return e;
}

const struct node_id *kvs_store_self(const struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	return &s->identity.id;
}
