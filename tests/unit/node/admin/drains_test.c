/* GET /v1/drains over a fake replica: order, and each order once however many rows have it. */
#include "base/check.h"
#include "fake_http.h"
#include "node/admin/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 2, COMMANDS_MAX = 4 };

struct kvs {
	struct kvs_command rows[MEMBERS][COMMANDS_MAX];
	size_t n[MEMBERS];
};

static struct kvs kvs;

const struct kvs *control_kvs(const struct control *c)
{
	(void)c;
	return &kvs;
}

size_t kvs_members_n(const struct kvs *k)
{
	(void)k;
	return MEMBERS;
}

static struct node_id id_of(uint8_t n)
{
	return (struct node_id){ { n } };
}

void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	(void)k;
	*out = (struct kvs_member){ .id = id_of((uint8_t)i) };
}

void kvs_each_command(const struct kvs *k, const struct node_id *owner, uint64_t version,
    void (*each)(void *arg, const struct kvs_command *c), void *arg)
{
	assert_int_equal(version, 0);
	for (size_t i = 0; i < k->n[owner->b[0]]; i++)
		each(arg, &k->rows[owner->b[0]][i]);
}

struct bytes admin_name_of(const struct kvs *k, const struct node_id *id)
{
	(void)k;
	return id->b[0] == 0 ? BYTES_LIT("n-0") : BYTES_LIT("n-1");
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	struct http_response r = { .status = 200, .parts_n = 1 };
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	http_respond(x, &r);
}

static void order(size_t row, uint8_t id, uint64_t at_s, enum rpc_command_kind kind, struct bytes subject)
{
	CHECK(kvs.n[row] < COMMANDS_MAX);
	kvs.rows[row][kvs.n[row]++] = (struct kvs_command){
		.id = { { id } },
		.what = { .at = { at_s * 1000, 0 }, .kind = kind, .subject = subject, .issuer = id_of(0) },
	};
}

static void assert_told(const char *expected)
{
	struct admin a = { 0 };
	struct http_exchange x;
	fake_exchange_init(&x, HTTP_GET, "/v1/drains", "");
	admin_drains(&a, &x);
	assert_int_equal(x.answers, 1);
	assert_int_equal(x.status, 200);
	assert_int_equal(x.body_n, strlen(expected));
	assert_memory_equal(x.body, expected, x.body_n);
	fake_exchange_fini(&x);
}

#define ORDER(at, order, node, hex, more)                                                 \
	"{\"at\":\"1970-01-01T00:00:" at "Z\",\"order\":\"" order "\",\"node\":\"" node "\"," \
	"\"id\":\"" hex "000000000000000000000000000000\",\"asked\":\"n-0\",\"by\":" more "}"

static void the_latest_order_comes_first_and_once(void **state)
{
	(void)state;
	memset(&kvs, 0, sizeof(kvs));
	assert_told("{\"drains\":[]}\n");
	static const struct node_id zero = { { 0 } }, one = { { 1 } };
	struct bytes first = bytes_of(zero.b, NODE_ID_BYTES), second = bytes_of(one.b, NODE_ID_BYTES);
	order(0, 9, 10, RPC_COMMAND_DRAIN, second);
	order(0, 8, 30, RPC_COMMAND_UNDRAIN, first);
	order(0, 7, 40, RPC_COMMAND_EXPEL, second);
	order(1, 8, 30, RPC_COMMAND_UNDRAIN, first); /* recorded */
	order(1, 6, 50, RPC_COMMAND_PURGE, BYTES_LIT("a content of 16b"));
	order(1, 5, 60, RPC_COMMAND_DRAIN, BYTES_LIT("what a later version means"));
	assert_told("{\"drains\":[" ORDER("30", "undrain", "n-0", "00",
	    "null,\"drained_at\":null,\"drained_by\":null") "," ORDER("10", "drain", "n-1", "01", "null") "]}\n");
}

static void it_is_told_who_drained_and_took_back(void **state)
{
	(void)state;
	memset(&kvs, 0, sizeof(kvs));
	static const struct node_id zero = { { 0 } }, one = { { 1 } };
	struct admin_drained found;
	order(0, 9, 10, RPC_COMMAND_DRAIN, bytes_of(one.b, NODE_ID_BYTES));
	kvs.rows[0][0].what.by = BYTES_LIT("ann@ops");
	admin_find_drain(&kvs, &zero, &found);
	assert_int_equal(found.at_ms, 0);
	admin_find_drain(&kvs, &one, &found);
	assert_int_equal(found.at_ms, 10000);
	assert_true(bytes_eq(bytes_of(found.by, found.by_n), BYTES_LIT("ann@ops")));
	/* Known after it was taken back, too, and when that is said again. */
	order(1, 8, 20, RPC_COMMAND_UNDRAIN, bytes_of(one.b, NODE_ID_BYTES));
	struct rpc_command *back = &kvs.rows[1][0].what;
	back->by = BYTES_LIT("bob@ops");
	back->drained_ms = 10000;
	back->drained_by = BYTES_LIT("ann@ops");
	admin_find_drain(&kvs, &one, &found);
	assert_int_equal(found.at_ms, 10000);
	assert_true(bytes_eq(bytes_of(found.by, found.by_n), BYTES_LIT("ann@ops")));
	assert_told("{\"drains\":[" ORDER("20", "undrain", "n-1", "01",
	    "\"bob@ops\",\"drained_at\":\"1970-01-01T00:00:10Z\",\"drained_by\":\"ann@ops\"") "," ORDER("10",
	    "drain", "n-1", "01", "\"ann@ops\"") "]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_order_comes_first_and_once),
		cmocka_unit_test(it_is_told_who_drained_and_took_back),
	};
	return cmocka_run_group_tests_name("admin_drains", tests, NULL, NULL);
}
