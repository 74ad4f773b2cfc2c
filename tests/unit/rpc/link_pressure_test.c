/* Links under pressure: windows, acknowledgements, floods, and peers that do not keep to the protocol. */
#include "link_test.h"
#include "rpc/frame.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <poll.h>
#include <unistd.h>

static const char *const ANY = "127.0.0.1:0";

/* A raw peer that has said hello, to a side whose link is up. */
static int raw_link(struct side *a)
{
	side_start(a, test_hello(1), ANY);
	int fd = raw_connect(a);
	struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) };
	raw_send_msg(fd, &hello);
	run_until(a->link != 0);
	return fd;
}

static void finish(struct side *a, int fd)
{
	close(fd);
	raw_forget();
	side_stop(a);
}

static struct nng_links_counters counters(const struct side *s)
{
	struct nng_links_counters c;
	nng_links_count(s->links, &c);
	return c;
}

static void a_peer_that_does_not_read_costs_a_window_and_no_more(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	uint64_t sent = 0;
	while (side_send(&a, sent, 1000) == OK)
		sent++;
	assert_in_range(sent, 200, RPC_LINK_WINDOW / 1000);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(side_send(&a, sent, 1000), ERR_FULL);
		if (i % 100 == 0)
			test_run_some();
	}
	assert_in_range(counters(&a).bytes_out, RPC_LINK_WINDOW - 2000, RPC_LINK_WINDOW);
	assert_true(counters(&a).window_full >= 2000);
	assert_int_equal(a.downs, 0);
	/* An acknowledgement opens it again, as far as it goes. */
	struct rpc_msg ack = { .kind = RPC_HEARTBEAT, .acked_bytes = 100 * 1000 };
	unsigned before = a.messages;
	raw_send_msg(fd, &ack);
	run_until(a.messages > before);
	uint64_t more = 0;
	while (side_send(&a, sent + more, 1000) == OK)
		more++;
	assert_in_range(more, 80, 100);
	finish(&a, fd);
}

/* As much as the window takes; true when all is sent. */
static bool send_more(struct side *s, uint64_t *sent, uint64_t count, size_t value_bytes)
{
	while (*sent < count && side_send(s, *sent, value_bytes) == OK)
		++*sent;
	return *sent == count;
}

static void acks_flow_without_other_traffic(void **state)
{
	(void)state;
	struct side a, b;
	side_start(&a, test_hello(1), ANY);
	side_start(&b, test_hello(2), ANY);
	side_dial(&a, &b);
	run_until(a.link != 0 && b.link != 0);
	/* Sixteen windows one way. */
	enum { VALUE = 8000, COUNT = 16 * RPC_LINK_WINDOW / VALUE };
	uint64_t sent = 0;
	run_until(send_more(&a, &sent, COUNT, VALUE));
	run_until(b.last_from == COUNT - 1);
	assert_int_equal(b.bytes, (uint64_t)COUNT * VALUE);
	assert_true(counters(&a).window_full > 0);
	/* Heartbeats alone carried them: about one in 64 KiB. */
	assert_in_range(counters(&b).frames_out, 40, 150);
	side_stop(&a);
	side_stop(&b);
}

static void both_ways_at_once(void **state)
{
	(void)state;
	struct side a, b;
	side_start(&a, test_hello(1), ANY);
	side_start(&b, test_hello(2), ANY);
	side_dial(&a, &b);
	run_until(a.link != 0 && b.link != 0);
	enum { VALUE = 3000, COUNT = 3000 };
	uint64_t from_a = 0, from_b = 0;
	run_until(send_more(&a, &from_a, COUNT, VALUE) & send_more(&b, &from_b, COUNT, VALUE));
	run_until(a.last_from == COUNT - 1 && b.last_from == COUNT - 1);
	assert_int_equal(a.bytes, (uint64_t)COUNT * VALUE);
	assert_int_equal(b.bytes, (uint64_t)COUNT * VALUE);
	side_stop(&a);
	side_stop(&b);
}

