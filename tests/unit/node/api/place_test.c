/* Where a viewer goes, and where one who is there already belongs: with the real assign. */
#include "fixture.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct place decide_in(struct fixture *f, const char *zone)
{
	struct place p;
	fixture_publish(f);
	assert_int_equal(place_decide(&f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), bytes_str(zone),
	                     &f->arena, &p),
	    OK);
	return p;
}

static struct place decide(struct fixture *f)
{
	return decide_in(f, "z");
}

static uint8_t taken(const struct place *p)
{
	assert_int_not_equal(p->decision.outcome, ASSIGN_REFUSED);
	return p->nodes[p->decision.node].id.b[0];
}

/* The id of the node that the session on `node` belongs to, 0 for none. */
static uint8_t keep(const struct place *p, uint8_t node, unsigned session)
{
	uint8_t text[TOKEN_SESSION_BYTES] = { 0 };
	memcpy(text, &session, sizeof(session));
	struct node_id id = fixture_id(node);
	size_t at = place_keep(p, &id, bytes_of(text, sizeof(text)));
	if (at == SIZE_MAX)
		return 0;
	assert_true(at < p->nodes_n);
	return p->nodes[at].id.b[0];
}

/* -- deciding -- */

static void a_holder_is_warm(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 5; i++)
		fixture_add(f, i);
	fixture_hold(f, 4, "");
	fixture_hold(f, 99, "x.m3u8"); /* a node that is gone still tells the entry */
	struct place p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_WARM);
	assert_int_equal(taken(&p), 4);
	assert_true(p.nodes[p.decision.node].holder);
	assert_true(bytes_eq(p.nodes[p.decision.node].url, BYTES_LIT("http://n4:80")));
	assert_true(bytes_eq(p.nodes[p.decision.node].name, BYTES_LIT("n4")));
	assert_int_equal(p.nodes[p.decision.node].incarnation, 5);
	assert_true(bytes_eq(p.entry, BYTES_LIT("x.m3u8")));
	assert_string_equal(f->reader.origin, "main");
	assert_string_equal(f->reader.content, "lv1");
}

static void the_most_that_a_holder_says_it_takes(void **state)
{
	struct fixture *f = *state;
	fixture_add(f, 1);
	fixture_hold(f, 1, "");
	assert_int_equal(decide(f).kbps, 0);
	fixture_hold(f, 2, "");
	fixture_hold(f, 3, "");
	f->reader.holders[1].location.kbps = 4500;
	f->reader.holders[2].location.kbps = 800;
	assert_int_equal(decide(f).kbps, 4500);
}

static void an_entry_that_leads_out_of_the_content_is_not_believed(void **state)
{
	struct fixture *f = *state;
	fixture_add(f, 1);
	fixture_hold(f, 1, "../../other/master.m3u8");
	fixture_hold(f, 2, "index.m3u8");
	struct place p = decide(f);
	assert_true(bytes_eq(p.entry, BYTES_LIT("index.m3u8")));
}

static void only_delivery_nodes_with_a_url(void **state)
{
	struct fixture *f = *state;
	fixture_add(f, 1)->roles = RPC_ROLE_API;
	fixture_add(f, 2)->http_url[0] = '\0'; /* it said none, or no plain one (control_view) */
	struct place p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	assert_int_equal(p.nodes_n, 0);
	fixture_add(f, 20)->roles = RPC_ROLE_API | RPC_ROLE_DELIVERY;
	p = decide(f);
	assert_int_equal(p.nodes_n, 1);
	assert_int_equal(taken(&p), 20);
}

static void no_nodes_at_all_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct place p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	assert_int_equal(keep(&p, 1, 1), 0);
}

static void states_decide(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum node_state state;
		enum kvs_liveness liveness;
		bool last_resort;
	} cases[] = {
		{ NODE_READY, KVS_SUSPECT, true },
		{ NODE_JOINING, KVS_ALIVE, true },
		{ NODE_JOINING, KVS_SUSPECT, true },
		{ NODE_DRAINING, KVS_ALIVE, false },
		{ NODE_DRAINING, KVS_SUSPECT, false }, /* silent while it leaves: it wanted nobody */
		{ NODE_LEFT, KVS_ALIVE, false },
		{ NODE_LEFT, KVS_SUSPECT, false },
		{ NODE_READY, KVS_DOWN, false },
		{ NODE_DRAINING, KVS_DOWN, false },
	};
	struct view_node *other = fixture_add(f, 1), *good = fixture_add(f, 2);
	fixture_hold(f, 1, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		other->state = cases[i].state;
		other->liveness = (uint8_t)cases[i].liveness;
		good->capacity = 1000;
		struct place p = decide(f);
		assert_int_equal(taken(&p), 2);
		good->capacity = 0;
		p = decide(f);
		if (cases[i].last_resort)
			assert_int_equal(taken(&p), 1);
		else
			assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	}
}

