#include "kvs/lmdb_env.h"

#include "base/check.h"
#include "kvs/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	READERS_MAX = 1024, /* slots: one a worker thread, and room for tools */
	SET_ASIDE_MAX = 1000,
	PATH_BYTES = 4096,
	/* A disk with less than this left counts as full when a write to it failed. */
	FULL_BYTES = 1 << 20,
	MAP_BYTES_MIN = 64 << 20,
	/* Of LMDB's lock file, somewhat more than it wants: a head and a cache line a reader. */
	LOCK_BYTES = 4096 + READERS_MAX * 64,
};

void lmdb_say(struct lmdb_detail *d, const char *format, ...)
{
	size_t n = strlen(d->text);
	if (n > 0 && n + 2 < sizeof(d->text)) {
		memcpy(d->text + n, "; ", 3);
		n += 2;
	}
	va_list ap;
	va_start(ap, format);
	vsnprintf(d->text + n, sizeof(d->text) - n, format, ap);
	va_end(ap);
}

enum err lmdb_err(int rc)
{
	switch (rc) {
	case MDB_SUCCESS: return OK;
	case MDB_NOTFOUND: return ERR_NOT_FOUND;
	case MDB_KEYEXIST: return ERR_EXISTS;
	case MDB_MAP_FULL: return ERR_NO_SPACE;
	case EFBIG: return ERR_NO_SPACE; /* a limit on the size of files */
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE: return ERR_CORRUPT;
	case MDB_READERS_FULL:
	case MDB_TXN_FULL:
	case MDB_DBS_FULL: return ERR_FULL;
	case MDB_MAP_RESIZED:
	case MDB_PANIC: return ERR_IO;
	case MDB_BAD_TXN:
	case MDB_BAD_RSLOT:
	case MDB_BAD_DBI:
	case MDB_BAD_VALSIZE: UNREACHABLE(); /* wrong use */
	default: return rc > 0 ? err_from_errno(rc) : ERR_IO;
	}
}

static bool is_full(MDB_env *env)
{
	int fd;
	struct statvfs fs;
	struct stat st;
	struct rlimit limit;
	if (mdb_env_get_fd(env, &fd) != 0 || fstatvfs(fd, &fs) != 0 || fstat(fd, &st) != 0)
		return false;
	if ((uint64_t)fs.f_bavail * fs.f_frsize < FULL_BYTES)
		return true;
	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       (uint64_t)st.st_size + FULL_BYTES > limit.rlim_cur;
}

enum err lmdb_write_err(MDB_env *env, int rc)
{
	return rc == EIO && is_full(env) ? ERR_NO_SPACE : lmdb_err(rc);
}

enum err lmdb_sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	enum err e = fsync(fd) == 0 ? OK : err_from_errno(errno);
	close(fd);
	return e;
}

static int open_mdb(const struct lmdb_env_config *c, size_t map_bytes, MDB_env **out)
{
	MDB_env *env;
	int dead, rc = mdb_env_create(&env);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(env, c->tables);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env, READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map_bytes);
	if (rc == 0)
		rc = mdb_env_open(env, c->folder, c->flags | MDB_NOTLS, 0600);
	if (rc == 0)
		rc = mdb_reader_check(env, &dead);
	if (rc == 0) {
		*out = env;
		return 0;
	}
	if (rc == EIO && is_full(env))
		rc = ENOSPC;
	mdb_env_close(env);
	return rc;
}

/* What is wanted; where there is no such range of addresses (RLIMIT_AS, valgrind), half of what there is, for
 * others want maps too. LMDB itself takes more when the file is larger. Asked without LMDB: an environment
 * that could not be opened can only be closed, and its errors have other causes too. */
static size_t map_bytes_for(size_t wanted)
{
	for (size_t map = wanted;; map /= 2) {
		if (map < MAP_BYTES_MIN)
			return wanted < MAP_BYTES_MIN ? wanted : MAP_BYTES_MIN;
		void *p = mmap(NULL, map, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			continue;
		CHECK(munmap(p, map) == 0);
		return map == wanted || map / 2 < MAP_BYTES_MIN ? map : map / 2;
	}
}

/* LMDB makes its lock file with a hole and writes to it through a map, which is SIGBUS on a full disk. */
static enum err reserve_lock(const char *folder)
{
	char path[PATH_BYTES];
	if (snprintf(path, sizeof(path), "%s/lock.mdb", folder) >= (int)sizeof(path))
		return ERR_TOO_BIG;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	int rc = posix_fallocate(fd, 0, LOCK_BYTES);
	close(fd);
	return lmdb_err(rc);
}

enum err lmdb_env_open(const struct lmdb_env_config *c, MDB_env **out, struct lmdb_detail *d)
{
	char path[PATH_BYTES];
	if (snprintf(path, sizeof(path), "%s/data.mdb", c->folder) >= (int)sizeof(path))
		return ERR_TOO_BIG;
	if (mkdir(c->folder, 0700) != 0 && errno != EEXIST) {
		lmdb_say(d, "%s: %s", c->folder, strerror(errno));
		return err_from_errno(errno);
	}
	const char *why = NULL;
	enum err e = lmdb_check_file(path, &why);
	if (e != OK && e != ERR_NOT_FOUND) {
		lmdb_say(d, "%s: %s", path, why != NULL ? why : err_str(e));
		return e;
	}
	e = reserve_lock(c->folder);
	if (e != OK) {
		lmdb_say(d, "%s: the lock file: %s", c->folder, err_str(e));
		return e;
	}
	size_t map = map_bytes_for(c->map_bytes);
	int rc = open_mdb(c, map, out);
	if (rc != 0)
		lmdb_say(d, "%s: %s", c->folder, mdb_strerror(rc));
	else if (map < c->map_bytes)
		lmdb_say(d, "%s: a map of %zu MiB, wanted were %zu", c->folder, map >> 20, c->map_bytes >> 20);
	return lmdb_err(rc);
}

enum err lmdb_env_set_aside(const char *folder, const char *name, const char *why, struct lmdb_detail *d)
{
	char from[PATH_BYTES], to[PATH_BYTES];
	if (snprintf(from, sizeof(from), "%s/%s", folder, name) >= (int)sizeof(from))
		return ERR_TOO_BIG;
	for (unsigned i = 1; i <= SET_ASIDE_MAX; i++) {
		if (snprintf(to, sizeof(to), "%s/%s.%s-%u", folder, name, why, i) >= (int)sizeof(to))
			return ERR_TOO_BIG;
		/* Never over another: an empty folder would be replaced by a plain rename. */
		if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
			lmdb_say(d, "kept as %s.%s-%u", name, why, i);
			return lmdb_sync_folder(folder);
		}
		if (errno != EEXIST)
			break;
	}
	enum err e = err_from_errno(errno);
	lmdb_say(d, "%s: cannot be set aside: %s", from, strerror(errno));
	return e;
}

static enum err remove_file(const char *folder, const char *name)
{
	char path[PATH_BYTES];
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return ERR_TOO_BIG;
	return unlink(path) == 0 || errno == ENOENT ? OK : err_from_errno(errno);
}

enum err lmdb_env_remove(const char *folder)
{
	enum err e = remove_file(folder, "data.mdb");
	if (e == OK)
		e = remove_file(folder, "lock.mdb");
	return e;
}
