#include "node/origin/curl_fetch.h"

#include "base/obj.h"
#include "node/origin/curl_lane.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define POOL_MAGIC 0x6670306fu
#define FETCH_MAGIC 0x66657463u

enum { CONNECT_DEFAULT_MS = 3000, STALL_DEFAULT_MS = 10000, SLOW_DEFAULT_BYTES = 4096, WHOLE_STEP = 65536 };

LIST_HEAD(lanes, lane);

struct fetch_pool {
	unsigned magic;
	struct fetch_limits limits;
	atomic_bool stopping;
	pthread_mutex_t lock;
	struct lanes idle, busy;
};

struct fetch {
	unsigned magic;
	struct fetch_pool *pool;
	struct lane *lane; /* NULL once the body is whole */
	uint64_t length, at;
	struct buf whole;
	char fault[FETCH_FAULT_MAX];
};

enum err fetch_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? OK : ERR_NO_MEMORY;
}

void fetch_exit(void)
{
	curl_global_cleanup();
}

/* -- the pool -- */

static void lock(struct fetch_pool *p)
{
	CHECK(pthread_mutex_lock(&p->lock) == 0);
}

static void unlock(struct fetch_pool *p)
{
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

struct fetch_pool *fetch_pool_new(const struct fetch_limits *l)
{
	struct fetch_pool *p = OBJ_NEW(struct fetch_pool, POOL_MAGIC);
	p->limits = *l;
	if (l->connect_ms == 0)
		p->limits.connect_ms = CONNECT_DEFAULT_MS;
	if (l->stall_ms == 0)
		p->limits.stall_ms = STALL_DEFAULT_MS;
	if (l->slow_bytes == 0)
		p->limits.slow_bytes = SLOW_DEFAULT_BYTES;
	if (l->first_byte_ms == 0)
		p->limits.first_byte_ms = p->limits.stall_ms;
	LIST_INIT(&p->idle);
	LIST_INIT(&p->busy);
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	return p;
}

void fetch_pool_free(struct fetch_pool *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, POOL_MAGIC);
	CHECK(LIST_EMPTY(&p->busy));
	for (struct lane *l; (l = LIST_FIRST(&p->idle)) != NULL;) {
		LIST_REMOVE(l, link);
		lane_free(l);
	}
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	OBJ_FREE(p);
}

void fetch_pool_stop(struct fetch_pool *p)
{
	OBJ_CHECK(p, POOL_MAGIC);
	struct lane *l;
	atomic_store(&p->stopping, true);
	lock(p);
	LIST_FOREACH(l, &p->busy, link)
	{
		lane_wake(l);
	}
	unlock(p);
}

/* The one that was used last: its connections are the freshest. */
static struct lane *borrow(struct fetch_pool *p)
{
	lock(p);
	struct lane *l = LIST_FIRST(&p->idle);
	if (l != NULL) {
		LIST_REMOVE(l, link);
		LIST_INSERT_HEAD(&p->busy, l, link);
	}
	unlock(p);
	if (l != NULL)
		return l;
	l = lane_new(&p->limits, &p->stopping);
	if (l == NULL)
		return NULL;
	lock(p);
	LIST_INSERT_HEAD(&p->busy, l, link);
	unlock(p);
	return l;
}

static void give_back(struct fetch_pool *p, struct lane *l)
{
	lane_end(l);
	lock(p);
	LIST_REMOVE(l, link);
	LIST_INSERT_HEAD(&p->idle, l, link);
	unlock(p);
}

/* -- a fetch -- */

static void tell(struct fetch_answer *a, const struct lane *l, enum err e)
{
	a->head = l->head;
	a->body_n = l->refusal_n;
	memcpy(a->body, l->refusal, l->refusal_n);
	if (l->head_over)
		store_head_fault(&l->head, a->fault, sizeof(a->fault));
	else
		lane_fault(l, e, a->fault, sizeof(a->fault));
}

/* What did not say how long it is, up to its end. */
static enum err read_whole(struct fetch *f)
{
	uint8_t *piece = malloc(WHOLE_STEP);
	CHECK(piece != NULL);
	size_t n = 0;
	enum err e;
	do {
		e = lane_read(f->lane, piece, WHOLE_STEP, &n);
		if (e == OK)
			buf_put(&f->whole, piece, n);
		if (e == OK && buf_err(&f->whole) != OK)
			e = buf_err(&f->whole) == ERR_TOO_BIG ? ERR_CORRUPT : buf_err(&f->whole);
	} while (e == OK && n > 0);
	free(piece);
	return e;
}

