#include "node/warm/fs_playlist.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

uint8_t *playlist_read(int fd, uint64_t length_bytes, uint64_t max_bytes)
{
	uint8_t *text = length_bytes <= max_bytes ? malloc(length_bytes + 1) : NULL;
	for (uint64_t at = 0; text != NULL && at < length_bytes;) {
		ssize_t n = pread(fd, text + at, length_bytes - at, (off_t)at);
		if (n > 0)
			at += (uint64_t)n;
		else if (n == 0 || errno != EINTR) {
			free(text);
			text = NULL;
		}
	}
	return text;
}
