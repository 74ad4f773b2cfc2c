#include "node/cache/fs_disk.h"

#include "base/check.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sodium/crypto_generichash.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_CHARS = 2 * FILE_ID_BYTES, PATH_CHARS = 3 + NAME_CHARS, CORRUPT_MAX = 1000 };
enum { LOCK_WAIT_MS = 1000, LOCK_STEP_MS = 20 };

static void name_of(const struct file_id *id, char out[NAME_CHARS + 1])
{
	text_hex(out, bytes_of(id->b, sizeof(id->b)));
}

/* "ab/ID": the last byte counts up within a run, so the folders fill evenly. */
static void path_of(const struct file_id *id, char out[PATH_CHARS + 1])
{
	name_of(id, out + 3);
	out[0] = out[PATH_CHARS - 2];
	out[1] = out[PATH_CHARS - 1];
	out[2] = '/';
}

static enum err say(char detail[200], const char *what, const char *path, int errnum)
{
	(void)snprintf(detail, 200, "%s %.100s: %s", what, path, strerrordesc_np(errnum));
	return err_from_errno(errnum);
}

/* Like mkdir -p: a cache is often the first thing put into a new folder. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof(part)) {
		errno = n == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		part[i] = 0;
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return -1;
		part[i] = path[i];
	}
	return 0;
}

static int open_folder(int at, const char *name)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum err take_lock(struct fs_disk *d, const char *path, char detail[200])
{
	d->lock = openat(d->root, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock < 0)
		return say(detail, "cannot open the lock file of", path, errno);
	/* A process that was killed while it opened the disk may have left a child that is about to let go of it
	 * (lmdb_index.c). */
	for (unsigned waited_ms = 0;; waited_ms += LOCK_STEP_MS) {
		if (flock(d->lock, LOCK_EX | LOCK_NB) == 0)
			return OK;
		if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS)
			break;
		(void)poll(NULL, 0, LOCK_STEP_MS);
	}
	if (errno != EWOULDBLOCK)
		return say(detail, "cannot lock", path, errno);
	(void)snprintf(detail, 200, "another process uses %.150s", path);
	return ERR_BUSY;
}

static enum err make_layout(struct fs_disk *d, const char *path, char detail[200])
{
	d->tmp = open_folder(d->root, "tmp");
	d->objects = open_folder(d->root, "objects");
	if (d->tmp < 0 || d->objects < 0)
		return say(detail, "cannot make folders in", path, errno);
	for (unsigned i = 0; i < FS_DISK_FOLDERS; i++) {
		char name[3];
		(void)snprintf(name, sizeof(name), "%02x", i & 0xffu);
		if (mkdirat(d->objects, name, 0700) != 0 && errno != EEXIST)
			return say(detail, "cannot make folders in", path, errno);
	}
	return OK;
}

/* Calls `each` for the files of a folder; stops at the first that says no. */
static enum err each_file(
    int at, const char *name, bool (*each)(void *arg, int folder, const char *file), void *arg)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		enum err e = err_from_errno(errno);
		(void)close(fd);
		return e;
	}
	enum err e = OK;
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		if (entry == NULL) {
			e = err_from_errno(errno);
			break;
		}
		bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
		if (!dots && !each(arg, fd, entry->d_name))
			break;
	}
	(void)closedir(dir);
	return e;
}

static bool remove_file(void *arg, int folder, const char *file)
{
	int *errnum = arg;
	if (unlinkat(folder, file, 0) == 0 || errno == ENOENT)
		return true;
	*errnum = errno;
	return false;
}

static enum err open_all(struct fs_disk *d, const char *path, char detail[200])
{
	if (make_folders(path) != 0)
		return say(detail, "cannot make", path, errno);
	d->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0)
		return say(detail, "cannot open", path, errno);
	enum err e = take_lock(d, path, detail);
	if (e == OK)
		e = make_layout(d, path, detail);
	if (e != OK)
		return e;
	int errnum = 0;
	e = each_file(d->root, "tmp", remove_file, &errnum);
	if (e != OK || errnum != 0)
		return say(detail, "cannot empty tmp/ of", path, errnum != 0 ? errnum : EIO);
	return OK;
}

