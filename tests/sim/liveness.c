/* Liveness: after random faults a connected core is healthy for good, while what is outside of it stays as
 * bad as it is: dead, stopping and going on, restarting, with a full disk, or heard one way only. Faults
 * that are spread evenly hide a protocol that waits for somebody who will never answer; here it stands still.
 *
 * Demanded of the core, in virtual time: from `settle_ms` after the freeze on no core node is anything but
 * alive to another (I11); a write of a core node reaches all of the core within `reach_ms`; and once nobody
 * writes, within `equal_ms` all core replicas are equal (I5) and whoever does not run is down to all.
 */
#include "base/check.h"
#include "kvs/state.h"
#include "sim.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

enum { JUDGE_EVERY_MS = 200, WRITE_EVERY_MS = 2000, STEADY_MS = 12000, ROUNDS_MAX = 64 };

/* At that time every core node wrote a number that is not below `first`. */
struct round {
	uint64_t at_ms, first;
};

struct frozen {
	uint64_t since_ms;
	uint64_t settle_ms, reach_ms, equal_ms; /* bounds */
	struct round rounds[ROUNDS_MAX];
	size_t rounds_n, reached_n;
};

/* -- who is in, and what becomes of the others -- */

static void choose_core(struct sim *s)
{
	size_t want = (size_t)sim_between(s, s->nodes_n < 6 ? 2 : s->nodes_n / 3, s->nodes_n * 4 / 5);
	memset(s->core, 0, sizeof(s->core));
	/* A seed is in it: who knows nobody else must find somebody. */
	s->core[prng_chance(&s->prng, 500) ? 0 : s->nodes_n / 2] = true;
	for (size_t n = 1; n < want;) {
		size_t i = prng_below(&s->prng, s->nodes_n);
		n += !s->core[i];
		s->core[i] = true;
	}
}

/* Pairs of which one is outside are cut one way or both, for good; those within the core are whole. A core
 * node is cut off from few: whom three of its watchers cannot reach is down by the law (R8), and rightly so.
 */
static void cut_for_good(struct sim *s)
{
	enum { CUTS_MAX = 1 };
	unsigned per_mille = (unsigned)sim_between(s, 100, 600);
	size_t cuts[SIM_NODES_MAX] = { 0 };
	memset(s->cut, 0, sizeof(s->cut));
	for (size_t a = 0; a < s->nodes_n; a++) {
		for (size_t b = 0; b < a; b++) {
			size_t in = s->core[a] ? a : b;
			if ((s->core[a] && s->core[b]) || (s->core[in] && cuts[in] == CUTS_MAX))
				continue;
			s->cut[a][b] = prng_chance(&s->prng, per_mille);
			s->cut[b][a] = prng_chance(&s->prng, per_mille);
			cuts[in] += s->cut[a][b] || s->cut[b][a];
		}
	}
	/* Nearly all connections over a cut break; one in a hundred passes messages one way for ever. */
	for (int i = 0; i < 4; i++)
		net_recut(s);
}

static void break_for_good(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	uint64_t how = prng_below(&s->prng, 10);
	n->stalled_ms = n->disk_full_ms = 0;
	if (how < 3) {
		n->dead = true;
		if (n->k != NULL) {
			host_crash(s, node);
			net_forget(s, node, prng_chance(&s->prng, 500));
		}
		sim_say(s, "%zu is dead", node);
		return;
	}
	if (n->k == NULL)
		host_boot(s, node);
	if (how == 3) {
		n->disk_full_ms = UINT64_MAX;
		sim_say(s, "the disk of %zu stays full", node);
	} else if (how <= 5) {
		sim_push(s, 0, SIM_STALL, node);
		sim_say(s, "%zu stops again and again", node);
	} else if (how == 6) {
		n->crash_loop = true;
		sim_push(s, sim_between(s, 1000, 9000), SIM_STALL, node);
		sim_say(s, "%zu crashes again and again", node);
	}
}

