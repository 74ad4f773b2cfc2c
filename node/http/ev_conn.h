/* Inside of the transport: one connection as a state machine.
 *
 *     READING  idle, or a request comes in          -> WAITING (whole), LINGER (idle for too long), DEAD
 *     WAITING  a handler has the exchange           -> SENDING (http_respond), DEAD
 *     SENDING  the answer goes out                  -> READING, LINGER (the last one), DEAD
 *     LINGER   our half closed: what still comes is read and dropped, so that a reset does
 *              not overtake the answer              -> DEAD
 *
 * One request at a time: answers are in order by construction. While one is in work, at most
 * pipelined_bytes are read ahead.
 */
#ifndef NODE_HTTP_EV_CONN_H
#define NODE_HTTP_EV_CONN_H

#include "node/http/ev_send.h"
#include "node/http/ev_worker.h"
#include "node/http/parse.h"

#define CONN_MAGIC 0x636f6e6eu
#define EXCHANGE_MAGIC 0x65786368u

enum conn_state { CONN_READING, CONN_WAITING, CONN_SENDING, CONN_LINGER, CONN_DEAD };

/* What a request needs; an idle connection has none. */
struct http_exchange {
	unsigned magic;
	struct conn *conn;
	struct http_exchange *next_spare;
	struct arena arena;
	struct http_parse parse;
	struct outgoing out;
	void (*gone)(void *arg);
	void *gone_arg;
};

struct conn {
	unsigned magic;
	struct http_worker *worker;
	struct conn *next;
	struct conn **prev;
	struct conn *next_ready;
	ev_io io;
	struct timer timer;   /* may ring before deadline_ms, never after */
	uint64_t deadline_ms; /* TIMER_NEVER: none */
	int fd;
	enum conn_state state;
	bool running;           /* conn_run is on the stack */
	bool ready;             /* in the worker's list */
	bool fresh;             /* no request yet */
	bool former;            /* stood when its worker began to drain */
	bool eof;               /* the peer sends no more */
	bool close;             /* after the present answer */
	bool parked;            /* caught up with a growing file */
	bool asked;             /* the handler has the next piece of the answer to give */
	struct cold_read *cold; /* what is fetched from a disk for it; NULL: nothing */
	struct bytes in;        /* read and not parsed: in the worker's scratch (while running) or in `ahead` */
	struct buf ahead;
	struct http_exchange *x;
	struct growing_waiter waiter;
	uint64_t lingered_bytes;
	uint32_t requests_n; /* that came on it */
	uint32_t pace;       /* bytes a second as the kernel has it; UINT32_MAX: no bound */
	char peer[INET6_ADDRSTRLEN];
};

/* Takes the descriptor. */
void conn_start(struct http_worker *w, const struct accepted *a);
/* Goes on as far as it can. Never call a handler's code from inside of another one: http_respond and
 * http_reset make the connection ready instead. */
void conn_run(struct conn *c);
void conn_make_ready(struct conn *c);
/* Its deadline may have come. */
void conn_on_timer(struct conn *c);
/* Ends it, by a reset when told to; memory is freed as soon as nobody holds it. */
void conn_kill(struct conn *c, bool reset);
/* Its next answer is the last; bounds the time for its request when it is idle. */
void conn_on_drain(struct conn *c);
/* As http_response.pace_bytes_per_s. */
void conn_pace(struct conn *c, uint64_t bytes_per_s);

/* ev_cold.c */
/* Has the bytes that the answer stands before read aside; conn_run when they are there. False: no thread can
 * be had for that, send them all the same. */
bool cold_begin(struct conn *c);
/* The connection no longer waits for that. */
void cold_forget(struct conn *c);

/* ev_exchange.c */
struct http_exchange *exchange_take(struct http_worker *w, struct conn *c);
void exchange_put_back(struct http_worker *w, struct http_exchange *x);
void exchange_free(struct http_exchange *x);

#endif
