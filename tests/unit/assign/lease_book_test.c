#include "assign/lease_book.h"

#include "assign/lease_share.h"
#include "base/prng.h"
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { LIFE_MS = 10000, START_MS = 5000 };

static const struct lease_book_config CONFIG = {
	.incarnation = 7,
	.capacity_sessions = 100,
	.reserve_sessions = 5,
	.life_ms = LIFE_MS,
	.start_within_ms = START_MS,
};

static struct lease_asker asker(unsigned i, uint64_t count)
{
	struct lease_asker a = { .incarnation = { count, 1 } };
	memcpy(a.api.b, &i, sizeof(i));
	return a;
}

static struct lease_grant ask(struct lease_book *b, uint64_t now_ms, unsigned api, uint64_t id, uint32_t want)
{
	struct lease_grant g;
	struct lease_asker a = asker(api, 1);
	assert_true(lease_book_ask(b, now_ms, &a, id, want, &g));
	return g;
}

static enum lease_admission arrive(
    struct lease_book *b, uint64_t now_ms, const struct lease_grant *g, uint32_t index)
{
	struct lease_place p = { g->incarnation, g->batch, index };
	return lease_book_arrive(b, now_ms, &p, true, 0);
}

static struct lease_book_view look(const struct lease_book *b)
{
	struct lease_book_view v;
	lease_book_look(b, &v);
	assert_int_equal(v.granted, v.by_batch + v.closed + v.expired + v.outstanding);
	return v;
}

static void lends_what_is_left_but_the_reserve(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 1000, 1, 1, 60);
	assert_int_equal(g.req_id, 1);
	assert_int_equal(g.incarnation, 7);
	assert_int_equal(g.limit, 60);
	assert_true(g.batch > 0);
	assert_int_equal(g.life_ms, LIFE_MS - START_MS / 50);
	assert_int_equal(g.outstanding, 60);
	assert_int_equal(g.capacity, 100);
	struct lease_grant more = ask(b, 1000, 1, 2, 60);
	assert_int_equal(more.limit, 35);
	assert_true(more.batch > g.batch);
	struct lease_grant none = ask(b, 1000, 1, 3, 60);
	assert_int_equal(none.limit, 0);
	assert_int_equal(none.batch, 0);
	/* The reserve is for who comes without a place, and hard. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(lease_book_arrive(b, 1000, NULL, false, 0), LEASE_PLACELESS);
	assert_int_equal(lease_book_arrive(b, 1000, NULL, false, 0), LEASE_FULL);
	struct lease_book_view v = look(b);
	assert_int_equal(v.active, 5);
	assert_int_equal(v.outstanding, 95);
	assert_int_equal(v.full, 1);
	lease_book_free(b);
}

static void answers_each_request_once(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 5, 10);
	assert_int_equal(arrive(b, 10, &g, 0), LEASE_BY_BATCH);
	struct lease_grant same = ask(b, 20, 1, 5, 90);
	assert_int_equal(same.batch, g.batch);
	assert_int_equal(same.limit, 10);
	assert_int_equal(same.active, 1); /* fresh */
	assert_int_equal(same.outstanding, 9);
	struct lease_grant other = { .req_id = 99 };
	struct lease_asker a = asker(1, 1), later = asker(1, 2), before = asker(1, 0);
	assert_false(lease_book_ask(b, 20, &a, 4, 10, &other));
	assert_int_equal(other.req_id, 99);
	/* A later run of the api node counts from anew; a former one is not heard, its viewers are. */
	assert_true(lease_book_ask(b, 20, &later, 1, 10, &other));
	assert_true(other.batch != g.batch);
	assert_false(lease_book_ask(b, 20, &before, 9, 10, &other));
	assert_false(lease_book_ask(b, 20, &a, 9, 10, &other));
	assert_int_equal(look(b).outstanding, 19);
	assert_int_equal(arrive(b, 30, &g, 1), LEASE_BY_BATCH);
	lease_book_free(b);
}

