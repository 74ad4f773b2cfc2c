/* What a process does to the files below a folder, call by call.
 *
 * fs_recorder.c stands in the program before the C library, so that LMDB's own writes are seen too. Recorded
 * is what cache and LMDB use: open, pwrite, write, writev, ftruncate, posix_fallocate, mkdir, rename, unlink,
 * syncfs, fsync, fdatasync, O_DSYNC. Writes through a map are not: LMDB's lock file has some, which nobody
 * needs after a power cut.
 *
 * One thread; one recording at a time.
 */
#ifndef TESTS_UNIT_NODE_CACHE_FS_RECORDER_H
#define TESTS_UNIT_NODE_CACHE_FS_RECORDER_H

#include "disk_image.h"

/* What is there now counts as durable. No file below it may be open. */
void recorder_start(const char *folder);
void recorder_note(uint64_t what);
struct recording recorder_stop(void);
void recording_free(struct recording *r);

#endif
