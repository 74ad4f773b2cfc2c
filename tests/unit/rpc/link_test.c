/* Links over real loopback sockets: hello, duplicates, the end, dialling again. */
#include "link_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const ANY = "127.0.0.1:0";

static void link_up(struct side *a, struct side *b)
{
	side_start(a, test_hello(1), ANY);
	side_start(b, test_hello(2), ANY);
	side_dial(a, b);
	run_until(a->link != 0 && b->link != 0);
}

static void stop_both(struct side *a, struct side *b)
{
	side_stop(a);
	side_stop(b);
}

static void assert_kinds_add_up(const struct nng_links_counters *c)
{
	struct nng_traffic sum = { 0 };
	for (size_t i = 0; i < RPC_KINDS; i++) {
		sum.frames_in += c->by_kind[i].frames_in;
		sum.frames_out += c->by_kind[i].frames_out;
		sum.bytes_in += c->by_kind[i].bytes_in;
		sum.bytes_out += c->by_kind[i].bytes_out;
	}
	assert_int_equal(sum.frames_in, c->frames_in);
	assert_int_equal(sum.frames_out, c->frames_out);
	assert_int_equal(sum.bytes_in, c->bytes_in);
	assert_int_equal(sum.bytes_out, c->bytes_out);
}

static void two_nodes_meet_and_talk(void **state)
{
	(void)state;
	struct side a, b;
	link_up(&a, &b);
	assert_true(a.dialled);
	assert_false(b.dialled);
	assert_int_equal(a.version, 2);
	struct node_id id_a = test_id(1), id_b = test_id(2);
	assert_true(node_id_eq(&a.peer, &id_b));
	assert_true(node_id_eq(&b.peer, &id_a));
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(side_send(&a, i, 100), OK);
		assert_int_equal(side_send(&b, i, (size_t)i * 400), OK);
	}
	run_until(a.last_from == 19 && b.last_from == 19);
	assert_int_equal(b.bytes, 2000);
	assert_int_equal(a.bytes, 190 * 400);
	assert_int_equal(a.refusals + b.refusals + a.downs + b.downs, 0);
	struct nng_links_counters c;
	nng_links_count(a.links, &c);
	assert_int_equal(c.links, 1);
	assert_true(c.frames_out >= 21 && c.frames_in >= 21 && c.bytes_in > 76000 && c.bytes_out > 2000);
	assert_kinds_add_up(&c);
	assert_int_equal(c.by_kind[RPC_HELLO].frames_out, 1);
	assert_int_equal(c.by_kind[RPC_HELLO].frames_in, 1);
	assert_int_equal(c.by_kind[RPC_ROW_FRAME].frames_out, 20);
	assert_int_equal(c.by_kind[RPC_ROW_FRAME].frames_in, 20);
	assert_true(c.by_kind[RPC_ROW_FRAME].bytes_in > 76000 && c.by_kind[RPC_ROW_FRAME].bytes_out > 2000);
	stop_both(&a, &b);
}

/* On both ends, or a frame waits 40 ms for the acknowledgement of the one before. */
static void no_frame_waits_for_another(void **state)
{
	(void)state;
	struct side a, b;
	link_up(&a, &b);
	unsigned ends = 0;
	for (int fd = 0; fd < 1024; fd++) {
		struct sockaddr_storage peer;
		socklen_t n = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0 || peer.ss_family != AF_INET)
			continue;
		int on = 0;
		n = sizeof(on);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
		assert_int_not_equal(on, 0);
		ends++;
	}
	assert_int_equal(ends, 2);
	stop_both(&a, &b);
}

static void bye_is_heard_on_close_and_on_free(void **state)
{
	(void)state;
	struct side a, b;
	link_up(&a, &b);
	link_id link = a.link;
	nng_links_close(a.links, link);
	assert_int_equal(a.downs, 1);
	assert_int_equal(a.byes, 1);
	struct rpc_msg m = { .kind = RPC_HEARTBEAT };
	assert_int_equal(nng_links_send(a.links, link, &m), ERR_NOT_FOUND);
	run_until(b.downs == 1);
	assert_int_equal(b.byes, 1);
	/* The dial stands, so the link comes back, under another id. */
	run_until(a.link != 0 && b.link != 0);
	assert_true(a.link != link);
	side_stop(&a);
	run_until(b.downs == 2);
	assert_int_equal(b.byes, 2);
	side_stop(&b);
}

