/* Fills by the content's first node (D7, its second level), against nodes that answer by a script of the
 * test's: one word a request, in the order in which they come to either of two nodes. */
#include "node/origin/curl_peers.h"

#include "base/check.h"
#include "kvs/lmdb_reader.h"
#include "node/origin/curl_fetch.h"
#include "origin_fixture.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, BODY_BYTES = 700000, NODES = 2, STEPS_MAX = 32 };

#define ETAG "ETag: \"p1\"\r\n"

enum step {
	GIVES,
	GIVES_PLAYLIST,
	BREAKS_OFF,
	MISSING,
	MISSING_GROWS,
	FILLING,
	FAILED,
	NOT_HERE,
	TOO_OLD,
	HANGS
};

static struct {
	struct origin_fixture fills;
	struct store nodes[NODES];
	struct view_publisher views;
	struct purged *purged;
	struct token_keys keys;
	struct node_id self;
	struct peers *peers;
	enum step steps[STEPS_MAX];
	unsigned steps_n;
	atomic_uint at;
	int ports[STEPS_MAX]; /* who was asked */
	char target[1024], control[512], loop[512];
} t;

static pthread_mutex_t asked_lock = PTHREAD_MUTEX_INITIALIZER;

/* -- the replica's reader: nobody holds anything -- */

static int reader;

enum err kvs_reader_open(struct kvs_store *s, struct kvs_reader **out)
{
	(void)s;
	*out = (struct kvs_reader *)(void *)&reader;
	return OK;
}

void kvs_reader_close(struct kvs_reader *r)
{
	(void)r;
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	(void)r;
	(void)origin;
	(void)content;
	(void)a;
	(void)out;
	(void)max;
	*n = 0;
	return OK;
}

/* -- the nodes -- */

static const char playlist[] =
    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n";

