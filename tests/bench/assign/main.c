#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct setup s = { .nodes = 40, .capacity = 500, .contents = 20000, .cached = 400, .zipf = 0.8,
		.utilisation = 0.9, .apis = 1, .seed = 1, .warmup_s = 3600, .measured_s = 7200, .watched_s = 1200 };
	static const struct policy *const all[] = { &policy_ours, &policy_least, &policy_two, &policy_ring, &policy_bounded };
	const char *only = "";
	for (int i = 1; i + 1 < argc; i += 2) {
		double v = atof(argv[i + 1]);
		if (!strcmp(argv[i], "-z")) s.zipf = v;
		if (!strcmp(argv[i], "-u")) s.utilisation = v;
		if (!strcmp(argv[i], "-a")) s.apis = (unsigned)v;
		if (!strcmp(argv[i], "-t")) s.age_us = (uint64_t)(v * 1000);
		if (!strcmp(argv[i], "-w")) s.watched_s = v;
		if (!strcmp(argv[i], "-s")) s.seed = (uint64_t)v;
		if (!strcmp(argv[i], "-W")) s.warmup_s = (unsigned)v;
		if (!strcmp(argv[i], "-M")) s.measured_s = (unsigned)v;
		if (!strcmp(argv[i], "-p")) only = argv[i + 1];
	}
	struct trace t = trace_make(&s);
	struct figures f = run_one_lru(&s, &t);
	printf("%-22s %8lu sessions %7lu fills\n", "one LRU", f.sessions, f.fills);
	for (unsigned i = 0; i < 5; i++) {
		if (*only && strcmp(only, all[i]->name)) continue;
		f = run_policy(&s, &t, all[i]);
		printf("%-22s %8lu sessions %7lu fills, warm %.3f, refused %lu (%lu with headroom), redirects %lu, max %u booked %u cache %u, hit %.3f warm hit %.3f\n",
			all[i]->title, f.sessions, f.fills, (double)f.warm / (double)f.sessions, f.refused, f.refused_with_headroom, f.redirects, f.load_max, f.booked_max, f.cache_max,
			(double)f.hit_ms / (double)f.watched_ms, (double)f.warm_hit_ms / (double)f.warm_watched_ms);
	}
	trace_free(&t);
	return 0;
}
