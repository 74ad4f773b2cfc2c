#include "newer.h"

#include "base/check.h"
#include "oracle.h"
#include "rpc/codec.h"
#include "rpc/wire.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* What the next build says and this one has never heard of, in every wire type (V1). */
static const ProtobufCMessageUnknownField UNKNOWN[] = {
	{ 1001, PROTOBUF_C_WIRE_TYPE_VARINT, 2, (uint8_t[]){ 0x96, 0x01 } },
	{ 1002, PROTOBUF_C_WIRE_TYPE_64BIT, 8, (uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ 1003, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 5, (uint8_t[]){ 4, 0xff, 0, 0xfe, 'x' } },
	{ 1004, PROTOBUF_C_WIRE_TYPE_32BIT, 4, (uint8_t[]){ 9, 9, 9, 9 } },
};
enum { UNKNOWN_N = sizeof(UNKNOWN) / sizeof(UNKNOWN[0]), STREAM = 5 };

/* -- messages -- */

static void *must_alloc(size_t n)
{
	void *p = malloc(n + 1);
	CHECK(p != NULL);
	return p;
}

static void add_unknown(struct sim *s, ProtobufCMessage *m)
{
	if (!prng_chance(&s->prng, 500) || m->n_unknown_fields > 0)
		return;
	size_t first = prng_below(&s->prng, UNKNOWN_N);
	m->n_unknown_fields = 1 + (unsigned)prng_below(&s->prng, UNKNOWN_N - first);
	m->unknown_fields = must_alloc(m->n_unknown_fields * sizeof(*m->unknown_fields));
	for (unsigned i = 0; i < m->n_unknown_fields; i++) {
		m->unknown_fields[i] = UNKNOWN[first + i];
		m->unknown_fields[i].data = must_alloc(UNKNOWN[first + i].len);
		memcpy(m->unknown_fields[i].data, UNKNOWN[first + i].data, UNKNOWN[first + i].len);
	}
}

/* In the message and in all that it holds, to the depth of the schema. */
static void add_all(struct sim *s, ProtobufCMessage *m)
{
	add_unknown(s, m);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const char *at = (const char *)m + f->offset;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
		    *(const uint32_t *)(const void *)((const char *)m + f->quantifier_offset) != f->id)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
			for (size_t j = 0; j < n; j++)
				add_all(s, (*(ProtobufCMessage * *const *)(const void *)at)[j]);
		} else if (*(ProtobufCMessage *const *)(const void *)at != NULL) {
			add_all(s, *(ProtobufCMessage *const *)(const void *)at);
		}
	}
}

/* One more row, like the last, of a stream that this build has not. */
static void *one_more(ProtobufCMessage ***rows, size_t *n)
{
	const ProtobufCMessage *last = (*rows)[*n - 1];
	size_t size = protobuf_c_message_get_packed_size(last);
	uint8_t *bytes = must_alloc(size);
	protobuf_c_message_pack(last, bytes);
	ProtobufCMessage *copy = protobuf_c_message_unpack(last->descriptor, NULL, size, bytes);
	*rows = realloc(*rows, (*n + 1) * sizeof(ProtobufCMessage *));
	CHECK(copy != NULL && *rows != NULL);
	(*rows)[(*n)++] = copy;
	free(bytes);
	return copy;
}

static void add_rows(Warmcast__Envelope *env)
{
	if (env->body_case == WARMCAST__ENVELOPE__BODY_ANNOUNCE) {
		Warmcast__Announce *a = env->announce;
		if (a->n_rows > 0 && a->n_rows < RPC_ANNOUNCE_ROWS_MAX)
			((Warmcast__RowVersion *)one_more((ProtobufCMessage ***)(void *)&a->rows, &a->n_rows))->stream =
			    STREAM;
	} else if (env->body_case == WARMCAST__ENVELOPE__BODY_DIGEST) {
		Warmcast__Digest *d = env->digest;
		if (d->n_rows > 0 && d->n_rows < RPC_DIGEST_ROWS_MAX)
			((Warmcast__RowPosition *)one_more((ProtobufCMessage ***)(void *)&d->rows, &d->n_rows))->stream =
			    STREAM;
	}
}

static bool pack(const Warmcast__Envelope *env, struct buf *frame)
{
	size_t n = warmcast__envelope__get_packed_size(env);
	if (n > RPC_FRAME_MAX)
		return false;
	uint8_t *bytes = must_alloc(n);
	warmcast__envelope__pack(env, bytes);
	buf_clear(frame);
	buf_put(frame, bytes, n);
	free(bytes);
	return true;
}

void newer_dress(struct sim *s, struct buf *frame)
{
	if (!prng_chance(&s->prng, 300))
		return;
	Warmcast__Envelope *env = warmcast__envelope__unpack(NULL, frame->n, frame->p);
	CHECK(env != NULL);
	add_rows(env);
	add_all(s, &env->base);
	(void)pack(env, frame);
	warmcast__envelope__free_unpacked(env, NULL);
}

