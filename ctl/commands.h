/* The commands of warmcastctl: each asks one node's admin listener and prints what it said. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/client.h"

#include <stdio.h>

enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

struct command_options {
	struct client client;
	bool json; /* what the node said, as it came */
};

/* Runs the command named words[0]; words[1..] are its arguments. Returns the exit status; prints the answer
 * to `out` or one line to `errors`. */
int commands_run(
    const struct command_options *o, char *const *words, size_t words_n, FILE *out, FILE *errors);
bool commands_known(const char *name);
/* One line a command; or the whole help of one. */
void commands_list(FILE *out);
void commands_help(const char *name, FILE *out);

#endif