static void a_message_past_the_frame_is_the_callers_bug(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	static uint8_t zeroes[RPC_VALUE_MAX];
	struct rpc_entry e[9];
	for (size_t i = 0; i < 9; i++)
		e[i] = (struct rpc_entry){
			.version = i + 1, .key = BYTES_LIT("k"), .value = bytes_of(zeroes, sizeof(zeroes))
		};
	struct rpc_msg m = { .kind = RPC_ROW_FRAME,
		.row_frame = { .stream = RPC_CONTROL, .to = 9, .entries = e, .entries_n = 9 } };
	assert_int_equal(nng_links_send(a.links, a.link, &m), ERR_TOO_BIG);
	assert_true(a.link != 0);
	finish(&a, fd);
}

static void wait_refused_malformed(struct side *a, int fd)
{
	struct rpc_msg m;
	run_until(a->refusals == 1);
	assert_int_equal(a->refusal, RPC_REFUSED_MALFORMED);
	assert_false(a->refused_by_peer);
	assert_int_equal(counters(a).malformed, 1);
	/* The peer hears why, and is hung up on. */
	bool told = false;
	while (raw_receive(fd, &m))
		told = told || (m.kind == RPC_REFUSAL && m.refusal.reason == RPC_REFUSED_MALFORMED);
	assert_true(told);
}

static void bad_frames_end_a_link(void **state)
{
	(void)state;
	static const struct bytes bad[] = {
		BYTES_LIT("\x00\x00\x00\x02\xff\xff"),                 /* no envelope */
		BYTES_LIT("\x00\x01\x00\x01"),                         /* RPC_FRAME_MAX + 1 */
		BYTES_LIT("\xff\xff\xff\xff"),                         /* 4 GiB */
		BYTES_LIT("GET / HTTP/1.1\r\n\r\n"),                   /* another protocol */
		BYTES_LIT("\x00\x00\x00\x06\x08\xff\xff\x7f\x2a\x00"), /* an acknowledgement of what was never said */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct side a;
		int fd = raw_link(&a);
		raw_send(fd, bad[i]);
		wait_refused_malformed(&a, fd);
		assert_int_equal(a.downs, 1);
		assert_int_equal(a.byes, 0);
		finish(&a, fd);
	}
}

static void a_second_hello_ends_a_link(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) };
	raw_send_msg(fd, &hello);
	wait_refused_malformed(&a, fd);
	finish(&a, fd);
}

static void whoever_does_not_say_hello_is_not_let_in(void **state)
{
	(void)state;
	struct side a;
	side_start(&a, test_hello(1), ANY);
	int fd = raw_connect(&a);
	struct rpc_msg m = { .kind = RPC_HEARTBEAT };
	raw_send_msg(fd, &m);
	wait_refused_malformed(&a, fd);
	assert_false(a.refusal_has_peer);
	assert_int_equal(a.ups, 0);
	finish(&a, fd);
}

static void whoever_says_nothing_is_hung_up_on(void **state)
{
	(void)state;
	struct side a;
	side_start(&a, test_hello(1), ANY);
	uint64_t start_ms = test_now_ms();
	int fd = raw_connect(&a);
	struct rpc_msg m;
	while (raw_receive(fd, &m))
		assert_int_equal(m.kind, RPC_HELLO);
	assert_in_range(test_now_ms() - start_ms, RPC_HELLO_TIMEOUT_MS - 100, RPC_HELLO_TIMEOUT_MS + 2000);
	assert_int_equal(a.refusals, 0);
	finish(&a, fd);
}

static void a_hello_byte_by_byte(void **state)
{
	(void)state;
	struct side a;
	struct arena scratch;
	struct buf out;
	uint8_t prefix[FRAME_PREFIX_BYTES];
	struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) };
	arena_init(&scratch, RPC_ARENA_MAX);
	buf_init(&out, RPC_FRAME_MAX);
	assert_int_equal(rpc_encode(&hello, &scratch, &out), OK);
	frame_prefix(prefix, out.n);
	side_start(&a, test_hello(1), ANY);
	int fd = raw_connect(&a);
	for (size_t i = 0; i < sizeof(prefix) + out.n; i++) {
		raw_send(fd, bytes_of(i < 4 ? prefix + i : out.p + i - 4, 1));
		ev_run(test_loop(), EVRUN_NOWAIT);
	}
	run_until(a.link != 0);
	arena_fini(&scratch);
	buf_fini(&out);
	finish(&a, fd);
}

static void unknown_kinds_are_passed_on_for_counting(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	raw_send(fd, BYTES_LIT("\x00\x00\x00\x06\xa2\x06\x03\x01\x02\x03"));
	run_until(a.unknown == 1);
	assert_int_equal(a.downs, 0);
	finish(&a, fd);
}

