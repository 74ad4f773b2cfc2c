#include "kvs/lmdb_store_impl.h"

/* -- one operation -- */

enum { SWEEP_BUNDLES = 256 }; /* a group looks at that many for what dropped rows left */

static enum err apply_self(struct kvs_store *s, struct kvs_row_key k, const struct kvs_op *op)
{
	switch (op->kind) {
	case KVS_OP_ROW: return lmdb_rows_set(&s->own, s->self.txn, k, op->row);
	case KVS_OP_DROP_ROW: return lmdb_rows_drop(&s->own, s->self.txn, k);
	case KVS_OP_ENTRY: return lmdb_rows_put(&s->own, s->self.txn, k, &op->entry);
	case KVS_OP_DROP_ENTRY: return lmdb_rows_remove(&s->own, s->self.txn, k, op->entry.key);
	}
	UNREACHABLE();
}

static enum err apply_view(
    struct kvs_store *s, const struct node_id *owner, enum rpc_stream stream, const struct kvs_op *op)
{
	switch (op->kind) {
	case KVS_OP_ROW: return lmdb_view_set(&s->rows, s->view.txn, op->row);
	case KVS_OP_DROP_ROW: return lmdb_view_drop(&s->rows, s->view.txn, owner, stream);
	case KVS_OP_ENTRY: return lmdb_view_put(&s->rows, s->view.txn, owner, stream, &op->entry);
	case KVS_OP_DROP_ENTRY: return lmdb_view_remove(&s->rows, s->view.txn, owner, stream, op->entry.key);
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
		e = lmdb_identity_put(s->self.txn, s->self_meta, &s->next_identity);
		if (e != OK)
			return e;
	}
	return apply_self(s, (struct kvs_row_key){ LMDB_OWN_INDEX, stream }, op);
}

static enum err apply_op(struct kvs_store *s, const struct kvs_op *op)
{
	const struct node_id *owner = op->kind == KVS_OP_ROW ? &op->row->owner : &op->owner;
	enum rpc_stream stream = op->kind == KVS_OP_ROW ? op->row->stream : op->stream;
	CHECK(stream == RPC_CONTROL || stream == RPC_LOCATIONS); /* load is never stored */
	enum err e = node_id_eq(owner, &s->identity.id) ? apply_own(s, stream, op) : OK;
	return e == OK ? apply_view(s, owner, stream, op) : e;
}

/* -- groups -- */

enum err kvs_store_begin(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(!s->grouped);
	enum err e = begin_side(&s->view);
	lmdb_store_say_why(s, e);
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
	if (s->failed != OK)
		lmdb_store_say_why(s, s->failed);
	return s->failed;
}

static void abort_side(struct lmdb_side *side)
{
	if (side->txn != NULL)
		mdb_txn_abort(side->txn);
	side->txn = NULL;
}

/* LMDB frees the transaction whether it could be committed or not. */
static enum err commit_side(struct lmdb_side *side)
{
	if (side->txn == NULL)
		return OK;
	int rc = mdb_txn_commit(side->txn);
	side->txn = NULL;
	return lmdb_write_err(side->env, rc);
}

void kvs_store_abort(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	abort_side(&s->self);
	abort_side(&s->view);
	lmdb_rows_forget(&s->own);
	lmdb_view_ended(&s->rows, false);
	s->grouped = false;
}

static enum err flush(struct kvs_store *s)
{
	enum err e = s->self.txn == NULL ? OK : lmdb_rows_flush(&s->own, s->self.txn);
	if (e == OK)
		e = lmdb_view_flush(&s->rows, s->view.txn);
	return e == OK ? lmdb_view_sweep(&s->rows, s->view.txn, SWEEP_BUNDLES) : e;
}

static enum err commit_view(struct kvs_store *s)
{
	enum err e = commit_side(&s->view);
	if (e != OK)
		return e;
	/* After the commit: a reader that sees the count sees that the row is gone as well. */
	if (s->rows.dropped)
		atomic_fetch_add(&s->drops, 1);
	lmdb_view_ended(&s->rows, true);
	return OK;
}

enum err kvs_store_commit(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(s->grouped);
	enum err e = s->failed;
	if (e == OK)
		e = flush(s);
	if (e == OK)
		e = commit_side(&s->self);
	if (e == OK) {
		s->identity.incarnation = s->next_identity.incarnation;
		e = commit_view(s);
	}
	if (e != OK && s->failed == OK)
		lmdb_store_say_why(s, e);
	kvs_store_abort(s);
	return e;
}

const struct node_id *kvs_store_self(const struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	return &s->identity.id;
}
