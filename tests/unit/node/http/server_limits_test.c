#include "raw_client.h"
#include "server_fixture.h"

#include "base/check.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define H "Host: h\r\n\r\n"

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

/* One clear answer, then an orderly end, though most of what was sent stays unread. */
static void expect_refusal(struct raw *c, int status)
{
	struct raw_answer a;
	char field[256];
	assert_true(raw_answer(c, &a, false));
	assert_int_equal(a.status, status);
	assert_string_equal(raw_field(&a, "Content-Type", field), "application/problem+json");
	assert_string_equal(raw_field(&a, "Connection", field), "close");
	raw_answer_free(&a);
	assert_int_equal(raw_end(c), RAW_EOF);
}

static void each_limit_has_one_clear_answer(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *before, *after;
	} cases[] = {
		{ 414, "GET /", " HTTP/1.1\r\n" H },
		{ 431, "GET / HTTP/1.1\r\nX: ", "\r\n" H },
		{ 413, "POST /echo HTTP/1.1\r\nContent-Length: 300000\r\n" H, "" },
		{ 400, "GET / HTTP/1.1\r\nContent-Length: 300000\r\n" H, "" },
		{ 400, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 300000\r\n" H, "" },
		{ 400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "" },
		{ 400, "GET / HTTP/1.1\r\n folded\r\n", "" },
		{ 505, "GET / HTTP/3.0\r\n", "" },
		{ 501, "FOO / HTTP/1.1\r\n" H, "" },
	};
	struct buf pad;
	buf_init(&pad, 1 << 20);
	for (int i = 0; i < 300000; i++)
		buf_put_u8(&pad, 'a');
	fixture_start(&f, 1, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw c;
		raw_connect(&c, f.port);
		raw_say(&c, "GET /echo HTTP/1.1\r\n" H);
		raw_say(&c, cases[i].before);
		raw_send(&c, buf_bytes(&pad));
		raw_say(&c, cases[i].after);
		struct raw_answer a;
		assert_true(raw_answer(&c, &a, false));
		assert_int_equal(a.status, 200);
		raw_answer_free(&a);
		expect_refusal(&c, cases[i].status);
		raw_close(&c);
	}
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.malformed, sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(n.resets, 0);
	buf_fini(&pad);
}

static void a_body_of_the_limit_is_taken(void **state)
{
	(void)state;
	fixture_start(&f, 1, 1);
	struct raw c;
	struct raw_answer a;
	char *body = malloc(65537);
	assert_non_null(body);
	memset(body, 'b', 65536);
	body[65536] = '\0';
	raw_connect(&c, f.port);
	raw_say(&c, "POST /echo HTTP/1.1\r\nContent-Length: 65536\r\n" H);
	raw_say(&c, body);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.body_n, 65536);
	assert_memory_equal(a.body, body, 65536);
	raw_answer_free(&a);
	raw_close(&c);
	free(body);
}

/* -- time -- */

static void idle_connections_are_closed(void **state)
{
	(void)state;
	f.limits.idle_timeout_ms = 50;
	fixture_start(&f, 1, 1);
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
}

static void silent_connections_are_closed(void **state)
{
	(void)state;
	f.limits.header_timeout_ms = 50;
	fixture_start(&f, 1, 1);
	struct raw c;
	raw_connect(&c, f.port);
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
}

/* A byte now and then does not prolong it. */
static void a_head_has_a_time_in_total(void **state)
{
	(void)state;
	f.limits.header_timeout_ms = 200;
	fixture_start(&f, 1, 1);
	struct raw c;
	uint64_t begun_ms = fixture_now_ms();
	raw_connect(&c, f.port);
	raw_say(&c, "GET / HTTP/1.1\r\nX: ");
	struct pollfd answered = { .fd = c.fd, .events = POLLIN };
	while (poll(&answered, 1, 5) == 0) {
		raw_say(&c, "a");
		assert_true(fixture_now_ms() < begun_ms + 15000);
	}
	assert_true(fixture_now_ms() >= begun_ms + 199);
	expect_refusal(&c, 408);
	raw_close(&c);
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.timeouts, 1);
}

static void a_body_has_a_time_in_total(void **state)
{
	(void)state;
	f.limits.body_timeout_ms = 50;
	fixture_start(&f, 1, 1);
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n" H "abc");
	expect_refusal(&c, 408);
	raw_close(&c);
}

