/* `rollout judge` against a node. */
#ifndef CTL_ROLLOUT_JUDGE_RUN_H
#define CTL_ROLLOUT_JUDGE_RUN_H

#include "ctl/client.h"
#include "ctl/rollout_judge.h"

#include <stdio.h>

/* What `--help` says of it. */
extern const char rollout_judge_help[];

enum { JUDGE_TIMES_MAX = 3 }; /* so many times as long it is looked at until it had JUDGE_ENOUGH requests */

/* Returns an exit status (ctl/commands.h): CTL_FAILED when a bound is exceeded, with the reason on `errors`,
 * or when the node does not answer. */
int rollout_run_judge(
    const struct client *c, const struct judge_terms *given, bool json, FILE *out, FILE *errors);

#endif
