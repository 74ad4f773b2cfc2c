/* The load generator's HTTP client against a server of a few lines in the same loop, which says what it is
 * told to. */
#include "tests/bench/load/ev_client.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PEERS_MAX = 8, DEADLINE_S = 20 };

static const char small[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct peer {
	int fd;
	ev_io io;
};

static struct {
	struct ev_loop *loop;
	int listener;
	char uri[64];
	ev_io accepting;
	ev_timer deadline;
	struct peer peers[PEERS_MAX];
	size_t peers_n, requests;
	const char *says; /* NULL: nothing */
	bool closes;      /* after each answer */
	char heard[4096];
	struct client *client;
	size_t done;
} f;

static void on_done(struct client_request *r)
{
	(void)r;
	f.done++;
	ev_break(f.loop, EVBREAK_ALL);
}

static void on_heard(struct ev_loop *loop, ev_io *w, int events)
{
	struct peer *p = w->data;
	(void)events;
	ssize_t n = recv(p->fd, f.heard, sizeof(f.heard) - 1, 0);
	if (n <= 0) {
		ev_io_stop(loop, w);
		return;
	}
	f.heard[n] = '\0';
	f.requests++;
	if (f.says != NULL)
		assert_int_equal(send(p->fd, f.says, strlen(f.says), MSG_NOSIGNAL), strlen(f.says));
	if (f.closes) {
		ev_io_stop(loop, w);
		close(p->fd);
		p->fd = -1;
	}
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	(void)events;
	assert_true(f.peers_n < PEERS_MAX);
	struct peer *p = &f.peers[f.peers_n++];
	p->fd = accept(w->fd, NULL, NULL);
	assert_true(p->fd >= 0);
	ev_io_init(&p->io, on_heard, p->fd, EV_READ);
	p->io.data = p;
	ev_io_start(loop, &p->io);
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop, (void)w, (void)events;
	fail_msg("not within %d s", DEADLINE_S);
}

static void start(unsigned connections, double timeout_s)
{
	memset(&f, 0, sizeof(f));
	f.loop = ev_loop_new(EVFLAG_AUTO);
	f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	assert_int_equal(bind(f.listener, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(f.listener, PEERS_MAX), 0);
	assert_int_equal(getsockname(f.listener, (struct sockaddr *)&a, &n), 0);
	(void)snprintf(f.uri, sizeof(f.uri), "http://127.0.0.1:%u/a?b", ntohs(a.sin_port));
	ev_io_init(&f.accepting, on_accept, f.listener, EV_READ);
	ev_io_start(f.loop, &f.accepting);
	ev_timer_init(&f.deadline, on_deadline, DEADLINE_S, 0);
	ev_timer_start(f.loop, &f.deadline);
	f.client = client_new(f.loop, connections, timeout_s);
	f.says = small;
}

static void stop(void)
{
	client_free(f.client);
	for (size_t i = 0; i < f.peers_n; i++)
		if (f.peers[i].fd >= 0)
			close(f.peers[i].fd);
	close(f.listener);
	ev_loop_destroy(f.loop);
}

static void request_init(struct client_request *r, const char *method)
{
	client_request_init(r, on_done, NULL);
	r->method = method;
	r->keep = true;
}

static void await(size_t done)
{
	while (f.done < done)
		ev_run(f.loop, 0);
}

/* Starts it and waits until it is done, which is never at once. */
static enum load_failure asked(struct client_request *r, const char *uri)
{
	size_t before = f.done;
	client_start(f.client, r, bytes_str(uri));
	assert_int_equal(f.done, before);
	await(before + 1);
	return r->failure;
}

static void connections_are_kept(void **state)
{
	struct client_request r;
	(void)state;
	start(4, 10);
	request_init(&r, "POST");
	r.has_body = true;
	buf_put_str(&r.body, "{}");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(asked(&r, f.uri), FAIL_NONE);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.bytes, 2);
		assert_memory_equal(r.kept.p, "ok", 2);
		assert_true(r.first_byte_ns > 0 && r.first_byte_ns <= r.done_ns);
	}
	assert_int_equal(f.peers_n, 1);
	assert_non_null(strstr(f.heard, "POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(f.heard, "Content-Length: 2\r\n\r\n{}"));
	client_request_fini(&r);
	stop();
}

static void who_finds_none_free_waits_in_line(void **state)
{
	struct client_request r[6];
	(void)state;
	start(2, 10);
	for (size_t i = 0; i < 6; i++) {
		request_init(&r[i], "GET");
		client_start(f.client, &r[i], bytes_str(f.uri));
	}
	client_cancel(&r[0]); /* one that has a connection, and one that waits */
	client_cancel(&r[4]);
	assert_false(client_busy(&r[0]));
	await(4);
	assert_int_equal(f.done, 4);
	assert_true(f.peers_n <= 3); /* a connection that was given up is closed */
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(r[i].status, i == 0 || i == 4 ? 0 : 200);
		client_request_fini(&r[i]);
	}
	stop();
}

static void an_idle_connection_that_was_closed_is_no_failure(void **state)
{
	struct client_request r;
	(void)state;
	start(1, 10);
	request_init(&r, "GET");
	f.closes = true; /* without having said so */
	for (int i = 0; i < 3; i++)
		assert_int_equal(asked(&r, f.uri), FAIL_NONE);
	assert_int_equal(f.peers_n, 3);
	client_request_fini(&r);
	stop();
}

static void a_body_is_sent_again_only_with_a_key(void **state)
{
	struct client_request r;
	(void)state;
	start(1, 10);
	request_init(&r, "POST");
	r.has_body = true;
	buf_put_str(&r.body, "{}");
	f.closes = true;
	assert_int_equal(asked(&r, f.uri), FAIL_NONE);
	assert_int_equal(asked(&r, f.uri), FAIL_CLOSED);
	assert_false(r.again);
	assert_null(strstr(f.heard, "Idempotency-Key"));
	assert_int_equal(asked(&r, f.uri), FAIL_NONE);
	r.key = "one";
	assert_int_equal(asked(&r, f.uri), FAIL_NONE);
	assert_true(r.again);
	assert_non_null(strstr(f.heard, "Idempotency-Key: one\r\n"));
	client_request_fini(&r);
	stop();
}

static void failures_have_names(void **state)
{
	struct client_request r;
	(void)state;
	start(1, 10);
	request_init(&r, "GET");
	f.says = "nonsense\r\n\r\n";
	assert_int_equal(asked(&r, f.uri), FAIL_MALFORMED);
	f.says = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
	f.closes = true;
	assert_int_equal(asked(&r, f.uri), FAIL_CLOSED);
	f.says = "HTTP/1.1 307 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(asked(&r, f.uri), FAIL_NONE);
	assert_int_equal(r.status, 307);
	assert_int_equal(asked(&r, "http://127.0.0.1:1/"), FAIL_REFUSED);
	assert_int_equal(asked(&r, "http://nobody.invalid:80/"), FAIL_UNRESOLVED);
	assert_int_equal(asked(&r, "https://127.0.0.1:1/"), FAIL_MALFORMED);
	client_request_fini(&r);
	stop();
}

static void silence_times_out(void **state)
{
	struct client_request r[2];
	(void)state;
	start(1, 0.05);
	f.says = NULL;
	request_init(&r[0], "GET");
	request_init(&r[1], "GET");
	client_start(f.client, &r[0], bytes_str(f.uri)); /* the second one waits for its connection */
	client_start(f.client, &r[1], bytes_str(f.uri));
	await(2);
	assert_int_equal(r[0].failure, FAIL_TIMEOUT);
	assert_int_equal(r[1].failure, FAIL_TIMEOUT);
	client_request_fini(&r[0]);
	client_request_fini(&r[1]);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_kept),
		cmocka_unit_test(who_finds_none_free_waits_in_line),
		cmocka_unit_test(an_idle_connection_that_was_closed_is_no_failure),
		cmocka_unit_test(a_body_is_sent_again_only_with_a_key),
		cmocka_unit_test(failures_have_names),
		cmocka_unit_test(silence_times_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
