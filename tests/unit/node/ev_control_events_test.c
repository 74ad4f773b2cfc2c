/* What the replica notices, as lines of the log: one fake member after the other. */
#include "node/delivery/sessions.h"
#include "node/ev_control_events.h"
#include "node/ev_control_state.h"
#include "node/fs_log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 3, NOW_MS = 100000 };

/* -- what it calls -- */

struct kvs {
	struct kvs_member members[NODES];
	struct node_id claimers[KVS_CLAIMERS_MAX];
	size_t claimers_n;
};

size_t kvs_members_n(const struct kvs *k)
{
	(void)k;
	return NODES;
}

void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	assert_true(i < NODES);
	*out = k->members[i];
}

size_t kvs_claimers(const struct kvs *k, const struct node_id *on, struct node_id out[KVS_CLAIMERS_MAX])
{
	(void)on;
	memcpy(out, k->claimers, sizeof(k->claimers));
	return k->claimers_n;
}

uint64_t control_now_ms(void)
{
	return NOW_MS;
}

bool sessions_end(
    struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms, struct session_end *end)
{
	(void)s, (void)id, (void)now_mono_ms, (void)end;
	return false;
}

size_t sessions_expire(struct sessions *s, uint64_t now_mono_ms, size_t max,
    void (*ended)(void *arg, const struct session_end *e), void *arg)
{
	(void)s, (void)now_mono_ms, (void)max, (void)ended, (void)arg;
	return 0;
}

/* -- one control with three members: this node, n1 and n2; the view before has n1 alive for 5 s -- */

struct fixture {
	struct kvs kvs;
	struct rpc_register regs[NODES];
	struct kvs_store_identity identity;
	struct view_publisher views;
	struct control control;
	struct kvs_event events[4];
	FILE *log;
	long read;
};

static int setup(void **state)
{
	static char names[NODES][3];
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	struct cluster_view *v = cluster_view_new(NODES);
	for (size_t i = 0; i < NODES; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		f->regs[i] = (struct rpc_register){ .name = bytes_str(names[i]), .state = NODE_READY };
		f->kvs.members[i] = (struct kvs_member){ .reg = &f->regs[i], .heard_ms = NOW_MS - 1500 };
		f->kvs.members[i].id.b[0] = (uint8_t)(i + 1);
		v->nodes[i] = (struct view_node){
			.id = f->kvs.members[i].id, .state = NODE_READY, .liveness = KVS_ALIVE, .since_ms = NOW_MS - 5000
		};
	}
	f->identity.self = f->kvs.members[0].id;
	view_publisher_init(&f->views, 1);
	view_publish(&f->views, v);
	f->control.kvs = &f->kvs;
	f->control.c.identity = &f->identity;
	f->control.c.views = &f->views;
	f->control.state = NODE_READY;
	f->control.out.events = f->events;
	f->log = tmpfile();
	assert_non_null(f->log);
	log_init("n0", LOG_INFO, fileno(f->log));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	view_publisher_fini(&f->views);
	fclose(f->log);
	free(f);
	return 0;
}

static void add(struct fixture *f, enum kvs_event_kind kind, size_t node, const char *detail, uint64_t value)
{
	f->events[f->control.out.events_n++] =
	    (struct kvs_event){ .kind = kind, .node = f->kvs.members[node].id, .detail = detail, .value = value };
}

/* The lines of the step, in order; the caller frees. */
static json_t *logged(struct fixture *f)
{
	char line[LOG_LINE_MAX + 1];
	control_log_events(&f->control);
	f->control.out.events_n = 0;
	json_t *lines = json_array();
	assert_int_equal(fseek(f->log, f->read, SEEK_SET), 0);
	while (fgets(line, sizeof(line), f->log) != NULL) {
		json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(o);
		assert_int_equal(json_array_append_new(lines, o), 0);
	}
	f->read = ftell(f->log);
	return lines;
}

/* The members of a line behind peer_id, as they stand there. */
static void assert_line(const json_t *lines, size_t i, const char *level, const char *event, const char *more)
{
	static const char *const head[] = { "ts", "level", "node", "module", "event", "msg", "peer", "peer_id" };
	json_t *o = json_deep_copy(json_array_get(lines, i));
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "level")), level);
	assert_string_equal(json_string_value(json_object_get(o, "event")), event);
	for (size_t j = 0; j < sizeof(head) / sizeof(head[0]); j++)
		json_object_del(o, head[j]);
	char *rest = json_dumps(o, JSON_COMPACT);
	assert_non_null(rest);
	assert_string_equal(rest, more);
	free(rest);
	json_decref(o);
}

static const char *peer(const json_t *lines, size_t i)
{
	return json_string_value(json_object_get(json_array_get(lines, i), "peer"));
}

