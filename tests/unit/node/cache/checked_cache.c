#include "checked_cache.h"

#include "disk_image.h"

#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cache *checked_open(const char *folder, const char *boot)
{
	struct cache_disk_config disk = { .path = folder, .size_bytes = CHECKED_LIMIT_BYTES };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = boot };
	struct cache_disk_report report;
	struct cache *c = NULL;
	return cache_open(&config, &c, &report) == OK ? c : NULL;
}

const char *checked_folder(const char *name)
{
	static char folder[64];
	const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(folder, sizeof(folder), "%s/%s-XXXXXX", place, name);
	return mkdtemp(folder);
}

void checked_remove(const char *folder)
{
	struct image empty = { 0 };
	image_store(&empty, folder);
	CHECK(rmdir(folder) == 0);
}

struct bytes checked_content(unsigned number)
{
	static const char *const names[CHECKED_CONTENTS] = { "a", "b", "b/c", "d" };
	return bytes_str(names[number % CHECKED_CONTENTS]);
}

void checked_object(unsigned number, unsigned version, struct object *o)
{
	uint64_t seed = hash_mix(number * 1000003u + version), kind = seed % 20;
	o->number = number;
	o->version = version;
	struct bytes content = checked_content(number);
	(void)snprintf(o->name, sizeof(o->name), "%.*s/%u.m4s", (int)content.n, (const char *)content.p, number);
	o->length = kind == 0   ? 0
	            : kind < 12 ? 1 + seed / 64 % 8192
	            : kind < 19 ? 8192 + seed / 64 % 32768
	                        : 65536 + seed / 64 % 32768;
	for (uint64_t i = 0; i < o->length; i += 8) {
		uint64_t word = hash_mix(seed ^ (i << 8));
		memcpy(o->bytes + i, &word, o->length - i < 8 ? (size_t)(o->length - i) : 8);
	}
}

struct cache_key checked_key(const struct object *o)
{
	return (struct cache_key){ .origin = BYTES_LIT("main"), .object = bytes_str(o->name) };
}

struct cache_meta checked_meta(const struct object *o, struct cache_mark mark)
{
	struct cache_meta m = { .content = checked_content(o->number),
		.length = o->length,
		.answered_wall_ms = o->version,
		.ttl_ms = UINT64_MAX,
		.mark = mark };
	(void)snprintf(m.etag, sizeof(m.etag), "\"v%u\"", o->version);
	return m;
}

bool checked_reads(const struct cache_unit *u, const struct object *o)
{
	uint8_t *read = malloc(CHECKED_LENGTH_MAX + 1);
	CHECK(read != NULL);
	ssize_t n = pread(u->fd, read, CHECKED_LENGTH_MAX + 1, 0);
	bool same = u->meta->length == o->length && n == (ssize_t)o->length &&
	            (n == 0 || memcmp(read, o->bytes, (size_t)n) == 0);
	free(read);
	return same;
}

const char *checked_bytes(struct cache *c, const unsigned floors[CHECKED_CONTENTS])
{
	static struct object o;
	for (unsigned i = 0; i < CHECKED_OBJECTS; i++) {
		uint64_t version = 0;
		checked_object(i, 0, &o);
		struct cache_key k = checked_key(&o);
		struct cache_unit *u = cache_get(c, &k);
		if (u == NULL)
			continue;
		struct bytes etag = bytes_str(u->meta->etag);
		const char *why = NULL;
		if (etag.n < 4 || text_u64(bytes_of(etag.p + 2, etag.n - 3), UINT32_MAX, &version) != OK)
			why = "a unit has another validator";
		checked_object(i, (unsigned)version, &o);
		if (why == NULL && !checked_reads(u, &o))
			why = "wrong bytes are served";
		/* "b" is purged with all that is named so, "b/c" too. */
		unsigned content = i % CHECKED_CONTENTS;
		if (why == NULL && (version <= floors[content] || (content == 2 && version <= floors[1])))
			why = "a unit is back that was purged";
		cache_release(c, u);
		if (why != NULL)
			return why;
	}
	return NULL;
}

struct sum {
	uint64_t n, bytes;
};

static void add_unit(void *arg, struct unit *u)
{
	struct sum *s = arg;
	s->n++;
	s->bytes += cache_charge_of(u->record.length);
}

/* The table, the charge and the disk tell the same. */
const char *checked_space(struct cache *c)
{
	struct cache_disk *d = &c->disks[0];
	struct sum units = { 0 }, files = { 0 };
	while (cache_sweep_turn(d))
		;
	for (unsigned i = 0; i < CACHE_SHARDS; i++)
		units_each(&c->shards[i].units, add_unit, &units);
	struct image now = image_load(d->path);
	bool is_tmp_empty = true;
	for (size_t i = 0; i < now.names_n; i++) {
		const struct name *n = &now.names[i];
		is_tmp_empty &= strncmp(n->path, "tmp/", 4) != 0;
		if (n->inode == FOLDER || strncmp(n->path, "objects/", 8) != 0)
			continue;
		files.n++;
		files.bytes += cache_charge_of(now.inodes[n->inode].n);
	}
	image_free(&now);
	if (!is_tmp_empty)
		return "a file is left in tmp/";
	if (files.n != units.n || files.bytes != units.bytes)
		return files.n > units.n ? "there are files that no unit owns" : "there are units without their file";
	if (d->charged_bytes != files.bytes)
		return "what is charged is not what is there";
	return d->charged_bytes <= CHECKED_LIMIT_BYTES ? NULL : "more is held than the limit";
}