static void a_broken_link_is_no_bye(void **state)
{
	(void)state;
	struct side a;
	side_start(&a, test_hello(1), ANY);
	int fd = raw_connect(&a);
	struct rpc_msg m;
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_HELLO);
	struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) };
	raw_send_msg(fd, &hello);
	run_until(a.link != 0);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_HEARTBEAT);
	close(fd);
	run_until(a.downs == 1);
	assert_int_equal(a.byes, 0);
	raw_forget();
	side_stop(&a);
}

static uint64_t refused_so_far(const struct side *s)
{
	struct nng_links_counters c;
	nng_links_count(s->links, &c);
	return c.refused;
}

static void another_cluster_is_refused_on_both_sides(void **state)
{
	(void)state;
	struct side a, b;
	struct rpc_hello other = test_hello(2);
	other.cluster = BYTES_LIT("prod");
	side_start(&a, test_hello(1), ANY);
	side_start(&b, other, ANY);
	side_dial(&a, &b);
	run_until(a.refusals == 1 && b.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_CLUSTER);
	assert_int_equal(b.refusal, RPC_REFUSED_CLUSTER);
	assert_true(a.refusal_has_peer && b.refusal_has_peer);
	assert_non_null(strstr(a.refusal_text, "prod"));
	/* Dialled again and again, said once. */
	run_until(refused_so_far(&b) >= 3);
	assert_int_equal(a.refusals, 1);
	assert_int_equal(b.refusals, 1);
	assert_int_equal(a.ups + b.ups, 0);
	stop_both(&a, &b);
}

static void no_common_version(void **state)
{
	(void)state;
	struct side a, b;
	struct rpc_hello newer = test_hello(2);
	newer.version_min = newer.version_max = 3;
	side_start(&a, newer, ANY);
	side_start(&b, test_hello(1), ANY);
	side_dial(&a, &b);
	run_until(a.refusals == 1 && b.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_VERSION);
	assert_int_equal(b.refusal, RPC_REFUSED_VERSION);
	assert_int_equal(a.ups + b.ups, 0);
	stop_both(&a, &b);
}

/* A refusal for a reason that this side would not have found itself. */
static void what_the_peer_says_is_told(void **state)
{
	(void)state;
	struct side a;
	unsigned port;
	char address[32];
	int listener = raw_listen(&port);
	side_start(&a, test_hello(1), ANY);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(nng_links_dial(a.links, address), OK);
	int fd = raw_accept(listener);
	struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) }, m;
	raw_send_msg(fd, &hello);
	assert_true(raw_receive(fd, &m));
	assert_int_equal(m.kind, RPC_HELLO);
	struct rpc_msg no = { .kind = RPC_REFUSAL,
		.refusal = { .reason = (enum rpc_refusal)42, .text = BYTES_LIT("expelled") } };
	raw_send_msg(fd, &no);
	run_until(a.refusals == 1);
	assert_int_equal(a.refusal, 42);
	assert_true(a.refused_by_peer);
	assert_string_equal(a.refusal_text, "expelled");
	assert_int_equal(a.ups, 0);
	close(fd);
	close(listener);
	raw_forget();
	side_stop(&a);
}

static void a_node_that_dials_itself_rests(void **state)
{
	(void)state;
	struct side a;
	side_start(&a, test_hello(1), ANY);
	side_dial(&a, &a);
	run_until(a.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_SELF);
	struct nng_links_counters before, after;
	nng_links_count(a.links, &before);
	test_run_for(4 * RPC_DIAL_BACKOFF_MIN_MS);
	nng_links_count(a.links, &after);
	assert_true(before.frames_out + 1 >= after.frames_out);
	assert_int_equal(a.refusals, 1);
	assert_int_equal(a.ups, 0);
	side_stop(&a);
}

