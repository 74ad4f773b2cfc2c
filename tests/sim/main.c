/* kvs_sim --seed N [--seeds COUNT] [--nodes 20] [--mode safety|liveness|broadcast] [--trace] [--must-fail]
 *
 * Runs COUNT seeds from N on. Ends at the first that breaks an invariant: prints the seed, what broke,
 * the last lines and the command that replays it; exit 1. With --must-fail (broken copies of the
 * rules) it is the other way round: exit 1 when all seeds pass. */
#include "sim.h"

#include <getopt.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args {
	uint64_t seed, seeds, nodes;
	enum sim_mode mode;
	bool trace, must_fail;
};

static const char *const MODES[] = { "safety", "liveness", "broadcast" };

static const char *mode_str(enum sim_mode m)
{
	return MODES[m];
}

static bool mode_of(const char *s, enum sim_mode *m)
{
	for (unsigned i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++) {
		if (strcmp(MODES[i], s) != 0)
			continue;
		*m = (enum sim_mode)i;
		return true;
	}
	return false;
}

static void print_record(void *arg, const struct trace_record *r)
{
	(void)arg;
	printf("    %8llu %-8s %llu %llx %llu\n", (unsigned long long)r->now_ms, r->what,
	    (unsigned long long)r->a, (unsigned long long)r->b, (unsigned long long)r->c);
}

static void print_failure(const struct sim *s, const char *program)
{
	printf("seed %llu failed %s\n  last lines:\n", (unsigned long long)s->seed, s->why);
	uint64_t first = s->lines_n > SIM_LINES ? s->lines_n - SIM_LINES : 0;
	for (uint64_t i = s->lines_n > first + 40 ? s->lines_n - 40 : first; i < s->lines_n; i++)
		printf("  %s\n", s->lines[i % SIM_LINES].text);
	if (s->nodes[s->failed_node].k != NULL) {
		printf("  what node %zu did last (ms, what, outcome, owner and stream, version):\n", s->failed_node);
		trace_each(kvs_trace(s->nodes[s->failed_node].k), print_record, NULL);
	}
	printf("replay: %s --mode %s --seed %llu --nodes %zu --trace\n", program, mode_str(s->mode),
	    (unsigned long long)s->seed, s->nodes_n);
}

static bool parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'c' }, { "nodes", required_argument, NULL, 'n' },
		{ "mode", required_argument, NULL, 'o' }, { "trace", no_argument, NULL, 't' },
		{ "must-fail", no_argument, NULL, 'm' }, { NULL, 0, NULL, 0 } };
	*a = (struct args){ .seed = 1, .seeds = 1, .nodes = 20 };
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': a->seed = strtoull(optarg, NULL, 10); break;
		case 'c': a->seeds = strtoull(optarg, NULL, 10); break;
		case 'n': a->nodes = strtoull(optarg, NULL, 10); break;
		case 'o':
			if (!mode_of(optarg, &a->mode))
				return false;
			break;
		case 't': a->trace = true; break;
		case 'm': a->must_fail = true; break;
		default: return false;
		}
	}
	return a->nodes >= 2 && a->nodes <= SIM_NODES_MAX && a->seeds > 0;
}

/* All counts, in the order they are printed. */
static const struct {
	const char *name;
	size_t at;
	bool is_most; /* of all seeds, not their sum */
} COUNTS[] = {
#define COUNT(name, field)                             \
	{                                                  \
		name, offsetof(struct sim_stats, field), false \
	}
#define MOST(name, field)                             \
	{                                                 \
		name, offsetof(struct sim_stats, field), true \
	}
	COUNT("steps", steps),
	COUNT("messages", messages),
	COUNT("frames", frames),
	COUNT("writes", writes),
	COUNT("crashes", crashes),
	COUNT("wiped disks", wipes),
	COUNT("restored disks", restores),
	COUNT("cloned disks", clones),
	COUNT("told of it", duplicates),
	COUNT("left", leaves),
	COUNT("cuts", cuts),
	COUNT("clogs", clogs),
	COUNT("clock jumps", clock_jumps),
	COUNT("histories dropped", resets),
	COUNT("incarnations jumped", jumps),
	MOST("ms until all were alike", healed_in_ms),
	MOST("ms until a core settled", settled_in_ms),
	MOST("ms until a write had reached all", reached_in_ms),
	MOST("frames", copies),
	MOST("pulls for 1000 writes at a node", pulls),
#undef COUNT
#undef MOST
};
enum { COUNTS_N = sizeof(COUNTS) / sizeof(COUNTS[0]) };

static uint64_t *count_at(struct sim_stats *s, size_t i)
{
	return (uint64_t *)(void *)((char *)s + COUNTS[i].at);
}

static void add(struct sim_stats *sum, struct sim_stats *one)
{
	for (size_t i = 0; i < COUNTS_N; i++) {
		uint64_t *to = count_at(sum, i), n = *count_at(one, i);
		*to = COUNTS[i].is_most ? (n > *to ? n : *to) : *to + n;
	}
}

static void print_stats(struct sim_stats *sum)
{
	for (size_t i = 0; i < COUNTS_N; i++)
		printf("%s %llu %s", i > 0 ? "," : "", (unsigned long long)*count_at(sum, i), COUNTS[i].name);
	puts("");
}

int main(int argc, char **argv)
{
	struct args a;
	if (!parse(argc, argv, &a)) {
		fprintf(stderr,
		    "usage: %s --seed N [--seeds COUNT] [--nodes 2..%d] [--mode safety|liveness|broadcast] [--trace] "
		    "[--must-fail]\n",
		    argv[0], SIM_NODES_MAX);
		return 2;
	}
	/* Each step takes and gives back the same memory: it need not go to the kernel and back. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_TOP_PAD, 16 << 20);
	static struct sim s;
	struct sim_stats sum = { 0 };
	for (uint64_t i = 0; i < a.seeds; i++) {
		sim_init(&s, a.mode, a.seed + i, a.nodes, a.trace);
		bool ok = sim_run(&s);
		if (!ok && !a.must_fail)
			print_failure(&s, argv[0]);
		if (!ok && a.must_fail)
			printf("caught by seed %llu %s\n", (unsigned long long)s.seed, s.why);
		add(&sum, &s.stats);
		sim_fini(&s);
		if (!ok)
			return a.must_fail ? 0 : 1;
	}
	if (a.must_fail) {
		printf("NOT caught by %llu seeds\n", (unsigned long long)a.seeds);
		return 1;
	}
	printf("%llu seeds of %llu nodes passed:", (unsigned long long)a.seeds, (unsigned long long)a.nodes);
	print_stats(&sum);
	return 0;
}
