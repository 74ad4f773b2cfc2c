#include "eviction.h"

#include "base/check.h"
#include "base/prng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * KIB, UNIT_BYTES = MIB };

/* What is asked for, by number: the popular objects first, then those of the loop, then what is asked for
 * once. */
struct shape {
	const char *name, *title;
	double zipf;
	unsigned once_permille, loop_permille; /* of the requests */
	bool is_unit, is_programmes, has_new_hits;
};

static const struct shape shapes[TRACES] = {
	{ "zipf08", "Zipf 0.8", .zipf = 0.8, .is_unit = true },
	{ "zipf10", "Zipf 1.0", .zipf = 1, .is_unit = true },
	{ "once", "Zipf 1.0, every third asked for once", .zipf = 1, .once_permille = 333, .is_unit = true },
	{ "scan", "Zipf 1.0, a fifth once, a fifth a long loop", .zipf = 1, .once_permille = 200,
	    .loop_permille = 200, .is_unit = true },
	{ "zipf08_sizes", "Zipf 0.8, sizes mixed", .zipf = 0.8 },
	{ "scan_sizes", "Zipf 1.0, a fifth once, a fifth a long loop, sizes mixed", .zipf = 1,
	    .once_permille = 200, .loop_permille = 200 },
	{ "programmes", "viewers of programmes, Zipf 0.8", .zipf = 0.8, .is_programmes = true },
	{ "hits", "the same, with new hits all the time", .zipf = 0.8, .is_programmes = true,
	    .has_new_hits = true },
};

/* Of a quick trace and of a whole one. */
static const struct scale {
	size_t requests;
	uint32_t popular, loop, contents, viewers;
} scales[2] = { { 3000000, 200000, 100000, 4000, 400 }, { 200000, 10000, 5000, 200, 20 } };

/* Walker's alias method: an object by its law in constant time. */
struct law {
	double *chance;
	uint32_t *alias;
	uint32_t n;
};

static void *filled(size_t n, size_t size)
{
	void *p = calloc(n, size);
	CHECK(p != NULL);
	return p;
}

static double uniform(struct prng *p)
{
	return ((double)(prng_next(p) >> 11) + 0.5) / 9007199254740992.0;
}

static struct law law_make(uint32_t n, double zipf)
{
	struct law l = { filled(n, sizeof(double)), filled(n, sizeof(uint32_t)), n };
	uint32_t *small = filled(n, sizeof(uint32_t)), *large = filled(n, sizeof(uint32_t));
	uint32_t small_n = 0, large_n = 0;
	double sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += pow(i + 1, -zipf);
	for (uint32_t i = 0; i < n; i++) {
		l.chance[i] = pow(i + 1, -zipf) * n / sum;
		if (l.chance[i] < 1)
			small[small_n++] = i;
		else
			large[large_n++] = i;
	}
	while (small_n > 0 && large_n > 0) {
		uint32_t less = small[--small_n], more = large[large_n - 1];
		l.alias[less] = more;
		l.chance[more] -= 1 - l.chance[less];
		if (l.chance[more] < 1) {
			large_n--;
			small[small_n++] = more;
		}
	}
	while (small_n > 0)
		l.chance[small[--small_n]] = 1;
	while (large_n > 0)
		l.chance[large[--large_n]] = 1;
	free(small);
	free(large);
	return l;
}

static uint32_t law_draw(const struct law *l, struct prng *p)
{
	uint32_t i = (uint32_t)prng_below(p, l->n);
	return uniform(p) < l->chance[i] ? i : l->alias[i];
}

static void law_free(struct law *l)
{
	free(l->chance);
	free(l->alias);
}

/* -- objects drawn one by one -- */

static void draw(struct trace *t, const struct shape *s, const struct scale *scale, struct prng *p)
{
	struct law law = law_make(scale->popular, s->zipf);
	uint32_t at_loop = 0, once = scale->popular + scale->loop;
	for (size_t i = 0; i < t->requests_n; i++) {
		uint64_t kind = prng_below(p, 1000);
		if (kind < s->once_permille)
			t->requests[i] = once++;
		else if (kind < s->once_permille + s->loop_permille)
			t->requests[i] = scale->popular + at_loop++ % scale->loop;
		else
			t->requests[i] = law_draw(&law, p);
	}
	t->objects_n = once;
	law_free(&law);
}

/* A tenth small (playlists, init segments), a fifth of sound, the rest segments from 256 KiB to 4 MiB. */
static void size_mixed(struct trace *t, struct prng *p)
{
	for (uint32_t i = 0; i < t->objects_n; i++) {
		uint64_t kind = prng_below(p, 10);
		if (kind < 1)
			t->sizes_bytes[i] = 4 * KIB;
		else if (kind < 3)
			t->sizes_bytes[i] = 64 * KIB;
		else
			t->sizes_bytes[i] = (uint32_t)(256 * KIB * pow(16, uniform(p)));
	}
}

