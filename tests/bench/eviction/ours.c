/* The shipped policy, and the same as the cache uses it: room is made at 98 % of the limit, down to 95 %. */
#include "eviction.h"

#include "base/hash.h"
#include "base/obj.h"
#include "node/cache/policy.h"

#include <stdlib.h>

#define OURS_MAGIC 0x6f757273u

struct ours {
	unsigned magic;
	const struct trace *trace;
	struct policy policy;
	struct policy_node *nodes; /* by object */
	uint64_t capacity_bytes, held_bytes, asked;
	bool with_marks;
};

static void *make(const struct trace *t, uint64_t capacity_bytes, bool with_marks)
{
	struct ours *o = OBJ_NEW(struct ours, OURS_MAGIC);
	o->trace = t;
	o->capacity_bytes = capacity_bytes;
	o->with_marks = with_marks;
	policy_init(&o->policy);
	o->nodes = calloc(t->objects_n, sizeof(*o->nodes));
	CHECK(o->nodes != NULL);
	return o;
}

static void *make_exact(const struct trace *t, uint64_t capacity_bytes)
{
	return make(t, capacity_bytes, false);
}

static void *make_marks(const struct trace *t, uint64_t capacity_bytes)
{
	return make(t, capacity_bytes, true);
}

static bool is_roomy(const struct ours *o, uint64_t size)
{
	return o->with_marks ? policy_roomy(o->held_bytes, size, o->capacity_bytes)
	                     : o->held_bytes + size <= o->capacity_bytes;
}

static bool is_too_full(const struct ours *o, uint64_t size)
{
	return o->with_marks ? policy_too_full(o->held_bytes, size, o->capacity_bytes) : !is_roomy(o, size);
}

static bool ask(void *self, uint32_t object)
{
	struct ours *o = OBJ_CAST(struct ours, OURS_MAGIC, self);
	struct policy_node *n = &o->nodes[object];
	uint32_t now_s = (uint32_t)(o->asked++ / 1000);
	if (n->place != POLICY_OUT) {
		policy_used(n);
		return true;
	}
	uint64_t size = o->trace->sizes_bytes[object];
	if (is_too_full(o, size)) {
		while (!is_roomy(o, size)) {
			struct policy_node *gone = policy_victim(&o->policy, now_s);
			if (gone == NULL)
				return false; /* larger than the cache */
			o->held_bytes -= gone->size_bytes;
		}
	}
	policy_add(&o->policy, n, hash_mix(object + (uint64_t)1), size, now_s);
	o->held_bytes += size;
	return false;
}

static void end(void *self)
{
	struct ours *o = OBJ_CAST(struct ours, OURS_MAGIC, self);
	policy_fini(&o->policy);
	free(o->nodes);
	OBJ_FREE(o);
}

const struct contender ours = { "ours", "Warmcast", make_exact, ask, end };
const struct contender ours_marks = { "ours_marks", "Warmcast, with its water marks", make_marks, ask, end };
