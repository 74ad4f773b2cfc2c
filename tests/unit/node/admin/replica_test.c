/* The operators' pages about the replica, over two real replicas that know each other. */
#include "fake_http.h"
#include "node/admin/admin.h"
#include "pair.h"

#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- the fake node around node 0's replica -- */

struct control {
	const struct kvs *kvs;
	bool mute;
};

const struct kvs *control_kvs(const struct control *c)
{
	return c->kvs;
}

enum node_state control_state(const struct control *c)
{
	(void)c;
	return NODE_READY;
}

bool control_mute(const struct control *c)
{
	return c->mute;
}

void control_count(const struct control *c, struct control_counters *out)
{
	*out = (struct control_counters){ .store = { .commits = 77, .queued_bytes = 88, .oldest_reader_ms = 5 } };
	out->links.links = 3;
	out->links.by_kind[RPC_ROW_FRAME] = (struct nng_traffic){ 1, 2, 3, 4 };
	kvs_count(c->kvs, &out->kvs);
}

static uint64_t now_mono_ms(void)
{
	return 61000;
}

void admin_put_status(const struct admin *a, struct buf *out)
{
	(void)a;
	buf_put_str(out, "{}");
}

void admin_put_nodes(const struct admin *a, struct buf *out)
{
	admin_put_status(a, out);
}

void admin_put_metrics(const struct admin *a, struct buf *out)
{
	admin_put_status(a, out);
}

enum err admin_put_holders(const struct admin *a, const struct config_origin *origin, struct bytes content,
    struct arena *arena, struct buf *out)
{
	(void)origin;
	(void)content;
	(void)arena;
	admin_put_status(a, out);
	return OK;
}

/* Pieces of holders have a test of their own. */
void admin_holders(const struct admin *a, struct http_exchange *x)
{
	(void)a;
	http_problem(x, 503, "unavailable", "no holders", 0);
}

void admin_drains(const struct admin *a, struct http_exchange *x)
{
	(void)a;
	http_problem(x, 503, "unavailable", "no drains", 0);
}

/* Explanations have a test of their own. */
void admin_explain(const struct admin *a, struct http_exchange *x)
{
	(void)a;
	http_problem(x, 503, "unavailable", "no explanations", 0);
}

/* Probes have a test of their own. */
void probe_handle(const struct admin *a, struct http_exchange *x)
{
	(void)a;
	http_problem(x, 503, "unavailable", "no probes", 0);
}

void watched_handle(const struct admin *a, struct http_exchange *x)
{
	(void)a;
	(void)x;
}

bool warm_orders_handle(const struct admin *a, struct http_exchange *x, struct bytes path)
{
	(void)a;
	(void)x;
	(void)path;
	return false;
}

bool orders_take(const struct admin *a, struct http_exchange *x, struct bytes path)
{
	(void)a;
	(void)x;
	(void)path;
	return false;
}

struct fixture {
	struct pair pair;
	struct config config;
	struct control control;
	struct admin admin;
};

static void put_location(struct pair *p, size_t i, const char *content, const struct rpc_location *l)
{
	uint8_t key[RPC_KEY_MAX];
	struct kvs_input in = { .kind = l != NULL ? KVS_IN_PUT : KVS_IN_DELETE };
	struct buf value;
	size_t n;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), bytes_str(content), key, &n), OK);
	if (l != NULL)
		assert_int_equal(rpc_encode_location(l, &value), OK);
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, n);
	in.put.value = buf_bytes(&value);
	pair_step(p, i, &in);
	buf_fini(&value);
}

static void put_load(struct pair *p, size_t i, uint32_t sessions)
{
	struct kvs_input in = { .kind = KVS_IN_PUT };
	struct rpc_load l = { .sessions = sessions, .egress_mbps = 4, .hit_permille = 999, .cached_bytes = 5 };
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_load(&l, &value), OK);
	in.put.stream = RPC_LOAD;
	in.put.key = RPC_KEY_LOAD;
	in.put.value = buf_bytes(&value);
	pair_step(p, i, &in);
	buf_fini(&value);
}

/* Node 1 holds a content with a slash and a space in its name, and no longer another; node 0 heard of it. */
static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	pair_init(&f.pair);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		c.reg.http_urls = &BYTES_LIT("http://n:80");
		c.reg.http_urls_n = 1;
		c.reg.build = BYTES_LIT("0.1.0");
		pair_start(&f.pair, i, &c);
	}
	put_location(&f.pair, 1, "gone", &(struct rpc_location){ .bytes = 1, .objects = 1 });
	put_location(&f.pair, 1, "vod/x y:z",
	    &(struct rpc_location){
	        .bytes = 10, .objects = 2, .share_permille = 500, .entry = BYTES_LIT("m\"3u8") });
	put_location(&f.pair, 1, "gone", NULL);
	put_load(&f.pair, 1, 7);
	pair_link(&f.pair, 0, 1);
	pair_run(&f.pair, f.pair.now_ms + 3000);
	f.config = (struct config){ .cluster = "demo", .node = "n0" };
	f.control.kvs = f.pair.nodes[0].k;
	f.admin = (struct admin){ .config = &f.config,
		.control = &f.control,
		.self = &f.pair.nodes[0].id,
		.started_mono_ms = 1000,
		.now_mono_ms = now_mono_ms };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	pair_fini(&f->pair);
	return 0;
}

