/* One fill's way, on a thread of the pool: the cache once more, then other nodes (D7, ev_fill_peers.c), then
 * the origin store (D5, D6). */
#include "node/fs_log.h"
#include "node/origin/ev_fill.h"
#include "node/origin/freshness.h"
#include "node/origin/server_control.h"

#include <string.h>

enum { CHUNK_BYTES = 256 * 1024, CORRUPT_REST_MS = 1000, CORRUPT_KNOWN_MS = 5000 };

static struct origin_source *source_of(struct fill *f)
{
	return f->fills->origins[f->origin].source;
}

/* -- what the origin store's answers do to the next -- */

static bool may_ask(struct fill *f, enum err *why)
{
	struct fills *fs = f->fills;
	struct backoff *b = &fs->origins[f->origin].backoff;
	fills_lock(fs);
	bool may = backoff_may_ask(b, fills_now_mono_ms());
	*why = b->error;
	fs->counters.origin_requests += may;
	fills_unlock(fs);
	return may;
}

enum { DETAIL_MAX = 512, TELL_EVERY_MS = 1000 };

static const char *detail_of(struct fill *f, char out[DETAIL_MAX])
{
	struct origin_source *s = source_of(f);
	out[0] = '\0';
	if (s->explain != NULL)
		s->explain(s, out, DETAIL_MAX);
	return out;
}

static void tell_store(struct fill *f, enum err e, bool failing)
{
	char detail[DETAIL_MAX];
	const char *origin = f->fills->config->origins[f->origin].name;
	if (failing)
		LOG_EVENT(LOG_WARN, "origin", "origin-failed",
		    "an origin store fails: what is held is served, it is asked again after a while",
		    LOG_STR("origin", origin), LOG_STR("error", err_str(e)), LOG_STR("detail", detail_of(f, detail)));
	else
		LOG_EVENT(LOG_INFO, "origin", "origin-recovered", "an origin store answers again",
		    LOG_STR("origin", origin));
}

/* An object that is not served though it is there. */
static void tell_object(struct fill *f, enum err e)
{
	char detail[DETAIL_MAX];
	if (e == ERR_CORRUPT || e == ERR_DENIED)
		LOG_LIMITED(LOG_WARN, "origin", "object-refused", "an object cannot be taken from its origin store",
		    LOG_STR("origin", f->fills->config->origins[f->origin].name), LOG_BYTES("object", f->object),
		    LOG_STR("error", err_str(e)), LOG_STR("detail", detail_of(f, detail)));
}

/* Under the lock. Whether the log is to hear of it: that a store fails, once a second; that it is back, when
 * it has heard of the failure. */
static bool is_news(struct fill_origin *o, bool failing, uint64_t now)
{
	bool again_soon = o->told_mono_ms != 0 && now - o->told_mono_ms < TELL_EVERY_MS;
	if (failing == o->told_failing || (failing && again_soon))
		return false;
	o->told_failing = failing;
	o->told_mono_ms = now;
	return true;
}

/* `whole`: no more is to come that could fail. */
static void learn(struct fill *f, enum err e, bool whole)
{
	struct fills *fs = f->fills;
	struct fill_origin *o = &fs->origins[f->origin];
	bool failing = origin_store_failed(e);
	uint64_t now = fills_now_mono_ms();
	fills_lock(fs);
	if (failing)
		backoff_failed(&o->backoff, e, now, prng_next(&fs->prng));
	else if (whole)
		backoff_well(&o->backoff);
	else
		backoff_answers(&o->backoff, now);
	bool news = !fs->stopping && (failing || whole) && is_news(o, failing, now);
	fills_unlock(fs);
	if (news)
		tell_store(f, e, failing);
	tell_object(f, e);
}

/* -- ends -- */

static void end_failed(struct fill *f, enum err e)
{
	struct fills *fs = f->fills;
	fills_lock(fs);
	fs->counters.failed++;
	fills_unlock(fs);
	fill_ends(f, &(struct fill_answer){ .outcome = FILL_FAILED, .error = e });
}

/* Not asked for again in a while, however many ask here. */
static void remember_denied(struct fill *f)
{
	struct fills *fs = f->fills;
	fills_lock(fs);
	if (!f->doomed && !f->ahead)
		negative_put(&fs->negative, f->hash, fills_now_mono_ms(), fs->negative_ttl_ms);
	fills_unlock(fs);
}

