/* /v1/kvs/probe over two real replicas: answered when the store has it, seen by the other. */
#include "fake_http.h"
#include "node/admin/admin.h"
#include "pair.h"

#include <ev.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- the fake node around node 0's replica -- */

struct control {
	struct pair *pair;
	struct control_watcher watcher;
	bool mute;
};

const struct kvs *control_kvs(const struct control *c)
{
	return c->pair->nodes[0].k;
}

bool control_mute(const struct control *c)
{
	return c->mute;
}

void control_count(const struct control *c, struct control_counters *out)
{
	*out = (struct control_counters){ .news_dropped = c->mute };
}

void control_watch(struct control *c, const struct control_watcher *w)
{
	c->watcher = w != NULL ? *w : (struct control_watcher){ 0 };
}

static void put(struct control *c, enum kvs_input_kind kind, struct bytes key, struct bytes value)
{
	struct kvs_input in = { .kind = kind };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = key;
	in.put.value = value;
	pair_step(c->pair, 0, &in);
}

void control_put(struct control *c, struct bytes key, struct bytes value)
{
	put(c, KVS_IN_PUT, key, value);
}

void control_delete(struct control *c, struct bytes key)
{
	put(c, KVS_IN_DELETE, key, BYTES_NONE);
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	struct http_response r = { .status = 200, .parts_n = 1 };
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	http_respond(x, &r);
}

void admin_not_allowed(struct http_exchange *x, const char *allowed)
{
	http_problem(x, 405, "method", allowed, 0);
}

static void (*gone)(void *arg);
static void *gone_arg;

void http_on_gone(struct http_exchange *x, void (*callback)(void *arg), void *arg)
{
	assert_int_equal(x->answers, 0);
	gone = callback;
	gone_arg = arg;
}

struct fixture {
	struct pair pair;
	struct config config;
	struct control control;
	struct admin admin;
	struct ev_loop *loop;
};

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	pair_init(&f.pair);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(&f.pair, i, &c);
	}
	pair_link(&f.pair, 0, 1);
	pair_run(&f.pair, f.pair.now_ms + 3000);
	f.loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(f.loop);
	f.config = (struct config){ .node = "n0" };
	f.control.pair = &f.pair;
	f.admin = (struct admin){ .config = &f.config, .control = &f.control, .self = &f.pair.nodes[0].id };
	f.admin.probe = probe_new(&f.control, f.admin.self, f.loop, 50);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	probe_free(f->admin.probe);
	assert_null(f->control.watcher.stored);
	ev_loop_destroy(f->loop);
	pair_fini(&f->pair);
	return 0;
}

static void begin(struct fixture *f, struct http_exchange *x, enum http_method m, const char *body)
{
	fake_exchange_init(x, m, "/v1/kvs/probe", body);
	fake_exchange_header(x, "Content-Type", "application/json; charset=utf-8");
	probe_handle(&f->admin, x);
}

