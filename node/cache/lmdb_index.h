/* The index of one disk in LMDB: unit id -> record (record.h), and what is known to be synced.
 *
 * Every transaction is synced: a crash of process or host leaves the last whole one. An index that cannot be
 * trusted (another format, cut short, pages damaged) is found at open by a child process that reads all of it
 * first, because LMDB may end the process that reads a damaged page.
 *
 * Threading: open and close by one thread while nobody else uses it; all else by any thread (LMDB has a lock
 * for those that write).
 */
#ifndef NODE_CACHE_LMDB_INDEX_H
#define NODE_CACHE_LMDB_INDEX_H

#include "node/cache/record.h"

struct lmdb_index;

/* `folder` exists. ERR_CORRUPT: set it aside. detail: what is wrong, for a person. */
MUST_USE enum err lmdb_index_open(const char *folder, struct lmdb_index **out, char detail[200]);
void lmdb_index_close(struct lmdb_index *x);

/* All entries, by id; `each` may decode the value, which is valid during the call. */
MUST_USE enum err lmdb_index_each(
    struct lmdb_index *x, void (*each)(void *arg, const struct unit_id *id, struct bytes record), void *arg);
/* Those whose id begins with a byte from `from` to below `to` (256 at most). */
MUST_USE enum err lmdb_index_each_of(struct lmdb_index *x, unsigned from, unsigned to,
    void (*each)(void *arg, const struct unit_id *id, struct bytes record), void *arg);
/* How many entries there are; 0 when that cannot be read. */
size_t lmdb_index_count(struct lmdb_index *x);

enum { INDEX_BOOT_ID_MAX = 64 };

/* Through which sequence number the data are known to be on the medium, and in which boot that was said. */
struct index_mark {
	char boot_id[INDEX_BOOT_ID_MAX + 1]; /* empty: never said */
	uint64_t synced;
};
MUST_USE enum err lmdb_index_mark(struct lmdb_index *x, struct index_mark *out);

/* One change; value of 0 bytes: delete (of what may not be there). */
struct index_op {
	struct index_op *next;
	struct unit_id id;
	size_t value_n;
	uint8_t value[];
};
/* Small facts of the disk beside the mark, whose names begin with a letter that the mark's do not: 'p'. */
struct index_fact {
	struct bytes name, value; /* names of at most 64 bytes */
};
MUST_USE enum err lmdb_index_facts(
    struct lmdb_index *x, void (*each)(void *arg, const struct index_fact *f), void *arg);
MUST_USE enum err lmdb_index_put_facts(struct lmdb_index *x, const struct index_fact *facts, size_t n);

/* Writes a list of changes in order, and the mark when it is not NULL, in one transaction. */
MUST_USE enum err lmdb_index_write(
    struct lmdb_index *x, const struct index_op *first, const struct index_mark *mark);

#endif
