/* The client against listeners that answer well, badly, or not at all. */
#include "fake_admin.h"

#include "ctl/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char error[CLIENT_ERROR_MAX];

/* Calls an address; a failure must be one line that names it. */
static enum err call(const char *address, unsigned timeout_ms, size_t max_bytes, struct client_answer *out)
{
	struct client c = { .timeout_ms = timeout_ms, .answer_max_bytes = max_bytes };
	assert_int_equal(client_set_admin(&c, address), OK);
	error[0] = '\0';
	enum err e = client_call(&c, "GET", "/v1/status", BYTES_NONE, out, error);
	if (e != OK) {
		assert_memory_equal(error, address, strlen(address));
		assert_null(strchr(error, '\n'));
	}
	return e;
}

/* What a listener's bytes come to. */
static enum err outcome(const char *bytes, enum fake_end end, unsigned timeout_ms, struct client_answer *out)
{
	struct fake_admin f;
	fake_admin_start(&f, bytes_str(bytes), end);
	enum err e = call(f.address, timeout_ms, 1024, out);
	fake_admin_stop(&f);
	return e;
}

static void assert_answer(const char *bytes, enum fake_end end, int status, const char *body)
{
	struct client_answer a;
	enum err e = outcome(bytes, end, 0, &a);
	if (e != OK)
		fail_msg("%s", error);
	assert_int_equal(a.status, status);
	assert_int_equal(a.body.n, strlen(body));
	assert_memory_equal(a.body.p, body, a.body.n);
	buf_fini(&a.body);
}

static void assert_failure(const char *bytes, enum fake_end end, unsigned timeout_ms, enum err expected)
{
	struct client_answer a;
	enum err e = outcome(bytes, end, timeout_ms, &a);
	if (e == OK)
		buf_fini(&a.body);
	if (e != expected)
		fail_msg("%s, expected %s, of: %.60s", err_str(e), err_str(expected), bytes);
}

static void good_answers(void **state)
{
	(void)state;
	assert_answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", FAKE_CLOSES, 200, "{}\n");
	/* whole, whether or not the other side then closes */
	assert_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", FAKE_HANGS, 200, "{}");
	assert_answer("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", FAKE_CLOSES, 404, "{}");
	assert_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n\n\r\n0\r\n\r\n",
	    FAKE_HANGS, 200, "{}\n");
	/* without a length it ends with the connection */
	assert_answer("HTTP/1.0 200 OK\r\n\r\n{}", FAKE_CLOSES, 200, "{}");
	assert_answer("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	    FAKE_HANGS, 200, "{}");
	assert_answer("HTTP/1.1 204 No Content\r\n\r\n", FAKE_HANGS, 204, "");
}

static void the_request_is_as_a_node_wants_it(void **state)
{
	(void)state;
	struct fake_admin f;
	char head[2048], host[64];
	struct client_answer a;
	fake_admin_start(&f, BYTES_LIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), FAKE_CLOSES);
	assert_int_equal(call(f.address, 0, 0, &a), OK);
	buf_fini(&a.body);
	fake_admin_seen(&f, head, sizeof(head));
	snprintf(host, sizeof(host), "\r\nHost: %s\r\n", f.address);
	assert_memory_equal(head, "GET /v1/status HTTP/1.1\r\n", 25);
	assert_non_null(strstr(head, host));
	assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
	assert_null(strstr(head, "Content-Length")); /* no body on GET */

	struct client c = { 0 };
	assert_int_equal(client_set_admin(&c, f.address), OK);
	assert_int_equal(client_call(&c, "POST", "/v1/drain", BYTES_LIT("{}"), &a, error), OK);
	buf_fini(&a.body);
	fake_admin_seen(&f, head, sizeof(head));
	assert_memory_equal(head, "POST /v1/drain HTTP/1.1\r\n", 25);
	assert_non_null(strstr(head, "\r\nContent-Length: 2\r\n"));
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n{}");
	fake_admin_stop(&f);
}

static void nobody_listens(void **state)
{
	(void)state;
	char address[32];
	struct client_answer a;
	fake_admin_nobody(address);
	assert_int_equal(call(address, 0, 0, &a), ERR_IO);
	assert_non_null(strstr(error, "connection refused"));
}

static void garbage(void **state)
{
	(void)state;
	assert_failure("SSH-2.0-OpenSSH_9.2p1\r\n", FAKE_CLOSES, 0, ERR_INVALID);
	assert_failure("\x16\x03\x01\x02", FAKE_HANGS, 0, ERR_INVALID);
	assert_failure("HTTP/1.1 abc OK\r\n\r\n", FAKE_CLOSES, 0, ERR_INVALID);
	assert_failure("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", FAKE_CLOSES, 0, ERR_INVALID);
	assert_failure(
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", FAKE_CLOSES, 0, ERR_INVALID);
	assert_failure(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FAKE_CLOSES, 0, ERR_INVALID);
}

static void an_answer_that_breaks_off(void **state)
{
	(void)state;
	assert_failure("", FAKE_CLOSES, 0, ERR_CLOSED);
	assert_failure("HTTP/1.1 200 OK\r\nContent-", FAKE_CLOSES, 0, ERR_CLOSED);
	assert_failure("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", FAKE_CLOSES, 0, ERR_CLOSED);
	assert_failure(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", FAKE_CLOSES, 0, ERR_CLOSED);
	assert_failure("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", FAKE_RESETS, 0, ERR_IO);
}

static void an_answer_that_never_comes(void **state)
{
	(void)state;
	assert_failure("", FAKE_HANGS, 100, ERR_TIMEOUT);
	assert_failure("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", FAKE_HANGS, 100, ERR_TIMEOUT);
}

static void an_answer_without_end(void **state)
{
	(void)state;
	assert_failure(
	    "HTTP/1.1 200 OK\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", FAKE_REPEATS, 0, ERR_TOO_BIG);
	assert_failure(
	    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nxxxxx", FAKE_REPEATS, 0, ERR_TOO_BIG);
	/* a head without end */
	struct buf head;
	buf_init(&head, 1 << 20);
	buf_put_str(&head, "HTTP/1.1 200 OK\r\n");
	while (head.n < 90000)
		buf_put_str(&head, "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
	buf_put_u8(&head, '\0');
	struct client_answer a;
	enum err e = outcome((const char *)head.p, FAKE_HANGS, 0, &a);
	assert_true(e == ERR_TOO_BIG || e == ERR_INVALID);
	buf_fini(&head);
}

static void an_admin_address_has_host_and_port(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "host", "host:0", ":9000", "::1:9000", "256.256.256.256:9000" };
	struct client c = { 0 };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(client_set_admin(&c, bad[i]), ERR_INVALID);
	assert_null(c.admin);
	assert_int_equal(client_set_admin(&c, "[::1]:9000"), OK);
	assert_int_equal(c.address.port, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_admin_address_has_host_and_port),
		cmocka_unit_test(good_answers),
		cmocka_unit_test(the_request_is_as_a_node_wants_it),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(garbage),
		cmocka_unit_test(an_answer_that_breaks_off),
		cmocka_unit_test(an_answer_that_never_comes),
		cmocka_unit_test(an_answer_without_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