static void the_readers_failure_is_passed_on(void **state)
{
	struct fixture *f = *state;
	fixture_add(f, 1);
	fixture_publish(f);
	f->reader.error = ERR_IO;
	struct place p;
	memset(&p, 0x5a, sizeof(p));
	assert_int_equal(
	    place_decide(&f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE, &f->arena, &p),
	    ERR_IO);
	assert_int_equal(((uint8_t *)&p)[0], 0x5a);
}

static void a_small_arena_is_an_error(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 4; i++)
		fixture_add(f, i);
	fixture_publish(f);
	size_t failed = 0;
	for (size_t max = 0; max < 4000; max += 16) {
		struct arena small;
		struct place p;
		arena_init(&small, max);
		enum err e = place_decide(
		    &f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_LIT("z"), &small, &p);
		assert_true(e == OK || e == ERR_NO_MEMORY);
		failed += e != OK;
		arena_fini(&small);
	}
	assert_in_range(failed, 1, 249);
}

/* -- load -- */

/* What was assigned here since the report counts on top of it; what the report holds is not counted twice. */
static void assignments_since_the_report_count(void **state)
{
	struct fixture *f = *state;
	struct view_node *n = fixture_add(f, 1);
	n->capacity = 10;
	n->load = 7;
	for (int i = 0; i < 3; i++)
		tally_add(f->tally, n->slot, fixture_mono_ms / 1000 - 2);
	n->load_seen_ms = fixture_mono_ms - 1000; /* newer than those: it holds them */
	struct place p = decide(f);
	assert_int_equal(taken(&p), 1);
	n->load_seen_ms = fixture_mono_ms - 60000;
	p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	fixture_mono_ms += 5000; /* it would have told them by now */
	p = decide(f);
	assert_int_equal(taken(&p), 1);
	tally_add(f->tally, n->slot, fixture_mono_ms / 1000);
	n->load_seen_ms = fixture_mono_ms;
	n->load = 9;
	p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
}

static void who_is_sent_on_goes_to_another_node_with_sure_room(void **state)
{
	struct fixture *f = *state;
	struct place p;
	struct token t = { .origin = BYTES_LIT("main"), .content = BYTES_LIT("lv1") };
	struct node_id full = fixture_id(1);
	for (uint8_t i = 1; i <= 3; i++)
		fixture_add(f, i)->capacity = 100;
	f->nodes[1].load = 99; /* less room than what may have changed since it was told */
	fixture_hold(f, 1, "");
	fixture_hold(f, 2, "");
	fixture_publish(f);
	assert_int_equal(place_decide_elsewhere(&f->api, &f->worker, &t, &full, &f->arena, &p), OK);
	assert_int_equal(taken(&p), 3);
	f->nodes[2].load = 100;
	fixture_publish(f);
	assert_int_equal(place_decide_elsewhere(&f->api, &f->worker, &t, &full, &f->arena, &p), OK);
	assert_int_equal(taken(&p), 2);
	f->nodes[1].load = 100;
	fixture_publish(f);
	assert_int_equal(place_decide_elsewhere(&f->api, &f->worker, &t, &full, &f->arena, &p), OK);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
}

static void a_node_that_never_reported_is_counted_by_what_it_was_given(void **state)
{
	struct fixture *f = *state;
	struct view_node *n = fixture_add(f, 1);
	n->capacity = 3;
	n->has_load = false;
	n->load_seen_ms = 0;
	for (int i = 0; i < 3; i++)
		tally_add(f->tally, n->slot, fixture_mono_ms / 1000 - 20);
	struct place p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	fixture_mono_ms += 15000; /* 35 s ago: they would have come by now */
	p = decide(f);
	assert_int_equal(taken(&p), 1);
}

