#include "node/cache/lmdb_index.h"

#include "base/obj.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INDEX_MAGIC 0x6c6d6978u

/* Address space, not memory or disk: room for about ten million units. */
static const size_t map_bytes = (size_t)8 << 30;

struct lmdb_index {
	unsigned magic;
	MDB_env *env;
	MDB_dbi units, state;
};

static enum err translate(int rc)
{
	switch (rc) {
	case MDB_SUCCESS: return OK;
	case MDB_NOTFOUND: return ERR_NOT_FOUND;
	case MDB_MAP_FULL: return ERR_NO_SPACE;
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_VALSIZE: return ERR_CORRUPT;
	default: return rc > 0 ? err_from_errno(rc) : ERR_IO;
	}
}

/* Pages past the end of a file that was cut short would be a SIGBUS. */
static int check_length(MDB_env *env, const char *folder)
{
	MDB_envinfo info;
	MDB_stat stat_of;
	char path[4096];
	struct stat st;
	int rc = mdb_env_info(env, &info);
	if (rc == 0)
		rc = mdb_env_stat(env, &stat_of);
	if (rc != 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/data.mdb", folder);
	if (stat(path, &st) != 0)
		return errno;
	return (uint64_t)st.st_size < ((uint64_t)info.me_last_pgno + 1) * stat_of.ms_psize ? MDB_CORRUPTED : 0;
}

static int open_env(const char *folder, unsigned flags, MDB_env **out)
{
	MDB_env *env;
	int rc = mdb_env_create(&env);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(env, 4);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map_bytes);
	if (rc == 0)
		rc = mdb_env_open(env, folder, flags, 0600);
	if (rc == 0)
		rc = check_length(env, folder);
	if (rc != 0) {
		mdb_env_close(env);
		return rc;
	}
	*out = env;
	return 0;
}

/* What a wrong length says is there is looked at too, page by page. */
static uint8_t ends_of(const MDB_val *v)
{
	enum { PAGE_BYTES = 4096 };
	const uint8_t *p = v->mv_data;
	uint8_t sum = 0;
	for (size_t i = 0; i < v->mv_size; i += PAGE_BYTES)
		sum ^= p[i];
	return v->mv_size > 0 ? sum ^ p[v->mv_size - 1] : sum;
}

/* Touches every page of a tree that a later run may touch, and counts what it says it has. */
static int read_tree(MDB_txn *txn, MDB_dbi dbi)
{
	static volatile uint8_t seen;
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat told;
	uint8_t sum = 0;
	size_t n = 0;
	int rc = mdb_stat(txn, dbi, &told);
	if (rc == 0)
		rc = mdb_cursor_open(txn, dbi, &cursor);
	if (rc != 0)
		return rc;
	while (n <= told.ms_entries && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		sum ^= ends_of(&key) ^ ends_of(&value);
		n++;
	}
	mdb_cursor_close(cursor);
	seen = sum;
	(void)seen;
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	return n == told.ms_entries ? 0 : MDB_CORRUPTED;
}

enum { FREE_TREE = 0, MAIN_TREE = 1 }; /* LMDB's own two handles */

