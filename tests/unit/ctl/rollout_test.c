/* Batches of a rollout, held against each rule by a check that shares nothing with the planner. */
#include "base/prng.h"
#include "ctl/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { API, DELIVERY };

/* A cluster with its contents, on the heap. */
struct cluster {
	struct rollout_node *nodes;
	struct rollout_content *contents;
	uint32_t *holders;
	struct rollout_wish wish;
};

struct shape {
	uint32_t api, delivery, zones;
	uint32_t contents, holders_max;
	unsigned away_permille, done_permille;
};

static uint32_t below(struct prng *p, uint32_t n)
{
	return (uint32_t)prng_below(p, n);
}

static struct cluster cluster_of(const struct shape *s, struct prng *prng)
{
	struct cluster c = { 0 };
	uint32_t n = s->api + s->delivery;
	c.nodes = calloc(n, sizeof(*c.nodes));
	c.contents = calloc(s->contents + 1, sizeof(*c.contents));
	c.holders = calloc((size_t)s->contents * s->holders_max + 1, sizeof(*c.holders));
	assert_true(c.nodes != NULL && c.contents != NULL && c.holders != NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct rollout_node *node = &c.nodes[i];
		node->roles[API] = i < s->api;
		node->roles[DELIVERY] = i >= s->api;
		node->zone = below(prng, s->zones);
		node->away = below(prng, 1000) < s->away_permille;
		node->done = below(prng, 1000) < s->done_permille;
		node->places = node->roles[DELIVERY] ? 100 + below(prng, 900) : 0;
	}
	for (uint32_t i = 0; i < s->contents; i++) {
		uint32_t *h = &c.holders[(size_t)i * s->holders_max];
		uint32_t wanted = 1 + below(prng, s->holders_max), got = 0;
		for (uint32_t tries = 0; tries < wanted; tries++) {
			uint32_t node = s->api + below(prng, s->delivery), same = 0;
			while (same < got && h[same] != node)
				same++;
			if (same == got)
				h[got++] = node;
		}
		c.contents[i] = (struct rollout_content){ h, got };
	}
	c.wish = (struct rollout_wish){ c.nodes, n, c.contents, s->contents, 250, 0 };
	return c;
}

static void cluster_free(struct cluster *c)
{
	free(c->nodes);
	free(c->contents);
	free(c->holders);
}

/* -- the independent check -- */

static void check_roles(const struct rollout_wish *w, const struct rollout_plan *p, uint32_t batch)
{
	for (unsigned r = 0; r < ROLLOUT_ROLES; r++) {
		size_t all = 0, gone = 0;
		bool taken = false;
		for (size_t i = 0; i < w->nodes_n; i++) {
			all += w->nodes[i].roles[r];
			gone += w->nodes[i].roles[r] && (w->nodes[i].away || p->batch_of[i] == batch);
			taken |= w->nodes[i].roles[r] && p->batch_of[i] == batch;
		}
		if (!taken)
			continue;
		assert_true(gone < all);
		assert_true(gone == 1 || gone * 1000 <= all * w->batch_permille);
	}
}

static void check_zone_and_room(const struct rollout_wish *w, const struct rollout_plan *p, uint32_t batch)
{
	uint64_t left = 0;
	uint32_t zone = UINT32_MAX;
	bool takes_places = false;
	for (size_t i = 0; i < w->nodes_n; i++) {
		if (p->batch_of[i] == batch) {
			assert_true(zone == UINT32_MAX || zone == w->nodes[i].zone);
			zone = w->nodes[i].zone;
			takes_places |= w->nodes[i].places > 0;
		} else if (!w->nodes[i].away) {
			left += w->nodes[i].places;
		}
	}
	assert_true(!takes_places || left >= w->sessions);
}

/* Whoever goes leaves another holder behind, unless there is no other. */
static void check_contents(const struct rollout_wish *w, const struct rollout_plan *p)
{
	for (size_t c = 0; c < w->contents_n; c++) {
		const struct rollout_content *content = &w->contents[c];
		for (size_t g = 0; g < content->holders_n; g++) {
			uint32_t goes = content->holders[g];
			size_t others = 0, stay = 0;
			for (size_t h = 0; h < content->holders_n; h++) {
				uint32_t other = content->holders[h];
				if (other == goes || w->nodes[other].away)
					continue;
				others++;
				stay += p->batch_of[other] != p->batch_of[goes];
			}
			assert_true(p->batch_of[goes] == ROLLOUT_NO_BATCH || others == 0 || stay > 0);
		}
	}
}

static void check(const struct rollout_wish *w, const struct rollout_plan *p)
{
	for (size_t i = 0; i < w->nodes_n; i++) {
		if (w->nodes[i].away || w->nodes[i].done)
			assert_int_equal(p->batch_of[i], ROLLOUT_NO_BATCH);
		else
			assert_true(p->batch_of[i] < p->batches_n);
	}
	for (uint32_t b = 0; b < p->batches_n; b++) {
		check_roles(w, p, b);
		check_zone_and_room(w, p, b);
	}
	check_contents(w, p);
}

