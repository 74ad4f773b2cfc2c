/* A cache of one small disk whose objects tell by their bytes what they are, and what has to hold of it after
 * any crash. The upkeep thread must not run (no_upkeep.c) where space is checked.
 */
#ifndef TESTS_UNIT_NODE_CACHE_CHECKED_CACHE_H
#define TESTS_UNIT_NODE_CACHE_CHECKED_CACHE_H

#include "node/cache/fs_cache.h"

enum {
	CHECKED_CONTENTS = 4,
	CHECKED_OBJECTS = 24, /* of all contents */
	CHECKED_LIMIT_BYTES = 300 * 1024,
	CHECKED_LENGTH_MAX = 100 * 1024,
};

struct object {
	unsigned number, version;
	char name[32];
	uint64_t length;
	uint8_t bytes[CHECKED_LENGTH_MAX];
};

struct cache *checked_open(const char *folder, const char *boot); /* NULL: it does not open */
struct bytes checked_content(unsigned number);
struct cache_key checked_key(const struct object *o);
void checked_object(unsigned number, unsigned version, struct object *out);
/* What it is filled with; its mark has to be taken before. */
struct cache_meta checked_meta(const struct object *o, struct cache_mark mark);
bool checked_reads(const struct cache_unit *u, const struct object *o);

/* What is wrong, or NULL. What is served are bytes of its version, and of a version above its content's
 * floor. */
const char *checked_bytes(struct cache *c, const unsigned floors[CHECKED_CONTENTS]);
/* Sweeps to the end; then the table, the charge and the disk tell the same. */
const char *checked_space(struct cache *c);

/* Where files are in memory, if the machine has such a place; mkdtemp makes it of this. */
const char *checked_folder(const char *name);
void checked_remove(const char *folder); /* with all that is in it */

#endif
