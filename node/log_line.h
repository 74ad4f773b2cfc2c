/* One log line as a JSON object: ts, level, node, module, event, msg, then the event's own fields. Pure.
 */
#ifndef NODE_LOG_LINE_H
#define NODE_LOG_LINE_H

#include "base/bytes.h"
#include "node/config.h"

enum {
	LOG_LINE_MAX = 4096, /* bytes with the newline: what a pipe takes in one piece (PIPE_BUF) */
	LOG_TEXT_MAX = 512,  /* bytes of one text; a longer one is cut and ends in an ellipsis */
};

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_BOOL };

struct log_field {
	const char *key; /* a literal, unit last (elapsed_ms) */
	enum log_field_kind kind;
	union {
		struct bytes text;
		uint64_t u64;
		int64_t i64;
		bool boolean;
	};
};

#define LOG_BYTES(k, value) ((struct log_field){ .key = (k), .kind = LOG_FIELD_TEXT, .text = (value) })
#define LOG_STR(k, value) LOG_BYTES(k, bytes_str(value))
#define LOG_U64(k, value) ((struct log_field){ .key = (k), .kind = LOG_FIELD_U64, .u64 = (value) })
#define LOG_I64(k, value) ((struct log_field){ .key = (k), .kind = LOG_FIELD_I64, .i64 = (value) })
#define LOG_BOOL(k, value) ((struct log_field){ .key = (k), .kind = LOG_FIELD_BOOL, .boolean = (value) })
#define LOG_END ((struct log_field){ .kind = LOG_FIELD_END })

struct log_record {
	uint64_t wall_us;
	enum log_level level;
	const char *node, *module, *event, *msg;
	const struct log_field *fields; /* up to LOG_END */
};

/* Writes the line with its newline; returns its length, at most LOG_LINE_MAX. Fields that do not fit are
 * left out, and "truncated":true says so. Bytes that are not UTF-8 become U+FFFD. */
size_t log_line(const struct log_record *r, char out[LOG_LINE_MAX]);
const char *log_level_str(enum log_level level);

#endif
