/* A protobuf message as lines of text, by its schema: one line a field that is set, `path=value`.
 *
 * What two builds say of the same bytes can be compared so, line by line: a later one may have more lines.
 * Bytes are hex; a field that the schema has not is `path.?number=hex`.
 */
#ifndef TESTS_WIRE_PB_TEXT_H
#define TESTS_WIRE_PB_TEXT_H

#include "base/bytes.h"

#include <protobuf-c/protobuf-c.h>

/* Which fields of which messages were met set. */
struct pb_seen {
	struct {
		const ProtobufCMessageDescriptor *d;
		bool fields[64]; /* by index */
	} of[64];
	size_t n;
};

void pb_text(const ProtobufCMessage *m, struct buf *out);
/* Takes the message, and all that it is made of, into account. */
void pb_seen_add(struct pb_seen *s, const ProtobufCMessage *m);
/* Appends `message.field` of each one that was never met, a line each, of that schema and all it leads to. */
void pb_seen_missing(const struct pb_seen *s, const ProtobufCMessageDescriptor *d, struct buf *out);

#endif
