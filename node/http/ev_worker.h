/* Inside of the transport: a worker and its server. Not for the rooms above.
 *
 * A worker's memory is touched by its own thread only, but for what is atomic, the mailbox and the
 * handover.
 */
#ifndef NODE_HTTP_EV_WORKER_H
#define NODE_HTTP_EV_WORKER_H

#include "base/obj.h"
#include "base/timers.h"
#include "node/http/date.h"
#include "node/http/ev_aside.h"
#include "node/http/ev_server.h"
#include "node/http/rate_meter.h"

#include <netinet/in.h>

enum {
	HTTP_SCRATCH_BYTES = 16 << 10,  /* one read */
	HTTP_SLICE_MIN_BYTES = 1 << 20, /* sent to one connection in one turn of the loop: of a new answer */
	HTTP_SLICE_MAX_BYTES = 2 << 20, /* of one that took as much before */
	HTTP_REQUESTS_A_TURN = 32,      /* answered on one connection in one turn */
	HTTP_ACCEPTS_A_TURN = 64,
	HTTP_HANDOVER_MAX = 128,
	HTTP_EXCHANGES_KEPT = 64, /* idle memory of a worker */
	HTTP_ACCEPT_PAUSE_MS = 100,
};

#define HTTP_WORKER_MAGIC 0x776f726bu
#define HTTP_SERVER_MAGIC 0x73657276u

/* A connection on its way to its worker. */
struct accepted {
	int fd;
	char peer[INET6_ADDRSTRLEN];
};

struct handover {
	pthread_mutex_t lock;
	struct accepted ring[HTTP_HANDOVER_MAX];
	unsigned first, n;
	struct letter letter;
};

struct listener {
	ev_io io;
	struct http_worker *worker;
	int fd;
};

struct conn;

struct http_worker {
	unsigned magic;
	unsigned index;
	struct http_server *server;
	struct ev_loop *loop;
	pthread_t thread;
	void *data;
	struct mailbox mailbox;
	struct warm_known warm_known;
	struct letter drain_letter;
	struct letter close_letter;
	struct letter stop_letter;
	bool draining;

	ev_check turn_begins;
	ev_prepare turn_ends;
	ev_timer alarm;
	struct timers timers;
	uint64_t alarm_at_ms;
	uint64_t mono_ms;
	uint64_t wall_ms;
	uint64_t date_s; /* what `date` says */
	char date[HTTP_DATE_BYTES];

	struct listener *listeners; /* with room for all of the server's */
	size_t listeners_n;
	ev_timer accept_again;
	int reserve_fd; /* given up to accept and refuse when descriptors have run out; -1 */
	struct handover handover;

	struct conn *conns;
	struct conn *ready; /* to be run before the loop sleeps */
	struct http_exchange *spare;
	unsigned spare_n;
	uint8_t scratch[HTTP_SCRATCH_BYTES];

	struct http_counters counters;
};

struct http_server {
	unsigned magic;
	struct http_limits limits;
	http_handler *handler;
	void *ctx;
	void (*worker_start)(void *ctx, struct http_worker *w);
	void (*worker_stop)(void *ctx, struct http_worker *w);
	void (*worker_rest)(void *ctx, struct http_worker *w);
	bool own_threads;
	atomic_bool listeners_stay;
	_Atomic unsigned draining_n; /* workers that drain */
	_Atomic size_t former;       /* connections that stood when their worker began to */
	const struct warmth_ops *warmth;
	struct aside *aside;
	_Atomic size_t connections; /* on all workers, and on their way to one */
	/* What is sent, looked at by whichever worker comes by. */
	_Atomic uint64_t look_due_ms;
	atomic_bool looking; /* guards the meter */
	struct rate_meter egress;
	_Atomic uint64_t egress_bytes_per_s;
	atomic_bool overloaded;
	unsigned workers_n;
	struct http_worker *workers;
};

/* Sets up all that needs no descriptor; `loop` is borrowed. */
void worker_init(struct http_worker *w, struct http_server *s, unsigned index, struct ev_loop *loop);
void worker_listen(struct http_worker *w, int fd);
/* Begins to accept, on the loop's thread. */
void worker_begin(struct http_worker *w);
/* On the loop's thread: resets every connection, ends the watchers. */
void worker_end(struct http_worker *w);
/* After every thread has ended. Closes the listeners when told to. */
void worker_fini(struct http_worker *w, bool close_listeners);
/* On any worker: measures what is sent, a few times a second. */
void server_look_at_egress(struct http_server *s, uint64_t now_mono_ms);
/* The value of Date for an answer of this turn. */
const char *worker_date(struct http_worker *w);

#define COUNT(worker, counter, n) \
	atomic_fetch_add_explicit(&(worker)->counters.counter, (uint64_t)(n), memory_order_relaxed)

#endif
