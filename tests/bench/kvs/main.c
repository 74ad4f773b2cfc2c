#include "bench.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "bench_kvs MODE --dir D [OPTION VALUE]...\n"
    "  options: --locations N, --owners N, --seconds N, --same-values, --address and --listen HOST:PORT\n"
    "  fill      a replica takes in N locations, then others look up while it overwrites\n"
    "  restart   how long a start takes with what fill left in D\n"
    "  plain     the same locations in LMDB without our layout\n"
    "  serve     a node with what fill left in D, until its input ends\n"
    "  catchup   a new node fetches all of it from the one that serves at --address\n"
    "A JSON object on stdout; scripts/bench kvs makes tables of them.\n";

static bool number(const char *text, uint64_t *out)
{
	return text != NULL && text_u64(bytes_str(text), UINT32_MAX, out) == OK;
}

static bool take_option(struct options *o, const char *name, const char *value, bool *used)
{
	uint64_t n = 0;
	*used = true;
	if (strcmp(name, "--same-values") == 0) {
		*used = false;
		o->same_values = true;
		return true;
	}
	if (value == NULL)
		return false;
	if (strcmp(name, "--dir") == 0)
		o->dir = value;
	else if (strcmp(name, "--listen") == 0)
		o->listen = value;
	else if (strcmp(name, "--address") == 0)
		o->address = value;
	else if (!number(value, &n))
		return false;
	else if (strcmp(name, "--locations") == 0)
		o->locations = n;
	else if (strcmp(name, "--owners") == 0)
		o->owners = (unsigned)n;
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = (unsigned)n;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o);
	} modes[] = { { "fill", fill_main }, { "restart", restart_main }, { "plain", plain_main },
		{ "serve", serve_main }, { "catchup", catchup_main } };
	struct options o = { .locations = 100000, .owners = 40, .seconds = 2 };
	for (int i = 2; i < argc; i++) {
		bool used;
		if (!take_option(&o, argv[i], argv[i + 1], &used)) {
			fprintf(stderr, "%s", usage);
			return 2;
		}
		i += used;
	}
	for (size_t i = 0; argc > 1 && o.dir != NULL && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(&o);
	fprintf(stderr, "%s", usage);
	return 2;
}
