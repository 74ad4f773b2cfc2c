#include "rpc/codec_pb.h"
#include "rpc/names.h"
#include "rpc/wire.pb-c.h"

struct taker {
	struct rpc_names *names;
	struct arena *arena;
};

struct row {
	struct row_name name;
	enum rpc_stream stream;
	bool known; /* else the stream is one of a newer peer (V1) */
};

static enum err take_name(struct taker *t, const Warmcast__Name *in, struct row_name *out)
{
	if (in->n_ancestors > RPC_ANCESTORS_MAX)
		return ERR_TOO_BIG;
	struct rpc_ancestor *ancestors = arena_array(t->arena, in->n_ancestors, sizeof(*ancestors));
	if (ancestors == NULL)
		return ERR_TOO_BIG;
	*out = (struct row_name){ .ancestors = ancestors, .ancestors_n = in->n_ancestors };
	if (!codec_take_fixed(in->owner, out->owner.b, NODE_ID_BYTES) ||
	    !codec_take_incarnation(in->incarnation, &out->incarnation))
		return ERR_INVALID;
	enum err e = codec_take_ancestors(in->ancestors, in->n_ancestors, ancestors);
	if (e != OK || in->number == 0)
		return e;
	return names_hear(t->names, in->number, out);
}

/* The row that is meant. Its ancestors are valid until the next one is mentioned. */
static enum err mentioned(struct taker *t, uint32_t mention, const Warmcast__Name *name, struct row *out)
{
	uint32_t number = mention >> CODEC_STREAM_BITS;
	uint32_t stream = mention & ((1u << CODEC_STREAM_BITS) - 1);
	enum err e = ERR_INVALID;
	if (number == 0 && name != NULL)
		e = take_name(t, name, &out->name);
	else if (number != 0 && name == NULL && names_heard(t->names, number, &out->name))
		e = OK;
	out->known = stream < RPC_STREAMS;
	out->stream = (enum rpc_stream)stream;
	return e;
}

static enum err take_entries(struct taker *t, const Warmcast__NamedFrame *in, struct rpc_row_frame *f)
{
	if (in->n_entries > RPC_FRAME_ENTRIES_MAX)
		return ERR_TOO_BIG;
	struct rpc_entry *entries = arena_array(t->arena, in->n_entries, sizeof(*entries));
	if (entries == NULL)
		return ERR_TOO_BIG;
	uint64_t before = f->from;
	for (size_t i = 0; i < in->n_entries; i++) {
		const Warmcast__NamedEntry *e = in->entries[i];
		before += e->gap + 1;
		entries[i] = (struct rpc_entry){
			.version = before,
			.key = pb_bytes(e->key),
			.value = pb_bytes(e->value),
			.deleted = e->deleted,
		};
	}
	f->entries = entries;
	f->entries_n = in->n_entries;
	return OK;
}

static enum err take_frame(struct taker *t, const Warmcast__NamedFrame *in, struct rpc_msg *m)
{
	struct row row;
	enum err e = mentioned(t, in->row, in->name, &row);
	if (e != OK)
		return e;
	if (!row.known) {
		m->kind = RPC_UNKNOWN;
		return OK;
	}
	struct rpc_row_frame f = {
		.owner = row.name.owner,
		.stream = row.stream,
		.incarnation = row.name.incarnation,
		.ancestors_n = row.name.ancestors_n,
		.from = in->to - (uint64_t)in->width - 1,
		.to = in->to,
		.horizon = in->to + (uint64_t)in->ahead,
		.floor = in->floor,
		.reset = in->reset,
		.repair = in->repair,
	};
	for (size_t i = 0; i < row.name.ancestors_n; i++)
		f.ancestors[i] = row.name.ancestors[i];
	e = take_entries(t, in, &f);
	if (e != OK)
		return e;
	m->kind = RPC_ROW_FRAME;
	m->row_frame = f;
	return OK;
}

static enum err take_announce(struct taker *t, const Warmcast__NamedAnnounce *in, struct rpc_msg *m)
{
	if (in->n_rows > RPC_ANNOUNCE_ROWS_MAX)
		return ERR_TOO_BIG;
	struct rpc_row_version *rows = arena_array(t->arena, in->n_rows, sizeof(*rows));
	if (rows == NULL)
		return ERR_TOO_BIG;
	if (in->n_have != in->n_rows)
		return ERR_INVALID;
	size_t n = 0, named = 0;
	for (size_t i = 0; i < in->n_rows; i++) {
		struct row row;
		bool names_it = in->rows[i] >> CODEC_STREAM_BITS == 0 && named < in->n_names;
		enum err e = mentioned(t, in->rows[i], names_it ? in->names[named++] : NULL, &row);
		if (e != OK)
			return e;
		if (row.known)
			rows[n++] =
			    (struct rpc_row_version){ row.name.owner, row.stream, row.name.incarnation, in->have[i] };
	}
	if (named != in->n_names)
		return ERR_INVALID;
	m->kind = RPC_ANNOUNCE;
	m->announce = (struct rpc_announce){ rows, n };
	return OK;
}

static enum err take_pull(struct taker *t, const Warmcast__NamedPull *in, struct rpc_msg *m)
{
	if (in->n_rows > RPC_PULL_ROWS_MAX)
		return ERR_TOO_BIG;
	struct rpc_row_position *rows = arena_array(t->arena, in->n_rows, sizeof(*rows));
	if (rows == NULL)
		return ERR_TOO_BIG;
	size_t n = 0;
	for (size_t i = 0; i < in->n_rows; i++) {
		const Warmcast__NamedPosition *p = in->rows[i];
		struct row row;
		enum err e = mentioned(t, p->row, p->name, &row);
		if (e != OK)
			return e;
		if (!row.known)
			continue;
		rows[n++] = (struct rpc_row_position){
			.owner = row.name.owner,
			.stream = row.stream,
			.incarnation = row.name.incarnation,
			.have = p->have,
			.horizon = p->have + (uint64_t)p->ahead,
			.floor = p->floor,
			.base = p->floor + (uint64_t)p->base_above,
			.fingerprint = p->fingerprint,
		};
	}
	m->kind = RPC_PULL;
	m->pull = (struct rpc_pull){ rows, n };
	return OK;
}

enum err codec_take_named(
    const Warmcast__Envelope *env, struct rpc_names *names, struct arena *a, struct rpc_msg *m)
{
	struct taker t = { names, a };
	switch (env->body_case) {
	case WARMCAST__ENVELOPE__BODY_NAMED_FRAME: return take_frame(&t, env->named_frame, m);
	case WARMCAST__ENVELOPE__BODY_NAMED_ANNOUNCE: return take_announce(&t, env->named_announce, m);
	case WARMCAST__ENVELOPE__BODY_NAMED_PULL: return take_pull(&t, env->named_pull, m);
	default: return ERR_INVALID;
	}
}
