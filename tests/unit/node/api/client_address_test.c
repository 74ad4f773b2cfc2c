#include "node/api/client_address.h"

#include "fake_http.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct config_strings proxies = { { "10.0.0.0/8", "::1", "192.0.2.7" }, 3 };

static const char *text_of(const struct client_address *a)
{
	static char text[INET6_ADDRSTRLEN];
	assert_non_null(inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->ip, text, sizeof(text)));
	return text;
}

/* Of a request of `peer` with up to two X-Forwarded-For. */
static const char *seen(const char *peer, const char *first, const char *second, bool trusted)
{
	struct http_exchange x;
	struct client_trust t;
	struct client_address a;
	bool by_proxy;
	fake_exchange_init(&x, HTTP_POST, "/v1/sessions", "{}");
	x.request.peer_address = peer;
	fake_exchange_header(&x, "Accept", "9.9.9.9");
	if (first != NULL)
		fake_exchange_header(&x, "x-forwarded-for", first);
	if (second != NULL)
		fake_exchange_header(&x, "X-Forwarded-For", second);
	client_trust_init(&t, &proxies);
	client_address_of(&x.request, &t, &a, &by_proxy);
	assert_int_equal(by_proxy, trusted);
	fake_exchange_fini(&x);
	return text_of(&a);
}

static void a_stranger_is_who_he_is(void **state)
{
	(void)state;
	assert_string_equal(seen("203.0.113.5", NULL, NULL, false), "203.0.113.5");
	assert_string_equal(seen("203.0.113.5", "1.2.3.4", NULL, false), "203.0.113.5");
	assert_string_equal(seen("2001:db8::5", "1.2.3.4", NULL, false), "2001:db8::5");
	assert_string_equal(seen("::ffff:203.0.113.5", NULL, NULL, false), "203.0.113.5");
	assert_string_equal(seen("", NULL, NULL, false), "0.0.0.0");
}

static void a_proxy_says_for_whom(void **state)
{
	(void)state;
	assert_string_equal(seen("10.1.1.1", NULL, NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "1.2.3.4", NULL, true), "1.2.3.4");
	assert_string_equal(seen("::ffff:10.1.1.1", "1.2.3.4", NULL, true), "1.2.3.4");
	assert_string_equal(seen("::1", "2001:db8::9", NULL, true), "2001:db8::9");
	/* The client wrote the left part itself. */
	assert_string_equal(seen("10.1.1.1", "6.6.6.6, 1.2.3.4", NULL, true), "1.2.3.4");
	assert_string_equal(seen("10.1.1.1", "6.6.6.6,1.2.3.4 , 192.0.2.7,10.9.9.9", NULL, true), "1.2.3.4");
	/* Several fields are one list. */
	assert_string_equal(seen("10.1.1.1", "6.6.6.6, 1.2.3.4", "192.0.2.7", true), "1.2.3.4");
	assert_string_equal(seen("10.1.1.1", "6.6.6.6", "1.2.3.4", true), "1.2.3.4");
	/* None but proxies: the first of them. */
	assert_string_equal(seen("10.1.1.1", "10.3.3.3, 10.2.2.2", NULL, true), "10.3.3.3");
	/* Ports, as some write them. */
	assert_string_equal(seen("10.1.1.1", "1.2.3.4:5678", NULL, true), "1.2.3.4");
	assert_string_equal(seen("10.1.1.1", "[2001:db8::9]:5678", NULL, true), "2001:db8::9");
	assert_string_equal(seen("10.1.1.1", "[2001:db8::9]", NULL, true), "2001:db8::9");
}

static void what_is_no_address_ends_it(void **state)
{
	(void)state;
	assert_string_equal(seen("10.1.1.1", "unknown", NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "", NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "6.6.6.6, _hidden, 192.0.2.7", NULL, true), "192.0.2.7");
	assert_string_equal(seen("10.1.1.1", "1.2.3.4,", NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "1.2.3.0/24", NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "host.example:80", NULL, true), "10.1.1.1");
	assert_string_equal(seen("10.1.1.1", "[1.2.3.4]", NULL, true), "10.1.1.1");
}

static void names_of_clients(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "1.2.3.4", "1.2.3.4", true },
		{ "1.2.3.4", "1.2.3.5", false },
		{ "1.2.3.4", "::ffff:1.2.3.4", true },
		{ "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "1.2.3.4", "102:304::", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client_address a, b;
		uint8_t x[CLIENT_NAME_BYTES], y[CLIENT_NAME_BYTES];
		assert_true(client_address_parse(bytes_str(cases[i].a), &a));
		assert_true(client_address_parse(bytes_str(cases[i].b), &b));
		client_name(&a, x);
		client_name(&b, y);
		assert_int_equal(memcmp(x, y, sizeof(x)) == 0, cases[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_who_he_is),
		cmocka_unit_test(a_proxy_says_for_whom),
		cmocka_unit_test(what_is_no_address_ends_it),
		cmocka_unit_test(names_of_clients),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
