/* Opening one disk: its lock, its index, and every unit that the index names.
 *
 * Within one boot the page cache kept whatever was written, and a unit's file is only looked at when it is
 * first used (its length is checked then). After the host went down, what was stored past the last sync is
 * read and compared with its checksum first; that is some seconds' worth of writing at most. */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Removes the units that a crash of the host may have spoiled and did. */
static void verify_unsynced(struct cache_disk *d, struct gathered *l, uint64_t synced)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct unit *u = l->units[i];
		const struct record *r = &u->record;
		if (r->sequence <= synced || fs_disk_verify(&d->files, &r->file, r->length, r->checksum) == OK) {
			l->units[kept++] = u;
			continue;
		}
		fs_disk_unlink(&d->files, &r->file);
		gathered_drop(l, &u->id);
		unit_free(u);
	}
	l->n = kept;
}

/* -- into the table -- */

enum { AHEAD = 8 };

struct ranked {
	uint64_t sequence;
	struct unit *unit;
};

/* By radix, a byte a pass; bytes that are alike in all are skipped. A million take some 30 ms, which a
 * comparing sort of units all over the memory does not. */
static struct ranked *by_sequence(struct unit *const *units, size_t n, uint64_t differing_bits)
{
	struct ranked *from = calloc(n + 1, sizeof(*from)), *to = calloc(n + 1, sizeof(*to));
	CHECK(from != NULL && to != NULL);
	for (size_t i = 0; i < n; i++)
		from[i] = (struct ranked){ units[i]->record.sequence, units[i] };
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t at[256] = { 0 };
		if ((differing_bits >> shift & 0xff) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			at[from[i].sequence >> shift & 0xff]++;
		for (size_t i = 0, sum = 0; i < 256; i++) {
			size_t here = at[i];
			at[i] = sum;
			sum += here;
		}
		for (size_t i = 0; i < n; i++)
			to[at[from[i].sequence >> shift & 0xff]++] = from[i];
		struct ranked *swapped = from;
		from = to;
		to = swapped;
	}
	free(to);
	return from;
}

static void reserve(struct cache *c, size_t n)
{
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct shard *s = &c->shards[i];
		cache_lock(&s->lock);
		units_reserve(&s->units, s->units.n + n / CACHE_SHARDS + n / CACHE_SHARDS / 8);
		cache_unlock(&s->lock);
	}
}

/* The same key on two disks: a crash came between the new unit and the end of the old one. */
static void give_up(struct cache_disk *d, struct unit *u)
{
	fs_disk_unlink(&d->files, &u->record.file);
	cache_lock(&d->lock);
	cache_index_later(d, &u->id, NULL);
	cache_unlock(&d->lock);
	unit_free(u);
}

/* In the order of the index, in which they lie in memory. */
static void insert_all(struct cache_disk *d, struct gathered *l, struct cache_disk_report *report)
{
	size_t kept = 0;
	reserve(d->cache, l->n);
	for (size_t i = 0; i < l->n; i++) {
		struct unit *u = l->units[i];
		if (!cache_insert_loaded(d->cache, u)) {
			give_up(d, u);
			l->dropped++;
			continue;
		}
		report->units++;
		report->bytes += u->record.length;
		d->charged_bytes += u->charge_bytes;
		u->proof = u->record.sequence <= d->doubted ? PROOF_DOUBTED : PROOF_LOADED;
		l->units[kept++] = u;
	}
	l->n = kept;
}

/* In the order in which they were stored, so that the eviction goes on where it was. */
static void order_all(struct cache_disk *d, struct gathered *l)
{
	uint64_t ones = 0, zeros = 0;
	for (size_t i = 0; i < l->n; i++) {
		ones |= l->units[i]->record.sequence;
		zeros |= ~l->units[i]->record.sequence;
	}
	struct ranked *ranked = by_sequence(l->units, l->n, ones & zeros);
	uint32_t now_s = cache_now_s();
	cache_lock(&d->lock);
	for (size_t i = 0; i < l->n; i++) {
		struct unit *u = ranked[i].unit;
		if (i + AHEAD < l->n) /* they lie all over the memory */
			__builtin_prefetch(&ranked[i + AHEAD].unit->policy, 1);
		policy_restore(&d->policy, &u->policy, unit_key64(u), u->charge_bytes, now_s);
	}
	cache_unlock(&d->lock);
	free(ranked);
	l->n = 0;
}

