/* warmcastctl: the operator's command. */
#include "base/text.h"
#include "base/version.h"
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/probe.h"
#include "ctl/rollout_run.h"
#include "ctl/warm.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define PEAK_MAX UINT64_C(1000000000000)

static void usage(FILE *out)
{
	fputs("usage: warmcastctl [--admin HOST:PORT] [--json] COMMAND [ARGUMENT...]\n\n"
	      "Asks a Warmcast node what it knows.\n\ncommands:\n",
	    out);
	commands_list(out);
	fputs("\noptions:\n"
	      "  --admin HOST:PORT  the node's listen.admin; default: $WARMCAST_ADMIN, else 127.0.0.1:9000\n"
	      "  --json             what the node says, as it came\n"
	      "  --help             this, or with a command: more about it\n"
	      "  --version\n"
	      "Some commands take more: COMMAND --help.\n\n"
	      "exit status: 0 done, 1 refused or failed, 2 bad usage\n",
	    out);
}

static int bad_usage(const char *what, const char *which)
{
	fprintf(stderr, "warmcastctl: %s%s%s (see warmcastctl --help)\n", what, which == NULL ? "" : ": ",
	    which == NULL ? "" : which);
	return CTL_USAGE;
}

static bool take_number(const char *text, unsigned long max, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > max)
		return false;
	*out = (unsigned)n;
	return true;
}

/* --batch and --peak. NULL: it is one. */
static const char *take_term(int c, const char *text, struct command_options *o)
{
	if (c == 'b')
		return rollout_take_batch(text, &o->batch_permille)
		           ? NULL
		           : "--batch takes a share from 0.1% to 25% (rule V5), not";
	bool fine = text_u64(bytes_str(text), PEAK_MAX, &o->peak) == OK && o->peak > 0;
	return fine ? NULL : "--peak takes a number of sessions, not";
}

/* --for, --errors, --stalls and --starts. NULL: it is one. */
static const char *take_judge(int c, const char *text, struct judge_terms *t)
{
	if (c == 'f')
		return judge_take_time(text, &t->for_s) ? NULL : "--for takes a time from 1s to 60m, not";
	struct judge_bound *b = c == 'E' ? &t->errors : c == 'B' ? &t->stalls : &t->starts;
	return judge_take_bound(text, b) ? NULL : "a bound is a share from 0% to 100%, not";
}

static int version(void)
{
	printf("warmcastctl %s\n", warmcast_version);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

static int help(int words_n, char **words)
{
	if (words_n > 0 && !commands_known(words, (size_t)words_n))
		return bad_usage("no such command", words[words_n - 1]);
	if (words_n > 0)
		commands_help(words, (size_t)words_n, stdout);
	else
		usage(stdout);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

static const struct option options[] = {
	{ "admin", required_argument, NULL, 'a' },
	{ "json", no_argument, NULL, 'j' },
	{ "slots", required_argument, NULL, 's' },
	{ "copies", required_argument, NULL, 'c' },
	{ "batch", required_argument, NULL, 'b' },
	{ "peak", required_argument, NULL, 'p' },
	{ "to", required_argument, NULL, 't' },
	{ "watch", no_argument, NULL, 'w' },
	{ "wait", no_argument, NULL, 'W' },
	{ "lag", no_argument, NULL, 'l' },
	{ "for", required_argument, NULL, 'f' },
	{ "errors", required_argument, NULL, 'E' },
	{ "stalls", required_argument, NULL, 'B' },
	{ "starts", required_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static const char *default_admin(void)
{
	const char *env = getenv("WARMCAST_ADMIN");
	return env != NULL && env[0] != '\0' ? env : "127.0.0.1:9000";
}

/* For shells, and in no help. */
static int complete(const char *line)
{
	complete_line(line, usage, default_admin(), stdout);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--complete") == 0)
		return complete(argv[2]);
	struct command_options o = { 0 };
	bool wants_help = false;
	o.client.admin = default_admin();
	int c;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'a': o.client.admin = optarg; break;
		case 'j': o.json = true; break;
		case 's':
			if (!take_number(optarg, PROBE_TRIES_MAX, &o.tries))
				return bad_usage("--slots takes a number from 1 to 1000, not", optarg);
			break;
		case 'c':
			if (!take_number(optarg, WARM_COPIES_MAX, &o.copies))
				return bad_usage("--copies takes a number from 1 to 64, not", optarg);
			break;
		case 'b':
		case 'p':
			if (take_term(c, optarg, &o) != NULL)
				return bad_usage(take_term(c, optarg, &o), optarg);
			break;
		case 'f':
		case 'E':
		case 'B':
		case 'S':
			if (take_judge(c, optarg, &o.judge) != NULL)
				return bad_usage(take_judge(c, optarg, &o.judge), optarg);
			break;
		case 't':
			/* A program's variable that is empty would mean all nodes. */
			if (optarg[0] == '\0')
				return bad_usage("--to takes a version", NULL);
			o.to = optarg;
			break;
		case 'w': o.watch = true; break;
		case 'W': o.wait = true; break;
		case 'l': o.lag = true; break;
		case 'h': wants_help = true; break;
		case 'V': return version();
		default: return CTL_USAGE; /* getopt has said what is wrong */
		}
	}
	if (wants_help)
		return help(argc - optind, argv + optind);
	if (optind == argc)
		return bad_usage("no command", NULL);
	if (client_set_admin(&o.client, o.client.admin) != OK)
		return bad_usage("the admin address is not HOST:PORT", o.client.admin);
	return commands_run(&o, argv + optind, (size_t)(argc - optind), stdout, stderr);
}
