/* Filling: a temporary file on the disk that has most room for it, hashed on the way, renamed when it is
 * whole (D5). */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_generichash.h>
#include <string.h>
#include <unistd.h>

#define WRITER_MAGIC 0x77726974u

struct cache_writer {
	unsigned magic;
	struct cache *cache;
	struct cache_disk *disk;
	struct unit *unit; /* not in the table before the commit */
	int fd;
	uint64_t written;
	enum err failed;                 /* the first error of a write */
	crypto_generichash_state *state; /* of its own: it wants an alignment of 64 */
};

/* The disk with the least of its limit in use that takes new units; NULL when there is none. */
static struct cache_disk *choose_disk(struct cache *c, uint64_t charge)
{
	struct cache_disk *best = NULL;
	double best_use = 0;
	uint64_t now = cache_now_mono_ms();
	for (size_t i = 0; i < c->disks_n; i++) {
		struct cache_disk *d = &c->disks[i];
		if (!d->serves)
			continue;
		cache_lock(&d->lock);
		bool fits = !disk_resting(d, now) && charge <= d->limit_bytes;
		double use = fits && d->limit_bytes > 0 ? (double)d->charged_bytes / (double)d->limit_bytes : 0;
		cache_unlock(&d->lock);
		if (fits && (best == NULL || use < best_use)) {
			best = d;
			best_use = use;
		}
	}
	return best;
}

/* Evicts until there is room, and charges it. Pinned units that are evicted free nothing yet, so it may be in
 * vain. */
static enum err make_room(struct cache_disk *d, uint64_t charge)
{
	cache_lock(&d->lock);
	if (policy_too_full(d->charged_bytes, charge, d->limit_bytes)) {
		while (!policy_roomy(d->charged_bytes, charge, d->limit_bytes)) {
			struct policy_node *n = policy_victim(&d->policy, cache_now_s());
			if (n == NULL)
				break;
			struct unit *u = CONTAINER_OF(n, struct unit, policy);
			struct unit_id id = u->id; /* it may be gone once the lock is given up */
			struct file_id file = u->record.file;
			cache_unlock(&d->lock);
			if (cache_drop(d->cache, &id, &file))
				atomic_fetch_add(&d->cache->evicted, 1);
			cache_lock(&d->lock);
		}
	}
	bool fits = charge <= d->limit_bytes && d->charged_bytes <= d->limit_bytes - charge;
	if (fits)
		d->charged_bytes += charge;
	cache_unlock(&d->lock);
	return fits ? OK : ERR_NO_SPACE;
}

static void give_back(struct cache_disk *d, uint64_t charge)
{
	cache_lock(&d->lock);
	CHECK(d->charged_bytes >= charge);
	d->charged_bytes -= charge;
	cache_unlock(&d->lock);
}

static bool out_of_descriptors(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE;
}

/* What keeps a disk from taking units for a while, and what a caller hears of it. */
static enum err disk_failed(struct cache_disk *d, enum err e)
{
	atomic_fetch_add(&d->cache->write_failures, 1);
	cache_disk_rest(d);
	return e == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_IO;
}

static struct cache_writer *new_writer(
    struct cache *c, struct cache_disk *d, const struct record *r, struct cache_mark mark)
{
	struct cache_writer *w = OBJ_NEW(struct cache_writer, WRITER_MAGIC);
	size_t align = _Alignof(crypto_generichash_state);
	w->cache = c;
	w->disk = d;
	w->unit = unit_new(r, d->number);
	w->unit->charge_bytes = cache_charge_of(r->length);
	w->unit->mark = mark.purges;
	w->unit->proof = mark.doubts;
	w->fd = -1;
	w->state = aligned_alloc(align, (crypto_generichash_statebytes() + align - 1) / align * align);
	CHECK(w->state != NULL);
	CHECK(crypto_generichash_init(w->state, NULL, 0, CACHE_CHECKSUM_BYTES) == 0);
	return w;
}

static void free_writer(struct cache_writer *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	unit_free(w->unit);
	free(w->state);
	OBJ_FREE(w);
}

enum err cache_write_begin(
    struct cache *c, const struct cache_key *k, const struct cache_meta *m, struct cache_writer **out)
{
	OBJ_CHECK(c, CACHE_MAGIC);
	if (!record_key_fits(k) || !record_meta_fits(m) || !record_slice_fits(k, m->length, m->total))
		return ERR_INVALID;
	struct record r = { .key = *k,
		.content = m->content,
		.etag = bytes_str(m->etag),
		.length = m->length,
		.total = m->total,
		.modified_s = m->modified_s,
		.answered_wall_ms = m->answered_wall_ms,
		.ttl_ms = m->ttl_ms };
	uint64_t charge = cache_charge_of(m->length);
	struct cache_disk *d = choose_disk(c, charge);
	if (d == NULL)
		return ERR_NO_SPACE;
	enum err e = make_room(d, charge);
	if (e != OK)
		return e;
	fs_disk_new_id(&d->files, &r.file);
	int fd;
	e = fs_disk_create(&d->files, &r.file, &fd);
	if (e != OK) {
		int errnum = errno;
		give_back(d, charge);
		return out_of_descriptors(errnum) ? ERR_IO : disk_failed(d, e);
	}
	struct cache_writer *w = new_writer(c, d, &r, m->mark);
	w->fd = fd;
	atomic_fetch_add(&c->pinned, 1);
	*out = w;
	return OK;
}

enum err cache_write_fd(struct cache_writer *w, int *fd)
{
	OBJ_CHECK(w, WRITER_MAGIC);
	int copy = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return ERR_IO;
	*fd = copy;
	return OK;
}

enum err cache_write(struct cache_writer *w, struct bytes data)
{
	OBJ_CHECK(w, WRITER_MAGIC);
	if (w->failed != OK)
		return w->failed;
	if (data.n > w->unit->record.length - w->written)
		return w->failed = ERR_INVALID;
	enum err e = fs_disk_write(w->fd, w->written, data);
	if (e != OK)
		return w->failed = disk_failed(w->disk, e);
	if (data.n > 0)
		CHECK(crypto_generichash_update(w->state, data.p, data.n) == 0);
	w->written += data.n;
	return OK;
}

void cache_write_abort(struct cache_writer *w)
{
	if (w == NULL)
		return;
	OBJ_CHECK(w, WRITER_MAGIC);
	struct cache *c = w->cache;
	fs_disk_discard(&w->disk->files, &w->unit->record.file);
	give_back(w->disk, w->unit->charge_bytes);
	free_writer(w);
	CHECK(atomic_fetch_sub(&c->pinned, 1) > 0);
}

enum err cache_write_commit(struct cache_writer *w)
{
	OBJ_CHECK(w, WRITER_MAGIC);
	struct cache *c = w->cache;
	struct unit *u = w->unit;
	enum err e = w->failed;
	if (e == OK && w->written != u->record.length)
		e = ERR_INVALID;
	if (e == OK) {
		CHECK(crypto_generichash_final(w->state, u->record.checksum, CACHE_CHECKSUM_BYTES) == 0);
		e = fs_disk_publish(&w->disk->files, &u->record.file);
		if (e != OK)
			e = disk_failed(w->disk, e);
	}
	if (e != OK) {
		cache_write_abort(w);
		return e;
	}
	w->unit = NULL;
	free_writer(w);
	bool in = cache_insert(c, u);
	if (in)
		atomic_fetch_add(&c->stored, 1);
	CHECK(atomic_fetch_sub(&c->pinned, 1) > 0);
	return in ? OK : ERR_EXPIRED;
}
