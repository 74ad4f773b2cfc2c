/* The bytes of a playlist that the cache holds. */
#ifndef NODE_WARM_FS_PLAYLIST_H
#define NODE_WARM_FS_PLAYLIST_H

#include <stdint.h>

/* All of the file, to be freed; NULL when it is longer than max_bytes, or cannot be read. */
uint8_t *playlist_read(int fd, uint64_t length_bytes, uint64_t max_bytes);

#endif