void liveness_stall(struct sim *s, size_t node)
{
	struct sim_node *n = &s->nodes[node];
	sim_push(s, sim_between(s, 2000, 15000), SIM_STALL, node);
	if (s->quiet && n->crash_loop)
		return; /* each restart is a write, and all are to become equal */
	if (!n->crash_loop) {
		n->stalled_ms = s->now_ms + sim_between(s, 200, 6000);
	} else if (n->k != NULL) {
		host_crash(s, node);
		net_forget(s, node, false);
		sim_push(s, sim_between(s, 50, 1000), SIM_BOOT, node);
	}
}

void liveness_freeze(struct sim *s)
{
	struct frozen *f = calloc(1, sizeof(*f));
	CHECK(f != NULL);
	s->frozen = f;
	s->healing = true;
	s->cuts_stay = true; /* what is said of those outside never ends */
	const struct kvs_config *c = &s->profile.core;
	uint32_t silence_ms = c->silence_beats * c->heartbeat_interval_ms;
	f->since_ms = s->now_ms;
	/* A last wrong claim, its withdrawal or an answer to it, a new life; and rows that only repair brings. */
	f->settle_ms = 3 * silence_ms + 1000 + 5 * c->repair_interval_ms;
	f->reach_ms = 20 * c->repair_interval_ms;
	/* An owner that is heard but does not hear feeds rows being built anew at a crawl, and until such a one
	 * is whole or given up it is not compared. */
	f->equal_ms = 2 * s->profile.heal_within_ms;
	choose_core(s);
	cut_for_good(s);
	for (size_t i = 0; i < s->nodes_n; i++) {
		struct sim_node *n = &s->nodes[i];
		if (!s->core[i]) {
			break_for_good(s, i);
			continue;
		}
		n->stalled_ms = n->disk_full_ms = 0;
		if (n->k == NULL)
			host_boot(s, i);
		/* It may just have said that it leaves. */
		host_step(s, i, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_READY });
		sim_say(s, "%zu is of the core", i);
	}
	sim_push(s, 0, SIM_JUDGE, 0);
}

void liveness_fini(struct sim *s)
{
	free(s->frozen);
	s->frozen = NULL;
}

/* -- I11: who is down -- */

static const struct sim_node *running_as(const struct sim *s, const struct node_id *id)
{
	for (size_t i = 0; i < s->nodes_n; i++)
		if (s->nodes[i].k != NULL && node_id_eq(&s->nodes[i].id, id))
			return &s->nodes[i];
	return NULL;
}

/* Two who run, outside of the core, claim it: where few watchers live, that is enough, and who is right
 * cannot be known. */
static bool is_down_by_law(const struct sim *s, const struct sim_node *n, const struct node_id *on)
{
	struct node_id by[KVS_CLAIMERS_MAX];
	size_t claims = kvs_claimers(n->k, on, by), outside = 0;
	for (size_t i = 0; i < claims; i++) {
		const struct sim_node *peer = running_as(s, &by[i]);
		outside += peer != NULL && !s->core[peer->index];
	}
	return outside >= 2;
}

/* NULL: that core node knows all of the core, and holds nobody of it for dead. */
static const char *misjudges_core(const struct sim *s, const struct sim_node *n, size_t *about)
{
	size_t found = 0, core = 0;
	for (size_t i = 0; i < kvs_members_n(n->k); i++) {
		struct kvs_member m;
		kvs_member_at(n->k, i, &m);
		const struct sim_node *peer = running_as(s, &m.id);
		if (peer == NULL || !s->core[peer->index])
			continue;
		found++;
		*about = peer->index;
		if (m.reg == NULL || (m.liveness == KVS_DOWN && !is_down_by_law(s, n, &m.id)))
			return "a core node is down to it";
	}
	for (size_t i = 0; i < s->nodes_n; i++)
		core += s->core[i];
	return found == core ? NULL : "it does not know all of the core";
}

