/* What other nodes ask this one to fill for them: GET /peer/{token}/{object}?fill=1 (D7, its second level).
 *
 * Their viewers wait, so the answer comes within a second whatever the origin store does: the object as it
 * grows, that there is none, or that the fill is under way. The fill asks holders and the origin store, never
 * a third node to fill. A node without a disk in service does not fill for others.
 */
#include "node/delivery/ev_peer.h"

#include "base/obj.h"
#include "node/cache/cache.h"
#include "node/delivery/respond.h"
#include "node/http/ev_server.h"
#include "node/http/path.h"
#include "node/origin/fill.h"

#include <string.h>

#define PEER_FILL_MAGIC 0x7066696cu

enum { FILLS_AT_ONCE = 512 };

/* Until its last byte is sent. On the heap: it outlives the exchange of a node that went while the fill's
 * answer was under way. Belongs to one worker. */
struct peer_fill {
	unsigned magic;
	struct delivery *d;
	struct http_exchange *x; /* NULL: the other node is gone */
	struct fill_waiter waiter;
	struct cache_unit *unit;
	uint32_t slice;       /* that is asked for; 0: all of it */
	struct orphan orphan; /* while x is NULL */
};

static void job_free(struct peer_fill *j)
{
	atomic_fetch_sub(&j->d->peer_fills_now, 1);
	cache_release(j->d->c.cache, j->unit);
	OBJ_FREE(j);
}

static void drop_answer(struct peer_fill *j)
{
	cache_release(j->d->c.cache, j->waiter.answer.unit);
	growing_unref(j->waiter.answer.growing);
}

static void orphan_end(struct orphan *o)
{
	struct peer_fill *j = CONTAINER_OF(o, struct peer_fill, orphan);
	drop_answer(j);
	job_free(j);
}

/* -- answers -- */

static void on_sent(void *arg, const struct http_end *end)
{
	struct peer_fill *j = OBJ_CAST(struct peer_fill, PEER_FILL_MAGIC, arg);
	delivery_add(&j->d->n.peer_bytes, end->body_bytes_sent);
	job_free(j);
}

/* It has no such slice, or is too large to be asked for whole: the other node goes its own way. */
static void no_slice(struct peer_fill *j)
{
	struct delivery *d = j->d;
	struct http_exchange *x = j->x;
	uint32_t slice = j->slice;
	job_free(j);
	peer_refuse(d, x, slice == 0 ? 504 : 416, "no-slice", "The object has no such slice.");
}

/* Ends the job where it is not sent. */
static void send_object(struct peer_fill *j, const struct cache_meta *meta, struct http_part body)
{
	struct delivery *d = j->d;
	struct http_exchange *x = j->x;
	struct http_response r;
	enum err e = media_respond_peer(meta, d->c.now_wall_ms(), http_arena(x), &r);
	if (e == OK)
		e = peer_say_part(x, meta, j->slice, &r, &body);
	if (e == ERR_NOT_FOUND) {
		no_slice(j);
		return;
	}
	if (e != OK) {
		delivery_add(&d->n.failed, 1);
		job_free(j);
		http_reset(x);
		return;
	}
	if (body.length > 0)
		r.parts[r.parts_n++] = body;
	r.done = on_sent;
	r.done_arg = j;
	delivery_add(&d->n.peer_served, 1);
	http_respond(x, &r);
}

static void send_unit(struct peer_fill *j, struct cache_unit *unit)
{
	j->unit = unit;
	send_object(
	    j, unit->meta, (struct http_part){ .kind = HTTP_PART_FILE, .fd = unit->fd, .file = unit->file });
}

static void send_growing(struct peer_fill *j, const struct fill_answer *a)
{
	struct growing *growing = a->growing;
	struct cache_meta meta = a->meta;
	send_object(j, &meta, (struct http_part){ .kind = HTTP_PART_GROWING, .growing = growing });
	growing_unref(growing);
}

static void send_missing(struct http_exchange *x, const struct fill_answer *a)
{
	struct http_response r = { .status = 404 };
	media_respond_peer_missing(a->missing_ms, a->grows, http_arena(x), &r);
	http_respond(x, &r);
}

