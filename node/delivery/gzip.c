#include "node/delivery/gzip.h"

#include <stdlib.h>
#include <zlib.h>

enum { LEVEL = 6, WINDOW_BITS = 15, GZIP_FORMAT = 16, MEMORY_LEVEL = 8 };

enum err gzip_pack(struct bytes body, struct bytes *out)
{
	size_t room = body.n - body.n / 10;
	if (body.n > UINT32_MAX || room == body.n)
		return ERR_TOO_BIG;
	z_stream z = { 0 };
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return ERR_NO_MEMORY;
	uint8_t *to = malloc(room);
	int r = Z_MEM_ERROR;
	if (to != NULL) {
		z.next_in = (Bytef *)(uintptr_t)body.p;
		z.avail_in = (uInt)body.n;
		z.next_out = to;
		z.avail_out = (uInt)room;
		r = deflate(&z, Z_FINISH);
	}
	size_t n = z.total_out;
	(void)deflateEnd(&z);
	if (r != Z_STREAM_END) {
		free(to);
		return to == NULL ? ERR_NO_MEMORY : ERR_TOO_BIG;
	}
	uint8_t *fitting = realloc(to, n);
	*out = bytes_of(fitting != NULL ? fitting : to, n);
	return OK;
}
