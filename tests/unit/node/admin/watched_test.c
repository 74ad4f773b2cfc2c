/* GET /v1/watched over delivery nodes of the test's making: who is asked, what is answered, and who is waited
 * for. */
#include "fake_http.h"

#include "node/admin/admin.h"

#include <ev.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 5 };

/* Of the last exchange but those that were answered. */
static void (*gone)(void *arg);
static void *gone_arg;

void http_on_gone(struct http_exchange *x, void (*callback)(void *arg), void *arg)
{
	assert_int_equal(x->answers, 0);
	gone = callback;
	gone_arg = arg;
}

struct kvs {
	struct kvs_member members[MEMBERS_MAX];
	size_t n;
};

struct control {
	struct kvs kvs;
	void (*hear)(void *ctx, const struct node_id *from, const struct rpc_watched_told *told);
	void *hear_ctx;
	enum err said[MEMBERS_MAX + 1]; /* by the first byte of the id */
	unsigned asked[MEMBERS_MAX + 1];
	uint64_t request;
	uint8_t silent_for[MEMBERS_MAX + 1]; /* questions that are lost */
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

void control_on_watched(struct control *c,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_watched_told *told), void *ctx)
{
	c->hear = hear;
	c->hear_ctx = ctx;
}

static void tell(struct control *c, uint8_t node, uint64_t request, uint64_t more)
{
	struct node_id from = { { node } };
	const uint64_t contents[] = { 0xab, node };
	const uint32_t viewers[] = { 7, 1 };
	struct rpc_watched_told told = { request, contents, viewers, 2, more };
	c->hear(c->hear_ctx, &from, &told);
}

enum err control_ask_watched(struct control *c, const struct node_id *node, uint64_t request)
{
	uint8_t at = node->b[0];
	c->asked[at]++;
	c->request = request;
	if (c->said[at] == OK && c->asked[at] > c->silent_for[at])
		tell(c, at, request, 0);
	return c->said[at];
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	struct http_response r = { .status = 200, .parts_n = 1 };
	assert_int_equal(buf_err(body), OK);
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	http_respond(x, &r);
}

struct test {
	struct control control;
	struct rpc_register regs[MEMBERS_MAX];
	char names[MEMBERS_MAX][8];
	struct ev_loop *loop;
	struct admin admin;
	struct http_exchange x;
};

/* Delivery nodes 1 to 4, and an api node. */
static int setup(void **state)
{
	static struct test t;
	memset(&t, 0, sizeof(t));
	for (uint8_t i = 0; i < MEMBERS_MAX; i++) {
		snprintf(t.names[i], sizeof(t.names[i]), "d%u", i + 1u);
		t.regs[i] = (struct rpc_register){ .name = bytes_str(t.names[i]),
			.state = NODE_READY,
			.roles = i < 4 ? RPC_ROLE_DELIVERY : RPC_ROLE_API };
		t.control.kvs.members[t.control.kvs.n++] =
		    (struct kvs_member){ .id = { { (uint8_t)(i + 1) } }, .reg = &t.regs[i] };
	}
	t.loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(t.loop);
	t.admin = (struct admin){ .control = &t.control, .watched = watched_asks_new(&t.control, t.loop) };
	fake_exchange_init(&t.x, HTTP_GET, "/v1/watched", "");
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	watched_asks_free(t->admin.watched);
	watched_asks_free(NULL);
	assert_null(t->control.hear);
	fake_exchange_fini(&t->x);
	ev_loop_destroy(t->loop);
	return 0;
}

