/* GET /v1/explain over an api node of the test's making: the real decision, tokens and memory, fake members.
 */
#include "fake_http.h"
#include "fixture.h"

#include "node/admin/admin.h"
#include "node/api/recall.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 3 };

struct kvs {
	struct kvs_member members[MEMBERS_MAX];
	size_t n;
};

struct control {
	struct kvs kvs;
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

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	struct http_response r = { .status = 200 };
	assert_int_equal(buf_err(body), OK);
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	r.parts_n = 1;
	http_respond(x, &r);
}

static uint64_t wall_ms(void)
{
	return fixture_wall_ms;
}

static uint64_t mono_ms(void)
{
	return fixture_mono_ms;
}

struct test {
	struct fixture *f;
	struct control control;
	struct rpc_register api_2, gone;
	struct admin admin;
};

/* The api node 200 ("api-1") with three delivery nodes; another api node, 201, on 10.0.0.2. */
static int setup(void **state)
{
	static struct test t;
	void *f;
	memset(&t, 0, sizeof(t));
	assert_int_equal(fixture_setup(&f), 0);
	t.f = f;
	t.f->api.recall = recall_new(1);
	for (uint8_t i = 1; i <= 3; i++)
		fixture_add(t.f, i);
	t.api_2 = (struct rpc_register){ .name = BYTES_LIT("api-2"),
		.roles = RPC_ROLE_API,
		.state = NODE_READY,
		.rpc_address = BYTES_LIT("10.0.0.2:7000") };
	t.gone = t.api_2;
	t.gone.name = BYTES_LIT("api-0");
	t.control.kvs = (struct kvs){ .n = 2 };
	t.control.kvs.members[0] =
	    (struct kvs_member){ .id = fixture_id(199), .reg = &t.gone, .liveness = KVS_DOWN };
	t.control.kvs.members[1] = (struct kvs_member){ .id = fixture_id(201), .reg = &t.api_2 };
	t.admin = (struct admin){
		.config = &t.f->config,
		.control = &t.control,
		.self = &t.f->self,
		.reader = &t.f->reader,
		.api = &t.f->api,
		.started_mono_ms = fixture_mono_ms - 60000,
		.now_mono_ms = mono_ms,
		.now_wall_ms = wall_ms,
	};
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	void *f = t->f;
	recall_free(t->f->api.recall);
	return fixture_teardown(&f);
}

/* The answer's JSON. */
static json_t *ask(struct test *t, const char *query, int status)
{
	struct http_exchange x;
	json_error_t error;
	fixture_publish(t->f);
	fake_exchange_init(&x, HTTP_GET, "/v1/explain", "");
	x.request.query = bytes_str(query);
	admin_explain(&t->admin, &x);
	assert_int_equal(x.answers, 1);
	json_t *json = json_loadb(x.body, x.body_n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, x.body);
	if (x.status != status)
		fail_msg("%d instead of %d: %s", x.status, status, x.body);
	fake_exchange_fini(&x);
	return json;
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));
	return v != NULL ? v : "(none)";
}

static json_int_t int_at(const json_t *o, const char *key)
{
	return json_is_integer(json_object_get(o, key)) ? json_integer_value(json_object_get(o, key)) : -1;
}

static const json_t *candidate(const json_t *answer, const char *name)
{
	const json_t *list = json_object_get(answer, "candidates");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(text_at(json_array_get(list, i), "node"), name) == 0)
			return json_array_get(list, i);
	fail_msg("no candidate %s", name);
	return NULL;
}

static void a_problem(struct test *t, const char *query, int status, const char *type, const char *says)
{
	char urn[64];
	json_t *j = ask(t, query, status);
	snprintf(urn, sizeof(urn), "urn:warmcast:problem:%s", type);
	assert_string_equal(text_at(j, "type"), urn);
	if (strstr(text_at(j, "detail"), says) == NULL)
		fail_msg("'%s' does not say '%s'", text_at(j, "detail"), says);
	json_decref(j);
}

static bool leased(void *ctx, const struct node_id *node, uint64_t *places)
{
	assert_string_equal(ctx, "ctx");
	*places = node->b[0] * 10u;
	return node->b[0] != 3;
}

/* -- contents -- */