static void on_answer(struct letter *l)
{
	struct peer_fill *j = CONTAINER_OF(l, struct peer_fill, waiter.letter);
	OBJ_CHECK(j, PEER_FILL_MAGIC);
	if (j->x == NULL) {
		orphans_end(&j->d->orphans, &j->orphan);
		return;
	}
	struct delivery *d = j->d;
	struct http_exchange *x = j->x;
	const struct fill_answer a = j->waiter.answer;
	http_on_gone(x, NULL, NULL);
	if (a.outcome == FILL_HIT) {
		send_unit(j, a.unit);
		return;
	}
	if (a.outcome == FILL_GROWING) {
		send_growing(j, &a);
		return;
	}
	if (a.outcome == FILL_NO_SLICE) {
		no_slice(j);
		return;
	}
	job_free(j);
	if (a.outcome == FILL_NOT_FOUND) {
		send_missing(x, &a);
	} else if (a.outcome == FILL_PENDING) {
		delivery_add(&d->n.peer_fills_pending, 1);
		delivery_add(&d->n.peer_errors, 1);
		http_problem_with(x, 504, "filling", "The origin store takes its time: ask again.",
		    &(struct http_field){ "Warmcast-Filling", BYTES_LIT("1") });
	} else if (a.error == ERR_BUSY || a.error == ERR_FULL || a.error == ERR_CLOSED) {
		peer_refuse(d, x, 504, "not-filled", "This node does not fill it for others now.");
	} else {
		peer_refuse(
		    d, x, 502, "origin-unavailable", "The object could not be fetched from the origin store.");
	}
}

/* -- asking -- */

static void on_gone(void *arg)
{
	struct peer_fill *j = OBJ_CAST(struct peer_fill, PEER_FILL_MAGIC, arg);
	j->x = NULL;
	if (fill_forget(j->d->c.fills, &j->waiter))
		job_free(j);
	else
		orphans_add(&j->d->orphans, &j->orphan, orphan_end);
}

static bool disks_serve(const struct delivery *d)
{
	struct cache_counters n;
	cache_count(d->c.cache, &n);
	return n.disks_down < d->c.config->disks_n || d->c.config->disks_n == 0;
}

/* RFC 8586: every node that passes a request on adds the cluster's name; one that bears it twice has come
 * round. */
static bool is_loop(struct delivery *d, struct http_exchange *x)
{
	return delivery_loops(d, http_request(x)) > 1;
}

static bool enter(struct delivery *d)
{
	if (atomic_fetch_add(&d->peer_fills_now, 1) < FILLS_AT_ONCE)
		return true;
	atomic_fetch_sub(&d->peer_fills_now, 1);
	return false;
}

void peer_fill_start(
    struct delivery *d, struct http_exchange *x, const struct token *t, const struct media_path *path)
{
	const struct config_origin *origin = delivery_origin(d, t->origin);
	uint32_t slice;
	if (origin == NULL || !peer_slice_asked(http_request(x), &slice) || is_loop(d, x) || !peer_agrees(d, x) ||
	    !disks_serve(d) || !enter(d)) {
		peer_refuse(d, x, 504, "not-filled", "This node does not fill it for others now.");
		return;
	}
	struct peer_fill *j = OBJ_NEW(struct peer_fill, PEER_FILL_MAGIC);
	j->d = d;
	j->x = x;
	delivery_add(&d->n.peer_fills, 1);
	j->slice = slice;
	struct cache_unit *unit = peer_find(d, t, path, slice);
	if (unit != NULL) {
		send_unit(j, unit);
		return;
	}
	j->waiter = (struct fill_waiter){ .mailbox = http_worker_mailbox(http_worker_of(x)),
		.for_peer = true,
		.ahead = bytes_eq(http_query(http_request(x)->query, "ahead"), BYTES_LIT("1")) };
	j->waiter.letter.deliver = on_answer;
	http_on_gone(x, on_gone, j);
	fill_want_slice(d->c.fills, origin, t->content, path->object, slice > 0 ? slice : 1, NULL, &j->waiter);
}
