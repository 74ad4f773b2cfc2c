/* The cluster's key on links over real loopback sockets: who is let in, and who is not. */
#include "link_test.h"

#include <nng/nng.h>
#include <unistd.h>

static const char *const ANY = "127.0.0.1:0";

#define SECRET_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define SECRET_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define OLD "old:" SECRET_A "\n"
#define NEW "new:" SECRET_B "\n"

static struct cluster_keys keys_of(const char *text)
{
	struct cluster_keys k;
	size_t bad_line;
	assert_int_equal(cluster_keys_parse(bytes_str(text), &k, &bad_line), OK);
	return k;
}

static void start(struct side *s, uint8_t id, const char *keys)
{
	struct cluster_keys k = { .n = 0 };
	if (keys != NULL)
		k = keys_of(keys);
	struct rpc_hello hello = test_hello(id);
	static char names[256][8];
	snprintf(names[id], sizeof(names[id]), "n%u", id);
	hello.name = bytes_str(names[id]);
	side_start_with_keys(s, hello, ANY, &k);
}

static void the_same_key_lets_in_both(void **state)
{
	(void)state;
	struct side a, b;
	for (int round = 0; round < 2; round++) {
		start(&a, 1, OLD);
		start(&b, 2, OLD);
		side_dial(round == 0 ? &a : &b, round == 0 ? &b : &a);
		run_until(a.link != 0 && b.link != 0);
		assert_true(a.dialled == (round == 0) && b.dialled == (round == 1));
		assert_int_equal(side_send(&a, 7, 100), OK);
		assert_int_equal(side_send(&b, 8, 100), OK);
		run_until(b.last_from == 7 && a.last_from == 8);
		/* The proof itself is nobody's message. */
		assert_int_equal(a.messages + b.messages, 2);
		assert_int_equal(a.refusals + b.refusals + a.downs + b.downs, 0);
		side_stop(&a);
		side_stop(&b);
	}
}

static void dials_that_cross_leave_one_link(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct side a, b;
		start(&a, 1, OLD);
		start(&b, 2, OLD);
		side_dial(&a, &b);
		side_dial(&b, &a);
		run_until(a.link != 0 && b.link != 0 && side_send(&a, 7, 1) == OK && side_send(&b, 7, 1) == OK);
		run_until(a.last_from == 7 && b.last_from == 7);
		test_run_for(20);
		assert_int_equal(side_links(&a), 1);
		assert_int_equal(side_links(&b), 1);
		assert_int_equal(a.ups + b.ups, 2);
		assert_int_equal(a.refusals + b.refusals, 0);
		side_stop(&a);
		side_stop(&b);
	}
}

static uint64_t refused_so_far(const struct side *s)
{
	struct nng_links_counters c;
	nng_links_count(s->links, &c);
	return c.refused;
}

/* a dials b; both say why they are not linked, once, however often it is tried. */
static void assert_refused(const char *keys_a, const char *keys_b, const char *text_a, const char *text_b)
{
	struct side a, b;
	start(&a, 1, keys_a);
	start(&b, 2, keys_b);
	side_dial(&a, &b);
	run_until(refused_so_far(&a) >= 3 && refused_so_far(&b) >= 3);
	assert_int_equal(a.refusals, 1);
	assert_int_equal(b.refusals, 1);
	assert_int_equal(a.refusal, RPC_REFUSED_KEY);
	assert_int_equal(b.refusal, RPC_REFUSED_KEY);
	assert_true(a.refusal_has_peer && b.refusal_has_peer);
	assert_string_equal(a.refusal_text, text_a);
	assert_string_equal(b.refusal_text, text_b);
	assert_int_equal(a.ups + b.ups, 0);
	side_stop(&a);
	side_stop(&b);
}

static void another_key_is_refused_on_both_sides(void **state)
{
	(void)state;
	assert_refused(
	    OLD, NEW, "node 'n2' does not know this cluster's key", "node 'n1' does not know this cluster's key");
	/* Another secret under the same id: who was dialled finds out, and says so. */
	assert_refused(OLD, "old:" SECRET_B, "node 'n1' does not know this cluster's key",
	    "node 'n1' does not know this cluster's key");
}

