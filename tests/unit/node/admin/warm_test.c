/* POST /v1/warm over an api node of the test's making: whom it chooses, what it says to them, what it shows.
 */
#include "fake_http.h"
#include "fixture.h"

#include "base/text.h"
#include "node/admin/admin.h"
#include "node/admin/warm_choice.h"

#include <ev.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 6, SAID_MAX = 256 };

struct kvs {
	struct kvs_member members[MEMBERS_MAX];
	size_t n;
};

struct said {
	struct node_id to;
	struct rpc_warm_id id;
	char content[64];
};

struct control {
	struct kvs kvs;
	void (*hear)(void *ctx, const struct node_id *from, const struct rpc_msg *m);
	void *hear_ctx;
	struct said said[SAID_MAX];
	size_t said_n;
	uint8_t unlinked, old; /* first byte of the node's id; 0: none */
};

const struct kvs *control_kvs(const struct control *c)
{
	return &c->kvs;
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

void control_on_warm(struct control *c, enum rpc_kind kind,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_msg *m), void *ctx)
{
	assert_int_equal(kind, RPC_WARM_TOLD);
	c->hear = hear;
	c->hear_ctx = ctx;
}

enum err control_warm_able(const struct control *c, const struct node_id *node)
{
	if (node->b[0] == c->unlinked)
		return ERR_NOT_FOUND;
	return node->b[0] == c->old ? ERR_VERSION : OK;
}

enum err control_say_warm(struct control *c, const struct node_id *to, struct rpc_msg *m)
{
	assert_int_equal(m->kind, RPC_WARM);
	assert_true(c->said_n < SAID_MAX);
	struct said *s = &c->said[c->said_n++];
	*s = (struct said){ .to = *to, .id = m->warm.id };
	snprintf(s->content, sizeof(s->content), "%.*s", (int)m->warm.content.n, (const char *)m->warm.content.p);
	return control_warm_able(c, to);
}

void admin_answer_json_as(struct http_exchange *x, int status, struct buf *body)
{
	struct http_response r = { .status = status };
	assert_int_equal(buf_err(body), OK);
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	r.parts_n = 1;
	http_respond(x, &r);
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	admin_answer_json_as(x, 200, body);
}

void admin_not_allowed(struct http_exchange *x, const char *allowed)
{
	(void)allowed;
	http_problem(x, 405, "method", "", 0);
}

static void counted(void *out, size_t n)
{
	static uint8_t counter;
	memset(out, 0, n);
	*(uint8_t *)out = ++counter;
}

struct test {
	struct fixture *f;
	struct control control;
	struct rpc_register regs[MEMBERS_MAX];
	char names[MEMBERS_MAX][8];
	struct ev_loop *loop;
	struct admin admin;
};

/* Delivery nodes 1 to 4. */
static int setup(void **state)
{
	static struct test t;
	void *f;
	memset(&t, 0, sizeof(t));
	assert_int_equal(fixture_setup(&f), 0);
	t.f = f;
	for (uint8_t i = 1; i <= 4; i++) {
		fixture_add(t.f, i);
		snprintf(t.names[i], sizeof(t.names[i]), "n%u", i);
		t.regs[i] = (struct rpc_register){ .name = bytes_str(t.names[i]), .state = NODE_READY };
		t.control.kvs.members[t.control.kvs.n++] =
		    (struct kvs_member){ .id = fixture_id(i), .reg = &t.regs[i] };
	}
	t.loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(t.loop);
	t.admin = (struct admin){
		.config = &t.f->config,
		.control = &t.control,
		.self = &t.f->self,
		.reader = &t.f->reader,
		.api = &t.f->api,
		.warm_orders = warm_orders_new(&t.control, t.loop, counted),
	};
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	void *f = t->f;
	warm_orders_free(t->admin.warm_orders);
	warm_orders_free(NULL);
	assert_null(t->control.hear);
	ev_loop_destroy(t->loop);
	return fixture_teardown(&f);
}

/* The answer's JSON. */
static json_t *ask(struct test *t, enum http_method m, const char *path, const char *body, int status)
{
	struct http_exchange x;
	fixture_publish(t->f);
	fake_exchange_init(&x, m, path, body);
	fake_exchange_header(&x, "Content-Type", "application/json");
	assert_true(warm_orders_handle(&t->admin, &x, bytes_str(path)));
	assert_int_equal(x.answers, 1);
	if (x.status != status)
		fail_msg("%d instead of %d: %s", x.status, status, x.body);
	json_t *json = json_loadb(x.body, x.body_n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	fake_exchange_fini(&x);
	return json;
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));
	return v != NULL ? v : "(none)";
}

static const json_t *node_at(const json_t *answer, size_t i)
{
	return json_array_get(json_object_get(answer, "nodes"), i);
}

