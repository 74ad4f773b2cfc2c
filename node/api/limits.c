#include "node/api/limits.h"

#include "base/check.h"

#include <stdlib.h>

static const uint64_t ns_per_ms = 1000000, ns_per_min = UINT64_C(60000000000);

void limits_init(struct limits *l, unsigned sets_log2)
{
	l->sets = (size_t)1 << sets_log2;
	l->buckets = calloc(l->sets * LIMITS_WAYS, sizeof(*l->buckets));
	CHECK(l->buckets != NULL);
}

void limits_fini(struct limits *l)
{
	free(l->buckets);
	*l = (struct limits){ NULL, 0 };
}

static struct limits_bucket *set_of(struct limits *l, uint64_t name)
{
	return &l->buckets[(name & (l->sets - 1)) * LIMITS_WAYS];
}

static struct limits_bucket *find(struct limits_bucket *set, uint64_t name)
{
	for (size_t i = 0; i < LIMITS_WAYS; i++)
		if (set[i].name == name && set[i].full_ns != 0)
			return &set[i];
	return NULL;
}

/* The place of the one that is nearest to full: of a free one, when there is any. */
static struct limits_bucket *nearest_to_full(struct limits_bucket *set)
{
	struct limits_bucket *best = &set[0];
	for (size_t i = 1; i < LIMITS_WAYS; i++)
		if (set[i].full_ns < best->full_ns)
			best = &set[i];
	return best;
}

uint64_t limits_take(struct limits *l, uint64_t name, struct limits_rate rate, uint64_t now_mono_ms)
{
	CHECK(rate.per_min > 0 && rate.burst > 0);
	uint64_t now = now_mono_ms * ns_per_ms, each = ns_per_min / rate.per_min;
	uint64_t depth = each * rate.burst > ns_per_ms ? each * rate.burst : ns_per_ms;
	struct limits_bucket *set = set_of(l, name), *b = find(set, name);
	uint64_t full = b != NULL && b->full_ns > now ? b->full_ns : now;
	if (full + each > now + depth)
		return (full + each - now - depth + ns_per_ms - 1) / ns_per_ms;
	if (b == NULL)
		b = nearest_to_full(set);
	*b = (struct limits_bucket){ name, full + each };
	return 0;
}

void limits_return(struct limits *l, uint64_t name, struct limits_rate rate)
{
	uint64_t each = ns_per_min / rate.per_min;
	struct limits_bucket *b = find(set_of(l, name), name);
	if (b != NULL && b->full_ns > each)
		b->full_ns -= each;
}
