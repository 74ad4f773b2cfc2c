#include "ctl/rollout.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* What a batch takes away. */
struct batch {
	uint32_t zone;
	size_t nodes_of[ROLLOUT_ROLES];
	uint64_t places;
};

struct planning {
	const struct rollout_wish *w;
	size_t all_of[ROLLOUT_ROLES], away_of[ROLLOUT_ROLES];
	uint64_t places; /* of the delivery nodes that are there */
	/* What a node holds of what is watched: held[held_from[i]] to held[held_from[i + 1]]. */
	size_t *held_from;
	uint32_t *held;
	uint32_t *present; /* of each content: holders that are not away */
	struct batch *batches;
	uint32_t batches_n;
	uint32_t *batch_of;
};

size_t rollout_quota(size_t nodes_of_role, unsigned batch_permille)
{
	size_t share = nodes_of_role * batch_permille / 1000;
	if (share == 0)
		share = 1;
	return share < nodes_of_role ? share : nodes_of_role > 0 ? nodes_of_role - 1 : 0;
}

static void *checked_calloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);
	CHECK(p != NULL);
	return p;
}

/* -- what there is -- */

static void count_nodes(struct planning *p)
{
	for (size_t i = 0; i < p->w->nodes_n; i++) {
		const struct rollout_node *n = &p->w->nodes[i];
		for (unsigned r = 0; r < ROLLOUT_ROLES; r++) {
			p->all_of[r] += n->roles[r];
			p->away_of[r] += n->roles[r] && n->away;
		}
		if (!n->away)
			p->places += n->places;
	}
}

/* Who holds what, turned around: counted, then summed, then filled in. */
static void turn_around(struct planning *p)
{
	const struct rollout_wish *w = p->w;
	p->present = checked_calloc(w->contents_n, sizeof(*p->present));
	p->held_from = checked_calloc(w->nodes_n + 1, sizeof(*p->held_from));
	for (size_t c = 0; c < w->contents_n; c++)
		for (size_t h = 0; h < w->contents[c].holders_n; h++) {
			uint32_t node = w->contents[c].holders[h];
			CHECK(node < w->nodes_n);
			p->held_from[node + 1]++;
			p->present[c] += !w->nodes[node].away;
		}
	for (size_t i = 0; i < w->nodes_n; i++)
		p->held_from[i + 1] += p->held_from[i];
	p->held = checked_calloc(p->held_from[w->nodes_n], sizeof(*p->held));
	size_t *at = checked_calloc(w->nodes_n, sizeof(*at));
	for (size_t c = 0; c < w->contents_n; c++)
		for (size_t h = 0; h < w->contents[c].holders_n; h++) {
			uint32_t node = w->contents[c].holders[h];
			p->held[p->held_from[node] + at[node]++] = (uint32_t)c;
		}
	free(at);
}

/* -- the rules -- */

/* How many of a role a batch may take, beside those that are away. */
static size_t may_take(const struct planning *p, unsigned role)
{
	size_t quota = rollout_quota(p->all_of[role], p->w->batch_permille);
	return quota > p->away_of[role] ? quota - p->away_of[role] : 0;
}

/* Whether another holder of all that the node holds stays outside of the batch. */
static bool leaves_holders(const struct planning *p, uint32_t node, uint32_t batch)
{
	for (size_t i = p->held_from[node]; i < p->held_from[node + 1]; i++) {
		const struct rollout_content *c = &p->w->contents[p->held[i]];
		uint32_t taken = 1;
		for (size_t h = 0; h < c->holders_n; h++)
			taken += p->batch_of[c->holders[h]] == batch;
		/* The only holder: its copy is made when it drains. */
		if (taken > 1 && taken >= p->present[p->held[i]])
			return false;
	}
	return true;
}

static bool leaves_room(const struct planning *p, uint64_t taken)
{
	return p->places - taken >= p->w->sessions;
}

static bool fits(const struct planning *p, uint32_t node, uint32_t batch)
{
	const struct rollout_node *n = &p->w->nodes[node];
	const struct batch *b = &p->batches[batch];
	if (b->zone != n->zone || (n->places > 0 && !leaves_room(p, b->places + n->places)))
		return false;
	for (unsigned r = 0; r < ROLLOUT_ROLES; r++)
		if (n->roles[r] && b->nodes_of[r] >= may_take(p, r))
			return false;
	return leaves_holders(p, node, batch);
}