/* The JSON that a request is answered with. */
static json_t *ask(struct fixture *f, const char *path, const char *query, int status)
{
	struct http_exchange x;
	json_error_t error;
	fake_exchange_init(&x, HTTP_GET, path, "");
	x.request.query = bytes_str(query);
	admin_handle(&f->admin, &x);
	assert_int_equal(x.answers, 1);
	json_t *json = json_loadb(x.body, x.body_n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, x.body);
	if (x.status != status)
		fail_msg("%s?%s: %d instead of %d: %s", path, query, x.status, status, x.body);
	fake_exchange_fini(&x);
	return json;
}

static void assert_int_at(const json_t *o, const char *key, json_int_t expected)
{
	const json_t *v = json_object_get(o, key);
	if (!json_is_integer(v) || json_integer_value(v) != expected)
		fail_msg("%s is not %lld", key, (long long)expected);
}

static void assert_str_at(const json_t *o, const char *key, const char *expected)
{
	const char *v = json_string_value(json_object_get(o, key));
	if (v == NULL || strcmp(v, expected) != 0)
		fail_msg("%s is '%s', not '%s'", key, v != NULL ? v : "(none)", expected);
}

static void assert_hex64_at(const json_t *o, const char *key, uint64_t expected)
{
	char hex[17];
	snprintf(hex, sizeof(hex), "%016" PRIx64, expected);
	assert_str_at(o, key, hex);
}

static void assert_problem(
    struct fixture *f, const char *query, int status, const char *type, const char *part)
{
	char urn[64];
	json_t *j = ask(f, "/v1/kvs/get", query, status);
	snprintf(urn, sizeof(urn), "urn:warmcast:problem:%s", type);
	assert_str_at(j, "type", urn);
	const char *detail = json_string_value(json_object_get(j, "detail"));
	if (detail == NULL || strstr(detail, part) == NULL || strchr(detail, '\n') != NULL)
		fail_msg("%s: %s", query, detail);
	json_decref(j);
}

/* -- tests -- */

/* Every kind is there once, by its name. */
static void assert_traffic(const json_t *traffic)
{
	assert_int_equal(json_array_size(traffic), RPC_KINDS);
	for (size_t i = 0; i < RPC_KINDS; i++)
		assert_str_at(json_array_get(traffic, i), "kind", rpc_kind_str((enum rpc_kind)i));
	const json_t *rows = json_array_get(traffic, RPC_ROW_FRAME);
	assert_int_at(rows, "frames_in", 1);
	assert_int_at(rows, "frames_out", 2);
	assert_int_at(rows, "bytes_in", 3);
	assert_int_at(rows, "bytes_out", 4);
	assert_int_at(json_array_get(traffic, RPC_DIGEST), "bytes_in", 0);
}

static void stats(void **state)
{
	struct fixture *f = *state;
	struct kvs_counters c;
	kvs_count(f->control.kvs, &c);
	f->control.mute = true;
	json_t *j = ask(f, "/v1/kvs/stats", "", 200);
	assert_str_at(j, "node", "n0");
	assert_true(c.rows >= 4 && c.tombstones == 1 && c.frames_applied > 0 && c.digests_sent > 0);
	assert_int_at(j, "rows", (json_int_t)c.rows);
	assert_int_at(j, "entries", (json_int_t)c.entries);
	assert_int_at(j, "tombstones", 1);
	assert_int_at(j, "bytes", (json_int_t)c.bytes);
	assert_int_at(j, "frames_applied", (json_int_t)c.frames_applied);
	assert_int_at(j, "frames_duplicate", (json_int_t)c.frames_duplicate);
	assert_int_at(j, "frames_refused", 0);
	assert_int_at(j, "entries_applied", (json_int_t)c.entries_applied);
	assert_int_at(j, "digests_sent", (json_int_t)c.digests_sent);
	assert_int_at(j, "resets", (json_int_t)c.resets);
	assert_int_at(j, "commits", 77);
	assert_int_at(j, "store_queued_bytes", 88);
	assert_int_at(j, "oldest_reader_ms", 5);
	assert_int_at(j, "uptime_s", 60);
	assert_int_at(j, "links", 3);
	assert_true(c.entries_repaired > 0 && c.entries_applied >= c.entries_repaired);
	assert_int_at(j, "entries_repaired", (json_int_t)c.entries_repaired);
	assert_int_at(j, "entries_pulled", (json_int_t)c.entries_pulled);
	assert_int_at(j, "ranges_asked", (json_int_t)c.ranges_asked);
	assert_int_at(j, "claims_made", (json_int_t)c.claims_made);
	assert_traffic(json_object_get(j, "traffic"));
	assert_true(json_is_true(json_object_get(j, "mute")));
	assert_hex64_at(j, "fingerprint", kvs_fingerprint(f->control.kvs));
	json_decref(j);
}

