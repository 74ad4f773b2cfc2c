/* Conversations of a few nodes as text: who says what to whom, and when. They document the protocol, and a
 * test compares them with tests/sim/golden/, so that a change of the protocol is seen by whoever makes it.
 *
 * Printed: each message when it is sent, each event of a node, what the story does. Not printed: heartbeats,
 * sizes in bytes, nonces and fingerprints.
 */
#ifndef TESTS_SIM_GOLDEN_H
#define TESTS_SIM_GOLDEN_H

#include "sim.h"

enum { GOLDEN_IDS_MAX = 16 };

/* Names for ids: n1 for the first of host 0, n1b for its second. */
struct golden {
	const struct sim *s;
	struct buf text;
	bool quiet; /* nothing is printed */
	bool said;  /* the line before was the story's */
	uint64_t begin_ms;
	struct {
		struct node_id id;
		char name[16];
	} ids[GOLDEN_IDS_MAX];
	size_t ids_n;
};

void golden_begin(struct golden *g, const struct sim *s);
void golden_message(struct golden *g, size_t from, size_t to, const struct rpc_msg *m, bool lost);
void golden_event(struct golden *g, size_t node, const struct kvs_event *e);
/* A line of the story. */
void golden_say(struct golden *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
