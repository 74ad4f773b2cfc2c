#include "node/origin/curl_peers_ask.h"
#include "node/origin/filler_choice.h"

#include <string.h>

enum {
	/* Who is alive and still waits for the origin store is waited for: longer than a store that cannot be
	 * connected to takes to be known as such, shorter than players wait. */
	AWAIT_MS = 4000,
	MISSING_MAX_MS = 5000,
	VIEW_ARENA_BYTES = 4 << 20,
};

bool peers_look_fillers(struct peers *p, struct bytes origin, struct bytes content, struct bytes object,
    uint64_t object_hash, bool self_serves, struct peer_round *out)
{
	uint64_t now_ms = peers_now_mono_ms();
	struct peer_round r = {
		.origin = origin, .content = content, .object = object, .object_hash = object_hash, .fill = true
	};
	if (content.n == 0 || content.n > TOKEN_NAME_MAX || origin.n > TOKEN_ORIGIN_MAX)
		return false;
	if (!purged_names(p->c.purged, content, object, now_ms, r.purged, &r.purged_n))
		return false;
	struct arena arena;
	arena_init(&arena, VIEW_ARENA_BYTES);
	peers_lock(p);
	const struct cluster_view *view = view_acquire(p->c.views, p->c.view_reader);
	r.picks_n = filler_choose(view, origin, content, &p->nodes, now_ms, self_serves, &arena, r.picks);
	view_release(p->c.views, p->c.view_reader);
	peers_unlock(p);
	arena_fini(&arena);
	*out = r;
	return r.picks_n > 0;
}

enum told { TOLD_OBJECT, TOLD_MISSING, TOLD_NEXT, TOLD_OWN_WAY, TOLD_CLOSED };

static enum told take_missing(const struct store_head *h, struct peer_answer *answer)
{
	*answer =
	    (struct peer_answer){ .missing_ms = h->missing_ms < MISSING_MAX_MS ? h->missing_ms : MISSING_MAX_MS,
		    .grows = h->grows };
	return TOLD_MISSING;
}

/* One node, until it says something else than that it is at it. */
static enum told ask_one(struct peers *p, const struct peer_round *r, const struct peer_pick *pick,
    bool (*over)(void *arg), void *arg, void **handle, struct peer_answer *answer)
{
	uint64_t since_ms = peers_now_mono_ms();
	for (;;) {
		struct store_head head;
		if (over(arg))
			return TOLD_CLOSED;
		atomic_fetch_add(&p->fills_asked, 1);
		enum err e = peers_ask(p, r, pick, 0, handle, answer, &head);
		if (e == OK)
			return TOLD_OBJECT;
		if (e == ERR_CLOSED)
			return TOLD_CLOSED;
		if (head.status == 404 && head.missing)
			return take_missing(&head, answer);
		if (head.status == 504 && head.filling) {
			atomic_fetch_add(&p->fills_awaited, 1);
			if (peers_now_mono_ms() - since_ms < AWAIT_MS)
				continue;
			return TOLD_OWN_WAY;
		}
		if (head.status == 502 || e == ERR_INVALID || e == ERR_TOO_BIG)
			return TOLD_OWN_WAY;
		if (head.status == 504)
			atomic_fetch_add(&p->misses, 1);
		else
			peers_rest_node(p, pick, e);
		return TOLD_NEXT;
	}
}

enum err peers_open_filler(struct peers *p, struct peer_round *r, bool (*over)(void *arg), void *arg,
    void **handle, struct peer_answer *answer)
{
	OBJ_CHECK(p, PEERS_MAGIC);
	CHECK(r->fill);
	while (r->at < r->picks_n) {
		switch (ask_one(p, r, &r->picks[r->at++], over, arg, handle, answer)) {
		case TOLD_OBJECT: return OK;
		case TOLD_MISSING: return ERR_NOT_FOUND;
		case TOLD_CLOSED: return ERR_CLOSED;
		case TOLD_OWN_WAY: return ERR_REFUSED;
		case TOLD_NEXT: break;
		}
	}
	return ERR_REFUSED;
}
