/* The files of one cache disk.
 *
 *     DISK/lock              held with flock while a process uses the disk
 *     DISK/index/            LMDB (lmdb_index.h)
 *     DISK/tmp/ID            being written; removed at open
 *     DISK/objects/ab/ID     whole units; ID in hex, ab its last two digits
 *
 * A file of objects/ is never written, truncated or punched (D5). Ids are a random number for each open and a
 * count: none comes twice, and those of this run are told from older ones.
 *
 * Threading: open and close by one thread while nobody else uses it; all else from any thread.
 */
#ifndef NODE_CACHE_FS_DISK_H
#define NODE_CACHE_FS_DISK_H

#include "node/cache/record.h"

#include <stdatomic.h>

enum { FS_DISK_FOLDERS = 256, FS_DISK_RUN_BYTES = 8 };

struct fs_disk {
	int root, tmp, objects, lock; /* descriptors, -1 when closed */
	uint8_t run[FS_DISK_RUN_BYTES];
	atomic_uint_fast64_t count;
	int (*open_now)(
	    int dir, const char *path); /* as openat for reading; EAGAIN where that would wait for the disk */
};

/* The kernel's way for fs_disk.open_now: openat2 with RESOLVE_CACHED. */
int fs_disk_open_now(int dir, const char *path);

/* Makes what is missing (mode 0700), takes the lock, empties tmp/. ERR_BUSY: another process has it. `detail`
 * says what failed, for a person. */
MUST_USE enum err fs_disk_open(struct fs_disk *d, const char *path, char detail[200]);
void fs_disk_close(struct fs_disk *d);

void fs_disk_new_id(struct fs_disk *d, struct file_id *out);
/* Whether this run made the id. */
bool fs_disk_of_this_run(const struct fs_disk *d, const struct file_id *id);

/* A new file in tmp/, open for reading and writing. */
MUST_USE enum err fs_disk_create(struct fs_disk *d, const struct file_id *id, int *fd);
MUST_USE enum err fs_disk_write(int fd, uint64_t offset, struct bytes data);
/* From tmp/ to objects/. */
MUST_USE enum err fs_disk_publish(struct fs_disk *d, const struct file_id *id);
void fs_disk_discard(struct fs_disk *d, const struct file_id *id); /* from tmp/ */
void fs_disk_unlink(struct fs_disk *d, const struct file_id *id);  /* from objects/ */

/* Opens a whole unit for reading. ERR_NOT_FOUND: no such file; ERR_CORRUPT: another length; else it may be
 * there. */
MUST_USE enum err fs_disk_read(struct fs_disk *d, const struct file_id *id, uint64_t length, int *fd);
/* The same; ERR_BUSY: where the file lies has to be read from the disk first. */
MUST_USE enum err fs_disk_read_now(struct fs_disk *d, const struct file_id *id, uint64_t length, int *fd);
/* Reads all of it and compares. ERR_CORRUPT, ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err fs_disk_verify(struct fs_disk *d, const struct file_id *id, uint64_t length,
    const uint8_t checksum[CACHE_CHECKSUM_BYTES]);

/* Everything written so far is on the medium afterwards. */
MUST_USE enum err fs_disk_sync(struct fs_disk *d);
/* What the file system has left for us, and in all. */
MUST_USE enum err fs_disk_room(struct fs_disk *d, uint64_t *left_bytes, uint64_t *total_bytes);

/* Removes the files of one folder of objects/ (0-255) that `keep` does not want, and says how many. A file
 * that cannot be removed is left alone. An error: the folder was not read to its end. */
MUST_USE enum err fs_disk_sweep(struct fs_disk *d, unsigned folder,
    bool (*keep)(void *arg, const struct file_id *id), void *arg, uint64_t *removed);

/* Renames DISK/index to the first free DISK/index.corrupt-N. */
MUST_USE enum err fs_disk_set_index_aside(struct fs_disk *d, unsigned *n);

#endif
