#include "node/origin/fs_dir.h"

#include "base/obj.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sodium/crypto_generichash.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIR_MAGIC 0x6f646972u
#define FILE_MAGIC 0x6f66696cu

struct dir {
	unsigned magic;
	struct origin_source source;
	char *path;
};

struct dir_file {
	unsigned magic;
	int fd;
	uint64_t at;
	struct stat at_open;
};

enum { RENAME_RETRIES = 8 };

static struct dir *dir_of(struct origin_source *s)
{
	struct dir *d = CONTAINER_OF(s, struct dir, source);
	OBJ_CHECK(d, DIR_MAGIC);
	return d;
}

static enum err translate(int errnum)
{
	switch (errnum) {
	case 0: return OK;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV: /* it leads out of the folder */
	case ENAMETOOLONG:
	case ENXIO: return ERR_NOT_FOUND;
	case EACCES:
	case EPERM: return ERR_DENIED;
	case EMFILE:
	case ENFILE:
	case ENOMEM: return ERR_FULL;
	case ETIMEDOUT: return ERR_TIMEOUT;
	default: return ERR_IO;
	}
}

/* Without O_NONBLOCK a FIFO in the folder would hold the thread. */
enum { FILE_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static bool is_up(const char *name)
{
	errno = EXDEV;
	return strcmp(name, "..") == 0;
}

/* Folder by folder, no symbolic link followed: where openat2 is filtered away (an old container runtime's
 * system call filter, valgrind). `..` is refused here too, though paths are checked where they come in. */
static int open_by_steps(int root, char *name)
{
	int at = root;
	for (char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
		*slash = '\0';
		int next = is_up(name) ? -1 : openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int errnum = errno;
		if (at != root)
			(void)close(at);
		errno = errnum;
		if (next < 0)
			return -1;
		at = next;
	}
	int fd = is_up(name) ? -1 : openat(at, name, FILE_FLAGS | O_NOFOLLOW);
	int errnum = errno;
	if (at != root)
		(void)close(at);
	errno = errnum;
	return fd;
}

static int open_beneath(int root, char *name)
{
	struct open_how how = { .flags = FILE_FLAGS, .resolve = RESOLVE_BENEATH };
	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
		if (fd < 0 && errno == ENOSYS)
			return open_by_steps(root, name);
		/* EAGAIN: something was renamed while the kernel walked by. */
		if (fd >= 0 || errno != EAGAIN || tries == RENAME_RETRIES)
			return (int)fd;
	}
}

/* The object's file, which is a regular one. */
static enum err open_file(struct dir *d, struct bytes object, int *fd, struct stat *st)
{
	char name[PATH_MAX];
	if (object.n == 0 || object.n >= sizeof(name) || bytes_index(object, 0) < object.n)
		return ERR_NOT_FOUND;
	memcpy(name, object.p, object.n);
	name[object.n] = 0;
	int root = open(d->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == EMFILE || errno == ENFILE ? ERR_FULL
		                                          : ERR_IO; /* the store is missing, not the object */
	int file = open_beneath(root, name);
	int errnum = errno;
	(void)close(root);
	if (file < 0)
		return translate(errnum);
	struct stat found;
	enum err e = fstat(file, &found) != 0 ? translate(errno) : S_ISREG(found.st_mode) ? OK : ERR_NOT_FOUND;
	if (e != OK) {
		(void)close(file);
		return e;
	}
	*fd = file;
	*st = found;
	return OK;
}

static struct origin_info info_of(const struct stat *st)
{
	uint64_t parts[4] = { (uint64_t)st->st_ino, (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec };
	uint8_t sum[16];
	char hex[2 * sizeof(sum) + 1];
	struct origin_info info = { .length = (uint64_t)st->st_size, .modified_s = (int64_t)st->st_mtim.tv_sec };
	CHECK(crypto_generichash(sum, sizeof(sum), (const uint8_t *)parts, sizeof(parts), NULL, 0) == 0);
	text_hex(hex, bytes_of(sum, sizeof(sum)));
	(void)snprintf(info.etag, sizeof(info.etag), "\"%s\"", hex);
	return info;
}

static enum err dir_stat(struct origin_source *s, struct bytes object, struct origin_info *info)
{
	int fd;
	struct stat st;
	enum err e = open_file(dir_of(s), object, &fd, &st);
	if (e != OK)
		return e;
	(void)close(fd);
	*info = info_of(&st);
	return OK;
}

static void dir_close(struct origin_source *s, void *handle)
{
	struct dir_file *f = OBJ_CAST(struct dir_file, FILE_MAGIC, handle);
	(void)s;
	(void)close(f->fd);
	OBJ_FREE(f);
}

static enum err dir_open(
    struct origin_source *s, struct bytes object, void **handle, struct origin_info *info)
{
	int fd;
	struct stat st;
	enum err e = open_file(dir_of(s), object, &fd, &st);
	if (e != OK)
		return e;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	struct dir_file *f = OBJ_NEW(struct dir_file, FILE_MAGIC);
	f->fd = fd;
	f->at_open = st;
	*handle = f;
	*info = info_of(&st);
	return OK;
}

static enum err dir_open_part(struct origin_source *s, struct bytes object, uint64_t start, void **handle,
    struct origin_info *info, struct origin_part *part)
{
	void *opened;
	struct origin_info found;
	enum err e = dir_open(s, object, &opened, &found);
	if (e != OK)
		return e;
	if (start > 0 && start >= found.length) {
		dir_close(s, opened);
		return ERR_INVALID;
	}
	OBJ_CAST(struct dir_file, FILE_MAGIC, opened)->at = start;
	uint64_t left = found.length - start;
	*part = (struct origin_part){ start, left < SLICE_BYTES ? left : SLICE_BYTES };
	*handle = opened;
	*info = found;
	return OK;
}

static enum err dir_read(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n)
{
	struct dir_file *f = OBJ_CAST(struct dir_file, FILE_MAGIC, handle);
	(void)s;
	ssize_t got;
	do {
		got = pread(f->fd, to, room, (off_t)f->at);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EACCES ? ERR_DENIED : ERR_IO;
	f->at += (uint64_t)got;
	*n = (size_t)got;
	return OK;
}

static enum err dir_check(struct origin_source *s, void *handle)
{
	struct dir_file *f = OBJ_CAST(struct dir_file, FILE_MAGIC, handle);
	(void)s;
	struct stat now;
	if (fstat(f->fd, &now) != 0)
		return ERR_IO;
	bool same = now.st_size == f->at_open.st_size && now.st_mtim.tv_sec == f->at_open.st_mtim.tv_sec &&
	            now.st_mtim.tv_nsec == f->at_open.st_mtim.tv_nsec;
	return same ? OK : ERR_CORRUPT;
}

static void dir_free(struct origin_source *s)
{
	struct dir *d = dir_of(s);
	free(d->path);
	OBJ_FREE(d);
}

struct origin_source *fs_dir_new(const char *path)
{
	struct dir *d = OBJ_NEW(struct dir, DIR_MAGIC);
	d->path = strdup(path);
	CHECK(d->path != NULL);
	d->source = (struct origin_source){ .stat = dir_stat,
		.open = dir_open,
		.open_part = dir_open_part,
		.read = dir_read,
		.check = dir_check,
		.close = dir_close,
		.free = dir_free };
	return &d->source;
}
