/* One viewer: opens a session, plays what it is given, and ends it.
 *
 *     create -> entry -> variant -> segments at their pace -> end
 *
 * One media request and one of the session's (heartbeat, end) are under way at most. When media fails and
 * heartbeats are wanted, the api node is asked where to go on, and the viewer plays from there at the same
 * segment.
 */
#ifndef BENCH_LOAD_EV_VIEWER_H
#define BENCH_LOAD_EV_VIEWER_H

#include "tests/bench/load/ev_client.h"
#include "tests/bench/load/options.h"

/* What viewers share. Owned by ev_load. */
struct viewing {
	const struct options *options;
	struct ev_loop *loop;
	struct client *client;
	struct counts *counts;
	struct viewer *first; /* of the living */
	/* The last one has left. */
	void (*idle)(void *arg);
	void *arg;
};

/* A viewer of `content` who came at due_ns (monotonic) asks api node number `api`. */
void viewer_open(struct viewing *all, const char *content, size_t api, uint64_t due_ns);
/* Ends all of them at once; those that play are counted as cut off. */
void viewers_cut_off(struct viewing *all);

#endif