/* -- viewers who read segments one after the other -- */

/* A content's objects: a playlist, then 300 segments (half an hour) of some 1 MiB. A viewer begins at the
 * start and stays for an exponential time of 200 segments, or to the end. */
enum { SEGMENTS = 300, CONTENT_OBJECTS = 1 + SEGMENTS, WATCHED = 200 };

/* As in the bench of assignment: every ten minutes (100 segments of each viewer) five contents from anywhere
 * become hits and push others down. */
enum { SHIFT_SEGMENTS = 100, NEW_HITS = 5, HIT_RANKS = 20 };

static void shift(uint32_t *by_rank, uint32_t n, struct prng *p)
{
	for (unsigned i = 0; i < NEW_HITS; i++) {
		uint32_t from = (uint32_t)prng_below(p, n), to = (uint32_t)prng_below(p, HIT_RANKS);
		if (from <= to)
			continue;
		uint32_t content = by_rank[from];
		memmove(&by_rank[to + 1], &by_rank[to], (from - to) * sizeof(*by_rank));
		by_rank[to] = content;
	}
}

struct viewer {
	uint32_t content, at, end;
};

static void begin(struct viewer *v, const struct law *law, const uint32_t *by_rank, struct prng *p)
{
	double watched = 1 - WATCHED * log(uniform(p));
	*v = (struct viewer){ by_rank[law_draw(law, p)], 0,
		watched < SEGMENTS ? (uint32_t)watched + 1 : CONTENT_OBJECTS };
}

static void watch(struct trace *t, const struct shape *s, const struct scale *scale, struct prng *p)
{
	struct law law = law_make(scale->contents, s->zipf);
	struct viewer *viewers = filled(scale->viewers, sizeof(*viewers));
	uint32_t *by_rank = filled(scale->contents, sizeof(*by_rank));
	t->objects_n = scale->contents * CONTENT_OBJECTS;
	for (uint32_t i = 0; i < scale->contents; i++)
		by_rank[i] = i;
	for (uint32_t i = 0; i < scale->viewers; i++) {
		begin(&viewers[i], &law, by_rank, p);
		viewers[i].at = (uint32_t)prng_below(p, viewers[i].end);
	}
	for (size_t i = 0; i < t->requests_n; i++) {
		struct viewer *v = &viewers[i % scale->viewers];
		if (s->has_new_hits && i % (scale->viewers * SHIFT_SEGMENTS) == 0)
			shift(by_rank, scale->contents, p);
		t->requests[i] = v->content * CONTENT_OBJECTS + v->at;
		if (++v->at == v->end)
			begin(v, &law, by_rank, p);
	}
	free(viewers);
	free(by_rank);
	law_free(&law);
}

static void size_segments(struct trace *t, struct prng *p)
{
	for (uint32_t i = 0; i < t->objects_n; i++)
		t->sizes_bytes[i] =
		    i % CONTENT_OBJECTS == 0 ? 16 * KIB : (uint32_t)(MIB * 3 / 4 + prng_below(p, MIB / 2));
}

/* -- */

static void measure(struct trace *t)
{
	bool *asked = filled(t->objects_n, sizeof(*asked));
	for (size_t i = 0; i < t->requests_n; i++) {
		uint32_t object = t->requests[i];
		t->footprint_bytes += asked[object] ? 0 : t->sizes_bytes[object];
		t->asked_n += !asked[object];
		asked[object] = true;
	}
	free(asked);
}

struct trace trace_make(unsigned i, uint64_t seed, bool quick)
{
	CHECK(i < TRACES);
	const struct shape *s = &shapes[i];
	const struct scale *scale = &scales[quick];
	struct prng p;
	struct trace t = {
		.name = s->name, .title = s->title, .requests_n = scale->requests, .is_unit = s->is_unit
	};
	prng_init(&p, seed * TRACES + i);
	t.requests = filled(t.requests_n, sizeof(*t.requests));
	if (s->is_programmes)
		watch(&t, s, scale, &p);
	else
		draw(&t, s, scale, &p);
	t.sizes_bytes = filled(t.objects_n, sizeof(*t.sizes_bytes));
	if (s->is_programmes)
		size_segments(&t, &p);
	else if (!s->is_unit)
		size_mixed(&t, &p);
	for (uint32_t o = 0; s->is_unit && o < t.objects_n; o++)
		t.sizes_bytes[o] = UNIT_BYTES;
	measure(&t);
	return t;
}

void trace_free(struct trace *t)
{
	free(t->requests);
	free(t->sizes_bytes);
	memset(t, 0, sizeof(*t));
}
