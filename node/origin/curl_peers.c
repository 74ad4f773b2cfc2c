#include "node/origin/curl_peers_ask.h"

#include "base/text.h"
#include "node/fs_log.h"
#include "node/http/path.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	STALL_MS = 3000,       /* of a body that has begun */
	FILL_STALL_MS = 12000, /* of one that is being filled: the origin store's own patience, and some */
	TOKEN_LIFE_S = 60,
	HOLDERS_MAX = 64,
	ARENA_BYTES = 64 * 1024,
	URL_MAX = 8192,
};

uint64_t peers_now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- what has been opened -- */

static enum err peer_read(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n)
{
	(void)s;
	return fetch_read(handle, to, room, n);
}

static enum err peer_check(struct origin_source *s, void *handle)
{
	(void)s;
	return fetch_check(handle);
}

static void peer_close(struct origin_source *s, void *handle)
{
	(void)s;
	fetch_close(handle);
}

struct origin_source *peers_source(struct peers *p)
{
	OBJ_CHECK(p, PEERS_MAGIC);
	return &p->source;
}

/* -- life -- */

enum err peers_new(const struct peers_config *c, struct peers **out)
{
	struct kvs_reader *reader;
	enum err e = kvs_reader_open(c->store, &reader);
	if (e != OK)
		return e;
	struct peers *p = OBJ_NEW(struct peers, PEERS_MAGIC);
	p->c = *c;
	p->reader = reader;
	struct fetch_limits limits = {
		.connect_ms = PEERS_FIRST_BYTE_MS, .first_byte_ms = PEERS_FIRST_BYTE_MS, .stall_ms = STALL_MS
	};
	p->pool = fetch_pool_new(&limits);
	limits.stall_ms = FILL_STALL_MS;
	limits.head_is_first = true;
	p->fill_pool = fetch_pool_new(&limits);
	p->source = (struct origin_source){ .read = peer_read, .check = peer_check, .close = peer_close };
	(void)snprintf(p->cdn_loop, sizeof(p->cdn_loop), "CDN-Loop: warmcast-%s", c->cluster);
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	*out = p;
	return OK;
}

void peers_free(struct peers *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PEERS_MAGIC);
	fetch_pool_free(p->pool);
	fetch_pool_free(p->fill_pool);
	kvs_reader_close(p->reader);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	OBJ_FREE(p);
}

void peers_stop(struct peers *p)
{
	OBJ_CHECK(p, PEERS_MAGIC);
	fetch_pool_stop(p->pool);
	fetch_pool_stop(p->fill_pool);
}

/* -- whom to ask -- */

/* Under the lock. A replica that cannot be read has no holders: the origin store is asked. */
static size_t read_holders(
    struct peers *p, struct bytes origin, struct bytes content, struct node_id out[HOLDERS_MAX])
{
	struct kvs_holder holders[HOLDERS_MAX];
	struct arena arena;
	size_t n = 0;
	arena_init(&arena, ARENA_BYTES);
	if (kvs_reader_holders(p->reader, origin, content, &arena, holders, HOLDERS_MAX, &n) != OK)
		n = 0;
	for (size_t i = 0; i < n; i++)
		out[i] = holders[i].node;
	arena_fini(&arena);
	return n;
}

bool peers_look(struct peers *p, struct bytes origin, struct bytes content, struct bytes object,
    uint64_t object_hash, struct peer_round *out)
{
	struct node_id holders[HOLDERS_MAX];
	uint64_t now_ms = peers_now_mono_ms();
	struct peer_round r = {
		.origin = origin, .content = content, .object = object, .object_hash = object_hash
	};
	if (content.n == 0 || content.n > TOKEN_NAME_MAX || origin.n > TOKEN_ORIGIN_MAX)
		return false;
	if (!purged_names(p->c.purged, content, object, now_ms, r.purged, &r.purged_n))
		return false;
	peers_lock(p);
	size_t n = rests_has(&p->objects, object_hash, now_ms) ? 0 : read_holders(p, origin, content, holders);
	if (n > 0) {
		const struct cluster_view *view = view_acquire(p->c.views, p->c.view_reader);
		r.picks_n = peer_choose(view, holders, n, &p->nodes, now_ms, object_hash, r.picks);
		view_release(p->c.views, p->c.view_reader);
	}
	peers_unlock(p);
	*out = r;
	return r.picks_n > 0;
}

