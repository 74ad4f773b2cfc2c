#include "raw_client.h"
#include "server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define H "Host: h\r\n\r\n"
#define ECHO "GET /echo HTTP/1.1\r\n" H

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&f);
	return 0;
}

/* An answer to /echo, which says whether it is the last one. */
static void expect_echo(struct raw *c, bool last)
{
	struct raw_answer a;
	char field[256];
	assert_true(raw_answer(c, &a, false));
	assert_int_equal(a.status, 200);
	assert_string_equal((const char *)a.body, "/echo");
	assert_string_equal(raw_field(&a, "Connection", field), last ? "close" : "");
	raw_answer_free(&a);
}

static void connect_and_ask(struct raw *c)
{
	raw_connect(c, f.port);
	raw_say(c, ECHO);
	expect_echo(c, false);
}

static void await_former_gone(void)
{
	for (uint64_t end_ms = fixture_now_ms() + 20000; !http_server_former_gone(f.server);) {
		assert_true(fixture_now_ms() < end_ms);
		poll(NULL, 0, 1);
	}
}

static bool refused(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f.port) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	bool r = connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 && errno == ECONNREFUSED;
	close(fd);
	return r;
}

/* -- first step: everybody's next answer is the last -- */

static void the_present_finish(void **state)
{
	(void)state;
	fixture_start(&f, 2, 2);
	struct raw idle, busy, kept;
	struct raw_answer a;
	char field[256];
	connect_and_ask(&idle);
	raw_connect(&kept, f.port);
	raw_say(&kept, "GET /kept HTTP/1.1\r\n" H);
	fixture_await(&f.kept_n, 1);
	raw_connect(&busy, f.port);
	raw_say(&busy, ECHO "GET /ec");
	expect_echo(&busy, false);
	assert_false(http_server_former_gone(f.server));
	http_server_drain(f.server);
	http_server_drain(f.server);
	/* Who was idle has one last request, and time for it. */
	struct pollfd ended = { .fd = idle.fd, .events = POLLIN };
	assert_int_equal(poll(&ended, 1, 100), 0);
	raw_say(&idle, ECHO);
	expect_echo(&idle, true);
	assert_int_equal(raw_end(&idle), RAW_EOF);
	raw_say(&busy, "ho HTTP/1.1\r\n" H);
	expect_echo(&busy, true);
	assert_int_equal(raw_end(&busy), RAW_EOF);
	raw_close(&idle);
	raw_close(&busy);
	assert_false(http_server_former_gone(f.server));
	fixture_release(&f);
	assert_true(raw_answer(&kept, &a, false));
	assert_string_equal(raw_field(&a, "Connection", field), "close");
	raw_answer_free(&a);
	assert_int_equal(raw_end(&kept), RAW_EOF);
	raw_close(&kept);
	await_former_gone();
	fixture_await_connections(&f, 0);
}

/* A request that crosses with the end of an idle connection meets half of one: no reset, so that it can be
 * told from an answer that broke off. */
static void who_stays_idle_is_half_closed(void **state)
{
	(void)state;
	f.limits.last_request_ms = 50;
	fixture_start(&f, 1, 1);
	struct raw c;
	connect_and_ask(&c);
	http_server_drain(f.server);
	struct pollfd ended = { .fd = c.fd, .events = POLLIN };
	assert_int_equal(poll(&ended, 1, 20000), 1);
	raw_say(&c, ECHO);
	raw_say(&c, ECHO);
	assert_int_equal(raw_end(&c), RAW_EOF);
	assert_int_equal(http_server_open_connections(f.server), 1);
	int error = -1;
	socklen_t n = sizeof(error);
	assert_int_equal(getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &n), 0);
	assert_int_equal(error, 0);
	raw_close(&c);
	await_former_gone();
}

static void an_idle_time_that_is_shorter_stays(void **state)
{
	(void)state;
	f.limits.idle_timeout_ms = 50;
	fixture_start(&f, 1, 1);
	struct raw c;
	connect_and_ask(&c);
	uint64_t began_ms = fixture_now_ms();
	http_server_drain(f.server);
	assert_int_equal(raw_end(&c), RAW_EOF);
	assert_true(fixture_now_ms() - began_ms < f.limits.last_request_ms);
	raw_close(&c);
}

