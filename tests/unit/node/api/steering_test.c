/* Steering lists: which node a player should go to, as it reads them. */
#include "asking.h"

#include "node/api/steering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Four nodes, the second and the third hold lv1. */
static int setup(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 4; i++)
		fixture_add(f, i);
	fixture_hold(f, 2, "index.m3u8");
	fixture_hold(f, 3, "index.m3u8");
	fixture_publish(f);
	return 0;
}

/* The path of a session's steering list, the caller's to free. */
static char *steering_path(struct fixture *f)
{
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_int_equal(a.x.status, 201);
	const char *token = strstr(member(&a, "uri"), "/p/") + 3;
	char *path = malloc(2048);
	snprintf(path, 2048, "/v1/steering/%.*s", (int)strcspn(token, "/"), token);
	over(&a);
	return path;
}

static void assert_priority(const struct answer *a, const char *expected)
{
	char got[128] = "";
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(a->json, "PATHWAY-PRIORITY"), i, name)
	    snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ", json_string_value(name));
	assert_string_equal(got, expected);
}

static struct answer steer(struct fixture *f, const char *query)
{
	char *path = steering_path(f);
	fixture_publish(f);
	struct answer a;
	fake_exchange_init(&a.x, HTTP_GET, path, "");
	a.x.request.query = bytes_str(query);
	answer_of(f, &a);
	if (a.x.status != 200)
		fail_msg("%d: %s", a.x.status, a.x.body);
	free(path);
	return a;
}

static void whoever_plays_stays(void **state)
{
	struct fixture *f = *state;
	struct answer a = steer(f, "own=n3&other=n2");
	assert_string_equal(fake_field(&a.x, "Content-Type"), "application/vnd.apple.steering-list");
	assert_string_equal(fake_field(&a.x, "Cache-Control"), "no-store");
	assert_string_equal(fake_field(&a.x, "Access-Control-Allow-Origin"), "*");
	assert_int_equal(json_integer_value(json_object_get(a.json, "VERSION")), 1);
	assert_int_equal(json_integer_value(json_object_get(a.json, "TTL")), STEERING_TTL_S);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(a.json, "PATHWAY-PRIORITY"), 0)), "n3");
	over(&a);
	/* The player says where it is: it went there by itself. */
	a = steer(f, "own=n3&other=n2&_HLS_pathway=%22n2%22&_HLS_throughput=5140000");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(a.json, "PATHWAY-PRIORITY"), 0)), "n2");
	over(&a);
	a = steer(f, "own=n3&other=n2&_DASH_pathway=\"n2\"");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(a.json, "PATHWAY-PRIORITY"), 0)), "n2");
	over(&a);
}

static void a_node_that_drains_is_left_for_a_holder(void **state)
{
	struct fixture *f = *state;
	f->nodes[2].state = NODE_DRAINING;
	f->nodes[3].liveness = KVS_DOWN;
	struct answer a = steer(f, "own=n3&other=n1");
	assert_priority(&a, "n2 n1 n3 ");
	/* n2 is in no playlist yet: a clone. */
	json_t *clones = json_object_get(a.json, "PATHWAY-CLONES"), *clone = json_array_get(clones, 0);
	assert_int_equal(json_array_size(clones), 1);
	assert_string_equal(json_string_value(json_object_get(clone, "BASE-ID")), "n3");
	assert_string_equal(json_string_value(json_object_get(clone, "ID")), "n2");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(clone, "URI-REPLACEMENT"), "HOST")), "n2");
	over(&a);
}

static void what_differs_in_more_than_its_host_is_no_clone(void **state)
{
	struct fixture *f = *state;
	f->nodes[2].liveness = KVS_DOWN;
	snprintf(f->nodes[1].http_url, sizeof(f->nodes[1].http_url), "http://n2:8081");
	snprintf(f->nodes[3].http_url, sizeof(f->nodes[3].http_url), "https://n4:80");
	struct answer a = steer(f, "own=n3&other=n1");
	assert_priority(&a, "n1 n3 ");
	assert_null(json_object_get(a.json, "PATHWAY-CLONES"));
	over(&a);
	/* The playlist's second pathway has a URL of its own. */
	a = steer(f, "own=n3&other=n2");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(a.json, "PATHWAY-PRIORITY"), 0)), "n2");
	over(&a);
}

