/* Opening LMDB environments safely, and what LMDB's errors mean here.
 *
 * Threading: as lmdb_store.h.
 */
#ifndef KVS_LMDB_ENV_H
#define KVS_LMDB_ENV_H

#include "base/bytes.h"

#include <lmdb.h>

/* What a person reads about a failure: the path, and what LMDB or the file system said. */
struct lmdb_detail {
	char text[200];
};

/* Adds to what was said before. */
void lmdb_say(struct lmdb_detail *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one switch from LMDB's codes (and errno, which LMDB passes on) to ours. Not for MDB_NOTFOUND and
 * MDB_KEYEXIST as expected outcomes: who can meet them looks first. */
MUST_USE enum err lmdb_err(int rc);
/* The same for a write to `env`: LMDB reports a write cut short by a full disk as EIO. */
MUST_USE enum err lmdb_write_err(MDB_env *env, int rc);

struct lmdb_env_config {
	const char *folder; /* made with mode 0700 when missing */
	size_t map_bytes;
	unsigned flags; /* of mdb_env_open, besides MDB_NOTLS */
	unsigned tables;
};

/* Checks the file (lmdb_check.h), opens it and clears dead readers. ERR_CORRUPT: nothing was changed and
 * nothing is open. */
MUST_USE enum err lmdb_env_open(const struct lmdb_env_config *c, MDB_env **out, struct lmdb_detail *d);

/* Renames folder/name to folder/name.WHY-N, N the first that is free; `d` gets the new path. */
MUST_USE enum err lmdb_env_set_aside(
    const char *folder, const char *name, const char *why, struct lmdb_detail *d);
/* Deletes the environment's files; one that is not there is fine. */
MUST_USE enum err lmdb_env_remove(const char *folder);
/* Makes created and renamed names of a folder durable. */
MUST_USE enum err lmdb_sync_folder(const char *folder);

/* -- small words -- */
static inline MDB_val lmdb_val(struct bytes b)
{
	return (MDB_val){ .mv_size = b.n, .mv_data = (void *)(uintptr_t)b.p };
}

static inline struct bytes lmdb_bytes(const MDB_val *v)
{
	return bytes_of(v->mv_data, v->mv_size);
}

#endif
