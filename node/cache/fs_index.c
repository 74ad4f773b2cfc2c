/* What the index of a disk is still to be told, and the mark of what is synced. */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <string.h>

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

void cache_disk_sync(struct cache_disk *d)
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
