/* One replica takes in all locations, then overwrites random ones while others look up. */
#include "bench.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

struct filling {
	const struct options *o;
	struct host *h;
	struct frames f;
	uint64_t *versions; /* of each owner's row */
	uint64_t making_ns; /* went into the frames themselves */
	struct prng p;
};

static void take_frame(struct filling *g, unsigned owner, uint64_t first, size_t n, struct prng *p)
{
	uint64_t begin = now_ns();
	frames_make(&g->f, g->o, owner, &g->versions[owner], first, n, p);
	g->making_ns += now_ns() - begin;
	host_take(g->h, &g->f.m);
}

static void fill(struct filling *g)
{
	uint64_t each = locations_each(g->o), begin = now_ns(), private_before = private_bytes();
	for (uint64_t first = 0; first < each; first += FRAME_ENTRIES)
		for (unsigned owner = 0; owner < g->o->owners; owner++)
			take_frame(g, owner, first, each - first < FRAME_ENTRIES ? each - first : FRAME_ENTRIES, NULL);
	host_settle(g->h);
	double n = (double)(each * g->o->owners), ns = (double)(now_ns() - begin - g->making_ns);
	struct kvs_counters c;
	kvs_count(host_core(g->h), &c);
	CHECK(c.entries >= each * g->o->owners);
	malloc_trim(0);
	say("locations", n);
	say("applied_s", n / ns * 1e9);
	say("commits", (double)host_commits(g->h));
	say("memory_b", (double)(private_bytes() - private_before) / n);
	say("file_b", (double)file_bytes(g->o->dir, "view/data.mdb") / n);
}

static void overwrite(struct filling *g, unsigned threads, const char *name, const char *rate)
{
	struct reading r = { .open = store_reader_open,
		.lookup = store_reader_lookup,
		.close = store_reader_close,
		.ctx = host_store(g->h),
		.contents = contents_n(g->o),
		.threads = threads };
	struct readers *readers = threads > 0 ? readers_start(&r) : NULL;
	uint64_t begin = now_ns(), until = begin + g->o->seconds * 1000000000ull, n = 0;
	g->making_ns = 0;
	for (unsigned owner = 0; now_ns() < until; owner = (owner + 1) % g->o->owners) {
		take_frame(g, owner, 0, FRAME_ENTRIES, &g->p);
		n += FRAME_ENTRIES;
	}
	if (readers != NULL)
		readers_stop(readers, name);
	host_settle(g->h);
	say(rate, (double)n / (double)(now_ns() - begin - g->making_ns) * 1e9);
}

static void read_only(struct filling *g)
{
	struct reading r = { .open = store_reader_open,
		.lookup = store_reader_lookup,
		.close = store_reader_close,
		.ctx = host_store(g->h),
		.contents = contents_n(g->o),
		.threads = 1 };
	struct readers *readers = readers_start(&r);
	uint64_t until = now_ns() + g->o->seconds * 1000000000ull;
	while (now_ns() < until)
		host_run(g->h, true);
	readers_stop(readers, "quiet");
}

int fill_main(const struct options *o)
{
	struct filling g = { .o = o };
	struct host_config c = { .dir = o->dir, .name = "filled" };
	g.h = host_new(&c);
	frames_init(&g.f);
	prng_init(&g.p, 5);
	g.versions = calloc(o->owners, sizeof(*g.versions));
	CHECK(g.versions != NULL);
	say_begin();
	fill(&g);
	if (o->seconds > 0) {
		read_only(&g);
		overwrite(&g, 0, "none", "overwritten_s");
		overwrite(&g, 1, "one", "overwritten_1_s");
		overwrite(&g, 2, "two", "overwritten_2_s");
	}
	host_free(g.h);
	host_exit();
	char view[4096];
	CHECK(snprintf(view, sizeof(view), "%s/view", o->dir) < (int)sizeof(view));
	double n = (double)(locations_each(o) * o->owners);
	say("disk_b", (double)used_bytes(view) / n);
	say("file_after_b", (double)file_bytes(view, "data.mdb") / n);
	say_end();
	frames_fini(&g.f);
	free(g.versions);
	return 0;
}