static enum err take_unmeasured(struct fetch *f, struct fetch_answer *a)
{
	if (!lane_tells_end(f->lane)) {
		(void)snprintf(a->fault, sizeof(a->fault), "no Content-Length, and no end that could be told");
		return ERR_CORRUPT;
	}
	buf_init(&f->whole, FETCH_WHOLE_MAX);
	enum err e = read_whole(f);
	if (e == OK) {
		f->length = f->whole.n;
		give_back(f->pool, f->lane);
		f->lane = NULL;
		return OK;
	}
	if (f->whole.err != OK)
		(void)snprintf(
		    a->fault, sizeof(a->fault), "no Content-Length, and more than %d bytes", FETCH_WHOLE_MAX);
	else
		lane_fault(f->lane, e, a->fault, sizeof(a->fault));
	buf_fini(&f->whole);
	return e;
}

static enum err judge(const struct fetch_request *r, const struct store_head *h)
{
	return r->part_length > 0 ? store_head_judge_part(h, r->part_start, r->part_length) : store_head_judge(h);
}

static bool is_part(const struct lane *l)
{
	return l->head.status == 206;
}

enum err fetch_open(
    struct fetch_pool *p, const struct fetch_request *r, struct fetch **out, struct fetch_answer *a)
{
	OBJ_CHECK(p, POOL_MAGIC);
	*a = (struct fetch_answer){ .body_n = 0 };
	struct lane *l = borrow(p);
	if (l == NULL)
		return ERR_NO_MEMORY;
	enum err e = lane_start(l, r);
	tell(a, l, e);
	/* A refusal is one though its body breaks off. */
	if (l->head_over && (e == OK || !lane_brings_object(l)) && e != ERR_CLOSED)
		e = judge(r, &l->head);
	if (e != OK) {
		give_back(p, l);
		return e;
	}
	struct fetch *f = OBJ_NEW(struct fetch, FETCH_MAGIC);
	f->pool = p;
	f->lane = l;
	f->length = is_part(l) ? l->head.part_length : l->head.length;
	if ((!l->head.has_length || l->head.chunked) && !r->head_only && !is_part(l))
		e = take_unmeasured(f, a);
	if (e != OK) {
		give_back(p, l);
		OBJ_FREE(f);
		return e;
	}
	*out = f;
	return OK;
}

uint64_t fetch_length(const struct fetch *f)
{
	return f->length;
}

struct bytes fetch_whole(const struct fetch *f)
{
	return f->lane == NULL ? buf_bytes(&f->whole) : BYTES_NONE;
}

enum err fetch_read(struct fetch *f, uint8_t *to, size_t room, size_t *n)
{
	OBJ_CHECK(f, FETCH_MAGIC);
	uint64_t left = f->length - f->at;
	if (room > left)
		room = (size_t)left;
	size_t got = 0;
	enum err e = OK;
	if (f->lane != NULL && room > 0) {
		e = lane_read(f->lane, to, room, &got);
		if (e == OK && got == 0)
			e = ERR_CORRUPT; /* it ended early */
		if (e != OK)
			lane_fault(f->lane, e, f->fault, sizeof(f->fault));
	} else if (room > 0) {
		got = room;
		memcpy(to, f->whole.p + f->at, got);
	}
	if (e != OK)
		return e;
	f->at += got;
	*n = got;
	return OK;
}

enum err fetch_check(struct fetch *f)
{
	OBJ_CHECK(f, FETCH_MAGIC);
	if (f->at != f->length) {
		(void)snprintf(f->fault, sizeof(f->fault), "read before its end");
		return ERR_CORRUPT;
	}
	if (f->lane == NULL)
		return OK;
	enum err e = lane_finish(f->lane);
	if (e == ERR_CORRUPT)
		(void)snprintf(f->fault, sizeof(f->fault), "longer than it said");
	/* A connection that breaks behind the last byte breaks nothing. */
	return e == ERR_CORRUPT || e == ERR_CLOSED ? e : OK;
}

const char *fetch_fault(const struct fetch *f)
{
	return f->fault;
}

void fetch_close(struct fetch *f)
{
	if (f == NULL)
		return;
	OBJ_CHECK(f, FETCH_MAGIC);
	if (f->lane != NULL)
		give_back(f->pool, f->lane);
	buf_fini(&f->whole);
	OBJ_FREE(f);
}
