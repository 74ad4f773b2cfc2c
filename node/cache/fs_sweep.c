/* What a crash left of a disk and its index not fitting each other, put right while the disk serves, a folder
 * at a time: files that no entry names go, and units whose file is not there give their space back. (An
 * eviction unlinks at once; the index hears of it later.)
 *
 * Files of this run are left alone: their entries come and go meanwhile. */
#include "node/cache/fs_cache.h"

#include <stdlib.h>
#include <string.h>

struct known_file {
	struct file_id file;
	struct unit_id unit;
	bool seen;
};

static unsigned folder_of(const struct file_id *file)
{
	return file->b[FILE_ID_BYTES - 1];
}

void cache_sweep_begin(struct cache_disk *d, struct unit *const *units, size_t n)
{
	struct sweep_state *s = &d->sweep;
	size_t at[FS_DISK_FOLDERS];
	*s = (struct sweep_state){ .known = calloc(n + 1, sizeof(*s->known)) };
	CHECK(s->known != NULL);
	for (size_t i = 0; i < n; i++)
		s->end[folder_of(&units[i]->record.file)]++;
	for (size_t i = 0, sum = 0; i < FS_DISK_FOLDERS; i++) {
		at[i] = sum;
		sum += s->end[i];
		s->end[i] = sum;
	}
	for (size_t i = 0; i < n; i++) {
		const struct unit *u = units[i];
		s->known[at[folder_of(&u->record.file)]++] =
		    (struct known_file){ .file = u->record.file, .unit = u->id };
	}
}

static int by_file(const void *a, const void *b)
{
	return memcmp(a, b, FILE_ID_BYTES);
}

struct turn {
	struct cache_disk *disk;
	struct known_file *known;
	size_t n;
};

static bool is_wanted(void *arg, const struct file_id *id)
{
	struct turn *t = arg;
	struct known_file *k = bsearch(id, t->known, t->n, sizeof(*t->known), by_file);
	if (k != NULL)
		k->seen = true;
	return k != NULL || fs_disk_of_this_run(&t->disk->files, id);
}

bool cache_sweep_turn(struct cache_disk *d)
{
	struct sweep_state *s = &d->sweep;
	if (s->folder == FS_DISK_FOLDERS)
		return false;
	size_t first = s->folder > 0 ? s->end[s->folder - 1] : 0;
	struct turn t = { .disk = d, .known = s->known + first, .n = s->end[s->folder] - first };
	qsort(t.known, t.n, sizeof(*t.known), by_file);
	uint64_t removed;
	enum err e = fs_disk_sweep(&d->files, s->folder, is_wanted, &t, &removed);
	/* Of a folder that could not be read to its end nothing is known to be missing. */
	for (size_t i = 0; e == OK && i < t.n; i++)
		if (!t.known[i].seen)
			(void)cache_drop(d->cache, &t.known[i].unit, &t.known[i].file);
	if (++s->folder == FS_DISK_FOLDERS)
		cache_sweep_end(d);
	return s->folder < FS_DISK_FOLDERS;
}

void cache_sweep_end(struct cache_disk *d)
{
	free(d->sweep.known);
	d->sweep.known = NULL;
	d->sweep.folder = FS_DISK_FOLDERS;
}
