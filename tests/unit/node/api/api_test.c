/* The session API's routes: a request goes in, the answer comes out as a viewer's program reads it. */
#include "asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Three nodes, the second holds lv1. */
static int setup(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	for (uint8_t i = 1; i <= 3; i++)
		fixture_add(f, i);
	fixture_hold(f, 2, "index.m3u8");
	fixture_publish(f);
	return 0;
}

/* A new session's handle, the caller's to free. */
static char *create(struct fixture *f, const char *body)
{
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", body);
	if (a.x.status != 201)
		fail_msg("%d: %s", a.x.status, a.x.body);
	char *handle = strdup(member(&a, "session"));
	assert_non_null(handle);
	over(&a);
	return handle;
}

/* The token in ".../p/TOKEN/...", verified. */
static struct token token_of(struct fixture *f, const char *uri)
{
	const char *from = strstr(uri, "/p/");
	assert_non_null(from);
	struct token t;
	struct bytes text = bytes_of(from + 3, (size_t)(strchr(from + 3, '/') - from) - 3);
	assert_int_equal(token_verify(&f->keys, text, TOKEN_PLAYBACK, &f->arena, &t), OK);
	return t;
}

static void assert_uri(const char *uri, const char *node, const char *rest)
{
	char start[64];
	snprintf(start, sizeof(start), "http://%s:80/p/", node);
	size_t n = strlen(uri), rest_n = strlen(rest);
	if (strncmp(uri, start, strlen(start)) != 0 || n < rest_n || strcmp(uri + n - rest_n, rest) != 0)
		fail_msg("%s is not %s.../%s", uri, start, rest);
}

/* -- creating -- */

static void a_session_is_created(void **state)
{
	struct fixture *f = *state;
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\",\"client\":\"tv\"}");
	assert_int_equal(a.x.status, 201);
	assert_string_equal(fake_field(&a.x, "Content-Type"), "application/json");
	assert_string_equal(member(&a, "content"), "lv1");
	assert_string_equal(member(&a, "node"), "n2");
	assert_string_equal(member(&a, "outcome"), "warm");
	assert_string_equal(member(&a, "not_after"), "2026-11-21T10:18:53Z");
	assert_int_equal(json_integer_value(json_object_get(a.json, "heartbeat_s")), 20);
	assert_uri(member(&a, "uri"), "n2", "/lv1/index.m3u8");
	const json_t *alternates = json_object_get(a.json, "alternates");
	assert_int_equal(json_array_size(alternates), 2);
	for (size_t i = 0; i < 2; i++) {
		const char *uri = json_string_value(json_array_get(alternates, i));
		assert_null(strstr(uri, "http://n2:"));
		struct token t = token_of(f, uri);
		assert_true(bytes_eq(t.content, BYTES_LIT("lv1")));
	}
	char location[TOKEN_TEXT_MAX + 64];
	snprintf(location, sizeof(location), "/v1/sessions/%s", member(&a, "session"));
	assert_string_equal(fake_field(&a.x, "Location"), location);
	over(&a);
	assert_int_equal(f->api.count.created_warm, 1);
	assert_int_equal(tally_recent(f->tally, f->nodes[1].slot, fixture_mono_ms / 1000, 1), 1);
	assert_int_equal(f->told_n, 0);
}

