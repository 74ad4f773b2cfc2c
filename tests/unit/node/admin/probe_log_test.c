/* What a probe's request may say, and what is kept of those that came. */
#include "node/admin/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_request(const char *body, bool has_slot, uint32_t slot, uint32_t slots, uint32_t filler)
{
	struct probe_request r;
	const char *why = NULL;
	if (!probe_request_parse(bytes_str(body), &r, &why))
		fail_msg("%s: %s", body, why);
	assert_int_equal(r.has_slot, has_slot);
	assert_int_equal(r.slot, slot);
	assert_int_equal(r.slots, slots);
	assert_int_equal(r.filler_bytes, filler);
}

static void requests(void **state)
{
	(void)state;
	assert_request("", false, 0, 1, 0);
	assert_request("{}", false, 0, 1, 0);
	assert_request("{\"slot\":0}", true, 0, 1, 0);
	assert_request("{\"slot\":999,\"bytes\":256}", true, 999, 1, 256);
	assert_request("{\"slots\":1000,\"bytes\":0,\"later\":true}", false, 0, 1000, 0);
	static const char *const bad[] = { "x", "[]", "1", "{\"slot\":-1}", "{\"slot\":1000}", "{\"slot\":1.0}",
		"{\"slot\":\"1\"}", "{\"slot\":null}", "{\"slots\":0}", "{\"slots\":1001}", "{\"bytes\":257}",
		"{\"bytes\":-1}", "{\"slot\":1,\"slots\":1}", "{\"slot\":1,\"slot\":2}",
		"{\"slots\":99999999999999999999}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct probe_request r = { .slots = 77 };
		const char *why = NULL;
		if (probe_request_parse(bytes_str(bad[i]), &r, &why))
			fail_msg("%s was taken", bad[i]);
		assert_non_null(why);
		assert_int_equal(r.slots, 77);
	}
}

static void come(struct probe_log *l, uint8_t owner, const char *key, uint64_t number, uint64_t written_us,
    uint64_t now_us)
{
	struct node_id id = { { owner } };
	struct rpc_probe p = { .wall_us = written_us, .number = number };
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_probe(&p, &value), OK);
	struct rpc_entry e = { .key = bytes_str(key), .value = buf_bytes(&value) };
	probe_log_add(l, &id, &e, now_us);
	buf_fini(&value);
}

static uint64_t observed(const struct probe_log *l)
{
	uint64_t n = 0;
	for (size_t i = 0; i <= l->spread.bounds->n; i++)
		n += atomic_load(&l->spread.counts[i]);
	return n;
}

static void the_last_of_each_owner_is_kept(void **state)
{
	(void)state;
	struct probe_log l;
	probe_log_init(&l);
	come(&l, 5, "t1", 1, 1000, 1300);
	come(&l, 3, "t1", 7, 2000, 2100);
	come(&l, 9, "t1", 8, 2000, 1500); /* its clock is ahead */
	come(&l, 5, "t2", 2, 3000, 3700);
	assert_int_equal(l.seen_n, 3);
	assert_int_equal(l.seen[0].owner.b[0], 3);
	assert_int_equal(l.seen[0].number, 7);
	assert_int_equal(l.seen[0].latency_us, 100);
	assert_int_equal(l.seen[1].owner.b[0], 5);
	assert_int_equal(l.seen[1].number, 2);
	assert_int_equal(l.seen[1].latency_us, 700);
	assert_int_equal(l.seen[2].latency_us, -500);
	assert_int_equal(observed(&l), 4);
	assert_int_equal(atomic_load(&l.spread.sum), 300 + 100 + 0 + 700);
	probe_log_fini(&l);
}

static void what_is_no_probe_is_passed_over(void **state)
{
	(void)state;
	struct probe_log l;
	struct node_id id = { { 1 } };
	probe_log_init(&l);
	struct rpc_entry e = { .key = BYTES_LIT("t1"), .value = BYTES_LIT("\x09\x01") };
	probe_log_add(&l, &id, &e, 1);
	come(&l, 1, "t1000", 1, 1, 1);
	come(&l, 1, "tx", 1, 1, 1);
	assert_int_equal(l.seen_n, 0);
	assert_int_equal(observed(&l), 0);
	probe_log_fini(&l);
}

static void one_that_was_fetched_late_is_no_measure(void **state)
{
	(void)state;
	struct probe_log l;
	probe_log_init(&l);
	come(&l, 1, "t1", 1, 0, PROBE_FETCHED_US);
	come(&l, 1, "t1", 2, 0, PROBE_FETCHED_US + 1);
	assert_int_equal(observed(&l), 1);
	assert_int_equal(l.fetched, 1);
	assert_int_equal(l.seen[0].number, 2);
	come(&l, 1, "t1", 3, UINT64_MAX, 0); /* nonsense of a peer: no overflow, no harm */
	come(&l, 1, "t1", 4, 1ull << 63, 0);
	assert_int_equal(l.seen[0].number, 4);
	probe_log_fini(&l);
}

static void owners_are_bounded(void **state)
{
	(void)state;
	struct probe_log l;
	struct buf value;
	struct rpc_probe p = { .number = 1 };
	probe_log_init(&l);
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_probe(&p, &value), OK);
	struct rpc_entry e = { .key = BYTES_LIT("t1"), .value = buf_bytes(&value) };
	for (uint32_t i = 0; i < PROBE_SEEN_MAX + 10; i++) {
		struct node_id id = { 0 };
		memcpy(id.b, &i, sizeof(i));
		probe_log_add(&l, &id, &e, 1);
	}
	assert_int_equal(l.seen_n, PROBE_SEEN_MAX);
	buf_fini(&value);
	probe_log_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(the_last_of_each_owner_is_kept),
		cmocka_unit_test(what_is_no_probe_is_passed_over),
		cmocka_unit_test(one_that_was_fetched_late_is_no_measure),
		cmocka_unit_test(owners_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