static void down_says_who_and_since_when(void **state)
{
	struct fixture *f = *state;
	f->kvs.claimers[0] = f->kvs.members[2].id;
	f->kvs.claimers[1].b[0] = 0x99; /* whom nobody knows by name */
	f->kvs.claimers_n = 2;
	add(f, KVS_EVENT_NODE_DOWN, 1, "its watchers say so", 2);
	json_t *lines = logged(f);
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(peer(lines, 0), "n1");
	assert_line(lines, 0, "warn", "node-down",
	    "{\"reason\":\"its watchers say so\",\"claims\":2,"
	    "\"claimed_by\":\"n2,99000000000000000000000000000000\",\"unheard_ms\":1500,"
	    "\"was\":\"alive\",\"was_ms\":5000}");
	json_decref(lines);
}

/* What was before is of the step before, or of an earlier event of this one. */
static void steps_over_suspect(void **state)
{
	struct fixture *f = *state;
	f->kvs.members[1].heard_ms = 0;
	add(f, KVS_EVENT_NODE_SUSPECT, 1, "its link broke", 0);
	add(f, KVS_EVENT_NODE_ALIVE, 1, "linked", 4);
	json_t *lines = logged(f);
	assert_line(lines, 0, "info", "node-suspect",
	    "{\"reason\":\"its link broke\",\"claims\":0,\"was\":\"alive\",\"was_ms\":5000}");
	assert_line(lines, 1, "info", "node-alive",
	    "{\"reason\":\"linked\",\"incarnation\":4,\"was\":\"suspect\",\"was_ms\":0}");
	json_decref(lines);
}

static void who_leaves_is_no_warning(void **state)
{
	struct fixture *f = *state;
	f->regs[1].state = NODE_LEFT;
	add(f, KVS_EVENT_NODE_STATE, 1, "left", NODE_LEFT);
	add(f, KVS_EVENT_NODE_DOWN, 1, "it has left", 0);
	json_t *lines = logged(f);
	assert_int_equal(json_array_size(lines), 1);
	assert_line(lines, 0, "info", "node-state", "{\"state\":\"left\"}");
	json_decref(lines);
}

/* Own states are said where they are set; who joins hears of everybody at once. */
static void nothing_twice(void **state)
{
	struct fixture *f = *state;
	add(f, KVS_EVENT_NODE_STATE, 0, "ready", NODE_READY);
	json_t *lines = logged(f);
	assert_int_equal(json_array_size(lines), 0);
	json_decref(lines);
	f->control.state = NODE_JOINING;
	add(f, KVS_EVENT_NODE_ALIVE, 1, "linked", 1);
	add(f, KVS_EVENT_NODE_DOWN, 2, "its watchers say so", 2);
	lines = logged(f);
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(peer(lines, 0), "n2");
	json_decref(lines);
}

static void a_name_comes_from_the_hello_too(void **state)
{
	struct fixture *f = *state;
	f->kvs.members[1].reg = NULL;
	f->control.peers[0] = (struct peer_link){ .link = 1, .node = f->kvs.members[1].id, .name = "said" };
	f->control.peers_n = 1;
	add(f, KVS_EVENT_CLAIM, 1, "silent", 1500);
	add(f, KVS_EVENT_CLAIM_WITHDRAWN, 1, "heard again", 0);
	json_t *lines = logged(f);
	assert_string_equal(peer(lines, 0), "said");
	assert_line(lines, 0, "info", "claim", "{\"reason\":\"silent\",\"unheard_ms\":1500}");
	assert_line(lines, 1, "info", "claim-withdrawn", "{}");
	json_decref(lines);
}

static void namesakes_are_both_named(void **state)
{
	struct fixture *f = *state;
	f->regs[2].name = f->regs[1].name;
	add(f, KVS_EVENT_DUPLICATE_NAME, 1, "two living ids with one name", 3);
	json_t *lines = logged(f);
	assert_line(lines, 0, "error", "duplicate-name", "{\"other_id\":\"03000000000000000000000000000000\"}");
	json_decref(lines);
}

static void a_stall_is_said_when_it_matters(void **state)
{
	struct fixture *f = *state;
	control_log_stall(NOW_MS - 900, NOW_MS);
	control_log_stall(UINT64_MAX, NOW_MS);
	control_log_stall(NOW_MS - 3000, NOW_MS);
	json_t *lines = logged(f);
	assert_int_equal(json_array_size(lines), 1);
	assert_line(lines, 0, "warn", "stalled", "{\"stalled_ms\":3000}");
	json_decref(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(down_says_who_and_since_when, setup, teardown),
		cmocka_unit_test_setup_teardown(steps_over_suspect, setup, teardown),
		cmocka_unit_test_setup_teardown(who_leaves_is_no_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_comes_from_the_hello_too, setup, teardown),
		cmocka_unit_test_setup_teardown(namesakes_are_both_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stall_is_said_when_it_matters, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
