/* What other nodes ask of this one: GET /peer/{token}/{object} (D7). With `fill=1` in its query it is for
 * ev_peer_fill.c; without, this is the first level.
 *
 * Answered from the cache only: a fresh whole unit, of a large object the slice that the request's Range
 * names, or 504. No session, no place, no fill, no redirect. At most PEERS_AT_ONCE bodies at a time: a node
 * that serves viewers is not to be emptied for others' caches.
 */
#include "node/delivery/ev_peer.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/cache/cache.h"
#include "node/cache/slices.h"
#include "node/delivery/respond.h"
#include "node/http/path.h"
#include "node/origin/ev_purged.h"
#include "node/origin/freshness.h"

#include <string.h>

#define PEER_JOB_MAGIC 0x706a6f62u

enum { PEERS_AT_ONCE = 64 };

struct peer_job {
	unsigned magic;
	struct delivery *d;
	struct cache_unit *unit;
};

void peer_refuse(
    struct delivery *d, struct http_exchange *x, int status, const char *type, const char *detail)
{
	delivery_add(status == 504 ? &d->n.peer_misses : &d->n.peer_refused, 1);
	delivery_add(&d->n.peer_errors, status >= 500);
	http_problem(x, status, type, detail, 0);
}

static void on_sent(void *arg, const struct http_end *end)
{
	struct peer_job *j = OBJ_CAST(struct peer_job, PEER_JOB_MAGIC, arg);
	struct delivery *d = j->d;
	delivery_add(&d->n.peer_bytes, end->body_bytes_sent);
	atomic_fetch_sub(&d->peers_now, 1);
	cache_release(d->c.cache, j->unit);
	OBJ_FREE(j);
}

/* False: there is no room for one more. */
static bool enter(struct delivery *d)
{
	if (atomic_fetch_add(&d->peers_now, 1) < PEERS_AT_ONCE)
		return true;
	atomic_fetch_sub(&d->peers_now, 1);
	return false;
}

enum err peer_say_part(struct http_exchange *x, const struct cache_meta *m, uint32_t slice,
    struct http_response *r, struct http_part *part)
{
	uint64_t total = cache_object_bytes(m), start = slice_start(slice);
	if ((slice == 0 && m->total != 0) || (start > 0 && start >= total))
		return ERR_NOT_FOUND;
	part->length = m->length;
	if (slice == 0 || (slice == 1 && total <= SLICE_BYTES))
		return OK;
	struct http_selection s = { 206, start, slice_length(slice, total) };
	struct bytes range = http_content_range(http_arena(x), &s, total);
	if (range.p == NULL)
		return ERR_NO_MEMORY;
	r->status = s.status;
	http_add(r, "Content-Range", range);
	part->length = s.length;
	part->offset = m->total != 0 ? 0 : start;
	return OK;
}

/* Takes the unit and the room. */
static void send_unit(struct delivery *d, struct http_exchange *x, struct cache_unit *unit, uint32_t slice)
{
	struct http_response r;
	struct http_part part = { .kind = HTTP_PART_FILE, .fd = unit->fd, .file = unit->file };
	struct peer_job *j = OBJ_NEW(struct peer_job, PEER_JOB_MAGIC);
	j->d = d;
	j->unit = unit;
	if (media_respond_peer(unit->meta, d->c.now_wall_ms(), http_arena(x), &r) != OK ||
	    peer_say_part(x, unit->meta, slice, &r, &part) != OK) {
		on_sent(j, &(struct http_end){ .whole = false });
		delivery_add(&d->n.failed, 1);
		http_reset(x);
		return;
	}
	if (part.length > 0)
		r.parts[r.parts_n++] = part;
	r.done = on_sent;
	r.done_arg = j;
	delivery_add(&d->n.peer_served, 1);
	http_respond(x, &r);
}

