#include "sim.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "bench_assign [OPTION]...\n"
                            "  --json         a JSON object instead of a table\n"
                            "  --seed N       of the trace (1)\n"
                            "  --only NAME    ours, least, two, ring or bounded\n"
                            "  --quick        a small cluster for some minutes: does it run?\n"
                            "  --speed        only what a decision costs\n";

struct options {
	bool json, quick, speed;
	uint64_t seed;
	const char *only;
};

static const struct policy *const policies[] = { &policy_ours, &policy_bounded, &policy_ring, &policy_two,
	&policy_least };
/* Parts of ours, which are looked at where the goals are set. */
static const struct policy *const variants[] = { &policy_no_ages, &policy_no_unseen, &policy_no_leases,
	&policy_spares };
enum {
	POLICIES = sizeof(policies) / sizeof(policies[0]),
	VARIANTS = sizeof(variants) / sizeof(variants[0]),
};

/* What is known by whom: api nodes, age. */
struct knowledge {
	unsigned apis;
	uint64_t age_ms;
};

static const struct knowledge knowledges[] = { { 1, 0 }, { 1, 200 }, { 1, 2000 }, { 8, 0 }, { 8, 200 },
	{ 8, 2000 } };
enum { KNOWLEDGES = sizeof(knowledges) / sizeof(knowledges[0]) };

/* The cluster of the issue, and the same with programmes of half a minute: some 900 sessions a second. */
static struct setup setup_of(const struct options *o, double zipf, double utilisation, bool rush)
{
	struct setup s = {
		.nodes = o->quick ? 8 : 40,
		.capacity = o->quick ? 60 : 500,
		.contents = o->quick ? 400 : 20000,
		.cached = o->quick ? 40 : 400,
		.zipf = zipf,
		.utilisation = utilisation,
		.seed = o->seed,
		.warmup_s = rush       ? 120
		            : o->quick ? 1200
		                       : 3600,
		.measured_s = rush       ? 120
		              : o->quick ? 1800
		                         : 7200,
		.watched_s = rush ? 20 : 1200,
		.length_s = rush ? 30 : 1800,
	};
	return s;
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part / (double)whole;
}

static void print_json(const struct setup *s, const char *name, bool rush, const struct figures *f)
{
	static bool is_later;
	printf("%s\n{\"policy\": \"%s\", \"rush\": %s, \"zipf\": %.1f, \"utilisation\": %.2f, \"apis\": %u, "
	       "\"age_ms\": %" PRIu64 ", ",
	    is_later ? "," : "", name, rush ? "true" : "false", s->zipf, s->utilisation, s->apis,
	    s->age_us / 1000);
	printf("\"sessions\": %" PRIu64 ", \"fills\": %" PRIu64 ", \"warm\": %.4f, \"called_warm\": %.4f, ",
	    f->sessions, f->fills, ratio(f->warm, f->sessions), ratio(f->called, f->sessions));
	printf("\"hit\": %.4f, \"called_hit\": %.4f, \"refused\": %" PRIu64
	       ", \"refused_with_headroom\": %" PRIu64 ", ",
	    ratio(f->hit_ms, f->watched_ms), ratio(f->called_hit_ms, f->called_watched_ms), f->refused,
	    f->refused_with_headroom);
	printf("\"redirects\": %" PRIu64
	       ", \"capacity\": %u, \"load_max\": %u, \"booked_max\": %u, \"cache_max\": %u}",
	    f->redirects, s->capacity, f->load_max, f->booked_max, f->cache_max);
	is_later = true;
}

static void print_line(const struct setup *s, const char *title, const struct figures *f)
{
	printf("%4.1f %5.2f %4u %5" PRIu64 "  %-20s %8" PRIu64 " %6.3f %6.3f %7.3f %8" PRIu64 " %8" PRIu64
	       " %9" PRIu64 " %8u\n",
	    s->zipf, s->utilisation, s->apis, s->age_us / 1000, title, f->fills, ratio(f->warm, f->sessions),
	    ratio(f->hit_ms, f->watched_ms), ratio(f->called_hit_ms, f->called_watched_ms), f->refused,
	    f->refused_with_headroom, f->redirects, f->load_max);
}

