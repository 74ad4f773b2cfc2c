/* An origin store as the fills see it. `dir` is in fs_dir.h, `http` and `s3` are in curl_source.h.
 *
 * Threading: every call from any fill thread, at once for different handles. Calls may block.
 *
 * Errors: ERR_NOT_FOUND: the store answers, and has no such object. ERR_IO, ERR_TIMEOUT, ERR_CLOSED: the
 * store itself is missing or failing, and is left alone for a while (D6). Anything else is this object's
 * trouble: ERR_DENIED (not readable), ERR_CORRUPT (it changed while it was read), ERR_FULL (this process is
 * out of descriptors).
 */
#ifndef NODE_ORIGIN_SOURCE_H
#define NODE_ORIGIN_SOURCE_H

#include "node/cache/cache.h"
#include "node/cache/slices.h"

struct origin_info {
	uint64_t length; /* bytes of the object */
	char etag[CACHE_VALIDATOR_MAX + 1];
	int64_t modified_s;
};

/* What the reads of an opened object give. */
struct origin_part {
	uint64_t start, length; /* bytes of the object */
};

struct origin_source {
	MUST_USE enum err (*stat)(struct origin_source *s, struct bytes object, struct origin_info *info);
	MUST_USE enum err (*open)(
	    struct origin_source *s, struct bytes object, void **handle, struct origin_info *info);
	/* The SLICE_BYTES from `start` on, or as many as there are; from a store that knows no ranges all of the
	 * object, from its first byte. ERR_INVALID: the object ends before `start`, which is not 0. NULL: whole
	 * objects only. */
	MUST_USE enum err (*open_part)(struct origin_source *s, struct bytes object, uint64_t start,
	    void **handle, struct origin_info *info, struct origin_part *part);
	/* Up to `room` bytes, those that are there; *n 0 at the end. */
	MUST_USE enum err (*read)(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n);
	/* After the last byte: whether it was one object all along. ERR_CORRUPT: it changed. */
	MUST_USE enum err (*check)(struct origin_source *s, void *handle);
	void (*close)(struct origin_source *s, void *handle);
	/* What failed last, in words for a log line; NULL: err_str says all. */
	void (*explain)(struct origin_source *s, char *out, size_t room);
	/* From any thread: what waits for the store comes back with ERR_CLOSED, from now on. NULL: it cannot. */
	void (*stop)(struct origin_source *s);
	void (*free)(struct origin_source *s);
};

static inline bool origin_store_failed(enum err e)
{
	return e == ERR_IO || e == ERR_TIMEOUT || e == ERR_CLOSED;
}

#endif