static void its_tokens_say_what_was_asked(void **state)
{
	struct fixture *f = *state;
	struct answer a = ask(f, HTTP_POST, "/v1/sessions",
	    "{\"content\":\"lv1\",\"client\":\"tv\",\"prefixes\":[\"lvads\"],\"not_after\":\"2026-11-21T09:20:"
	    "00Z\"}");
	assert_int_equal(a.x.status, 201);
	assert_string_equal(member(&a, "not_after"), "2026-11-21T09:20:00Z");
	struct token p = token_of(f, member(&a, "uri")), h;
	assert_int_equal(
	    token_verify(&f->keys, bytes_str(member(&a, "session")), TOKEN_SESSION, &f->arena, &h), OK);
	struct token *both[] = { &p, &h };
	for (size_t i = 0; i < 2; i++) {
		assert_true(bytes_eq(both[i]->origin, BYTES_LIT("main")));
		assert_true(bytes_eq(both[i]->client, BYTES_LIT("tv")));
		assert_int_equal(both[i]->prefixes_n, 1);
		assert_true(node_id_eq(&both[i]->node, &f->nodes[1].id));
		assert_true(node_id_eq(&both[i]->issued_by, &f->self));
		assert_int_equal(both[i]->node_incarnation, 5);
		assert_int_equal(both[i]->issued_at_s, FIXTURE_NOW_S);
		assert_int_equal(both[i]->not_after_s, FIXTURE_NOW_S + 67);
		assert_int_equal(both[i]->session[0], 1);
	}
	assert_int_equal(p.start_by_s, FIXTURE_NOW_S + 30);
	assert_int_equal(p.renew_after_s, FIXTURE_NOW_S + 600);
	assert_true(token_opens(&p, BYTES_LIT("lv1/index.m3u8")));
	assert_true(token_opens(&p, BYTES_LIT("lvads/x.ts")));
	assert_false(token_opens(&p, BYTES_LIT("lv2/index.m3u8")));
	/* The one kind never passes for the other. */
	struct token t;
	assert_int_equal(
	    token_verify(&f->keys, bytes_str(member(&a, "session")), TOKEN_PLAYBACK, &f->arena, &t), ERR_FORGED);
	over(&a);
}

/* A3: a place that was lent goes into the token, each once; after them viewers are placeless. */
static void a_place_that_was_lent_goes_into_the_tokens(void **state)
{
	struct fixture *f = *state;
	struct lease_batch lent = {
		.incarnation = 7, .batch = 33, .limit = 2, .until_ms = fixture_mono_ms + 1000
	};
	lease_slots_publish(f->slots, f->nodes[1].slot, &lent);
	for (unsigned i = 0; i < 4; i++) {
		struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
		assert_int_equal(a.x.status, 201);
		struct token p = token_of(f, member(&a, "uri")), h;
		assert_int_equal(
		    token_verify(&f->keys, bytes_str(member(&a, "session")), TOKEN_SESSION, &f->arena, &h), OK);
		assert_int_equal(p.lease_batch, i < 2 ? 33 : 0);
		assert_int_equal(p.lease_index, i < 2 ? i : 0);
		assert_int_equal(p.node_incarnation, i < 2 ? 7 : 5);
		assert_int_equal(h.lease_batch, p.lease_batch);
		assert_int_equal(h.lease_index, p.lease_index);
		over(&a);
	}
	assert_int_equal(f->dry, 1); /* once until control has looked */
	assert_int_equal(f->api.count.placeless, 2);
}

static void names_are_encoded_once(void **state)
{
	struct fixture *f = *state;
	f->reader.n = 0;
	struct answer a = ask(
	    f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv \\\"1\\\"/50%\\u00e9\",\"entry\":\"a b?.m3u8\"}");
	assert_int_equal(a.x.status, 201);
	assert_string_equal(member(&a, "content"), "lv \"1\"/50%\xc3\xa9");
	assert_string_equal(member(&a, "outcome"), "cold");
	assert_non_null(strstr(member(&a, "uri"), "/lv%20%221%22/50%25%C3%A9/a%20b%3F.m3u8"));
	over(&a);
}

static void without_a_hint_it_starts_with_the_master(void **state)
{
	struct fixture *f = *state;
	f->reader.n = 0;
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_non_null(strstr(member(&a, "uri"), "/lv1/master.m3u8"));
	over(&a);
	assert_int_equal(f->api.count.created_cold, 1);
}

static void the_zone_of_the_viewer_counts(void **state)
{
	struct fixture *f = *state;
	f->reader.n = 0;
	memcpy(f->nodes[2].zone, "far", sizeof("far"));
	fixture_publish(f);
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\",\"zone\":\"far\"}");
	assert_string_equal(member(&a, "node"), "n3");
	over(&a);
}

static void a_full_cluster_refuses(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < 3; i++)
		f->nodes[i].load = f->nodes[i].capacity;
	fixture_publish(f);
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_problem(&a, 503, "no-headroom");
	assert_string_equal(fake_field(&a.x, "Retry-After"), "5");
	over(&a);
	assert_int_equal(f->api.count.refused, 1);
}

/* What this node gives away itself counts at once, before any report (A1). */
static void places_run_out(void **state)
{
	struct fixture *f = *state;
	f->nodes_n = 1;
	f->nodes[0].capacity = 3;
	fixture_publish(f);
	for (int i = 0; i < 3; i++)
		free(create(f, "{\"content\":\"lv1\"}"));
	assert_refused(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}", 503, "no-headroom");
}