static bool answers(struct store_request *r)
{
	CHECK(pthread_mutex_lock(&asked_lock) == 0);
	unsigned at = atomic_fetch_add(&t.at, 1);
	CHECK(at < t.steps_n);
	t.ports[at] = r->store->port;
	(void)snprintf(t.target, sizeof(t.target), "%s", r->target);
	(void)store_field(r, "Cache-Control", t.control);
	(void)store_field(r, "CDN-Loop", t.loop);
	CHECK(pthread_mutex_unlock(&asked_lock) == 0);
	switch (t.steps[at]) {
	case GIVES: store_answer(r, ETAG "Warmcast-Age-Ms: 100\r\n", BODY_BYTES); break;
	case GIVES_PLAYLIST:
		store_say(r, "HTTP/1.1 200 OK\r\n" ETAG "Warmcast-Age-Ms: 5000\r\nContent-Length: %zu\r\n\r\n%s",
		    strlen(playlist), playlist);
		break;
	case BREAKS_OFF:
		store_say(r, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: %d\r\n\r\n", BODY_BYTES);
		store_give(r, 0, BODY_BYTES / 2);
		return false;
	case MISSING:
		store_say(r, "HTTP/1.1 404 Not Found\r\nWarmcast-Missing-Ms: 60\r\nContent-Length: 0\r\n\r\n");
		break;
	case MISSING_GROWS:
		store_say(r, "HTTP/1.1 404 Not Found\r\nWarmcast-Missing-Ms: 60\r\nWarmcast-Grows: "
		             "1\r\nContent-Length: 0\r\n\r\n");
		break;
	case FILLING:
		store_say(r, "HTTP/1.1 504 Gateway Timeout\r\nWarmcast-Filling: 1\r\nContent-Length: 0\r\n\r\n");
		break;
	case FAILED: store_say(r, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"); break;
	case NOT_HERE: store_say(r, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"); break;
	case TOO_OLD: store_say(r, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"); break;
	case HANGS: store_hold(r); return false;
	}
	return true;
}

static void publish(void)
{
	struct cluster_view *v = cluster_view_new(NODES);
	for (unsigned i = 0; i < NODES; i++) {
		struct view_node *n = &v->nodes[i];
		n->id = (struct node_id){ { (uint8_t)(i + 1) } };
		n->roles = RPC_ROLE_DELIVERY;
		n->state = NODE_READY;
		n->liveness = KVS_ALIVE;
		n->capacity = 10;
		(void)snprintf(n->http_url, sizeof(n->http_url), "http://127.0.0.1:%d", t.nodes[i].port);
	}
	view_publish(&t.views, v);
}

static void start(const enum step *steps, unsigned n)
{
	size_t bad_line;
	memset(&t, 0, sizeof(t));
	memcpy(t.steps, steps, n * sizeof(*steps));
	t.steps_n = n;
	CHECK(token_keys_parse(
	          BYTES_LIT("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &t.keys, &bad_line) == OK);
	t.self = (struct node_id){ { 77 } };
	for (unsigned i = 0; i < NODES; i++)
		store_start(&t.nodes[i], answers);
	view_publisher_init(&t.views, 1);
	publish();
	t.purged = purged_new(60000);
	purged_complete(t.purged);
	struct peers_config c = { .views = &t.views,
		.keys = &t.keys,
		.self = &t.self,
		.cluster = "demo",
		.purged = t.purged,
		.now_wall_ms = wall_ms };
	CHECK(peers_new(&c, &t.peers) == OK);
	origin_fixture_peers = t.peers;
	origin_fixture_make(&t.fills, 64 * MIB, 8 * MIB, 60000);
}

#define START(...)                                    \
	do {                                              \
		static const enum step s[] = { __VA_ARGS__ }; \
		start(s, sizeof(s) / sizeof(s[0]));           \
	} while (0)

static void end(void)
{
	assert_int_equal(atomic_load(&t.at), t.steps_n);
	origin_fixture_remove(&t.fills);
	origin_fixture_peers = NULL;
	peers_free(t.peers);
	purged_free(t.purged);
	view_publisher_fini(&t.views);
	for (unsigned i = 0; i < NODES; i++)
		store_end(&t.nodes[i]);
}

static bool nothing_runs(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.running == 0 && n.queued == 0;
}

static struct fill_answer fill(const char *object, enum growing_state *ended)
{
	struct asker a;
	ask_and_await(&t.fills, &a, object);
	assert_true(eventually(nothing_runs, &t.fills));
	struct fill_answer answer = a.waiter.answer;
	if (answer.outcome == FILL_GROWING && ended != NULL)
		*ended = growing_look(answer.growing).state;
	release(&t.fills, &a);
	return answer;
}

static void assert_filled(const char *object, bool from_peer)
{
	enum growing_state ended = GROWING_FAILED;
	unsigned opens = fake_opens(&t.fills.fake);
	struct fill_answer a = fill(object, &ended);
	assert_int_equal(a.outcome, FILL_GROWING);
	assert_int_equal(ended, GROWING_WHOLE);
	assert_int_equal(a.from_peer, from_peer);
	assert_int_equal(fake_opens(&t.fills.fake), opens + !from_peer);
}

static uint64_t now_ms(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* -- tests -- */

static void test_the_first_node_is_asked_to_fill(void **state)
{
	(void)state;
	START(GIVES, GIVES, GIVES);
	struct rpc_command_id id = { { 0xab } };
	assert_filled("c/1.m4s", true);
	assert_string_equal(t.control, ""); /* not only-if-cached */
	assert_string_equal(t.loop, "warmcast-demo");
	assert_string_equal(strchr(t.target, '?'), "?fill=1");
	purged_begin(t.purged, &id, BYTES_LIT("c"), 0);
	assert_filled("c/2.m4s", true);
	assert_string_equal(strchr(t.target, '?'), "?fill=1&purged=ab000000000000000000000000000000");
	assert_filled("c/3.m4s", true);
	assert_int_equal(t.ports[0], t.ports[1]); /* the same for all of a content */
	assert_int_equal(t.ports[0], t.ports[2]);
	struct fills_counters n = counters(&t.fills);
	assert_int_equal(n.fills_asked, 3);
	assert_int_equal(n.from_peers, 3);
	assert_int_equal(n.bytes_from_origin + n.peer_failures + n.peer_misses, 0);
	end();
}

static void test_keys_and_what_is_in_doubt_are_the_stores(void **state)
{
	(void)state;
	START(GIVES);
	assert_filled("c/1.key", false);
	assert_filled("c/1.m4s", true);
	cache_doubt(t.fills.cache);
	struct asker a;
	ask_and_await(&t.fills, &a, "c/1.m4s");
	assert_int_equal(t.fills.fake.stats, 1);
	release(&t.fills, &a);
	purged_doubt(t.purged);
	assert_filled("c/2.m4s", false);
	end();
}

/* What nobody has asked for yet is remembered as missing by nobody. */
static void test_what_is_fetched_ahead_is_not_remembered(void **state)
{
	(void)state;
	START(MISSING_GROWS, GIVES);
	struct asker a = { .answered = false };
	ask_ahead(&t.fills, &a, "c/1.m4s");
	await(&t.fills, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	assert_true(eventually(nothing_runs, &t.fills));
	assert_string_equal(strchr(t.target, '?'), "?fill=1&ahead=1");
	assert_filled("c/1.m4s", true);
	assert_string_equal(strchr(t.target, '?'), "?fill=1");
	assert_int_equal(counters(&t.fills).missing_again, 0);
	end();
}

static void test_that_there_is_none_is_believed(void **state)
{
	(void)state;
	START(MISSING, GIVES);
	assert_int_equal(fill("c/1.m4s", NULL).outcome, FILL_NOT_FOUND);
	assert_int_equal(fake_opens(&t.fills.fake), 0);
	uint64_t began = now_ms();
	struct fill_answer a;
	do /* for as long as it said, of which a part may have passed: no hop starts it anew */
		a = fill("c/1.m4s", NULL);
	while (a.outcome == FILL_NOT_FOUND && now_ms() - began < 5000);
	assert_int_equal(a.outcome, FILL_GROWING);
	end();
}

static void test_what_may_come_soon_is_asked_for_again(void **state)
{
	(void)state;
	START(MISSING_GROWS, MISSING_GROWS, GIVES);
	uint64_t began = now_ms();
	assert_filled("c/1.m4s", true);
	assert_in_range(now_ms() - began, 480, 5000);
	assert_int_equal(counters(&t.fills).missing_again, 2);
	end();
	START(MISSING_GROWS);
	assert_int_equal(fill("c/master.m3u8", NULL).outcome, FILL_NOT_FOUND);
	end();
}

static void test_who_is_at_it_is_asked_again(void **state)
{
	(void)state;
	START(FILLING, FILLING, GIVES);
	assert_filled("c/1.m4s", true);
	assert_int_equal(t.ports[0], t.ports[2]);
	assert_int_equal(counters(&t.fills).fills_awaited, 2);
	assert_int_equal(counters(&t.fills).peer_failures, 0);
	end();
}

static void test_whose_way_to_the_store_fails_leaves_it_to_the_asker(void **state)
{
	(void)state;
	START(FAILED, FAILED);
	assert_filled("c/1.m4s", false);
	assert_filled("c/2.m4s", false); /* and is not left alone: it is well */
	end();
}

static void test_then_the_next_then_the_store(void **state)
{
	(void)state;
	START(NOT_HERE, GIVES, TOO_OLD, NOT_HERE, NOT_HERE);
	assert_filled("c/1.m4s", true);
	assert_int_not_equal(t.ports[0], t.ports[1]);
	assert_filled("c/2.m4s", false);
	assert_int_equal(t.ports[2], t.ports[0]);
	assert_int_equal(t.ports[3], t.ports[1]);
	assert_filled("c/3.m4s", false); /* who is too old to know of it is left alone */
	assert_int_equal(t.ports[4], t.ports[1]);
	end();
}

static void test_who_hangs_costs_a_second(void **state)
{
	(void)state;
	START(HANGS, GIVES, GIVES);
	uint64_t began = now_ms();
	assert_filled("c/1.m4s", true);
	assert_in_range(now_ms() - began, 900, 2900);
	began = now_ms();
	assert_filled("c/2.m4s", true);
	assert_true(now_ms() - began < 900);
	assert_int_equal(t.ports[1], t.ports[2]);
	end();
}

/* D5: never spliced; the next in order is the next to be asked, for the others' sake. */
static void test_what_breaks_off_resets_its_waiters(void **state)
{
	(void)state;
	START(BREAKS_OFF, GIVES);
	enum growing_state ended = GROWING_OPEN;
	assert_int_equal(fill("c/1.m4s", &ended).outcome, FILL_GROWING);
	assert_int_equal(ended, GROWING_FAILED);
	assert_filled("c/1.m4s", true);
	assert_int_not_equal(t.ports[0], t.ports[1]);
	end();
}

/* D7: a request that came from a peer makes no other node fill. */
static void test_for_another_node_nobody_is_asked(void **state)
{
	(void)state;
	START(GIVES);
	struct asker a;
	ask_for_peer(&t.fills, &a, "c/1.m4s");
	await(&t.fills, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_false(a.waiter.answer.from_peer);
	release(&t.fills, &a);
	assert_true(eventually(nothing_runs, &t.fills));
	assert_int_equal(fake_opens(&t.fills.fake), 1);
	assert_filled("c/2.m4s", true);
	end();
}

static bool was_asked(void *arg)
{
	(void)arg;
	return atomic_load(&t.at) > 0;
}

/* Two that wait for each other would wait for ever. */
static void test_nobody_waits_for_who_waits_elsewhere(void **state)
{
	(void)state;
	START(HANGS, GIVES);
	struct asker own, other;
	ask(&t.fills, &own, "c/1.m4s");
	assert_true(eventually(was_asked, NULL));
	ask_for_peer(&t.fills, &other, "c/1.m4s");
	await(&t.fills, &other);
	assert_int_equal(other.waiter.answer.outcome, FILL_FAILED);
	assert_int_equal(other.waiter.answer.error, ERR_BUSY);
	await(&t.fills, &own);
	assert_int_equal(own.waiter.answer.outcome, FILL_GROWING);
	release(&t.fills, &own);
	assert_true(eventually(nothing_runs, &t.fills));
	end();
}

/* All threads for viewers may wait for other nodes: what these wait for has others. */
static void test_other_nodes_do_not_wait_for_a_thread(void **state)
{
	enum { THREADS = 8, OWN = 20 };
	(void)state;
	enum step steps[THREADS + OWN];
	for (unsigned i = 0; i < THREADS + OWN; i++)
		steps[i] = i < THREADS ? HANGS : GIVES;
	start(steps, THREADS + OWN);
	struct asker own[OWN], other;
	char name[16];
	for (unsigned i = 0; i < OWN; i++) {
		(void)snprintf(name, sizeof(name), "c/%u.m4s", i);
		ask(&t.fills, &own[i], name);
	}
	assert_true(eventually(was_asked, NULL));
	uint64_t began = now_ms();
	ask_for_peer(&t.fills, &other, "c/other.m4s");
	await(&t.fills, &other);
	assert_int_equal(other.waiter.answer.outcome, FILL_GROWING);
	assert_true(now_ms() - began < 900);
	release(&t.fills, &other);
	for (unsigned i = 0; i < OWN; i++) {
		await(&t.fills, &own[i]);
		assert_int_equal(own[i].waiter.answer.outcome, FILL_GROWING);
		release(&t.fills, &own[i]);
	}
	assert_true(eventually(nothing_runs, &t.fills));
	end();
}

/* A playlist that is stale here is stale at the holders: the first node has the new one for all, and what it
 * stands in with is taken, however old. */
static void test_a_stale_playlist_is_renewed_by_the_first_node(void **state)
{
	(void)state;
	START(GIVES_PLAYLIST, GIVES_PLAYLIST, GIVES_PLAYLIST);
	struct fill_answer a = fill("c/live.m3u8", NULL);
	assert_int_equal(a.outcome, FILL_GROWING);
	assert_int_equal(a.meta.ttl_ms, 2000);
	assert_int_equal(a.meta.answered_wall_ms, wall_ms() - 5000); /* D2: a hop tells its age */
	struct cache_key k = { .origin = BYTES_LIT("main"), .object = BYTES_LIT("c/live.m3u8") };
	struct cache_unit *u = cache_look(t.fills.cache, &k);
	char text[sizeof(playlist)];
	assert_non_null(u);
	assert_int_equal(pread(u->fd, text, sizeof(text), 0), strlen(playlist));
	assert_non_null(strstr(text, "\n#----X-SERVER-CONTROL"));
	cache_release(t.fills.cache, u);
	set_wall_ms(wall_ms() + 10000);
	a = fill("c/live.m3u8", NULL);
	assert_int_equal(a.outcome, FILL_HIT); /* the same: confirmed, and as old as there */
	assert_false(a.stale);
	u = cache_look(t.fills.cache, &k);
	assert_int_equal(u->meta->answered_wall_ms, wall_ms() - 5000);
	cache_release(t.fills.cache, u);
	set_wall_ms(wall_ms() - 1); /* what is no newer stands in for a store that fails there */
	a = fill("c/live.m3u8", NULL);
	assert_int_equal(a.outcome, FILL_HIT);
	assert_true(a.stale);
	assert_int_equal(fake_opens(&t.fills.fake), 0);
	assert_int_equal(t.fills.fake.stats, 0);
	end();
}

static int group_setup(void **state)
{
	(void)state;
	return fetch_init() == OK ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	fetch_exit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_node_is_asked_to_fill),
		cmocka_unit_test(test_keys_and_what_is_in_doubt_are_the_stores),
		cmocka_unit_test(test_what_is_fetched_ahead_is_not_remembered),
		cmocka_unit_test(test_that_there_is_none_is_believed),
		cmocka_unit_test(test_what_may_come_soon_is_asked_for_again),
		cmocka_unit_test(test_who_is_at_it_is_asked_again),
		cmocka_unit_test(test_whose_way_to_the_store_fails_leaves_it_to_the_asker),
		cmocka_unit_test(test_then_the_next_then_the_store),
		cmocka_unit_test(test_who_hangs_costs_a_second),
		cmocka_unit_test(test_what_breaks_off_resets_its_waiters),
		cmocka_unit_test(test_for_another_node_nobody_is_asked),
		cmocka_unit_test(test_nobody_waits_for_who_waits_elsewhere),
		cmocka_unit_test(test_other_nodes_do_not_wait_for_a_thread),
		cmocka_unit_test(test_a_stale_playlist_is_renewed_by_the_first_node),
	};
	return cmocka_run_group_tests_name("curl_fillers", tests, group_setup, group_teardown);
}