/* Once may be chance: the next viewer asks for it again. What is held of it is served all the same. */
static void remember_corrupt(struct fill *f)
{
	struct fills *fs = f->fills;
	struct cache_unit *held = fill_held(f);
	uint64_t now = fills_now_mono_ms(), mark = hash_mix(f->hash);
	fills_lock(fs);
	bool again = negative_has(&fs->negative, mark, now);
	if (again && !f->doomed && held == NULL)
		negative_put(&fs->negative, f->hash, now, CORRUPT_REST_MS);
	negative_put(&fs->negative, mark, now, CORRUPT_KNOWN_MS);
	fills_unlock(fs);
	cache_release(fs->cache, held);
}

/* How an object that was opened ended. One that is again not what its store said is left alone a little:
 * whoever plays it asks again and again. */
static void learn_end(struct fill *f, enum err e)
{
	if (e == OK || (origin_store_failed(e) && !fill_gives_up(f)))
		learn(f, e, true);
	else
		tell_object(f, e);
	if (e == ERR_CORRUPT && f->slice == 1)
		remember_corrupt(f);
}

/* Takes the unit. */
static void end_hit(struct fill *f, struct cache_unit *unit, bool stale)
{
	struct cache *c = f->fills->cache;
	fill_ends(f, &(struct fill_answer){ .outcome = FILL_HIT, .unit = unit, .stale = stale });
	cache_release(c, unit);
}

bool fills_may_stand_in(const struct fills *fs, const struct cache_unit *held)
{
	const struct cache_meta *m = held->meta;
	uint64_t now = fs->now_wall_ms(), age_ms = now > m->answered_wall_ms ? now - m->answered_wall_ms : 0;
	return !m->unproven && (age_ms <= fs->stale_if_error_ms || age_ms - fs->stale_if_error_ms <= m->ttl_ms);
}

/* Takes the unit. */
static void end_stale(struct fill *f, struct cache_unit *held)
{
	struct fills *fs = f->fills;
	fills_lock(fs);
	fs->counters.stale += f->waiters != NULL;
	fills_unlock(fs);
	end_hit(f, held, true);
}

/* An origin store that fails costs misses, never hits (D6): what was held before is served on. */
static void end_without_store(struct fill *f, struct cache_unit *held, enum err e)
{
	struct fills *fs = f->fills;
	if (held != NULL && fills_may_stand_in(fs, held)) {
		end_stale(f, held);
		return;
	}
	cache_release(f->fills->cache, held);
	end_failed(f, e);
}

/* -- filling -- */

struct filling {
	struct fill *fill;
	struct origin_source *source; /* the origin store, or a peer */
	bool from_peer;
	void *handle;
	struct cache_meta meta;
	enum object_class class;
	struct fill_body body;
	uint8_t *chunk;
	size_t chunk_n; /* bytes read ahead of the head */
};

/* Appends to the chunk, which holds the body from byte `at` on. */
static enum err read_chunk(struct filling *x, uint64_t at)
{
	struct origin_source *s = x->source;
	uint64_t left = x->meta.length - at - x->chunk_n;
	size_t n, room = CHUNK_BYTES - x->chunk_n;
	room = left < room ? (size_t)left : room;
	enum err e = s->read(s, x->handle, x->chunk + x->chunk_n, room, &n);
	if (e != OK)
		return e;
	if (n == 0)
		return ERR_CORRUPT; /* shorter than it said */
	CHECK(n <= room);
	x->chunk_n += n;
	struct fills *fs = x->fill->fills;
	fills_lock(fs);
	*(x->from_peer ? &fs->counters.bytes_from_peers : &fs->counters.bytes_from_origin) += n;
	fills_unlock(fs);
	return OK;
}

static enum err pump(struct filling *x)
{
	struct origin_source *s = x->source;
	enum err e = x->meta.length == 0 ? s->check(s, x->handle) : OK;
	while (e == OK && x->body.done < x->meta.length) {
		if (x->chunk_n == 0)
			e = fill_gives_up(x->fill) ? ERR_CLOSED : read_chunk(x, x->body.done);
		/* Checked before the last bytes are published: readers who have those hold a whole object (D5). */
		if (e == OK && x->body.done + x->chunk_n == x->meta.length)
			e = s->check(s, x->handle);
		if (e == OK && fill_gives_up(x->fill))
			e = ERR_CLOSED;
		if (e != OK)
			return e;
		bool pause = x->chunk_n < CHUNK_BYTES;
		e = fill_body_put(&x->body, bytes_of(x->chunk, x->chunk_n), pause);
		if (e != OK)
			return e == ERR_IO ? ERR_NO_SPACE : e; /* ours, not the origin store's */
		x->chunk_n = 0;
	}
	return e;
}