static void viewers_that_take_nothing_are_reset(void **state)
{
	(void)state;
	f.limits.send_timeout_ms = 100;
	fixture_start(&f, 1, 1);
	struct raw c;
	raw_connect(&c, f.port);
	for (int i = 0; i < 8; i++)
		raw_say(&c, "GET /file HTTP/1.1\r\n" H);
	assert_true(raw_need(&c, 1));
	fixture_await_connections(&f, 0);
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.timeouts, 1);
	assert_int_equal(n.resets, 1);
	raw_close(&c);
}

/* The time of a slow answer counts neither as idle nor as a viewer that takes nothing. */
static void a_kept_answer_and_a_slow_fill_do_not_time_out(void **state)
{
	(void)state;
	f.limits.idle_timeout_ms = f.limits.header_timeout_ms = 30;
	f.limits.send_timeout_ms = 1000; /* the viewer may wait for a processor, once it has bytes to take */
	fixture_start(&f, 1, 1);
	f.growing = growing_new(dup(f.file), FIXTURE_FILE_BYTES);
	struct raw kept, grown, probe;
	struct raw_answer a;
	raw_connect(&kept, f.port);
	raw_connect(&grown, f.port);
	raw_say(&kept, "GET /kept HTTP/1.1\r\n" H);
	raw_say(&grown, "GET /grow HTTP/1.1\r\n" H);
	assert_true(raw_need(&grown, 1));
	fixture_await(&f.kept_n, 1);
	for (int i = 0; i < 40; i++) { /* each takes the header timeout: all of them longer than sending may */
		raw_connect(&probe, f.port);
		assert_int_equal(raw_end(&probe), RAW_EOF);
		raw_close(&probe);
	}
	fixture_release(&f);
	growing_publish(f.growing, FIXTURE_FILE_BYTES);
	growing_finish(f.growing, GROWING_WHOLE);
	assert_true(raw_answer(&kept, &a, false));
	raw_answer_free(&a);
	assert_true(raw_answer(&grown, &a, false));
	assert_int_equal(a.body_n, FIXTURE_FILE_BYTES);
	raw_answer_free(&a);
	raw_close(&kept);
	raw_close(&grown);
}

/* -- how many -- */

static void connections_past_the_limit_are_reset(void **state)
{
	(void)state;
	f.limits.connections = 4;
	fixture_start(&f, 2, 2);
	struct raw c[5];
	struct raw_answer a;
	for (int i = 0; i < 4; i++) {
		raw_connect(&c[i], f.port);
		raw_say(&c[i], "GET /echo HTTP/1.1\r\n" H);
		assert_true(raw_answer(&c[i], &a, false));
		raw_answer_free(&a);
	}
	raw_connect(&c[4], f.port);
	assert_int_equal(raw_end(&c[4]), RAW_RESET);
	raw_close(&c[4]);
	raw_close(&c[0]);
	fixture_await_connections(&f, 3);
	raw_connect(&c[0], f.port);
	raw_say(&c[0], "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c[0], &a, false));
	raw_answer_free(&a);
	for (int i = 0; i < 4; i++)
		raw_close(&c[i]);
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.connections_refused, 1);
	assert_int_equal(n.connections_accepted, 6);
}

/* One listener, four workers: all of them serve. */
static void connections_are_handed_over(void **state)
{
	(void)state;
	enum { N = 200 };
	fixture_start(&f, 4, 1);
	struct raw c[N];
	struct raw_answer a;
	for (int i = 0; i < N; i++)
		raw_connect(&c[i], f.port);
	for (int i = 0; i < N; i++) {
		raw_say(&c[i], "GET /echo HTTP/1.1\r\n" H);
		assert_true(raw_answer(&c[i], &a, false));
		assert_int_equal(a.status, 200);
		raw_answer_free(&a);
	}
	assert_int_equal(atomic_load(&f.workers_seen), 15);
	assert_int_equal(http_server_open_connections(f.server), N);
	for (int i = 0; i < N; i++)
		raw_close(&c[i]);
	fixture_await_connections(&f, 0);
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.connections_open, 0);
}

/* 1,000 connections that all come by one listener, and each takes the same: no worker sends a quarter more
 * than the mean. */
