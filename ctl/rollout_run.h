/* `rollout plan` and `rollout status`. */
#ifndef CTL_ROLLOUT_RUN_H
#define CTL_ROLLOUT_RUN_H

#include "ctl/client.h"
#include "ctl/rollout_said.h"

#include <stdio.h>

/* Rule V5: no more of a role at once. */
enum { ROLLOUT_BATCH_MAX_PERMILLE = 250 };

/* "25%", "12.5 %" or "25": a share from 0.1 % to V5's quarter. */
MUST_USE bool rollout_take_batch(const char *text, unsigned *permille);

struct rollout_job {
	const struct client *client;
	struct rollout_terms terms; /* batch_permille 0: a quarter */
	bool json;
};

/* What `--help` says of them. */
extern const char rollout_plan_help[], rollout_status_help[];

/* Both return an exit status (ctl/commands.h); a plan that cannot be is CTL_FAILED, and its reason is on
 * `errors`. A status is done whatever it says. */
int rollout_run_plan(const struct rollout_job *job, FILE *out, FILE *errors);
int rollout_run_status(const struct rollout_job *job, FILE *out, FILE *errors);

#endif
