/* The lines and attributes of an HLS playlist (RFC 8216, section 4). Pure.
 *
 * Read by another's word: any bytes are fine, and everything given out is a slice of them.
 */
#ifndef NODE_PLAYLIST_M3U8_H
#define NODE_PLAYLIST_M3U8_H

#include "base/bytes.h"

/* Takes the first line off, #EXTM3U; a byte order mark before it, which is not allowed, is met. False: this
 * is no playlist. */
bool m3u8_begin(struct bytes *text);
/* Takes a line off, without its end and what is blank before that; false when there is none left. */
bool m3u8_next_line(struct bytes *text, struct bytes *line);
/* "#EXT-X-NAME:rest" when `tag` is "#EXT-X-NAME": the rest. */
bool m3u8_tag(struct bytes line, const char *tag, struct bytes *rest);

/* NAME=value,NAME="quoted, with commas" */
struct m3u8_attribute {
	struct bytes name, value; /* without its quotes */
	bool quoted;
};
/* Takes one off; false when there is none left. */
bool m3u8_next_attribute(struct bytes *list, struct m3u8_attribute *a);
/* The value of the first of that name; BYTES_NONE: there is none. */
struct bytes m3u8_attribute_of(struct bytes list, struct bytes name);

#endif