static json_t *progress(struct test *t, const json_t *answer)
{
	char path[64];
	snprintf(path, sizeof(path), "/v1/warm/%s", text_at(answer, "id"));
	return ask(t, HTTP_GET, path, "", 200);
}

static void tell(struct test *t, uint8_t node, const struct rpc_warm_id *id, uint32_t state, uint32_t objects)
{
	struct node_id from = fixture_id(node);
	struct rpc_msg m = { .kind = RPC_WARM_TOLD };
	m.warm_told = (struct rpc_warm_told){ .id = *id,
		.state = state,
		.objects = objects,
		.remaining = 5,
		.bytes = 1000,
		.detail = BYTES_LIT("why") };
	t->control.hear(t->control.hear_ctx, &from, &m);
}

/* Ids of the chosen nodes. */
static size_t chosen(struct test *t, const json_t *answer, uint8_t ids[MEMBERS_MAX])
{
	size_t n = json_array_size(json_object_get(answer, "nodes"));
	(void)t;
	for (size_t i = 0; i < n; i++)
		ids[i] = (uint8_t)(text_at(node_at(answer, i), "node")[1] - '0');
	return n;
}

/* -- tests -- */

static void holders_count_then_the_own_order(void **state)
{
	struct test *t = *state;
	uint8_t own[MEMBERS_MAX], ids[MEMBERS_MAX];
	json_t *j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\",\"copies\":4}", 202);
	assert_int_equal(chosen(t, j, own), 4);
	json_decref(j);
	/* The last of the order holds some: it is the first copy. */
	fixture_hold(t->f, own[3], "");
	j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\",\"copies\":3}", 202);
	assert_int_equal(chosen(t, j, ids), 3);
	assert_true(ids[0] == own[3] && ids[1] == own[0] && ids[2] == own[1]);
	assert_true(json_is_true(json_object_get(node_at(j, 0), "holder")));
	assert_true(json_is_false(json_object_get(node_at(j, 1), "holder")));
	json_decref(j);
	/* A full holder is one all the same; a full other node is not chosen, nor one that does not take orders.
	 */
	t->f->nodes[own[3] - 1].load = 5000;
	t->f->nodes[own[0] - 1].load = 5000;
	t->control.unlinked = own[1];
	j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\",\"copies\":3}", 202);
	assert_int_equal(chosen(t, j, ids), 2);
	assert_true(ids[0] == own[3] && ids[1] == own[2]);
	json_decref(j);
	t->control.old = own[2];
	t->f->nodes[own[3] - 1].state = NODE_DRAINING;
	json_decref(ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 503));
}

static void an_order_and_its_progress(void **state)
{
	struct test *t = *state;
	uint8_t ids[MEMBERS_MAX];
	json_t *j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\",\"copies\":2}", 202);
	assert_int_equal(chosen(t, j, ids), 2);
	assert_int_equal(t->control.said_n, 2);
	assert_int_equal(t->control.said[0].to.b[0], ids[0]);
	assert_string_equal(t->control.said[1].content, "lv1");
	assert_string_equal(text_at(node_at(j, 0), "state"), "ordered");
	struct rpc_warm_id id = t->control.said[0].id, other = { { 0xff } };
	tell(t, ids[0], &id, RPC_WARM_RUNNING, 3);
	tell(t, ids[1], &id, RPC_WARM_DONE, 9);
	tell(t, 4 + 1, &id, RPC_WARM_DONE, 77); /* not one of them */
	tell(t, ids[0], &other, RPC_WARM_DONE, 77);
	json_t *now = progress(t, j);
	assert_string_equal(text_at(node_at(now, 0), "state"), "running");
	assert_int_equal(json_integer_value(json_object_get(node_at(now, 0), "objects")), 3);
	assert_string_equal(text_at(node_at(now, 0), "detail"), "why");
	assert_true(json_is_false(json_object_get(node_at(now, 0), "ended")));
	assert_string_equal(text_at(node_at(now, 1), "state"), "done");
	assert_true(json_is_true(json_object_get(node_at(now, 1), "ended")));
	json_decref(now);
	t->control.kvs.members[ids[0] - 1].liveness = KVS_DOWN;
	t->control.kvs.members[ids[1] - 1].liveness = KVS_DOWN;
	now = progress(t, j);
	assert_string_equal(text_at(node_at(now, 0), "state"), "down");
	assert_string_equal(text_at(node_at(now, 1), "state"), "done");
	json_decref(now);
	t->control.kvs.members[ids[0] - 1].liveness = KVS_ALIVE;
	tell(t, ids[0], &id, 4711, 4); /* of a later version: it has not ended */
	now = progress(t, j);
	assert_true(json_is_false(json_object_get(node_at(now, 0), "ended")));
	assert_string_equal(text_at(node_at(now, 0), "state"), "running");
	json_decref(now);
	json_decref(j);
	struct warm_orders_counters n;
	warm_orders_count(t->admin.warm_orders, &n);
	assert_int_equal(n.orders, 1);
	assert_int_equal(n.copies, 2);
}

