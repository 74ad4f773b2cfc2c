#include "link_test.h"
#include "rpc/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct ev_loop *test_loop(void)
{
	return ev_default_loop(0);
}

uint64_t test_now_ms(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)w;
	(void)events;
}

void test_run_some(void)
{
	ev_timer tick;
	ev_timer_init(&tick, on_tick, 0.005, 0.);
	ev_timer_start(test_loop(), &tick);
	ev_run(test_loop(), EVRUN_ONCE);
	ev_timer_stop(test_loop(), &tick);
}

void test_run_for(uint64_t ms)
{
	for (uint64_t end = test_now_ms() + ms; test_now_ms() < end;)
		test_run_some();
}

static void on_up(void *ctx, link_id link, const struct rpc_hello *peer, uint32_t version, bool dialled)
{
	struct side *s = ctx;
	assert_true(link != 0);
	s->ups++;
	s->link = link;
	s->peer = peer->node;
	s->version = version;
	s->dialled = dialled;
}

static void on_down(void *ctx, link_id link, bool bye)
{
	struct side *s = ctx;
	s->downs++;
	s->byes += bye;
	if (s->link == link)
		s->link = 0;
}

static void on_message(void *ctx, link_id link, const struct rpc_msg *m)
{
	struct side *s = ctx;
	s->messages++;
	if (m->kind == RPC_UNKNOWN)
		s->unknown++;
	if (m->kind == RPC_ROW_FRAME) {
		s->last_from = m->row_frame.from;
		for (size_t i = 0; i < m->row_frame.entries_n; i++)
			s->bytes += m->row_frame.entries[i].value.n;
	}
	if (s->on_message != NULL)
		s->on_message(s, link, m);
}

static void on_refused(void *ctx, const char *address, enum rpc_refusal reason, const struct rpc_hello *peer,
    bool by_peer, const char *text)
{
	struct side *s = ctx;
	assert_non_null(strchr(address, ':'));
	s->refusals++;
	s->refusal = reason;
	s->refusal_has_peer = peer != NULL;
	s->refused_by_peer = by_peer;
	snprintf(s->refusal_text, sizeof(s->refusal_text), "%s", text);
}

static void on_dial_failed(void *ctx, const char *address, enum err e)
{
	struct side *s = ctx;
	assert_non_null(strchr(address, ':'));
	s->dials_failed++;
	s->dial_error = e;
}

static const struct nng_links_events events = { on_up, on_down, on_message, on_refused, on_dial_failed };

static void count_on(void *out, size_t n)
{
	static uint64_t count;
	assert_true(n >= sizeof(count));
	memset(out, 0, n);
	count++;
	memcpy(out, &count, sizeof(count));
}

struct nng_links_config side_config(struct side *s, struct rpc_hello self, const char *listen_at)
{
	memset(s, 0, sizeof(*s));
	return (struct nng_links_config){
		.loop = test_loop(),
		.self = self,
		.random = count_on,
		.listen = listen_at,
		.seed = 1,
		.events = &events,
		.ctx = s,
	};
}

void side_start_with_keys(
    struct side *s, struct rpc_hello self, const char *listen_at, const struct cluster_keys *keys)
{
	struct nng_links_config c = side_config(s, self, listen_at);
	c.keys = keys;
	assert_int_equal(nng_links_new(&c, &s->links), OK);
}

void side_start(struct side *s, struct rpc_hello self, const char *listen_at)
{
	side_start_with_keys(s, self, listen_at, NULL);
}

void side_stop(struct side *s)
{
	nng_links_free(s->links);
	s->links = NULL;
}

const char *side_address(const struct side *s, char out[32])
{
	snprintf(out, 32, "127.0.0.1:%u", nng_links_port(s->links));
	return out;
}

void side_dial(struct side *from, const struct side *to)
{
	char address[32];
	assert_int_equal(nng_links_dial(from->links, side_address(to, address)), OK);
}

uint64_t side_links(const struct side *s)
{
	struct nng_links_counters c;
	nng_links_count(s->links, &c);
	return c.links;
}

enum err side_send(struct side *s, uint64_t from, size_t value_bytes)
{
	static uint8_t zeroes[RPC_VALUE_MAX];
	struct rpc_entry e = {
		.version = from + 1, .key = BYTES_LIT("k"), .value = bytes_of(zeroes, value_bytes)
	};
	struct rpc_msg m = { .kind = RPC_ROW_FRAME,
		.row_frame = { .owner = test_id(1),
		    .stream = RPC_LOCATIONS,
		    .incarnation = { 1, 1 },
		    .from = from,
		    .to = from + 1,
		    .horizon = from + 1,
		    .entries = &e,
		    .entries_n = 1 } };
	return nng_links_send(s->links, s->link, &m);
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
}

int raw_connect(const struct side *to)
{
	struct sockaddr_in a = loopback(nng_links_port(to->links));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		assert_int_equal(errno, EINPROGRESS);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	run_until(poll(&p, 1, 0) == 1);
	assert_int_equal(p.revents, POLLOUT);
	return fd;
}

int raw_listen(unsigned *port)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

int raw_accept(int listener)
{
	int fd = -1;
	run_until((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	return fd;
}

void raw_send(int fd, struct bytes b)
{
	while (b.n > 0) {
		ssize_t n = send(fd, b.p, b.n, MSG_NOSIGNAL);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			test_run_some();
			continue;
		}
		b = bytes_from(b, (size_t)n);
	}
}

void raw_send_frame(int fd, struct bytes frame)
{
	uint8_t prefix[FRAME_PREFIX_BYTES];
	frame_prefix(prefix, frame.n);
	raw_send(fd, bytes_of(prefix, sizeof(prefix)));
	raw_send(fd, frame);
}

static struct rpc_names *raw_names;

void raw_speak(struct rpc_names *names)
{
	raw_names = names;
}

void raw_send_msg(int fd, struct rpc_msg *m)
{
	struct arena scratch;
	struct buf out;
	arena_init(&scratch, RPC_ARENA_MAX);
	buf_init(&out, RPC_FRAME_MAX);
	assert_int_equal(rpc_encode_named(m, raw_names, &scratch, &out), OK);
	rpc_names_said(raw_names);
	raw_send_frame(fd, buf_bytes(&out));
	arena_fini(&scratch);
	buf_fini(&out);
}

static bool receive_all(int fd, void *to, size_t n)
{
	uint8_t *at = to;
	while (n > 0) {
		ssize_t got = -1;
		run_until((got = recv(fd, at, n, 0)) >= 0 || errno != EAGAIN);
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

static struct arena received;

static uint8_t frame[RPC_FRAME_MAX];
static size_t frame_n;

struct bytes raw_received_frame(void)
{
	return bytes_of(frame, frame_n);
}

bool raw_receive(int fd, struct rpc_msg *m)
{
	uint8_t p[FRAME_PREFIX_BYTES];
	if (!receive_all(fd, p, sizeof(p)))
		return false;
	size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	assert_in_range(n, 0, sizeof(frame));
	if (!receive_all(fd, frame, n))
		return false;
	frame_n = n;
	raw_forget();
	arena_init(&received, RPC_ARENA_MAX);
	assert_int_equal(rpc_decode_named(bytes_of(frame, n), raw_names, &received, m), OK);
	return true;
}

void raw_forget(void)
{
	arena_fini(&received);
}