static json_t *answer(struct test *t)
{
	watched_handle(&t->admin, &t->x);
	while (t->x.answers == 0)
		ev_run(t->loop, EVRUN_ONCE);
	assert_int_equal(t->x.status, 200);
	json_t *json = json_loadb(t->x.body, t->x.body_n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static const json_t *node_at(const json_t *said, size_t i)
{
	return json_array_get(json_object_get(said, "watched"), i);
}

static void assert_node(const json_t *said, size_t i, const char *name, bool told, const char *why)
{
	const json_t *n = node_at(said, i);
	assert_string_equal(json_string_value(json_object_get(n, "node")), name);
	assert_int_equal(json_is_true(json_object_get(n, "told")), told);
	assert_string_equal(json_string_value(json_object_get(n, "why")), why);
	assert_int_equal(json_array_size(json_object_get(n, "contents")), told ? 2 : 0);
}

static void all_delivery_nodes_are_asked(void **state)
{
	struct test *t = *state;
	json_t *said = answer(t);
	assert_int_equal(json_array_size(json_object_get(said, "watched")), 4);
	for (size_t i = 0; i < 4; i++)
		assert_node(said, i, t->names[i], true, "");
	const json_t *third = node_at(said, 2);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(third, "contents"), 0)), "00000000000000ab");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(third, "contents"), 1)), "0000000000000003");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(third, "viewers"), 0)), 7);
	json_decref(said);
}

static void who_cannot_be_watched_is_not_asked(void **state)
{
	struct test *t = *state;
	t->control.kvs.members[0].liveness = KVS_DOWN;
	t->control.kvs.members[1].expelled = true;
	t->regs[2].state = NODE_LEFT;
	t->regs[3].state = NODE_DRAINING;
	json_t *said = answer(t);
	assert_int_equal(json_array_size(json_object_get(said, "watched")), 1);
	assert_node(said, 0, "d4", true, "");
	json_decref(said);
}

/* V2: what such a node holds may be watched. */
static void who_does_not_tell_is_said(void **state)
{
	struct test *t = *state;
	t->control.said[1] = ERR_NOT_FOUND;
	t->control.said[2] = ERR_VERSION;
	t->control.silent_for[3] = UINT8_MAX;
	t->control.silent_for[4] = 1; /* the first question was lost */
	json_t *said = answer(t);
	assert_node(said, 0, "d1", false, "not linked");
	assert_node(said, 1, "d2", false, "too old");
	assert_node(said, 2, "d3", false, "silent");
	assert_node(said, 3, "d4", true, "");
	assert_int_equal(t->control.asked[4], 2);
	json_decref(said);
}

static void answers_to_others_and_twice_count_for_nothing(void **state)
{
	struct test *t = *state;
	t->control.silent_for[3] = UINT8_MAX;
	watched_handle(&t->admin, &t->x);
	tell(&t->control, 3, t->control.request + 1, 0);
	tell(&t->control, 9, t->control.request, 0);
	tell(&t->control, 3, t->control.request, 5);
	tell(&t->control, 3, t->control.request, 6);
	while (t->x.answers == 0)
		ev_run(t->loop, EVRUN_ONCE);
	json_t *said = json_loadb(t->x.body, t->x.body_n, JSON_REJECT_DUPLICATES, NULL);
	assert_node(said, 2, "d3", true, "");
	assert_int_equal(json_integer_value(json_object_get(node_at(said, 2), "more")), 5);
	json_decref(said);
}

static void too_many_are_refused_and_who_leaves_makes_room(void **state)
{
	struct test *t = *state;
	struct http_exchange x[WATCHED_WAITING_MAX];
	t->control.silent_for[3] = UINT8_MAX;
	for (size_t i = 0; i < WATCHED_WAITING_MAX; i++) {
		fake_exchange_init(&x[i], HTTP_GET, "/v1/watched", "");
		watched_handle(&t->admin, &x[i]);
		assert_int_equal(x[i].answers, 0);
	}
	watched_handle(&t->admin, &t->x);
	assert_int_equal(t->x.status, 503);
	gone(gone_arg);
	struct http_exchange next;
	fake_exchange_init(&next, HTTP_GET, "/v1/watched", "");
	watched_handle(&t->admin, &next);
	assert_int_equal(next.answers, 0);
	watched_asks_free(t->admin.watched);
	t->admin.watched = NULL;
	for (size_t i = 0; i < WATCHED_WAITING_MAX; i++)
		fake_exchange_fini(&x[i]);
	fake_exchange_fini(&next);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_delivery_nodes_are_asked),
		T(who_cannot_be_watched_is_not_asked),
		T(who_does_not_tell_is_said),
		T(answers_to_others_and_twice_count_for_nothing),
		T(too_many_are_refused_and_who_leaves_makes_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
