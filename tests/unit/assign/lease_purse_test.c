#include "assign/lease_purse.h"

#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SLOT = 3, INCARNATION = 40, LIFE_MS = 9800, UNTIL_MS = LIFE_MS * 98 / 100, OUT_MAX = 64 };

/* A purse beside one ready delivery node that says yes to everything, one batch after the other. */
struct world {
	struct lease_slots *slots;
	struct lease_purse *purse;
	uint64_t now_ms;
	struct lease_command out[OUT_MAX];
	size_t out_n;
	uint32_t batch;
};

static void step(struct world *w)
{
	w->out_n = lease_purse_step(w->purse, w->now_ms, w->out, OUT_MAX);
}

static struct world start(void)
{
	struct world w = { .slots = lease_slots_new(), .now_ms = 1000 };
	w.purse = lease_purse_new(w.slots, (struct incarnation){ 1, 0x123456 });
	lease_purse_node(w.purse, w.now_ms, SLOT, true);
	lease_purse_link_up(w.purse, w.now_ms, SLOT, INCARNATION);
	step(&w);
	return w;
}

static void end(struct world *w)
{
	lease_purse_free(w->purse);
	lease_slots_free(w->slots);
}

static const struct lease_command *said(const struct world *w, int kind)
{
	for (size_t i = 0; i < w->out_n; i++)
		if ((int)w->out[i].kind == kind)
			return &w->out[i];
	return NULL;
}

static struct lease_grant answer(struct world *w, const struct lease_command *c, uint32_t limit)
{
	return (struct lease_grant){ .req_id = c->ask.req_id,
		.incarnation = INCARNATION,
		.batch = limit > 0 ? ++w->batch : 0,
		.limit = limit,
		.life_ms = LIFE_MS };
}

/* Answers what the last step asked with that many places; false: nothing was asked. */
static bool grant(struct world *w, uint32_t limit)
{
	const struct lease_command *c = said(w, LEASE_SEND_ASK);
	if (c == NULL)
		return false;
	struct lease_grant g = answer(w, c, limit < c->ask.want ? limit : c->ask.want);
	assert_true(lease_purse_grant(w->purse, w->now_ms, c->slot, &g));
	return true;
}

static uint32_t take(struct world *w, uint32_t n)
{
	struct lease_place p;
	uint32_t taken = 0;
	for (uint32_t i = 0; i < n; i++)
		taken += lease_slots_take(w->slots, SLOT, w->now_ms, &p) == LEASE_TAKEN;
	return taken;
}

static uint32_t left(const struct world *w)
{
	return lease_slots_left(w->slots, SLOT, w->now_ms);
}

static void a_first_viewer_finds_a_place(void **state)
{
	(void)state;
	struct world w = start();
	const struct lease_command *c = said(&w, LEASE_SEND_ASK);
	assert_non_null(c);
	assert_int_equal(c->slot, SLOT);
	assert_int_equal(c->ask.want, LEASE_WANT_MIN);
	assert_true(grant(&w, 100));
	assert_int_equal(left(&w), LEASE_WANT_MIN);
	struct lease_place p;
	assert_int_equal(lease_slots_take(w.slots, SLOT, w.now_ms, &p), LEASE_TAKEN);
	assert_int_equal(p.incarnation, INCARNATION);
	assert_int_equal(p.batch, 1);
	end(&w);
}

static void asks_only_whom_it_may(void **state)
{
	(void)state;
	struct world w = { .slots = lease_slots_new(), .now_ms = 1000 };
	w.purse = lease_purse_new(w.slots, (struct incarnation){ 1, 0x123456 });
	lease_purse_node(w.purse, w.now_ms, LEASE_SLOTS, true);
	lease_purse_link_up(w.purse, w.now_ms, LEASE_SLOTS, 1);
	lease_purse_node(w.purse, w.now_ms, 9, false);
	assert_false(lease_purse_look(w.purse, 9, &(struct lease_purse_view){ 0 }));
	lease_purse_node(w.purse, w.now_ms, SLOT, true);
	step(&w);
	assert_int_equal(w.out_n, 0); /* no link */
	lease_purse_node(w.purse, w.now_ms, SLOT, false);
	lease_purse_link_up(w.purse, w.now_ms, SLOT, INCARNATION);
	step(&w);
	assert_int_equal(w.out_n, 0); /* drains */
	lease_purse_node(w.purse, w.now_ms, SLOT, true);
	assert_int_equal(lease_purse_wake_at(w.purse), 0);
	step(&w);
	assert_int_equal(w.out_n, 1);
	end(&w);
}

