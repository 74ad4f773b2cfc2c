#include "raw_client.h"
#include "server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define H "Host: h\r\n\r\n"

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_init(&f);
	fixture_start(&f, 2, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&f);
	return 0;
}

static void expect(struct raw *c, int status, const char *body)
{
	struct raw_answer a;
	assert_true(raw_answer(c, &a, false));
	assert_int_equal(a.status, status);
	if (body != NULL)
		assert_string_equal((const char *)a.body, body);
	raw_answer_free(&a);
}

static void keeps_alive(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	for (int i = 0; i < 10; i++) {
		raw_say(&c, "GET /echo?x HTTP/1.1\r\n" H);
		expect(&c, 200, "/echo?x");
	}
	raw_say(&c, "GET /echo HTTP/1.1\r\nConnection: close\r\n" H);
	struct raw_answer a;
	char field[256];
	assert_true(raw_answer(&c, &a, false));
	assert_string_equal(raw_field(&a, "Connection", field), "close");
	assert_string_equal(raw_field(&a, "X-Peer", field), "127.0.0.1");
	assert_int_equal(strlen(raw_field(&a, "Date", field)), 29);
	raw_answer_free(&a);
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /closing HTTP/1.1\r\n" H);
	expect(&c, 200, "bye");
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
}

static void speaks_http10(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char field[256];
	raw_connect(&c, f.port);
	raw_say(&c, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_true(raw_answer(&c, &a, false));
	assert_string_equal(raw_field(&a, "Connection", field), "keep-alive");
	raw_answer_free(&a);
	raw_say(&c, "GET /echo HTTP/1.0\r\n\r\n");
	assert_true(raw_answer(&c, &a, false));
	assert_string_equal(raw_field(&a, "Connection", field), "close");
	raw_answer_free(&a);
	assert_int_equal(raw_end(&c), RAW_EOF);
	raw_close(&c);
}

/* More than is read ahead and more than is answered in one turn. */
static void answers_pipelined_requests_in_order(void **state)
{
	(void)state;
	enum { N = 3000 };
	struct raw c;
	struct buf all;
	char expected[64];
	buf_init(&all, 1 << 20);
	for (int i = 0; i < N; i++)
		buf_printf(&all, "GET /echo?%d HTTP/1.1\r\n" H, i);
	raw_connect(&c, f.port);
	raw_send(&c, buf_bytes(&all));
	for (int i = 0; i < N; i++) {
		snprintf(expected, sizeof(expected), "/echo?%d", i);
		expect(&c, 200, expected);
	}
	buf_fini(&all);
	raw_close(&c);
}

static void pipelining_waits_for_a_kept_answer(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /kept HTTP/1.1\r\n" H "GET /echo HTTP/1.1\r\n" H);
	fixture_await(&f.kept_n, 1);
	raw_say(&c, "GET /echo?2 HTTP/1.1\r\n" H);
	fixture_release(&f);
	expect(&c, 200, "late");
	expect(&c, 200, "/echo");
	expect(&c, 200, "/echo?2");
	raw_close(&c);
}

/* What a viewer sends while it waits is read to a bound; then its own socket fills. */
static void reads_ahead_to_a_bound(void **state)
{
	(void)state;
	struct raw c;
	struct buf flood;
	buf_init(&flood, 64 << 20);
	for (int i = 0; i < 600000; i++)
		buf_put_str(&flood, "GET /echo HTTP/1.1\r\n" H);
	raw_connect(&c, f.port);
	int small = 4096;
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	raw_say(&c, "GET /kept HTTP/1.1\r\n" H);
	fixture_await(&f.kept_n, 1);
	size_t taken = 0;
	for (;;) {
		ssize_t n = send(c.fd, flood.p + taken, flood.n - taken, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			taken += (size_t)n;
			continue;
		}
		/* Full: it stays so while nobody reads. A server that read on would take all 20 MB. */
		struct raw other;
		raw_connect(&other, f.port);
		raw_say(&other, "GET /echo HTTP/1.1\r\n" H);
		expect(&other, 200, "/echo");
		raw_close(&other);
		n = send(c.fd, flood.p + taken, flood.n - taken, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		taken += (size_t)n;
	}
	assert_true(taken < flood.n);
	buf_fini(&flood);
	/* At the bound the reset is not seen before the answer is sent. */
	raw_abort(&c);
	fixture_release(&f);
	fixture_await_connections(&f, 0);
}

static void half_closed_viewers_get_their_answer(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /kept HTTP/1.1\r\n" H "GET /echo HTTP/1.1\r\n" H);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	fixture_await(&f.kept_n, 1);
	fixture_release(&f);
	expect(&c, 200, "late");
	expect(&c, 200, "/echo");
	assert_int_equal(raw_end(&c), RAW_EOF);
	assert_int_equal(atomic_load(&f.gone_n), 0);
	raw_close(&c);
}

static void gone_viewers_are_told_of(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /kept HTTP/1.1\r\n" H);
	fixture_await(&f.kept_n, 1);
	raw_abort(&c);
	fixture_await(&f.gone_n, 1);
}

static void stop_tells_of_kept_ones(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /kept HTTP/1.1\r\n" H);
	fixture_await(&f.kept_n, 1);
	http_server_stop(f.server);
	f.server = NULL;
	assert_int_equal(atomic_load(&f.gone_n), 1);
	assert_int_equal(raw_end(&c), RAW_RESET);
	raw_close(&c);
}

static void answers_head_without_body(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char field[256];
	raw_connect(&c, f.port);
	raw_say(&c, "HEAD /file HTTP/1.1\r\n" H "HEAD /parts HTTP/1.1\r\n" H "HEAD /none HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, true));
	assert_string_equal(raw_field(&a, "Content-Length", field), "8388608");
	raw_answer_free(&a);
	assert_true(raw_answer(&c, &a, true));
	assert_string_equal(raw_field(&a, "Content-Length", field), "22");
	raw_answer_free(&a);
	assert_true(raw_answer(&c, &a, true));
	assert_int_equal(a.status, 404);
	raw_answer_free(&a);
	raw_say(&c, "GET /echo HTTP/1.1\r\n" H);
	expect(&c, 200, "/echo");
	fixture_await(&f.done_n, 3);
	assert_int_equal(atomic_load(&f.whole_n), 3);
	raw_close(&c);
}

static void check_file(const struct raw_answer *a, uint64_t from, uint64_t n)
{
	assert_int_equal(a->body_n, n);
	uint64_t wrong = 0;
	for (uint64_t i = 0; i < n; i++)
		wrong += a->body[i] != fixture_byte(from + i);
	assert_int_equal(wrong, 0);
}

static void sends_files_and_ranges(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char field[256];
	raw_connect(&c, f.port);
	raw_say(&c, "GET /file HTTP/1.1\r\n" H "GET /file HTTP/1.1\r\nRange: bytes=1000000-1999999\r\n" H
	            "GET /file HTTP/1.1\r\nRange: bytes=8388608-\r\n" H
	            "GET /file HTTP/1.1\r\nIf-None-Match: \"f\"\r\n" H "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 200);
	check_file(&a, 0, FIXTURE_FILE_BYTES);
	raw_answer_free(&a);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 206);
	assert_string_equal(raw_field(&a, "Content-Range", field), "bytes 1000000-1999999/8388608");
	check_file(&a, 1000000, 1000000);
	raw_answer_free(&a);
	expect(&c, 416, "");
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 304);
	assert_string_equal(raw_field(&a, "Content-Length", field), "");
	raw_answer_free(&a);
	expect(&c, 200, "/echo");
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_true(n.bytes_sent > FIXTURE_FILE_BYTES + 1000000);
	assert_int_equal(n.requests, 5);
	assert_int_equal(n.responses_2xx, 3);
	assert_int_equal(n.responses_3xx, 1);
	assert_int_equal(n.responses_4xx, 1);
	raw_close(&c);
}

static void joins_parts(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /parts HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.body_n, 22);
	assert_memory_equal(a.body, "abcd", 4);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(a.body[4 + i], fixture_byte(1000 + i));
	assert_memory_equal(a.body + 20, "ef", 2);
	raw_answer_free(&a);
	fixture_await(&f.done_n, 1);
	assert_int_equal(atomic_load(&f.done_bytes), 22);
	raw_close(&c);
}

static void no_value_splits_a_response(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char field[256];
	raw_connect(&c, f.port);
	raw_say(&c, "GET /split HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	assert_string_equal(raw_field(&a, "X-Injected", field), "");
	assert_string_equal(raw_field(&a, "X-Kept", field), "c");
	raw_answer_free(&a);
	raw_close(&c);
}

static void takes_bodies(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c,
	    "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" H "helloPOST /echo HTTP/1.1\r\n"
	    "Transfer-Encoding: chunked\r\n" H "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /echo HTTP/1.1\r\n" H);
	expect(&c, 200, "hello");
	expect(&c, 200, "abcde");
	expect(&c, 200, "/echo");
	raw_say(&c, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" H);
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	assert_true(raw_need(&c, sizeof(go_on) - 1));
	assert_memory_equal(raw_take(&c, sizeof(go_on) - 1).p, go_on, sizeof(go_on) - 1);
	raw_say(&c, "ok");
	expect(&c, 200, "ok");
	raw_close(&c);
}

static void problems_and_preflights(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char field[256];
	raw_connect(&c, f.port);
	raw_say(&c, "GET /none HTTP/1.1\r\n" H "OPTIONS /x HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 404);
	assert_string_equal(raw_field(&a, "Content-Type", field), "application/problem+json");
	assert_string_equal(raw_field(&a, "Cache-Control", field), "no-store");
	assert_string_equal(raw_field(&a, "Retry-After", field), "7");
	assert_string_equal(raw_field(&a, "Access-Control-Allow-Origin", field), "*");
	assert_string_equal((const char *)a.body,
	    "{\"type\":\"urn:warmcast:problem:not-found\",\"title\":\"Not Found\",\"status\":404,"
	    "\"detail\":\"no \\\"such\\\" thing\"}\n");
	raw_answer_free(&a);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 204);
	assert_string_equal(raw_field(&a, "Access-Control-Allow-Methods", field), "GET, HEAD, OPTIONS");
	assert_string_equal(raw_field(&a, "Content-Length", field), "");
	raw_answer_free(&a);
	raw_close(&c);
}

/* -- pace -- */

/* The kernel lets a few hundred KiB go at once; what follows keeps to the pace. */
static void a_connection_keeps_its_pace_until_it_is_let_go(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, f.port);
	uint64_t began_ms = fixture_now_ms();
	raw_say(&c, "GET /paced HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	assert_true(fixture_now_ms() - began_ms >= 700); /* two seconds' worth */
	began_ms = fixture_now_ms();
	raw_say(&c, "GET /unpaced HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	assert_true(fixture_now_ms() - began_ms < 6000); /* eight seconds' worth */
	raw_close(&c);
}

/* -- resets -- */

static void resets_when_told_to(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /reset HTTP/1.1\r\n" H);
	assert_int_equal(raw_end(&c), RAW_RESET);
	raw_close(&c);
}

static void resets_when_a_file_is_short(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /short HTTP/1.1\r\n" H);
	assert_false(raw_answer(&c, &a, false));
	assert_int_equal(raw_end(&c) == RAW_EOF, 0);
	fixture_await(&f.done_n, 1);
	assert_int_equal(atomic_load(&f.whole_n), 0);
	struct http_counters n;
	http_server_count(f.server, &n);
	assert_int_equal(n.resets, 1);
	raw_close(&c);
}

/* -- growing files -- */

enum { STEP = 100000, STEPS = 20 };

static int grow_fd;

static void new_growing(void)
{
	grow_fd = memfd_create("growing", MFD_CLOEXEC);
	assert_true(grow_fd >= 0);
	f.growing = growing_new(grow_fd, (uint64_t)STEP * STEPS);
}

/* What lies past the published length is wrong on purpose. */
static void fill_step(int step)
{
	static uint8_t piece[2 * STEP];
	for (uint64_t i = 0; i < STEP; i++)
		piece[i] = fixture_byte((uint64_t)step * STEP + i);
	memset(piece + STEP, 0, STEP);
	assert_int_equal(pwrite(grow_fd, piece, 2 * STEP, (off_t)step * STEP), 2 * STEP);
	growing_publish(f.growing, (uint64_t)(step + 1) * STEP);
}

static void take_head(struct raw *c)
{
	do
		assert_true(raw_need(c, 1));
	while (memmem(c->in.p, c->in.n, "\r\n\r\n", 4) == NULL && raw_need(c, c->in.n - c->at + 1));
	c->at = (size_t)((uint8_t *)memmem(c->in.p, c->in.n, "\r\n\r\n", 4) - c->in.p) + 4;
}

static void viewers_follow_a_growing_file(void **state)
{
	(void)state;
	enum { VIEWERS = 6 };
	struct raw c[VIEWERS];
	new_growing();
	for (int v = 0; v < VIEWERS; v++) {
		raw_connect(&c[v], f.port);
		raw_say(&c[v], "GET /grow HTTP/1.1\r\n" H);
		take_head(&c[v]); /* the head does not wait for the first bytes */
	}
	for (int step = 0; step < STEPS; step++) {
		fill_step(step);
		for (int v = 0; v < VIEWERS; v++) {
			assert_true(raw_need(&c[v], STEP));
			struct bytes b = raw_take(&c[v], STEP);
			for (uint64_t i = 0; i < STEP; i += 7)
				if (b.p[i] != fixture_byte((uint64_t)step * STEP + i))
					fail_msg("viewer %d, step %d, byte %d", v, step, (int)i);
		}
	}
	growing_finish(f.growing, GROWING_WHOLE);
	fixture_await(&f.whole_n, VIEWERS);
	for (int v = 0; v < VIEWERS; v++) {
		raw_say(&c[v], "GET /echo HTTP/1.1\r\n" H);
		expect(&c[v], 200, "/echo");
		raw_close(&c[v]);
	}
}

static void late_viewers_and_ranges_of_growing_files(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	new_growing();
	f.grow_from = STEP + 5;
	raw_connect(&c, f.port);
	raw_say(&c, "GET /grow HTTP/1.1\r\n" H);
	for (int step = 0; step < STEPS; step++)
		fill_step(step);
	assert_true(raw_answer(&c, &a, false));
	check_file(&a, STEP + 5, STEP * (STEPS - 1) - 5);
	raw_answer_free(&a);
	growing_finish(f.growing, GROWING_WHOLE);
	raw_say(&c, "HEAD /grow HTTP/1.1\r\n" H "GET /grow HTTP/1.1\r\n" H);
	assert_true(raw_answer(&c, &a, true));
	raw_answer_free(&a);
	assert_true(raw_answer(&c, &a, false));
	check_file(&a, STEP + 5, STEP * (STEPS - 1) - 5);
	raw_answer_free(&a);
	raw_close(&c);
}

static void a_failed_fill_resets(void **state)
{
	(void)state;
	struct raw c[2];
	new_growing();
	for (int v = 0; v < 2; v++) {
		raw_connect(&c[v], f.port);
		raw_say(&c[v], "GET /grow HTTP/1.1\r\n" H);
		take_head(&c[v]);
	}
	fill_step(0);
	for (int v = 0; v < 2; v++) {
		assert_true(raw_need(&c[v], STEP));
		raw_take(&c[v], STEP);
	}
	growing_finish(f.growing, GROWING_FAILED);
	for (int v = 0; v < 2; v++) {
		assert_int_equal(raw_end(&c[v]), RAW_RESET);
		raw_close(&c[v]);
	}
	fixture_await(&f.done_n, 2);
	assert_int_equal(atomic_load(&f.whole_n), 0);
}

/* Every byte is there, and then it does not verify: who has not got them all must not (D5). */
static void a_fill_that_fails_at_its_end_resets(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	new_growing();
	for (int step = 0; step < STEPS; step++)
		fill_step(step);
	growing_finish(f.growing, GROWING_FAILED);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /grow HTTP/1.1\r\n" H);
	assert_false(raw_answer(&c, &a, false));
	fixture_await(&f.done_n, 1);
	assert_int_equal(atomic_load(&f.whole_n), 0);
	raw_close(&c);
}

static void viewers_of_a_growing_file_may_leave(void **state)
{
	(void)state;
	struct raw c;
	new_growing();
	raw_connect(&c, f.port);
	raw_say(&c, "GET /grow HTTP/1.1\r\n" H);
	take_head(&c);
	raw_abort(&c);
	fixture_await(&f.done_n, 1);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /grow HTTP/1.1\r\n" H);
	take_head(&c);
	/* Still waiting when the server stops. */
	http_server_stop(f.server);
	f.server = NULL;
	assert_int_equal(atomic_load(&f.done_n), 2);
	raw_close(&c);
}

#define SERVER_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(keeps_alive),
		SERVER_TEST(speaks_http10),
		SERVER_TEST(answers_pipelined_requests_in_order),
		SERVER_TEST(pipelining_waits_for_a_kept_answer),
		SERVER_TEST(reads_ahead_to_a_bound),
		SERVER_TEST(half_closed_viewers_get_their_answer),
		SERVER_TEST(gone_viewers_are_told_of),
		SERVER_TEST(stop_tells_of_kept_ones),
		SERVER_TEST(answers_head_without_body),
		SERVER_TEST(sends_files_and_ranges),
		SERVER_TEST(joins_parts),
		SERVER_TEST(no_value_splits_a_response),
		SERVER_TEST(takes_bodies),
		SERVER_TEST(problems_and_preflights),
		SERVER_TEST(a_connection_keeps_its_pace_until_it_is_let_go),
		SERVER_TEST(resets_when_told_to),
		SERVER_TEST(resets_when_a_file_is_short),
		SERVER_TEST(viewers_follow_a_growing_file),
		SERVER_TEST(late_viewers_and_ranges_of_growing_files),
		SERVER_TEST(a_failed_fill_resets),
		SERVER_TEST(a_fill_that_fails_at_its_end_resets),
		SERVER_TEST(viewers_of_a_growing_file_may_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
