#include "kvs/claims.h"

#include "base/check.h"
#include "kvs/members.h"
#include "kvs/verdict.h"
#include "kvs/watch.h"

#include <stdlib.h>
#include <string.h>

/* A node watches RING_NEIGHBOURS_MAX; more stand in its row while the ring changes. */
enum { CLAIMS_MAX = 4 * RING_NEIGHBOURS_MAX, DECODE_BYTES = 4096 };

/* When more than a few are accused, so many of them make the next verdict wait for a millisecond: if half of
 * a great cluster is cut off, its claims come one after the other, and a verdict on all of them each time
 * would take all of this node's time. */
enum { ACCUSED_FEW = 32, ACCUSED_PER_MS = 8 };

/* What is looked at in one verdict: members with claims on them, and their watchers. */
struct hearing {
	struct kvs *k;
	struct verdict_node *nodes;
	struct member **members;
	size_t n, nodes_cap, members_cap;
	uint32_t *listed;
	size_t listed_n, listed_cap;
};

/* -- reading -- */

static size_t read_all(const struct row *control, struct member_claim out[CLAIMS_MAX])
{
	struct arena a;
	arena_init(&a, DECODE_BYTES);
	struct rpc_entry e;
	size_t n = 0;
	uint64_t former_runs = control->ancestors_n > 0 ? control->ancestors[0].version : 0;
	for (size_t at = row_after(control, former_runs); n < CLAIMS_MAX && row_next(control, &at, &e);) {
		struct rpc_claim c;
		if (e.deleted || !rpc_claim_key_split(e.key, &out[n].on))
			continue;
		arena_reset(&a);
		if (rpc_decode_claim(e.value, &a, &c) != OK)
			continue; /* of a later version: nothing follows from it here */
		out[n].incarnation = c.incarnation;
		out[n].answer = c.answer;
		out[n++].life = c.life;
	}
	arena_fini(&a);
	return n;
}

static bool equal(const struct member *m, const struct member_claim *claims, size_t n)
{
	if (m->claims_n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!node_id_eq(&m->claims[i].on, &claims[i].on) || m->claims[i].life != claims[i].life ||
		    m->claims[i].answer != claims[i].answer ||
		    incarnation_cmp(m->claims[i].incarnation, claims[i].incarnation) != 0)
			return false;
	return true;
}

