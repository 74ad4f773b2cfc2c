#include "pb_text.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_BYTES = 256 };

static size_t count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *quantifier = (const char *)m + f->quantifier_offset;
	size_t n;
	uint32_t kind;
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(&n, quantifier, sizeof(n));
		return n;
	}
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		memcpy(&kind, quantifier, sizeof(kind));
		return kind == f->id;
	}
	return 1;
}

static size_t size_of(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return 8;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FIXED32: return 4;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE: break;
	}
	UNREACHABLE(); /* no schema of ours has it */
}

static const void *element(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	const void *at = (const char *)m + f->offset;
	const char *array;
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return at;
	memcpy(&array, at, sizeof(array));
	return array + i * size_of(f->type);
}

static const ProtobufCMessage *message_at(const void *at)
{
	const ProtobufCMessage *m;
	memcpy(&m, at, sizeof(m));
	return m;
}

static void put_hex(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", p[i]);
}

/* False: it has its default value. */
static bool put_value(ProtobufCType type, const void *at, struct buf *out)
{
	uint64_t number = 0;
	if (type == PROTOBUF_C_TYPE_STRING) {
		const char *text;
		memcpy(&text, at, sizeof(text));
		buf_put_str(out, text == NULL ? "" : text);
		return text != NULL && text[0] != '\0';
	}
	if (type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData d;
		memcpy(&d, at, sizeof(d));
		put_hex(out, d.data, d.len);
		return d.len > 0;
	}
	memcpy(&number, at, size_of(type)); /* little-endian, as protobuf-c's own packing has it here */
	buf_printf(out, "%" PRIu64, number);
	return number != 0;
}

static void walk(const char *path, const ProtobufCMessage *m, struct buf *out)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t n = count_of(m, f);
		for (size_t j = 0; j < n; j++) {
			char deeper[PATH_BYTES], index[24] = "";
			const void *at = element(m, f, j);
			if (f->label == PROTOBUF_C_LABEL_REPEATED)
				(void)snprintf(index, sizeof(index), "[%zu]", j);
			int room = snprintf(deeper, sizeof(deeper), "%s.%s%s", path, f->name, index);
			CHECK(room > 0 && room < PATH_BYTES);
			if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
				if (message_at(at) != NULL) {
					buf_printf(out, "%s:\n", deeper);
					walk(deeper, message_at(at), out);
				}
				continue;
			}
			size_t before = out->n;
			buf_printf(out, "%s=", deeper);
			if (!put_value(f->type, at, out) && f->label != PROTOBUF_C_LABEL_REPEATED)
				out->n = before;
			else
				buf_put_u8(out, '\n');
		}
	}
	for (unsigned i = 0; i < m->n_unknown_fields; i++) {
		buf_printf(out, "%s.?%u=", path, m->unknown_fields[i].tag);
		put_hex(out, m->unknown_fields[i].data, m->unknown_fields[i].len);
		buf_put_u8(out, '\n');
	}
}

void pb_text(const ProtobufCMessage *m, struct buf *out)
{
	walk(m->descriptor->short_name, m, out);
}

/* -- which fields were met -- */

static bool *seen_fields(struct pb_seen *s, const ProtobufCMessageDescriptor *d)
{
	size_t i = 0;
	while (i < s->n && s->of[i].d != d)
		i++;
	if (i == s->n) {
		CHECK(s->n < sizeof(s->of) / sizeof(s->of[0]));
		s->of[s->n++].d = d;
	}
	CHECK(d->n_fields <= sizeof(s->of[i].fields));
	return s->of[i].fields;
}

void pb_seen_add(struct pb_seen *s, const ProtobufCMessage *m)
{
	bool *fields = seen_fields(s, m->descriptor);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		for (size_t j = 0, n = count_of(m, f); j < n; j++) {
			const void *at = element(m, f, j);
			struct buf ignored;
			buf_init(&ignored, 1 << 20);
			bool set = f->type == PROTOBUF_C_TYPE_MESSAGE ? message_at(at) != NULL
			                                              : put_value(f->type, at, &ignored);
			buf_fini(&ignored);
			if (set && f->type == PROTOBUF_C_TYPE_MESSAGE)
				pb_seen_add(s, message_at(at));
			fields[i] = fields[i] || set;
		}
	}
}

static const bool *find_fields(const struct pb_seen *s, const ProtobufCMessageDescriptor *d)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->of[i].d == d)
			return s->of[i].fields;
	return NULL;
}

void pb_seen_missing(const struct pb_seen *s, const ProtobufCMessageDescriptor *d, struct buf *out)
{
	const bool *fields = find_fields(s, d);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		if (fields == NULL || !fields[i])
			buf_printf(out, "%s.%s\n", d->short_name, f->name);
		else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			pb_seen_missing(s, f->descriptor, out);
	}
}