static const json_t *row_of(const json_t *owners, const char *owner, const char *stream)
{
	size_t i;
	const json_t *r;
	json_array_foreach(json_object_get(owners, "rows"), i, r)
	{
		if (strcmp(json_string_value(json_object_get(r, "owner")), owner) == 0 &&
		    strcmp(json_string_value(json_object_get(r, "stream")), stream) == 0)
			return r;
	}
	fail_msg("no row of %s, %s", owner, stream);
	return NULL;
}

static void owners(void **state)
{
	struct fixture *f = *state;
	json_t *j = ask(f, "/v1/kvs/owners", "", 200);
	assert_str_at(j, "node", "n0");
	const json_t *r = row_of(j, "n1", "locations");
	struct kvs_row row;
	assert_true(kvs_row_of(f->control.kvs, &f->pair.nodes[1].id, RPC_LOCATIONS, &row));
	assert_str_at(r, "id", "02020202020202020202020202020202");
	assert_int_at(r, "incarnation", 1);
	assert_hex64_at(r, "nonce", 1);
	assert_int_at(r, "version", 3);
	assert_int_at(r, "horizon", 3);
	assert_int_at(r, "floor", 0);
	assert_int_at(r, "base", 0);
	assert_int_at(r, "entries", 1);
	assert_int_at(r, "tombstones", 1);
	assert_hex64_at(r, "fingerprint", row.fingerprint);
	assert_true(json_is_true(json_object_get(r, "exact")));
	assert_int_at(row_of(j, "n0", "control"), "entries", 1);
	assert_int_at(row_of(j, "n1", "load"), "entries", 1);
	json_decref(j);
}

static void every_owner_has_its_name(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 2; i < PAIR_NODES; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(&f->pair, i, &c);
		pair_link(&f->pair, 0, i);
	}
	pair_run(&f->pair, f->pair.now_ms + 3000);
	json_t *j = ask(f, "/v1/kvs/owners", "", 200);
	for (size_t i = 0; i < PAIR_NODES; i++) {
		char name[8], id[2 * NODE_ID_BYTES + 1];
		snprintf(name, sizeof(name), "n%zu", i);
		for (size_t at = 0; at < NODE_ID_BYTES; at++)
			snprintf(id + 2 * at, 3, "%02x", (unsigned)i + 1);
		assert_str_at(row_of(j, name, "control"), "id", id);
	}
	json_decref(j);
}

static void both_nodes_say_the_same(void **state)
{
	struct fixture *f = *state;
	json_t *a = ask(f, "/v1/kvs/owners", "", 200);
	f->control.kvs = f->pair.nodes[1].k;
	json_t *b = ask(f, "/v1/kvs/owners", "", 200);
	assert_true(json_equal(json_object_get(a, "rows"), json_object_get(b, "rows")));
	json_decref(a);
	json_decref(b);
}

static void a_register(void **state)
{
	static const char *const queries[] = { "owner=n1&stream=control&key=register",
		"key=register&stream=control&owner=02020202020202020202020202020202",
		"owner=%6E1&stream=control&key=register&later=1" };
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		json_t *j = ask(*state, "/v1/kvs/get", queries[i], 200);
		assert_str_at(j, "owner", "n1");
		assert_str_at(j, "id", "02020202020202020202020202020202");
		assert_str_at(j, "stream", "control");
		assert_str_at(j, "key", "register");
		assert_int_at(j, "incarnation", 1);
		assert_int_at(j, "version", 1);
		const json_t *v = json_object_get(j, "value");
		assert_str_at(v, "name", "n1");
		assert_str_at(v, "state", "ready");
		assert_str_at(v, "rpc", "n1:1");
		assert_str_at(v, "version", "0.1.0");
		assert_int_at(v, "version_max", 1);
		assert_int_equal(json_array_size(json_object_get(v, "http")), 1);
		json_decref(j);
	}
}

