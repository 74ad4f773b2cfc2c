#include "node/origin/hedge.h"

enum {
	SAMPLES_MIN = 32,
	LEAST_MS = 10, /* less is the scheduling of threads, not a slow node */
};

void hedge_saw(struct hedge *h, uint32_t first_byte_ms)
{
	h->first_bytes_ms[h->samples++ % HEDGE_SAMPLES] = first_byte_ms;
}

/* Of n samples the one that at most a twentieth of them exceed. */
static uint32_t p95(const struct hedge *h)
{
	uint32_t n = h->samples < HEDGE_SAMPLES ? (uint32_t)h->samples : HEDGE_SAMPLES;
	uint32_t largest[HEDGE_SAMPLES / 20 + 1], kept = n / 20 + 1, found = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = found, ms = h->first_bytes_ms[i];
		for (; at > 0 && ms > largest[at - 1]; at--)
			if (at < kept)
				largest[at] = largest[at - 1];
		if (at < kept)
			largest[at] = ms;
		found += found < kept;
	}
	return largest[kept - 1];
}

uint32_t hedge_begin(struct hedge *h)
{
	if (h->parts < HEDGE_TOKENS_MAX * HEDGE_PER)
		h->parts++;
	if (h->parts < HEDGE_PER || h->samples < SAMPLES_MIN)
		return 0;
	uint32_t ms = p95(h);
	return ms > LEAST_MS ? ms : LEAST_MS;
}

void hedge_used(struct hedge *h)
{
	h->parts = h->parts > HEDGE_PER ? h->parts - HEDGE_PER : 0;
}
