/* Fills out of other nodes' caches (D7), against nodes that answer well and badly. Who holds what is this
 * test's to say: it stands in for the replica's reader. */
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

enum { MIB = 1 << 20, BODY_BYTES = 700000, PEERS = 2 };

#define ETAG "ETag: \"p1\"\r\n"

static struct {
	struct origin_fixture fills;
	struct store nodes[PEERS];
	struct view_publisher views;
	struct purged *purged;
	struct token_keys keys;
	struct node_id self;
	struct peers *peers;
	atomic_bool nobody;                         /* holds it */
	char target[1024], control[512], loop[512]; /* of the last request to a peer */
} t;

/* -- the replica's reader -- */

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

static struct node_id id_of(unsigned n)
{
	return (struct node_id){ { (uint8_t)(n + 1) } };
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	(void)r;
	(void)a;
	CHECK(bytes_eq(origin, BYTES_LIT("main")) && max >= PEERS);
	CHECK(bytes_eq(content, BYTES_LIT("c")));
	*n = t.nobody ? 0 : PEERS;
	for (unsigned i = 0; i < *n; i++)
		out[i] = (struct kvs_holder){ .node = id_of(i) };
	return OK;
}

/* -- what nodes answer -- */

static bool gives(struct store_request *r)
{
	(void)snprintf(t.target, sizeof(t.target), "%s", r->target);
	(void)store_field(r, "Cache-Control", t.control);
	(void)store_field(r, "CDN-Loop", t.loop);
	store_answer(r, ETAG "Age: 3\r\nWarmcast-Age-Ms: 2100\r\n", BODY_BYTES);
	return true;
}

