/* A plan of a rollout as JSON (for Ansible), and that JSON as text for people. Pure. */
#ifndef CTL_ROLLOUT_SAID_H
#define CTL_ROLLOUT_SAID_H

#include "base/bytes.h"
#include "ctl/rollout_known.h"

struct rollout_terms {
	unsigned batch_permille;
	uint64_t peak;  /* 0: not stated */
	const char *to; /* NULL: every node is to be upgraded */
};

/* {"batches":[{"nodes":[...],"zone","up":{role:n},"places","last_copies"}],"sessions","peak","places","nodes",
 * "away":[...],"done":[...],"refused":TEXT|null,"watched_known":bool,"untold":[...]} */
json_t *rollout_said(
    const struct rollout_known *k, const struct rollout_plan *p, const struct rollout_terms *t);
/* {"to","versions":{...},"nodes":[{...,"batch":n|null,"done":bool}],"batches","refused"} */
json_t *rollout_status_said(
    const struct rollout_known *k, const struct rollout_plan *p, const struct rollout_terms *t);

MUST_USE enum err show_rollout_plan(const json_t *said, struct buf *out);
MUST_USE enum err show_rollout_status(const json_t *said, struct buf *out);

#endif
