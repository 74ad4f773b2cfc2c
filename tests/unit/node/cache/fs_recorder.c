/* Stands before the C library's functions (no fortified variants here, see CMakeLists.txt). */
#include "fs_recorder.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 1024, OPS_MAX = 1 << 20 };

struct seen {
	int inode;      /* 0: nothing that is recorded, else its number + 1 */
	bool is_synced; /* O_DSYNC */
};

static struct {
	bool on;
	char folder[256];
	size_t folder_n;
	struct recording r;
	size_t ops_cap;
	struct image now; /* names only: which file stands where */
	struct seen fds[FDS_MAX];
	int inodes_n;
} rec;

static struct op *add(enum op_kind kind)
{
	if (rec.r.ops_n == rec.ops_cap) {
		rec.ops_cap = rec.ops_cap == 0 ? 256 : rec.ops_cap * 2;
		CHECK(rec.ops_cap <= OPS_MAX);
		rec.r.ops = realloc(rec.r.ops, rec.ops_cap * sizeof(*rec.r.ops));
		CHECK(rec.r.ops != NULL);
	}
	struct op *o = &rec.r.ops[rec.r.ops_n++];
	*o = (struct op){ .kind = kind };
	return o;
}

/* The name below the recorded folder; false when it lies elsewhere. */
static bool below(int at, const char *path, char out[DISK_PATH_MAX])
{
	char whole[1024];
	if (!rec.on)
		return false;
	if (path[0] == '/' || at == AT_FDCWD) {
		(void)snprintf(whole, sizeof(whole), "%s", path);
	} else {
		char link[64];
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
		ssize_t n = readlink(link, whole, 512);
		if (n < 0)
			return false;
		(void)snprintf(whole + n, sizeof(whole) - (size_t)n, "/%s", path);
	}
	if (strncmp(whole, rec.folder, rec.folder_n) != 0 || whole[rec.folder_n] != '/')
		return false;
	CHECK(strlen(whole + rec.folder_n + 1) < DISK_PATH_MAX);
	(void)snprintf(out, DISK_PATH_MAX, "%s", whole + rec.folder_n + 1);
	return true;
}

static struct name *name_at(const char *path)
{
	for (size_t i = 0; i < rec.now.names_n; i++)
		if (strcmp(rec.now.names[i].path, path) == 0)
			return &rec.now.names[i];
	return NULL;
}

static void put_name(const char *path, int inode)
{
	rec.now.names = realloc(rec.now.names, (rec.now.names_n + 1) * sizeof(*rec.now.names));
	CHECK(rec.now.names != NULL);
	struct name *n = &rec.now.names[rec.now.names_n++];
	(void)snprintf(n->path, sizeof(n->path), "%s", path);
	n->inode = inode;
}

static void drop_name(const char *path)
{
	struct name *n = name_at(path);
	if (n != NULL)
		*n = rec.now.names[--rec.now.names_n];
}

void recorder_start(const char *folder)
{
	CHECK(!rec.on);
	memset(&rec.r, 0, sizeof(rec.r));
	memset(rec.fds, 0, sizeof(rec.fds));
	rec.ops_cap = 0;
	rec.r.base = image_load(folder);
	rec.inodes_n = (int)rec.r.base.inodes_n;
	rec.now.names_n = 0;
	for (size_t i = 0; i < rec.r.base.names_n; i++)
		put_name(rec.r.base.names[i].path, rec.r.base.names[i].inode);
	(void)snprintf(rec.folder, sizeof(rec.folder), "%s", folder);
	rec.folder_n = strlen(folder);
	rec.on = true;
}

void recorder_note(uint64_t what)
{
	if (rec.on)
		add(OP_NOTE)->n = what;
}

struct recording recorder_stop(void)
{
	rec.on = false;
	free(rec.now.names);
	memset(&rec.now, 0, sizeof(rec.now));
	return rec.r;
}

void recording_free(struct recording *r)
{
	for (size_t i = 0; i < r->ops_n; i++)
		free(r->ops[i].data);
	free(r->ops);
	image_free(&r->base);
	memset(r, 0, sizeof(*r));
}

/* -- in place of the C library -- */

#define SHOWN __attribute__((visibility("default")))

static struct seen *seen(int fd)
{
	bool known = rec.on && fd >= 0 && fd < FDS_MAX && rec.fds[fd].inode > 0;
	return known ? &rec.fds[fd] : NULL;
}

static void synced(int fd)
{
	struct seen *s = seen(fd);
	if (s != NULL)
		add(OP_SYNC_FILE)->inode = s->inode - 1;
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
	char name[DISK_PATH_MAX];
	bool is_below = below(at, path, name);
	int fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (fd < 0 || !is_below || (flags & O_DIRECTORY) != 0)
		return fd;
	CHECK(fd < FDS_MAX);
	struct name *n = name_at(name);
	int inode = n != NULL ? n->inode : rec.inodes_n;
	if (inode == FOLDER)
		return fd;
	if (n == NULL) {
		CHECK((flags & O_CREAT) != 0);
		put_name(name, inode);
		rec.inodes_n++;
		struct op *o = add(OP_CREATE);
		o->inode = inode;
		(void)snprintf(o->path, sizeof(o->path), "%s", name);
	}
	CHECK((flags & O_TRUNC) == 0);
	rec.fds[fd] = (struct seen){ .inode = inode + 1, .is_synced = (flags & O_DSYNC) != 0 };
	return fd;
}

