/* Broadcast alone: nobody crashes and replicas are hardly ever compared, some messages are lost. What is
 * written must reach everybody by pushes, announcements and pulls (R6), in time and at little cost, so that
 * a rule of the tree that is broken is seen: elsewhere the comparison of replicas makes up for it.
 *
 * Demanded: each write is with all nodes within `reach_ms`; and per write and node no more than so many
 * frames, and so many pulls.
 */
#include "base/check.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum {
	JUDGE_EVERY_MS = 20,
	WARM_MS = 20000, /* links come up, trees form */
	MEASURE_MS = 30000,
	WRITES_MAX = 1024,
};

struct write {
	uint64_t at_ms, number;
	size_t owner;
};

struct broadcast {
	struct write writes[WRITES_MAX];
	size_t writes_n, reached_n;
	uint64_t next_ms, measured_ms;
	struct kvs_counters before;
	size_t before_n;
};

void broadcast_profile(struct sim *s)
{
	struct sim_profile *p = &s->profile;
	p->latency_min_ms = (uint32_t)sim_between(s, 0, 5);
	p->latency_max_ms = p->latency_min_ms + (uint32_t)sim_between(s, 0, 5);
	p->jitter_per_mille = p->duplicate_per_mille = p->full_per_mille = 0;
	p->loss_per_mille = prng_chance(&s->prng, 300) ? 0 : 30;
	p->store_min_ms = 1;
	p->store_max_ms = 3;
	p->window = KVS_LINK_WINDOW;
	p->one_build = true;
	p->core = (struct kvs_config){ .repair_interval_ms = 3600 * 1000, .mesh_max = 1 };
}

void broadcast_fini(struct sim *s)
{
	free(s->broadcast);
	s->broadcast = NULL;
}

static void count(const struct sim *s, struct kvs_counters *sum)
{
	*sum = (struct kvs_counters){ 0 };
	for (size_t i = 0; i < s->nodes_n; i++) {
		struct kvs_counters c;
		kvs_count(s->nodes[i].k, &c);
		sum->frames_applied += c.frames_applied;
		sum->frames_duplicate += c.frames_duplicate;
		sum->pulls += c.pulls;
	}
}

static void write_one(struct sim *s)
{
	struct broadcast *b = s->broadcast;
	size_t owner = prng_below(&s->prng, s->nodes_n);
	CHECK(b->writes_n < WRITES_MAX);
	b->writes[b->writes_n++] = (struct write){ s->now_ms, s->value_number, owner };
	sim_put(s, owner, SIM_MARK, 8);
	b->next_ms = s->now_ms + (s->now_ms < WARM_MS ? sim_between(s, 20, 60) : sim_between(s, 50, 250));
}

static bool is_everywhere(const struct sim *s, const struct write *w, size_t *lacks)
{
	for (size_t i = 0; i < s->nodes_n; i++) {
		struct rpc_entry e;
		uint64_t number = 0;
		*lacks = i;
		if (!kvs_entry_of(s->nodes[i].k, &s->nodes[w->owner].id, RPC_LOCATIONS, BYTES_LIT("k47"), &e) ||
		    e.value.n < 8)
			return false;
		memcpy(&number, e.value.p, 8);
		if (number < w->number)
			return false;
	}
	return true;
}

static void judge_reach(struct sim *s)
{
	struct broadcast *b = s->broadcast;
	size_t lacks;
	/* Five tries of a pull that all fail are rarer than all the seeds that run. */
	uint64_t reach_ms = s->profile.loss_per_mille > 0 ? 4000 : 500;
	for (; b->reached_n < b->writes_n; b->reached_n++) {
		const struct write *w = &b->writes[b->reached_n];
		uint64_t passed_ms = s->now_ms - w->at_ms;
		bool warm = w->at_ms > WARM_MS;
		if (!is_everywhere(s, w, &lacks)) {
			if (warm && passed_ms > reach_ms)
				sim_fail(s, lacks, "R6: a write of node %zu is lacking after %llu ms", w->owner,
				    (unsigned long long)passed_ms);
			return;
		}
		if (warm && s->stats.reached_in_ms < passed_ms)
			s->stats.reached_in_ms = passed_ms;
	}
}

/* Per 1,000 writes and nodes. */
static uint64_t per_mille(const struct sim *s, uint64_t n)
{
	const struct broadcast *b = s->broadcast;
	return n * 1000 / ((b->writes_n - b->before_n) * (s->nodes_n - 1));
}

static void judge_cost(struct sim *s)
{
	struct broadcast *b = s->broadcast;
	struct kvs_counters now;
	count(s, &now);
	uint64_t frames =
	    now.frames_applied + now.frames_duplicate - b->before.frames_applied - b->before.frames_duplicate;
	uint64_t copies = per_mille(s, frames), pulls = per_mille(s, now.pulls - b->before.pulls);
	bool lossy = s->profile.loss_per_mille > 0;
	sim_say(s, "%llu copies, %llu pulls per 1,000", (unsigned long long)copies, (unsigned long long)pulls);
	if (s->stats.copies < copies)
		s->stats.copies = copies;
	if (s->stats.pulls < pulls)
		s->stats.pulls = pulls;
	if (copies > (lossy ? 1130 : 1020))
		sim_fail(s, 0, "R6: %llu frames for 1,000 writes at a node", (unsigned long long)copies);
	if (pulls > (lossy ? 150 : 10))
		sim_fail(s, 0, "R6: %llu pulls for 1,000 writes at a node", (unsigned long long)pulls);
	s->done = true;
}

void broadcast_judge(struct sim *s)
{
	if (s->broadcast == NULL) {
		s->broadcast = calloc(1, sizeof(*s->broadcast));
		CHECK(s->broadcast != NULL);
		s->broadcast->next_ms = WARM_MS / 4;
	}
	struct broadcast *b = s->broadcast;
	s->healing = s->now_ms < WARM_MS; /* what is lost while nodes meet only a comparison finds */
	judge_reach(s);
	if (b->measured_ms == 0 && s->now_ms >= WARM_MS) {
		b->measured_ms = s->now_ms;
		b->before_n = b->writes_n;
		count(s, &b->before);
	}
	if (s->now_ms < WARM_MS + MEASURE_MS && s->now_ms >= b->next_ms)
		write_one(s);
	if (s->now_ms >= WARM_MS + MEASURE_MS && b->reached_n == b->writes_n)
		judge_cost(s);
	sim_push(s, JUDGE_EVERY_MS, SIM_JUDGE, 0);
}
