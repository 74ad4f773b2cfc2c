/* Names of rows on real links: agreed upon by hello, and both ends of one mind whatever happens to it. */
#include "link_test.h"

#include <unistd.h>

static const char *const ANY = "127.0.0.1:0";

static struct rpc_hello hello_of(uint8_t id, bool named)
{
	struct rpc_hello h = test_hello(id);
	h.features = named ? RPC_FEATURE_BROADCAST | RPC_FEATURE_NAMES : RPC_FEATURE_BROADCAST;
	return h;
}

static struct nng_links_counters counters(const struct side *s)
{
	struct nng_links_counters c;
	nng_links_count(s->links, &c);
	return c;
}

/* A frame about the row of that owner; `from` is the owner's number, too. */
static struct rpc_msg frame_about(uint64_t owner)
{
	static uint8_t value[700];
	static struct rpc_entry entry;
	struct rpc_msg m = { .kind = RPC_ROW_FRAME };
	entry = (struct rpc_entry){
		.version = owner + 1, .key = BYTES_LIT("k"), .value = bytes_of(value, sizeof(value))
	};
	memcpy(m.row_frame.owner.b, &owner, sizeof(owner));
	m.row_frame.stream = RPC_LOCATIONS;
	m.row_frame.incarnation = (struct incarnation){ 1, owner };
	m.row_frame.from = owner;
	m.row_frame.to = m.row_frame.horizon = owner + 1;
	m.row_frame.entries = &entry;
	m.row_frame.entries_n = 1;
	return m;
}

static void assert_about(const struct rpc_msg *m, uint64_t owner)
{
	struct rpc_msg want = frame_about(owner);
	assert_int_equal(m->kind, RPC_ROW_FRAME);
	assert_true(node_id_eq(&m->row_frame.owner, &want.row_frame.owner));
	assert_int_equal(incarnation_cmp(m->row_frame.incarnation, want.row_frame.incarnation), 0);
	assert_int_equal(m->row_frame.stream, RPC_LOCATIONS);
	assert_int_equal(m->row_frame.from, owner);
}

static void send_about(struct side *s, uint64_t owner)
{
	struct rpc_msg m = frame_about(owner);
	assert_int_equal(nng_links_send(s->links, s->link, &m), OK);
}

/* Every frame is about the row that its `from` says. */
static void check_row(struct side *s, link_id link, const struct rpc_msg *m)
{
	(void)s;
	(void)link;
	if (m->kind == RPC_ROW_FRAME)
		assert_about(m, m->row_frame.from);
}

/* What the same frames, twice about each of ten rows, cost from a to b. */
static uint64_t cost(bool a_has_it, bool b_has_it)
{
	struct side a, b;
	side_start(&a, hello_of(1, a_has_it), ANY);
	side_start(&b, hello_of(2, b_has_it), ANY);
	a.on_message = b.on_message = check_row;
	side_dial(&a, &b);
	run_until(a.link != 0 && b.link != 0);
	uint64_t before = counters(&a).bytes_out;
	unsigned heard = b.messages, heard_back = a.messages;
	for (uint64_t i = 0; i < 20; i++) {
		send_about(&a, i % 10);
		send_about(&b, i % 7);
	}
	run_until(b.messages >= heard + 20 && a.messages >= heard_back + 20);
	uint64_t bytes = counters(&a).bytes_out - before;
	assert_int_equal(a.downs + b.downs, 0);
	side_stop(&a);
	side_stop(&b);
	return bytes;
}

static void names_are_agreed_upon_by_both(void **state)
{
	(void)state;
	uint64_t named = cost(true, true), plain = cost(false, false);
	assert_true(named + 10 * 30 < plain);
	assert_in_range(cost(true, false), plain - 4, plain + 4); /* but for acknowledgements */
	assert_in_range(cost(false, true), plain - 4, plain + 4);
}

/* A raw peer that has said hello, to a side whose link is up. */
static int raw_link(struct side *a, bool named)
{
	side_start(a, hello_of(1, true), ANY);
	int fd = raw_connect(a);
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = hello_of(2, named) };
	raw_send_msg(fd, &m);
	run_until(a->link != 0);
	return fd;
}

static void finish(struct side *a, int fd)
{
	close(fd);
	raw_speak(NULL);
	raw_forget();
	side_stop(a);
}