static int read_all(MDB_txn *txn)
{
	static const char *const names[] = { "units", "state" };
	MDB_stat told;
	int rc = mdb_stat(txn, MAIN_TREE, &told);
	if (rc == 0)
		rc = read_tree(txn, FREE_TREE);
	/* A run that died at its very start left an environment without databases. */
	for (size_t i = 0; rc == 0 && told.ms_entries > 0 && i < 2; i++) {
		MDB_dbi dbi;
		rc = mdb_dbi_open(txn, names[i], 0, &dbi);
		if (rc == 0)
			rc = read_tree(txn, dbi);
	}
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* Pages come in the order of the tree, which is none on the disk: a cold one is read from one end to the
 * other meanwhile. */
static void read_ahead(const char *folder)
{
	char path[4096];
	if (snprintf(path, sizeof(path), "%s/data.mdb", folder) >= (int)sizeof(path))
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	(void)close(fd);
}

static int probe(const char *folder)
{
	MDB_env *env;
	MDB_txn *txn;
	read_ahead(folder);
	int rc = open_env(folder, MDB_RDONLY | MDB_NOLOCK, &env);
	if (rc == ENOENT)
		return 0; /* a new one */
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = read_all(txn);
	return rc;
}

enum { PROBE_FINE = 0, PROBE_CORRUPT = 1, PROBE_FAILED = 2, CHILD_CPU_S = 60 };

static _Noreturn void probe_child(const char *folder)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	struct rlimit no_core = { 0, 0 }, seconds = { CHILD_CPU_S, CHILD_CPU_S };
	/* If its parent is killed now, the lock of the disk must not live on in the child. */
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)setrlimit(RLIMIT_CPU, &seconds); /* damaged pages may lead in a circle */
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		(void)signal(fatal[i], SIG_DFL);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(PROBE_FAILED);
	enum err e = translate(probe(folder));
	_exit(e == OK ? PROBE_FINE : e == ERR_CORRUPT ? PROBE_CORRUPT : PROBE_FAILED);
}

/* ERR_CORRUPT when the child found it so, or died of it. Anything else is for the open proper to meet. */
static enum err probe_in_child(const char *folder)
{
	pid_t pid = fork();
	if (pid < 0)
		return OK;
	if (pid == 0)
		probe_child(folder);
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return OK;
	if (WIFSIGNALED(status))
		return ERR_CORRUPT;
	return WEXITSTATUS(status) == PROBE_CORRUPT ? ERR_CORRUPT : OK;
}

static int open_databases(struct lmdb_index *x)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "units", MDB_CREATE, &x->units);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "state", MDB_CREATE, &x->state);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* LMDB makes its lock file with a hole and writes to it through a map, which is SIGBUS on a full disk. */
static int reserve_lock(const char *folder)
{
	enum {
		LOCK_BYTES = 4096 + 126 * 64
	}; /* a head, and a cache line for each of LMDB's default of readers */
	char path[4096];
	if (snprintf(path, sizeof(path), "%s/lock.mdb", folder) >= (int)sizeof(path))
		return ENAMETOOLONG;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	int rc = posix_fallocate(fd, 0, LOCK_BYTES);
	close(fd);
	return rc;
}

enum err lmdb_index_open(const char *folder, struct lmdb_index **out, char detail[200])
{
	if (probe_in_child(folder) != OK) {
		(void)snprintf(detail, 200, "the index is damaged");
		return ERR_CORRUPT;
	}
	struct lmdb_index *x = OBJ_NEW(struct lmdb_index, INDEX_MAGIC);
	int rc = reserve_lock(folder);
	if (rc == 0)
		rc = open_env(folder, 0, &x->env);
	if (rc == 0) {
		rc = open_databases(x);
		if (rc != 0)
			mdb_env_close(x->env);
	}
	if (rc != 0) {
		(void)snprintf(detail, 200, "cannot open the index: %s", mdb_strerror(rc));
		OBJ_FREE(x);
		return translate(rc);
	}
	*out = x;
	return OK;
}

void lmdb_index_close(struct lmdb_index *x)
{
	if (x == NULL)
		return;
	OBJ_CHECK(x, INDEX_MAGIC);
	mdb_env_close(x->env);
	OBJ_FREE(x);
}

enum err lmdb_index_each_of(struct lmdb_index *x, unsigned from, unsigned to,
    void (*each)(void *arg, const struct unit_id *id, struct bytes record), void *arg)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	uint8_t first = (uint8_t)from;
	MDB_val key = { 1, &first }, value;
	int rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return translate(rc);
	rc = mdb_cursor_open(txn, x->units, &cursor);
	if (rc == 0) {
		for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
		     rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
			struct unit_id id;
			if (*(const uint8_t *)key.mv_data >= to)
				break;
			if (key.mv_size != sizeof(id.b))
				continue; /* not ours; no version wrote such a key */
			memcpy(id.b, key.mv_data, sizeof(id.b));
			each(arg, &id, bytes_of(value.mv_data, value.mv_size));
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? OK : translate(rc);
}