/* -- asking -- */

static enum err sign(const struct peers *p, const struct peer_round *r, const struct peer_pick *pick,
    struct arena *a, struct bytes *text)
{
	uint64_t now_s = p->c.now_wall_ms() / 1000;
	struct token t = {
		.kind = TOKEN_PEER,
		.origin = r->origin,
		.content = r->content,
		.issued_by = *p->c.self,
		.node = pick->id,
		.issued_at_s = now_s,
		.not_after_s = now_s + TOKEN_LIFE_S,
	};
	/* A session's token may open objects beside its content; they are filled for it all the same. */
	if (!token_opens(&t, r->object)) {
		if (r->object.n > TOKEN_NAME_MAX)
			return ERR_TOO_BIG;
		t.prefixes[t.prefixes_n++] = r->object;
	}
	return token_sign(p->c.keys, &t, a, text);
}

static enum err put_url(const struct peers *p, const struct peer_round *r, const struct peer_pick *pick,
    bool fill, struct buf *url)
{
	struct arena arena;
	struct bytes token;
	arena_init(&arena, ARENA_BYTES);
	enum err e = sign(p, r, pick, &arena, &token);
	if (e == OK) {
		buf_printf(url, "%s/peer/%.*s/", pick->url, (int)token.n, (const char *)token.p);
		http_path_encode(url, r->object);
		if (fill)
			buf_put_str(url, r->ahead ? "?fill=1&ahead=1" : "?fill=1");
		for (size_t i = 0; i < r->purged_n; i++) {
			char hex[2 * RPC_COMMAND_ID_BYTES + 1];
			text_hex(hex, bytes_of(r->purged[i].b, RPC_COMMAND_ID_BYTES));
			buf_printf(url, "%s%s", i > 0 ? "," : fill ? "&purged=" : "?purged=", hex);
		}
		buf_put_u8(url, 0);
		e = buf_err(url);
	}
	arena_fini(&arena);
	return e;
}

/* Freshness needs its validator as the origin store gave it: one that was made up here confirms nothing. */
static enum err take(
    const struct fetch *f, const struct fetch_answer *a, uint64_t start, struct peer_answer *out)
{
	static const uint8_t no_nonce[STORE_HEAD_NONCE_BYTES];
	struct origin_info info = store_head_info(&a->head, fetch_length(f), no_nonce);
	if (strcmp(info.etag, a->head.etag) != 0 || !a->head.has_length)
		return ERR_CORRUPT;
	/* What knows no ranges sends all of it: of no use for a slice behind the first. */
	if (start > 0 && a->head.status != 206)
		return ERR_INVALID;
	uint64_t age_ms = a->head.age_ms;
	out->info = info;
	out->part = (struct origin_part){ a->head.status == 206 ? a->head.part_start : 0, fetch_length(f) };
	out->answered_wall_ms = out->answered_wall_ms > age_ms ? out->answered_wall_ms - age_ms : 0;
	return OK;
}

enum err peers_ask(struct peers *p, const struct peer_round *r, const struct peer_pick *pick,
    uint32_t within_ms, void **handle, struct peer_answer *answer, struct store_head *head)
{
	bool fill = r->fill;
	const char *fields[] = { p->cdn_loop, fill ? NULL : "Cache-Control: only-if-cached", NULL };
	struct fetch *f;
	struct fetch_answer a;
	struct buf url;
	*head = (struct store_head){ .status = 0 };
	buf_init(&url, URL_MAX);
	enum err e = put_url(p, r, pick, fill, &url);
	if (e != OK) {
		buf_fini(&url);
		return e == ERR_TOO_BIG ? e : ERR_INVALID;
	}
	struct peer_answer got = { .answered_wall_ms = p->c.now_wall_ms() };
	struct fetch_request q = { .url = (const char *)url.p,
		.fields = fields,
		.part_start = slice_start(r->slice),
		.part_length = r->slice > 0 ? SLICE_BYTES : 0,
		.head_ms = within_ms };
	e = fetch_open(fill ? p->fill_pool : p->pool, &q, &f, &a);
	buf_fini(&url);
	*head = a.head;
	if (e != OK)
		return e;
	e = take(f, &a, q.part_start, &got);
	if (e != OK) {
		fetch_close(f);
		return e;
	}
	*handle = f;
	*answer = got;
	return OK;
}

