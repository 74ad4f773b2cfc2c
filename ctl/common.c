#include "ctl/common.h"

#include "base/check.h"
#include "ctl/commands.h"

#include <stdlib.h>
#include <time.h>

uint64_t ctl_now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int ctl_failed(const char *error, FILE *errors)
{
	fprintf(errors, "warmcastctl: %s\n", error);
	return CTL_FAILED;
}

void ctl_print_json(const json_t *said, FILE *out)
{
	char *text = json_dumps(said, JSON_COMPACT);
	CHECK(text != NULL);
	fprintf(out, "%s\n", text);
	free(text);
}
