#include "tests/bench/load/options.h"

#include "base/address.h"
#include "base/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const char usage[] =
    "usage: warmcast-load [OPTION...] API...\n\n"
    "Opens sessions at api nodes (HOST:PORT, asked in turn) at a given rate, plays them as viewers would, "
    "and\n"
    "tells rates, latencies, outcomes and errors. Viewers come whether or not the ones before were answered, "
    "and\n"
    "latencies count from when they came.\n\n"
    "who comes:\n"
    "  --rate N            viewers a second (100)\n"
    "  --duration S        for so many seconds (10)\n"
    "  --poisson           at random times; else evenly\n"
    "  --contents N        so many contents (1000)\n"
    "  --zipf X            exponent of their popularity (0.8); 0: all alike\n"
    "  --names PATTERN     their names, {} is the number (lv{})\n"
    "  --first N           number of the most popular (0)\n"
    "  --flash AT:FOR:SHARE[:CONTENT]  from second AT on, FOR seconds long, this share (0..1) wants one "
    "content;\n"
    "                      default: the most popular; up to 16 times\n"
    "  --trace FILE        instead of all these: lines `seconds content`, in the order of time; --duration "
    "cuts it\n"
    "  --seed N            the same viewers again (1)\n\n"
    "what they do:\n"
    "  --pace X            play at X times real time (1); 0: open the session only\n"
    "  --watch S           at most so many seconds of media (30); 0: to the end\n"
    "  --heartbeats        beat as the api node says, and ask it where to go on when a delivery node fails\n"
    "  --delete            end the session when done\n"
    "  --linger S          after the last came, wait so long for viewers still playing (10)\n\n"
    "bounds:\n"
    "  --connections N     to each server (128)\n"
    "  --viewers N         at once; who comes then is counted as failed (20000)\n"
    "  --timeout S         of each request (10)\n\n"
    "  --json              one object instead of the report\n"
    "  --help, --version\n\n"
    "Of HLS it plays the first variant, live or not; of other formats it fetches the manifest only.\n"
    "A line on stderr shows how it goes, where that is a terminal. The first Ctrl-C ends the coming of "
    "viewers, the\n"
    "second the run.\n\n"
    "exit status: 0 sessions were created, 1 none was or the report could not be written, 2 bad usage\n";

enum {
	OPT_RATE = 256,
	OPT_DURATION,
	OPT_POISSON,
	OPT_CONTENTS,
	OPT_ZIPF,
	OPT_NAMES,
	OPT_FIRST,
	OPT_FLASH,
	OPT_TRACE,
	OPT_SEED,
	OPT_PACE,
	OPT_WATCH,
	OPT_HEARTBEATS,
	OPT_DELETE,
	OPT_LINGER,
	OPT_CONNECTIONS,
	OPT_VIEWERS,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "poisson", no_argument, NULL, OPT_POISSON },
	{ "contents", required_argument, NULL, OPT_CONTENTS },
	{ "zipf", required_argument, NULL, OPT_ZIPF },
	{ "names", required_argument, NULL, OPT_NAMES },
	{ "first", required_argument, NULL, OPT_FIRST },
	{ "flash", required_argument, NULL, OPT_FLASH },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "pace", required_argument, NULL, OPT_PACE },
	{ "watch", required_argument, NULL, OPT_WATCH },
	{ "heartbeats", no_argument, NULL, OPT_HEARTBEATS },
	{ "delete", no_argument, NULL, OPT_DELETE },
	{ "linger", required_argument, NULL, OPT_LINGER },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "viewers", required_argument, NULL, OPT_VIEWERS },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* One command line on its way. */
struct reading {
	struct options *o;
	char *error;
	double zipf;
	uint64_t contents;
	bool rate_given, duration_given, law_given;
};