static void what_each_node_is_known_by(void **state)
{
	struct test *t = *state;
	t->f->nodes[1].load = 40;
	t->f->nodes[1].load_seen_ms = fixture_mono_ms - 250;
	t->f->nodes[2].state = NODE_DRAINING;
	t->f->nodes[2].has_load = false;
	fixture_hold(t->f, 2, "master.m3u8");
	t->f->reader.holders[0].location = (struct rpc_location){ .bytes = 12345, .objects = 6 };
	json_t *j = ask(t, "content=lv1", 200);
	assert_string_equal(text_at(j, "outcome"), "warm");
	assert_string_equal(text_at(j, "node"), "n2");
	assert_string_equal(text_at(j, "asked"), "api-1");
	assert_string_equal(text_at(j, "at"), "2026-11-21T09:18:53.250000Z");
	assert_int_equal(int_at(j, "holders"), 1);
	const json_t *c = candidate(j, "n2");
	assert_int_equal(int_at(c, "rank"), 1);
	assert_string_equal(text_at(c, "reason"), "taken");
	assert_true(json_is_true(json_object_get(c, "holder")));
	assert_int_equal(int_at(c, "bytes"), 12345);
	assert_int_equal(int_at(c, "objects"), 6);
	assert_int_equal(int_at(c, "load"), 40);
	assert_int_equal(int_at(c, "headroom"), 960);
	assert_int_equal(int_at(c, "age_ms"), 250);
	assert_true(json_is_null(json_object_get(c, "places")));
	c = candidate(j, "n3");
	assert_true(json_is_null(json_object_get(c, "rank")));
	assert_true(json_is_null(json_object_get(c, "age_ms")));
	assert_string_equal(text_at(c, "state"), "draining");
	assert_string_equal(text_at(c, "reason"), "draining");
	json_int_t orders = 0;
	for (size_t i = 0; i < 3; i++)
		orders |= 1 << int_at(json_array_get(json_object_get(j, "candidates"), i), "order");
	assert_int_equal(orders, 2 | 4 | 8); /* each place of the content's own order once */
	json_decref(j);
}

static void leased_places_are_told_where_there_are_any(void **state)
{
	struct test *t = *state;
	t->admin.leased = leased;
	t->admin.leased_ctx = "ctx";
	json_t *j = ask(t, "content=lv1", 200);
	assert_int_equal(int_at(candidate(j, "n2"), "places"), 20);
	assert_true(json_is_null(json_object_get(candidate(j, "n3"), "places")));
	json_decref(j);
}

static void a_zone_may_be_asked_for(void **state)
{
	struct test *t = *state;
	snprintf(t->f->nodes[1].zone, sizeof(t->f->nodes[1].zone), "far/away");
	json_t *j = ask(t, "content=lv1&zone=far/away", 200);
	assert_string_equal(text_at(j, "node"), "n2");
	assert_string_equal(text_at(j, "zone"), "far/away");
	assert_string_equal(text_at(candidate(j, "n1"), "reason"), "other zone");
	json_decref(j);
}

static void nobody_left(void **state)
{
	struct test *t = *state;
	for (size_t i = 0; i < 3; i++)
		t->f->nodes[i].load = 2000;
	json_t *j = ask(t, "content=lv1", 200);
	assert_string_equal(text_at(j, "outcome"), "refused");
	assert_true(json_is_null(json_object_get(j, "node")));
	assert_int_equal(int_at(candidate(j, "n1"), "headroom"), 0);
	assert_string_equal(text_at(candidate(j, "n1"), "reason"), "no headroom");
	json_decref(j);
	t->f->nodes_n = 0;
	j = ask(t, "content=lv1", 200);
	assert_int_equal(json_array_size(json_object_get(j, "candidates")), 0);
	json_decref(j);
}

static void refusals(void **state)
{
	struct test *t = *state;
	a_problem(t, "", 400, "malformed", "?content=ID or ?session=HANDLE");
	a_problem(t, "content=lv%2F1", 400, "malformed", "");
	a_problem(t, "content=lv1&zone=..", 400, "malformed", "zone");
	a_problem(t, "content=other", 404, "no-such-content", "");
	t->f->reader.error = ERR_IO;
	a_problem(t, "content=lv1", 503, "unavailable", "");
	t->admin.api = NULL;
	a_problem(t, "content=lv1", 404, "no-api-role", "of an api node, as api-2 on 10.0.0.2.");
	t->api_2.state = NODE_LEFT;
	a_problem(t, "content=lv1", 404, "no-api-role", "it knows no api node");
}