static void an_unreadable_replica_is_unavailable(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	f->reader.error = ERR_IO;
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_problem(&a, 503, "unavailable");
	assert_string_equal(fake_field(&a.x, "Retry-After"), "1");
	over(&a);
	a = ask_session(f, HTTP_GET, handle, "");
	assert_problem(&a, 503, "unavailable");
	over(&a);
	a = ask_session(f, HTTP_DELETE, handle, "");
	assert_int_equal(a.x.status, 204);
	over(&a);
	free(handle);
}

static void bad_requests(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *body;
		int status;
		const char *type;
	} cases[] = {
		{ "", 400, "malformed" },
		{ "{", 400, "malformed" },
		{ "{}", 400, "malformed" },
		{ "{\"content\":\"lv1/../x\"}", 400, "malformed" },
		{ "{\"content\":\"nobody-has-this\"}", 404, "no-such-content" },
		{ "{\"content\":\"lv1\",\"prefixes\":[\"old/ads\"]}", 400, "malformed" }, /* another origin store */
		{ "{\"content\":\"lv1\",\"prefixes\":[\"nobody\"]}", 400, "malformed" },
		{ "{\"content\":\"lv1\",\"not_after\":\"2020-01-01T00:00:00Z\"}", 400, "malformed" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(f, HTTP_POST, "/v1/sessions", cases[i].body, cases[i].status, cases[i].type);
	assert_int_equal(f->api.count.malformed, 7);
}

/* Too long for a token at any length: refused as the client's fault, never as ours. */
static void too_long_for_a_token(void **state)
{
	struct fixture *f = *state;
	unsigned created = 0, refused = 0;
	for (size_t n = 1; n < 250; n++) {
		char name[256] = "lv", body[1024];
		memset(name + 2, 'x', n);
		snprintf(
		    body, sizeof(body), "{\"content\":\"%s\",\"prefixes\":[\"lv%0200d\",\"lv%0200d\"]}", name, 1, 2);
		struct answer a = ask(f, HTTP_POST, "/v1/sessions", body);
		if (a.x.status == 201) {
			created++;
			assert_int_equal(refused, 0);
		} else {
			refused++;
			assert_problem(&a, 400, "malformed");
			assert_non_null(strstr(member(&a, "detail"), "too long"));
		}
		over(&a);
	}
	assert_true(created > 10 && refused > 10);
}

static void media_types(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *type;
		int status;
	} cases[] = {
		{ NULL, 201 },
		{ "application/json", 201 },
		{ "Application/JSON", 201 },
		{ "application/json; charset=utf-8", 201 },
		{ "application/json ;charset=utf-8", 201 },
		{ "", 415 },
		{ "text/plain", 415 },
		{ "application/x-www-form-urlencoded", 415 },
		{ "application/jsonx", 415 },
		{ "application/jso", 415 },
		{ ";", 415 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = ask_typed(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}", cases[i].type);
		assert_int_equal(a.x.status, cases[i].status);
		if (cases[i].status == 415)
			assert_problem(&a, 415, "media-type");
		over(&a);
	}
}

static void an_idle_timeout_of_a_second_still_has_a_heartbeat(void **state)
{
	struct fixture *f = *state;
	f->config.idle_timeout_ms = 1000;
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_int_equal(json_integer_value(json_object_get(a.json, "heartbeat_s")), 1);
	over(&a);
}

/* -- a session that is there -- */

static void a_session_is_shown(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	fixture_wall_ms += 100000;
	static const enum http_method methods[] = { HTTP_GET, HTTP_HEAD };
	for (size_t i = 0; i < 2; i++) {
		struct answer a = ask_session(f, methods[i], handle, "");
		assert_int_equal(a.x.status, 200);
		assert_null(fake_field(&a.x, "Location"));
		assert_string_equal(member(&a, "session"), handle);
		assert_string_equal(member(&a, "node"), "n2");
		assert_string_equal(member(&a, "outcome"), "warm");
		assert_string_equal(member(&a, "not_after"), "2026-11-21T10:18:53Z"); /* the first one */
		struct token t = token_of(f, member(&a, "uri"));
		assert_int_equal(t.start_by_s, FIXTURE_NOW_S + 130); /* a fresh token */
		assert_int_equal(t.session[0], 1);
		over(&a);
	}
	assert_int_equal(f->told_n, 0);
	free(handle);
}

static void the_entry_asked_for_stays(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\",\"entry\":\"de/a.m3u8\"}");
	struct answer a = ask_session(f, HTTP_POST, handle, "/heartbeat");
	assert_uri(member(&a, "uri"), "n2", "/lv1/de/a.m3u8");
	over(&a);
	free(handle);
}

