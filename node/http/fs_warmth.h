/* Whether a read of a file would wait for a disk: asked before each sendfile, which has no way to say it
 * would block.
 *
 * One warm byte says little of the pages behind it, so the first and the last byte that are wanted in every
 * WARMTH_STEP_BYTES of the file are asked for: the first alone comes in before the rest while somebody else
 * reads it. A file system that cannot be asked (overlayfs) counts as cold, unless it is memory itself
 * (tmpfs).
 *
 * Threading: any. The functions are a seam: tests put a slow disk in their place.
 */
#ifndef NODE_HTTP_FS_WARMTH_H
#define NODE_HTTP_FS_WARMTH_H

#include "node/http/warm_known.h"

enum { WARMTH_STEP_BYTES = 128 << 10 };

enum warmth {
	WARMTH_WARM, /* a read does not wait; also when it would fail, which a send finds out by itself */
	WARMTH_COLD,
	WARMTH_UNKNOWN, /* this file system cannot say */
};

struct warmth_ops {
	/* Does not block. */
	enum warmth (*look)(int fd, uint64_t offset);
	/* Reads that much of the file into memory; may take as long as the disk does. */
	void (*fetch)(int fd, uint64_t offset, uint64_t n);
};

extern const struct warmth_ops fs_warmth;

/* How much of the n bytes from `offset` on may be sent now. What lies before `fetched_until` was fetched: on
 * a file system that cannot say, that is all there is to know. What is in `known` of that file (of which no
 * other has the number) is not asked for again; NULL and 0: nothing is known. */
uint64_t warmth_length(const struct warmth_ops *ops, struct warm_known *known, int fd, uint64_t file,
    uint64_t offset, uint64_t n, uint64_t fetched_until);

#endif