static void finish(struct filling *x, enum err e)
{
	struct fills *fs = x->fill->fills;
	struct growing *g = x->body.growing;
	bool stored = false;
	if (e == OK)
		stored = fill_body_commit(&x->body);
	else
		fill_body_abort(&x->body);
	fills_lock(fs);
	fs->counters.whole += e == OK;
	fs->counters.from_peers += e == OK && x->from_peer;
	fs->counters.unstored += e == OK && !stored;
	fs->counters.failed += e != OK;
	fills_unlock(fs);
	/* Out of the table first: who comes now finds it in the cache, or starts anew. */
	fill_ends(x->fill, &(struct fill_answer){ .outcome = FILL_FAILED, .error = e });
	growing_finish(g, e == OK ? GROWING_WHOLE : GROWING_FAILED);
	growing_unref(g);
}

static enum err take_info(struct filling *x, const struct origin_info *info, const struct origin_part *part)
{
	enum err e = fill_takes(x->fill, info, part, &x->meta);
	x->meta.modified_s = info->modified_s;
	memcpy(x->meta.etag, info->etag, sizeof(x->meta.etag));
	x->chunk = malloc(CHUNK_BYTES);
	CHECK(x->chunk != NULL);
	return e;
}

/* How long it is fresh. Of a peer the first bytes are waited for too: while nobody streams from it yet, the
 * next can be asked. */
static enum err read_head(struct filling *x)
{
	bool playlist = x->class == CLASS_PLAYLIST;
	/* All of a playlist, as far as there is room: its end says how long it is fresh. */
	uint64_t wanted = playlist ? CHUNK_BYTES : x->from_peer;
	wanted = x->meta.length < wanted ? x->meta.length : wanted;
	while (x->chunk_n < wanted) {
		enum err e = read_chunk(x, 0);
		if (e != OK)
			return e;
	}
	if (playlist) {
		server_control_take_out(x->chunk, x->chunk_n);
		fill_learns_playlist(x->fill, bytes_of(x->chunk, x->chunk_n));
	}
	x->meta.ttl_ms = freshness_ttl_ms(x->class, bytes_of(x->chunk, x->chunk_n));
	return OK;
}

/* Where it goes, and everybody who waits is let go. */
static enum err begin(struct filling *x)
{
	struct fill *f = x->fill;
	enum err e =
	    fill_body_begin(&x->body, f->fills->cache, f->fills->ram, &f->key, &x->meta, x->class != CLASS_KEY);
	if (e != OK)
		return ERR_NO_SPACE;
	fill_grows(f, x->body.growing, &x->meta, x->from_peer);
	return OK;
}

/* The object is what is held, as was said at that time: nothing of it is kept. True: the fill is over, `held`
 * released. */
static bool end_confirmed(
    struct fill *f, struct cache_unit *held, const char *etag, uint64_t answered_wall_ms)
{
	struct fills *fs = f->fills;
	if (held == NULL || strcmp(etag, held->meta->etag) != 0)
		return false;
	cache_refresh(fs->cache, &f->key, etag, answered_wall_ms, f->mark);
	struct cache_unit *fresh = cache_look(fs->cache, &f->key); /* with its new times */
	if (fresh == NULL)
		return false;
	fills_lock(fs);
	fs->counters.revalidated++;
	fills_unlock(fs);
	cache_release(fs->cache, held);
	end_hit(f, fresh, false);
	return true;
}

/* A body that was read in one go leaves its connection to the next; else that is closed. */
static void leave(struct filling *x)
{
	enum err e = x->chunk_n == x->meta.length ? x->source->check(x->source, x->handle) : OK;
	(void)e;
	x->source->close(x->source, x->handle);
	free(x->chunk);
}

/* Takes `held` (a unit that is stale, or NULL). */
static void fill_from_store(struct fill *f, struct cache_unit *held)
{
	struct origin_source *s = source_of(f);
	struct filling x = { .fill = f, .source = s, .class = freshness_class(f->fills->config, f->object) };
	struct origin_info info;
	struct origin_part part;
	x.meta = (struct cache_meta){
		.content = f->content, .answered_wall_ms = f->fills->now_wall_ms(), .mark = f->mark
	};
	enum err e = fill_open(f, s, &x.handle, &info, &part);
	learn(f, e, false);
	if (e == ERR_INVALID && f->slice > 1) {
		cache_release(f->fills->cache, held);
		fill_ends(f, &(struct fill_answer){ .outcome = FILL_NO_SLICE });
		return;
	}
	if (e == ERR_NOT_FOUND) {
		cache_release(f->fills->cache, held);
		fill_missing(f, NULL);
		return;
	}
	if (e != OK) {
		if (e == ERR_DENIED && held == NULL)
			remember_denied(f);
		end_without_store(f, held, e);
		return;
	}
	e = take_info(&x, &info, &part);
	if (e == OK)
		e = read_head(&x);
	if (e == OK && end_confirmed(f, held, x.meta.etag, x.meta.answered_wall_ms)) {
		leave(&x);
		return;
	}
	if (e == OK)
		e = begin(&x);
	if (e == OK) {
		fill_replaces(f, &x.meta, held);
		cache_release(f->fills->cache, held);
		e = pump(&x);
		learn_end(f, e);
		finish(&x, e);
	} else {
		learn_end(f, e);
		end_without_store(f, held, e);
	}
	s->close(s, x.handle);
	free(x.chunk);
}