static void a_report_from_the_future_is_new(void **state)
{
	struct fixture *f = *state;
	struct view_node *n = fixture_add(f, 1);
	n->load_seen_ms = fixture_mono_ms + 5000;
	struct place p = decide(f);
	assert_int_equal(taken(&p), 1);
}

/* -- keeping -- */

static void a_session_stays_on_its_node_even_when_it_is_full(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 4; i++)
		fixture_add(f, i);
	fixture_hold(f, 1, "");
	f->nodes[2].load = f->nodes[2].capacity;
	snprintf(f->nodes[3].zone, RPC_NAME_MAX, "far");
	struct place p = decide(f);
	assert_int_equal(taken(&p), 1);
	for (uint8_t i = 1; i <= 4; i++)
		assert_int_equal(keep(&p, i, 77), i);
	for (uint8_t i = 0; i < 4; i++)
		f->nodes[i].load = f->nodes[i].capacity;
	p = decide(f);
	assert_int_equal(p.decision.outcome, ASSIGN_REFUSED);
	for (uint8_t i = 1; i <= 4; i++)
		assert_int_equal(keep(&p, i, 77), i);
	assert_int_equal(keep(&p, 9, 77), 0);
}

static void it_leaves_a_node_that_goes(void **state)
{
	struct fixture *f = *state;
	struct view_node *n = fixture_add(f, 1);
	fixture_add(f, 2);
	fixture_hold(f, 1, "");
	static const struct {
		enum node_state state;
		enum kvs_liveness liveness;
	} cases[] = { { NODE_DRAINING, KVS_ALIVE }, { NODE_LEFT, KVS_ALIVE }, { NODE_READY, KVS_DOWN },
		{ NODE_DRAINING, KVS_SUSPECT }, { NODE_READY, KVS_SUSPECT } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n->state = cases[i].state;
		n->liveness = (uint8_t)cases[i].liveness;
		struct place p = decide(f);
		assert_int_equal(keep(&p, 1, 5), 2);
	}
}

/* V5: who watches what only a draining node holds stays until another one holds it too. */
static void it_stays_while_copies_are_made(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 3; i++)
		fixture_add(f, i);
	fixture_hold(f, 1, "");
	f->nodes[0].state = NODE_DRAINING;
	f->nodes[0].copies_left = 4;
	struct place p = decide(f);
	for (unsigned s = 0; s < 50; s++)
		assert_int_equal(keep(&p, 1, s), 1);
	assert_in_range(taken(&p), 2, 3); /* new ones go elsewhere */
	fixture_hold(f, 3, "");
	p = decide(f);
	for (unsigned s = 0; s < 50; s++)
		assert_int_equal(keep(&p, 1, s), 3);
	f->reader.n = 1;
	f->nodes[0].copies_left = 0; /* they are made, or cannot be */
	p = decide(f);
	for (unsigned s = 0; s < 50; s++)
		assert_in_range(keep(&p, 1, s), 2, 3);
	f->nodes[0].copies_left = 4;
	f->nodes[0].liveness = KVS_SUSPECT;
	p = decide(f);
	assert_in_range(keep(&p, 1, 1), 2, 3);
	f->nodes[0].liveness = KVS_ALIVE;
	f->nodes[0].state = NODE_READY; /* undrained: what it once told means nothing */
	p = decide(f);
	assert_int_equal(keep(&p, 1, 1), 1);
}

/* The id of the node that the session on `node` is led to, as a player is. */
static uint8_t lead(const struct place *p, uint8_t node, unsigned session)
{
	uint8_t text[TOKEN_SESSION_BYTES] = { 0 };
	memcpy(text, &session, sizeof(session));
	struct node_id id = fixture_id(node);
	size_t at = place_lead(p, &id, bytes_of(text, sizeof(text)));
	return at == SIZE_MAX ? 0 : p->nodes[at].id.b[0];
}

enum { LED = 2000 };

/* How many of LED sessions on node 1 are led to each of the others. */
static unsigned led_away(const struct place *p, unsigned to[16])
{
	unsigned away = 0;
	memset(to, 0, 16 * sizeof(*to));
	for (unsigned s = 0; s < LED; s++) {
		uint8_t at = lead(p, 1, s);
		assert_true(at < 16);
		to[at]++;
		away += at != 1;
	}
	return away;
}

