#include "rpc/codec_pb.h"
#include "rpc/names.h"
#include "rpc/wire.pb-c.h"

/* What a row is mentioned by; *name where it is to be named with it. */
static uint32_t mention(
    struct builder *b, const struct row_name *row, enum rpc_stream stream, Warmcast__Name **name)
{
	struct name_use use = names_say(b->names, row);
	if (!use.define)
		return use.number << CODEC_STREAM_BITS | (uint32_t)stream;
	Warmcast__Name *m = codec_make(b, 1, sizeof(*m));
	uint8_t *owner = codec_make(b, 1, NODE_ID_BYTES);
	if (m == NULL || owner == NULL)
		return 0;
	warmcast__name__init(m);
	memcpy(owner, row->owner.b, NODE_ID_BYTES);
	m->number = use.number;
	m->owner = pb_data(bytes_of(owner, NODE_ID_BYTES));
	m->incarnation = codec_make_incarnation(b, row->incarnation);
	m->ancestors = codec_make_ancestors(b, row->ancestors, row->ancestors_n);
	m->n_ancestors = row->ancestors_n;
	*name = m;
	return (uint32_t)stream;
}

/* A difference modulo 2^64, so that any two numbers have one. */
static int64_t less(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b);
}

static Warmcast__NamedEntry **named_entries(struct builder *b, const struct rpc_row_frame *f)
{
	Warmcast__NamedEntry **list = codec_make(b, f->entries_n, sizeof(*list));
	Warmcast__NamedEntry *each = codec_make(b, f->entries_n, sizeof(*each));
	if (list == NULL || each == NULL)
		return NULL;
	uint64_t before = f->from;
	for (size_t i = 0; i < f->entries_n; i++) {
		const struct rpc_entry *e = &f->entries[i];
		list[i] = &each[i];
		warmcast__named_entry__init(&each[i]);
		each[i].gap = e->version - before - 1;
		each[i].key = pb_data(e->key);
		each[i].value = pb_data(e->value);
		each[i].deleted = e->deleted;
		before = e->version;
	}
	return list;
}

static Warmcast__NamedFrame *named_frame(struct builder *b, const struct rpc_row_frame *f)
{
	Warmcast__NamedFrame *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__named_frame__init(m);
	const struct row_name row = { f->owner, f->incarnation, f->ancestors, f->ancestors_n };
	m->row = mention(b, &row, f->stream, &m->name);
	m->to = f->to;
	m->width = less(f->to, f->from + 1);
	m->ahead = less(f->horizon, f->to);
	m->floor = f->floor;
	m->reset = f->reset;
	m->repair = f->repair;
	m->entries = named_entries(b, f);
	m->n_entries = f->entries_n;
	return m;
}

static Warmcast__NamedAnnounce *named_announce(struct builder *b, const struct rpc_announce *a)
{
	Warmcast__NamedAnnounce *m = codec_make(b, 1, sizeof(*m));
	uint32_t *rows = codec_make(b, a->rows_n, sizeof(*rows));
	uint64_t *have = codec_make(b, a->rows_n, sizeof(*have));
	Warmcast__Name **names = codec_make(b, a->rows_n, sizeof(*names));
	if (m == NULL || rows == NULL || have == NULL || names == NULL)
		return NULL;
	warmcast__named_announce__init(m);
	for (size_t i = 0; i < a->rows_n && !b->exhausted; i++) {
		const struct rpc_row_version *v = &a->rows[i];
		const struct row_name row = { v->owner, v->incarnation, NULL, 0 };
		rows[i] = mention(b, &row, v->stream, &names[m->n_names]);
		m->n_names += names[m->n_names] != NULL;
		have[i] = v->have;
	}
	m->rows = rows;
	m->n_rows = a->rows_n;
	m->have = have;
	m->n_have = a->rows_n;
	m->names = names;
	return m;
}

static Warmcast__NamedPull *named_pull(struct builder *b, const struct rpc_pull *p)
{
	Warmcast__NamedPull *m = codec_make(b, 1, sizeof(*m));
	Warmcast__NamedPosition **rows = codec_make(b, p->rows_n, sizeof(*rows));
	Warmcast__NamedPosition *each = codec_make(b, p->rows_n, sizeof(*each));
	if (m == NULL || rows == NULL || each == NULL)
		return NULL;
	warmcast__named_pull__init(m);
	for (size_t i = 0; i < p->rows_n; i++) {
		const struct rpc_row_position *at = &p->rows[i];
		const struct row_name row = { at->owner, at->incarnation, NULL, 0 };
		rows[i] = &each[i];
		warmcast__named_position__init(&each[i]);
		each[i].row = mention(b, &row, at->stream, &each[i].name);
		each[i].have = at->have;
		each[i].ahead = less(at->horizon, at->have);
		each[i].floor = at->floor;
		each[i].base_above = less(at->base, at->floor);
		each[i].fingerprint = at->fingerprint;
	}
	m->rows = rows;
	m->n_rows = p->rows_n;
	return m;
}

bool codec_make_named(struct builder *b, const struct rpc_msg *m, Warmcast__Envelope *env)
{
	switch (m->kind) {
	case RPC_ROW_FRAME:
		env->body_case = WARMCAST__ENVELOPE__BODY_NAMED_FRAME;
		env->named_frame = named_frame(b, &m->row_frame);
		return true;
	case RPC_ANNOUNCE:
		env->body_case = WARMCAST__ENVELOPE__BODY_NAMED_ANNOUNCE;
		env->named_announce = named_announce(b, &m->announce);
		return true;
	case RPC_PULL:
		env->body_case = WARMCAST__ENVELOPE__BODY_NAMED_PULL;
		env->named_pull = named_pull(b, &m->pull);
		return true;
	default: return false;
	}
}
