#include "node/warm/share.h"

#include <string.h>

enum { UNKNOWN_BPS = 1000000 };

void share_init(struct share *s)
{
	memset(s, 0, sizeof(*s));
}

static uint64_t weight_of(uint32_t bps)
{
	return bps > 0 ? bps : UNKNOWN_BPS;
}

void share_name(struct share *s, uint32_t bps)
{
	if (weight_of(bps) > s->best_bps)
		s->best_bps = weight_of(bps);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Time is counted in parts of which a slot has as many as the rendition has milliseconds: no rounding. */
static void add_time(uint64_t held[SHARE_SLOTS], uint64_t total_ms, uint64_t from_ms, uint64_t to_ms)
{
	uint64_t at = from_ms * SHARE_SLOTS, end = to_ms * SHARE_SLOTS;
	while (at < end) {
		uint64_t slot = at / total_ms, next = least((slot + 1) * total_ms, end);
		held[slot] += next - at;
		at = next;
	}
}

void share_add(struct share *s, uint32_t bps, const struct share_segment *segments, size_t n)
{
	uint64_t held[SHARE_SLOTS] = { 0 }, total_ms = 0, at_ms = 0;
	share_name(s, bps);
	n = n < SHARE_SEGMENTS_MAX ? n : SHARE_SEGMENTS_MAX;
	for (size_t i = 0; i < n; i++)
		total_ms += segments[i].duration_ms;
	bool alike = total_ms == 0;
	total_ms = alike ? n : total_ms;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		uint64_t end_ms = at_ms + (alike ? 1 : segments[i].duration_ms);
		if (segments[i].held)
			add_time(held, total_ms, at_ms, end_ms);
		at_ms = end_ms;
	}
	for (size_t i = 0; i < SHARE_SLOTS; i++) {
		uint64_t is = (uint64_t)((double)held[i] * (double)weight_of(bps) / (double)total_ms);
		/* What is whole is so to the bit. */
		if (held[i] == total_ms)
			is = weight_of(bps);
		if (is > s->slots[i])
			s->slots[i] = is;
	}
	s->any = true;
}

uint32_t share_permille(const struct share *s)
{
	uint64_t sum = 0;
	if (!s->any)
		return 0;
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		sum += s->slots[i];
	/* At most 2^32 bit/s in each: no overflow. */
	uint64_t permille = sum * SHARE_WHOLE_PERMILLE / (s->best_bps * SHARE_SLOTS);
	return permille > 0 ? (uint32_t)permille : 1;
}