bool newer_extra(struct sim *s, struct buf *frame)
{
	/* Two bytes of tag, one of length: a body of a kind that does not exist yet. */
	static const uint8_t KIND[] = { 0x9a, 0x06, 4, 'n', 'e', 'x', 't' };
	if (!prng_chance(&s->prng, 20))
		return false;
	Warmcast__Envelope *env = warmcast__envelope__unpack(NULL, frame->n, frame->p);
	CHECK(env != NULL);
	if (env->body_case == WARMCAST__ENVELOPE__BODY_ROW_FRAME) {
		env->row_frame->stream = STREAM;
		CHECK(pack(env, frame));
	} else {
		buf_clear(frame);
		buf_put(frame, KIND, sizeof(KIND));
	}
	warmcast__envelope__free_unpacked(env, NULL);
	return true;
}

/* -- entries -- */

static bool speaks_newer;

void newer_speaks(const struct sim_node *n)
{
	speaks_newer = n != NULL && n->build == SIM_NEXT;
}

/* The linker puts these before the functions of rpc/entries.h (CMakeLists.txt): what the core writes of
 * itself is then what the next build would write. */
enum err __real_rpc_encode_register(const struct rpc_register *r, struct buf *out);
enum err __wrap_rpc_encode_register(const struct rpc_register *r, struct buf *out);
enum err __real_rpc_encode_load(const struct rpc_load *l, struct buf *out);
enum err __wrap_rpc_encode_load(const struct rpc_load *l, struct buf *out);
enum err __real_rpc_encode_claim(const struct rpc_claim *c, struct buf *out);
enum err __wrap_rpc_encode_claim(const struct rpc_claim *c, struct buf *out);

static enum err add_fields(enum err e, struct buf *out)
{
	/* Fields 1001 (a number) and 1003 (bytes). */
	static const uint8_t FIELDS[] = { 0xc8, 0x3e, 0x96, 0x01, 0xda, 0x3e, 3, 0xff, 0, 'x' };
	if (e == OK && speaks_newer)
		buf_put(out, FIELDS, sizeof(FIELDS));
	return e;
}

enum err __wrap_rpc_encode_register(const struct rpc_register *r, struct buf *out)
{
	return add_fields(__real_rpc_encode_register(r, out), out);
}

enum err __wrap_rpc_encode_load(const struct rpc_load *l, struct buf *out)
{
	return add_fields(__real_rpc_encode_load(l, out), out);
}

enum err __wrap_rpc_encode_claim(const struct rpc_claim *c, struct buf *out)
{
	return add_fields(__real_rpc_encode_claim(c, out), out);
}

struct bytes newer_key(unsigned number, uint8_t key[NEWER_KEY_BYTES])
{
	memcpy(key, (uint8_t[NEWER_KEY_BYTES]){ 0x01, 0xff, 0, (uint8_t)number, 'n', 'e', 'w' }, NEWER_KEY_BYTES);
	return bytes_of(key, NEWER_KEY_BYTES);
}

/* -- a newer build that ran here and is gone -- */

static void rename_row(struct kvs_row_meta *m, struct incarnation to)
{
	size_t keep = m->ancestors_n < RPC_ANCESTORS_MAX ? m->ancestors_n : RPC_ANCESTORS_MAX - 1;
	memmove(m->ancestors + 1, m->ancestors, keep * sizeof(m->ancestors[0]));
	m->ancestors[0] = (struct rpc_ancestor){ m->incarnation, m->have };
	m->ancestors_n = keep + 1;
	m->incarnation = to;
}

void newer_ran(struct sim *s, struct sim_node *n)
{
	enum { OWN_ROWS = 2 };
	struct kvs_row_meta metas[OWN_ROWS];
	struct kvs_op ops[OWN_ROWS + 1];
	size_t ops_n = 0;
	uint8_t key[NEWER_KEY_BYTES], value[8];
	memcpy(value, &s->value_number, sizeof(value));
	s->value_number++;
	struct incarnation to = { n->disk.incarnation.count + 1, prng_next(&s->prng) };
	for (size_t i = 0; i < n->disk.self_n && i < OWN_ROWS; i++) {
		struct kvs_row_meta *m = &metas[i];
		*m = n->disk.self[i].meta;
		rename_row(m, to);
		ops[ops_n++] =
		    (struct kvs_op){ .kind = KVS_OP_ROW, .row = m, .owner = m->owner, .stream = m->stream };
		if (m->stream != RPC_CONTROL)
			continue;
		m->horizon = ++m->have;
		struct rpc_entry e = { .version = m->have, .key = newer_key(0, key), .value = bytes_of(value, 8) };
		ops[ops_n++] =
		    (struct kvs_op){ .kind = KVS_OP_ENTRY, .owner = m->owner, .stream = m->stream, .entry = e };
	}
	n->out->ops = ops;
	n->out->ops_n = ops_n;
	n->out->ops_own = true;
	struct batch *b = batch_new(n->out);
	oracle_submitted(s, n->index, b);
	disk_commit(&n->disk, b);
	oracle_stored(s, n->index, b);
	batch_free(b);
	sim_say(s, "a newer build ran at %zu", n->index);
}
