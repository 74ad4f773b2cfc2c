#include "kvs/lmdb_store_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* -- what operators watch -- */

struct seen {
	uint64_t open, oldest;
};

/* A line of mdb_reader_list: process, thread, transaction; "-" for one that is reset, and words above. */
static int see_reader(const char *line, void *arg)
{
	struct seen *seen = arg;
	char *last = strrchr(line, ' '), *end;
	if (last == NULL)
		return 0;
	uint64_t txn = strtoull(last + 1, &end, 10);
	if (end == last + 1)
		return 0;
	if (seen->open == 0 || txn < seen->oldest)
		seen->oldest = txn;
	seen->open++;
	return 0;
}

/* Those of processes that died are cleared away on the way. */
static struct seen see_readers(MDB_env *env)
{
	struct seen seen = { 0 };
	int dead = 0;
	if (mdb_reader_list(env, see_reader, &seen) >= 0 && seen.open > 0 && mdb_reader_check(env, &dead) == 0 &&
	    dead > 0) {
		seen = (struct seen){ 0 };
		(void)mdb_reader_list(env, see_reader, &seen);
	}
	return seen;
}

void kvs_store_gauge(struct kvs_store *s, struct kvs_store_gauges *out)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	MDB_envinfo info;
	MDB_stat stat;
	*out = (struct kvs_store_gauges){ 0 };
	if (mdb_env_info(s->view.env, &info) != 0 || mdb_env_stat(s->view.env, &stat) != 0)
		return;
	struct seen seen = see_readers(s->view.env);
	out->commits = info.me_last_txnid;
	out->open_readers = seen.open;
	out->oldest_reader = seen.open > 0 ? seen.oldest : info.me_last_txnid;
	out->file_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
	out->map_bytes = info.me_mapsize;
}

/* -- why a group failed -- */

static uint64_t free_mib(const char *folder)
{
	struct statvfs fs;
	return statvfs(folder, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize >> 20 : 0;
}

/* Space can be short on the disk or in a map: what there is of both tells which. */
void lmdb_store_say_why(struct kvs_store *s, enum err e)
{
	s->why = (struct lmdb_detail){ { 0 } };
	if (e == OK)
		return;
	lmdb_say(&s->why, "%s: %s", s->folder, err_str(e));
	MDB_envinfo own;
	struct kvs_store_gauges view;
	if (e != ERR_NO_SPACE || mdb_env_info(s->self.env, &own) != 0)
		return;
	kvs_store_gauge(s, &view);
	lmdb_say(&s->why, "%llu MiB free on the disk", (unsigned long long)free_mib(s->folder));
	lmdb_say(&s->why, "view: %llu of at most %llu MiB", (unsigned long long)(view.file_bytes >> 20),
	    (unsigned long long)(view.map_bytes >> 20));
	lmdb_say(&s->why, "self: at most %llu MiB", (unsigned long long)(own.me_mapsize >> 20));
}

const char *kvs_store_why(const struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	return s->why.text;
}