static bool has_it_not(struct store_request *r)
{
	store_say(r, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n");
	return true;
}

static bool is_too_old_for_that(struct store_request *r)
{
	store_say(r, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	return true;
}

static bool has_no_validator(struct store_request *r)
{
	store_answer(r, "", BODY_BYTES);
	return true;
}

static bool breaks_off(struct store_request *r)
{
	store_say(r, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: %d\r\n\r\n", BODY_BYTES);
	store_give(r, 0, BODY_BYTES / 2);
	return false;
}

static bool gives_a_head_only(struct store_request *r)
{
	store_say(r, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: %d\r\n\r\n", BODY_BYTES);
	return false;
}

static bool hangs_behind_its_head(struct store_request *r)
{
	(void)gives_a_head_only(r);
	store_hold(r);
	return false;
}

static bool hangs(struct store_request *r)
{
	store_hold(r);
	return false;
}

/* -- the fixture -- */

static void publish(void)
{
	struct cluster_view *v = cluster_view_new(PEERS);
	for (unsigned i = 0; i < PEERS; i++) {
		struct view_node *n = &v->nodes[i];
		n->id = id_of(i);
		n->state = NODE_READY;
		n->liveness = KVS_ALIVE;
		n->has_load = true;
		n->capacity = 10;
		n->load = i; /* the first is asked first */
		(void)snprintf(n->http_url, sizeof(n->http_url), "http://127.0.0.1:%d", t.nodes[i].port);
	}
	view_publish(&t.views, v);
}

static void start(bool (*first)(struct store_request *r), bool (*second)(struct store_request *r))
{
	size_t bad_line;
	memset(&t, 0, sizeof(t));
	CHECK(token_keys_parse(
	          BYTES_LIT("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &t.keys, &bad_line) == OK);
	t.self = id_of(77);
	store_start(&t.nodes[0], first);
	store_start(&t.nodes[1], second);
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

static void end(void)
{
	origin_fixture_remove(&t.fills);
	origin_fixture_peers = NULL;
	peers_free(t.peers);
	purged_free(t.purged);
	view_publisher_fini(&t.views);
	for (unsigned i = 0; i < PEERS; i++)
		store_end(&t.nodes[i]);
}

static bool nothing_runs(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.running == 0 && n.queued == 0;
}

/* Asks for it, and waits until the fill is over. */
static struct fill_answer fill(const char *object, enum growing_state *ended)
{
	struct asker a;
	ask_and_await(&t.fills, &a, object);
	assert_true(eventually(nothing_runs, &t.fills));
	struct fill_answer answer = a.waiter.answer;
	if (answer.outcome == FILL_GROWING)
		*ended = growing_look(answer.growing).state;
	release(&t.fills, &a);
	return answer;
}

static void assert_from_peer(const char *object)
{
	enum growing_state ended = GROWING_FAILED;
	struct fill_answer a = fill(object, &ended);
	assert_int_equal(a.outcome, FILL_GROWING);
	assert_int_equal(ended, GROWING_WHOLE);
	assert_true(a.from_peer);
	assert_string_equal(a.meta.etag, "\"p1\"");
	struct cache_key k = { .origin = BYTES_LIT("main"), .object = bytes_str(object) };
	struct cache_unit *u = cache_look(t.fills.cache, &k);
	static uint8_t bytes[BODY_BYTES];
	assert_non_null(u);
	assert_int_equal(u->meta->length, BODY_BYTES);
	assert_int_equal(pread(u->fd, bytes, sizeof(bytes), 0), BODY_BYTES);
	for (size_t i = 0; i < BODY_BYTES; i++)
		if (bytes[i] != store_byte(i))
			fail_msg("byte %zu differs", i);
	cache_release(t.fills.cache, u);
}

static void assert_from_store(const char *object)
{
	enum growing_state ended = GROWING_FAILED;
	unsigned opens = fake_opens(&t.fills.fake);
	struct fill_answer a = fill(object, &ended);
	assert_int_equal(a.outcome, FILL_GROWING);
	assert_int_equal(ended, GROWING_WHOLE);
	assert_false(a.from_peer);
	assert_string_equal(a.meta.etag, "\"e1\"");
	assert_int_equal(fake_opens(&t.fills.fake), opens + 1);
}

static unsigned asked(unsigned node)
{
	return atomic_load(&t.nodes[node].requests);
}

static uint64_t now_ms(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* -- tests -- */

static void test_the_first_holder_is_asked_as_the_rules_say(void **state)
{
	(void)state;
	start(gives, gives);
	assert_from_peer("c/v/a b.m4s");
	assert_int_equal(asked(0), 1);
	assert_int_equal(asked(1), 0);
	assert_int_equal(fake_opens(&t.fills.fake), 0);
	assert_string_equal(t.control, "only-if-cached");
	assert_string_equal(t.loop, "warmcast-demo");
	char *token = t.target + strlen("/peer/");
	assert_int_equal(strncmp(t.target, "/peer/", 6), 0);
	size_t n = strcspn(token, "/");
	assert_string_equal(token + n, "/c/v/a%20b.m4s");
	struct arena arena;
	struct token got;
	struct node_id first = id_of(0);
	arena_init(&arena, 1 << 16);
	assert_int_equal(token_verify(&t.keys, bytes_of(token, n), TOKEN_PEER, &arena, &got), OK);
	assert_true(token_opens(&got, BYTES_LIT("c/v/a b.m4s")));
	assert_true(node_id_eq(&got.node, &first) && node_id_eq(&got.issued_by, &t.self));
	assert_int_equal(got.not_after_s, wall_ms() / 1000 + 60);
	arena_fini(&arena);
	struct fills_counters c = counters(&t.fills);
	assert_int_equal(c.from_peers, 1);
	assert_int_equal(c.bytes_from_peers, BODY_BYTES);
	assert_int_equal(c.bytes_from_origin, 0);
	assert_int_equal(c.peer_misses + c.peer_failures, 0);
	/* D2: it is as old as it was there. */
	struct cache_key k = { .origin = BYTES_LIT("main"), .object = BYTES_LIT("c/v/a b.m4s") };
	struct cache_unit *u = cache_look(t.fills.cache, &k);
	assert_int_equal(u->meta->answered_wall_ms, wall_ms() - 2100);
	cache_release(t.fills.cache, u);
	end();
}

static void test_a_miss_leads_to_the_next_then_to_the_store(void **state)
{
	(void)state;
	start(has_it_not, gives);
	assert_from_peer("c/1.m4s");
	assert_from_peer("c/2.m4s"); /* a miss is of that object only */
	assert_int_equal(asked(0), 2);
	assert_int_equal(counters(&t.fills).peer_misses, 2);
	assert_int_equal(counters(&t.fills).peer_failures, 0);
	end();
	start(has_it_not, has_it_not);
	assert_from_store("c/1.m4s");
	assert_int_equal(asked(0) + asked(1), 2);
	end();
	start(gives, gives);
	assert_from_store("c/1.key"); /* what nobody stores is asked of nobody */
	t.nobody = true;
	assert_from_store("c/1.m4s");
	assert_int_equal(asked(0) + asked(1), 0);
	t.nobody = false;
	assert_from_peer("other/1.m4s"); /* filled for c, where a session's token opens it besides */
	end();
}

static void test_who_fails_is_left_alone(void **state)
{
	(void)state;
	start(is_too_old_for_that, has_no_validator);
	assert_from_store("c/1.m4s");
	assert_int_equal(counters(&t.fills).peer_failures, 2);
	assert_from_store("c/2.m4s");
	assert_int_equal(asked(0), 1);
	assert_int_equal(asked(1), 1);
	end();
}

static void costs_a_second(bool (*first)(struct store_request *r))
{
	start(first, gives);
	uint64_t began = now_ms();
	assert_from_peer("c/1.m4s");
	assert_in_range(now_ms() - began, 900, 2900);
	began = now_ms();
	assert_from_peer("c/2.m4s");
	assert_true(now_ms() - began < 900);
	assert_int_equal(asked(0), 1);
	end();
}

static void test_who_hangs_costs_a_second(void **state)
{
	(void)state;
	costs_a_second(hangs);
	costs_a_second(hangs_behind_its_head);
}

/* While nobody streams from it, the next one can still be asked. */
static void test_a_head_is_no_answer(void **state)
{
	(void)state;
	start(gives_a_head_only, gives);
	assert_from_peer("c/1.m4s");
	assert_int_equal(asked(0), 1);
	assert_int_equal(asked(1), 1);
	end();
}

/* D5: never spliced; and what broke off once is the origin store's next. */
static void test_what_breaks_off_resets_its_waiters(void **state)
{
	(void)state;
	start(breaks_off, gives);
	enum growing_state ended = GROWING_OPEN;
	struct fill_answer a = fill("c/1.m4s", &ended);
	assert_int_equal(a.outcome, FILL_GROWING);
	assert_int_equal(ended, GROWING_FAILED);
	assert_true(a.from_peer);
	assert_int_equal(fake_opens(&t.fills.fake), 0);
	assert_from_store("c/1.m4s");
	assert_from_peer("c/2.m4s"); /* of the other */
	assert_int_equal(asked(0), 1);
	assert_int_equal(asked(1), 1);
	end();
}

static void test_a_copy_that_is_too_old_is_not_taken(void **state)
{
	(void)state;
	start(gives, gives);
	assert_from_store("c/x.m3u8"); /* fresh for two seconds, and 2.1 old */
	assert_int_equal(asked(0) + asked(1), 2);
	assert_int_equal(counters(&t.fills).peer_failures, 0);
	end();
}

static atomic_bool is_slow;

static bool gives_at_first(struct store_request *r)
{
	if (!atomic_load(&is_slow))
		return gives(r);
	store_hold(r);
	return false;
}

/* Once it is known how fast they are, a slow one costs no second, and is not left alone for it. */
static void test_a_slow_holder_is_hedged(void **state)
{
	(void)state;
	atomic_store(&is_slow, false);
	start(gives_at_first, gives);
	char name[16];
	uint64_t early = 0; /* on a busy machine; each uses up what fifty fills earned */
	for (unsigned i = 0; i < 60 + 50 * early; i++) {
		(void)snprintf(name, sizeof(name), "c/%u.m4s", i);
		assert_from_peer(name);
		early = counters(&t.fills).hedged;
		assert_true(early < 8);
	}
	unsigned before = asked(1);
	atomic_store(&is_slow, true);
	assert_from_peer("c/slow.m4s");
	struct fills_counters n = counters(&t.fills);
	assert_int_equal(n.hedged, early + 1);
	assert_int_equal(n.peer_failures, 0);
	assert_int_equal(asked(1), before + 1);
	uint64_t began = now_ms();
	assert_from_peer("c/slow2.m4s"); /* at most one in fifty */
	assert_true(now_ms() - began >= 900);
	assert_int_equal(counters(&t.fills).hedged, early + 1);
	end();
}

static void test_purges_are_named(void **state)
{
	(void)state;
	struct rpc_command_id id = { { 0xab } };
	start(gives, gives);
	purged_begin(t.purged, &id, BYTES_LIT("c"), 0);
	assert_from_peer("c/1.m4s");
	const char *query = strchr(t.target, '?');
	assert_non_null(query);
	assert_string_equal(query, "?purged=ab000000000000000000000000000000");
	purged_doubt(t.purged);
	assert_from_store("c/2.m4s");
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
		cmocka_unit_test(test_the_first_holder_is_asked_as_the_rules_say),
		cmocka_unit_test(test_a_miss_leads_to_the_next_then_to_the_store),
		cmocka_unit_test(test_who_fails_is_left_alone),
		cmocka_unit_test(test_who_hangs_costs_a_second),
		cmocka_unit_test(test_a_head_is_no_answer),
		cmocka_unit_test(test_what_breaks_off_resets_its_waiters),
		cmocka_unit_test(test_a_copy_that_is_too_old_is_not_taken),
		cmocka_unit_test(test_a_slow_holder_is_hedged),
		cmocka_unit_test(test_purges_are_named),
	};
	return cmocka_run_group_tests_name("curl_peers", tests, group_setup, group_teardown);
}
