/* The operators' pages over a fake node: routes, and that each body is JSON with what the node knows. */
#include "fake_http.h"
#include "node/admin/admin.h"
#include "node/delivery/places.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 4 };

/* -- the fake node -- */

struct kvs {
	struct kvs_member members[MEMBERS_MAX];
	size_t n;
};

struct control {
	struct kvs kvs;
	enum node_state state;
	bool mute;
};

struct kvs_reader {
	struct kvs_holder holders[MEMBERS_MAX];
	size_t n;
	enum err error;
};

struct cache {
	struct cache_counters count;
};

struct sessions {
	size_t active;
};

const struct kvs *control_kvs(const struct control *c)
{
	return &c->kvs;
}

enum node_state control_state(const struct control *c)
{
	return c->state;
}

bool control_mute(const struct control *c)
{
	return c->mute;
}

size_t kvs_members_n(const struct kvs *k)
{
	return k->n;
}

void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	assert_true(i < k->n);
	*out = k->members[i];
}

/* The first claims the last. */
size_t kvs_claimers(const struct kvs *k, const struct node_id *on, struct node_id out[KVS_CLAIMERS_MAX])
{
	if (!node_id_eq(on, &k->members[k->n - 1].id))
		return 0;
	out[0] = k->members[0].id;
	return 1;
}

void kvs_count(const struct kvs *k, struct kvs_counters *out)
{
	*out = (struct kvs_counters){ .rows = k->n, .entries = 1000000007, .tombstones = 3 };
}

struct incarnation kvs_incarnation(const struct kvs *k)
{
	(void)k;
	return (struct incarnation){ 12, 34 };
}

uint64_t kvs_fingerprint(const struct kvs *k)
{
	(void)k;
	return 0xabc;
}

void cache_count(const struct cache *c, struct cache_counters *out)
{
	*out = c->count;
}

size_t sessions_active(const struct sessions *s)
{
	return s->active;
}

struct places {
	uint32_t lent;
};

void places_look(struct places *p, struct lease_book_view *v)
{
	*v = (struct lease_book_view){ .outstanding = p->lent };
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	(void)a;
	assert_true(bytes_eq(origin, BYTES_LIT("main")));
	assert_in_range(content.n, 1, 255);
	assert_true(r->n <= max);
	if (r->error != OK)
		return r->error;
	memcpy(out, r->holders, r->n * sizeof(*out));
	*n = r->n;
	return OK;
}

void admin_put_metrics(const struct admin *a, struct buf *out)
{
	(void)a;
	buf_put_str(out, "warmcast_up 1\n");
}

/* The pages about the replica have a test of their own. */
void admin_put_kvs_stats(const struct admin *a, struct buf *out)
{
	(void)a;
	buf_put_str(out, "{}");
}

void admin_put_owners(const struct admin *a, struct buf *out)
{
	(void)a;
	buf_put_str(out, "{}");
}

