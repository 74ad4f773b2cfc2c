/* What an operation can come back with.
 *
 * Three classes of failure, kept apart everywhere: a bug aborts (base/check.h); an operating
 * error is returned as an `enum err` that the caller must look at; an expected outcome (not in
 * the cache, no headroom) is a value of the function's own result type.
 *
 * Foreign errors (errno, MDB_*, NNG_*) are translated once, in the file that talks to the library.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_USE __attribute__((warn_unused_result))

/* name, what a person reads */
#define ERR_TABLE(X)                                                \
	X(OK, "ok")                                                     \
	X(ERR_INVALID, "malformed")                                     \
	X(ERR_TOO_BIG, "over a stated limit")                           \
	X(ERR_NOT_FOUND, "not found")                                   \
	X(ERR_EXISTS, "exists already")                                 \
	X(ERR_FULL, "queue or window is full")                          \
	X(ERR_NO_SPACE, "no space left on the disk")                    \
	X(ERR_NO_MEMORY, "out of memory")                               \
	X(ERR_IO, "input/output error")                                 \
	X(ERR_CORRUPT, "stored data is corrupt")                        \
	X(ERR_VERSION, "a format or protocol version this build lacks") \
	X(ERR_DENIED, "permission denied")                              \
	X(ERR_BUSY, "in use by another process")                        \
	X(ERR_CLOSED, "closed")                                         \
	X(ERR_REFUSED, "nobody listens there")                          \
	X(ERR_TIMEOUT, "timed out")                                     \
	X(ERR_FORGED, "not signed by a known key")                      \
	X(ERR_EXPIRED, "expired")

enum err {
#define X(name, text) name,
	ERR_TABLE(X)
#undef X
	    ERR_COUNT
};

/* The text of an error, never NULL. */
const char *err_str(enum err e);

/* Translates an errno value; what has no name of its own is ERR_IO. Pure: reads no global. */
enum err err_from_errno(int errnum);

#endif
