/* A cloned disk: two processes run under one id. Each sees what the other says as its own id under a later
 * incarnation and jumps above it, until one has jumped too often: it is told (KVS_EVENT_DUPLICATE_ID), writes
 * no more, and is started again as a new id. */
#include "sim.h"

void clone_one(struct sim *s)
{
	enum { NODES_MIN = 5 };
	size_t from = prng_below(&s->prng, s->nodes_n), to = prng_below(&s->prng, s->nodes_n);
	struct sim_node *n = &s->nodes[from], *twin = &s->nodes[to];
	/* A disk that the process has not vouched for yet may be a restored one, which is another fault. */
	if (s->nodes_n < NODES_MIN || from == to || s->mode != SIM_SAFETY || n->k == NULL || n->dishonest ||
	    s->clones_n == SIM_CLONES_MAX)
		return;
	s->clones[s->clones_n++] = n->id;
	s->stats.clones++;
	s->stats.wipes++; /* the id that was there is gone */
	if (twin->k != NULL) {
		host_crash(s, to);
		net_forget(s, to, false);
	}
	disk_copy(&twin->disk, &n->disk);
	twin->has_backup = n->has_backup = false;
	twin->dishonest = true; /* what the other stored since is not on it */
	sim_say(s, "disk of %zu cloned to %zu", from, to);
	sim_push(s, sim_between(s, 50, 2000), SIM_BOOT, to);
}

bool clone_told(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	bool cloned = false;
	for (size_t i = 0; i < s->clones_n; i++)
		cloned = cloned || node_id_eq(&s->clones[i], &n->id);
	if (!cloned)
		return false;
	s->stats.duplicates++;
	sim_push(s, sim_between(s, 50, 3000), SIM_RENEW, node)->boot = n->boot;
	return true;
}

void clone_renew(struct sim *s, const struct sim_event *e)
{
	struct sim_node *n = &s->nodes[e->node];
	if (n->k == NULL || n->boot != e->boot)
		return;
	sim_say(s, "%zu starts again as a new id", e->node);
	host_crash(s, e->node);
	net_forget(s, e->node, false);
	host_wipe(s, e->node);
	sim_push(s, sim_between(s, 50, 500), SIM_BOOT, e->node);
}

bool clone_lives(const struct sim *s)
{
	for (size_t i = 0; i < s->nodes_n; i++)
		for (size_t j = 0; j < i; j++)
			if (s->nodes[i].k != NULL && s->nodes[j].k != NULL &&
			    node_id_eq(&s->nodes[i].id, &s->nodes[j].id))
				return true;
	return false;
}
