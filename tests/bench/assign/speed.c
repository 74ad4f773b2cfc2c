/* What a decision costs of a core: 40 candidates, of which some hold the content, one content after the
 * other. CPU time, so that other work on the machine changes little. */
#include "sim.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NODES = 40, CONTENTS = 4096, BATCHES = 21 };

struct bench {
	struct assign_node nodes[NODES];
	char names[CONTENTS][16];
	struct arena arena;
	uint64_t holders[CONTENTS];
};

static uint64_t cpu_ns(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void prepare(struct bench *b, unsigned holders)
{
	struct prng p;
	prng_init(&p, 3);
	for (unsigned i = 0; i < NODES; i++) {
		struct assign_node *n = &b->nodes[i];
		*n = (struct assign_node){ .capacity = 5000, .load = 4000 + (uint32_t)prng_below(&p, 900) };
		for (unsigned j = 0; j < NODE_ID_BYTES; j++)
			n->id.b[j] = (uint8_t)prng_next(&p);
		n->evict_age_s = 1000 + (uint32_t)prng_below(&p, 500);
		n->miss_permille = (uint16_t)prng_below(&p, 100);
		n->zone = BYTES_LIT("a");
	}
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(b->names[i], sizeof(b->names[i]), "lv%u", 7000000 + i);
		b->holders[i] = 0;
		while ((unsigned)__builtin_popcountll(b->holders[i]) < holders)
			b->holders[i] |= 1ull << prng_below(&p, NODES);
	}
}

static uint64_t one_batch(struct bench *b, bool explain)
{
	struct assign_request r = { .origin = BYTES_LIT("main"),
		.nodes = b->nodes,
		.nodes_n = NODES,
		.reserve_permille = 10,
		.explain = explain };
	struct assign_result got;
	uint64_t start = cpu_ns();
	for (unsigned i = 0; i < CONTENTS; i++) {
		for (unsigned n = 0; n < NODES; n++)
			b->nodes[n].holder = (b->holders[i] >> n & 1) != 0;
		r.content = bytes_str(b->names[i]);
		arena_reset(&b->arena);
		CHECK(assign_decide(&r, &b->arena, &got) == OK && got.outcome != ASSIGN_REFUSED);
	}
	return (cpu_ns() - start) / CONTENTS;
}

static int cmp_u64(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;
	return *a < *b ? -1 : *a > *b;
}

uint64_t speed_ns(unsigned holders, bool explain)
{
	struct bench *b = calloc(1, sizeof(*b));
	CHECK(b != NULL);
	arena_init(&b->arena, 1 << 16);
	prepare(b, holders);
	uint64_t ns[BATCHES];
	for (unsigned i = 0; i < BATCHES; i++)
		ns[i] = one_batch(b, explain);
	qsort(ns, BATCHES, sizeof(ns[0]), cmp_u64);
	arena_fini(&b->arena);
	free(b);
	return ns[BATCHES / 2];
}