/* A refusal has to be true, too. */
static void check_refusal(const struct rollout_wish *w, const struct rollout_plan *p)
{
	size_t all = 0, away = 0;
	uint64_t left = 0;
	for (size_t i = 0; i < w->nodes_n; i++) {
		all += w->nodes[i].roles[p->role];
		away += w->nodes[i].roles[p->role] && w->nodes[i].away;
		left += i != p->node && !w->nodes[i].away ? w->nodes[i].places : 0;
	}
	assert_null(p->batch_of);
	switch (p->verdict) {
	case ROLLOUT_ONLY_NODE: assert_int_equal(all - away, 1); break;
	case ROLLOUT_MANY_AWAY: assert_true(away > 0 && (away + 1) * 1000 > all * w->batch_permille); break;
	case ROLLOUT_NO_ROOM:
		assert_int_equal(left, p->places);
		assert_true(left < w->sessions);
		break;
	default: assert_int_equal(p->verdict, ROLLOUT_NOTHING_TO_DO);
	}
}

/* -- tests -- */

static void plans_keep_every_rule(void **state)
{
	(void)state;
	unsigned planned = 0, refused = 0;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct prng prng;
		prng_init(&prng, seed);
		struct shape s = { 1 + below(&prng, 8), 1 + below(&prng, 40), 1 + below(&prng, 6), below(&prng, 400),
			1 + below(&prng, 5), below(&prng, 3) == 0 ? 60 : 0, below(&prng, 3) == 0 ? 400 : 0 };
		struct cluster c = cluster_of(&s, &prng);
		uint64_t places = 0;
		for (size_t i = 0; i < c.wish.nodes_n; i++)
			places += c.nodes[i].away ? 0 : c.nodes[i].places;
		c.wish.sessions = places * below(&prng, 100) / 100;
		struct rollout_plan p;
		rollout_plan(&c.wish, &p);
		if (p.verdict == ROLLOUT_PLANNED) {
			check(&c.wish, &p);
			planned++;
		} else {
			check_refusal(&c.wish, &p);
			refused++;
		}
		rollout_free(&p);
		cluster_free(&c);
	}
	assert_true(planned > 100 && refused > 100);
}

static void eight_hundred_nodes_are_planned(void **state)
{
	(void)state;
	struct prng prng;
	prng_init(&prng, 8);
	struct cluster c = cluster_of(&(struct shape){ 40, 760, 4, 100000, 5, 5, 0 }, &prng);
	struct rollout_plan p;
	rollout_plan(&c.wish, &p);
	assert_int_equal(p.verdict, ROLLOUT_PLANNED);
	check(&c.wish, &p);
	print_message("800 nodes, 100000 contents: %u batches\n", p.batches_n);
	rollout_free(&p);
	cluster_free(&c);
}

static const struct rollout_node api = { .roles[API] = true };
static const struct rollout_node delivery = { .roles[DELIVERY] = true, .places = 100 };

static void a_small_cluster_goes_one_by_one(void **state)
{
	(void)state;
	const struct rollout_node nodes[] = { api, api, delivery, delivery, delivery };
	struct rollout_plan p;
	rollout_plan(&(struct rollout_wish){ nodes, 5, NULL, 0, 250, 200 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_PLANNED);
	/* An api node and a delivery node may go together. */
	assert_int_equal(p.batches_n, 3);
	rollout_free(&p);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct rollout_plan p;
	const struct rollout_node alone[] = { api, delivery, delivery };
	rollout_plan(&(struct rollout_wish){ alone, 3, NULL, 0, 250, 0 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_ONLY_NODE);
	assert_int_equal(p.node, 0);
	const struct rollout_node full[] = { api, api, delivery, delivery };
	rollout_plan(&(struct rollout_wish){ full, 4, NULL, 0, 250, 101 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_NO_ROOM);
	assert_int_equal(p.places, 100);
	struct rollout_node broken[] = { api, api, delivery, delivery, delivery };
	broken[4].away = true;
	rollout_plan(&(struct rollout_wish){ broken, 5, NULL, 0, 250, 0 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_MANY_AWAY);
	assert_int_equal(p.away, 1);
	rollout_plan(&(struct rollout_wish){ NULL, 0, NULL, 0, 250, 0 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_NOTHING_TO_DO);
}

static void two_holders_do_not_go_together(void **state)
{
	(void)state;
	struct rollout_node nodes[10] = { api, api };
	for (size_t i = 2; i < 10; i++)
		nodes[i] = delivery;
	const uint32_t pair[] = { 2, 3 }, only[] = { 4 };
	const struct rollout_content contents[] = { { pair, 2 }, { only, 1 } };
	struct rollout_plan p;
	rollout_plan(&(struct rollout_wish){ nodes, 10, contents, 2, 500, 0 }, &p);
	assert_int_equal(p.verdict, ROLLOUT_PLANNED);
	assert_true(p.batch_of[2] != p.batch_of[3]);
	assert_int_equal(p.batches_n, 2);
	rollout_free(&p);
}

static void a_quota_leaves_one(void **state)
{
	(void)state;
	assert_int_equal(rollout_quota(0, 250), 0);
	assert_int_equal(rollout_quota(1, 250), 0);
	assert_int_equal(rollout_quota(2, 250), 1);
	assert_int_equal(rollout_quota(7, 250), 1);
	assert_int_equal(rollout_quota(8, 250), 2);
	assert_int_equal(rollout_quota(8, 1000), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_keep_every_rule),
		cmocka_unit_test(eight_hundred_nodes_are_planned),
		cmocka_unit_test(a_small_cluster_goes_one_by_one),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(two_holders_do_not_go_together),
		cmocka_unit_test(a_quota_leaves_one),
	};
	return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
