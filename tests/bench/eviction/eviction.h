/* What misses a policy of eviction leaves: node/cache/policy as it ships beside others, over the same traces.
 *
 * A cache holds `capacity` bytes, and takes in whatever it misses. No threads, no time but the number of
 * requests; a seed gives the same figures again. The first quarter of a trace warms the caches and does not
 * count.
 */
#ifndef BENCH_EVICTION_H
#define BENCH_EVICTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- trace.c -- */

struct trace {
	const char *name, *title;
	uint32_t *requests; /* objects */
	size_t requests_n;
	uint32_t *sizes_bytes; /* by object */
	uint32_t objects_n;
	uint64_t footprint_bytes; /* of the objects that are asked for */
	uint32_t asked_n;         /* how many those are */
	bool is_unit;             /* all of one size */
};

enum { TRACES = 8 };

/* Number `i` of TRACES. quick: a small one. */
struct trace trace_make(unsigned i, uint64_t seed, bool quick);
void trace_free(struct trace *t);

/* -- policies -- */

struct contender {
	const char *name, *title;
	void *(*make)(const struct trace *t, uint64_t capacity_bytes);
	/* True: it was there. Else it is now. */
	bool (*ask)(void *self, uint32_t object);
	void (*end)(void *self);
};

extern const struct contender ours, ours_marks;                 /* ours.c */
extern const struct contender plain;                            /* plain.c */
extern const struct contender peer_fifo, peer_chance, peer_lru; /* peers.c */

#endif