static const char *liveness_word(enum kvs_liveness l)
{
	return l == KVS_DOWN ? "down" : l == KVS_SUSPECT ? "suspect" : "alive";
}

static int index_of(const struct sim *s, const struct node_id *id)
{
	const struct sim_node *n = running_as(s, id);
	return n != NULL ? (int)n->index : -1;
}

/* Who accuses whom, as that core node knows it. */
static void say_claims(struct sim *s, const struct sim_node *n)
{
	for (size_t i = 0; i < kvs_members_n(n->k); i++) {
		struct kvs_member m;
		struct node_id by[KVS_CLAIMERS_MAX];
		char text[KVS_CLAIMERS_MAX * 16] = "";
		kvs_member_at(n->k, i, &m);
		size_t claims = kvs_claimers(n->k, &m.id, by), used = 0;
		for (size_t j = 0; j < claims; j++)
			used += (size_t)snprintf(
			    text + used, sizeof(text) - used, " %02x (%d)", by[j].b[0], index_of(s, &by[j]));
		int at = index_of(s, &m.id);
		sim_say(s, "  to node %zu: %02x%02x (node %d%s) is %s, claimed by%s", n->index, m.id.b[0], m.id.b[1],
		    at, at >= 0 && s->core[at] ? ", core" : "", liveness_word(m.liveness),
		    claims == 0 ? " nobody" : text);
	}
}

static void judge_members(struct sim *s)
{
	const struct frozen *f = s->frozen;
	uint64_t passed_ms = s->now_ms - f->since_ms;
	for (size_t i = 0; i < s->nodes_n; i++) {
		size_t about = s->nodes_n;
		const char *wrong = s->core[i] ? misjudges_core(s, &s->nodes[i], &about) : NULL;
		if (wrong == NULL)
			continue;
		if (s->stats.settled_in_ms < passed_ms)
			s->stats.settled_in_ms = passed_ms;
		if (passed_ms < f->settle_ms)
			continue;
		if (!s->failed)
			say_claims(s, &s->nodes[i]);
		sim_fail(s, i, "I11: %llu ms after the freeze %s (%zu)", (unsigned long long)passed_ms, wrong, about);
	}
}

static bool may_return(const struct sim *s, const struct node_id *id)
{
	for (size_t i = 0; i < s->nodes_n; i++)
		if ((s->nodes[i].k != NULL || s->nodes[i].crash_loop) && node_id_eq(&s->nodes[i].id, id))
			return true;
	return false;
}

/* A watcher whose disk is full lives, and may not tell what it claims (R5): to the others it is a witness. */
static bool has_mute_watcher(const struct sim *s, const struct kvs *k, const struct node_id *id)
{
	void *watchers[RING_NEIGHBOURS_MAX];
	size_t n = ring_neighbours(&k->ring, id, NULL, NULL, watchers);
	for (size_t i = 0; i < n; i++) {
		const struct sim_node *w = running_as(s, &((const struct member *)watchers[i])->id);
		if (w != NULL && w->disk_full_ms == UINT64_MAX)
			return true;
	}
	return false;
}

/* A core node to which somebody who does not run is not down; nodes_n: none. Late news of the dead make them
 * seem alive for a while, so this is demanded only where nothing is new any more. */
static size_t believes_the_dead(const struct sim *s, struct node_id *dead)
{
	for (size_t i = 0; i < s->nodes_n; i++) {
		for (size_t j = 0; s->core[i] && j < kvs_members_n(s->nodes[i].k); j++) {
			struct kvs_member m;
			kvs_member_at(s->nodes[i].k, j, &m);
			/* Of whom not even the register came, nobody will make use. */
			bool known = m.reg != NULL && m.reg->state != NODE_LEFT;
			if (m.liveness == KVS_DOWN || !known || may_return(s, &m.id))
				continue;
			if (m.liveness == KVS_SUSPECT && has_mute_watcher(s, s->nodes[i].k, &m.id))
				continue;
			*dead = m.id;
			return i;
		}
	}
	return s->nodes_n;
}