static bool bad(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool bad(struct reading *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(r->error, OPTIONS_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

static bool real(
    struct reading *r, const char *name, const char *text, double least, double most, double *out)
{
	double value;
	if (decimal_parse(bytes_str(text), &value) != OK || value < least || value > most)
		return bad(r, "--%s takes a number from %g to %.0f, not \"%.100s\"", name, least, most, text);
	*out = value;
	return true;
}

static bool whole(
    struct reading *r, const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	uint64_t value;
	if (text_u64(bytes_str(text), most, &value) != OK || value < least)
		return bad(r, "--%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not \"%.100s\"", name,
		    least, most, text);
	*out = value;
	return true;
}

static bool take_flash(struct reading *r, const char *text)
{
	struct popularity *p = &r->o->popularity;
	if (p->flashes_n == FLASHES_MAX)
		return bad(r, "--flash can be given %d times", FLASHES_MAX);
	if (flash_parse(bytes_str(text), &p->flashes[p->flashes_n]) != OK)
		return bad(r,
		    "--flash takes AT:FOR:SHARE or AT:FOR:SHARE:CONTENT with a share from 0 to 1, not \"%.100s\"",
		    text);
	p->flashes_n++;
	return true;
}

static bool take_who(struct reading *r, int option, const char *text)
{
	struct options *o = r->o;
	r->law_given = r->law_given || (option != OPT_DURATION && option != OPT_TRACE && option != OPT_SEED);
	switch (option) {
	case OPT_RATE: return real(r, "rate", text, 0.001, 1e6, &o->rate_s);
	case OPT_DURATION: r->duration_given = true; return real(r, "duration", text, 0.001, 1e7, &o->duration_s);
	case OPT_POISSON: o->poisson = true; return true;
	case OPT_CONTENTS: return whole(r, "contents", text, 1, 1000000000000, &r->contents);
	case OPT_ZIPF: return real(r, "zipf", text, 0, 20, &r->zipf);
	case OPT_NAMES: o->popularity.names = text; return true;
	case OPT_FIRST: return whole(r, "first", text, 0, UINT64_C(1) << 60, &o->popularity.first);
	case OPT_FLASH: return take_flash(r, text);
	case OPT_TRACE: o->trace = text; return true;
	default: return whole(r, "seed", text, 0, UINT64_MAX, &o->seed);
	}
}

static bool take_what(struct reading *r, int option, const char *text)
{
	struct options *o = r->o;
	uint64_t n = 0;
	switch (option) {
	case OPT_PACE: return real(r, "pace", text, 0, 1e6, &o->pace);
	case OPT_WATCH: return real(r, "watch", text, 0, 1e7, &o->watch_s);
	case OPT_HEARTBEATS: o->heartbeats = true; return true;
	case OPT_DELETE: o->ends = true; return true;
	case OPT_LINGER: return real(r, "linger", text, 0, 1e6, &o->linger_s);
	case OPT_CONNECTIONS:
		if (!whole(r, "connections", text, 1, 65535, &n))
			return false;
		o->connections = (unsigned)n;
		return true;
	case OPT_VIEWERS:
		if (!whole(r, "viewers", text, 1, 1000000, &n))
			return false;
		o->viewers_max = (unsigned)n;
		return true;
	case OPT_TIMEOUT: return real(r, "timeout", text, 0.001, 3600, &o->timeout_s);
	default: o->json = true; return true;
	}
}

static bool take_apis(struct reading *r, char **words, size_t n)
{
	if (n == 0)
		return bad(r, "name at least one api node, as HOST:PORT");
	if (n > COUNTS_APIS)
		return bad(r, "at most %d api nodes", COUNTS_APIS);
	for (size_t i = 0; i < n; i++) {
		struct address a;
		const char *text = strncmp(words[i], "http://", 7) == 0 ? words[i] + 7 : words[i];
		if (address_parse(bytes_str(text), &a) != OK || a.port == 0 || strlen(text) >= COUNTS_NAME_MAX)
			return bad(r, "an api node is HOST:PORT, not \"%.100s\"", words[i]);
		r->o->apis[r->o->apis_n++] = text;
	}
	return true;
}

/* What only the whole command line tells. */
static bool finish(struct reading *r)
{
	struct options *o = r->o;
	struct popularity *p = &o->popularity;
	char name[CONTENT_MAX + 1], most_popular[CONTENT_MAX + 1];
	if (o->trace != NULL && r->law_given)
		return bad(r, "--trace says who comes: it goes with --duration only");
	if (o->trace != NULL && !r->duration_given)
		o->duration_s = 0;
	enum err e = content_name(p->names, p->first + r->contents, name);
	if (e == OK)
		e = content_name(p->names, p->first, most_popular);
	if (e != OK)
		return bad(r,
		    e == ERR_INVALID ? "--names needs {} where the number goes, not \"%.100s\""
		                     : "--names makes a content longer than 255 bytes: \"%.100s\"",
		    p->names);
	zipf_init(&p->zipf, r->contents, r->zipf);
	for (size_t i = 0; i < p->flashes_n; i++)
		if (p->flashes[i].content[0] == '\0')
			memcpy(p->flashes[i].content, most_popular, sizeof(most_popular));
	return true;
}

static bool read_all(struct reading *r, int argc, char **argv)
{
	int c;
	opterr = 0;
	optind = 0; /* from the start, also when it was called before */
	while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (c == 'h' || c == OPT_HELP || c == OPT_VERSION) {
			r->o->help = c != OPT_VERSION;
			r->o->version = c == OPT_VERSION;
			return true;
		}
		if (c == ':')
			return bad(r, "%.100s needs a value", argv[optind - 1]);
		if (c == '?')
			return bad(r, "no such option, or one without a value: %.100s", argv[optind - 1]);
		bool fine = c <= OPT_SEED ? take_who(r, c, optarg) : take_what(r, c, optarg);
		if (!fine)
			return false;
	}
	return take_apis(r, argv + optind, (size_t)(argc - optind)) && finish(r);
}

enum options_result options_parse(int argc, char **argv, struct options *out, char error[OPTIONS_ERROR_MAX])
{
	*out = (struct options){
		.rate_s = 100,
		.duration_s = 10,
		.popularity = { .names = "lv{}" },
		.seed = 1,
		.pace = 1,
		.watch_s = 30,
		.linger_s = 10,
		.timeout_s = 10,
		.connections = 128,
		.viewers_max = 20000,
	};
	struct reading r = { .o = out, .error = error, .zipf = 0.8, .contents = 1000 };
	return read_all(&r, argc, argv) ? OPTIONS_FINE : OPTIONS_BAD;
}

void options_usage(FILE *out)
{
	fputs(usage, out);
}