static enum err load_units(struct cache_disk *d, const char *boot_id, struct cache_disk_report *report)
{
	struct gathered l = { 0 };
	struct index_mark mark;
	enum err e = lmdb_index_mark(d->index, &mark);
	if (e == OK)
		e = cache_gather(d, &l);
	if (e == OK)
		e = cache_purges_read(d, l.n > 0);
	bool other_boot = e == OK && mark.boot_id[0] != 0 && strcmp(mark.boot_id, boot_id) != 0;
	if (other_boot)
		verify_unsynced(d, &l, mark.synced);
	if (e == OK) {
		/* Never below the mark: a number at or under it says "synced". */
		d->sequence = l.last_sequence > mark.synced ? l.last_sequence : mark.synced;
		/* What was read back after the boot came from the medium. */
		d->synced = other_boot ? d->sequence : mark.synced;
		struct index_mark now = { .synced = d->synced };
		memcpy(now.boot_id, d->boot_id, sizeof(now.boot_id));
		e = lmdb_index_write(d->index, l.drop, &now);
	}
	if (e == OK) {
		cache_sweep_begin(d, l.units, l.n);
		insert_all(d, &l, report);
		order_all(d, &l);
		report->dropped += l.dropped;
	}
	gathered_fini(&l);
	return e;
}

static uint64_t count_files(struct cache_disk *d)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < FS_DISK_FOLDERS; i++) {
		char path[4200];
		(void)snprintf(path, sizeof(path), "%.4096s/objects/%02x", d->path, i & 0xffu);
		DIR *dir = opendir(path);
		if (dir == NULL)
			continue;
		for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
			n += entry->d_name[0] != '.';
		(void)closedir(dir);
	}
	return n;
}

/* The objects alone do not say whose they are: without an index they go. */
static enum err rebuild(
    struct cache_disk *d, const char *folder, const char *why, struct cache_disk_report *report)
{
	unsigned number;
	char again[200];
	enum err e = fs_disk_set_index_aside(&d->files, &number);
	if (e != OK)
		return e;
	report->rebuilt = true;
	report->dropped = count_files(d);
	if (mkdir(folder, 0700) != 0)
		return err_from_errno(errno);
	e = lmdb_index_open(folder, &d->index, again);
	if (e == OK)
		e = load_units(d, d->boot_id, report);
	(void)snprintf(report->detail, sizeof(report->detail),
	    "%.100s: set aside as index.corrupt-%u; its objects are dropped", e == OK ? why : err_str(e), number);
	return e;
}

static enum err open_index(struct cache_disk *d, const char *boot_id, struct cache_disk_report *report)
{
	char folder[4200], why[200] = "";
	(void)snprintf(folder, sizeof(folder), "%.4096s/index", d->path);
	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		(void)snprintf(
		    report->detail, sizeof(report->detail), "cannot make index/: %s", strerrordesc_np(errno));
		return err_from_errno(errno);
	}
	enum err e = lmdb_index_open(folder, &d->index, why);
	if (e == OK) {
		e = load_units(d, boot_id, report);
		if (e != OK) {
			lmdb_index_close(d->index);
			d->index = NULL;
			(void)snprintf(why, sizeof(why), "cannot read the index: %s", err_str(e));
		}
	}
	if (e == ERR_CORRUPT)
		return rebuild(d, folder, why, report);
	if (e != OK)
		memcpy(report->detail, why, sizeof(why));
	return e;
}

enum err cache_disk_load(struct cache_disk *d, const char *boot_id, struct cache_disk_report *report)
{
	(void)snprintf(d->boot_id, sizeof(d->boot_id), "%s", boot_id);
	enum err e = fs_disk_open(&d->files, d->path, report->detail);
	if (e != OK)
		return e;
	e = open_index(d, d->boot_id, report);
	if (e != OK) {
		lmdb_index_close(d->index);
		d->index = NULL;
		fs_disk_close(&d->files);
	}
	return e;
}

void cache_disk_close(struct cache_disk *d)
{
	cache_disk_sync(d);
	(void)cache_index_flush(d);
	cache_sweep_end(d);
	lmdb_index_close(d->index);
	d->index = NULL;
	fs_disk_close(&d->files);
}
