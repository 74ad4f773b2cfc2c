/* Which content the next viewer wants: a Zipf law over numbered contents, and crowds that all want one. Pure.
 *
 * The content of rank k is wanted 1 / k^exponent as often as that of rank 1. Ranks are drawn by
 * rejection-inversion (Hoermann and Derflinger, 1996): no table, however many contents.
 */
#ifndef BENCH_LOAD_POPULARITY_H
#define BENCH_LOAD_POPULARITY_H

#include "base/bytes.h"
#include "base/prng.h"

enum {
	CONTENT_MAX = 255, /* bytes of a content's id */
	FLASHES_MAX = 16,
};

struct zipf {
	uint64_t n;
	double exponent, low, high, sure; /* bounds of the integral, and how near to a rank is near enough */
};

/* n >= 1, exponent >= 0 (0: all alike). */
void zipf_init(struct zipf *z, uint64_t n, double exponent);
/* In [1, n]. */
uint64_t zipf_draw(const struct zipf *z, struct prng *r);

/* For `for_ms` from `at_ms` on, `share` of the viewers want this content. */
struct flash {
	uint64_t at_ms, for_ms;
	double share;
	char content[CONTENT_MAX + 1];
};

struct popularity {
	struct zipf zipf;
	const char *names; /* "{}" stands for the number */
	uint64_t first;    /* number of the most wanted content */
	struct flash flashes[FLASHES_MAX];
	size_t flashes_n;
};

/* "AT:FOR:SHARE" or "AT:FOR:SHARE:CONTENT" in seconds and 0..1; an empty content: to be named by the caller.
 */
MUST_USE enum err flash_parse(struct bytes text, struct flash *out);
/* The name of a number. ERR_INVALID: no "{}" in the pattern; ERR_TOO_BIG: longer than CONTENT_MAX. */
MUST_USE enum err content_name(const char *names, uint64_t number, char out[CONTENT_MAX + 1]);
/* The content of a viewer who comes `at_ms` after the start; the pattern must be one that content_name takes.
 */
void popularity_draw(const struct popularity *p, struct prng *r, uint64_t at_ms, char out[CONTENT_MAX + 1]);

/* A number without sign or exponent: "3", "0.25". ERR_INVALID; ERR_TOO_BIG past 10^9. */
MUST_USE enum err decimal_parse(struct bytes text, double *out);

#endif