static void close_it(struct side *s, link_id link, const struct rpc_msg *m)
{
	(void)m;
	nng_links_close(s->links, link);
}

/* Frames that came with the one at which the core closed are not handed on. */
static void a_link_may_be_closed_from_its_message(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	unsigned before = a.messages;
	a.on_message = close_it;
	struct buf three;
	buf_init(&three, 100);
	for (int i = 0; i < 3; i++)
		buf_put_bytes(&three, BYTES_LIT("\x00\x00\x00\x02\x2a\x00"));
	raw_send(fd, buf_bytes(&three));
	run_until(a.downs == 1);
	assert_int_equal(a.messages, before + 1);
	assert_int_equal(a.byes, 1);
	struct rpc_msg m = { .kind = RPC_UNKNOWN };
	while (m.kind != RPC_BYE)
		assert_true(raw_receive(fd, &m));
	buf_fini(&three);
	finish(&a, fd);
}

static unsigned greeted(const int *fds, unsigned n)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };
		count += poll(&p, 1, 0) == 1;
	}
	return count;
}

/* Those who connect and say nothing keep nobody out for longer than their hello may take. */
static void silent_connections_are_bounded(void **state)
{
	(void)state;
	enum { FLOOD = 300, PENDING_MAX = 256 };
	struct side a, b;
	int fds[FLOOD];
	uint64_t start_ms = test_now_ms();
	side_start(&a, test_hello(1), ANY);
	for (int i = 0; i < FLOOD; i++) {
		fds[i] = raw_connect(&a);
		if (i < PENDING_MAX)
			run_until(greeted(&fds[i], 1) == 1);
	}
	test_run_for(50);
	/* On a machine so slow that the first are hung up on by now, the next have taken their places. */
	if (test_now_ms() - start_ms < RPC_HELLO_TIMEOUT_MS)
		assert_int_equal(greeted(fds, FLOOD), PENDING_MAX);
	side_start(&b, test_hello(2), ANY);
	side_dial(&b, &a);
	run_until(a.link != 0 && b.link != 0);
	for (int i = 0; i < FLOOD; i++)
		close(fds[i]);
	side_stop(&a);
	side_stop(&b);
}

/* Places of those who came and went are given back: more links, one after another, than may be pending. */
static void links_come_and_go(void **state)
{
	(void)state;
	enum { MANY = 300 };
	struct side a;
	side_start(&a, test_hello(1), ANY);
	for (unsigned i = 1; i <= MANY; i++) {
		int fd = raw_connect(&a);
		struct rpc_msg hello = { .kind = RPC_HELLO, .hello = test_hello(2) };
		raw_send_msg(fd, &hello);
		run_until(a.ups == i);
		close(fd);
		run_until(a.downs == i);
	}
	assert_int_equal(counters(&a).links, 0);
	side_stop(&a);
}

static void free_does_not_wait_for_the_stuck(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a);
	for (uint64_t i = 0; side_send(&a, i, 1000) == OK; i++) {
	}
	uint64_t start_ms = test_now_ms();
	side_stop(&a);
	assert_in_range(test_now_ms() - start_ms, 0, 1000);
	close(fd);
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
		cmocka_unit_test(a_peer_that_does_not_read_costs_a_window_and_no_more),
		cmocka_unit_test(acks_flow_without_other_traffic),
		cmocka_unit_test(both_ways_at_once),
		cmocka_unit_test(a_message_past_the_frame_is_the_callers_bug),
		cmocka_unit_test(bad_frames_end_a_link),
		cmocka_unit_test(a_second_hello_ends_a_link),
		cmocka_unit_test(whoever_does_not_say_hello_is_not_let_in),
		cmocka_unit_test(whoever_says_nothing_is_hung_up_on),
		cmocka_unit_test(a_hello_byte_by_byte),
		cmocka_unit_test(unknown_kinds_are_passed_on_for_counting),
		cmocka_unit_test(a_link_may_be_closed_from_its_message),
		cmocka_unit_test(silent_connections_are_bounded),
		cmocka_unit_test(links_come_and_go),
		cmocka_unit_test(free_does_not_wait_for_the_stuck),
	};
	return cmocka_run_group_tests(tests, NULL, end_of_nng);
}
