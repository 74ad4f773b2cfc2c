/* warmcast-load: viewers by the thousand (tests/bench/load/options.c says what it can do). */
#include "tests/bench/load/ev_load.h"
#include "tests/bench/load/report.h"

#include "base/check.h"
#include "base/version.h"

#include <stdlib.h>

enum { EXIT_USAGE = 2, REPORT_MAX = 1 << 20 };

static bool tell(const struct counts *c, bool json)
{
	struct buf out;
	buf_init(&out, REPORT_MAX);
	if (json)
		report_json(c, &out);
	else
		report_text(c, &out);
	CHECK(buf_err(&out) == OK);
	size_t written = fwrite(out.p, 1, out.n, stdout);
	bool fine = written == out.n && fflush(stdout) == 0;
	buf_fini(&out);
	if (!fine)
		fputs("warmcast-load: the report could not be written\n", stderr);
	return fine;
}

int main(int argc, char **argv)
{
	static struct counts counts;
	struct options options;
	char error[LOAD_ERROR_MAX];
	if (options_parse(argc, argv, &options, error) != OPTIONS_FINE) {
		fprintf(stderr, "warmcast-load: %s (see warmcast-load --help)\n", error);
		return EXIT_USAGE;
	}
	if (options.help) {
		options_usage(stdout);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (options.version) {
		printf("warmcast-load %s\n", warmcast_version);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	bool ran = load_run(&options, &counts, error);
	if (!ran)
		fprintf(stderr, "warmcast-load: %s\n", error);
	bool told = (!ran && counts.scheduled == 0) || tell(&counts, options.json);
	return ran && told && counts.created > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
