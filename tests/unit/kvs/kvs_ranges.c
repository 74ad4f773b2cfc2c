/* Repair by fingerprints of ranges: what differs is found and fetched, what is equal costs one question. */
#include "kvs/prints.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool only_repair(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	(void)arg, (void)from, (void)to;
	return m->kind != RPC_ANNOUNCE && (m->kind != RPC_ROW_FRAME || m->row_frame.repair);
}

static void start(struct pair *p)
{
	pair_init(p);
	p->features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	p->filter = only_repair;
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(p, i, &c);
	}
	pair_link(p, 0, 1);
	pair_run(p, p->now_ms + 3000);
}

static void what_differs_is_found(void **state)
{
	(void)state;
	struct pair p;
	start(&p);
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	pair_put(&p, 0, "a", "1");
	pair_put(&p, 1, "b", "2");
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	assert_string_equal(pair_get(&p, 0, 1, "b"), "2");
	pair_delete(&p, 0, "a");
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "");
	pair_fini(&p);
}

static void what_is_equal_is_not_listed(void **state)
{
	(void)state;
	struct pair p;
	start(&p);
	uint64_t digests = p.sent[RPC_DIGEST], frames = p.sent[RPC_ROW_FRAME], asked = p.sent[RPC_RANGES];
	pair_run(&p, p.now_ms + 10000);
	assert_int_equal(p.sent[RPC_DIGEST], digests);
	assert_int_equal(p.sent[RPC_ROW_FRAME], frames);
	assert_in_range(p.sent[RPC_RANGES] - asked, 20, 60); /* one question and answer an interval and node */
	pair_fini(&p);
}

/* The parts of a range begin where it begins, follow each other without gaps, and end where it ends. */
static void parts_make_the_whole(void **state)
{
	(void)state;
	struct row_id first = prints_first(0, 0), last = prints_last(0, 0);
	for (size_t i = 0; i < sizeof(first.b); i++)
		assert_true(first.b[i] == 0 && last.b[i] == 0xff);
	for (uint32_t depth = 0; depth < 3; depth++) {
		for (uint32_t prefix = 0; prefix < 1u << (4 * depth); prefix++) {
			struct row_id whole_first = prints_first(depth, prefix), whole_last = prints_last(depth, prefix);
			struct row_id part = prints_first(depth + 1, prefix * 16);
			assert_int_equal(row_id_cmp(&part, &whole_first), 0);
			part = prints_last(depth + 1, prefix * 16 + 15);
			assert_int_equal(row_id_cmp(&part, &whole_last), 0);
			for (uint32_t i = 0; i < 15; i++) {
				struct row_id end = prints_last(depth + 1, prefix * 16 + i);
				struct row_id next = prints_first(depth + 1, prefix * 16 + i + 1);
				assert_true(row_id_cmp(&end, &next) < 0);
				assert_int_equal((end.b[0] << 8 | end.b[1]) + 1, next.b[0] << 8 | next.b[1]);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_found),
		cmocka_unit_test(what_is_equal_is_not_listed),
		cmocka_unit_test(parts_make_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
