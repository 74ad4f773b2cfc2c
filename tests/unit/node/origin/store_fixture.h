/* A store that speaks HTTP on a port of its own, as badly as a test wants: each connection has a thread, and
 * a handler of the test's writes what it likes. It counts.
 */
#ifndef TESTS_UNIT_NODE_STORE_FIXTURE_H
#define TESTS_UNIT_NODE_STORE_FIXTURE_H

#include "node/origin/source.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STORE_CONNECTIONS_MAX = 64 };

struct store;

struct store_request {
	struct store *store;
	int fd;
	char method[16], target[1024];
	char head[8192]; /* all of it, with a NUL */
	bool first;      /* on its connection */
};

struct store_connection {
	struct store *store;
	pthread_t thread;
	int fd;
};

struct store {
	int listener, port;
	/* True: the connection goes on. */
	bool (*answer)(struct store_request *r);
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ending, let_go; /* under the lock */
	atomic_uint connections, requests, heads;
	unsigned threads_n;
	struct store_connection threads[STORE_CONNECTIONS_MAX];
};

void store_start(struct store *s, bool (*answer)(struct store_request *r));
/* Ends all connections. */
void store_end(struct store *s);

void store_say(struct store_request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint8_t store_byte(uint64_t i);
/* Bytes first, first + 1 ... of an object. */
void store_give(struct store_request *r, uint64_t first, uint64_t n);
/* A whole answer with `fields` (lines with their ends), `n` bytes, and no body to HEAD. */
void store_answer(struct store_request *r, const char *fields, uint64_t n);
/* Closes with a reset. */
bool store_reset(struct store_request *r);
/* Waits until store_let_go, or the end. */
void store_hold(struct store_request *r);
void store_let_go(struct store *s);
/* The value of a field of the request; "" when it has none. */
const char *store_field(const struct store_request *r, const char *name, char out[512]);

#endif
