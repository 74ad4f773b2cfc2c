/* Whether an LMDB data file can be walked safely.
 *
 * LMDB trusts its file: pages are read straight from a memory map, so that one truncated or damaged
 * behind its back ends the process by SIGBUS or worse. This walks every page reachable from the newest
 * meta page and checks each header, offset and page number, and that no page has two places or is free as
 * well, before LMDB sees them. It reads the format of LMDB 0.9 (MDB_DATA_VERSION 1, 64 bits) itself, as far
 * as this project uses it: tables without flags, and of MDB_DUPSORT | MDB_DUPFIXED. What values say is not
 * its business.
 *
 * Nobody may write the file meanwhile. Costs one sequential read of what is in use.
 */
#ifndef KVS_LMDB_CHECK_H
#define KVS_LMDB_CHECK_H

#include "base/err.h"

/* OK; ERR_NOT_FOUND when there is no file; ERR_CORRUPT with *why, a literal; else the error of the
 * file system. */
MUST_USE enum err lmdb_check_file(const char *path, const char **why);

#endif