enum err fs_disk_open(struct fs_disk *d, const char *path, char detail[200])
{
	struct fs_disk made = { .root = -1, .tmp = -1, .objects = -1, .lock = -1 };
	randombytes_buf(made.run, sizeof(made.run));
	*d = made;
	enum err e = open_all(d, path, detail);
	if (e != OK)
		fs_disk_close(d);
	return e;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void fs_disk_close(struct fs_disk *d)
{
	close_one(&d->tmp);
	close_one(&d->objects);
	close_one(&d->root);
	close_one(&d->lock); /* last: it frees the disk for another process */
}

void fs_disk_new_id(struct fs_disk *d, struct file_id *out)
{
	uint64_t count = atomic_fetch_add(&d->count, 1);
	memcpy(out->b, d->run, sizeof(d->run));
	for (size_t i = 0; i < sizeof(count); i++)
		out->b[FILE_ID_BYTES - 1 - i] = (uint8_t)(count >> (8 * i));
}

bool fs_disk_of_this_run(const struct fs_disk *d, const struct file_id *id)
{
	return memcmp(id->b, d->run, sizeof(d->run)) == 0;
}

enum err fs_disk_create(struct fs_disk *d, const struct file_id *id, int *fd)
{
	char name[NAME_CHARS + 1];
	name_of(id, name);
	int made = openat(d->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (made < 0)
		return err_from_errno(errno);
	*fd = made;
	return OK;
}

enum err fs_disk_write(int fd, uint64_t offset, struct bytes data)
{
	while (data.n > 0) {
		ssize_t n = pwrite(fd, data.p, data.n, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EFBIG)
			return ERR_NO_SPACE; /* a limit on the size of files: to us no different */
		if (n < 0)
			return err_from_errno(errno);
		offset += (uint64_t)n;
		data = bytes_from(data, (size_t)n);
	}
	return OK;
}

enum err fs_disk_publish(struct fs_disk *d, const struct file_id *id)
{
	char from[NAME_CHARS + 1], to[PATH_CHARS + 1];
	name_of(id, from);
	path_of(id, to);
	return renameat(d->tmp, from, d->objects, to) == 0 ? OK : err_from_errno(errno);
}

/* What cannot be unlinked now is swept at a later start; statfs counts its space. */
void fs_disk_discard(struct fs_disk *d, const struct file_id *id)
{
	char name[NAME_CHARS + 1];
	name_of(id, name);
	(void)unlinkat(d->tmp, name, 0);
}

void fs_disk_unlink(struct fs_disk *d, const struct file_id *id)
{
	char path[PATH_CHARS + 1];
	path_of(id, path);
	(void)unlinkat(d->objects, path, 0);
}

enum { READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

int fs_disk_open_now(int dir, const char *path)
{
	struct open_how how = { .flags = READ_FLAGS, .resolve = RESOLVE_CACHED };
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	/* Kernels before 5.12, and boxes that forbid the call: an open that may wait is better than none. */
	if (fd < 0 && (errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == E2BIG))
		return openat(dir, path, READ_FLAGS);
	return fd;
}

/* Takes the descriptor. */
static enum err check_whole(int opened, uint64_t length, int *fd)
{
	struct stat st;
	enum err e = OK;
	if (fstat(opened, &st) != 0)
		e = err_from_errno(errno);
	else if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size != length)
		e = ERR_CORRUPT;
	if (e != OK) {
		(void)close(opened);
		return e;
	}
	*fd = opened;
	return OK;
}

enum err fs_disk_read(struct fs_disk *d, const struct file_id *id, uint64_t length, int *fd)
{
	char path[PATH_CHARS + 1];
	path_of(id, path);
	int opened = openat(d->objects, path, READ_FLAGS);
	return opened < 0 ? err_from_errno(errno) : check_whole(opened, length, fd);
}

enum err fs_disk_read_now(struct fs_disk *d, const struct file_id *id, uint64_t length, int *fd)
{
	char path[PATH_CHARS + 1];
	path_of(id, path);
	int opened = d->open_now(d->objects, path);
	if (opened < 0)
		return errno == EAGAIN ? ERR_BUSY : err_from_errno(errno);
	return check_whole(opened, length, fd);
}

static enum err hash_file(int fd, uint64_t length, crypto_generichash_state *state)
{
	enum { CHUNK = 1 << 18 };
	uint8_t *chunk = malloc(CHUNK);
	CHECK(chunk != NULL);
	enum err e = OK;
	uint64_t at = 0;
	while (e == OK && at < length) {
		uint64_t left = length - at;
		ssize_t n = pread(fd, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			e = ERR_IO;
		else if (n == 0)
			e = ERR_CORRUPT;
		else
			CHECK(crypto_generichash_update(state, chunk, (size_t)n) == 0);
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(chunk);
	return e;
}

enum err fs_disk_verify(struct fs_disk *d, const struct file_id *id, uint64_t length,
    const uint8_t checksum[CACHE_CHECKSUM_BYTES])
{
	int fd;
	enum err e = fs_disk_read(d, id, length, &fd);
	if (e != OK)
		return e;
	crypto_generichash_state state;
	uint8_t sum[CACHE_CHECKSUM_BYTES];
	CHECK(crypto_generichash_init(&state, NULL, 0, sizeof(sum)) == 0);
	e = hash_file(fd, length, &state);
	(void)close(fd);
	if (e != OK)
		return e;
	CHECK(crypto_generichash_final(&state, sum, sizeof(sum)) == 0);
	return memcmp(sum, checksum, sizeof(sum)) == 0 ? OK : ERR_CORRUPT;
}

enum err fs_disk_sync(struct fs_disk *d)
{
	return syncfs(d->root) == 0 ? OK : err_from_errno(errno);
}

enum err fs_disk_room(struct fs_disk *d, uint64_t *left_bytes, uint64_t *total_bytes)
{
	struct statvfs st;
	if (fstatvfs(d->root, &st) != 0)
		return err_from_errno(errno);
	*left_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	*total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	return OK;
}

struct sweep {
	bool (*keep)(void *arg, const struct file_id *id);
	void *arg;
	uint64_t removed;
};

static bool sweep_file(void *arg, int folder, const char *file)
{
	struct sweep *s = arg;
	struct file_id id;
	bool ours = strlen(file) == NAME_CHARS && text_unhex(id.b, bytes_str(file)) == OK;
	if (ours && s->keep(s->arg, &id))
		return true;
	if (unlinkat(folder, file, 0) == 0)
		s->removed++;
	return true;
}

enum err fs_disk_sweep(struct fs_disk *d, unsigned folder, bool (*keep)(void *arg, const struct file_id *id),
    void *arg, uint64_t *removed)
{
	char name[3];
	CHECK(folder < FS_DISK_FOLDERS);
	(void)snprintf(name, sizeof(name), "%02x", folder & 0xffu);
	struct sweep s = { .keep = keep, .arg = arg };
	enum err e = each_file(d->objects, name, sweep_file, &s);
	*removed = s.removed;
	return e;
}

enum err fs_disk_set_index_aside(struct fs_disk *d, unsigned *n)
{
	for (unsigned i = 1; i <= CORRUPT_MAX; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "index.corrupt-%u", i);
		if (faccessat(d->root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (renameat(d->root, "index", d->root, name) != 0)
			return err_from_errno(errno);
		*n = i;
		return OK;
	}
	return ERR_FULL;
}
