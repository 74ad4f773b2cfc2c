/* What keeps one disk in order beside its use: a thread of its own, so that a slow disk delays nobody else.
 */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <string.h>
#include <time.h>

enum {
	WRITE_EVERY_MS = 250, /* changes of the index that a crash of the process may lose */
	SYNC_EVERY_MS = 5000, /* data that a crash of the host makes us read again */
	SWEEP_EVERY_MS = 100, /* a folder of 256: some 26 s for a disk */
	SPARE_PERCENT = 1,    /* of the file system, left to others */
};

static struct index_op *new_op(const struct unit_id *id, const struct record *r)
{
	struct buf value;
	buf_init(&value, RECORD_BYTES_MAX);
	if (r != NULL)
		record_encode(r, &value);
	CHECK(buf_err(&value) == OK);
	struct index_op *o = calloc(1, sizeof(*o) + value.n);
	CHECK(o != NULL);
	o->id = *id;
	o->value_n = value.n;
	if (value.n > 0)
		memcpy(o->value, value.p, value.n);
	buf_fini(&value);
	return o;
}

static void free_ops(struct index_op *o)
{
	while (o != NULL) {
		struct index_op *next = o->next;
		free(o);
		o = next;
	}
}

/* A change that is dropped (the index hangs, or cannot be written) costs a miss after the next start, nothing
 * else: an entry without its file is dropped when it is used, a file without an entry is swept. */
void cache_index_later(struct cache_disk *d, const struct unit_id *id, const struct record *r)
{
	if (d->ops_n >= INDEX_OPS_MAX)
		return;
	struct index_op *o = new_op(id, r);
	*d->ops_end = o;
	d->ops_end = &o->next;
	if (d->ops_n++ == 0)
		CHECK(pthread_cond_signal(&d->wake) == 0);
}

void cache_disk_rest(struct cache_disk *d)
{
	cache_lock(&d->lock);
	d->rest_until_ms = cache_now_mono_ms() + REST_AFTER_ERROR_MS;
	CHECK(pthread_cond_signal(&d->wake) == 0);
	cache_unlock(&d->lock);
}

/* Writes what waits, and the mark when it moved. */
static enum err write_index(struct cache_disk *d, const struct index_mark *mark)
{
	cache_lock(&d->lock);
	struct index_op *ops = d->ops;
	d->ops = NULL;
	d->ops_end = &d->ops;
	d->ops_n = 0;
	cache_unlock(&d->lock);
	enum err e = ops != NULL || mark != NULL ? lmdb_index_write(d->index, ops, mark) : OK;
	if (e != OK) {
		atomic_fetch_add(&d->cache->write_failures, 1);
		cache_disk_rest(d);
	}
	free_ops(ops);
	return e;
}

enum err cache_index_flush(struct cache_disk *d)
{
	CHECK(pthread_mutex_lock(&d->index_lock) == 0);
	enum err e = write_index(d, NULL);
	CHECK(pthread_mutex_unlock(&d->index_lock) == 0);
	return e;
}

static void sync_disk(struct cache_disk *d)
{
	cache_lock(&d->lock);
	uint64_t through = d->sequence; /* all of it was renamed before its number was given */
	cache_unlock(&d->lock);
	if (through == d->synced || fs_disk_sync(&d->files) != OK)
		return;
	struct index_mark mark = { .synced = through };
	memcpy(mark.boot_id, d->boot_id, sizeof(mark.boot_id));
	CHECK(pthread_mutex_lock(&d->index_lock) == 0);
	(void)write_index(d, &mark);
	CHECK(pthread_mutex_unlock(&d->index_lock) == 0);
	d->synced = through;
}

/* Others fill the file system too, or it is smaller than configured: the limit follows what is really there.
 */
static void measure(struct cache_disk *d)
{
	uint64_t left, total;
	if (fs_disk_room(&d->files, &left, &total) != OK)
		return;
	uint64_t spare = total / 100 * SPARE_PERCENT;
	left = left > spare ? left - spare : 0;
	cache_lock(&d->lock);
	uint64_t reachable = d->charged_bytes + left;
	d->limit_bytes = reachable < d->size_bytes ? reachable : d->size_bytes;
	cache_unlock(&d->lock);
}

static int by_file(const void *a, const void *b)
{
	return memcmp(a, b, FILE_ID_BYTES);
}

static bool is_known(void *arg, const struct file_id *id)
{
	struct cache_disk *d = arg;
	return fs_disk_of_this_run(&d->files, id) ||
	       bsearch(id, d->sweep.known, d->sweep.known_n, sizeof(*id), by_file) != NULL;
}

static void sweep_one(struct cache_disk *d)
{
	struct sweep_state *s = &d->sweep;
	(void)fs_disk_sweep(&d->files, s->folder, is_known, d);
	if (++s->folder == FS_DISK_FOLDERS) {
		free(s->known);
		s->known = NULL;
		s->known_n = 0;
	}
}

struct schedule {
	uint64_t write_ms, sync_ms, sweep_ms;
};

/* Waits until something is due or the cache closes. Returns false when it closes. */
static bool wait_due(struct cache_disk *d, const struct schedule *s)
{
	cache_lock(&d->lock);
	while (!d->closing) {
		uint64_t due = s->sync_ms;
		if (d->ops_n > 0 && s->write_ms < due)
			due = s->write_ms;
		if (d->sweep.folder < FS_DISK_FOLDERS && s->sweep_ms < due)
			due = s->sweep_ms;
		if (cache_now_mono_ms() >= due)
			break;
		struct timespec until = { .tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000 };
		(void)pthread_cond_timedwait(&d->wake, &d->lock, &until);
	}
	bool go_on = !d->closing;
	cache_unlock(&d->lock);
	return go_on;
}

static void *run(void *arg)
{
	struct cache_disk *d = arg;
	uint64_t now = cache_now_mono_ms();
	struct schedule s = { .write_ms = now, .sync_ms = now + SYNC_EVERY_MS, .sweep_ms = now + SWEEP_EVERY_MS };
	while (wait_due(d, &s)) {
		now = cache_now_mono_ms();
		if (now >= s.write_ms) {
			(void)cache_index_flush(d);
			s.write_ms = now + WRITE_EVERY_MS;
		}
		if (now >= s.sync_ms) {
			sync_disk(d);
			measure(d);
			cache_contents_due(d->cache);
			s.sync_ms = now + SYNC_EVERY_MS;
		}
		if (d->sweep.folder < FS_DISK_FOLDERS && now >= s.sweep_ms) {
			sweep_one(d);
			s.sweep_ms = now + SWEEP_EVERY_MS;
		}
	}
	return NULL;
}

void cache_upkeep_start(struct cache_disk *d)
{
	measure(d);
	CHECK(pthread_create(&d->upkeep, NULL, run, d) == 0);
}

void cache_upkeep_stop(struct cache_disk *d)
{
	cache_lock(&d->lock);
	d->closing = true;
	CHECK(pthread_cond_signal(&d->wake) == 0);
	cache_unlock(&d->lock);
	CHECK(pthread_join(d->upkeep, NULL) == 0);
	sync_disk(d);
	(void)cache_index_flush(d);
	free(d->sweep.known);
	d->sweep.known = NULL;
	lmdb_index_close(d->index);
	d->index = NULL;
	fs_disk_close(&d->files);
}