static void a_heartbeat_is_passed_on(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	struct answer a = ask_session(f, HTTP_POST, handle, "/heartbeat");
	assert_int_equal(a.x.status, 200);
	assert_string_equal(member(&a, "node"), "n2");
	over(&a);
	assert_int_equal(f->told_n, 1);
	assert_true(node_id_eq(&f->told[0].node, &f->nodes[1].id));
	assert_int_equal(f->told[0].session.b[0], 1);
	assert_false(f->told[0].ended);
	assert_int_equal(f->api.count.heartbeats, 1);
	free(handle);
}

static void after_a_drain_the_heartbeat_names_the_new_node(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	f->nodes[1].state = NODE_DRAINING;
	fixture_publish(f);
	char node[8] = "";
	for (int i = 0; i < 3; i++) {
		struct answer a = ask_session(f, HTTP_POST, handle, "/heartbeat");
		assert_int_equal(a.x.status, 200);
		assert_string_not_equal(member(&a, "node"), "n2");
		if (i > 0)
			assert_string_equal(member(&a, "node"), node);
		snprintf(node, sizeof(node), "%s", member(&a, "node"));
		assert_uri(member(&a, "uri"), node, "/lv1/index.m3u8");
		over(&a);
		assert_false(node_id_eq(&f->told[i].node, &f->nodes[1].id));
	}
	/* An end frees its place where it was and where it was led to. */
	f->told_n = 0;
	struct answer a = ask_session(f, HTTP_DELETE, handle, "");
	assert_int_equal(a.x.status, 204);
	over(&a);
	assert_int_equal(f->told_n, 2);
	assert_true(node_id_eq(&f->told[0].node, &f->nodes[1].id));
	assert_int_equal(f->told[1].node.b[0], node[1] - '0');
	assert_true(f->told[0].ended && f->told[1].ended);
	free(handle);
}

static void with_nobody_left_a_session_is_refused(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	for (size_t i = 0; i < 3; i++)
		f->nodes[i].liveness = KVS_DOWN;
	fixture_publish(f);
	struct answer a = ask_session(f, HTTP_POST, handle, "/heartbeat");
	assert_problem(&a, 503, "no-headroom");
	over(&a);
	assert_int_equal(f->told_n, 0);
	free(handle);
}

static void an_end_is_204_and_204_again(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	for (int i = 0; i < 2; i++) {
		struct answer a = ask_session(f, HTTP_DELETE, handle, "");
		assert_int_equal(a.x.status, 204);
		assert_int_equal(a.x.body_n, 0);
		over(&a);
	}
	assert_int_equal(f->told_n, 2);
	assert_true(f->told[1].ended);
	assert_true(node_id_eq(&f->told[1].node, &f->nodes[1].id));
	fixture_wall_ms += 7200000; /* past its end */
	struct answer a = ask_session(f, HTTP_DELETE, handle, "");
	assert_int_equal(a.x.status, 204);
	over(&a);
	free(handle);
}

static void a_session_ends_with_its_time(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	fixture_wall_ms = (FIXTURE_NOW_S + 3600) * 1000;
	struct answer a = ask_session(f, HTTP_GET, handle, "");
	assert_int_equal(a.x.status, 200);
	over(&a);
	fixture_wall_ms += 1000;
	a = ask_session(f, HTTP_GET, handle, "");
	assert_problem(&a, 404, "no-such-session");
	over(&a);
	a = ask_session(f, HTTP_POST, handle, "/heartbeat");
	assert_problem(&a, 404, "no-such-session");
	over(&a);
	assert_int_equal(f->told_n, 0);
	free(handle);
}