SHOWN int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_any(AT_FDCWD, path, flags, mode);
}

SHOWN int openat(int at, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_any(at, path, flags, mode);
}

SHOWN int close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		rec.fds[fd].inode = 0;
	return (int)syscall(SYS_close, fd);
}

static void wrote(int fd, const void *data, size_t n, uint64_t at)
{
	struct seen *s = seen(fd);
	if (s == NULL || n == 0)
		return;
	struct op *o = add(OP_WRITE);
	o->inode = s->inode - 1;
	o->at = at;
	o->n = n;
	o->data = malloc(n);
	CHECK(o->data != NULL);
	memcpy(o->data, data, n);
	if (s->is_synced)
		synced(fd);
}

SHOWN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	ssize_t n = syscall(SYS_pwrite64, fd, data, size, at);
	if (n > 0)
		wrote(fd, data, (size_t)n, (uint64_t)at);
	return n;
}

SHOWN ssize_t write(int fd, const void *data, size_t size)
{
	off_t at = seen(fd) != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t n = syscall(SYS_write, fd, data, size);
	if (n > 0)
		wrote(fd, data, (size_t)n, (uint64_t)at);
	return n;
}

SHOWN ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (seen(fd) == NULL)
		return syscall(SYS_writev, fd, parts, count);
	ssize_t sum = 0;
	for (int i = 0; i < count; i++) {
		ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
		if (n < 0)
			return sum > 0 ? sum : n;
		sum += n;
		if ((size_t)n < parts[i].iov_len)
			break;
	}
	return sum;
}

static int resized(int fd, off_t size)
{
	struct seen *s = seen(fd);
	if (s != NULL) {
		struct op *o = add(OP_RESIZE);
		o->inode = s->inode - 1;
		o->n = (uint64_t)size;
	}
	return 0;
}

SHOWN int ftruncate(int fd, off_t size)
{
	return syscall(SYS_ftruncate, fd, size) == 0 ? resized(fd, size) : -1;
}

SHOWN int posix_fallocate(int fd, off_t at, off_t n)
{
	struct stat st;
	CHECK(at == 0 && fstat(fd, &st) == 0);
	if (st.st_size >= n)
		return 0;
	return syscall(SYS_ftruncate, fd, n) == 0 ? resized(fd, n) : errno;
}

SHOWN int fsync(int fd)
{
	int rc = (int)syscall(SYS_fsync, fd);
	if (rc == 0)
		synced(fd);
	return rc;
}

SHOWN int fdatasync(int fd)
{
	int rc = (int)syscall(SYS_fdatasync, fd);
	if (rc == 0)
		synced(fd);
	return rc;
}

SHOWN int syncfs(int fd)
{
	char name[DISK_PATH_MAX];
	/* The real one would wait for the whole machine. */
	if (below(fd, "x", name)) {
		add(OP_SYNC_ALL);
		return 0;
	}
	return (int)syscall(SYS_syncfs, fd);
}

SHOWN int mkdirat(int at, const char *path, mode_t mode)
{
	char name[DISK_PATH_MAX];
	bool is_below = below(at, path, name);
	int rc = (int)syscall(SYS_mkdirat, at, path, mode);
	if (rc == 0 && is_below) {
		put_name(name, FOLDER);
		(void)snprintf(add(OP_MKDIR)->path, DISK_PATH_MAX, "%s", name);
	}
	return rc;
}

SHOWN int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static void moved(const char *from, const char *to)
{
	struct name *n = name_at(from);
	CHECK(n != NULL);
	int inode = n->inode;
	if (inode == FOLDER) { /* with all that is in it */
		size_t from_n = strlen(from);
		for (size_t i = 0; i < rec.now.names_n; i++) {
			char rest[DISK_PATH_MAX];
			if (strncmp(rec.now.names[i].path, from, from_n) != 0 || rec.now.names[i].path[from_n] != '/')
				continue;
			(void)snprintf(rest, sizeof(rest), "%s", rec.now.names[i].path + from_n);
			int length = snprintf(rec.now.names[i].path, DISK_PATH_MAX, "%s%s", to, rest);
			CHECK(length > 0 && length < DISK_PATH_MAX);
		}
	}
	drop_name(from);
	drop_name(to);
	put_name(to, inode);
}

SHOWN int renameat(int at, const char *path, int to_at, const char *to)
{
	char from_name[DISK_PATH_MAX], to_name[DISK_PATH_MAX];
	bool is_below = below(at, path, from_name) && below(to_at, to, to_name);
	int rc = (int)syscall(SYS_renameat2, at, path, to_at, to, 0);
	if (rc == 0 && is_below) {
		moved(from_name, to_name);
		struct op *o = add(OP_RENAME);
		(void)snprintf(o->path, DISK_PATH_MAX, "%s", from_name);
		(void)snprintf(o->to, DISK_PATH_MAX, "%s", to_name);
	}
	return rc;
}

SHOWN int unlinkat(int at, const char *path, int flags)
{
	char name[DISK_PATH_MAX];
	bool is_below = below(at, path, name);
	int rc = (int)syscall(SYS_unlinkat, at, path, flags);
	if (rc == 0 && is_below) {
		drop_name(name);
		(void)snprintf(add(OP_UNLINK)->path, DISK_PATH_MAX, "%s", name);
	}
	return rc;
}
