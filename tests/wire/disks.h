/* What a node keeps on its disks, written by this build and read back as lines of text: a replica (its two
 * environments) and a cache disk, filled so that each kind of record and each field of them is there.
 *
 * Reading needs a copy: opening a disk changes it. A line that a release recorded and that this build does
 * not say of its disk any more is something that was lost.
 */
#ifndef TESTS_WIRE_DISKS_H
#define TESTS_WIRE_DISKS_H

#include "base/bytes.h"

/* The same bytes each time, in files as small as they get. They fail the program when something goes wrong.
 */
void replica_write(const char *folder);
void cache_write_disk(const char *folder);

/* Opens it as a start of a node does. On an error `out` says what is wrong. */
MUST_USE enum err replica_text(const char *folder, struct buf *out);
MUST_USE enum err cache_text(const char *folder, struct buf *out);

#endif
