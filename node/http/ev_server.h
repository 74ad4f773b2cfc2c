/* The HTTP/1.1 transport: workers, connections, limits.
 *
 * A server starts from an array of listening descriptors, wherever they came from (opened here with
 * SO_REUSEPORT, inherited from systemd, passed on): descriptor i is served by worker i mod workers. Who
 * wants them to outlive the server says so; connections then wait in them for the next one.
 * A worker is one thread with one libev loop; http_server_on_loop instead serves on a loop that the
 * caller runs (the admin listener on the control loop).
 */
#ifndef NODE_HTTP_EV_SERVER_H
#define NODE_HTTP_EV_SERVER_H

#include "node/ev_mailbox.h"
#include "node/http/fs_warmth.h"
#include "node/http/http.h"

struct http_limits {
	uint32_t header_timeout_ms;  /* whole request head, 10 s */
	uint32_t idle_timeout_ms;    /* between requests, 60 s */
	uint32_t last_request_ms;    /* the same while draining, if less: for one last request, 3 s */
	uint32_t send_timeout_ms;    /* no byte taken by the viewer for that long: reset, 60 s */
	uint32_t body_timeout_ms;    /* whole body, 30 s */
	size_t request_line_bytes;   /* 8 KiB, else 414 */
	size_t headers_bytes;        /* 16 KiB in all and at most 64 fields, else 431 */
	size_t body_bytes;           /* 64 KiB, else 413 */
	size_t connections;          /* a server; past it new ones are reset */
	size_t pipelined_bytes;      /* read ahead of the request in work; past it reading stops, 16 KiB */
	uint32_t requests;           /* on one connection, which ends with the last answer, 10,000; 0: no bound */
	uint64_t egress_bytes_per_s; /* sent by all workers; past it http_overloaded, 0: no bound */
};
extern const struct http_limits http_limits_default;

/* Counters a worker keeps for /metrics; read with relaxed loads from any thread. */
struct http_counters {
	_Atomic uint64_t connections_accepted, connections_open, connections_refused;
	_Atomic uint64_t requests, responses_2xx, responses_3xx, responses_4xx, responses_5xx;
	_Atomic uint64_t bytes_sent, resets, timeouts, malformed;
	_Atomic uint64_t cold_reads; /* sends that waited for a disk, aside */
};

struct aside;
struct http_server;

struct http_server_config {
	const int *listeners; /* the array is borrowed for the call, the descriptors are taken on success */
	size_t listeners_n;
	bool listeners_stay; /* they are never closed, and are the caller's again after http_server_stop */
	unsigned workers;    /* >= 1 */
	const struct http_limits *limits;
	http_handler *handler;
	void *ctx;
	/* Called on each worker's thread before its first request and after its last; may be NULL. */
	void (*worker_start)(void *ctx, struct http_worker *w);
	void (*worker_stop)(void *ctx, struct http_worker *w);
	const struct warmth_ops *warmth; /* NULL: the kernel's */
	/* Called on each worker's thread before it waits for what comes next; may be NULL. */
	void (*worker_rest)(void *ctx, struct http_worker *w);
};

/* Opens listening sockets for "host:port", "[v6]:port": `copies` of each address with SO_REUSEPORT,
 * non-blocking, close-on-exec, backlog from the system. On failure nothing stays open and *bad names
 * the address. */
MUST_USE enum err http_listen(
    const char *const *addresses, size_t n, unsigned copies, int *fds, const char **bad);

MUST_USE enum err http_server_start(const struct http_server_config *c, struct http_server **out);
/* The same on the caller's loop, one "worker", no thread. */
MUST_USE enum err http_server_on_loop(
    const struct http_server_config *c, struct ev_loop *loop, struct http_server **out);
/* Drains, in two steps that both return at once. First: every connection, present or to come, gets
 * `Connection: close` with its next answer, after which our half is closed and what still comes is read
 * (RFC 9112 9.6); who is idle has last_request_ms for one last request. */
void http_server_drain(struct http_server *s);
/* Every worker has begun with that, and each connection that stood then is gone. */
bool http_server_former_gone(const struct http_server *s);
/* Second: no new connection is accepted. Listeners that stay are left alone, and what waits there is for
 * whom they are passed on to; others are closed when all that waited there is accepted. */
void http_server_stop_accepting(struct http_server *s);
/* From now on as with listeners_stay. */
void http_server_keep_listeners(struct http_server *s);
size_t http_server_open_connections(const struct http_server *s);
const struct http_limits *http_server_limits(const struct http_server *s);
/* Of about the last second. */
uint64_t http_server_egress_bytes_per_s(struct http_server *s);
/* Ends all: connections are reset, threads joined. NULL is fine. */
void http_server_stop(struct http_server *s);
void http_server_count(const struct http_server *s, struct http_counters *sum);
unsigned http_server_workers(const struct http_server *s);
/* Of one worker. */
void http_server_count_worker(const struct http_server *s, unsigned worker, struct http_counters *out);

/* Per-worker things of the rooms above. */
unsigned http_worker_index(const struct http_worker *w);
unsigned http_worker_count(const struct http_worker *w); /* of its server */
struct ev_loop *http_worker_loop(const struct http_worker *w);
struct mailbox *http_worker_mailbox(struct http_worker *w);
/* For what would hold up the loop. It ends after the workers, and before what they serve from. */
struct aside *http_worker_aside(const struct http_worker *w);
void http_worker_set_data(struct http_worker *w, void *data);
void *http_worker_data(const struct http_worker *w);
/* Its server sends more than limits.egress_bytes_per_s: whoever is not served yet is to go elsewhere. */
bool http_overloaded(const struct http_worker *w);
/* Milliseconds of CLOCK_MONOTONIC and of the wall, as of this turn of the loop. */
uint64_t http_worker_now_mono_ms(const struct http_worker *w);
uint64_t http_worker_now_wall_ms(const struct http_worker *w);

#endif
