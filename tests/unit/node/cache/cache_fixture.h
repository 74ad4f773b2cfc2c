/* A cache in a temporary folder, and units with bytes that tell which they are. */
#ifndef TESTS_UNIT_NODE_CACHE_FIXTURE_H
#define TESTS_UNIT_NODE_CACHE_FIXTURE_H

#include "node/cache/cache.h"

struct fixture {
	char folder[64];
	char disk_path[80];
	struct cache *cache;
	struct cache_disk_report report;
};

void fixture_make(struct fixture *f);
void fixture_remove(struct fixture *f); /* closes what is open */
/* One disk of that size under boot id `boot`; asserts that it works. */
void fixture_open(struct fixture *f, uint64_t size_bytes, const char *boot);
void fixture_close(struct fixture *f);

struct cache_key key_of(const char *object);
/* Byte i of an object that was seeded so. */
uint8_t byte_at(unsigned seed, uint64_t i);
/* Stores content/name with `length` bytes of `seed`; content is what precedes the last slash. */
enum err store(struct cache *c, const char *object, const char *etag, uint64_t length, unsigned seed);
/* Whether the unit is there with exactly these bytes. */
bool holds(struct cache *c, const char *object, uint64_t length, unsigned seed);
bool unit_reads(const struct cache_unit *u, uint64_t length, unsigned seed);

/* Opens the cache in another process, has it `act`, waits until the index on the disk names `entries` units,
 * and kills it with SIGKILL. */
void kill_after(struct fixture *f, const char *boot, bool (*act)(struct cache *c), unsigned entries);

/* Files under a folder, by find. */
unsigned count_files(const char *folder);
/* printf, then sh; asserts that it succeeds. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Polls until it is true or 20 s have passed. */
bool eventually(bool (*is)(void *arg), void *arg);

#endif
