/* What sessions are reckoned to take (A3, in Mbit/s). */
#include "node/delivery/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* 100 sessions or 100 Mbit/s: 1 Mbit/s each, where nothing is known. */
static const struct lease_book_config config = { .incarnation = 1,
	.capacity_sessions = 100,
	.capacity_kbps = 100000,
	.life_ms = 10000,
	.start_within_ms = 30000,
	.weight_kbps = 1000 };

static int setup(void **state)
{
	*state = places_new(&config);
	return 0;
}

static int teardown(void **state)
{
	places_free(*state);
	return 0;
}

static bool comes(struct places *p, uint32_t kbps)
{
	struct session_claim claim = { .kbps = kbps };
	struct session_gate gate = places_gate(p);
	return gate.admit(gate.ctx, &claim, 1000);
}

static void goes(struct places *p, uint32_t kbps)
{
	struct session_end end = { .kbps = kbps };
	struct session_gate gate = places_gate(p);
	gate.leave(gate.ctx, &end, 1);
}

static struct lease_book_view look(struct places *p)
{
	struct lease_book_view v;
	places_look(p, &v);
	return v;
}

static void tick(struct places *p, unsigned seconds, uint64_t egress_kbps)
{
	for (unsigned i = 0; i < seconds; i++)
		places_tick(p, 1000, egress_kbps);
}

static void sessions_weigh_what_their_content_takes(void **state)
{
	struct places *p = *state;
	assert_true(comes(p, 20000) && comes(p, 20000) && comes(p, 0));
	assert_int_equal(look(p).active_kbps, 41000);
	assert_true(comes(p, 50000));
	assert_false(comes(p, 20000)); /* no room for that, */
	assert_true(comes(p, 8000));   /* but for this */
	assert_true(comes(p, 0));
	assert_false(comes(p, 0));
	assert_int_equal(look(p).active_kbps, 100000);
	goes(p, 50000);
	goes(p, 0);
	assert_int_equal(look(p).active_kbps, 49000);
	goes(p, 20000);
	goes(p, 20000);
	goes(p, 8000);
	goes(p, 0);
	assert_int_equal(look(p).active_kbps, 0);
	assert_int_equal(look(p).active, 0);
	assert_true(comes(p, 20000));
	assert_int_equal(look(p).active_kbps, 20000);
	goes(p, 20000);
}

/* A place that is lent is reckoned to be taken by one like those who are here. */
static void places_are_lent_by_what_sessions_weigh(void **state)
{
	struct places *p = *state;
	struct lease_asker api = { .api = { { 1 } }, .incarnation = { 1, 1 } };
	struct lease_grant g;
	assert_int_equal(look(p).weight_kbps, 1000);
	for (unsigned i = 0; i < 5; i++)
		assert_true(comes(p, 10000));
	assert_int_equal(look(p).weight_kbps, 10000); /* at once */
	tick(p, 1, 50000);
	assert_in_range(look(p).weight_kbps, 9900, 10100);
	assert_true(places_ask(p, 1000, &api, 1, 50, &g));
	assert_in_range(g.limit, 4, 5);
	struct lease_book_view v = look(p);
	assert_true(v.active_kbps + v.outstanding_kbps <= 100000);
	for (unsigned i = 0; i < 5; i++)
		goes(p, 10000);
}

/* Playlists may say too little. */
static void who_takes_more_than_he_said_weighs_more(void **state)
{
	struct places *p = *state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(comes(p, 1000));
	tick(p, 600, 30000);
	assert_in_range(look(p).active_kbps, 29000, 30000);
	tick(p, 600, 1000); /* and never less */
	assert_int_equal(look(p).active_kbps, 10000);
	tick(p, 600, 30000);
	for (unsigned i = 0; i < 10; i++)
		goes(p, 1000);
	assert_int_equal(look(p).active_kbps, 0);
}

static void what_is_unknown_is_learned(void **state)
{
	struct places *p = *state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(comes(p, 0));
	tick(p, 600, 30000);
	assert_in_range(look(p).active_kbps, 29000, 30000);
	tick(p, 600, 5000);
	assert_in_range(look(p).active_kbps, 5000, 6000);
	for (unsigned i = 0; i < 10; i++)
		goes(p, 0);
	assert_int_equal(look(p).active_kbps, 0);
}

/* What another node says is believed within reason. */
static void no_session_weighs_the_whole_node(void **state)
{
	struct places *p = *state;
	assert_true(comes(p, UINT32_MAX));
	assert_int_equal(look(p).active_kbps, 50000);
	goes(p, UINT32_MAX);
	assert_int_equal(look(p).active_kbps, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sessions_weigh_what_their_content_takes),
		T(places_are_lent_by_what_sessions_weigh),
		T(who_takes_more_than_he_said_weighs_more),
		T(what_is_unknown_is_learned),
		T(no_session_weighs_the_whole_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
