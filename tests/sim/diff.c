/* Says in which rows two replicas differ, for a failure that is about that. */
#include "sim.h"

#include <stdlib.h>

struct rows {
	struct kvs_row_meta m[SIM_OWNERS_MAX * RPC_STREAMS];
	size_t n;
};

static void keep(void *arg, const struct kvs_row_meta *m)
{
	struct rows *r = arg;
	if (m->stream != RPC_LOAD && r->n < SIM_OWNERS_MAX * RPC_STREAMS)
		r->m[r->n++] = *m;
}

static void add_print(void *arg, const struct rpc_entry *e)
{
	uint64_t *print = arg;
	*print = *print * 31 + e->version * 2 + e->deleted;
}

static void say_row(struct sim *s, size_t node, const struct kvs_row_meta *m)
{
	uint64_t print = 0;
	kvs_each_entry(s->nodes[node].k, &m->owner, m->stream, add_print, &print);
	sim_say(s,
	    "  node %zu: row %02x%02x/%d incarnation %llu.%04llx have %llu horizon %llu floor %llu base %llu "
	    "(%llx)",
	    node, m->owner.b[0], m->owner.b[1], m->stream, (unsigned long long)m->incarnation.count,
	    (unsigned long long)m->incarnation.nonce & 0xffff, (unsigned long long)m->have,
	    (unsigned long long)m->horizon, (unsigned long long)m->floor, (unsigned long long)m->base,
	    (unsigned long long)print & 0xffffff);
}

static bool same(
    struct sim *s, size_t a, const struct kvs_row_meta *x, size_t b, const struct kvs_row_meta *y)
{
	uint64_t prints[2] = { 0, 0 };
	kvs_each_entry(s->nodes[a].k, &x->owner, x->stream, add_print, &prints[0]);
	kvs_each_entry(s->nodes[b].k, &y->owner, y->stream, add_print, &prints[1]);
	return incarnation_cmp(x->incarnation, y->incarnation) == 0 && x->have == y->have &&
	       x->floor == y->floor && prints[0] == prints[1];
}

void sim_say_difference(struct sim *s, size_t a, size_t b)
{
	struct rows *of_a = calloc(1, sizeof(*of_a)), *of_b = calloc(1, sizeof(*of_b));
	if (of_a != NULL && of_b != NULL && s->nodes[a].k != NULL && s->nodes[b].k != NULL) {
		kvs_each_row(s->nodes[a].k, keep, of_a);
		kvs_each_row(s->nodes[b].k, keep, of_b);
		for (size_t i = 0, j = 0; i < of_a->n || j < of_b->n;) {
			const struct kvs_row_meta *x = &of_a->m[i], *y = &of_b->m[j];
			int c = i == of_a->n ? 1 : j == of_b->n ? -1 : node_id_cmp(&x->owner, &y->owner);
			if (c == 0)
				c = (int)x->stream - (int)y->stream;
			if (c <= 0 && !(c == 0 && same(s, a, x, b, y)))
				say_row(s, a, x);
			if (c >= 0 && !(c == 0 && same(s, a, x, b, y)))
				say_row(s, b, y);
			i += c <= 0;
			j += c >= 0;
		}
	}
	free(of_a);
	free(of_b);
}