/* -- progress -- */

static void write_round(struct sim *s)
{
	struct frozen *f = s->frozen;
	if (f->rounds_n == ROUNDS_MAX)
		return;
	f->rounds[f->rounds_n++] = (struct round){ s->now_ms, s->value_number };
	for (size_t i = 0; i < s->nodes_n; i++)
		if (s->core[i])
			sim_put(s, i, SIM_MARK, 8);
}

static bool has_round(const struct sim *s, const struct sim_node *n, const struct round *r, size_t *lacks)
{
	for (size_t i = 0; i < s->nodes_n; i++) {
		struct rpc_entry e;
		uint64_t number = 0;
		if (!s->core[i])
			continue;
		*lacks = i;
		if (!kvs_entry_of(n->k, &s->nodes[i].id, RPC_LOCATIONS, BYTES_LIT("k47"), &e) || e.value.n < 8)
			return false;
		memcpy(&number, e.value.p, 8);
		if (number < r->first)
			return false;
	}
	return true;
}

static void judge_progress(struct sim *s)
{
	struct frozen *f = s->frozen;
	uint64_t settled_ms = f->since_ms + f->settle_ms;
	for (; f->reached_n < f->rounds_n; f->reached_n++) {
		const struct round *r = &f->rounds[f->reached_n];
		uint64_t passed_ms = s->now_ms - r->at_ms;
		if (r->at_ms > settled_ms && s->stats.reached_in_ms < passed_ms)
			s->stats.reached_in_ms = passed_ms;
		for (size_t i = 0; i < s->nodes_n; i++) {
			size_t lacks = s->nodes_n;
			if (!s->core[i] || has_round(s, &s->nodes[i], r, &lacks))
				continue;
			if (s->now_ms > (r->at_ms > settled_ms ? r->at_ms : settled_ms) + f->reach_ms)
				sim_fail(s, i, "no progress: a write of core node %zu is lacking after %llu ms", lacks,
				    (unsigned long long)passed_ms);
			return;
		}
	}
}

/* I5, in the core; and the dead are down to it. */
static void judge_end(struct sim *s)
{
	const struct frozen *f = s->frozen;
	struct node_id dead;
	size_t first, other = sim_unlike(s, &first), believer = believes_the_dead(s, &dead);
	uint64_t passed_ms = s->now_ms - s->quiet_ms;
	if (other == s->nodes_n && believer == s->nodes_n) {
		s->done = true;
		s->stats.healed_in_ms = passed_ms;
	} else if (passed_ms > f->equal_ms && other == s->nodes_n) {
		say_claims(s, &s->nodes[believer]);
		sim_fail(s, believer, "%llu ms after the last write who does not run is not down to it",
		    (unsigned long long)passed_ms);
	} else if (passed_ms > f->equal_ms) {
		sim_say_difference(s, first, other);
		sim_fail(s, other,
		    "I5: %llu ms after the last write this core replica is not what that of node %zu is",
		    (unsigned long long)passed_ms, first);
	}
}

void liveness_judge(struct sim *s)
{
	const struct frozen *f = s->frozen;
	uint64_t passed_ms = s->now_ms - f->since_ms;
	judge_members(s);
	judge_progress(s);
	if (!s->quiet && passed_ms >= f->settle_ms + STEADY_MS) {
		s->quiet = true;
		s->quiet_ms = s->now_ms;
		sim_say(s, "nobody writes any more");
	}
	if (s->quiet && f->reached_n == f->rounds_n)
		judge_end(s);
	else if (!s->quiet && passed_ms % WRITE_EVERY_MS == 0)
		write_round(s);
	sim_push(s, JUDGE_EVERY_MS, SIM_JUDGE, 0);
}