/* Sorted by id, as all that is walked. */
static size_t claimers_lower(const struct kvs *k, const struct member *m)
{
	size_t low = 0, high = k->claimers_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (node_id_cmp(&k->claimers[mid]->id, &m->id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void set_claimer(struct kvs *k, struct member *m, bool claims)
{
	if ((m->claims_n > 0) == claims)
		return;
	struct member **at;
	if (claims) {
		k->claimers = kvs_grow(k->claimers, &k->claimers_cap, k->claimers_n + 1, sizeof(struct member *));
		at = k->claimers + claimers_lower(k, m);
		memmove(at + 1, at, (size_t)(k->claimers + k->claimers_n++ - at) * sizeof(struct member *));
		*at = m;
	} else {
		at = k->claimers + claimers_lower(k, m);
		memmove(at, at + 1, (size_t)(k->claimers + --k->claimers_n - at) * sizeof(struct member *));
	}
}

void claims_read(struct kvs *k, struct member *m, const struct row *control)
{
	struct member_claim claims[CLAIMS_MAX];
	size_t n = read_all(control, claims);
	if (equal(m, claims, n))
		return;
	set_claimer(k, m, n > 0);
	free(m->claims);
	m->claims = NULL;
	if (n > 0) {
		m->claims = calloc(n, sizeof(*m->claims));
		CHECK(m->claims != NULL);
		memcpy(m->claims, claims, n * sizeof(*m->claims));
	}
	m->claims_n = (uint8_t)n;
	k->claims_stale = true;
}

void claims_changed(struct kvs *k)
{
	k->claims_stale = true;
}

void claims_free(struct member *m)
{
	free(m->claims);
}

/* -- judging -- */

static uint32_t slot_of(struct hearing *h, struct member *m)
{
	if (m->hearing_slot > 0)
		return m->hearing_slot - 1;
	h->nodes = kvs_grow(h->nodes, &h->nodes_cap, h->n + 1, sizeof(*h->nodes));
	h->members = kvs_grow(h->members, &h->members_cap, h->n + 1, sizeof(struct member *));
	h->nodes[h->n] = (struct verdict_node){ 0 };
	h->members[h->n] = m;
	m->hearing_slot = (uint32_t)++h->n;
	return m->hearing_slot - 1;
}

/* Its watchers come in with it. */
static uint32_t listed_slot(struct hearing *h, struct member *m)
{
	uint32_t slot = slot_of(h, m);
	if (h->nodes[slot].watchers_n > 0)
		return slot;
	void *watchers[RING_NEIGHBOURS_MAX];
	size_t n = ring_neighbours(&h->k->ring, &m->id, NULL, NULL, watchers);
	for (size_t i = 0; i < n; i++) {
		uint32_t at = slot_of(h, watchers[i]);
		h->nodes[slot].watchers[i] = at;
	}
	h->nodes[slot].watchers_n = (uint8_t)n;
	h->listed = kvs_grow(h->listed, &h->listed_cap, h->listed_n + 1, sizeof(*h->listed));
	h->listed[h->listed_n++] = slot;
	return slot;
}

static bool is_listed(const struct hearing *h, const struct member *m)
{
	return m->hearing_slot > 0 && h->nodes[m->hearing_slot - 1].watchers_n > 0;
}

static bool stands(const struct member_claim *c, const struct member *on)
{
	int order = incarnation_cmp(c->incarnation, on->incarnation);
	return on->in_ring && (order > 0 || (order == 0 && c->life >= on->reg->life));
}

static bool is_of_this_run(const struct member_claim *c, const struct member *on)
{
	return on->in_ring && incarnation_cmp(c->incarnation, on->incarnation) >= 0;
}

static void list_claim(struct hearing *h, const struct member *by, struct member *on, bool is_standing)
{
	uint32_t slot = listed_slot(h, on);
	struct verdict_node *node = &h->nodes[slot];
	for (size_t w = 0; w < node->watchers_n; w++) {
		if (h->members[node->watchers[w]] != by)
			continue;
		if (is_standing)
			node->claims = (uint16_t)(node->claims | 1u << w);
		else
			node->former = (uint16_t)(node->former | 1u << w);
	}
}

static void list_claims(struct hearing *h)
{
	for (size_t i = 0; i < h->k->claimers_n; i++) {
		struct member *by = h->k->claimers[i];
		for (size_t j = 0; by->in_ring && j < by->claims_n; j++) {
			struct member *on = members_find(h->k, &by->claims[j].on);
			if (on != NULL && on != by && is_of_this_run(&by->claims[j], on))
				list_claim(h, by, on, stands(&by->claims[j], on));
		}
	}
}

bool claims_accuses(const struct member *by, const struct member *on)
{
	for (size_t i = 0; i < by->claims_n; i++)
		if (node_id_eq(&by->claims[i].on, &on->id) && !by->claims[i].answer && stands(&by->claims[i], on))
			return true;
	return false;
}

size_t claims_on(const struct kvs *k, const struct member *m, struct node_id out[KVS_CLAIMERS_MAX])
{
	_Static_assert((int)KVS_CLAIMERS_MAX == (int)RING_NEIGHBOURS_MAX, "all watchers may claim");
	void *watchers[RING_NEIGHBOURS_MAX];
	size_t n = m->in_ring ? ring_neighbours(&k->ring, &m->id, NULL, NULL, watchers) : 0, claims = 0;
	for (size_t i = 0; i < n; i++) {
		const struct member *by = watchers[i];
		for (size_t j = 0; j < by->claims_n; j++)
			if (node_id_eq(&by->claims[j].on, &m->id) && stands(&by->claims[j], m))
				out[claims++] = by->id;
	}
	return claims;
}

void claims_judge(struct kvs *k)
{
	if (!k->claims_stale)
		return;
	if (k->now_ms < k->verdict_ms) {
		if (!timer_armed(&k->verdict.t))
			timers_arm(&k->timers, &k->verdict.t, k->verdict_ms);
		return;
	}
	k->claims_stale = false;
	struct hearing h = { .k = k };
	list_claims(&h);
	verdict_all(h.nodes, h.n, h.listed, h.listed_n);
	for (size_t i = 0; i < k->accused_n; i++)
		if (!is_listed(&h, k->accused[i]))
			members_judged(k, k->accused[i], 0, false);
	k->accused_n = 0;
	k->counters.claims_standing = 0;
	for (size_t i = 0; i < h.listed_n; i++) {
		const struct verdict_node *node = &h.nodes[h.listed[i]];
		struct member *m = h.members[h.listed[i]];
		k->accused = kvs_grow(k->accused, &k->accused_cap, k->accused_n + 1, sizeof(struct member *));
		k->accused[k->accused_n++] = m;
		unsigned claims_n = (unsigned)__builtin_popcount(node->claims);
		k->counters.claims_standing += claims_n;
		members_judged(k, m, claims_n, node->down);
	}
	for (size_t i = 0; i < h.n; i++)
		h.members[i]->hearing_slot = 0;
	k->verdict_ms = k->now_ms + (h.listed_n > ACCUSED_FEW ? h.listed_n / ACCUSED_PER_MS : 0);
	watch_accused(k);
	free(h.nodes);
	free(h.members);
	free(h.listed);
}