/* Frames that a full window refused named nothing; those that follow when it opens are understood. */
static void a_full_window_leaves_no_name_behind(void **state)
{
	(void)state;
	struct side a;
	int fd = raw_link(&a, true);
	struct rpc_names *names = rpc_names_new(RPC_NAMES_MAX);
	struct rpc_msg m;
	do {
		assert_true(raw_receive(fd, &m)); /* hello, and the heartbeat that says that the link is up */
	} while (m.kind != RPC_HEARTBEAT);
	raw_speak(names);
	uint64_t sent = 0;
	enum err e;
	for (m = frame_about(0); (e = nng_links_send(a.links, a.link, &m)) == OK; m = frame_about(sent))
		sent++;
	assert_int_equal(e, ERR_FULL);
	for (uint64_t refused = sent; refused < sent + 50; refused++) {
		m = frame_about(refused);
		assert_int_equal(nng_links_send(a.links, a.link, &m), ERR_FULL);
	}
	for (uint64_t i = 0; i < sent; i++) {
		assert_true(raw_receive(fd, &m));
		assert_about(&m, i);
	}
	struct rpc_msg ack = { .kind = RPC_HEARTBEAT, .acked_bytes = RPC_LINK_WINDOW / 2 };
	unsigned before = a.messages;
	raw_send_msg(fd, &ack);
	run_until(a.messages > before);
	for (uint64_t i = sent + 49; i >= sent; i--)
		send_about(&a, i);
	send_about(&a, 0);
	for (uint64_t i = sent + 49; i >= sent; i--) {
		assert_true(raw_receive(fd, &m));
		assert_about(&m, i);
	}
	assert_true(raw_receive(fd, &m));
	assert_about(&m, 0);
	finish(&a, fd);
	rpc_names_free(names);
}

static void names_die_with_the_connection(void **state)
{
	(void)state;
	struct side a, b;
	side_start(&a, hello_of(1, true), ANY);
	side_start(&b, hello_of(2, true), ANY);
	b.on_message = check_row;
	side_dial(&a, &b);
	for (unsigned round = 0; round < 3; round++) {
		run_until(a.link != 0 && b.link != 0);
		unsigned heard = b.messages;
		send_about(&a, 5);
		send_about(&a, 6 + round);
		run_until(b.messages >= heard + 2);
		nng_links_close(b.links, b.link);
		run_until(a.downs == round + 1 && b.downs == round + 1);
	}
	side_stop(&a);
	side_stop(&b);
}

static void refused_for(struct bytes frame, bool named)
{
	struct side a;
	struct rpc_msg m;
	int fd = raw_link(&a, named);
	raw_send_frame(fd, frame);
	run_until(a.refusals == 1);
	assert_int_equal(a.refusal, RPC_REFUSED_MALFORMED);
	assert_int_equal(counters(&a).malformed, 1);
	assert_int_equal(a.downs, 1);
	assert_int_equal(a.byes, 0);
	bool told = false;
	while (raw_receive(fd, &m))
		told = told || (m.kind == RPC_REFUSAL && m.refusal.reason == RPC_REFUSED_MALFORMED);
	assert_true(told);
	finish(&a, fd);
}

static void numbers_that_were_never_named_end_a_link(void **state)
{
	(void)state;
	refused_for(BYTES_LIT("\x72\x04\x08\x04\x18\x01"), true);
	refused_for(BYTES_LIT("\x7a\x06\x0a\x01\x04\x12\x01\x05"), true);
}

static void names_where_none_were_agreed_upon_end_a_link(void **state)
{
	(void)state;
	struct arena scratch;
	struct buf out;
	struct rpc_names *names = rpc_names_new(1);
	struct rpc_msg m = frame_about(1);
	arena_init(&scratch, RPC_ARENA_MAX);
	buf_init(&out, RPC_FRAME_MAX);
	assert_int_equal(rpc_encode_named(&m, names, &scratch, &out), OK);
	refused_for(buf_bytes(&out), false);
	rpc_names_free(names);
	arena_fini(&scratch);
	buf_fini(&out);
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
		cmocka_unit_test(names_are_agreed_upon_by_both),
		cmocka_unit_test(a_full_window_leaves_no_name_behind),
		cmocka_unit_test(names_die_with_the_connection),
		cmocka_unit_test(numbers_that_were_never_named_end_a_link),
		cmocka_unit_test(names_where_none_were_agreed_upon_end_a_link),
	};
	return cmocka_run_group_tests(tests, NULL, end_of_nng);
}