static void so_many_leave_a_node_that_is_over_its_bounds(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t busy, min, max; /* permille; of LED sessions */
	} cases[] = {
		{ 999, 0, 0 }, { 1000, 60, 145 }, /* a twentieth */
		{ 1300, 460, 620 },               /* 27 % bring it to 95 % */
		{ 9000, 520, 680 },               /* never more than three tenths at a time */
	};
	unsigned to[16];
	for (uint8_t i = 1; i <= 5; i++)
		fixture_add(f, i);
	for (uint8_t i = 1; i <= 4; i++)
		fixture_hold(f, i, "");
	f->nodes[3].busy_permille = PLACE_RELIEF_PERMILLE; /* 4 has hardly more room */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->nodes[0].busy_permille = cases[i].busy;
		struct place p = decide(f);
		unsigned away = led_away(&p, to);
		assert_in_range(away, cases[i].min, cases[i].max);
		assert_int_equal(to[2] + to[3], away); /* warm, and with room: neither 4 nor 5 */
		assert_true(away == 0 || (to[2] > away / 4 && to[3] > away / 4));
		/* Who asks where he belongs is left where he is (a heartbeat may cost him a buffer). */
		for (unsigned s = 0; s < 50; s++)
			assert_int_equal(keep(&p, 1, s), 1);
	}
}

/* The same ones however often they ask, more of them only as it gets worse, and nobody back. */
static void who_is_led_away_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 3; i++) {
		fixture_add(f, i);
		fixture_hold(f, i, "");
	}
	f->nodes[0].busy_permille = 1100;
	struct place a = decide(f);
	f->nodes[0].busy_permille = 1050;
	struct place b = decide(f);
	f->nodes[0].busy_permille = 940; /* they have left */
	f->nodes[1].busy_permille = 990; /* and were many for this one */
	struct place c = decide(f);
	for (unsigned s = 0; s < LED; s++) {
		uint8_t at = lead(&a, 1, s);
		assert_true(at == lead(&a, 1, s) && (lead(&b, 1, s) == 1 || lead(&b, 1, s) == at));
		assert_int_equal(lead(&c, at, s), at);
	}
}

static void without_room_elsewhere_they_stay(void **state)
{
	struct fixture *f = *state;
	unsigned to[16];
	for (uint8_t i = 1; i <= 4; i++)
		fixture_add(f, i);
	fixture_hold(f, 1, "");
	f->nodes[0].busy_permille = 1500;
	struct place p = decide(f);
	assert_int_equal(led_away(&p, to), 0); /* no other holder: a cold node costs more than it helps */
	fixture_hold(f, 2, "");
	fixture_hold(f, 3, "");
	f->nodes[1].load = f->nodes[1].capacity * 85 / 100;
	f->nodes[2].state = NODE_DRAINING;
	p = decide(f);
	assert_int_equal(led_away(&p, to), 0);
	f->nodes[1].load = 0;
	p = decide(f);
	unsigned away = led_away(&p, to);
	assert_int_equal(away, to[2]);
	assert_true(away > LED / 5);
	f->nodes[0].state = NODE_DRAINING;
	p = decide(f);
	assert_int_equal(led_away(&p, to), LED); /* as ever */
}

static void holders_first(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 8; i++)
		fixture_add(f, i);
	f->nodes[0].liveness = KVS_DOWN;
	fixture_hold(f, 1, "");
	fixture_hold(f, 3, "");
	fixture_hold(f, 6, "");
	fixture_hold(f, 7, "");
	f->nodes[6].load = f->nodes[6].capacity; /* 7 is full */
	struct place p = decide(f);
	unsigned seen[16] = { 0 };
	for (unsigned s = 0; s < 200; s++)
		seen[keep(&p, 1, s)]++;
	assert_int_equal(seen[3] + seen[6], 200);
	assert_true(seen[3] > 50 && seen[6] > 50); /* spread by session */
}

/* A6: those are a last resort, a holder of the content or not. */
static void not_to_a_joining_or_suspected_one_while_others_are_ready(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 5; i++)
		fixture_add(f, i);
	f->nodes[0].state = NODE_DRAINING;
	f->nodes[1].liveness = KVS_SUSPECT;
	f->nodes[2].state = NODE_JOINING;
	fixture_hold(f, 2, "");
	fixture_hold(f, 3, "");
	struct place p = decide(f);
	for (unsigned s = 0; s < 100; s++)
		assert_in_range(keep(&p, 1, s), 4, 5);
	f->nodes[3].capacity = f->nodes[4].capacity = 0;
	p = decide(f);
	for (unsigned s = 0; s < 100; s++)
		assert_int_equal(keep(&p, 1, s), 3); /* joining before suspected */
	f->nodes[2].liveness = KVS_DOWN;
	p = decide(f);
	assert_int_equal(keep(&p, 1, 1), 2);
}

