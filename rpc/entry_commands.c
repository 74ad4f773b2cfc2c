#include "rpc/entries.h"

#include "rpc/entries.pb-c.h"
#include "rpc/pb.h"

#include <string.h>

void rpc_command_key(const struct rpc_command_id *id, uint8_t key[RPC_COMMAND_KEY_BYTES])
{
	key[0] = RPC_COMMAND_CLASS;
	memcpy(key + 1, id->b, RPC_COMMAND_ID_BYTES);
}

bool rpc_command_key_split(struct bytes key, struct rpc_command_id *id)
{
	if (key.n != RPC_COMMAND_KEY_BYTES || key.p[0] != RPC_COMMAND_CLASS)
		return false;
	memcpy(id->b, key.p + 1, RPC_COMMAND_ID_BYTES);
	return true;
}

int rpc_command_id_cmp(const struct rpc_command_id *a, const struct rpc_command_id *b)
{
	return memcmp(a->b, b->b, RPC_COMMAND_ID_BYTES);
}

int rpc_command_cmp(
    struct rpc_hlc a, const struct rpc_command_id *a_id, struct rpc_hlc b, const struct rpc_command_id *b_id)
{
	if (a.wall_ms != b.wall_ms)
		return a.wall_ms < b.wall_ms ? -1 : 1;
	if (a.counter != b.counter)
		return a.counter < b.counter ? -1 : 1;
	return rpc_command_id_cmp(a_id, b_id);
}

struct bytes rpc_operator(struct bytes said)
{
	if (said.n > RPC_OPERATOR_MAX)
		return BYTES_NONE;
	for (size_t i = 0; i < said.n; i++)
		if (said.p[i] <= ' ' || said.p[i] >= 0x7f || said.p[i] == '"' || said.p[i] == '\\')
			return BYTES_NONE;
	return said;
}

static bool is_about_a_node(uint32_t kind)
{
	return kind == RPC_COMMAND_EXPEL || kind == RPC_COMMAND_DRAIN || kind == RPC_COMMAND_UNDRAIN;
}

static enum err check(const struct rpc_command *c)
{
	if (c->subject.n > RPC_SUBJECT_MAX)
		return ERR_TOO_BIG;
	if (c->subject.n == 0 || (is_about_a_node(c->kind) && c->subject.n != NODE_ID_BYTES))
		return ERR_INVALID;
	return OK;
}

enum err rpc_encode_command(const struct rpc_command *c, struct buf *out)
{
	enum err e = check(c);
	if (e != OK)
		return e;
	Warmcast__Command m = WARMCAST__COMMAND__INIT;
	m.wall_ms = c->at.wall_ms;
	m.counter = c->at.counter;
	m.kind = c->kind;
	m.subject = pb_data(c->subject);
	m.issuer = pb_data(bytes_of(c->issuer.b, NODE_ID_BYTES));
	m.by = pb_data(rpc_operator(c->by));
	m.drained_wall_ms = c->drained_ms;
	m.drained_by = pb_data(rpc_operator(c->drained_by));
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_command(struct bytes value, struct arena *a, struct rpc_command *c)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__command__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Command *m = (const Warmcast__Command *)(const void *)pb;
	if (m->issuer.len != NODE_ID_BYTES)
		return ERR_INVALID;
	struct rpc_command got = {
		.at = { m->wall_ms, m->counter },
		.kind = m->kind,
		.subject = pb_bytes(m->subject),
		.by = rpc_operator(pb_bytes(m->by)),
		.drained_ms = m->drained_wall_ms,
		.drained_by = rpc_operator(pb_bytes(m->drained_by)),
	};
	memcpy(got.issuer.b, m->issuer.data, NODE_ID_BYTES);
	e = check(&got);
	if (e == OK)
		*c = got;
	return e;
}

enum err rpc_encode_forgotten(uint64_t version, struct buf *out)
{
	Warmcast__Forgotten m = WARMCAST__FORGOTTEN__INIT;
	m.version = version;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_forgotten(struct bytes value, struct arena *a, uint64_t *version)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__forgotten__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	*version = ((const Warmcast__Forgotten *)(const void *)pb)->version;
	return OK;
}

enum err rpc_encode_applied(const struct rpc_applied *p, struct buf *out)
{
	ProtobufCBinaryData ids[RPC_APPLIED_MAX];
	if (p->n > RPC_APPLIED_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < p->n; i++)
		ids[i] = pb_data(bytes_of(p->ids[i].b, RPC_COMMAND_ID_BYTES));
	Warmcast__Applied m = WARMCAST__APPLIED__INIT;
	m.ids = ids;
	m.n_ids = p->n;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_applied(struct bytes value, struct arena *a, struct rpc_applied *p)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__applied__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Applied *m = (const Warmcast__Applied *)(const void *)pb;
	struct rpc_applied got = { .n = 0 };
	size_t first = m->n_ids > RPC_APPLIED_MAX ? m->n_ids - RPC_APPLIED_MAX : 0;
	for (size_t i = first; i < m->n_ids; i++) {
		if (m->ids[i].len != RPC_COMMAND_ID_BYTES)
			return ERR_INVALID;
		memcpy(got.ids[got.n++].b, m->ids[i].data, RPC_COMMAND_ID_BYTES);
	}
	*p = got;
	return OK;
}
