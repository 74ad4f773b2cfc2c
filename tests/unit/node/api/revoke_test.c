/* DELETE ?revoke=true, and what a revoked session is answered. */
#include "asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What would go to control. */
struct desk {
	struct revoked *set;
	enum err answer;
	unsigned asked;
	uint64_t not_after_s;
};

static struct desk desk;

static enum err revoke(void *ctx, const struct rpc_session_id *id, uint64_t not_after_s)
{
	struct desk *d = ctx;
	d->asked++;
	d->not_after_s = not_after_s;
	if (d->answer == OK)
		assert_true(revoked_add(d->set, id, not_after_s));
	return d->answer;
}

static int setup(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	fixture_add(f, 1);
	fixture_publish(f);
	desk = (struct desk){ .set = revoked_new() };
	f->api.c.revoked = desk.set;
	f->api.c.revoke = revoke;
	f->api.c.revoke_ctx = &desk;
	return 0;
}

static int teardown(void **state)
{
	revoked_free(desk.set);
	return fixture_teardown(state);
}

static char *create(struct fixture *f)
{
	struct answer a = ask(f, HTTP_POST, "/v1/sessions", "{\"content\":\"lv1\"}");
	assert_int_equal(a.x.status, 201);
	char *handle = strdup(member(&a, "session"));
	assert_non_null(handle);
	over(&a);
	return handle;
}

static struct answer end_with(struct fixture *f, const char *handle, const char *query)
{
	struct answer a;
	char path[TOKEN_TEXT_MAX + 64];
	snprintf(path, sizeof(path), "/v1/sessions/%s", handle);
	fake_exchange_init(&a.x, HTTP_DELETE, path, NULL);
	a.x.request.query = bytes_str(query);
	answer_of(f, &a);
	return a;
}

static void assert_ended(struct answer a)
{
	if (a.x.status != 204)
		fail_msg("%d: %s", a.x.status, a.x.body);
	over(&a);
}

static void assert_refusal(struct answer a, int status, const char *type)
{
	assert_problem(&a, status, type);
	over(&a);
}

static void a_revoked_session_is_gone(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f), *other = create(f);
	assert_ended(end_with(f, handle, "revoke=true"));
	assert_int_equal(desk.asked, 1);
	assert_int_equal(desk.not_after_s, FIXTURE_NOW_S + 3600);
	assert_int_equal(f->told_n, 1); /* its place is given back, too */
	assert_true(f->told[0].ended);
	assert_refusal(ask_session(f, HTTP_GET, handle, ""), 404, "no-such-session");
	assert_refusal(ask_session(f, HTTP_POST, handle, "/heartbeat"), 404, "no-such-session");
	/* 204 again, without a second entry. */
	assert_ended(end_with(f, handle, "revoke=true"));
	assert_ended(end_with(f, handle, ""));
	assert_int_equal(desk.asked, 1);
	assert_int_equal(f->api.count.revoked, 1);
	struct answer a = ask_session(f, HTTP_GET, other, "");
	assert_int_equal(a.x.status, 200);
	over(&a);
	free(handle);
	free(other);
}

static void only_when_it_is_asked_for(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f);
	static const char *const queries[] = { "", "revoke=false", "x=1", "norevoke=true", "revoked=true" };
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		assert_ended(end_with(f, handle, queries[i]));
	static const char *const wrong[] = { "revoke", "revoke=", "revoke=1", "revoke=TRUE", "a=b&revoke=yes" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refusal(end_with(f, handle, wrong[i]), 400, "malformed");
	assert_int_equal(desk.asked, 0);
	assert_ended(end_with(f, handle, "a=b&revoke=true&c"));
	assert_int_equal(desk.asked, 1);
	free(handle);
}

/* Then nothing was done, the place is not given back either. */
static void without_room_it_is_refused(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f);
	desk.answer = ERR_FULL;
	assert_refusal(end_with(f, handle, "revoke=true"), 507, "revocations-full");
	desk.answer = ERR_BUSY;
	struct answer a = end_with(f, handle, "revoke=true");
	assert_string_equal(fake_field(&a.x, "Retry-After"), "1");
	assert_refusal(a, 503, "unavailable");
	assert_int_equal(f->told_n, 0);
	assert_int_equal(f->api.count.revoke_refused, 2);
	a = ask_session(f, HTTP_GET, handle, "");
	assert_int_equal(a.x.status, 200);
	over(&a);
	assert_ended(end_with(f, handle, ""));
	free(handle);
}

static void what_has_ended_needs_no_entry(void **state)
{
	struct fixture *f = *state;
	char *handle = create(f);
	fixture_wall_ms += 3601 * 1000;
	assert_ended(end_with(f, handle, "revoke=true"));
	assert_int_equal(desk.asked, 0);
	free(handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_revoked_session_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(only_when_it_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(without_room_it_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_ended_needs_no_entry, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
