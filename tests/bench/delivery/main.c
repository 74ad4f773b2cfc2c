#include "viewers.h"

#include "base/check.h"
#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "bench_viewers crowd [--viewers N] [--within-ms N] [--timeout-s N] URI...\n"
                            "bench_viewers hold  [--viewers N] [--count N] [--once] [--stop-bytes N] "
                            "[--rate-bytes-s N] [--pause-ms N]\n"
                            "                     [--receive-bytes N] URI\n"
                            "crowd: each asks once; a JSON object of times. hold: connections until standard "
                            "input ends; {} in the URI is a\n"
                            "number below --count; \"held\" once all are there, then a JSON object.\n";

enum { EXIT_USAGE = 2 };

static int refuse(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

/* False: not an option, or not its value. */
static bool take(int option, const char *value, struct viewers_options *o)
{
	uint64_t *to[] = { ['v'] = &o->viewers,
		['w'] = &o->within_ms,
		['t'] = &o->timeout_s,
		['c'] = &o->count,
		['s'] = &o->stop_bytes,
		['r'] = &o->rate_bytes_s,
		['b'] = &o->receive_bytes,
		['p'] = &o->pause_ms };
	if (option == 'o') {
		o->once = true;
		return true;
	}
	bool known = option > 0 && (size_t)option < sizeof(to) / sizeof(to[0]) && to[option] != NULL;
	return known && text_u64(bytes_str(value), INT32_MAX, to[option]) == OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "viewers", required_argument, NULL, 'v' },
		{ "within-ms", required_argument, NULL, 'w' },
		{ "timeout-s", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'c' },
		{ "stop-bytes", required_argument, NULL, 's' },
		{ "rate-bytes-s", required_argument, NULL, 'r' },
		{ "receive-bytes", required_argument, NULL, 'b' },
		{ "pause-ms", required_argument, NULL, 'p' },
		{ "once", no_argument, NULL, 'o' },
		{ 0 },
	};
	struct viewers_options o = { .viewers = 1, .timeout_s = 60, .count = 1 };
	if (argc < 2)
		return refuse();
	const char *mode = argv[1];
	int option;
	while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1)
		if (!take(option, optarg, &o))
			return refuse();
	o.uris = argv + 1 + optind;
	o.uris_n = (size_t)(argc - 1 - optind);
	bool crowd = strcmp(mode, "crowd") == 0;
	if ((!crowd && strcmp(mode, "hold") != 0) || o.uris_n == 0 || o.viewers == 0 || o.viewers > VIEWERS_MAX ||
	    o.count == 0)
		return refuse();
	struct ev_loop *loop = ev_default_loop(0);
	CHECK(loop != NULL);
	bool fine = crowd ? crowd_run(loop, &o) : hold_run(loop, &o);
	return fine && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
