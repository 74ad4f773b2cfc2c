#include "scale.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_ARENA_BYTES = 64 * 1024 * 1024 };

void *scale_grow(void *array, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return array;
	size_t wanted = *cap == 0 ? 8 : *cap * 2;
	if (wanted < n)
		wanted = n;
	void *grown = realloc(array, wanted * size);
	CHECK(grown != NULL);
	*cap = wanted;
	return grown;
}

uint64_t scale_between(struct scale *s, uint64_t low, uint64_t high)
{
	return low + prng_below(&s->prng, high - low + 1);
}

/* -- the heap -- */

static bool before(const struct scale_event *a, const struct scale_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

struct scale_event *scale_push(struct scale *s, uint64_t in_us, enum scale_event_kind kind, size_t node)
{
	s->heap = scale_grow(s->heap, &s->heap_cap, s->heap_n + 1, sizeof(*s->heap));
	struct scale_event e = { .at_us = s->now_us + in_us, .order = s->order++, .kind = kind, .node = node };
	size_t at = s->heap_n++;
	for (; at > 0 && before(&e, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
		s->heap[at] = s->heap[(at - 1) / 2];
	s->heap[at] = e;
	return &s->heap[at];
}

static struct scale_event pop(struct scale *s)
{
	struct scale_event first = s->heap[0], last = s->heap[--s->heap_n];
	size_t at = 0;
	for (size_t child = 1; child < s->heap_n; child = 2 * at + 1) {
		if (child + 1 < s->heap_n && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[at] = s->heap[child];
		at = child;
	}
	s->heap[at] = last;
	return first;
}

/* -- what happens -- */

static void stored(struct scale *s, const struct scale_event *e)
{
	scale_step(s, e->node, &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = e->number });
	scale_count_stored(s, e->node);
}

static void become_ready(struct scale *s, const struct scale_event *e)
{
	scale_step(s, e->node, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_READY });
}

static void happen(struct scale *s, const struct scale_event *e)
{
	switch (e->kind) {
	case SCALE_BOOT: scale_boot(s, e->node); break;
	case SCALE_WAKE: scale_wake(s, e); break;
	case SCALE_DIAL: scale_dial(s, e); break;
	case SCALE_DIAL_FAILED: scale_dial_failed(s, e); break;
	case SCALE_LINK_UP: scale_link_up(s, e); break;
	case SCALE_LINK_DOWN: scale_link_down(s, e); break;
	case SCALE_DELIVER: scale_deliver(s, e); break;
	case SCALE_STORED: stored(s, e); break;
	case SCALE_STATE: become_ready(s, e); break;
	case SCALE_WRITE: scale_write(s, e); break;
	}
}

void scale_run_until(struct scale *s, uint64_t until_us)
{
	while (s->heap_n > 0 && s->heap[0].at_us <= until_us) {
		struct scale_event e = pop(s);
		s->now_us = e.at_us;
		if (e.kind == SCALE_BOOT || scale_runs(s, e.node))
			happen(s, &e);
		free(e.bytes);
	}
	s->now_us = until_us;
}

/* -- all of it -- */

void scale_init(struct scale *s, const struct scale_options *o)
{
	memset(s, 0, sizeof(*s));
	s->o = *o;
	s->victim = s->inside = SIZE_MAX;
	s->shared_fd = -1;
	prng_init(&s->prng, o->seed);
	arena_init(&s->step_arena, STEP_ARENA_BYTES);
	/* Its first block does for a step, so that none is taken from a replica's memory. */
	CHECK(arena_alloc(&s->step_arena, 2 * (size_t)KVS_ARENA_BYTES) != NULL);
	arena_init(&s->encode_arena, RPC_ARENA_MAX);
	arena_init(&s->decode_arena, RPC_ARENA_MAX);
	buf_init(&s->frame, RPC_FRAME_MAX);
	s->out = calloc(1, sizeof(*s->out));
	s->nodes = calloc(o->nodes, sizeof(*s->nodes));
	CHECK(s->out != NULL && s->nodes != NULL);
	s->out->arena = &s->step_arena;
}

void scale_fini(struct scale *s)
{
	for (size_t i = 0; i < s->o.nodes; i++) {
		struct scale_node *n = &s->nodes[i];
		if (s->shared_fd < 0)
			kvs_free(n->k);
		free(n->peers);
		free(n->dials);
		free(n->heard);
		free(n->updates);
	}
	scale_memory_fini(s);
	for (size_t i = 0; i < s->heap_n; i++)
		free(s->heap[i].bytes);
	for (size_t i = 0; i < s->updates_n; i++)
		free(s->updates[i].known);
	free(s->updates);
	free(s->heap);
	for (size_t i = 0; i < s->links_n; i++)
		scale_forget_names(&s->links[i]);
	free(s->links);
	free(s->nodes);
	free(s->out);
	arena_fini(&s->step_arena);
	arena_fini(&s->encode_arena);
	arena_fini(&s->decode_arena);
	buf_fini(&s->frame);
}
