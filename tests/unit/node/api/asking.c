#include "asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void answer_of(struct fixture *f, struct answer *a)
{
	api_handle(&f->api, &f->worker, &a->x);
	assert_int_equal(a->x.answers, 1);
	assert_string_equal(fake_field(&a->x, "Access-Control-Allow-Origin"), "*");
	if (a->x.status != 204)
		assert_string_equal(fake_field(&a->x, "Cache-Control"), "no-store");
	json_error_t error;
	a->json = a->x.body_n == 0 ? NULL : json_loadb(a->x.body, a->x.body_n, JSON_REJECT_DUPLICATES, &error);
	if (a->x.body_n > 0 && a->json == NULL)
		fail_msg("%s: %s", error.text, a->x.body);
}

struct answer ask_typed(
    struct fixture *f, enum http_method m, const char *path, const char *body, const char *type)
{
	struct answer a;
	fake_exchange_init(&a.x, m, path, body);
	if (type != NULL)
		fake_exchange_header(&a.x, "content-type", type);
	answer_of(f, &a);
	return a;
}

struct answer ask(struct fixture *f, enum http_method m, const char *path, const char *body)
{
	return ask_typed(f, m, path, body, body != NULL ? "application/json" : NULL);
}

void over(struct answer *a)
{
	json_decref(a->json);
	fake_exchange_fini(&a->x);
}

const char *member(const struct answer *a, const char *key)
{
	const char *text = json_string_value(json_object_get(a->json, key));
	if (text == NULL)
		fail_msg("no \"%s\" in %s", key, a->x.body);
	return text;
}

void assert_problem(struct answer *a, int status, const char *type)
{
	char urn[128];
	snprintf(urn, sizeof(urn), "urn:warmcast:problem:%s", type);
	if (a->x.status != status)
		fail_msg("%d instead of %d: %s", a->x.status, status, a->x.body);
	assert_string_equal(fake_field(&a->x, "Content-Type"), "application/problem+json");
	assert_string_equal(member(a, "type"), urn);
	assert_int_equal(json_integer_value(json_object_get(a->json, "status")), status);
}

void assert_refused(
    struct fixture *f, enum http_method m, const char *path, const char *body, int status, const char *type)
{
	struct answer a = ask(f, m, path, body);
	assert_problem(&a, status, type);
	over(&a);
}

struct answer ask_session(struct fixture *f, enum http_method m, const char *handle, const char *verb)
{
	char path[TOKEN_TEXT_MAX + 64];
	snprintf(path, sizeof(path), "/v1/sessions/%s%s", handle, verb);
	return ask(f, m, path, NULL);
}