/* Whether the node can be taken at all; what forbids it alone forbids every batch with it. */
static bool can_go(const struct planning *p, uint32_t node, struct rollout_plan *out)
{
	const struct rollout_node *n = &p->w->nodes[node];
	out->node = node;
	for (unsigned r = 0; r < ROLLOUT_ROLES; r++) {
		if (!n->roles[r] || may_take(p, r) > 0)
			continue;
		out->role = r;
		out->all = p->all_of[r];
		out->away = p->away_of[r];
		out->verdict = p->all_of[r] - p->away_of[r] == 1 ? ROLLOUT_ONLY_NODE : ROLLOUT_MANY_AWAY;
		return false;
	}
	if (n->places == 0 || leaves_room(p, n->places))
		return true;
	out->places = p->places - n->places;
	out->verdict = ROLLOUT_NO_ROOM;
	return false;
}

/* -- filling batches -- */

struct rank {
	uint32_t node, zone;
	size_t lonely; /* of what it holds, how much has one other holder */
};

/* Zone by zone, the hardest to place first. */
static int by_zone_and_need(const void *x, const void *y)
{
	const struct rank *a = x, *b = y;
	if (a->zone != b->zone)
		return a->zone < b->zone ? -1 : 1;
	if (a->lonely != b->lonely)
		return a->lonely > b->lonely ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static struct rank *ranked(const struct planning *p, size_t *n)
{
	struct rank *ranks = checked_calloc(p->w->nodes_n, sizeof(*ranks));
	*n = 0;
	for (uint32_t i = 0; i < p->w->nodes_n; i++) {
		if (p->w->nodes[i].away || p->w->nodes[i].done)
			continue;
		struct rank *r = &ranks[(*n)++];
		*r = (struct rank){ .node = i, .zone = p->w->nodes[i].zone };
		for (size_t h = p->held_from[i]; h < p->held_from[i + 1]; h++)
			r->lonely += p->present[p->held[h]] == 2;
	}
	qsort(ranks, *n, sizeof(*ranks), by_zone_and_need);
	return ranks;
}

static void put(struct planning *p, uint32_t node, uint32_t batch)
{
	const struct rollout_node *n = &p->w->nodes[node];
	struct batch *b = &p->batches[batch];
	for (unsigned r = 0; r < ROLLOUT_ROLES; r++)
		b->nodes_of[r] += n->roles[r];
	b->places += n->places;
	p->batch_of[node] = batch;
}

/* The batches of the present zone begin at `first`. */
static void place(struct planning *p, uint32_t node, uint32_t first)
{
	for (uint32_t b = first; b < p->batches_n; b++)
		if (fits(p, node, b)) {
			put(p, node, b);
			return;
		}
	p->batches[p->batches_n] = (struct batch){ .zone = p->w->nodes[node].zone };
	put(p, node, p->batches_n++);
}

static void fill_batches(struct planning *p, struct rollout_plan *out)
{
	size_t n;
	struct rank *ranks = ranked(p, &n);
	out->verdict = n > 0 ? ROLLOUT_PLANNED : ROLLOUT_NOTHING_TO_DO;
	uint32_t first = 0;
	for (size_t i = 0; i < n && can_go(p, ranks[i].node, out); i++) {
		if (i > 0 && ranks[i].zone != ranks[i - 1].zone)
			first = p->batches_n;
		place(p, ranks[i].node, first);
	}
	free(ranks);
}

void rollout_plan(const struct rollout_wish *w, struct rollout_plan *out)
{
	CHECK(w->nodes_n < ROLLOUT_NO_BATCH && w->batch_permille >= 1 && w->batch_permille <= 1000);
	*out = (struct rollout_plan){ 0 };
	struct planning p = { .w = w };
	p.batches = checked_calloc(w->nodes_n, sizeof(*p.batches));
	p.batch_of = checked_calloc(w->nodes_n, sizeof(*p.batch_of));
	memset(p.batch_of, 0xff, w->nodes_n * sizeof(*p.batch_of));
	count_nodes(&p);
	turn_around(&p);
	fill_batches(&p, out);
	if (out->verdict == ROLLOUT_PLANNED) {
		out->batch_of = p.batch_of;
		out->batches_n = p.batches_n;
	} else {
		free(p.batch_of);
	}
	free(p.batches);
	free(p.held_from);
	free(p.held);
	free(p.present);
}

void rollout_free(struct rollout_plan *p)
{
	free(p->batch_of);
	*p = (struct rollout_plan){ 0 };
}