static void admits_a_place_once(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 1, 10);
	assert_int_equal(arrive(b, 1, &g, 9), LEASE_BY_BATCH);
	assert_int_equal(arrive(b, 1, &g, 9), LEASE_PLACELESS);
	assert_int_equal(arrive(b, 1, &g, 10), LEASE_PLACELESS); /* never lent */
	assert_int_equal(arrive(b, 1, &g, UINT32_MAX), LEASE_PLACELESS);
	struct lease_place p = { g.incarnation, g.batch, 0 };
	assert_int_equal(lease_book_arrive(b, 1, &p, false, 0), LEASE_PLACELESS); /* another node lent it */
	p.incarnation = 6;
	assert_int_equal(lease_book_arrive(b, 1, &p, true, 0), LEASE_PLACELESS);
	p = (struct lease_place){ g.incarnation, g.batch + 1, 0 };
	assert_int_equal(lease_book_arrive(b, 1, &p, true, 0), LEASE_PLACELESS);
	struct lease_book_view v = look(b);
	assert_int_equal(v.by_batch, 1);
	assert_int_equal(v.active, 7);
	assert_int_equal(v.outstanding, 9);
	lease_book_free(b);
}

static void keeps_places_when_all_else_is_full(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 1, 20);
	for (int i = 0; i < 80; i++)
		assert_int_equal(lease_book_arrive(b, 1, NULL, true, 0), LEASE_PLACELESS);
	assert_int_equal(lease_book_arrive(b, 1, NULL, true, 0), LEASE_FULL);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(arrive(b, LIFE_MS + START_MS - 1, &g, i), LEASE_BY_BATCH);
	assert_int_equal(look(b).active, 100);
	assert_int_equal(look(b).batches, 0);
	lease_book_leave(b, 0);
	assert_int_equal(arrive(b, 1, &g, 3), LEASE_PLACELESS); /* paused, and came back */
	lease_book_free(b);
}

static void closes_in_time(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	assert_true(lease_book_wake_at(b) == TIMER_NEVER);
	struct lease_grant g = ask(b, 100, 1, 1, 20);
	assert_int_equal(lease_book_wake_at(b), 100 + LIFE_MS + START_MS);
	lease_book_expire(b, 100 + LIFE_MS + START_MS - 1);
	assert_int_equal(look(b).outstanding, 20);
	/* Due before anybody woke it. */
	assert_int_equal(arrive(b, 100 + LIFE_MS + START_MS, &g, 0), LEASE_PLACELESS);
	struct lease_book_view v = look(b);
	assert_int_equal(v.outstanding, 0);
	assert_int_equal(v.expired, 20);
	assert_true(lease_book_wake_at(b) == TIMER_NEVER);
	lease_book_free(b);
}

static void takes_back_what_is_closed(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 1, 20);
	struct node_id one = asker(1, 1).api, two = asker(2, 1).api;
	assert_int_equal(arrive(b, 1, &g, 7), LEASE_BY_BATCH);
	struct lease_close c = { 7, g.batch, 10 };
	lease_book_close(b, 1, &two, &c); /* not its own */
	lease_book_close(b, 1, &one, &(struct lease_close){ 6, g.batch, 0 });
	lease_book_close(b, 1, &one, &(struct lease_close){ 7, g.batch + 1, 0 });
	assert_int_equal(look(b).outstanding, 19);
	lease_book_close(b, 1, &one, &c);
	assert_int_equal(look(b).outstanding, 9);
	lease_book_close(b, 1, &one, &c);
	c.used = UINT32_MAX;
	lease_book_close(b, 1, &one, &c);
	assert_int_equal(look(b).outstanding, 9);
	assert_int_equal(arrive(b, 1, &g, 9), LEASE_BY_BATCH);
	assert_int_equal(arrive(b, 1, &g, 10), LEASE_PLACELESS);
	/* Fewer than came already (no purse says so): never below nothing. */
	c.used = 8;
	lease_book_close(b, 1, &one, &c);
	assert_int_equal(look(b).outstanding, 7);
	c.used = 0;
	lease_book_close(b, 1, &one, &c);
	struct lease_book_view v = look(b);
	assert_int_equal(v.outstanding, 0);
	assert_int_equal(v.batches, 0);
	assert_int_equal(v.active, 3);
	/* A repeat of the request is answered with what was lent then, and brings nothing back. */
	assert_int_equal(ask(b, 2, 1, 1, 20).batch, g.batch);
	assert_int_equal(arrive(b, 2, &g, 11), LEASE_PLACELESS);
	lease_book_free(b);
}