/* The answer, once it is there. */
static json_t *answer(struct http_exchange *x, int status)
{
	assert_int_equal(x->answers, 1);
	if (x->status != status)
		fail_msg("%d instead of %d: %s", x->status, status, x->body);
	json_t *json = json_loadb(x->body, x->body_n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	fake_exchange_fini(x);
	return json;
}

static void stored(struct fixture *f)
{
	f->control.watcher.stored(f->control.watcher.ctx);
}

static json_int_t int_at(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static const json_t *write_at(const json_t *answer, size_t i)
{
	return json_array_get(json_object_get(answer, "writes"), i);
}

/* Writes and waits for the answer. */
static json_t *done(struct fixture *f, enum http_method m, const char *body)
{
	struct http_exchange x;
	begin(f, &x, m, body);
	if (x.answers == 0)
		stored(f);
	return answer(&x, 200);
}

/* How many live probes of `owner` node 0 shows. */
static size_t slots_of(struct fixture *f, const char *query)
{
	struct http_exchange x;
	fake_exchange_init(&x, HTTP_GET, "/v1/kvs/probe", "");
	x.request.query = bytes_str(query);
	probe_handle(&f->admin, &x);
	json_t *j = answer(&x, 200);
	size_t n = json_array_size(json_object_get(j, "slots"));
	json_decref(j);
	return n;
}

/* -- tests -- */

static void it_is_answered_when_the_store_has_it(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x;
	f->pair.nodes[0].hold_store = true;
	begin(f, &x, HTTP_POST, "{\"slot\":5,\"bytes\":32}");
	stored(f); /* of something else */
	assert_int_equal(x.answers, 0);
	f->pair.nodes[0].hold_store = false;
	pair_store(&f->pair, 0);
	assert_int_equal(x.answers, 0);
	stored(f);
	json_t *j = answer(&x, 200);
	assert_int_equal(json_array_size(json_object_get(j, "writes")), 1);
	assert_int_equal(int_at(write_at(j, 0), "slot"), 5);
	assert_int_equal(int_at(write_at(j, 0), "version"), 1);
	assert_int_equal(int_at(j, "version"), 1);
	json_decref(j);
	stored(f); /* nobody waits any more */
}

static void numbers_rise_and_slots_go_round(void **state)
{
	struct fixture *f = *state;
	json_t *j = done(f, HTTP_POST, "{\"slots\":1000}"), *k = done(f, HTTP_POST, "{\"slots\":2}");
	json_int_t first = int_at(write_at(j, 0), "number");
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(int_at(write_at(j, i), "slot"), i);
		assert_int_equal(int_at(write_at(j, i), "number"), first + (json_int_t)i);
	}
	assert_int_equal(int_at(write_at(k, 0), "slot"), 0);
	assert_int_equal(int_at(write_at(k, 1), "number"), first + 1001);
	assert_int_equal(slots_of(f, "owner=n0"), 1000);
	json_decref(j);
	json_decref(k);
}

/* A slot that is written again before the store was asked: the later write stands for both. */
static void an_overwritten_write_is_answered_too(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x, y;
	f->pair.nodes[0].hold_store = true;
	json_t *j;
	begin(f, &x, HTTP_POST, "{\"slot\":1}"); /* flies */
	begin(f, &y, HTTP_POST, "{\"slot\":1}"); /* waits for it */
	pair_store(&f->pair, 0);
	stored(f);
	j = answer(&x, 200);
	json_decref(j);
	assert_int_equal(y.answers, 0);
	pair_store(&f->pair, 0);
	stored(f);
	j = answer(&y, 200);
	assert_int_equal(int_at(j, "version"), 2);
	json_decref(j);
}

static void deleting(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x;
	json_decref(done(f, HTTP_POST, "{\"slots\":3}"));
	json_t *j = done(f, HTTP_DELETE, "");
	assert_int_equal(json_array_size(json_object_get(j, "writes")), 3);
	json_decref(j);
	assert_int_equal(slots_of(f, "owner=n0"), 0);
	j = done(f, HTTP_DELETE, "");
	assert_int_equal(json_array_size(json_object_get(j, "writes")), 0);
	json_decref(j);
	/* Over its tombstone a write is not stored before it is. */
	f->pair.nodes[0].hold_store = true;
	begin(f, &x, HTTP_POST, "{\"slot\":0}");
	stored(f);
	assert_int_equal(x.answers, 0);
	/* And nothing is deleted that is not stored yet. */
	struct http_exchange y;
	begin(f, &y, HTTP_DELETE, "");
	json_decref(answer(&y, 503));
	pair_store(&f->pair, 0);
	stored(f);
	json_decref(answer(&x, 200));
}

static void one_who_is_gone_is_not_answered(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x;
	f->pair.nodes[0].hold_store = true;
	begin(f, &x, HTTP_POST, "{}");
	gone(gone_arg);
	pair_store(&f->pair, 0);
	stored(f);
	assert_int_equal(x.answers, 0);
	fake_exchange_fini(&x);
}

static void what_waits_is_bounded_and_not_for_ever(void **state)
{
	struct fixture *f = *state;
	static struct http_exchange waiting[64], x;
	f->pair.nodes[0].hold_store = true;
	for (size_t i = 0; i < 64; i++)
		begin(f, &waiting[i], HTTP_POST, "{}");
	begin(f, &x, HTTP_POST, "{}");
	json_decref(answer(&x, 503));
	ev_run(f->loop, 0); /* until the last timer has fired */
	for (size_t i = 0; i < 64; i++)
		json_decref(answer(&waiting[i], 503));
	stored(f);
}

static void refusals(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x;
	begin(f, &x, HTTP_POST, "{\"slot\":1000}");
	json_decref(answer(&x, 400));
	begin(f, &x, HTTP_PUT, "{}");
	json_decref(answer(&x, 405));
	fake_exchange_init(&x, HTTP_POST, "/v1/kvs/probe", "{}");
	probe_handle(&f->admin, &x); /* as another site's page could send it */
	json_decref(answer(&x, 415));
	f->control.mute = true;
	begin(f, &x, HTTP_POST, "{}");
	json_decref(answer(&x, 503));
	fake_exchange_init(&x, HTTP_GET, "/v1/kvs/probe", "");
	x.request.query = BYTES_LIT("owner=nobody");
	probe_handle(&f->admin, &x);
	json_decref(answer(&x, 404));
}

static void those_of_others_are_seen(void **state)
{
	struct fixture *f = *state;
	struct http_exchange x;
	struct rpc_probe p = { .wall_us = 1, .number = 42 };
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_probe(&p, &value), OK);
	struct kvs_watched w = { .owner = f->pair.nodes[1].id };
	w.entry = (struct rpc_entry){ .key = BYTES_LIT("t7"), .value = buf_bytes(&value) };
	f->control.watcher.applied(f->control.watcher.ctx, &w);
	buf_fini(&value);
	fake_exchange_init(&x, HTTP_GET, "/v1/kvs/probe", "");
	probe_handle(&f->admin, &x);
	json_t *j = answer(&x, 200);
	const json_t *seen = json_array_get(json_object_get(j, "seen"), 0);
	assert_string_equal(json_string_value(json_object_get(seen, "name")), "n1");
	assert_int_equal(int_at(seen, "number"), 42);
	assert_true(int_at(seen, "latency_us") > 0);
	assert_int_equal(probe_log_of(f->admin.probe)->fetched, 1); /* since 1970 */
	json_decref(j);
}

/* A new process of this node goes on above what it once wrote. */
static void numbers_go_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct rpc_probe p = { .number = UINT64_C(1) << 62 }; /* the clock was once far ahead */
	uint8_t key[RPC_PROBE_KEY_MAX];
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_probe(&p, &value), OK);
	control_put(&f->control, bytes_of(key, rpc_probe_key(9, key)), buf_bytes(&value));
	buf_fini(&value);
	probe_free(f->admin.probe);
	f->admin.probe = probe_new(&f->control, f->admin.self, f->loop, 50);
	json_t *j = done(f, HTTP_POST, "{}");
	assert_true(int_at(write_at(j, 0), "number") == (json_int_t)(p.number + 1));
	json_decref(j);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_is_answered_when_the_store_has_it),
		T(numbers_rise_and_slots_go_round),
		T(an_overwritten_write_is_answered_too),
		T(deleting),
		T(one_who_is_gone_is_not_answered),
		T(what_waits_is_bounded_and_not_for_ever),
		T(refusals),
		T(those_of_others_are_seen),
		T(numbers_go_on_after_a_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