bool admin_put_entry(const struct admin *a, struct bytes query, struct arena *arena, struct buf *out,
    struct admin_refusal *why)
{
	(void)a;
	(void)query;
	(void)arena;
	(void)out;
	*why = (struct admin_refusal){ 503, "unavailable", "no replica" };
	return false;
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

static uint64_t now_mono_ms(void)
{
	return 100000;
}

struct fixture {
	struct config config;
	struct control control;
	struct kvs_reader reader;
	struct cache cache;
	struct sessions sessions;
	struct node_id self;
	struct rpc_register reg;
	struct admin admin;
};

/* Itself (1), a silent node with awkward texts (2), one never heard of (3). */
static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	f.config = (struct config){
		.cluster = "demo", .node = "delivery \"1\"", .zone = "z\\", .capacity_sessions = 50
	};
	f.config.roles = RPC_ROLE_API | RPC_ROLE_DELIVERY;
	f.config.origins_n = 1;
	f.config.origins[0] = (struct config_origin){ .name = "main", .match = "lv" };
	f.self.b[0] = 1;
	static const struct bytes urls[] = { BYTES_LIT("http://a:80"), BYTES_LIT("http://b:80") };
	f.reg = (struct rpc_register){
		.name = BYTES_LIT("n\"2\n\xc3\xa9"),
		.zone = BYTES_LIT("\xff"),
		.roles = RPC_ROLE_DELIVERY | RPC_ROLE_INGEST | 64,
		.state = NODE_DRAINING,
		.rpc_address = BYTES_LIT("127.0.0.1:7000"),
		.http_urls = urls,
		.http_urls_n = 2,
		.build = BYTES_LIT("0.1.0"),
		.version_min = 1,
		.version_max = 2,
		.capacity_sessions = 50,
	};
	f.control = (struct control){ .state = NODE_READY, .kvs.n = 3 };
	for (uint8_t i = 0; i < 3; i++)
		f.control.kvs.members[i] = (struct kvs_member){ .id = { { (uint8_t)(i + 1) } }, .since_ms = 99000 };
	struct kvs_member *m = f.control.kvs.members;
	m[0].reg = &f.reg;
	m[0].incarnation.count = 12;
	m[0].locations_n = 7;
	m[0].heard_ms = 99800;
	m[0].control_version = 5;
	m[0].locations_version = 6;
	m[1].reg = &f.reg;
	m[1].liveness = KVS_SUSPECT;
	m[1].has_load = true;
	m[1].load.sessions = 9;
	m[1].load.copies_left = 3;
	m[1].load.copies_failed = 1;
	m[1].load_seen_ms = 98500;
	m[2].liveness = KVS_DOWN;
	m[2].since_ms = 200000; /* later than now: no age */
	f.cache.count = (struct cache_counters){ .units = 4, .bytes = 5, .size_bytes = 6, .disks_down = 1 };
	static struct places places = { 7 };
	f.sessions.active = 11;
	f.admin = (struct admin){
		.config = &f.config,
		.control = &f.control,
		.self = &f.self,
		.reader = &f.reader,
		.cache = &f.cache,
		.sessions = &f.sessions,
		.places = &places,
		.started_mono_ms = 40000,
		.now_mono_ms = now_mono_ms,
	};
	*state = &f;
	return 0;
}

static struct http_exchange ask(struct fixture *f, enum http_method m, const char *path)
{
	struct http_exchange x;
	fake_exchange_init(&x, m, path, "");
	admin_handle(&f->admin, &x);
	assert_int_equal(x.answers, 1);
	assert_string_equal(fake_field(&x, "Cache-Control"), "no-store");
	return x;
}

static json_t *parsed(const struct http_exchange *x)
{
	json_error_t error;
	json_t *json = json_loadb(x->body, x->body_n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, x->body);
	return json;
}

