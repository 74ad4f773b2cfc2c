#include "tests/bench/load/counts.h"

#include <string.h>

void counts_fail(struct counts *c, enum load_step step, enum load_failure f, unsigned status)
{
	c->failures[step][f]++;
	if (f == FAIL_STATUS)
		c->statuses[step][status < COUNTS_STATUSES ? status : 0]++;
}

static bool is_node(const struct node_count *n, struct bytes name)
{
	return strlen(n->name) == name.n && memcmp(n->name, name.p, name.n) == 0;
}

void counts_node(struct counts *c, struct bytes name)
{
	if (name.n >= COUNTS_NAME_MAX)
		name.n = COUNTS_NAME_MAX - 1;
	for (size_t i = 0; i < c->nodes_n; i++) {
		if (is_node(&c->nodes[i], name)) {
			c->nodes[i].created++;
			return;
		}
	}
	struct node_count *n = &c->nodes[c->nodes_n]; /* the last one stays past the count: all further ones */
	if (c->nodes_n < COUNTS_NODES) {
		memcpy(n->name, name.p, name.n);
		c->nodes_n++;
	}
	n->created++;
}

enum load_outcome load_outcome_of(struct bytes name)
{
	if (bytes_eq(name, BYTES_LIT("warm")))
		return OUTCOME_WARM;
	if (bytes_eq(name, BYTES_LIT("spill")))
		return OUTCOME_SPILL;
	return bytes_eq(name, BYTES_LIT("cold")) ? OUTCOME_COLD : OUTCOME_OTHER;
}