static void a_node_without_a_key_and_one_with(void **state)
{
	(void)state;
	static const char *const without = "node 'n1' has no cluster key, and node 'n2' demands a proof of one";
	static const char *const with = "node 'n2' demands a proof of the cluster's key, and node 'n1' has none";
	assert_refused(NULL, OLD, without, with);
	static const char *const dialler =
	    "node 'n1' demands a proof of the cluster's key, and node 'n2' has none";
	static const char *const dialled = "node 'n2' has no cluster key, and node 'n1' demands a proof of one";
	assert_refused(OLD, NULL, dialler, dialled);
}

/* Another cluster stays the clearer reason, whatever the keys. */
static void the_cluster_is_told_before_the_key(void **state)
{
	(void)state;
	struct side a, b;
	struct cluster_keys k = keys_of(NEW);
	struct rpc_hello other = test_hello(2);
	other.cluster = BYTES_LIT("prod");
	start(&a, 1, OLD);
	side_start_with_keys(&b, other, ANY, &k);
	side_dial(&a, &b);
	run_until(a.refusals == 1 && b.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_CLUSTER);
	assert_int_equal(b.refusal, RPC_REFUSED_CLUSTER);
	side_stop(&a);
	side_stop(&b);
}

static void keys_that_rotate_split_nothing(void **state)
{
	(void)state;
	static const char *const keys[] = { NEW OLD, OLD NEW, OLD, NEW OLD };
	enum { SIDES = sizeof(keys) / sizeof(keys[0]) };
	struct side s[SIDES];
	for (uint8_t i = 0; i < SIDES; i++)
		start(&s[i], (uint8_t)(i + 1), keys[i]);
	for (int i = 0; i < SIDES; i++) {
		for (int j = 0; j < SIDES; j++) {
			if (i != j)
				side_dial(&s[i], &s[j]);
		}
	}
	for (int i = 0; i < SIDES; i++)
		run_until(side_links(&s[i]) == SIDES - 1);
	for (int i = 0; i < SIDES; i++) {
		assert_int_equal(s[i].refusals, 0);
		side_stop(&s[i]);
	}
}

/* -- peers made by hand -- */

static struct rpc_msg hand_hello(uint8_t id, const struct cluster_keys *k)
{
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(id) };
	cluster_keys_name(k, &m.hello);
	memset(m.hello.challenge, 0x5a, sizeof(m.hello.challenge));
	return m;
}

static struct bytes encoded(const struct rpc_msg *m, struct buf *out)
{
	struct arena scratch;
	arena_init(&scratch, RPC_ARENA_MAX);
	buf_clear(out);
	assert_int_equal(rpc_encode(m, &scratch, out), OK);
	arena_fini(&scratch);
	return buf_bytes(out);
}

static int connect_and_hear_hello(const struct side *a)
{
	struct rpc_msg m;
	int fd = raw_connect(a);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_HELLO);
	return fd;
}

static void assert_hears_refusal(int fd, enum rpc_refusal reason)
{
	struct rpc_msg m;
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_REFUSAL);
	assert_int_equal(m.refusal.reason, reason);
	assert_false(raw_receive(fd, &m));
	close(fd);
}

static void who_sends_no_proof_is_refused_in_time(void **state)
{
	(void)state;
	struct side a;
	struct cluster_keys k = keys_of(OLD);
	start(&a, 1, OLD);
	struct rpc_msg hello = hand_hello(2, &k);
	int fd = connect_and_hear_hello(&a);
	uint64_t start_ms = test_now_ms();
	raw_send_msg(fd, &hello);
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	assert_in_range(test_now_ms() - start_ms, RPC_HELLO_TIMEOUT_MS - 100, RPC_HELLO_TIMEOUT_MS + 3000);
	assert_int_equal(a.refusal, RPC_REFUSED_KEY);
	assert_non_null(strstr(a.refusal_text, "sent no proof"));
	/* One that says nothing at all is closed, and no event. */
	fd = connect_and_hear_hello(&a);
	struct rpc_msg m;
	assert_false(raw_receive(fd, &m));
	close(fd);
	assert_int_equal(a.refusals, 1);
	assert_int_equal(a.ups, 0);
	raw_forget();
	side_stop(&a);
}