static void accepts_the_pending_answer_once(void **state)
{
	(void)state;
	struct world w = start();
	struct lease_grant g = answer(&w, said(&w, LEASE_SEND_ASK), 4), bad = g;
	assert_true(g.req_id > 1000); /* no former run's */
	bad.req_id++;
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &bad));
	bad = g, bad.limit = LEASE_WANT_MIN + 1;
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &bad));
	bad = g, bad.batch = 0;
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &bad));
	bad = g, bad.incarnation--;
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &bad));
	bad = g, bad.life_ms = UINT32_MAX;
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &bad));
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT + 1, &g));
	assert_false(lease_purse_grant(w.purse, w.now_ms, LEASE_SLOTS, &g));
	assert_int_equal(left(&w), 0);
	assert_true(lease_purse_grant(w.purse, w.now_ms, SLOT, &g));
	assert_int_equal(take(&w, 3), 3);
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &g));
	assert_int_equal(left(&w), 1);
	assert_int_equal(lease_purse_stats(w.purse)->refused_grants, 8);
	end(&w);
}

static void a_retry_keeps_id_and_time(void **state)
{
	(void)state;
	struct world w = start();
	uint64_t id = said(&w, LEASE_SEND_ASK)->ask.req_id, first_ms = w.now_ms;
	w.now_ms += 299;
	step(&w);
	assert_int_equal(w.out_n, 0);
	w.now_ms = lease_purse_wake_at(w.purse);
	assert_int_equal(w.now_ms, first_ms + 300);
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_ASK)->ask.req_id, id);
	w.now_ms = lease_purse_wake_at(w.purse);
	assert_int_equal(w.now_ms, first_ms + 900);
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_ASK)->ask.req_id, id);
	/* A broken link asks nothing, a new one at once. */
	lease_purse_link_down(w.purse, w.now_ms, SLOT);
	w.now_ms += 5000;
	step(&w);
	assert_int_equal(w.out_n, 0);
	lease_purse_link_up(w.purse, w.now_ms, SLOT, INCARNATION);
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_ASK)->ask.req_id, id);
	lease_purse_link_down(w.purse, ++w.now_ms, SLOT);
	lease_purse_link_up(w.purse, w.now_ms, SLOT, INCARNATION);
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_ASK)->ask.req_id, id);
	assert_true(grant(&w, 4));
	w.now_ms = first_ms + UNTIL_MS - 1;
	assert_int_equal(take(&w, 1), 1);
	w.now_ms++;
	assert_int_equal(take(&w, 1), 0);
	end(&w);
}

static void gives_up_what_is_too_late(void **state)
{
	(void)state;
	struct world w = start();
	struct lease_grant late = answer(&w, said(&w, LEASE_SEND_ASK), 4);
	w.now_ms += UNTIL_MS; /* of the life that was told: shorter than what it waits for at most */
	step(&w);
	assert_true(lease_purse_grant(w.purse, w.now_ms, SLOT, &late));
	assert_int_equal(left(&w), 0);
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_CLOSE)->close.used, 0);
	assert_int_equal(said(&w, LEASE_SEND_CLOSE)->close.batch, late.batch);

	take(&w, 1);
	w.now_ms += 100;
	step(&w);
	late = answer(&w, said(&w, LEASE_SEND_ASK), 4);
	w.now_ms += 9800;
	step(&w);
	assert_true(said(&w, LEASE_SEND_ASK)->ask.req_id > late.req_id);
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &late));
	end(&w);
}

static void an_idle_node_costs_nothing(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	step(&w);
	assert_int_equal(w.out_n, 0);
	assert_int_equal(lease_purse_wake_at(w.purse), w.now_ms + UNTIL_MS);
	w.now_ms += UNTIL_MS;
	step(&w);
	assert_int_equal(w.out_n, 1);
	assert_int_equal(said(&w, LEASE_SEND_CLOSE)->close.used, 0);
	assert_true(lease_purse_wake_at(w.purse) == TIMER_NEVER);
	/* Until a viewer misses a place. */
	w.now_ms += 1000000;
	struct lease_place p;
	assert_int_equal(lease_slots_take(w.slots, SLOT, w.now_ms, &p), LEASE_DRY_WAKE);
	step(&w);
	assert_true(grant(&w, 100));
	assert_int_equal(left(&w), 4);
	/* It is renewed for as long as he may have company, with some time to spare. */
	uint64_t last_ms = w.now_ms;
	unsigned asks = 0, dry_ms = 0;
	while (lease_purse_wake_at(w.purse) != TIMER_NEVER) {
		w.now_ms += 10;
		if (w.now_ms >= lease_purse_wake_at(w.purse))
			step(&w);
		else
			w.out_n = 0;
		assert_true(said(&w, LEASE_SEND_ASK) == NULL || left(&w) > 0); /* ahead of its end */
		asks += grant(&w, 100);
		dry_ms += left(&w) == 0 && w.now_ms - last_ms < LEASE_IDLE_MS ? 10 : 0;
	}
	assert_int_equal(dry_ms, 0);
	assert_in_range(asks, 2, 4);
	assert_in_range(w.now_ms - last_ms, LEASE_IDLE_MS, LEASE_IDLE_MS + 10000);
	end(&w);
}

