/* How many connections of viewers this process has descriptors and memory for.
 *
 * Threading: any.
 */
#ifndef NODE_FS_ROOM_H
#define NODE_FS_ROOM_H

#include <stddef.h>
#include <stdint.h>

enum { FS_ROOM_CONNECTIONS_MAX = 100000, FS_ROOM_CONNECTIONS_MIN = 64 };

/* Of a process that may have so many descriptors, on a machine or in a control group with so much memory; 0:
 * not known. A quarter of the descriptors is the cache's for files that it keeps open, and each viewer may
 * want a file of his own besides his socket. Half of the memory may be viewers', at what a busy one takes:
 * his request, and what the kernel has on its way to him. */
size_t connections_for(uint64_t descriptors, uint64_t memory_bytes);

/* The same of this process. */
size_t fs_room_connections(void);

#endif