static void nothing_is_heard_before_the_proof(void **state)
{
	(void)state;
	struct side a;
	struct cluster_keys k = keys_of(OLD);
	start(&a, 1, OLD);
	struct rpc_msg hello = hand_hello(2, &k), beat = { .kind = RPC_HEARTBEAT };
	int fd = connect_and_hear_hello(&a);
	raw_send_msg(fd, &hello);
	raw_send_msg(fd, &beat);
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	/* A hello twice, the other likely thing. */
	fd = connect_and_hear_hello(&a);
	raw_send_msg(fd, &hello);
	raw_send_msg(fd, &hello);
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	/* And a proof before the hello. */
	struct rpc_msg proof = { .kind = RPC_PROOF, .proof = { .key = k.keys[0].id } };
	fd = connect_and_hear_hello(&a);
	raw_send_msg(fd, &proof);
	assert_hears_refusal(fd, RPC_REFUSED_MALFORMED);
	assert_int_equal(a.messages + a.ups, 0);
	raw_forget();
	side_stop(&a);
}

/* What a node would say, by hand: it is let in. The very same bytes again, to another challenge, are not. */
static void a_recording_opens_nothing(void **state)
{
	(void)state;
	struct side a;
	struct cluster_keys k = keys_of(OLD);
	struct cluster_transcript t;
	struct buf hello, proof;
	struct rpc_msg m;
	buf_init(&hello, RPC_FRAME_MAX);
	buf_init(&proof, RPC_FRAME_MAX);
	start(&a, 1, OLD);
	int fd = connect_and_hear_hello(&a);
	cluster_transcript_put(&t, CLUSTER_DIALLED, raw_received_frame());
	m = hand_hello(2, &k);
	cluster_transcript_put(&t, CLUSTER_DIALLER, encoded(&m, &hello));
	struct rpc_msg p = { .kind = RPC_PROOF };
	cluster_prove(&k.keys[0], CLUSTER_DIALLER, &t, &p.proof);
	encoded(&p, &proof);
	raw_send_frame(fd, buf_bytes(&hello));
	raw_send_frame(fd, buf_bytes(&proof));
	run_until(a.link != 0);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_PROOF);
	assert_true(cluster_believe(&k, CLUSTER_DIALLED, &t, &m.proof));
	/* A second proof on a link that is up is nonsense. */
	raw_send_frame(fd, buf_bytes(&proof));
	run_until(a.downs == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_MALFORMED);
	close(fd);

	fd = connect_and_hear_hello(&a);
	raw_send_frame(fd, buf_bytes(&hello));
	raw_send_frame(fd, buf_bytes(&proof));
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	assert_int_equal(a.ups, 1);
	buf_fini(&hello);
	buf_fini(&proof);
	raw_forget();
	side_stop(&a);
}

/* Who was dialled has no key, and sends the dialler's own proof back. */
static void a_reflection_opens_nothing(void **state)
{
	(void)state;
	struct side a;
	unsigned port;
	char address[32];
	struct cluster_keys k = keys_of(OLD);
	int listener = raw_listen(&port);
	start(&a, 1, OLD);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(nng_links_dial(a.links, address), OK);
	for (int round = 0; round < 2; round++) {
		int fd = raw_accept(listener);
		struct rpc_msg m = hand_hello(2, &k);
		raw_send_msg(fd, &m);
		assert_true(raw_receive(fd, &m));
		assert_int_equal(m.kind, RPC_HELLO);
		assert_true(raw_receive(fd, &m));
		assert_int_equal(m.kind, RPC_PROOF);
		struct rpc_msg beat = { .kind = RPC_HEARTBEAT };
		if (round == 0)
			raw_send_frame(fd, raw_received_frame());
		else
			raw_send_msg(fd, &beat);
		assert_hears_refusal(fd, RPC_REFUSED_KEY);
	}
	assert_int_equal(a.ups + a.messages, 0);
	close(listener);
	raw_forget();
	side_stop(&a);
}

