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

struct loading {
	struct cache_disk *disk;
	struct unit **units;
	size_t n, cap;
	struct index_op *drop; /* entries to delete */
	uint64_t dropped;
	uint64_t last_sequence;
};

static void drop_entry(struct loading *l, const struct unit_id *id)
{
	struct index_op *o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->id = *id;
	o->next = l->drop;
	l->drop = o;
	l->dropped++;
}

static void free_drops(struct loading *l)
{
	while (l->drop != NULL) {
		struct index_op *next = l->drop->next;
		free(l->drop);
		l->drop = next;
	}
}

static void on_entry(void *arg, const struct unit_id *id, struct bytes value)
{
	struct loading *l = arg;
	struct record r;
	if (record_decode(value, &r) != OK) {
		drop_entry(l, id);
		return;
	}
	struct unit *u = unit_new(&r, l->disk->number);
	if (memcmp(u->id.b, id->b, sizeof(id->b)) != 0) {
		unit_free(u);
		drop_entry(l, id);
		return;
	}
	u->charge_bytes = cache_charge_of(r.length);
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 1024 : l->cap * 2;
		l->units = realloc(l->units, l->cap * sizeof(l->units[0]));
		CHECK(l->units != NULL);
	}
	l->units[l->n++] = u;
	if (r.sequence > l->last_sequence)
		l->last_sequence = r.sequence;
}

/* Removes the units that a crash of the host may have spoiled and did. */
static void verify_unsynced(struct loading *l, uint64_t synced)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct unit *u = l->units[i];
		const struct record *r = &u->record;
		if (r->sequence <= synced ||
		    fs_disk_verify(&l->disk->files, &r->file, r->length, r->checksum) == OK) {
			l->units[kept++] = u;
			continue;
		}
		fs_disk_unlink(&l->disk->files, &r->file);
		drop_entry(l, &u->id);
		unit_free(u);
	}
	l->n = kept;
}

static int by_sequence(const void *a, const void *b)
{
	uint64_t x = (*(struct unit *const *)a)->record.sequence, y = (*(struct unit *const *)b)->record.sequence;
	return x < y ? -1 : x > y;
}

/* The same key on two disks: a crash came between the new unit and the end of the old one. */
static bool stands_newer(struct cache *c, const struct unit *u)
{
	struct shard *s = cache_shard(c, &u->id);
	cache_lock(&s->lock);
	struct unit *other = units_at(&s->units, &u->id);
	bool newer = other != NULL && other->record.answered_wall_ms > u->record.answered_wall_ms;
	cache_unlock(&s->lock);
	return newer;
}

/* In the order in which they were stored, so that the eviction goes on where it was. */
static void insert_all(struct loading *l, struct cache_disk_report *report)
{
	struct cache_disk *d = l->disk;
	if (l->n > 0)
		qsort(l->units, l->n, sizeof(l->units[0]), by_sequence);
	for (size_t i = 0; i < l->n; i++) {
		struct unit *u = l->units[i];
		if (stands_newer(d->cache, u)) {
			fs_disk_unlink(&d->files, &u->record.file);
			cache_lock(&d->lock);
			cache_index_later(d, &u->id, NULL);
			cache_unlock(&d->lock);
			l->dropped++;
			unit_free(u);
			continue;
		}
		report->units++;
		report->bytes += u->record.length;
		d->charged_bytes += u->charge_bytes;
		u->proof = u->record.sequence <= d->doubted ? PROOF_DOUBTED : PROOF_LOADED;
		(void)cache_insert(d->cache, u, false);
	}
	l->n = 0;
}

static enum err load_units(struct cache_disk *d, const char *boot_id, struct cache_disk_report *report)
{
	struct loading l = { .disk = d };
	struct index_mark mark;
	enum err e = lmdb_index_mark(d->index, &mark);
	if (e == OK)
		e = lmdb_index_each(d->index, on_entry, &l);
	if (e == OK)
		e = cache_purges_read(d, l.n > 0);
	bool other_boot = e == OK && mark.boot_id[0] != 0 && strcmp(mark.boot_id, boot_id) != 0;
	if (other_boot)
		verify_unsynced(&l, mark.synced);
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
		free_drops(&l);
		cache_sweep_begin(d, l.units, l.n);
		insert_all(&l, report);
		report->dropped += l.dropped;
	}
	for (size_t i = 0; i < l.n; i++)
		unit_free(l.units[i]);
	free(l.units);
	free_drops(&l);
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
