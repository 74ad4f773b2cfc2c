/* lease_sim --seed N [--seeds COUNT] [--mode faults|calm] [--load PERCENT] [--trace] [--must-fail]
 *
 * Runs COUNT seeds from N on. Ends at the first that breaks an invariant: prints the seed, what broke, the
 * last lines and the command that replays it; exit 1. With --must-fail (broken copies of the rules) it is
 * the other way round: exit 1 when all seeds pass. */
#include "lease_sim.h"

#include "base/check.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lsim sim;
static struct {
	uint64_t seed, seeds;
	enum lsim_mode mode;
	unsigned load_percent;
	bool trace, must_fail;
	const char *program;
} args = { .seed = 1, .seeds = 1, .load_percent = 80 };

static void print_failure(void)
{
	printf("seed %llu failed %s\n  last lines:\n", (unsigned long long)sim.seed, sim.why);
	for (uint64_t i = sim.lines_n > LSIM_LINES ? sim.lines_n - LSIM_LINES : 0; i < sim.lines_n; i++)
		printf("  %s\n", sim.lines[i % LSIM_LINES]);
	printf("replay: %s --seed %llu", args.program, (unsigned long long)sim.seed);
	if (sim.mode == LSIM_CALM)
		printf(" --mode calm --load %u", sim.load_percent);
	puts(" --trace");
}

/* A core's own CHECK is as good as the oracle's word; the process is about to end. */
static void on_check(void)
{
	if (args.must_fail) {
		printf("caught by seed %llu at %llu ms: a CHECK of the core\n", (unsigned long long)sim.seed,
		    (unsigned long long)sim.now_ms);
		fflush(stdout);
		_exit(0);
	}
	print_failure();
	fflush(stdout);
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'c' }, { "mode", required_argument, NULL, 'o' },
		{ "load", required_argument, NULL, 'l' }, { "trace", no_argument, NULL, 't' },
		{ "must-fail", no_argument, NULL, 'm' }, { NULL, 0, NULL, 0 } };
	args.program = argv[0];
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': args.seed = strtoull(optarg, NULL, 10); break;
		case 'c': args.seeds = strtoull(optarg, NULL, 10); break;
		case 'o':
			if (strcmp(optarg, "calm") != 0 && strcmp(optarg, "faults") != 0)
				return false;
			args.mode = optarg[0] == 'c' ? LSIM_CALM : LSIM_FAULTS;
			break;
		case 'l': args.load_percent = (unsigned)strtoul(optarg, NULL, 10); break;
		case 't': args.trace = true; break;
		case 'm': args.must_fail = true; break;
		default: return false;
		}
	}
	return args.seeds > 0 && args.load_percent <= 200;
}

/* In the order of the members: all are counts. */
static const char *const COUNTS[] = { "steps", "viewers", "by batch", "placeless", "full", "never came",
	"came late", "moved", "requests", "answers", "places lent", "messages after a break", "doubled", "lost",
	"links disturbed", "crashes", "stalls", "drains" };
enum { COUNTS_N = sizeof(COUNTS) / sizeof(COUNTS[0]) };
_Static_assert(sizeof(struct lsim_stats) == COUNTS_N * sizeof(uint64_t), "a count without a name");

static uint64_t *counts_of(struct lsim_stats *s)
{
	return (uint64_t *)(void *)s;
}

int main(int argc, char **argv)
{
	if (!parse(argc, argv)) {
		fprintf(stderr,
		    "usage: %s --seed N [--seeds COUNT] [--mode faults|calm] [--load 0..200] [--trace] "
		    "[--must-fail]\n",
		    argv[0]);
		return 2;
	}
	check_on_fail(on_check);
	struct lsim_stats sum = { 0 };
	for (uint64_t i = 0; i < args.seeds; i++) {
		lsim_init(&sim, args.mode, args.load_percent, args.seed + i, args.trace);
		bool ok = lsim_run(&sim);
		if (!ok && !args.must_fail)
			print_failure();
		if (!ok && args.must_fail)
			printf("caught by seed %llu %s\n", (unsigned long long)sim.seed, sim.why);
		for (size_t c = 0; c < COUNTS_N; c++)
			counts_of(&sum)[c] += counts_of(&sim.stats)[c];
		lsim_fini(&sim);
		if (!ok)
			return args.must_fail ? 0 : 1;
	}
	if (args.must_fail) {
		printf("NOT caught by %llu seeds\n", (unsigned long long)args.seeds);
		return 1;
	}
	printf("%llu seeds passed:", (unsigned long long)args.seeds);
	for (size_t c = 0; c < COUNTS_N; c++)
		printf("%s %llu %s", c > 0 ? "," : "", (unsigned long long)counts_of(&sum)[c], COUNTS[c]);
	puts("");
	return 0;
}