/* Claims of a newer run of a peer, on both kinds of links, until the proof should come. */
static void who_proves_nothing_takes_no_place(void **state)
{
	(void)state;
	struct side a, b;
	unsigned port;
	char address[32];
	struct cluster_keys k = keys_of(OLD);
	int listener = raw_listen(&port);
	start(&a, 1, OLD);
	start(&b, 2, OLD);
	/* The dial to a false b is on its way when the true one comes. */
	struct rpc_msg claim = hand_hello(2, &k), m;
	claim.hello.incarnation.count++;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(nng_links_dial(a.links, address), OK);
	int dialled = raw_accept(listener);
	raw_send_msg(dialled, &claim);
	assert_true(raw_receive(dialled, &m));
	assert_int_equal(m.kind, RPC_HELLO);
	side_dial(&b, &a);
	run_until(a.link != 0 && b.link != 0);
	int fd = connect_and_hear_hello(&a);
	raw_send_msg(fd, &claim);
	struct rpc_msg p = { .kind = RPC_PROOF, .proof = { .key = k.keys[0].id } };
	raw_send_msg(fd, &p);
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	assert_int_equal(side_send(&a, 9, 1), OK);
	run_until(b.last_from == 9);
	assert_int_equal(a.ups + b.ups, 2);
	assert_int_equal(a.downs + b.downs, 0);
	nng_links_undial(a.links, address);
	close(dialled);
	close(listener);
	raw_forget();
	side_stop(&a);
	side_stop(&b);
}

/* The same where the peer is linked, and this node dials another address of it. */
static void a_false_run_ends_no_link(void **state)
{
	(void)state;
	struct side a, b;
	unsigned port;
	char address[32];
	struct cluster_keys k = keys_of(OLD);
	int listener = raw_listen(&port);
	start(&a, 1, OLD);
	start(&b, 2, OLD);
	side_dial(&b, &a);
	run_until(a.link != 0 && b.link != 0);
	struct rpc_msg claim = hand_hello(2, &k), m, beat = { .kind = RPC_HEARTBEAT };
	claim.hello.incarnation.count++;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(nng_links_dial(a.links, address), OK);
	int fd = raw_accept(listener);
	raw_send_msg(fd, &claim);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_HELLO);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_PROOF);
	raw_send_msg(fd, &beat);
	assert_hears_refusal(fd, RPC_REFUSED_KEY);
	assert_int_equal(side_send(&a, 9, 1), OK);
	run_until(b.last_from == 9);
	assert_int_equal(a.downs + b.downs, 0);
	close(listener);
	raw_forget();
	side_stop(&a);
	side_stop(&b);
}

static int end_of_nng(void **state)
{
	(void)state;
	nng_links_exit();
	ev_loop_destroy(test_loop());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_key_lets_in_both),
		cmocka_unit_test(dials_that_cross_leave_one_link),
		cmocka_unit_test(another_key_is_refused_on_both_sides),
		cmocka_unit_test(a_node_without_a_key_and_one_with),
		cmocka_unit_test(the_cluster_is_told_before_the_key),
		cmocka_unit_test(keys_that_rotate_split_nothing),
		cmocka_unit_test(who_sends_no_proof_is_refused_in_time),
		cmocka_unit_test(nothing_is_heard_before_the_proof),
		cmocka_unit_test(a_recording_opens_nothing),
		cmocka_unit_test(a_reflection_opens_nothing),
		cmocka_unit_test(who_proves_nothing_takes_no_place),
		cmocka_unit_test(a_false_run_ends_no_link),
	};
	return cmocka_run_group_tests(tests, NULL, end_of_nng);
}