static void print_head(void)
{
	printf("Zipf  util apis   age  %-20s %8s %6s %6s %7s %8s %8s %9s %8s\n", "", "fills", "warm", "hit",
	    "of warm", "refused", "for none", "redirects", "max load");
}

static void print(const struct options *o, const struct setup *s, const char *name, const char *title,
    bool rush, const struct figures *f)
{
	if (o->json)
		print_json(s, name, rush, f);
	else
		print_line(s, title, f);
	fflush(stdout);
}

static void run_policies(const struct options *o, const struct setup *s, bool rush, bool with_variants)
{
	struct trace t = trace_make(s);
	struct figures f;
	if (s->apis == 1 && s->age_us == 0) {
		f = run_one_lru(s, &t);
		print(o, s, "one", "one large LRU", rush, &f);
	}
	for (unsigned i = 0; i < POLICIES + (with_variants ? VARIANTS : 0); i++) {
		const struct policy *p = i < POLICIES ? policies[i] : variants[i - POLICIES];
		if (o->only != NULL && strcmp(o->only, p->name) != 0)
			continue;
		f = run_policy(s, &t, p);
		print(o, s, p->name, p->title, rush, &f);
	}
	trace_free(&t);
}

static void run_trace(const struct options *o, double zipf, double utilisation, bool rush)
{
	struct setup s = setup_of(o, zipf, utilisation, rush);
	for (unsigned k = 0; k < KNOWLEDGES; k++) {
		bool is_extreme = k == 0 || k == KNOWLEDGES - 1;
		s.apis = knowledges[k].apis;
		s.age_us = knowledges[k].age_ms * 1000;
		if (is_extreme || !(rush || o->quick))
			run_policies(o, &s, rush, k == KNOWLEDGES - 1 && utilisation == 0.9);
	}
}

static void run_all(const struct options *o)
{
	static const double exponents[] = { 0.8, 1.0 }, utilisations[] = { 0.7, 0.9, 0.97 };
	if (o->json)
		printf("\"runs\": [");
	else
		print_head();
	for (unsigned z = 0; z < 2; z++)
		for (unsigned u = 0; u < 3; u++)
			run_trace(o, exponents[z], utilisations[u], false);
	if (!o->json)
		printf("\nprogrammes of 30 s instead of 30 min\n");
	for (unsigned z = 0; z < 2 && !o->quick; z++)
		run_trace(o, exponents[z], 0.9, true);
	if (o->json)
		printf("],\n");
}

static void print_speed(const struct options *o)
{
	static const struct {
		const char *name, *title;
		unsigned holders;
		bool explain;
	} cases[] = { { "warm", "3 holders", 3, false }, { "one_holder", "1 holder", 1, false },
		{ "cold", "no holder", 0, false }, { "explained", "3 holders, explained", 3, true } };
	if (o->json)
		printf("\"decision_ns\": {");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = speed_ns(cases[i].holders, cases[i].explain);
		if (o->json)
			printf("%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", cases[i].name, ns);
		else
			printf("a decision among 40 nodes, %-22s %6" PRIu64 " ns\n", cases[i].title, ns);
	}
	if (o->json)
		printf("}");
}

static bool take_option(struct options *o, const char *name, const char *value, bool *used)
{
	*used = false;
	if (strcmp(name, "--json") == 0)
		return o->json = true;
	if (strcmp(name, "--quick") == 0)
		return o->quick = true;
	if (strcmp(name, "--speed") == 0)
		return o->speed = true;
	if (value == NULL)
		return false;
	*used = true;
	if (strcmp(name, "--seed") == 0)
		return text_u64(bytes_str(value), UINT32_MAX, &o->seed) == OK;
	o->only = value;
	return strcmp(name, "--only") == 0;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = 1 };
	for (int i = 1; i < argc; i++) {
		bool used;
		if (!take_option(&o, argv[i], argv[i + 1], &used)) {
			fprintf(stderr, "%s", usage);
			return 2;
		}
		i += used;
	}
	if (o.json)
		printf("{");
	if (!o.speed)
		run_all(&o);
	print_speed(&o);
	if (o.json)
		printf("}\n");
	return 0;
}