static void workers_carry_the_same(void **state)
{
	(void)state;
	enum { N = 1000, WORKERS = 8, PART = 10000 };
	struct rlimit before, high;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	high = (struct rlimit){ .rlim_cur = before.rlim_max, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &high), 0);
	fixture_start(&f, WORKERS, 1);
	struct raw *c = calloc(N, sizeof(*c));
	assert_non_null(c);
	for (int i = 0; i < N; i++)
		raw_connect(&c[i], f.port);
	fixture_await_connections(&f, N);
	for (int i = 0; i < N; i++) {
		struct raw_answer a;
		raw_say(&c[i], "GET /file HTTP/1.1\r\nRange: bytes=0-9999\r\n" H);
		assert_true(raw_answer(&c[i], &a, false));
		assert_int_equal(a.body_n, PART);
		raw_answer_free(&a);
	}
	uint64_t most = 0, all = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct http_counters n;
		http_server_count_worker(f.server, i, &n);
		most = n.bytes_sent > most ? n.bytes_sent : most;
		all += n.bytes_sent;
	}
	assert_true(all > N * PART);
	if (most * WORKERS * 4 > all * 5)
		fail_msg("the busiest sent %llu of %llu", (unsigned long long)most, (unsigned long long)all);
	for (int i = 0; i < N; i++)
		raw_close(&c[i]);
	free(c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_connection_has_so_many_requests(void **state)
{
	(void)state;
	f.limits.requests = 3;
	fixture_start(&f, 1, 1);
	struct raw c;
	raw_connect(&c, f.port);
	for (int i = 0; i < 5; i++) /* the last two in vain: they came too late */
		raw_say(&c, "GET /echo HTTP/1.1\r\n" H);
	for (int i = 0; i < 3; i++) {
		struct raw_answer a;
		char field[256];
		assert_true(raw_answer(&c, &a, false));
		assert_int_equal(a.status, 200);
		assert_string_equal(raw_field(&a, "Connection", field), i < 2 ? "" : "close");
		raw_answer_free(&a);
	}
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
}

/* More listeners than workers: none is left unserved. */
static void every_listener_is_served(void **state)
{
	(void)state;
	fixture_start(&f, 2, 8);
	for (int i = 0; i < 64; i++) {
		struct raw c;
		struct raw_answer a;
		raw_connect(&c, f.port);
		raw_say(&c, "GET /closing HTTP/1.1\r\n" H);
		assert_true(raw_answer(&c, &a, false));
		raw_answer_free(&a);
		raw_close(&c);
	}
}

static void out_of_descriptors_refuses_and_recovers(void **state)
{
	(void)state;
	fixture_start(&f, 1, 1);
	fixture_await(&f.started_n, 1);
	struct raw c, held;
	struct raw_answer a;
	struct rlimit before, low;
	raw_connect(&held, f.port);
	raw_say(&held, "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&held, &a, false));
	raw_answer_free(&a);
	/* The viewer's own socket takes the last descriptor. */
	int last = dup(0);
	assert_true(last >= 0);
	close(last);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){ .rlim_cur = (rlim_t)last + 1, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	raw_connect(&c, f.port);
	enum raw_end end = raw_end(&c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(end, RAW_RESET);
	raw_close(&c);
	raw_say(&held, "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&held, &a, false));
	raw_answer_free(&a);
	raw_close(&held);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	raw_close(&c);
}

/* -- listening -- */

/* The number of a descriptor that was closed may be a worker's by now. */
static bool listens(int fd)
{
	int value = 0;
	socklen_t n = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &n) == 0 && value != 0;
}

static void listening_names_what_is_wrong(void **state)
{
	(void)state;
	fixture_start(&f, 1, 1);
	char taken[32];
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", f.port);
	static const char *const wrong[] = { "", "x", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http",
		"::1:80", "[::1:80", "[]:80", "127.0.0.1:99999" };
	int fds[4];
	const char *bad = NULL;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *const addresses[] = { "127.0.0.1:0", wrong[i] };
		assert_int_equal(http_listen(addresses, 2, 2, fds, &bad), ERR_INVALID);
		assert_ptr_equal(bad, wrong[i]);
		assert_false(listens(fds[0]));
	}
	for (unsigned copies = 1; copies <= 2; copies++) {
		const char *const addresses[] = { taken };
		assert_int_equal(http_listen(addresses, 1, copies, fds, &bad), ERR_BUSY);
		assert_ptr_equal(bad, taken);
	}
}

static void a_group_of_another_is_not_joined(void **state)
{
	(void)state;
	fixture_start(&f, 2, 2);
	char taken[32];
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", f.port);
	const char *const addresses[] = { taken };
	int fds[2];
	const char *bad;
	assert_int_equal(http_listen(addresses, 1, 2, fds, &bad), ERR_BUSY);
}

static void what_does_not_listen_is_refused(void **state)
{
	(void)state;
	fixture_start(&f, 1, 1);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct http_server *s = NULL;
	struct http_server_config c = { .listeners = &fd, .listeners_n = 1, .workers = 1 };
	assert_int_equal(http_server_start(&c, &s), ERR_INVALID);
	assert_null(s);
	assert_int_equal(close(fd), 0);
}

/* -- on the caller's loop -- */

struct on_loop {
	struct ev_loop *loop;
	struct http_server *server;
	pthread_t thread;
};

static void answer(void *ctx, struct http_exchange *x)
{
	struct http_response r = { .status = 200 };
	r.parts[r.parts_n++] = (struct http_part){ .bytes = BYTES_LIT("here"), .stable = true };
	const struct http_worker *w = http_worker_of(x);
	http_respond(x, &r);
	struct on_loop *o = ctx;
	CHECK(http_worker_loop(w) == o->loop && http_worker_index(w) == 0);
}

static void *ask(void *arg)
{
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, f.port);
	raw_say(&c, "GET / HTTP/1.1\r\nConnection: close\r\n" H);
	CHECK(raw_answer(&c, &a, false));
	CHECK(strcmp((const char *)a.body, "here") == 0);
	raw_answer_free(&a);
	CHECK(raw_end(&c) == RAW_EOF);
	raw_close(&c);
	return arg;
}

static void stop_when_idle(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	struct on_loop *o = t->data;
	struct http_counters n;
	http_server_count(o->server, &n);
	if (n.requests == 1 && n.connections_open == 0)
		ev_break(loop, EVBREAK_ALL);
}

static void serves_on_the_callers_loop(void **state)
{
	(void)state;
	struct on_loop o = { .loop = ev_loop_new(EVFLAG_AUTO) };
	static const char *const addresses[] = { "[::1]:0", "127.0.0.1:0" };
	int fds[2];
	const char *bad;
	/* The first may be missing on a host without IPv6. */
	size_t from = http_listen(addresses, 2, 1, fds, &bad) == OK ? 0 : 1;
	if (from == 1)
		assert_int_equal(http_listen(addresses + 1, 1, 1, fds + 1, &bad), OK);
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	assert_int_equal(getsockname(fds[1], (struct sockaddr *)&at, &n), 0);
	f.port = (int)(((uint8_t *)&at)[2] << 8 | ((uint8_t *)&at)[3]);
	struct http_server_config c = {
		.listeners = fds + from, .listeners_n = 2 - from, .workers = 3, .handler = answer, .ctx = &o
	};
	assert_int_equal(http_server_on_loop(&c, o.loop, &o.server), OK);
	ev_timer t;
	ev_timer_init(&t, stop_when_idle, 0.005, 0.005);
	t.data = &o;
	ev_timer_start(o.loop, &t);
	assert_int_equal(pthread_create(&o.thread, NULL, ask, &o), 0);
	ev_run(o.loop, 0);
	ev_timer_stop(o.loop, &t);
	assert_int_equal(pthread_join(o.thread, NULL), 0);
	http_server_stop(o.server);
	ev_loop_destroy(o.loop);
}

#define SERVER_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(each_limit_has_one_clear_answer),
		SERVER_TEST(a_body_of_the_limit_is_taken),
		SERVER_TEST(idle_connections_are_closed),
		SERVER_TEST(silent_connections_are_closed),
		SERVER_TEST(a_head_has_a_time_in_total),
		SERVER_TEST(a_body_has_a_time_in_total),
		SERVER_TEST(viewers_that_take_nothing_are_reset),
		SERVER_TEST(a_kept_answer_and_a_slow_fill_do_not_time_out),
		SERVER_TEST(connections_past_the_limit_are_reset),
		SERVER_TEST(connections_are_handed_over),
		SERVER_TEST(workers_carry_the_same),
		SERVER_TEST(a_connection_has_so_many_requests),
		SERVER_TEST(every_listener_is_served),
		SERVER_TEST(out_of_descriptors_refuses_and_recovers),
		SERVER_TEST(listening_names_what_is_wrong),
		SERVER_TEST(a_group_of_another_is_not_joined),
		SERVER_TEST(what_does_not_listen_is_refused),
		SERVER_TEST(serves_on_the_callers_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