static void a_rush_is_met_at_once(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	take(&w, 4);
	step(&w);
	assert_int_equal(w.out_n, 0); /* not so soon after the last */
	assert_int_equal(lease_purse_wake_at(w.purse), w.now_ms + 20);
	w.now_ms += 20;
	step(&w);
	assert_int_equal(said(&w, LEASE_SEND_ASK)->ask.want, 8); /* twice what came in 20 ms */
	grant(&w, 100);
	take(&w, 58); /* 50 of them in vain */
	w.now_ms += 20;
	step(&w);
	assert_in_range(said(&w, LEASE_SEND_ASK)->ask.want, 100, 150);
	end(&w);
}

/* Viewers come at that rate for so long, answers after 2 ms; how many found no place. */
static uint32_t run(struct world *w, uint32_t per_s, uint32_t for_ms, uint32_t *most_lent)
{
	uint32_t missed = 0, due = 0;
	struct lease_grant on_its_way = { 0 };
	uint64_t arrives_ms = TIMER_NEVER;
	for (uint32_t i = 0; i < for_ms; i++, w->now_ms++) {
		due += per_s;
		struct lease_place p;
		for (; due >= 1000; due -= 1000)
			missed += lease_slots_take(w->slots, SLOT, w->now_ms, &p) != LEASE_TAKEN;
		if (w->now_ms == arrives_ms)
			assert_true(lease_purse_grant(w->purse, w->now_ms, SLOT, &on_its_way));
		if (lease_slots_ran_dry(w->slots, SLOT) || w->now_ms >= lease_purse_wake_at(w->purse)) {
			step(w);
			const struct lease_command *c = said(w, LEASE_SEND_ASK);
			if (c != NULL) {
				on_its_way = answer(w, c, c->ask.want);
				arrives_ms = w->now_ms + 2;
				if (most_lent != NULL && on_its_way.limit > *most_lent)
					*most_lent = on_its_way.limit;
			}
		}
	}
	return missed;
}

static void follows_demand(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	/* A jump from nothing is met within a few round trips. */
	uint32_t missed = run(&w, 500, 1000, NULL);
	assert_in_range(missed, 0, 60);
	run(&w, 500, 5000, NULL);
	uint64_t asks = lease_purse_stats(w.purse)->asks;
	uint32_t most = 0;
	assert_int_equal(run(&w, 500, 20000, &most), 0);
	assert_in_range(most, 1200, 1800); /* about 3 s */
	assert_in_range(lease_purse_stats(w.purse)->asks - asks, 8, 14);
	/* And the demand leaves. */
	most = 0;
	assert_int_equal(run(&w, 1, 20000, NULL), 0);
	assert_int_equal(run(&w, 1, 10000, &most), 0);
	assert_in_range(most, 4, 20);
	end(&w);
}

static void asks_slowly_where_nothing_is_left(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 0);
	unsigned asks = 0;
	for (uint32_t i = 0; i < 10000; i++, w.now_ms++) {
		take(&w, 1);
		step(&w);
		asks += grant(&w, 0);
	}
	assert_in_range(asks, 10, 14);
	assert_int_equal(lease_purse_stats(w.purse)->empty_grants, asks + 1);
	/* A place that comes free is found within a second. */
	for (uint32_t i = 0; i < 1000 && left(&w) == 0; i++, w.now_ms++) {
		take(&w, 1);
		step(&w);
		grant(&w, 1);
	}
	assert_int_equal(left(&w), 1);
	end(&w);
}

static void gives_back_what_is_left(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	take(&w, 3);
	w.now_ms += 100;
	step(&w);
	assert_true(grant(&w, 6)); /* replaces the rest of the first */
	step(&w);
	const struct lease_command *c = said(&w, LEASE_SEND_CLOSE);
	assert_int_equal(c->close.incarnation, INCARNATION);
	assert_int_equal(c->close.batch, 1);
	assert_int_equal(c->close.used, 3);
	assert_int_equal(take(&w, 4), 4);
	/* No better than what is there: back it goes. */
	w.now_ms += 100;
	step(&w);
	assert_true(grant(&w, 1));
	step(&w);
	c = said(&w, LEASE_SEND_CLOSE);
	assert_int_equal(c->close.batch, 3);
	assert_int_equal(c->close.used, 0);
	assert_int_equal(left(&w), 2);
	/* Draining: all goes back, and what is on its way too. */
	w.now_ms += 100;
	step(&w);
	struct lease_grant g = answer(&w, said(&w, LEASE_SEND_ASK), 5);
	lease_purse_node(w.purse, w.now_ms, SLOT, false);
	assert_int_equal(left(&w), 0);
	assert_true(lease_purse_grant(w.purse, w.now_ms, SLOT, &g));
	step(&w);
	assert_int_equal(w.out_n, 2);
	assert_int_equal(w.out[0].close.batch, 2);
	assert_int_equal(w.out[0].close.used, 4);
	assert_int_equal(w.out[1].close.batch, 4);
	assert_int_equal(take(&w, 5), 0);
	w.now_ms += 1000;
	step(&w);
	assert_int_equal(w.out_n, 0);
	end(&w);
}