bool peer_agrees(struct delivery *d, struct http_exchange *x)
{
	struct bytes ids = http_query(http_request(x)->query, "purged");
	while (ids.n > 0) {
		size_t n = bytes_index(ids, ',');
		struct rpc_command_id id;
		if (n != 2 * sizeof(id.b) || text_unhex(id.b, bytes_head(ids, n)) != OK || d->c.purged == NULL ||
		    !purged_has(d->c.purged, &id))
			return false;
		ids = bytes_from(ids, n < ids.n ? n + 1 : n);
	}
	return true;
}

bool peer_slice_asked(const struct http_request *r, uint32_t *slice)
{
	struct http_range range = http_range_parse(http_header(r, "Range"), UINT64_MAX);
	*slice = 0;
	if (range.kind != HTTP_RANGE_PART)
		return true;
	if (range.first % SLICE_BYTES != 0 || range.length != SLICE_BYTES || range.first >= SLICED_BYTES_MAX)
		return false;
	*slice = slice_at(range.first);
	return true;
}

/* All of the object, or the slice. */
static struct cache_unit *look(struct delivery *d, struct cache_key *key, uint32_t slice)
{
	struct cache_unit *unit = cache_look(d->c.cache, key);
	if (unit != NULL && slice_start(slice) > 0 && slice_start(slice) >= unit->meta->length) {
		cache_release(d->c.cache, unit); /* it ends before */
		return NULL;
	}
	key->slice = slice;
	return unit != NULL || slice == 0 ? unit : cache_look(d->c.cache, key);
}

struct cache_unit *peer_find(
    struct delivery *d, const struct token *t, const struct media_path *path, uint32_t slice)
{
	struct cache_key key = { .origin = t->origin, .object = path->object };
	struct cache_unit *unit = look(d, &key, slice);
	if (unit != NULL && freshness_holds(unit->meta, d->c.now_wall_ms()))
		return unit;
	cache_release(d->c.cache, unit);
	return NULL;
}

static bool is_allowed(
    struct delivery *d, struct http_exchange *x, const struct media_path *path, struct token *t)
{
	return token_verify(d->c.keys, path->token, TOKEN_PEER, http_arena(x), t) == OK &&
	       token_check(t, d->c.now_wall_ms() / 1000) == OK && node_id_eq(&t->node, d->c.self) &&
	       token_opens(t, path->object);
}

void delivery_handle_peer(struct delivery *d, struct http_exchange *x)
{
	const struct http_request *r = http_request(x);
	struct media_path path;
	struct token t;
	if (r->method != HTTP_GET) {
		struct http_response refusal;
		media_refuse_method(&refusal);
		http_respond(x, &refusal);
		return;
	}
	if (media_path_parse_below(http_arena(x), BYTES_LIT("peer"), r->path, &path) != OK) {
		peer_refuse(d, x, 400, "malformed", "The path is not /peer/TOKEN/CONTENT/PATH.");
		return;
	}
	if (!is_allowed(d, x, &path, &t)) {
		peer_refuse(
		    d, x, 403, "token-invalid", "The token is not one by which this node may be asked for that.");
		return;
	}
	if (bytes_eq(http_query(r->query, "fill"), BYTES_LIT("1"))) {
		peer_fill_start(d, x, &t, &path);
		return;
	}
	if (!enter(d)) {
		peer_refuse(d, x, 504, "not-cached", "Too many nodes ask at once.");
		return;
	}
	/* Agreement is looked at before the cache is: what is found then came in after those purges. */
	uint32_t slice;
	bool agrees = peer_agrees(d, x) && peer_slice_asked(r, &slice);
	struct cache_unit *unit = agrees ? peer_find(d, &t, &path, slice) : NULL;
	if (unit != NULL) {
		send_unit(d, x, unit, slice);
		return;
	}
	atomic_fetch_sub(&d->peers_now, 1);
	peer_refuse(d, x, 504, "not-cached", "This node's cache does not have it.");
}