enum err lmdb_index_each(
    struct lmdb_index *x, void (*each)(void *arg, const struct unit_id *id, struct bytes record), void *arg)
{
	return lmdb_index_each_of(x, 0, 256, each, arg);
}

size_t lmdb_index_count(struct lmdb_index *x)
{
	MDB_txn *txn;
	MDB_stat told;
	if (mdb_txn_begin(x->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	size_t n = mdb_stat(txn, x->units, &told) == 0 ? told.ms_entries : 0;
	mdb_txn_abort(txn);
	return n;
}

/* The state's values: boot_id as text, synced as u64 little-endian; each may grow at its end (V4). */
static MDB_val val(const void *p, size_t n)
{
	return (MDB_val){ .mv_size = n, .mv_data = (void *)(uintptr_t)p };
}

enum err lmdb_index_mark(struct lmdb_index *x, struct index_mark *out)
{
	MDB_txn *txn;
	MDB_val key = val("boot_id", 7), value;
	struct index_mark m = { .synced = 0 };
	int rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return translate(rc);
	rc = mdb_get(txn, x->state, &key, &value);
	if (rc == 0 && value.mv_size <= INDEX_BOOT_ID_MAX)
		memcpy(m.boot_id, value.mv_data, value.mv_size);
	key = val("synced", 6);
	if (rc == 0)
		rc = mdb_get(txn, x->state, &key, &value);
	if (rc == 0 && value.mv_size >= 8)
		for (unsigned i = 0; i < 8; i++)
			m.synced |= (uint64_t)((const uint8_t *)value.mv_data)[i] << (8 * i);
	mdb_txn_abort(txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return translate(rc);
	*out = m;
	return OK;
}

static int put_mark(struct lmdb_index *x, MDB_txn *txn, const struct index_mark *mark)
{
	uint8_t synced[8];
	for (unsigned i = 0; i < 8; i++)
		synced[i] = (uint8_t)(mark->synced >> (8 * i));
	MDB_val key = val("boot_id", 7), value = val(mark->boot_id, strlen(mark->boot_id));
	int rc = mdb_put(txn, x->state, &key, &value, 0);
	if (rc != 0)
		return rc;
	key = val("synced", 6);
	value = val(synced, sizeof(synced));
	return mdb_put(txn, x->state, &key, &value, 0);
}

static int put_ops(struct lmdb_index *x, MDB_txn *txn, const struct index_op *first)
{
	for (const struct index_op *o = first; o != NULL; o = o->next) {
		MDB_val key = val(o->id.b, sizeof(o->id.b)), value = val(o->value, o->value_n);
		int rc =
		    o->value_n > 0 ? mdb_put(txn, x->units, &key, &value, 0) : mdb_del(txn, x->units, &key, NULL);
		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
	}
	return 0;
}

enum err lmdb_index_write(struct lmdb_index *x, const struct index_op *first, const struct index_mark *mark)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);
	if (rc != 0)
		return translate(rc);
	rc = put_ops(x, txn, first);
	if (rc == 0 && mark != NULL)
		rc = put_mark(x, txn, mark);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return translate(rc);
	}
	return translate(mdb_txn_commit(txn));
}

enum err lmdb_index_facts(
    struct lmdb_index *x, void (*each)(void *arg, const struct index_fact *f), void *arg)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key = val("p", 1), value;
	int rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return translate(rc);
	rc = mdb_cursor_open(txn, x->state, &cursor);
	if (rc == 0) {
		for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
		     rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
			struct index_fact f = { bytes_of(key.mv_data, key.mv_size),
				bytes_of(value.mv_data, value.mv_size) };
			if (f.name.n == 0 || f.name.p[0] != 'p')
				break;
			each(arg, &f);
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? OK : translate(rc);
}

enum err lmdb_index_put_facts(struct lmdb_index *x, const struct index_fact *facts, size_t n)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);
	if (rc != 0)
		return translate(rc);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		MDB_val key = val(facts[i].name.p, facts[i].name.n), value = val(facts[i].value.p, facts[i].value.n);
		rc = mdb_put(txn, x->state, &key, &value, 0);
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return translate(rc);
	}
	return translate(mdb_txn_commit(txn));
}