static void a_location_and_a_load(void **state)
{
	json_t *j = ask(*state, "/v1/kvs/get", "owner=n1&stream=locations&key=main%3Avod/x%20y%3az", 200);
	assert_str_at(j, "key", "main:vod/x y:z");
	assert_int_at(j, "version", 2);
	const json_t *v = json_object_get(j, "value");
	assert_int_at(v, "bytes", 10);
	assert_int_at(v, "objects", 2);
	assert_int_at(v, "share_permille", 500);
	assert_str_at(v, "entry", "m\"3u8");
	json_decref(j);
	j = ask(*state, "/v1/kvs/get", "owner=n1&stream=load&key=load", 200);
	v = json_object_get(j, "value");
	assert_int_at(v, "sessions", 7);
	assert_int_at(v, "egress_mbps", 4);
	assert_int_at(v, "hit_permille", 999);
	assert_int_at(v, "cached_bytes", 5);
	json_decref(j);
}

/* A later version may write what this one cannot read. */
static void an_unreadable_value_is_hex(void **state)
{
	struct fixture *f = *state;
	uint8_t key[RPC_KEY_MAX];
	struct kvs_input in = { .kind = KVS_IN_PUT };
	size_t n;
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), BYTES_LIT("odd"), key, &n), OK);
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, n);
	in.put.value = BYTES_LIT("\xff\xff\x01");
	pair_step(&f->pair, 0, &in);
	json_t *j = ask(f, "/v1/kvs/get", "owner=n0&stream=locations&key=main:odd", 200);
	assert_true(json_is_null(json_object_get(j, "value")));
	assert_str_at(j, "value_hex", "ffff01");
	json_decref(j);
}

static void what_is_not_there(void **state)
{
	struct fixture *f = *state;
	assert_problem(f, "owner=n7&stream=control&key=register", 404, "no-such-owner", "no node");
	assert_problem(f, "owner=ff020202020202020202020202020202&stream=control&key=register", 404,
	    "no-such-owner", "no node");
	assert_problem(f, "owner=n1&stream=locations&key=main:never", 404, "no-such-entry", "no such entry");
	assert_problem(f, "owner=n0&stream=load&key=load", 404, "no-such-entry", "no such entry");
	assert_problem(
	    f, "owner=n1&stream=locations&key=main:gone", 404, "no-such-entry", "deleted it, at version 3");
}

static void malformed_queries(void **state)
{
	static const struct {
		const char *query, *part;
	} cases[] = {
		{ "", "owner must be" },
		{ "owner=&stream=control&key=register", "owner must be" },
		{ "owner=%zz&stream=control&key=register", "owner must be" },
		{ "owner=n1", "stream must be" },
		{ "owner=n1&stream=loads&key=load", "stream must be" },
		{ "owner=n1&stream=control", "key must be" },
		{ "owner=n1&stream=control&key", "key must be" },
		{ "owner=n1&stream=control&key=load", "is register" },
		{ "owner=n1&stream=load&key=register", "is load" },
		{ "owner=n1&stream=locations&key=register", "ORIGIN:CONTENT" },
		{ "owner=n1&stream=locations&key=:lv1", "ORIGIN:CONTENT" },
		{ "owner=n1&stream=locations&key=main:", "ORIGIN:CONTENT" },
		{ "owner=n1&stream=locations&key=main:a%2Fb", "key must be" },
		{ "owner=n1&stream=locations&key=main:a%00b", "key must be" },
		{ "owner=n1&stream=locations&key=main:a/../b", "key must be" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_problem(*state, cases[i].query, 400, "malformed", cases[i].part);
	char query[600] = "owner=n1&stream=locations&key=main:";
	memset(query + strlen(query), 'x', 500);
	assert_problem(*state, query, 400, "malformed", "ORIGIN:CONTENT");
}

/* Two living ids with one name: which one is meant cannot be known. */
static void an_ambiguous_name(void **state)
{
	struct fixture *f = *state;
	struct kvs_config c = pair_config(2);
	c.reg.name = BYTES_LIT("n1");
	pair_start(&f->pair, 2, &c);
	pair_link(&f->pair, 0, 2);
	pair_run(&f->pair, f->pair.now_ms + 3000);
	assert_problem(f, "owner=n1&stream=control&key=register", 409, "ambiguous", "by id");
	json_decref(
	    ask(f, "/v1/kvs/get", "owner=03030303030303030303030303030303&stream=control&key=register", 200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stats, setup, teardown),
		cmocka_unit_test_setup_teardown(owners, setup, teardown),
		cmocka_unit_test_setup_teardown(every_owner_has_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(both_nodes_say_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(a_register, setup, teardown),
		cmocka_unit_test_setup_teardown(a_location_and_a_load, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unreadable_value_is_hex, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_queries, setup, teardown),
		cmocka_unit_test_setup_teardown(an_ambiguous_name, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
