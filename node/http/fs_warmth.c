#include "node/http/fs_warmth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

static enum warmth of_file_system(int fd)
{
	struct statfs s;
	if (fstatfs(fd, &s) != 0)
		return WARMTH_UNKNOWN;
	return s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC ? WARMTH_WARM : WARMTH_UNKNOWN;
}

static enum warmth look(int fd, uint64_t offset)
{
	char byte;
	struct iovec one = { &byte, 1 };
	if (preadv2(fd, &one, 1, (off_t)offset, RWF_NOWAIT) >= 0)
		return WARMTH_WARM;
	switch (errno) {
	case EAGAIN: return WARMTH_COLD;
	case EOPNOTSUPP: return of_file_system(fd);
	default: return WARMTH_WARM;
	}
}

/* By plain reads: readahead(2) and fadvise only ask for them, and may be ignored. What is there already,
 * fetched for another viewer meanwhile, is not copied again. */
static void fetch(int fd, uint64_t offset, uint64_t n)
{
	char to[64 << 10]; /* on the stack of a thread of the pool */
	uint64_t end = offset + n;
	if (warmth_length(&fs_warmth, NULL, fd, 0, offset, n, 0) == n)
		return;
	(void)posix_fadvise(fd, (off_t)offset, (off_t)n, POSIX_FADV_WILLNEED);
	while (offset < end) {
		uint64_t left = end - offset;
		ssize_t got = pread(fd, to, left < sizeof(to) ? left : sizeof(to), (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return; /* the send that follows finds the same */
		offset += (uint64_t)got;
	}
}

const struct warmth_ops fs_warmth = { look, fetch };

/* Of the bytes from `at` to before `end`, which lie in one step. */
static enum warmth look_at(const struct warmth_ops *ops, int fd, uint64_t at, uint64_t end)
{
	enum warmth w = ops->look(fd, at);
	return w == WARMTH_WARM && end - at > 1 ? ops->look(fd, end - 1) : w;
}

uint64_t warmth_length(const struct warmth_ops *ops, struct warm_known *known, int fd, uint64_t file,
    uint64_t offset, uint64_t n, uint64_t fetched_until)
{
	uint64_t end = offset + n;
	if (file == 0)
		known = NULL;
	for (uint64_t at = offset, next; at < end; at = next) {
		uint64_t step = at / WARMTH_STEP_BYTES;
		next = (step + 1) * WARMTH_STEP_BYTES;
		if (known != NULL && warm_known_has(known, file, step))
			continue;
		enum warmth w = look_at(ops, fd, at, next < end ? next : end);
		if (known != NULL && w == WARMTH_WARM)
			warm_known_add(known, file, step);
		if (w == WARMTH_COLD || (w == WARMTH_UNKNOWN && at >= fetched_until))
			return at - offset;
	}
	return n;
}
