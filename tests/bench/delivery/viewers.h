/* bench_viewers: the viewers that scripts/bench delivery needs and that wrk cannot play.
 *
 * Threading: one loop, one thread.
 */
#ifndef BENCH_DELIVERY_VIEWERS_H
#define BENCH_DELIVERY_VIEWERS_H

#include "base/bytes.h"

#include <ev.h>

enum { VIEWERS_MAX = 100000 };

struct viewers_options {
	uint64_t viewers; /* connections */
	uint64_t timeout_s;
	uint64_t count; /* of hold: how many objects URI stands for, with a number for each {} */
	char **uris;
	size_t uris_n;
	/* crowd */
	uint64_t within_ms;
	/* hold */
	bool once;              /* nothing is asked for after the first answer */
	uint64_t stop_bytes;    /* nothing is read after that many bytes of it; 0: no such bound */
	uint64_t rate_bytes_s;  /* each reads at that rate; 0: as fast as it comes */
	uint64_t pause_ms;      /* between an answer and what is asked for next, in steps of 100 ms */
	uint64_t receive_bytes; /* SO_RCVBUF; 0: the system's */
};

/* Asks each once, viewer i for URI i modulo their number, evenly within within_ms, each over a connection of
 * its own, and prints how long first and last bytes took, counted from when a viewer came. False: some had no
 * whole answer. */
bool crowd_run(struct ev_loop *loop, const struct viewers_options *o);

/* Opens connections that ask again and again, one object after the other; prints "held" once all have what
 * the options say, and what there was when standard input ends. */
bool hold_run(struct ev_loop *loop, const struct viewers_options *o);

#endif
