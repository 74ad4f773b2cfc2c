/* What goes wrong, and how often: drawn from the seed. */
#include "sim.h"

#include <string.h>

static uint32_t pick(struct sim *s, const uint32_t *of, size_t n)
{
	return of[prng_below(&s->prng, n)];
}
#define PICK(s, ...) \
	pick((s), (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

void faults_profile(struct sim *s)
{
	struct sim_profile *p = &s->profile;
	p->latency_min_ms = (uint32_t)sim_between(s, 0, 5);
	p->latency_max_ms = p->latency_min_ms + PICK(s, 0, 3, 20, 80);
	p->jitter_per_mille = PICK(s, 0, 20, 200);
	p->loss_per_mille = PICK(s, 0, 10, 50, 250);
	p->duplicate_per_mille = PICK(s, 0, 10, 100);
	p->store_min_ms = (uint32_t)sim_between(s, 0, 3);
	p->store_max_ms = p->store_min_ms + PICK(s, 1, 20, 300);
	p->full_per_mille = PICK(s, 0, 0, 50, 300);
	p->window = PICK(s, 80 * 1024, KVS_LINK_WINDOW);
	p->before_per_mille = PICK(s, 0, 0, 250, 500);
	p->next_per_mille = PICK(s, 0, 100, 300);
	p->write_every_ms = PICK(s, 60, 150, 300);
	p->fault_every_ms = PICK(s, 700, 1500, 4000);
	p->keys = PICK(s, 4, 12, SIM_MARK);
	p->value_max = PICK(s, 8, 60, 600);
	p->delete_per_mille = PICK(s, 100, 400, 600);
	p->faults_until_ms =
	    (uint32_t)(s->mode == SIM_SAFETY ? sim_between(s, 25000, 45000) : sim_between(s, 10000, 20000));
	struct kvs_config *c = &p->core;
	c->repair_interval_ms = PICK(s, 500, 1000, 2000);
	c->heartbeat_interval_ms = PICK(s, 500, 1000, 1500);
	c->silence_beats = PICK(s, 4, 6);
	c->announce_ms = PICK(s, 50, 100, 400);
	c->pull_wait_ms = PICK(s, 5, 30, 200);
	c->pull_retry_ms = PICK(s, 20, 50, 200);
	c->mesh_max = PICK(s, 1, 11, 64);
	c->digest_rows = PICK(s, 3, 20, 0);
	c->frame_bytes = PICK(s, 100, 300, 0);
	c->exchange_bytes = PICK(s, 500, 3000, 0);
	c->batch_bytes = PICK(s, 100, 2000, 0);
	c->tombstones_min = PICK(s, 1, 2, 5, 16);
	p->heal_within_ms = 60 * c->repair_interval_ms + 8 * c->silence_beats * c->heartbeat_interval_ms;
}

static size_t random_node(struct sim *s)
{
	return prng_below(&s->prng, s->nodes_n);
}

/* Crashes gather on a few, so that some restart often enough to forget an ancestor. */
static size_t unlucky_node(struct sim *s)
{
	return prng_below(&s->prng, prng_chance(&s->prng, 500) ? 3 : s->nodes_n) % s->nodes_n;
}

/* A backup is what the disk held while its node ran; some grow old. */
static void back_up(struct sim *s)
{
	struct sim_node *n = &s->nodes[unlucky_node(s)];
	if (n->k == NULL || (n->has_backup && prng_chance(&s->prng, 900)))
		return;
	disk_copy(&n->backup, &n->disk);
	n->has_backup = true;
}

static void crash(struct sim *s)
{
	size_t i = unlucky_node(s);
	struct sim_node *n = &s->nodes[i];
	if (n->k == NULL)
		return;
	uint64_t how = prng_below(&s->prng, 100);
	bool host = how < 50;
	host_crash(s, i);
	net_forget(s, i, host);
	s->stats.crashes++;
	const char *what = host ? "host crash" : "process crash";
	if (host)
		disk_drop_view(&n->disk);
	if (how % 10 == 0) {
		what = "wiped disk";
		host_wipe(s, i);
	} else if (how % 10 <= 2 && n->has_backup) {
		what = "restored disk";
		disk_copy(&n->disk, &n->backup);
		n->dishonest = true;
		s->stats.restores++;
	}
	sim_say(s, "%s at %zu", what, i);
	sim_push(s, sim_between(s, 50, prng_chance(&s->prng, 200) ? 15000 : 3000), SIM_BOOT, i);
}

/* A backup, writes after it, and back: while replicas have them half, the owner forgets them. */
static void plan_restore(struct sim *s)
{
	struct sim_node *n = &s->nodes[unlucky_node(s)];
	if (n->k == NULL)
		return;
	disk_copy(&n->backup, &n->disk);
	n->has_backup = true;
	for (int i = 0; i < 3; i++) {
		struct sim_event *e = sim_push(s, prng_below(&s->prng, 500), SIM_WRITE, n->index);
		e->flag = true;
	}
	sim_push(s, sim_between(s, 300, 3000), SIM_RESTORE, n->index);
}

void faults_restore(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	if (n->k == NULL || s->healing)
		return;
	sim_say(s, "crash and restored disk at %zu", node);
	host_crash(s, node);
	net_forget(s, node, false);
	disk_copy(&n->disk, &n->backup);
	n->dishonest = true;
	s->stats.crashes++;
	s->stats.restores++;
	sim_push(s, sim_between(s, 50, 500), SIM_BOOT, node);
}

static void cut(struct sim *s)
{
	s->stats.cuts++;
	switch (prng_below(&s->prng, 4)) {
	case 0: { /* one way between two */
		size_t a = random_node(s), b = random_node(s);
		if (a != b)
			s->cut[a][b] = true;
		sim_say(s, "cut %zu -> %zu", a, b);
		break;
	}
	case 1: { /* one node from all */
		size_t a = random_node(s);
		for (size_t b = 0; b < s->nodes_n; b++)
			if (b != a)
				s->cut[a][b] = s->cut[b][a] = true;
		sim_say(s, "cut off %zu", a);
		break;
	}
	case 2: { /* two halves */
		bool side[SIM_NODES_MAX];
		for (size_t a = 0; a < s->nodes_n; a++)
			side[a] = prng_chance(&s->prng, 500);
		for (size_t a = 0; a < s->nodes_n; a++)
			for (size_t b = 0; b < s->nodes_n; b++)
				if (side[a] != side[b])
					s->cut[a][b] = true;
		sim_say(s, "partition");
		break;
	}
	default:
		memset(s->cut, 0, sizeof(s->cut));
		sim_say(s, "cuts healed");
		break;
	}
	net_recut(s);
}

static void jump(struct sim *s)
{
	size_t i = random_node(s);
	uint64_t by_ms = sim_between(s, 100, prng_chance(&s->prng, 100) ? 3600 * 1000 : 20000);
	sim_say(s, "the clock of %zu jumps by %llu ms", i, (unsigned long long)by_ms);
	s->stats.clock_jumps++;
	host_jump(s, i, by_ms);
}

static void leave(struct sim *s)
{
	struct sim_node *n = &s->nodes[random_node(s)];
	if (n->k == NULL || s->now_ms < n->stalled_ms)
		return;
	sim_say(s, "%zu leaves", n->index);
	s->stats.leaves++;
	host_step(s, n->index, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_LEFT });
	sim_push(s, sim_between(s, 0, 2000), SIM_LEAVE, n->index);
}

void faults_left(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	if (n->k == NULL || s->healing)
		return;
	host_stop(s, node);
	net_bye(s, node);
	/* Another machine takes its place, or it comes back. */
	if (prng_chance(&s->prng, 400))
		host_wipe(s, node);
	sim_push(s, sim_between(s, 50, 8000), SIM_BOOT, node);
}

void faults_one(struct sim *s)
{
	back_up(s);
	switch (prng_below(&s->prng, 16)) {
	case 8:
	case 14:
	case 15: plan_restore(s); break;
	case 9:
		if (prng_chance(&s->prng, 300))
			clone_one(s);
		break;
	case 10:
	case 11: net_clog(s); break;
	case 12: jump(s); break;
	case 13: leave(s); break;
	case 0:
	case 1:
	case 2: crash(s); break;
	case 3:
	case 4: cut(s); break;
	case 5: memset(s->cut, 0, sizeof(s->cut)); break;
	case 6: {
		struct sim_node *n = &s->nodes[random_node(s)];
		n->stalled_ms = s->now_ms + sim_between(s, 100, 6000);
		sim_say(s, "stall %zu until %llu", n->index, (unsigned long long)n->stalled_ms);
		break;
	}
	default: {
		struct sim_node *n = &s->nodes[random_node(s)];
		n->disk_full_ms = s->now_ms + sim_between(s, 100, 6000);
		sim_say(s, "disk of %zu full until %llu", n->index, (unsigned long long)n->disk_full_ms);
		break;
	}
	}
}

/* In some seeds many pairs never meet again: progress must come through others. Neighbours in a ring of
 * the living stay, and host 0, a seed: who knows nobody else must find somebody. What is said
 * of who hears whom never ends then, and only locations are compared. */
static void keep_cuts(struct sim *s)
{
	unsigned per_mille = prng_chance(&s->prng, 500) ? 700 : 250;
	s->cuts_stay = true;
	size_t living[SIM_NODES_MAX], n = 0;
	for (size_t i = 0; i < s->nodes_n; i++)
		if (!s->nodes[i].dead)
			living[n++] = i;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 2; j < n; j++)
			if (living[i] != 0 && prng_chance(&s->prng, per_mille))
				s->cut[living[i]][living[j]] = true;
	sim_say(s, "cuts stay");
	net_recut(s);
}

