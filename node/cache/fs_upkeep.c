/* What keeps one disk in order beside its use: a thread of its own, so that a slow disk delays nobody else.
 */
#include "node/cache/fs_cache.h"

#include <time.h>

enum {
	WRITE_EVERY_MS = 250, /* changes of the index that a crash of the process may lose */
	SYNC_EVERY_MS = 5000, /* data that a crash of the host makes us read again */
	SWEEP_EVERY_MS = 100, /* a folder of 256: some 26 s for a disk */
	SPARE_PERCENT = 1,    /* of the file system, left to others */
};

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
			cache_disk_sync(d);
			measure(d);
			cache_contents_due(d->cache);
			s.sync_ms = now + SYNC_EVERY_MS;
		}
		if (d->sweep.folder < FS_DISK_FOLDERS && now >= s.sweep_ms) {
			(void)cache_sweep_turn(d);
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
	cache_disk_close(d);
}
