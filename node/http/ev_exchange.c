#include "node/http/ev_conn.h"

enum { ARENA_MAX_BYTES = 256 << 10, HEAD_KEPT_BYTES = 8 << 10, BODY_KEPT_BYTES = 4 << 10 };

struct http_exchange *exchange_take(struct http_worker *w, struct conn *c)
{
	struct http_exchange *x = w->spare;
	if (x != NULL) {
		w->spare = x->next_spare;
		w->spare_n--;
	} else {
		const struct http_limits *l = &w->server->limits;
		struct http_parse_limits limits = { l->request_line_bytes, l->headers_bytes, l->body_bytes };
		x = OBJ_NEW(struct http_exchange, EXCHANGE_MAGIC);
		arena_init(&x->arena, ARENA_MAX_BYTES);
		http_parse_init(&x->parse, &limits, &x->arena);
		outgoing_init(&x->out, w->server->warmth, &w->warm_known);
	}
	x->conn = c;
	return x;
}

void exchange_free(struct http_exchange *x)
{
	http_parse_fini(&x->parse);
	outgoing_fini(&x->out);
	arena_fini(&x->arena);
	OBJ_FREE(x);
}

void exchange_put_back(struct http_worker *w, struct http_exchange *x)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	x->conn = NULL;
	x->gone = NULL;
	if (w->spare_n == HTTP_EXCHANGES_KEPT) {
		exchange_free(x);
		return;
	}
	http_parse_reset(&x->parse);
	if (x->parse.head.cap > HEAD_KEPT_BYTES)
		buf_fini(&x->parse.head);
	if (x->parse.body.cap > BODY_KEPT_BYTES)
		buf_fini(&x->parse.body);
	arena_reset(&x->arena);
	x->next_spare = w->spare;
	w->spare = x;
	w->spare_n++;
}

const struct http_request *http_request(const struct http_exchange *x)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	return &x->parse.request;
}

struct arena *http_arena(struct http_exchange *x)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	return &x->arena;
}

struct http_worker *http_worker_of(const struct http_exchange *x)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	return x->conn->worker;
}

/* The connection of an exchange that waits for its answer; anything else is a handler's bug. */
static struct conn *waiting_conn(const struct http_exchange *x)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	OBJ_CHECK(x->conn, CONN_MAGIC);
	CHECK(x->conn->x == x && x->conn->state == CONN_WAITING);
	return x->conn;
}

static void count_status(struct http_worker *w, int status)
{
	if (status >= 500)
		COUNT(w, responses_5xx, 1);
	else if (status >= 400)
		COUNT(w, responses_4xx, 1);
	else if (status >= 300)
		COUNT(w, responses_3xx, 1);
	else
		COUNT(w, responses_2xx, 1);
}

static bool closes(const struct http_exchange *x)
{
	const struct conn *c = waiting_conn(x);
	uint32_t requests_max = c->worker->server->limits.requests;
	return c->close || !x->parse.keep_alive || c->worker->draining ||
	       (requests_max > 0 && c->requests_n >= requests_max);
}

bool http_takes_prepared(const struct http_exchange *x)
{
	return !x->parse.request.http10 && !closes(x);
}

void http_prepare(const struct http_exchange *x, const struct http_response *r, struct buf *out)
{
	struct http_head_options options = { .method = HTTP_GET, .date = worker_date(x->conn->worker) };
	http_response_head(out, r, &options);
}

void http_respond(struct http_exchange *x, const struct http_response *r)
{
	struct conn *c = waiting_conn(x);
	struct http_worker *w = c->worker;
	c->close = r->close || closes(x);
	CHECK(r->head.n == 0 || (!c->close && !x->parse.request.http10));
	struct http_head_options options = {
		.method = x->parse.request.method,
		.http10 = x->parse.request.http10,
		.close = c->close,
		.date = worker_date(w),
	};
	x->gone = NULL;
	c->state = CONN_SENDING;
	conn_pace(c, r->pace_bytes_per_s);
	count_status(w, r->status);
	conn_make_ready(c); /* first: from then on it outlives its death */
	if (outgoing_start(&x->out, r, &options) != OK) {
		COUNT(w, resets, 1);
		conn_kill(c, true);
	}
}

void http_give(struct http_exchange *x, const struct http_part *part)
{
	OBJ_CHECK(x, EXCHANGE_MAGIC);
	struct conn *c = OBJ_CAST(struct conn, CONN_MAGIC, x->conn);
	CHECK(c->x == x && c->state == CONN_SENDING);
	outgoing_give(&x->out, part);
	c->asked = false;
	conn_make_ready(c); /* nothing to do when it asks at this moment */
}

void http_reset(struct http_exchange *x)
{
	struct conn *c = waiting_conn(x);
	x->gone = NULL;
	COUNT(c->worker, resets, 1);
	conn_make_ready(c);
	conn_kill(c, true);
}

void http_on_gone(struct http_exchange *x, void (*gone)(void *arg), void *arg)
{
	waiting_conn(x);
	x->gone = gone;
	x->gone_arg = arg;
}