/* Twins need a third to hear of each other: two processes with one id keep no link. */
static bool one_may_die(const struct sim *s)
{
	enum { LIVING_MIN = 4 };
	size_t n = 0;
	for (size_t i = 0; i < s->nodes_n; i++)
		n += !s->nodes[i].dead;
	return s->clones_n == 0 || n > LIVING_MIN;
}

void faults_heal(struct sim *s)
{
	s->healing = s->quiet = true;
	memset(s->cut, 0, sizeof(s->cut));
	/* In some seeds many die at once, and with them what only they knew. */
	unsigned die_per_mille = prng_chance(&s->prng, 300) ? 600 : 0;
	for (size_t i = 1; i < s->nodes_n; i++) {
		if (s->nodes[i].k == NULL || !prng_chance(&s->prng, die_per_mille) || !one_may_die(s))
			continue;
		host_crash(s, i);
		net_forget(s, i, true);
		s->nodes[i].dead = true;
	}
	for (size_t i = 0; i < s->nodes_n; i++) {
		struct sim_node *n = &s->nodes[i];
		n->stalled_ms = n->disk_full_ms = 0;
		/* Not everybody comes back. */
		if (n->k == NULL && i != 0 && !n->dead && prng_chance(&s->prng, 300) && one_may_die(s))
			n->dead = true;
		else if (n->k == NULL && !n->dead)
			host_boot(s, i);
	}
	if (prng_chance(&s->prng, 300))
		keep_cuts(s);
	sim_say(s, "healed");
	sim_push(s, 0, SIM_JUDGE, 0);
}
