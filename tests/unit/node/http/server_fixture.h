/* A real server on a port of its own, with a handler for each thing a response can be. */
#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

#include "node/http/ev_server.h"
#include "node/http/growing.h"

enum { FIXTURE_FILE_BYTES = 8 << 20, FIXTURE_PACE_BYTES = 1 << 20 };

struct fixture {
	struct http_server *server;
	struct http_limits limits;
	const struct warmth_ops *warmth; /* the disk; NULL: the kernel's */
	int port;
	int fds[8]; /* its listeners */
	bool listeners_stay;
	int file;                /* FIXTURE_FILE_BYTES of fixture_byte */
	struct growing *growing; /* what /grow sends */
	uint64_t grow_from;
	pthread_mutex_t lock;
	struct http_exchange *kept; /* of /kept, until fixture_release */
	struct letter release;
	atomic_uint kept_n, gone_n, done_n, whole_n, started_n, stopped_n;
	_Atomic uint64_t done_bytes;
	void (*other)(struct http_exchange *x); /* the test's own handler, of /other */
	atomic_uint workers_seen;               /* a bit for each worker that answered */
};

uint8_t fixture_byte(uint64_t i);
/* Small limits of time; the caller may change `limits` before fixture_start. */
void fixture_init(struct fixture *f);
void fixture_start(struct fixture *f, unsigned workers, unsigned listeners);
/* The same with listeners that stayed open. */
void fixture_serve(struct fixture *f, unsigned workers, unsigned listeners);
/* Answers the kept exchange, on its worker. */
void fixture_release(struct fixture *f);
void fixture_end(struct fixture *f);

/* Waits until the counter has that value; fails after 20 s. */
void fixture_await(atomic_uint *counter, unsigned value);
void fixture_await_connections(struct fixture *f, size_t n);
uint64_t fixture_now_ms(void);

#endif
