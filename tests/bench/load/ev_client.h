/* An HTTP client on one libev loop: many requests to a few servers, over kept connections, a bounded number
 * to each; what finds none free waits in line.
 *
 * Ownership: a request belongs to the caller and stays where it is from client_start until `done` was called
 * or client_cancel; `done` is never called from within client_start, and may free or start the request again.
 * What is lost with a kept connection before any of its answer came is asked once more on a new one
 * (RFC 9112, 9.3.1): without a body, or with an Idempotency-Key.
 * Names are resolved when a server is first met, and the loop waits for that.
 * Threading: one loop, one thread.
 */
#ifndef BENCH_LOAD_EV_CLIENT_H
#define BENCH_LOAD_EV_CLIENT_H

#include "tests/bench/load/answer.h"
#include "tests/bench/load/counts.h"

#include <ev.h>

enum { CLIENT_SERVERS_MAX = 256, CLIENT_KEEP_MAX = 4 << 20 };

struct client;
struct client_conn;

struct client_request {
	/* the caller's, before client_start */
	const char *method; /* literal */
	bool has_body;
	bool keep; /* whether the body of the answer is wanted, or only its length */
	/* Idempotency-Key: one with a body may be asked again then, as those without one are; NULL: none. */
	const char *key;
	struct buf body;
	void (*done)(struct client_request *r);
	void *arg;

	/* the answer, in `done` */
	enum load_failure failure; /* FAIL_NONE: an answer came, whatever its status */
	unsigned status;
	uint64_t first_byte_ns, done_ns; /* monotonic; of the status line and the body's end */
	uint64_t bytes;                  /* of the body */
	struct buf kept;                 /* the body */
	struct bytes location;           /* valid in `done` only */
	bool again; /* the connection was closed before an answer came, and it was asked once more */

	/* the client's own */
	struct client *client;
	struct client_conn *conn;
	size_t server;
	struct buf head;
	ev_timer timer;
	struct client_request *next, *prev;
	bool waiting;
};

struct client *client_new(struct ev_loop *loop, unsigned connections_max, double timeout_s);
/* No request may be under way. */
void client_free(struct client *c);

void client_request_init(struct client_request *r, void (*done)(struct client_request *r), void *arg);
void client_request_fini(struct client_request *r);
bool client_busy(const struct client_request *r);
/* `uri` is absolute; a copy is made. */
void client_start(struct client *c, struct client_request *r, struct bytes uri);
/* No-op when it is not under way. */
void client_cancel(struct client_request *r);

/* CLOCK_MONOTONIC. */
uint64_t client_now_ns(void);

#endif