static void a_restarted_node_has_lent_nothing(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	take(&w, 1);
	lease_purse_link_down(w.purse, w.now_ms, SLOT);
	step(&w);
	assert_int_equal(left(&w), 3); /* viewers may reach whom we do not */
	lease_purse_link_up(w.purse, w.now_ms, SLOT, INCARNATION + 1);
	assert_int_equal(left(&w), 0);
	step(&w);
	assert_null(said(&w, LEASE_SEND_CLOSE)); /* its batch 1 is another one */
	const struct lease_command *c = said(&w, LEASE_SEND_ASK);
	assert_non_null(c);
	struct lease_grant g = answer(&w, c, 4);
	assert_false(lease_purse_grant(w.purse, w.now_ms, SLOT, &g));
	g.incarnation++;
	assert_true(lease_purse_grant(w.purse, w.now_ms, SLOT, &g));
	struct lease_place p;
	assert_int_equal(lease_slots_take(w.slots, SLOT, w.now_ms, &p), LEASE_TAKEN);
	assert_int_equal(p.incarnation, INCARNATION + 1);
	end(&w);
}

static void defers_what_does_not_fit(void **state)
{
	(void)state;
	struct world w = start();
	grant(&w, 4);
	for (uint32_t slot = 10; slot < 20; slot++) {
		lease_purse_node(w.purse, w.now_ms, slot, true);
		lease_purse_link_up(w.purse, w.now_ms, slot, 1);
	}
	bool asked[20] = { false };
	unsigned n = 0;
	while (lease_purse_wake_at(w.purse) == 0) {
		struct lease_command c[3];
		size_t got = lease_purse_step(w.purse, w.now_ms, c, 3);
		assert_true(got <= 3);
		for (size_t i = 0; i < got; i++) {
			assert_false(asked[c[i].slot]);
			asked[c[i].slot] = true;
			n++;
		}
	}
	assert_int_equal(n, 10);
	end(&w);
}

static void shows_what_it_has(void **state)
{
	(void)state;
	struct world w = start();
	struct lease_purse_view v;
	assert_true(lease_purse_look(w.purse, SLOT, &v));
	assert_true(v.pending && v.takes && v.linked);
	assert_int_equal(v.limit, 0);
	assert_int_equal(v.asked_ms, w.now_ms);
	w.now_ms += 7;
	grant(&w, 4);
	take(&w, 3);
	assert_true(lease_purse_look(w.purse, SLOT, &v));
	assert_false(v.pending);
	assert_int_equal(v.batch, 1);
	assert_int_equal(v.limit, 4);
	assert_int_equal(v.used, 3);
	assert_int_equal(v.granted, 4);
	assert_int_equal(v.granted_ms, w.now_ms);
	assert_int_equal(v.until_ms, 1000 + UNTIL_MS);
	w.now_ms += 1000;
	step(&w);
	assert_true(lease_purse_look(w.purse, SLOT, &v));
	assert_in_range(v.per_s_milli, 1000, 3000);
	assert_false(lease_purse_look(w.purse, SLOT + 1, &v));
	assert_false(lease_purse_look(w.purse, LEASE_SLOTS, &v));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_viewer_finds_a_place),
		cmocka_unit_test(asks_only_whom_it_may),
		cmocka_unit_test(accepts_the_pending_answer_once),
		cmocka_unit_test(a_retry_keeps_id_and_time),
		cmocka_unit_test(gives_up_what_is_too_late),
		cmocka_unit_test(an_idle_node_costs_nothing),
		cmocka_unit_test(a_rush_is_met_at_once),
		cmocka_unit_test(follows_demand),
		cmocka_unit_test(asks_slowly_where_nothing_is_left),
		cmocka_unit_test(gives_back_what_is_left),
		cmocka_unit_test(a_restarted_node_has_lent_nothing),
		cmocka_unit_test(defers_what_does_not_fit),
		cmocka_unit_test(shows_what_it_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
