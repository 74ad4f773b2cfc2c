#include "sim.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFT_S = 600, NEW_HITS = 5, HIT_RANKS = 20, NAME_BYTES = 16 };

static double uniform(struct prng *p)
{
	return ((double)(prng_next(p) >> 11) + 0.5) / 9007199254740992.0;
}

static double exponential(struct prng *p, double mean)
{
	return -mean * log(uniform(p));
}

/* Of what the programme's end leaves of an exponential time. */
static double mean_watched_s(const struct setup *s)
{
	return s->watched_s * (1 - exp(-(double)s->length_s / s->watched_s));
}

static double *zipf_sums(const struct setup *s)
{
	double *sums = calloc(s->contents, sizeof(*sums)), sum = 0;
	CHECK(sums != NULL);
	for (unsigned i = 0; i < s->contents; i++) {
		sum += pow(i + 1, -s->zipf);
		sums[i] = sum;
	}
	return sums;
}

static unsigned draw_rank(const double *sums, unsigned n, struct prng *p)
{
	double at = uniform(p) * sums[n - 1];
	unsigned low = 0, high = n - 1;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (sums[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void shift_popularity(uint32_t *by_rank, unsigned n, struct prng *p)
{
	for (unsigned i = 0; i < NEW_HITS; i++) {
		unsigned from = (unsigned)prng_below(p, n), to = (unsigned)prng_below(p, HIT_RANKS);
		if (from <= to)
			continue;
		uint32_t content = by_rank[from];
		memmove(&by_rank[to + 1], &by_rank[to], (from - to) * sizeof(*by_rank));
		by_rank[to] = content;
	}
}

static void name_contents(struct trace *t, unsigned n)
{
	char *text = calloc(n, NAME_BYTES);
	t->names = calloc(n, sizeof(*t->names));
	CHECK(text != NULL && t->names != NULL);
	for (unsigned i = 0; i < n; i++) {
		char *name = text + (size_t)i * NAME_BYTES;
		snprintf(name, NAME_BYTES, "lv%u", 1234567 + i);
		t->names[i] = bytes_str(name);
	}
}

struct trace trace_make(const struct setup *s)
{
	struct prng p;
	prng_init(&p, s->seed);
	struct trace t = { 0 };
	name_contents(&t, s->contents);
	double *sums = zipf_sums(s);
	uint32_t *by_rank = calloc(s->contents, sizeof(*by_rank));
	CHECK(by_rank != NULL);
	for (unsigned i = 0; i < s->contents; i++)
		by_rank[i] = i;
	double end_s = s->warmup_s + s->measured_s;
	double every_s = mean_watched_s(s) / (s->utilisation * s->nodes * s->capacity);
	size_t room = (size_t)(end_s / every_s * 1.1) + 1000;
	t.arrivals = calloc(room, sizeof(*t.arrivals));
	CHECK(t.arrivals != NULL);
	double shift_s = SHIFT_S;
	for (double at_s = exponential(&p, every_s); at_s < end_s; at_s += exponential(&p, every_s)) {
		for (; at_s >= shift_s; shift_s += SHIFT_S)
			shift_popularity(by_rank, s->contents, &p);
		CHECK(t.n < room);
		t.arrivals[t.n++] = (struct arrival){
			.at_us = (uint64_t)(at_s * 1e6),
			.content = by_rank[draw_rank(sums, s->contents, &p)],
			.watched_ms = (uint32_t)(1000 * fmin(exponential(&p, s->watched_s), s->length_s)) + 1,
			.rendition = prng_below(&p, 4) == 0,
			.api = (uint8_t)prng_below(&p, s->apis),
		};
	}
	free(sums);
	free(by_rank);
	return t;
}

void trace_free(struct trace *t)
{
	free((void *)(uintptr_t)t->names[0].p);
	free(t->names);
	free(t->arrivals);
}