static void drains(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 1, 2);
	lease_book_set_draining(b, true);
	assert_int_equal(ask(b, 0, 1, 2, 2).limit, 0);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 0), LEASE_FULL);
	assert_int_equal(arrive(b, 0, &g, 0), LEASE_BY_BATCH);
	assert_false(look(b).drained);
	lease_book_expire(b, LIFE_MS + START_MS);
	assert_false(look(b).drained);
	lease_book_leave(b, 0);
	assert_true(look(b).drained);
	lease_book_set_draining(b, false);
	assert_int_equal(ask(b, LIFE_MS + START_MS, 1, 3, 2).limit, 2);
	lease_book_set_lending(b, false);
	assert_int_equal(ask(b, LIFE_MS + START_MS, 1, 4, 2).limit, 0);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 0), LEASE_PLACELESS);
	lease_book_free(b);
}

static void counts_mbit_at_the_weight_of_the_grant(void **state)
{
	(void)state;
	struct lease_book_config c = CONFIG;
	c.capacity_kbps = 100000; /* 95000 to be lent */
	c.weight_kbps = 5000;
	struct lease_book *b = lease_book_new(&c);
	struct lease_grant g = ask(b, 0, 1, 1, 10);
	assert_int_equal(g.weight_kbps, 5000);
	assert_int_equal(look(b).outstanding_kbps, 50000);
	lease_book_set_weight(b, 9000);
	assert_int_equal(look(b).outstanding_kbps, 50000);
	assert_int_equal(ask(b, 0, 1, 2, 10).limit, 5); /* (95000 - 50000) / 9000 */
	/* 95000 are out; a placeless one fits the rest, or does not. */
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 5001), LEASE_FULL);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 5000), LEASE_PLACELESS);
	/* Heavier than it was counted: admitted all the same, and then nothing more is lent. */
	struct lease_place p = { g.incarnation, g.batch, 0 };
	assert_int_equal(lease_book_arrive(b, 0, &p, true, 30000), LEASE_BY_BATCH);
	struct lease_book_view v = look(b);
	assert_int_equal(v.active_kbps, 35000);
	assert_int_equal(v.outstanding_kbps, 90000);
	assert_int_equal(ask(b, 0, 1, 3, 10).limit, 0);
	lease_book_reweigh(b, 30000, 1000);
	lease_book_leave(b, 5000);
	assert_int_equal(look(b).active_kbps, 1000);
	lease_book_leave(b, 1000);
	lease_book_expire(b, LIFE_MS + START_MS);
	v = look(b);
	assert_int_equal(v.active_kbps + v.outstanding_kbps, 0);
	lease_book_free(b);
}

static void weighs_all_sessions_of_a_great_node(void **state)
{
	(void)state;
	struct lease_book_config c = CONFIG;
	c.capacity_kbps = 10000000000; /* more than 32 bits hold */
	struct lease_book *b = lease_book_new(&c);
	for (int i = 0; i < 3; i++)
		assert_int_equal(lease_book_arrive(b, 0, NULL, true, 2000000000), LEASE_PLACELESS);
	lease_book_reweigh(b, 6000000000, 9000000000);
	assert_true(look(b).active_kbps == 9000000000);
	for (int i = 0; i < 3; i++)
		lease_book_leave(b, 3000000000);
	assert_true(look(b).active_kbps == 0);
	lease_book_free(b);
}