static void who_comes_is_served_once(void **state)
{
	(void)state;
	fixture_start(&f, 2, 2);
	struct raw former;
	connect_and_ask(&former);
	http_server_drain(f.server);
	raw_say(&former, ECHO);
	expect_echo(&former, true);
	raw_close(&former);
	await_former_gone();
	for (int i = 0; i < 8; i++) {
		struct raw c;
		raw_connect(&c, f.port);
		raw_say(&c, ECHO ECHO);
		expect_echo(&c, true);
		assert_int_equal(raw_end(&c), RAW_EOF);
		raw_close(&c);
	}
}

/* -- second step: nobody is accepted -- */

/* A worker that stands still accepts nobody meanwhile. */
static atomic_bool held;
static atomic_uint holding_n;

static void hold(struct http_exchange *x)
{
	atomic_fetch_add(&holding_n, 1);
	while (atomic_load(&held))
		poll(NULL, 0, 1);
	http_problem(x, 404, "held", "", 0);
}

/* With `waiting` connected, and told to stop accepting, while the only worker looked away. */
static void stop_accepting_before(struct raw *waiting, size_t n)
{
	struct raw c;
	struct raw_answer a;
	f.other = hold;
	atomic_store(&held, true);
	atomic_store(&holding_n, 0);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /other HTTP/1.1\r\n" H);
	fixture_await(&holding_n, 1);
	http_server_drain(f.server);
	http_server_stop_accepting(f.server);
	for (size_t i = 0; i < n; i++) {
		raw_connect(&waiting[i], f.port);
		raw_say(&waiting[i], ECHO);
	}
	atomic_store(&held, false);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	raw_close(&c);
}

static void who_waits_is_taken_before_listeners_close(void **state)
{
	(void)state;
	struct raw waiting[100];
	fixture_start(&f, 1, 1);
	stop_accepting_before(waiting, 100);
	for (int i = 0; i < 100; i++) {
		expect_echo(&waiting[i], true);
		assert_int_equal(raw_end(&waiting[i]), RAW_EOF);
		raw_close(&waiting[i]);
	}
	assert_true(refused());
	fixture_await_connections(&f, 0);
}

static void who_waits_at_what_stays_is_left_to_the_next(bool from_the_start)
{
	struct raw waiting[100];
	f.listeners_stay = from_the_start;
	fixture_start(&f, 1, 1);
	if (!from_the_start)
		http_server_keep_listeners(f.server);
	stop_accepting_before(waiting, 100);
	fixture_await_connections(&f, 0);
	http_server_stop(f.server);
	f.listeners_stay = false;
	fixture_serve(&f, 2, 1);
	for (int i = 0; i < 100; i++) {
		expect_echo(&waiting[i], false);
		raw_close(&waiting[i]);
	}
}

static void listeners_that_stay_are_passed_on(void **state)
{
	(void)state;
	who_waits_at_what_stays_is_left_to_the_next(true);
}

static void listeners_can_be_kept_later(void **state)
{
	(void)state;
	who_waits_at_what_stays_is_left_to_the_next(false);
}

/* Also by a server that had no time to drain. */
static void a_stop_leaves_what_stays(void **state)
{
	(void)state;
	struct raw c;
	f.listeners_stay = true;
	fixture_start(&f, 2, 2);
	http_server_stop(f.server);
	raw_connect(&c, f.port);
	raw_say(&c, ECHO);
	fixture_serve(&f, 1, 2);
	expect_echo(&c, false);
	raw_close(&c);
	http_server_stop(f.server);
	f.listeners_stay = false;
	fixture_serve(&f, 1, 2);
}

#define DRAIN_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DRAIN_TEST(the_present_finish),
		DRAIN_TEST(who_stays_idle_is_half_closed),
		DRAIN_TEST(an_idle_time_that_is_shorter_stays),
		DRAIN_TEST(who_comes_is_served_once),
		DRAIN_TEST(who_waits_is_taken_before_listeners_close),
		DRAIN_TEST(listeners_that_stay_are_passed_on),
		DRAIN_TEST(listeners_can_be_kept_later),
		DRAIN_TEST(a_stop_leaves_what_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