static void what_is_no_handle_is_no_session(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}");
	handle[20] = handle[20] == 'A' ? 'B' : 'A';
	static const enum http_method methods[] = { HTTP_GET, HTTP_HEAD, HTTP_DELETE };
	for (size_t i = 0; i < 3; i++) {
		struct answer a = ask_session(f, methods[i], handle, "");
		assert_problem(&a, 404, "no-such-session");
		over(&a);
		a = ask_session(f, methods[i], "x", "");
		assert_problem(&a, 404, "no-such-session");
		over(&a);
	}
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	const char *uri = member(&a, "uri"), *from = strstr(uri, "/p/") + 3;
	char *token = strndup(from, (size_t)(strchr(from, '/') - from));
	assert_non_null(token);
	struct answer b = ask_session(f, HTTP_GET, token, ""); /* a playback token is no handle */
	assert_problem(&b, 404, "no-such-session");
	over(&b);
	over(&a);
	free(token);
	free(handle);
	assert_int_equal(f->told_n, 0);
}

/* -- routes -- */

static void paths_that_are_nothing(void **state)
{
	struct fixture *f = *state;
	static const char *const paths[] = { "/", "/v1", "/v2/sessions", "/v1/session", "/v1/sessionsx",
		"/v1/sessions/x/y", "/v1/sessions/x/heartbeat/y", "/v1/sessions/x/Heartbeat", "/v1/x/sessions" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_refused(f, HTTP_POST, paths[i], "{\"content\":\"lv1\"}", 404, "not-found");
	static const char *const malformed[] = { "/v1/sessions/", "/v1//sessions", "/v1/sessions/%",
		"/v1/sessions/%00", "/v1/sessions/..", "/v1/sessions/a%2Fb", "/v1/./sessions", "" };
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_refused(f, HTTP_POST, malformed[i], "{\"content\":\"lv1\"}", 400, "malformed");
}

static void methods_that_are_not_allowed(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f, "{\"content\":\"lv1\"}"), session[TOKEN_TEXT_MAX + 64],
	     beat[TOKEN_TEXT_MAX + 64];
	snprintf(session, sizeof(session), "/v1/sessions/%s", handle);
	snprintf(beat, sizeof(beat), "/v1/sessions/%s/heartbeat", handle);
	const struct {
		const char *path;
		enum http_method method;
		const char *allow;
	} cases[] = {
		{ "/v1/sessions", HTTP_GET, "POST, OPTIONS" },
		{ "/v1/sessions", HTTP_HEAD, "POST, OPTIONS" },
		{ "/v1/sessions", HTTP_DELETE, "POST, OPTIONS" },
		{ "/v1/sessions", HTTP_OTHER, "POST, OPTIONS" },
		{ session, HTTP_POST, "GET, HEAD, DELETE, OPTIONS" },
		{ session, HTTP_PUT, "GET, HEAD, DELETE, OPTIONS" },
		{ beat, HTTP_GET, "POST, OPTIONS" },
		{ beat, HTTP_DELETE, "POST, OPTIONS" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = ask(f, cases[i].method, cases[i].path, NULL);
		assert_problem(&a, 405, "method");
		assert_string_equal(fake_field(&a.x, "Allow"), cases[i].allow);
		over(&a);
		a = ask(f, HTTP_OPTIONS, cases[i].path, NULL);
		assert_int_equal(a.x.status, 204);
		assert_string_equal(fake_field(&a.x, "Access-Control-Allow-Methods"), cases[i].allow);
		over(&a);
	}
	assert_int_equal(f->told_n, 0);
	free(handle);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(a_session_is_created),
		T(its_tokens_say_what_was_asked),
		T(a_place_that_was_lent_goes_into_the_tokens),
		T(names_are_encoded_once),
		T(without_a_hint_it_starts_with_the_master),
		T(the_zone_of_the_viewer_counts),
		T(a_full_cluster_refuses),
		T(places_run_out),
		T(an_unreadable_replica_is_unavailable),
		T(bad_requests),
		T(too_long_for_a_token),
		T(media_types),
		T(an_idle_timeout_of_a_second_still_has_a_heartbeat),
		T(a_session_is_shown),
		T(the_entry_asked_for_stays),
		T(a_heartbeat_is_passed_on),
		T(after_a_drain_the_heartbeat_names_the_new_node),
		T(with_nobody_left_a_session_is_refused),
		T(an_end_is_204_and_204_again),
		T(a_session_ends_with_its_time),
		T(what_is_no_handle_is_no_session),
		T(paths_that_are_nothing),
		T(methods_that_are_not_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