static void shares_fairly(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	assert_int_equal(ask(b, 0, 2, 1, 4).limit, 4);
	/* The other asked lately for 4 and holds them: all the rest is free to be taken. */
	assert_int_equal(ask(b, 0, 1, 1, 4096).limit, 91);
	assert_int_equal(ask(b, 0, 2, 2, 50).limit, 0); /* no room is no room */
	/* As places come back, they are the poorer one's, up to its half. */
	struct node_id one = asker(1, 1).api;
	lease_book_close(b, 1, &one, &(struct lease_close){ 7, 2, 31 });
	assert_int_equal(ask(b, 1, 1, 2, 4096).limit, 17); /* 48 each, or what is left */
	assert_int_equal(ask(b, 1, 2, 3, 4096).limit, 43);
	/* Who asks no more counts no more. */
	lease_book_expire(b, 2 * (LIFE_MS + START_MS));
	assert_int_equal(ask(b, 2 * (LIFE_MS + START_MS), 1, 3, 4096).limit, 95);
	lease_book_free(b);
}

static void a_share_is_max_min(void **state)
{
	(void)state;
	const uint32_t wishes[] = { 2, 50, 10, 100, 0 };
	assert_int_equal(lease_share(1000, wishes, 5, 3), 100);
	assert_int_equal(lease_share(62, wishes, 5, 0), 2);
	assert_int_equal(lease_share(62, wishes, 5, 1), 25);
	assert_int_equal(lease_share(62, wishes, 5, 2), 10);
	assert_int_equal(lease_share(62, wishes, 5, 3), 25);
	assert_int_equal(lease_share(63, wishes, 5, 3), 26);
	assert_int_equal(lease_share(1, wishes, 5, 3), 1);
	assert_int_equal(lease_share(0, wishes, 5, 3), 0);
	assert_int_equal(lease_share(9, wishes, 5, 4), 0);
	const uint32_t huge[] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	assert_int_equal(lease_share(UINT32_MAX, huge, 3, 0), UINT32_MAX / 3);
}

static void bounds_batches_and_askers(void **state)
{
	(void)state;
	struct lease_book_config c = CONFIG;
	c.capacity_sessions = 1000000;
	struct lease_book *b = lease_book_new(&c);
	for (uint64_t i = 1; i <= LEASE_BATCHES_EACH; i++)
		assert_int_equal(ask(b, 0, 0, i, 1).limit, 1);
	assert_int_equal(ask(b, 0, 0, LEASE_BATCHES_EACH + 1, 1).limit, 0);
	assert_int_equal(ask(b, 0, 1, 1, UINT32_MAX).limit, LEASE_LIMIT_MAX);
	for (unsigned api = 2; api < LEASE_ASKERS_MAX - 1; api++)
		ask(b, 1, api, 1, 1);
	/* Two that hold nothing; the one that was silent longer is forgotten, those with batches never. */
	ask(b, 2, 5000, 1, 0);
	struct lease_asker more = asker(5001, 1), yet = asker(5002, 1);
	struct lease_grant g;
	assert_true(lease_book_ask(b, 3, &more, 1, 1, &g));
	assert_false(lease_book_ask(b, 4, &yet, 1, 1, &g));
	assert_int_equal(look(b).askers, LEASE_ASKERS_MAX);
	lease_book_expire(b, LIFE_MS + START_MS + 1);
	assert_true(lease_book_ask(b, LIFE_MS + START_MS + 1, &yet, 1, 1, &g));
	lease_book_free(b);
}

