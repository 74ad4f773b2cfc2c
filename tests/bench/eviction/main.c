#include "eviction.h"

#include "base/check.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "bench_eviction [OPTION]...\n"
                            "  --json     a JSON object instead of a table\n"
                            "  --seed N   of the traces (1)\n"
                            "  --quick    small traces; fails when ours is not S3-FIFO\n";

static const struct contender *const contenders[] = { &ours, &ours_marks, &plain, &peer_chance, &peer_lru,
	&peer_fifo };
enum { CONTENDERS = sizeof(contenders) / sizeof(contenders[0]) };

/* Of the bytes of all objects that a trace asks for. */
static const unsigned cache_percents[] = { 1, 5, 10 };

struct options {
	bool json, quick;
	uint64_t seed;
};

struct figures {
	uint64_t requests, misses, bytes, missed_bytes;
};

static struct figures run(const struct trace *t, const struct contender *c, uint64_t capacity_bytes)
{
	struct figures f = { 0 };
	void *self = c->make(t, capacity_bytes);
	for (size_t i = 0; i < t->requests_n; i++) {
		uint32_t object = t->requests[i];
		bool hit = c->ask(self, object);
		if (i < t->requests_n / 4)
			continue;
		f.requests++;
		f.bytes += t->sizes_bytes[object];
		f.misses += !hit;
		f.missed_bytes += hit ? 0 : t->sizes_bytes[object];
	}
	c->end(self);
	return f;
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part / (double)whole;
}

static void print_head(void)
{
	printf("misses by requests / by bytes\n%-58s", "");
	for (unsigned i = 0; i < CONTENDERS; i++)
		printf("  %13s", contenders[i]->name);
	printf("\n");
}

static void print_json(
    const struct trace *t, unsigned percent, uint64_t capacity_bytes, const struct figures f[CONTENDERS])
{
	static bool is_later;
	printf("%s\n{\"trace\": \"%s\", \"title\": \"%s\", \"unit\": %s, \"cache_percent\": %u, \"cache_bytes\": "
	       "%" PRIu64 ", \"requests\": %" PRIu64 ", \"misses\": {",
	    is_later ? "," : "", t->name, t->title, t->is_unit ? "true" : "false", percent, capacity_bytes,
	    f[0].requests);
	for (unsigned i = 0; i < CONTENDERS; i++)
		printf("%s\"%s\": [%.5f, %.5f]", i > 0 ? ", " : "", contenders[i]->name,
		    ratio(f[i].misses, f[i].requests), ratio(f[i].missed_bytes, f[i].bytes));
	printf("}}");
	is_later = true;
}

static void print_line(const struct trace *t, unsigned percent, const struct figures f[CONTENDERS])
{
	printf("%-53s %2u %%", t->title, percent);
	for (unsigned i = 0; i < CONTENDERS; i++)
		printf("  %.4f/%.4f", ratio(f[i].misses, f[i].requests), ratio(f[i].missed_bytes, f[i].bytes));
	printf("\n");
	fflush(stdout);
}

/* Where all objects are of one size, ours misses as the paper's does. */
static bool is_s3_fifo(const struct trace *t, const struct figures f[CONTENDERS])
{
	if (!t->is_unit)
		return true;
	double mine = ratio(f[0].misses, f[0].requests), papers = ratio(f[2].misses, f[2].requests);
	if (fabs(mine - papers) <= 0.02 * papers)
		return true;
	printf("%s: ours misses %.4f, the paper's S3-FIFO %.4f\n", t->title, mine, papers);
	return false;
}

static bool run_all(const struct options *o)
{
	bool fine = true;
	if (o->json)
		printf("{\"runs\": [");
	else
		print_head();
	for (unsigned i = 0; i < TRACES; i++) {
		struct trace t = trace_make(i, o->seed, o->quick);
		for (unsigned j = 0; j < sizeof(cache_percents) / sizeof(cache_percents[0]); j++) {
			uint64_t capacity_bytes = t.footprint_bytes / 100 * cache_percents[j];
			struct figures f[CONTENDERS];
			for (unsigned c = 0; c < CONTENDERS; c++)
				f[c] = run(&t, contenders[c], capacity_bytes);
			if (o->json)
				print_json(&t, cache_percents[j], capacity_bytes, f);
			else
				print_line(&t, cache_percents[j], f);
			fine &= !o->quick || is_s3_fifo(&t, f);
		}
		trace_free(&t);
	}
	if (o->json)
		printf("]}\n");
	return fine;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = 1 };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			o.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			o.quick = true;
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc &&
		           text_u64(bytes_str(argv[i + 1]), UINT32_MAX, &o.seed) == OK) {
			i++;
		} else {
			fprintf(stderr, "%s", usage);
			return 2;
		}
	}
	return run_all(&o) ? 0 : 1;
}