/* Whoever said so may have lied: the address is asked again, and told of once. */
static void who_says_to_be_this_node_is_asked_again(void **state)
{
	(void)state;
	struct side a;
	unsigned port;
	char address[32];
	int listener = raw_listen(&port);
	struct nng_links_config c = side_config(&a, test_hello(1), ANY);
	c.self_retry_ms = 50;
	assert_int_equal(nng_links_new(&c, &a.links), OK);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(nng_links_dial(a.links, address), OK);
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(1) };
	for (int round = 0; round < 3; round++) {
		int fd = raw_accept(listener);
		raw_send_msg(fd, &m);
		struct rpc_msg answer;
		assert_true(raw_receive(fd, &answer));
		assert_int_equal(answer.kind, RPC_REFUSAL);
		close(fd);
	}
	assert_int_equal(a.refusals, 1);
	int fd = raw_accept(listener);
	m.hello = test_hello(2);
	raw_send_msg(fd, &m);
	struct rpc_msg answer, beat = { .kind = RPC_HEARTBEAT };
	assert_true(raw_receive(fd, &answer));
	assert_int_equal(answer.kind, RPC_HELLO);
	raw_send_msg(fd, &beat);
	run_until(a.link != 0);
	close(fd);
	close(listener);
	raw_forget();
	side_stop(&a);
}

/* A cloned disk: the same id, another run. Both sides hear of it. */
static void the_same_id_in_another_run_is_told_on_both_sides(void **state)
{
	(void)state;
	struct side a, b;
	struct rpc_hello clone = test_hello(1);
	clone.incarnation.nonce++;
	side_start(&a, test_hello(1), ANY);
	side_start(&b, clone, ANY);
	side_dial(&a, &b);
	run_until(a.refusals == 1 && b.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_SELF);
	assert_int_equal(b.refusal, RPC_REFUSED_SELF);
	assert_true(a.refusal_has_peer && b.refusal_has_peer);
	stop_both(&a, &b);
}

static void dials_that_cross_leave_one_link(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct side a, b;
		side_start(&a, test_hello(1), ANY);
		side_start(&b, test_hello(2), ANY);
		side_dial(&a, &b);
		side_dial(&b, &a);
		run_until(a.link != 0 && b.link != 0 && side_send(&a, 7, 1) == OK && side_send(&b, 7, 1) == OK);
		run_until(a.last_from == 7 && b.last_from == 7);
		test_run_for(20);
		assert_int_equal(side_links(&a), 1);
		assert_int_equal(side_links(&b), 1);
		assert_true(a.dialled != b.dialled);
		assert_int_equal(a.ups - a.downs, 1);
		assert_int_equal(b.ups - b.downs, 1);
		/* No flapping: whoever came up stayed so. */
		assert_int_equal(a.ups + b.ups, 2);
		assert_int_equal(a.refusals + b.refusals, 0);
		stop_both(&a, &b);
	}
}

static void a_second_address_of_a_peer_is_quiet(void **state)
{
	(void)state;
	struct side a, b;
	char address[32];
	side_start(&a, test_hello(1), ANY);
	side_start(&b, test_hello(2), "0.0.0.0:0");
	side_dial(&a, &b);
	run_until(a.link != 0 && b.link != 0);
	snprintf(address, sizeof(address), "127.0.0.2:%u", nng_links_port(b.links));
	assert_int_equal(nng_links_dial(a.links, address), OK);
	test_run_for(4 * RPC_DIAL_BACKOFF_MIN_MS);
	assert_int_equal(a.ups + b.ups, 2);
	assert_int_equal(a.downs + b.downs + a.refusals + b.refusals, 0);
	assert_int_equal(side_links(&b), 1);
	/* It stands in when the first address is not wanted any more. */
	char first[32];
	nng_links_undial(a.links, side_address(&b, first));
	assert_int_equal(side_links(&a), 1);
	nng_links_close(a.links, a.link);
	run_until(a.link != 0 && b.link != 0);
	stop_both(&a, &b);
}

static void a_new_run_of_a_peer_takes_over(void **state)
{
	(void)state;
	struct side a, b, c;
	link_up(&a, &b);
	struct rpc_hello again = test_hello(2);
	again.incarnation.count++;
	side_start(&c, again, ANY);
	side_dial(&c, &a);
	run_until(c.link != 0 && a.ups >= 2);
	assert_int_equal(a.downs, 1);
	assert_int_equal(a.byes, 0);
	assert_true(node_id_eq(&a.peer, &again.node));
	run_until(b.downs >= 1);
	side_stop(&b);
	side_stop(&c);
	side_stop(&a);
}

