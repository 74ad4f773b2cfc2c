#include "base/check.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static void row_free(struct disk_row *r)
{
	for (size_t i = 0; i < r->entries_n; i++)
		free(r->entries[i].data);
	free(r->entries);
}

static void rows_free(struct disk_row **rows, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		row_free(&(*rows)[i]);
	free(*rows);
	*rows = NULL;
	*n = 0;
}

void disk_fini(struct disk *d)
{
	rows_free(&d->self, &d->self_n);
	rows_free(&d->view, &d->view_n);
	*d = (struct disk){ 0 };
}

void disk_drop_view(struct disk *d)
{
	rows_free(&d->view, &d->view_n);
}

static uint8_t *dup_bytes(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	CHECK(copy != NULL);
	memcpy(copy, p, n);
	return copy;
}

static void rows_copy(struct disk_row **to, size_t *to_n, const struct disk_row *from, size_t n)
{
	*to = calloc(n + 1, sizeof(**to));
	CHECK(*to != NULL);
	*to_n = n;
	for (size_t i = 0; i < n; i++) {
		struct disk_row *r = &(*to)[i];
		*r = from[i];
		r->entries_cap = r->entries_n;
		r->entries = calloc(r->entries_n + 1, sizeof(*r->entries));
		CHECK(r->entries != NULL);
		for (size_t j = 0; j < r->entries_n; j++) {
			r->entries[j] = from[i].entries[j];
			r->entries[j].data =
			    dup_bytes(from[i].entries[j].data, from[i].entries[j].key_n + from[i].entries[j].value_n);
		}
	}
}

void disk_copy(struct disk *to, const struct disk *from)
{
	disk_fini(to);
	*to = *from;
	rows_copy(&to->self, &to->self_n, from->self, from->self_n);
	rows_copy(&to->view, &to->view_n, from->view, from->view_n);
}

static struct disk_row *find(struct disk_row *rows, size_t n, const struct kvs_op *op)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].meta.stream == op->stream && node_id_eq(&rows[i].meta.owner, &op->owner))
			return &rows[i];
	return NULL;
}

static void drop_entry(struct disk_row *r, struct bytes key)
{
	for (size_t i = 0; i < r->entries_n; i++) {
		if (!bytes_eq(bytes_of(r->entries[i].data, r->entries[i].key_n), key))
			continue;
		free(r->entries[i].data);
		r->entries[i] = r->entries[--r->entries_n];
		return;
	}
}

static void set_entry(struct disk_row *r, const struct rpc_entry *e)
{
	drop_entry(r, e->key);
	if (r->entries_n == r->entries_cap) {
		r->entries_cap = r->entries_cap == 0 ? 8 : r->entries_cap * 2;
		r->entries = realloc(r->entries, r->entries_cap * sizeof(*r->entries));
		CHECK(r->entries != NULL);
	}
	uint8_t *data = malloc(e->key.n + e->value.n + 1);
	CHECK(data != NULL);
	memcpy(data, e->key.p, e->key.n);
	if (e->value.n > 0)
		memcpy(data + e->key.n, e->value.p, e->value.n);
	r->entries[r->entries_n++] = (struct disk_entry){
		.version = e->version, .data = data, .key_n = e->key.n, .value_n = e->value.n, .deleted = e->deleted
	};
}

static void commit_op(struct disk_row **rows, size_t *n, const struct kvs_op *op)
{
	struct disk_row *r = find(*rows, *n, op);
	switch (op->kind) {
	case KVS_OP_ROW:
		if (r == NULL) {
			*rows = realloc(*rows, (*n + 1) * sizeof(**rows));
			CHECK(*rows != NULL);
			r = &(*rows)[(*n)++];
			*r = (struct disk_row){ 0 };
		}
		r->meta = *op->row;
		break;
	case KVS_OP_DROP_ROW:
		if (r != NULL) {
			row_free(r);
			*r = (*rows)[--*n];
		}
		break;
	case KVS_OP_ENTRY:
		CHECK(r != NULL);
		set_entry(r, &op->entry);
		break;
	case KVS_OP_DROP_ENTRY:
		CHECK(r != NULL);
		drop_entry(r, op->entry.key);
		break;
	}
}

void disk_commit(struct disk *d, const struct batch *b)
{
	for (size_t i = 0; i < b->ops_n; i++) {
		const struct kvs_op *op = &b->ops[i];
		if (!node_id_eq(&op->owner, &d->id)) {
			commit_op(&d->view, &d->view_n, op);
			continue;
		}
		commit_op(&d->self, &d->self_n, op);
		/* A jump: the identity goes on from there. */
		if (op->kind == KVS_OP_ROW && incarnation_cmp(d->incarnation, op->row->incarnation) < 0)
			d->incarnation = op->row->incarnation;
	}
}

static int by_version(const void *a, const void *b)
{
	const struct disk_entry *x = a, *y = b;
	return x->version < y->version ? -1 : x->version > y->version;
}

static bool load_rows(struct disk_row *rows, size_t n, struct kvs *k)
{
	for (size_t i = 0; i < n; i++) {
		struct disk_row *r = &rows[i];
		if (r->entries_n > 0)
			qsort(r->entries, r->entries_n, sizeof(*r->entries), by_version);
		if (kvs_load_row(k, &r->meta) != OK)
			return false;
		for (size_t j = 0; j < r->entries_n; j++) {
			const struct disk_entry *e = &r->entries[j];
			struct rpc_entry entry = { .version = e->version,
				.key = bytes_of(e->data, e->key_n),
				.value = bytes_of(e->data + e->key_n, e->value_n),
				.deleted = e->deleted };
			if (kvs_load_entry(k, &r->meta.owner, r->meta.stream, &entry) != OK)
				return false;
		}
	}
	return true;
}

bool disk_load(const struct disk *d, struct kvs *k)
{
	return load_rows(d->self, d->self_n, k) && load_rows(d->view, d->view_n, k);
}

struct batch *batch_new(const struct kvs_outputs *out)
{
	struct batch *b = calloc(1, sizeof(*b));
	CHECK(b != NULL);
	b->seq = out->ops_seq;
	b->own = out->ops_own;
	b->ops_n = out->ops_n;
	b->ops = calloc(out->ops_n + 1, sizeof(*b->ops));
	b->metas = calloc(out->ops_n + 1, sizeof(*b->metas));
	CHECK(b->ops != NULL && b->metas != NULL);
	for (size_t i = 0; i < out->ops_n; i++) {
		struct kvs_op *op = &b->ops[i];
		*op = out->ops[i];
		if (op->row != NULL) {
			b->metas[i] = *op->row;
			op->row = &b->metas[i];
		}
		uint8_t *data = malloc(op->entry.key.n + op->entry.value.n + 1);
		CHECK(data != NULL);
		if (op->entry.key.n > 0)
			memcpy(data, op->entry.key.p, op->entry.key.n);
		if (op->entry.value.n > 0)
			memcpy(data + op->entry.key.n, op->entry.value.p, op->entry.value.n);
		op->entry.key.p = data;
		op->entry.value.p = data + op->entry.key.n;
	}
	return b;
}

void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->ops_n; i++)
		free((void *)(uintptr_t)b->ops[i].entry.key.p);
	free(b->ops);
	free(b->metas);
	free(b);
}