/* Every api node leads a session to the same place, whatever its own zone, and again and again. */
static void the_same_choice_from_everywhere(void **state)
{
	struct fixture *f = *state;
	struct prng r;
	prng_init(&r, 11);
	for (int round = 0; round < 200; round++) {
		f->nodes_n = f->reader.n = 0;
		for (uint8_t i = 1; i <= 10; i++) {
			struct view_node *n = fixture_add(f, i);
			n->zone[0] = prng_chance(&r, 500) ? 'a' : 'b';
			n->load = (uint32_t)prng_below(&r, 1000);
			if (prng_chance(&r, 300))
				n->state = (enum node_state)(NODE_JOINING + prng_below(&r, 4));
			if (prng_chance(&r, 200))
				n->liveness = (uint8_t)prng_below(&r, 3);
			if (prng_chance(&r, 300))
				fixture_hold(f, i, "");
		}
		uint8_t home = (uint8_t)(1 + prng_below(&r, 10));
		unsigned session = (unsigned)prng_below(&r, 1000);
		struct place p = decide_in(f, "a");
		uint8_t expected = keep(&p, home, session);
		p = decide_in(f, "b");
		assert_int_equal(keep(&p, home, session), expected);
		p = decide_in(f, "");
		assert_int_equal(keep(&p, home, session), expected);
		/* The order of the arrays is no part of it. */
		for (size_t i = 0; i < p.nodes_n / 2; i++) {
			size_t j = p.nodes_n - 1 - i;
			struct place_node n = p.nodes[i];
			p.nodes[i] = p.nodes[j];
			p.nodes[j] = n;
		}
		for (size_t i = 0; i < p.decision.candidates_n; i++)
			p.decision.candidates[i].node = (uint32_t)p.nodes_n - 1 - p.decision.candidates[i].node;
		for (size_t i = 0; i < p.decision.usable_n / 2; i++) {
			struct assign_candidate *c = p.decision.candidates, first = c[i];
			c[i] = c[p.decision.usable_n - 1 - i];
			c[p.decision.usable_n - 1 - i] = first;
		}
		assert_int_equal(keep(&p, home, session), expected);
		arena_reset(&f->arena);
	}
}

/* When one node more fails, only its sessions move again. */
static void only_the_sessions_of_a_lost_node_move(void **state)
{
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 6; i++)
		fixture_add(f, i);
	f->nodes[0].liveness = KVS_DOWN;
	struct place before = decide(f);
	f->nodes[3].liveness = KVS_DOWN;
	struct place after = decide(f);
	unsigned moved = 0;
	for (unsigned s = 0; s < 300; s++) {
		uint8_t was = keep(&before, 1, s), is = keep(&after, 1, s);
		if (was == 4)
			moved++;
		else
			assert_int_equal(is, was);
		assert_int_not_equal(is, 4);
	}
	assert_in_range(moved, 20, 150);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(a_holder_is_warm),
		T(the_most_that_a_holder_says_it_takes),
		T(an_entry_that_leads_out_of_the_content_is_not_believed),
		T(only_delivery_nodes_with_a_url),
		T(no_nodes_at_all_is_no_error),
		T(states_decide),
		T(the_readers_failure_is_passed_on),
		T(a_small_arena_is_an_error),
		T(assignments_since_the_report_count),
		T(who_is_sent_on_goes_to_another_node_with_sure_room),
		T(a_node_that_never_reported_is_counted_by_what_it_was_given),
		T(a_report_from_the_future_is_new),
		T(a_session_stays_on_its_node_even_when_it_is_full),
		T(it_leaves_a_node_that_goes),
		T(it_stays_while_copies_are_made),
		T(so_many_leave_a_node_that_is_over_its_bounds),
		T(who_is_led_away_does_not_come_back),
		T(without_room_elsewhere_they_stay),
		T(holders_first),
		T(not_to_a_joining_or_suspected_one_while_others_are_ready),
		T(the_same_choice_from_everywhere),
		T(only_the_sessions_of_a_lost_node_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