/* -- sessions -- */

/* The query for a session that `issuer` made, on the node that would be taken; remembered or not. */
static const char *session_of(struct test *t, const struct node_id *issuer, bool remembered)
{
	static char query[TOKEN_TEXT_MAX + 16];
	struct place p;
	struct bytes text;
	fixture_publish(t->f);
	assert_int_equal(place_decide(&t->f->api, &t->f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE,
	                     &t->f->arena, &p),
	    OK);
	struct token s = {
		.kind = TOKEN_SESSION,
		.session = { 0xab },
		.origin = BYTES_LIT("main"),
		.content = BYTES_LIT("lv1"),
		.issued_by = *issuer,
		.node = p.nodes[p.decision.node].id,
		.issued_at_s = FIXTURE_NOW_S,
		.not_after_s = FIXTURE_NOW_S + 60,
	};
	assert_int_equal(token_sign(&t->f->keys, &s, &t->f->arena, &text), OK);
	snprintf(query, sizeof(query), "session=%.*s", (int)text.n, (const char *)text.p);
	if (remembered)
		recall_add(t->f->api.recall, 0, s.session, &p, p.decision.node);
	return query;
}

static void a_session_as_it_was_decided(void **state)
{
	struct test *t = *state;
	fixture_hold(t->f, 2, "");
	const char *query = session_of(t, &t->f->self, true);
	t->f->nodes[1].liveness = KVS_DOWN; /* since then */
	t->f->nodes[2].load = 2000;
	json_t *j = ask(t, query, 200);
	assert_string_equal(text_at(j, "session_id"), "ab000000000000000000000000000000");
	assert_string_equal(text_at(j, "created_by"), "api-1");
	assert_string_equal(text_at(j, "created_at"), "2026-11-21T09:18:53.000000Z");
	assert_string_equal(text_at(j, "outcome"), "warm");
	assert_string_equal(text_at(j, "node"), "n2");
	assert_string_equal(text_at(j, "node_now"), "n1");
	assert_int_equal(int_at(j, "nodes"), 3);
	assert_int_equal(int_at(j, "usable"), 3);
	assert_int_equal(int_at(json_object_get(j, "reasons"), "not a holder"), 2);
	const json_t *c = candidate(j, "n2");
	assert_string_equal(text_at(c, "state"), "ready");
	assert_true(json_is_true(json_object_get(c, "holder")));
	assert_int_equal(int_at(c, "headroom"), 1000);
	json_decref(j);
	t->f->nodes_n = 1; /* the others are forgotten: they have no name any more */
	t->f->nodes[0].liveness = KVS_DOWN;
	j = ask(t, query, 200);
	assert_string_equal(text_at(j, "node"), "");
	assert_true(json_is_null(json_object_get(j, "node_now")));
	assert_int_equal(json_array_size(json_object_get(j, "candidates")), 3);
	json_decref(j);
}

static void who_does_not_know_why(void **state)
{
	struct test *t = *state;
	struct node_id api_2 = fixture_id(201), gone = fixture_id(199), stranger = fixture_id(7);
	a_problem(t, session_of(t, &t->f->self, false), 404, "forgotten", "remembers its last 4096");
	fixture_wall_ms += 3600 * 1000;
	a_problem(t, session_of(t, &t->f->self, false), 404, "forgotten",
	    "at 2026-11-21T09:18:53Z, before its last start");
	a_problem(t, session_of(t, &api_2, false), 404, "created-elsewhere", "api-2 created that session");
	a_problem(t, session_of(t, &api_2, false), 404, "created-elsewhere", "on 10.0.0.2.");
	a_problem(t, session_of(t, &gone, false), 404, "created-elsewhere", "(it is down now)");
	a_problem(t, session_of(t, &stranger, false), 404, "created-elsewhere", "does not know created");
	a_problem(t, "session=AAAA", 404, "no-such-session", "");
	struct recall *kept = t->f->api.recall;
	t->f->api.recall = NULL;
	a_problem(t, session_of(t, &t->f->self, true), 404, "forgotten", "");
	t->f->api.recall = kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_each_node_is_known_by, setup, teardown),
		cmocka_unit_test_setup_teardown(leased_places_are_told_where_there_are_any, setup, teardown),
		cmocka_unit_test_setup_teardown(a_zone_may_be_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_left, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_as_it_was_decided, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_know_why, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
