/* Entries of the watched class are named in the outputs as they are applied, each once. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LINK = 9 };

static const struct node_id owner = { { 0x77 } };

static void setup(struct pair *p, uint8_t watched)
{
	struct kvs_config c = pair_config(0);
	c.watched_class = watched;
	pair_init(p);
	pair_start(p, 0, &c);
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = LINK;
	in.link_up.node = owner;
	in.link_up.incarnation = (struct incarnation){ 1, 1 };
	in.link_up.version = 1;
	pair_step(p, 0, &in);
}

/* A frame of the owner's; the outputs of its step are in p->nodes[0].out. */
static void frame(struct pair *p, enum rpc_stream stream, uint64_t count, uint64_t from,
    const struct rpc_entry *entries, size_t n)
{
	struct rpc_msg m = { .kind = RPC_ROW_FRAME };
	m.row_frame =
	    (struct rpc_row_frame){ .owner = owner, .stream = stream, .entries = entries, .entries_n = n };
	m.row_frame.incarnation = (struct incarnation){ count, 1 };
	m.row_frame.from = from;
	m.row_frame.to = m.row_frame.horizon = entries[n - 1].version;
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = LINK;
	in.message.m = &m;
	struct pair_node *node = &p->nodes[0];
	arena_reset(&node->arena);
	kvs_step(node->k, p->now_ms, &in, &node->out);
}

static void assert_watched(const struct pair *p, size_t n, uint64_t first)
{
	const struct kvs_outputs *out = &p->nodes[0].out;
	assert_int_equal(out->watched_n, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(node_id_eq(&out->watched[i].owner, &owner));
		assert_int_equal(out->watched[i].entry.version, first + i);
		assert_int_equal(out->watched[i].entry.key.p[0], 't');
	}
}

static void those_of_the_class_and_new_ones_only(void **state)
{
	(void)state;
	struct pair p;
	const struct rpc_entry entries[] = {
		{ .key = BYTES_LIT("t1"), .version = 1, .value = BYTES_LIT("a") },
		{ .key = BYTES_LIT("o1"), .version = 2, .value = BYTES_LIT("b") },
		{ .key = BYTES_LIT("t3"), .version = 3, .value = BYTES_LIT("c") },
		{ .key = BYTES_LIT("t4"), .version = 4, .value = BYTES_LIT("d") },
		{ .key = BYTES_LIT("t3"), .version = 5, .deleted = true },
	};
	setup(&p, 't');
	frame(&p, RPC_LOCATIONS, 1, 0, entries, 1);
	assert_watched(&p, 1, 1);
	frame(&p, RPC_LOCATIONS, 1, 0, entries, 1); /* again */
	assert_watched(&p, 0, 0);
	frame(&p, RPC_LOCATIONS, 1, 3, entries + 3, 1); /* a gap: not applied */
	assert_watched(&p, 0, 0);
	frame(&p, RPC_LOCATIONS, 1, 0, entries, 5); /* the first is known, the last a delete */
	assert_watched(&p, 2, 3);
	frame(&p, RPC_CONTROL, 1, 0, entries, 1);
	assert_watched(&p, 0, 0);
	pair_fini(&p);
}

static void none_of_a_history_that_replaces_another(void **state)
{
	(void)state;
	struct pair p;
	const struct rpc_entry e = { .key = BYTES_LIT("t1"), .version = 1, .value = BYTES_LIT("a") };
	setup(&p, 't');
	frame(&p, RPC_LOCATIONS, 1, 0, &e, 1);
	assert_watched(&p, 1, 1);
	frame(&p, RPC_LOCATIONS, 2, 0, &e, 1);
	assert_watched(&p, 0, 0);
	pair_fini(&p);
}

static void none_without_a_class_and_not_past_the_bound(void **state)
{
	(void)state;
	struct pair p;
	static struct rpc_entry many[KVS_WATCHED_MAX + 1];
	static char keys[KVS_WATCHED_MAX + 1][8];
	for (size_t i = 0; i <= KVS_WATCHED_MAX; i++) {
		snprintf(keys[i], sizeof(keys[i]), "t%zu", i);
		many[i] = (struct rpc_entry){ .key = bytes_str(keys[i]), .version = i + 1 };
	}
	setup(&p, 0);
	frame(&p, RPC_LOCATIONS, 1, 0, many, KVS_WATCHED_MAX + 1);
	assert_watched(&p, 0, 0);
	pair_fini(&p);
	setup(&p, 't');
	frame(&p, RPC_LOCATIONS, 1, 0, many, KVS_WATCHED_MAX + 1);
	assert_watched(&p, KVS_WATCHED_MAX, 1);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_of_the_class_and_new_ones_only),
		cmocka_unit_test(none_of_a_history_that_replaces_another),
		cmocka_unit_test(none_without_a_class_and_not_past_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