/* A page of JSON, 200. */
static json_t *page(struct fixture *f, const char *path)
{
	struct http_exchange x = ask(f, HTTP_GET, path);
	assert_int_equal(x.status, 200);
	assert_string_equal(fake_field(&x, "Content-Type"), "application/json");
	json_t *json = parsed(&x);
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

/* -- tests -- */

static void health(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum node_state state;
		int ready;
	} cases[] = { { NODE_JOINING, 503 }, { NODE_READY, 200 }, { NODE_DRAINING, 503 }, { NODE_LEFT, 503 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->control.state = cases[i].state;
		struct http_exchange x = ask(f, HTTP_GET, "/readyz");
		assert_int_equal(x.status, cases[i].ready);
		fake_exchange_fini(&x);
		x = ask(f, HTTP_GET, "/healthz");
		assert_int_equal(x.status, 200);
		fake_exchange_fini(&x);
	}
}

static void metrics(void **state)
{
	struct http_exchange x = ask(*state, HTTP_GET, "/metrics");
	assert_int_equal(x.status, 200);
	assert_string_equal(fake_field(&x, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(x.body, "warmcast_up 1\n");
	fake_exchange_fini(&x);
}

static void status(void **state)
{
	struct fixture *f = *state;
	f->control.mute = true;
	json_t *j = page(f, "/v1/status");
	assert_str_at(j, "cluster", "demo");
	assert_str_at(j, "node", "delivery \"1\"");
	assert_str_at(j, "id", "01000000000000000000000000000000");
	assert_str_at(j, "zone", "z\\");
	assert_str_at(j, "state", "ready");
	assert_int_at(j, "uptime_s", 60);
	assert_int_at(json_object_get(j, "incarnation"), "count", 12);
	assert_int_at(json_object_get(j, "versions"), "locations", 6);
	const json_t *roles = json_object_get(j, "roles");
	assert_int_equal(json_array_size(roles), 2);
	assert_string_equal(json_string_value(json_array_get(roles, 0)), "api");
	const json_t *nodes = json_object_get(j, "nodes");
	assert_int_at(nodes, "alive", 1);
	assert_int_at(nodes, "suspect", 1);
	assert_int_at(nodes, "down", 1);
	assert_int_at(nodes, "left", 0);
	assert_int_at(json_object_get(j, "sessions"), "active", 11);
	assert_int_at(json_object_get(j, "sessions"), "capacity", 50);
	assert_int_at(json_object_get(j, "sessions"), "lent", 7);
	assert_int_at(json_object_get(j, "cache"), "size_bytes", 6);
	const json_t *kvs = json_object_get(j, "kvs");
	assert_int_at(kvs, "rows", 3);
	assert_true(json_is_true(json_object_get(kvs, "mute")));
	assert_str_at(kvs, "fingerprint", "0000000000000abc");
	json_decref(j);
}

static void who_has_left_is_not_down(void **state)
{
	struct fixture *f = *state;
	f->reg.state = NODE_LEFT;
	f->control.kvs.members[1].liveness = KVS_DOWN;
	json_t *j = page(f, "/v1/status");
	const json_t *nodes = json_object_get(j, "nodes");
	assert_int_at(nodes, "suspect", 0);
	assert_int_at(nodes, "down", 1); /* the one without a register */
	assert_int_at(nodes, "left", 2);
	json_decref(j);
}

static void status_of_a_node_without_delivery(void **state)
{
	struct fixture *f = *state;
	f->admin.cache = NULL;
	f->admin.sessions = NULL;
	f->admin.places = NULL;
	f->config.roles = 0;
	f->control.kvs.n = 0;
	json_t *j = page(f, "/v1/status");
	assert_true(json_is_null(json_object_get(j, "cache")));
	assert_int_at(json_object_get(j, "sessions"), "capacity", 0);
	assert_int_equal(json_array_size(json_object_get(j, "roles")), 0);
	json_decref(j);
	j = page(f, "/v1/nodes");
	assert_int_equal(json_array_size(json_object_get(j, "nodes")), 0);
	json_decref(j);
}

static void nodes(void **state)
{
	json_t *j = page(*state, "/v1/nodes");
	const json_t *list = json_object_get(j, "nodes");
	assert_int_equal(json_array_size(list), 3);
	const json_t *n = json_array_get(list, 0);
	assert_true(json_is_true(json_object_get(n, "self")));
	assert_str_at(n, "liveness", "alive");
	assert_int_at(n, "since_ms", 1000);
	assert_int_at(n, "heard_age_ms", 200);
	assert_int_at(n, "incarnation", 12);
	assert_int_at(n, "locations", 7);
	assert_int_at(json_object_get(n, "versions"), "control", 5);
	assert_int_at(json_object_get(n, "versions"), "locations", 6);
	assert_int_at(json_object_get(n, "protocol"), "max", 2);
	assert_true(json_is_null(json_object_get(n, "load_age_ms")));
	n = json_array_get(list, 1);
	assert_true(json_is_false(json_object_get(n, "self")));
	assert_str_at(n, "name", "n\"2\n\xc3\xa9");
	assert_str_at(n, "zone", "\xef\xbf\xbd");
	assert_str_at(n, "state", "draining");
	assert_str_at(n, "liveness", "suspect");
	assert_int_equal(json_array_size(json_object_get(n, "claimed_by")), 0);
	assert_true(json_is_null(json_object_get(n, "heard_age_ms")));
	assert_int_at(n, "sessions", 9);
	assert_int_at(json_object_get(n, "copies"), "left", 3);
	assert_int_at(json_object_get(n, "copies"), "failed", 1);
	assert_int_at(n, "load_age_ms", 1500);
	assert_int_equal(json_array_size(json_object_get(n, "http")), 2);
	assert_int_equal(json_array_size(json_object_get(n, "roles")), 2);
	n = json_array_get(list, 2);
	assert_str_at(n, "name", "");
	assert_str_at(n, "liveness", "down");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(n, "claimed_by"), 0)), "n\"2\n\xc3\xa9");
	assert_true(json_is_false(json_object_get(n, "disputed")));
	assert_int_at(n, "since_ms", 0);
	json_decref(j);
}