static void bounds_open_batches_of_all(void **state)
{
	(void)state;
	struct lease_book_config c = CONFIG;
	c.capacity_sessions = 1000000;
	struct lease_book *b = lease_book_new(&c);
	uint32_t full = LEASE_BATCHES_MAX / LEASE_BATCHES_EACH;
	struct lease_grant first = ask(b, 0, 0, 1, 1), second = ask(b, 0, 0, 2, 1);
	for (unsigned api = 0; api < full; api++)
		for (uint64_t i = 3; i <= LEASE_BATCHES_EACH + 2; i++)
			ask(b, 0, api, i, 1);
	assert_int_equal(look(b).batches, LEASE_BATCHES_MAX);
	assert_int_equal(ask(b, 0, full, 1, 1).limit, 0);
	/* One that is over makes room for another, which is told from it, and from all others. */
	assert_int_equal(arrive(b, 0, &second, 0), LEASE_BY_BATCH);
	struct lease_grant g = ask(b, 0, full, 2, 1);
	assert_int_equal(g.limit, 1);
	assert_int_equal(arrive(b, 0, &second, 0), LEASE_PLACELESS);
	assert_int_equal(arrive(b, 0, &g, 0), LEASE_BY_BATCH);
	assert_int_equal(arrive(b, 0, &first, 0), LEASE_BY_BATCH);
	lease_book_free(b);
}

static void a_lowered_capacity_is_reached_from_above(void **state)
{
	(void)state;
	struct lease_book *b = lease_book_new(&CONFIG);
	struct lease_grant g = ask(b, 0, 1, 1, 50);
	lease_book_set_capacity(b, 10, 20, 0);
	assert_int_equal(look(b).reserve, 10);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 0), LEASE_FULL);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(arrive(b, 0, &g, i), LEASE_BY_BATCH);
	for (int i = 0; i < 41; i++)
		lease_book_leave(b, 0);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 0), LEASE_PLACELESS);
	assert_int_equal(lease_book_arrive(b, 0, NULL, true, 0), LEASE_FULL);
	lease_book_set_capacity(b, 0, 0, 0);
	assert_int_equal(ask(b, 0, 1, 2, 5).limit, 0);
	lease_book_free(b);
}

/* Anything in any order; the book's own CHECK and the sum of places hold throughout. */
static void any_input_keeps_the_sum(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct prng r;
		prng_init(&r, seed);
		struct lease_book *b = lease_book_new(&CONFIG);
		uint64_t now_ms = 0;
		uint32_t here = 0;
		for (int i = 0; i < 2000; i++) {
			now_ms += prng_below(&r, 50);
			struct lease_asker a = asker((unsigned)prng_below(&r, 3), prng_below(&r, 2));
			struct lease_grant g;
			struct lease_close c = { 6 + prng_below(&r, 2), (uint32_t)prng_below(&r, 200),
				(uint32_t)prng_below(&r, 30) };
			struct lease_place p = { 7, (uint32_t)prng_below(&r, 200), (uint32_t)prng_below(&r, 30) };
			switch (prng_below(&r, 4)) {
			case 0: (void)lease_book_ask(b, now_ms, &a, prng_below(&r, 300), 20, &g); break;
			case 1: lease_book_close(b, now_ms, &a.api, &c); break;
			case 2: here += lease_book_arrive(b, now_ms, &p, true, 0) != LEASE_FULL; break;
			default:
				if (here > 0) {
					here--;
					lease_book_leave(b, 0);
				}
			}
			struct lease_book_view v = look(b);
			assert_int_equal(v.active, here);
			assert_true(v.active + v.outstanding <= v.capacity);
		}
		lease_book_expire(b, now_ms + LIFE_MS + START_MS);
		assert_int_equal(look(b).outstanding, 0);
		lease_book_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lends_what_is_left_but_the_reserve),
		cmocka_unit_test(weighs_all_sessions_of_a_great_node),
		cmocka_unit_test(answers_each_request_once),
		cmocka_unit_test(admits_a_place_once),
		cmocka_unit_test(keeps_places_when_all_else_is_full),
		cmocka_unit_test(closes_in_time),
		cmocka_unit_test(takes_back_what_is_closed),
		cmocka_unit_test(drains),
		cmocka_unit_test(counts_mbit_at_the_weight_of_the_grant),
		cmocka_unit_test(shares_fairly),
		cmocka_unit_test(a_share_is_max_min),
		cmocka_unit_test(bounds_batches_and_askers),
		cmocka_unit_test(bounds_open_batches_of_all),
		cmocka_unit_test(a_lowered_capacity_is_reached_from_above),
		cmocka_unit_test(any_input_keeps_the_sum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