/* -- out of another node's cache (D7) -- */

/* Who was asked to fill it gives what the origin store has, or stands in for it: also what is old by now. */
static bool is_usable(const struct filling *x, const struct peer_round *r)
{
	return r->fill ||
	       (freshness_holds(&x->meta, x->fill->fills->now_wall_ms()) && fill_expects(x->fill, x->meta.etag));
}

bool fill_take_from_peer(struct fill *f, const struct peer_round *r, void *handle,
    const struct peer_answer *a, struct cache_unit *held)
{
	struct fills *fs = f->fills;
	struct filling x = { .fill = f,
		.source = peers_source(fs->peers),
		.from_peer = true,
		.handle = handle,
		.class = freshness_class(fs->config, f->object),
		.meta = { .content = f->content, .answered_wall_ms = a->answered_wall_ms, .mark = f->mark } };
	enum err e = take_info(&x, &a->info, &a->part);
	if (e == OK)
		e = read_head(&x);
	bool usable = e == OK && is_usable(&x, r) && !fill_gives_up(f);
	bool newer = held == NULL || x.meta.answered_wall_ms > held->meta->answered_wall_ms;
	/* It stands in for a store that fails there: what is held here does as well. */
	if (usable && !newer && r->fill && fills_may_stand_in(fs, held)) {
		leave(&x);
		end_stale(f, held);
		return true;
	}
	if (usable && newer && end_confirmed(f, held, x.meta.etag, x.meta.answered_wall_ms)) {
		leave(&x);
		return true;
	}
	bool begun = usable && newer && begin(&x) == OK;
	if (begun) {
		fill_replaces(f, &x.meta, held);
		cache_release(fs->cache, held);
		e = pump(&x);
	}
	/* What is ours (the disk, the end, a purge) is not the peer's fault. */
	if (e != OK && e != ERR_NO_SPACE && e != ERR_CLOSED && !fill_gives_up(f))
		peers_broke(fs->peers, r, e);
	if (begun)
		finish(&x, e);
	x.source->close(x.source, handle);
	free(x.chunk);
	return begun;
}

/* -- what is held already -- */

/* True: the fill is over. False: the object is to be filled, `held` is the caller's still. */
static bool revalidate(struct fill *f, struct cache_unit *held)
{
	struct fills *fs = f->fills;
	struct origin_source *s = source_of(f);
	struct origin_info info;
	uint64_t asked_wall_ms = fs->now_wall_ms();
	enum err e = s->stat(s, f->object, &info);
	learn(f, e, false);
	if (e == ERR_NOT_FOUND) {
		cache_release(fs->cache, held);
		fill_missing(f, NULL);
		return true;
	}
	if (e != OK) {
		end_without_store(f, held, e);
		return true;
	}
	return end_confirmed(f, held, info.etag, asked_wall_ms);
}

/* A playlist of a growing content is another one each time: it is fetched at once, not asked for first. */
static bool is_confirmed_first(struct fill *f)
{
	return freshness_class(f->fills->config, f->object) != CLASS_PLAYLIST || !fill_content_grows(f);
}

void fill_run(struct fill *f)
{
	struct fills *fs = f->fills;
	if (fill_drops_unawaited(f))
		return;
	f->mark = cache_mark(fs->cache);
	struct cache_unit *held = fill_held(f);
	enum err why;
	if (held != NULL && freshness_holds(held->meta, fs->now_wall_ms()))
		end_hit(f, held, false);
	else if (fill_from_peers(f, held))
		;
	else if (!fill_is_wanted(f))
		end_without_store(f, held, ERR_CLOSED);
	else if (!may_ask(f, &why))
		end_without_store(f, held, why);
	else if (held != NULL && is_confirmed_first(f) && revalidate(f, held))
		;
	else if (fill_gives_up(f))
		end_without_store(f, held, ERR_CLOSED);
	else
		fill_from_store(f, held);
}