void peers_rest_node(struct peers *p, const struct peer_pick *pick, enum err e)
{
	atomic_fetch_add(&p->failures, 1);
	peers_lock(p);
	rests_put(&p->nodes, peer_rest_key(&pick->id), peers_now_mono_ms() + PEERS_REST_MS);
	peers_unlock(p);
	LOG_LIMITED(LOG_INFO, "origin", "peer-failed",
	    "a node that was asked did not give an object: it is left alone for some seconds",
	    LOG_STR("url", pick->url), LOG_STR("error", err_str(e)));
}

/* How long the first of several may take; 0: as long as any. */
static uint32_t begin_hedge(struct peers *p, const struct peer_round *r)
{
	if (r->at > 0)
		return 0;
	peers_lock(p);
	uint32_t within_ms = hedge_begin(&p->hedge);
	peers_unlock(p);
	return r->picks_n > 1 ? within_ms : 0;
}

static void note_first_byte(struct peers *p, uint64_t took_ms)
{
	peers_lock(p);
	hedge_saw(&p->hedge, took_ms < UINT32_MAX ? (uint32_t)took_ms : UINT32_MAX);
	peers_unlock(p);
}

/* The next one first, then this one again. */
static void hedge(struct peers *p, struct peer_round *r)
{
	struct peer_pick slow = r->picks[--r->at];
	r->picks[r->at] = r->picks[r->at + 1];
	r->picks[r->at + 1] = slow;
	atomic_fetch_add(&p->hedged, 1);
	peers_lock(p);
	hedge_used(&p->hedge);
	peers_unlock(p);
}

enum err peers_open(struct peers *p, struct peer_round *r, void **handle, struct peer_answer *answer)
{
	OBJ_CHECK(p, PEERS_MAGIC);
	uint32_t within_ms = begin_hedge(p, r);
	for (; r->at < r->picks_n; within_ms = 0) {
		const struct peer_pick *pick = &r->picks[r->at++];
		struct store_head head;
		uint64_t asked_ms = peers_now_mono_ms();
		enum err e = peers_ask(p, r, pick, within_ms, handle, answer, &head);
		if (e == OK)
			note_first_byte(p, peers_now_mono_ms() - asked_ms);
		if (e == OK || e == ERR_CLOSED)
			return e;
		if (e == ERR_TIMEOUT && head.status == 0 && within_ms > 0) {
			hedge(p, r);
			continue;
		}
		/* What cannot be named is nothing that the peer could help. */
		if (head.status == 504 || e == ERR_INVALID || e == ERR_TOO_BIG)
			atomic_fetch_add(&p->misses, 1);
		else
			peers_rest_node(p, pick, e);
	}
	return ERR_NOT_FOUND;
}

void peers_broke(struct peers *p, const struct peer_round *r, enum err e)
{
	CHECK(r->at > 0);
	peers_rest_node(p, &r->picks[r->at - 1], e);
	/* One that filled it had it from the origin store: the next one may fill it as well. */
	if (r->fill)
		return;
	peers_lock(p);
	rests_put(&p->objects, r->object_hash, peers_now_mono_ms() + PEERS_REST_MS);
	peers_unlock(p);
}

void peers_count(const struct peers *p, struct peers_counters *out)
{
	out->misses = atomic_load(&p->misses);
	out->failures = atomic_load(&p->failures);
	out->hedged = atomic_load(&p->hedged);
	out->fills_asked = atomic_load(&p->fills_asked);
	out->fills_awaited = atomic_load(&p->fills_awaited);
}