static void assert_host(const struct answer *a, const char *expected)
{
	json_t *clone = json_array_get(json_object_get(a->json, "PATHWAY-CLONES"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(clone, "URI-REPLACEMENT"), "HOST")), expected);
}

static void hosts_of_every_kind(void **state)
{
	struct fixture *f = *state;
	f->nodes[2].state = NODE_DRAINING;
	snprintf(f->nodes[1].http_url, sizeof(f->nodes[1].http_url), "http://[2001:db8::2]:80");
	struct answer a = steer(f, "own=n3&other=n1");
	assert_host(&a, "[2001:db8::2]");
	over(&a);
	a = steer(f, "own=n3&other=n1&dash");
	assert_host(&a, "[2001:db8::2]:80");
	over(&a);
	a = steer(f, "own=n3&other=n1&dash&_DASH_pathway=%22n1%2Cn4%22");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(a.json, "PATHWAY-PRIORITY"), 0)), "n4");
	over(&a);
}

static void a_list_is_never_empty(void **state)
{
	struct fixture *f = *state;
	struct answer a = steer(f, "");
	assert_priority(&a, ". ");
	over(&a);
	a = steer(f, "own=gone&other=%3Cscript%3E");
	assert_priority(&a, "gone ");
	over(&a);
	for (size_t i = 0; i < f->nodes_n; i++)
		f->nodes[i].liveness = KVS_DOWN;
	a = steer(f, "own=n3&other=n2");
	assert_priority(&a, "n3 n2 ");
	over(&a);
}

static void who_has_no_session_is_told(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, HTTP_GET, "/v1/steering/x", NULL, 404, "no-such-session");
	assert_refused(f, HTTP_GET, "/v1/steering", NULL, 404, "not-found");
	char *path = steering_path(f);
	assert_refused(f, HTTP_POST, path, "", 405, "method");
	fixture_wall_ms += (f->config.not_after_ms / 1000 + 10) * 1000;
	assert_refused(f, HTTP_GET, path, NULL, 410, "session-ended");
	free(path);
}

static void a_pair_for_a_playlist(void **state)
{
	struct fixture *f = *state;
	struct place p;
	size_t own, other;
	struct node_id n3 = fixture_id(3), stranger = fixture_id(77);
	const struct bytes session = BYTES_LIT("0123456789abcdef");
	assert_int_equal(
	    place_decide(&f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE, &f->arena, &p),
	    OK);
	assert_false(steering_pair(&p, &stranger, session, &own, &other));
	assert_true(steering_pair(&p, &n3, session, &own, &other));
	assert_true(bytes_eq(p.nodes[own].name, BYTES_LIT("n3")));
	assert_true(bytes_eq(p.nodes[other].name, BYTES_LIT("n2"))); /* the other holder */
	for (size_t i = 0; i < f->nodes_n; i++)
		if (i != 2)
			f->nodes[i].liveness = KVS_DOWN;
	fixture_publish(f);
	assert_int_equal(
	    place_decide(&f->api, &f->worker, BYTES_LIT("main"), BYTES_LIT("lv1"), BYTES_NONE, &f->arena, &p),
	    OK);
	assert_true(steering_pair(&p, &n3, session, &own, &other));
	assert_int_equal(other, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whoever_plays_stays, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_node_that_drains_is_left_for_a_holder, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
		    what_differs_in_more_than_its_host_is_no_clone, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(hosts_of_every_kind, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_list_is_never_empty, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(who_has_no_session_is_told, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_pair_for_a_playlist, setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