static void the_oldest_that_is_over_makes_room(void **state)
{
	struct test *t = *state;
	char first[64] = "";
	for (int i = 0; i < WARM_ORDERS_MAX; i++) {
		json_t *j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 202);
		if (i == 0)
			snprintf(first, sizeof(first), "/v1/warm/%s", text_at(j, "id"));
		json_decref(j);
	}
	json_decref(ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 503)); /* all under way */
	json_decref(ask(t, HTTP_GET, first, "", 200));
	tell(t, t->control.said[0].to.b[0], &t->control.said[0].id, RPC_WARM_STOPPED, 0);
	json_decref(ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 202));
	json_decref(ask(t, HTTP_GET, first, "", 404));
}

static void refusals(void **state)
{
	struct test *t = *state;
	static const char *const bad[] = { "", "[]", "{}", "{\"content\":1}", "{\"content\":\"\"}",
		"{\"content\":\"lv/../x\"}", "{\"content\":\"lv1\",\"copies\":0}",
		"{\"content\":\"lv1\",\"copies\":65}", "{\"content\":\"lv1\",\"copies\":1.5}",
		"{\"content\":\"lv1\",\"copies\":null}", "{\"content\":\"lv1\",\"more\":1}", "{\"copies\":1}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		json_decref(ask(t, HTTP_POST, "/v1/warm", bad[i], 400));
	json_decref(ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"other\"}", 404));
	json_decref(ask(t, HTTP_GET, "/v1/warm", "", 405));
	json_decref(ask(t, HTTP_POST, "/v1/warm/00", "", 405));
	json_decref(ask(t, HTTP_GET, "/v1/warm/00", "", 404));
	t->f->reader.error = ERR_IO;
	json_decref(ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 503));
	struct http_exchange x;
	fake_exchange_init(&x, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}");
	assert_true(warm_orders_handle(&t->admin, &x, BYTES_LIT("/v1/warm"))); /* as another site's page could */
	assert_int_equal(x.status, 415);
	fake_exchange_fini(&x);
	assert_false(warm_orders_handle(&t->admin, &x, BYTES_LIT("/v1/warmer")));
	struct admin delivery = t->admin;
	t->admin.api = NULL;
	json_t *j = ask(t, HTTP_POST, "/v1/warm", "{\"content\":\"lv1\"}", 404);
	assert_string_equal(text_at(j, "type"), "urn:warmcast:problem:no-api-role");
	json_decref(j);
	t->admin = delivery;
}

/* What a drain has copied, and how it hears of it. */
static void copies_of_this_node_itself(void **state)
{
	struct test *t = *state;
	struct warm_orders *all = t->admin.warm_orders;
	struct node_id to = fixture_id(2);
	struct rpc_warm_id id;
	struct warm_copy told;
	char long_name[RPC_CONTENT_MAX + 2];
	memset(long_name, 'x', sizeof(long_name));
	assert_int_equal(
	    warm_orders_give(all, BYTES_LIT("main"), bytes_of(long_name, RPC_CONTENT_MAX + 1), &to, &id),
	    ERR_TOO_BIG);
	assert_int_equal(warm_orders_give(all, BYTES_LIT("main"), BYTES_LIT("lv1"), &to, &id), OK);
	assert_int_equal(t->control.said_n, 1);
	assert_int_equal(t->control.said[0].to.b[0], 2);
	assert_string_equal(t->control.said[0].content, "lv1");
	assert_true(warm_orders_told(all, &id, &told));
	assert_true(told.state == 0 && !told.gone);
	tell(t, 2, &id, RPC_WARM_RUNNING, 3);
	assert_true(warm_orders_told(all, &id, &told));
	assert_int_equal(told.state, RPC_WARM_RUNNING);
	assert_int_equal(told.objects, 3);
	assert_string_equal(told.detail, "why");
	t->control.kvs.members[1].liveness = KVS_DOWN;
	assert_true(warm_orders_told(all, &id, &told) && told.gone);
	tell(t, 2, &id, RPC_WARM_DONE, 4);
	assert_true(warm_orders_told(all, &id, &told) && !told.gone); /* it had ended by then */
	warm_orders_forget(all, &id);
	assert_false(warm_orders_told(all, &id, &told));
	for (int i = 0; i < WARM_ORDERS_MAX; i++)
		assert_int_equal(warm_orders_give(all, BYTES_LIT("main"), BYTES_LIT("lv1"), &to, &id), OK);
	assert_int_equal(warm_orders_give(all, BYTES_LIT("main"), BYTES_LIT("lv1"), &to, &id), ERR_FULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(holders_count_then_the_own_order, setup, teardown),
		cmocka_unit_test_setup_teardown(an_order_and_its_progress, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_that_is_over_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(copies_of_this_node_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
