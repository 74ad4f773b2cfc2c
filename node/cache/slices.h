/* Where large objects are cut (D5): one of more than SLICE_BYTES may be kept in slices of that many bytes,
 * the last one shorter, so that a byte of it costs a slice and not the whole. They count from 1; slice 0 is
 * an object that is one unit. Pure.
 */
#ifndef NODE_CACHE_SLICES_H
#define NODE_CACHE_SLICES_H

#include <stdint.h>

#define SLICE_BYTES (UINT64_C(8) << 20)
/* The largest object that is cut, 16 TiB: what is larger is not served. */
#define SLICED_BYTES_MAX (SLICE_BYTES << 21)

/* The slice that the byte at `offset` is in; offset < SLICED_BYTES_MAX. */
static inline uint32_t slice_at(uint64_t offset)
{
	return (uint32_t)(offset / SLICE_BYTES) + 1;
}

/* Its first byte in the object; that of slice 0 too. */
static inline uint64_t slice_start(uint32_t slice)
{
	return slice == 0 ? 0 : (uint64_t)(slice - 1) * SLICE_BYTES;
}

/* The bytes of slice 1 or later of an object of `total` bytes, which reaches that far. */
static inline uint64_t slice_length(uint32_t slice, uint64_t total)
{
	uint64_t left = total - slice_start(slice);
	return left < SLICE_BYTES ? left : SLICE_BYTES;
}

#endif