static void three_nodes_make_a_mesh(void **state)
{
	(void)state;
	struct side s[3];
	for (uint8_t i = 0; i < 3; i++)
		side_start(&s[i], test_hello((uint8_t)(i + 1)), ANY);
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			side_dial(&s[i], &s[j]);
	}
	run_until(side_links(&s[0]) == 2 && side_links(&s[1]) == 2 && side_links(&s[2]) == 2);
	test_run_for(50);
	for (int i = 0; i < 3; i++)
		assert_int_equal(side_links(&s[i]), 2);
	for (int i = 0; i < 3; i++)
		side_stop(&s[i]);
}

static void a_listener_that_returns_is_found_again(void **state)
{
	(void)state;
	struct side a, b;
	char address[32];
	link_up(&a, &b);
	side_address(&b, address);
	side_stop(&b);
	run_until(a.downs == 1);
	assert_int_equal(a.byes, 1);
	run_until(a.dials_failed >= 2);
	assert_int_equal(a.dial_error, ERR_REFUSED);
	side_start(&b, test_hello(2), address);
	run_until(a.link != 0 && b.link != 0);
	stop_both(&a, &b);
}

static void addresses_and_ports(void **state)
{
	(void)state;
	struct side a;
	char address[32];
	side_start(&a, test_hello(1), ANY);
	static const struct nng_links_events none;
	struct nng_links *second = NULL;
	struct nng_links_config c = {
		.loop = test_loop(), .self = test_hello(2), .listen = side_address(&a, address), .events = &none
	};
	assert_int_equal(nng_links_new(&c, &second), ERR_BUSY);
	c.listen = "nonsense";
	assert_int_equal(nng_links_new(&c, &second), ERR_INVALID);
	c.listen = ANY;
	c.self.cluster = BYTES_NONE;
	assert_int_equal(nng_links_new(&c, &second), ERR_INVALID);
	assert_null(second);
	assert_int_equal(nng_links_dial(a.links, "127.0.0.1"), ERR_INVALID);
	assert_int_equal(nng_links_dial(a.links, "127.0.0.1:0"), ERR_INVALID);
	assert_int_equal(nng_links_dial(a.links, "tcp://x:1"), ERR_INVALID);
	nng_links_undial(a.links, "127.0.0.1:1");
	nng_links_free(NULL);
	side_stop(&a);
}

static void a_dial_that_is_not_answered_times_out(void **state)
{
	(void)state;
	struct side a;
	unsigned port;
	char address[32];
	int listener = raw_listen(&port);
	side_start(&a, test_hello(1), ANY);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	uint64_t start_ms = test_now_ms();
	assert_int_equal(nng_links_dial(a.links, address), OK);
	run_until(a.dials_failed == 1);
	assert_int_equal(a.dial_error, ERR_TIMEOUT);
	assert_in_range(test_now_ms() - start_ms, RPC_HELLO_TIMEOUT_MS - 100, RPC_HELLO_TIMEOUT_MS + 2000);
	nng_links_undial(a.links, address);
	close(listener);
	side_stop(&a);
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
		cmocka_unit_test(two_nodes_meet_and_talk),
		cmocka_unit_test(no_frame_waits_for_another),
		cmocka_unit_test(bye_is_heard_on_close_and_on_free),
		cmocka_unit_test(a_broken_link_is_no_bye),
		cmocka_unit_test(another_cluster_is_refused_on_both_sides),
		cmocka_unit_test(no_common_version),
		cmocka_unit_test(what_the_peer_says_is_told),
		cmocka_unit_test(a_node_that_dials_itself_rests),
		cmocka_unit_test(who_says_to_be_this_node_is_asked_again),
		cmocka_unit_test(the_same_id_in_another_run_is_told_on_both_sides),
		cmocka_unit_test(dials_that_cross_leave_one_link),
		cmocka_unit_test(a_second_address_of_a_peer_is_quiet),
		cmocka_unit_test(a_new_run_of_a_peer_takes_over),
		cmocka_unit_test(three_nodes_make_a_mesh),
		cmocka_unit_test(a_listener_that_returns_is_found_again),
		cmocka_unit_test(addresses_and_ports),
		cmocka_unit_test(a_dial_that_is_not_answered_times_out),
	};
	return cmocka_run_group_tests(tests, NULL, end_of_nng);
}
