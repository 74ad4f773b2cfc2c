/* The daemon's log: one JSON object a line on one descriptor (stdout).
 *
 *     LOG_EVENT(LOG_WARN, "kvs", "node-down", "a node is not reachable", LOG_STR("peer", name),
 *         LOG_U64("silent_ms", v));
 *
 * Thread-safe: a line is formatted on the caller's stack and leaves in one write(2), so lines of threads
 * never mix. Where the descriptor is a pipe that nobody reads, write blocks and with it the caller: what
 * reads the log (journald, a file) must keep reading. A line that cannot be written is dropped and
 * counted. No token and no secret may be given as a field.
 */
#ifndef NODE_FS_LOG_H
#define NODE_FS_LOG_H

#include "node/log_line.h"

#include <stdatomic.h>

/* Once, before any thread starts; `node` is copied. Lines before that go to descriptor 2 with an empty
 * node. */
void log_init(const char *node, enum log_level level, int fd);
/* At any time, from any thread. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* Fields end with LOG_END. */
void log_event(enum log_level level, const char *module, const char *event, const char *msg,
    const struct log_field fields[]);
/* Lines that could not be written. */
uint64_t log_lost(void);

#define LOG_EVENT(level, module, event, msg, ...)                                  \
	do {                                                                           \
		if (log_enabled(level))                                                    \
			log_event((level), (module), (event), (msg),                           \
			    (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ) LOG_END }); \
	} while (0)

/* One a call site: at most LOG_LIMIT lines a second. When lines were left out, the first one let through
 * in a later second is preceded by a line "suppressed" with their number. */
enum { LOG_LIMIT = 10 };
struct log_limit {
	_Atomic uint64_t state; /* monotonic second << 32 | lines asked for in it */
};
/* Whether the caller may log now. */
bool log_allowed(struct log_limit *limit, enum log_level level, const char *module, const char *event);

#define LOG_LIMITED(level, module, event, msg, ...)                                         \
	do {                                                                                    \
		static struct log_limit log_limit_here;                                             \
		if (log_enabled(level) && log_allowed(&log_limit_here, (level), (module), (event))) \
			log_event((level), (module), (event), (msg),                                    \
			    (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ) LOG_END });          \
	} while (0)

#endif
