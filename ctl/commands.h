/* The commands of warmcastctl: each asks one node's admin listener and prints what it said. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/client.h"
#include "ctl/rollout_judge.h"

#include <stdio.h>

/* `kvs diff` is of diff's kind: 1 is an answer there, and what failed is 2. */
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_DIFFERENT = 1, CTL_USAGE = 2, CTL_TROUBLE = 2 };

struct command_options {
	struct client client;
	bool json; /* what the node said, as it came */
	/* Of single commands; the others refuse them. */
	unsigned tries;  /* 0: not given */
	unsigned copies; /* the same */
	bool watch, lag, wait;
	unsigned batch_permille; /* the same */
	uint64_t peak;           /* the same */
	const char *to;          /* NULL: not given */
	struct judge_terms judge;
};

/* Runs the command that the first word or two name; the others are its arguments. Returns the exit status;
 * prints the answer to `out` or one line to `errors`. */
int commands_run(
    const struct command_options *o, char *const *words, size_t words_n, FILE *out, FILE *errors);
/* Whether the words name a command, or several by the first of their two words ("kvs"). */
bool commands_known(char *const *words, size_t words_n);
/* One line a command; or the whole help of what the words name. */
void commands_list(FILE *out);
void commands_help(char *const *words, size_t words_n, FILE *out);

#endif
