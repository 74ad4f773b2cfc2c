/* `kvs probe`: writes at one node and asks the others how long it was under way. */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

#include "ctl/ask.h"

#include <stdio.h>

enum { PROBE_TRIES_MAX = 1000 };

struct probe_job {
	const struct client *client; /* who writes */
	char *const *nodes; /* admin addresses of those that are asked; none: all of the writer's cluster */
	size_t nodes_n;
	unsigned tries; /* one after the other, each into a slot of its own */
	bool watch;     /* a try a second until it is ended */
	bool json;      /* one object a try */
};

/* What `--help` says of it. */
extern const char probe_help[];

/* An exit status of commands.h. */
int probe_run(const struct probe_job *job, FILE *out, FILE *errors);

#endif