static void holders(void **state)
{
	struct fixture *f = *state;
	json_t *j = page(f, "/v1/contents/lv%20%22/1");
	assert_str_at(j, "content", "lv \"/1");
	assert_str_at(j, "origin", "main");
	assert_int_equal(json_array_size(json_object_get(j, "holders")), 0);
	json_decref(j);
	f->reader.n = 3;
	f->reader.holders[0].node.b[0] = 2;
	f->reader.holders[0].location = (struct rpc_location){
		.bytes = 10, .objects = 2, .share_permille = 1000, .entry = BYTES_LIT("a\"b")
	};
	f->reader.holders[1].node.b[0] = 3;             /* without a register */
	f->reader.holders[2].node.b[0] = 99;            /* no member */
	f->control.kvs.members[2].liveness = KVS_ALIVE; /* the last one: not to be taken for it */
	j = page(f, "/v1/contents/lv1");
	const json_t *list = json_object_get(j, "holders");
	assert_int_equal(json_array_size(list), 3);
	const json_t *h = json_array_get(list, 0);
	assert_str_at(h, "node", "n\"2\n\xc3\xa9");
	assert_int_at(h, "bytes", 10);
	assert_str_at(h, "entry", "a\"b");
	assert_str_at(h, "liveness", "suspect");
	assert_str_at(h, "state", "draining");
	for (size_t i = 1; i < 3; i++) {
		h = json_array_get(list, i);
		assert_str_at(h, "node", "");
		assert_str_at(h, "liveness", "down");
		assert_str_at(h, "state", "left");
	}
	json_decref(j);
}

static void assert_problem(
    struct fixture *f, enum http_method m, const char *path, int expected, const char *type)
{
	char urn[64];
	snprintf(urn, sizeof(urn), "urn:warmcast:problem:%s", type);
	struct http_exchange x = ask(f, m, path);
	if (x.status != expected)
		fail_msg("%s: %d instead of %d", path, x.status, expected);
	json_t *j = parsed(&x);
	assert_str_at(j, "type", urn);
	assert_int_at(j, "status", expected);
	json_decref(j);
	if (expected == 405)
		assert_string_equal(fake_field(&x, "Allow"), "GET, HEAD");
	fake_exchange_fini(&x);
}

static void refusals(void **state)
{
	struct fixture *f = *state;
	static const char *const nothing[] = { "/", "/v1", "/v1/contents", "/healthz/x", "/v1/statusx",
		"/V1/status" };
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		assert_problem(f, HTTP_GET, nothing[i], 404, "not-found");
	assert_problem(f, HTTP_POST, "/v1/kvs/probe", 503, "unavailable"); /* it takes other methods too */
	assert_problem(f, HTTP_GET, "/v1/contents/", 400, "malformed");
	assert_problem(f, HTTP_GET, "/v1/contents/..", 400, "malformed");
	assert_problem(f, HTTP_GET, "/v1/contents/lv%2F1", 400, "malformed");
	assert_problem(f, HTTP_GET, "/v1/contents/other", 404, "no-such-content");
	char path[512] = "/v1/contents/lv";
	memset(path + strlen(path), 'x', 254);
	assert_problem(f, HTTP_GET, path, 404, "no-such-content");
	f->reader.error = ERR_IO;
	assert_problem(f, HTTP_GET, "/v1/contents/lv1", 503, "unavailable");
	static const enum http_method methods[] = { HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		assert_problem(f, methods[i], "/v1/status", 405, "method");
}

static void head_is_answered_like_get(void **state)
{
	struct http_exchange x = ask(*state, HTTP_HEAD, "/v1/status");
	assert_int_equal(x.status, 200);
	assert_true(x.body_n > 0); /* the transport tells its length and sends nothing */
	fake_exchange_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(health, setup),
		cmocka_unit_test_setup(metrics, setup),
		cmocka_unit_test_setup(who_has_left_is_not_down, setup),
		cmocka_unit_test_setup(status, setup),
		cmocka_unit_test_setup(status_of_a_node_without_delivery, setup),
		cmocka_unit_test_setup(nodes, setup),
		cmocka_unit_test_setup(holders, setup),
		cmocka_unit_test_setup(refusals, setup),
		cmocka_unit_test_setup(head_is_answered_like_get, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
