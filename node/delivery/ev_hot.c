/* Answers out of a worker's own memory: small objects that are asked for often, and the tokens by which they
 * are.
 *
 * What the cache holds decides: a copy is answered with only while the cache says that nothing changed near
 * its unit since it was looked up, and at least once a second it is looked up again, which also counts as a
 * use there.
 */
#include "node/delivery/ev_job.h"

#include "base/obj.h"
#include "node/cache/cache.h"
#include "node/delivery/hot.h"
#include "node/delivery/known_tokens.h"
#include "node/delivery/respond.h"
#include "node/http/encoding.h"
#include "node/http/ev_server.h"
#include "node/http/fs_warmth.h"
#include "node/origin/fill.h"
#include "node/origin/freshness.h"
#include "node/origin/fs_fill_body.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <unistd.h>

#define WORKER_MAGIC 0x6d77726bu

enum {
	LOOK_AGAIN_MS = 1000,
	COPIED_BYTES = 8 << 10, /* a body up to that goes out in one piece with its head */
};

struct media_worker {
	unsigned magic;
	struct hot_table *hot;
	struct known_tokens *tokens;
	struct ram *ram;
	struct hot_counts told; /* in the delivery's sums */
};

/* -- a worker's own -- */

static bool take(void *ctx, uint64_t bytes)
{
	return ram_take(ctx, bytes);
}

static void give(void *ctx, uint64_t bytes)
{
	ram_give(ctx, bytes);
}

/* Half of cache.ram at most is for hot objects: the rest is always there for fills that no disk takes. */
static struct media_worker *make_worker(struct delivery *d, const struct http_exchange *x)
{
	struct media_worker *w = OBJ_NEW(struct media_worker, WORKER_MAGIC);
	w->ram = ram_ref(fills_ram(d->c.fills));
	struct hot_config c = {
		.max_bytes = d->c.config->ram_bytes / 2 / http_worker_count(http_worker_of(x)),
		.take = take,
		.give = give,
		.ctx = w->ram,
	};
	randombytes_buf(c.key.b, sizeof(c.key.b));
	w->hot = hot_table_new(&c);
	w->tokens = known_tokens_new();
	return w;
}

struct media_worker *media_worker_of(struct delivery *d, const struct http_exchange *x)
{
	unsigned i = http_worker_index(http_worker_of(x));
	CHECK(i < MEDIA_WORKERS_MAX);
	if (d->workers[i] == NULL)
		d->workers[i] = make_worker(d, x);
	return d->workers[i];
}

void media_workers_free(struct delivery *d)
{
	for (unsigned i = 0; i < MEDIA_WORKERS_MAX; i++) {
		struct media_worker *w = d->workers[i];
		if (w == NULL)
			continue;
		hot_table_free(w->hot);
		known_tokens_free(w->tokens);
		ram_unref(w->ram);
		OBJ_FREE(w);
	}
}

static void tell_counts(struct delivery *d, struct media_worker *w)
{
	struct hot_counts now = hot_count(w->hot);
	delivery_add(&d->hot_objects, now.objects - w->told.objects);
	delivery_add(&d->hot_bytes, now.bytes - w->told.bytes);
	w->told = now;
}

struct known_tokens *media_tokens_of(struct delivery *d, const struct http_exchange *x)
{
	return media_worker_of(d, x)->tokens;
}

/* -- what is held -- */

/* Asks the cache whether that is what it holds. False: it is not, and is dropped. */
static bool look_again(struct delivery *d, struct media_worker *w, const struct cache_key *key, struct hot *h,
    uint64_t now_mono_ms)
{
	int disk; /* one whose file is not easily found is dropped too: the cache looks for it aside */
	struct cache_unit *unit = cache_get_now(d->c.cache, key, &disk);
	bool same = false;
	if (unit != NULL) {
		struct cache_watch watch = cache_watch(d->c.cache, unit);
		same = memcmp(watch.file, h->watch.file, sizeof(watch.file)) == 0;
		if (same)
			hot_update(h, unit->meta, &watch);
		cache_release(d->c.cache, unit);
	}
	h->looked_mono_ms = now_mono_ms;
	if (same)
		return true;
	hot_drop(w->hot, h);
	tell_counts(d, w);
	return false;
}

struct hot *media_hot_find(struct delivery *d, struct http_exchange *x, const struct cache_key *key)
{
	struct media_worker *w = media_worker_of(d, x);
	struct hot *h = hot_find(w->hot, key->origin, key->object);
	if (h == NULL)
		return NULL;
	uint64_t now_mono_ms = d->c.now_mono_ms();
	bool sure = cache_unchanged(&h->watch) && now_mono_ms - h->looked_mono_ms < LOOK_AGAIN_MS;
	if (!sure && !look_again(d, w, key, h, now_mono_ms))
		return NULL;
	return freshness_holds(&h->meta, d->c.now_wall_ms()) ? h : NULL;
}

/* All of a small file, if that does not wait for a disk. */
static struct bytes read_body(int fd, size_t n, bool sent)
{
	uint8_t *to = malloc(n);
	CHECK(to != NULL);
	struct iovec all = { to, n };
	ssize_t got = preadv2(fd, &all, 1, 0, RWF_NOWAIT);
	if (got < 0 && errno == EOPNOTSUPP && (sent || fs_warmth.look(fd, 0) == WARMTH_WARM))
		got = pread(fd, to, n, 0);
	if (got == (ssize_t)n)
		return bytes_of(to, n);
	free(to);
	return BYTES_NONE;
}

struct hot *media_hot_admit(struct delivery *d, struct media_worker *w, const struct cache_key *key,
    const struct cache_unit *unit, bool *later)
{
	const struct cache_meta *m = unit->meta;
	bool sent = later == NULL;
	/* A playlist is not there long, and what is held of it is what goes out as gzip. */
	bool playlist = freshness_class(d->c.config, key->object) == CLASS_PLAYLIST;
	uint64_t most = playlist ? HOT_OBJECT_MAX_BYTES : HOT_PLAIN_MAX_BYTES;
	if (m->length == 0 || m->length > most || key->slice != 0)
		return NULL;
	if (!playlist && !sent && !hot_seen(w->hot, key->origin, key->object))
		return NULL;
	struct bytes body = read_body(unit->fd, (size_t)m->length, sent);
	if (body.n == 0) {
		if (!sent)
			*later = true;
		return NULL;
	}
	struct cache_watch watch = cache_watch(d->c.cache, unit);
	struct hot *h = hot_put(w->hot, key->origin, key->object, m, &watch, body);
	if (h != NULL) {
		h->varies = playlist;
		h->looked_mono_ms = d->c.now_mono_ms();
	}
	tell_counts(d, w);
	return h;
}

/* -- answers -- */

/* What of a request decides how a hot object goes out. */
struct wish {
	bool plain; /* the whole, without conditions */
	bool range;
	struct bytes accept_encoding;
};

static bool is_name(struct bytes name, const char *expected)
{
	return strncasecmp((const char *)name.p, expected, name.n) == 0;
}

static struct wish wish_of(const struct http_request *r)
{
	struct wish w = { .plain = true };
	for (size_t i = 0; i < r->headers_n; i++) {
		struct bytes name = r->headers[i].name;
		if (name.n == 5 && is_name(name, "range"))
			w.range = true;
		else if (name.n == 15 && is_name(name, "accept-encoding") && w.accept_encoding.p == NULL)
			w.accept_encoding = r->headers[i].value;
		else if (name.n > 3 && (name.p[0] | 0x20) == 'i' && (name.p[1] | 0x20) == 'f' && name.p[2] == '-')
			w.plain = false;
	}
	w.plain &= !w.range;
	return w;
}

/* Lives in the exchange's arena. */
struct hot_send {
	struct delivery *d;
	struct hot *h; /* NULL: its bytes were copied */
	struct rpc_session_id session;
};

void media_account_hit(struct delivery *d, const struct rpc_session_id *session, uint64_t sent_bytes)
{
	delivery_add(&d->n.bytes, sent_bytes);
	delivery_add(&d->n.hit_bytes, sent_bytes);
	sessions_account(d->c.sessions, session, sent_bytes, true, d->c.now_mono_ms());
}

static void on_sent(void *arg, const struct http_end *end)
{
	struct hot_send *s = arg;
	struct delivery *d = s->d;
	media_account_hit(d, &s->session, end->body_bytes_sent);
	if (s->h != NULL)
		hot_unref(s->h);
}

static struct media_facts facts_of(const struct hot *h, enum hot_coding coding, uint64_t now_wall_ms)
{
	return (struct media_facts){
		.meta = &h->meta,
		.object = h->object,
		.now_wall_ms = now_wall_ms,
		.source = MEDIA_HIT,
		.varies = h->varies,
		.gzip = coding == HOT_GZIP,
		.packed_bytes = h->body[HOT_GZIP].n,
	};
}

/* When the Age that is told now is too small. */
static uint64_t age_until_ms(const struct cache_meta *m, uint64_t now_wall_ms)
{
	uint64_t from = m->answered_wall_ms;
	return now_wall_ms <= from ? from + 1 : from + (now_wall_ms - from + 999) / 1000 * 1000 + 1;
}

/* The head of a whole answer to a plain request. */
static enum err make_head(
    struct http_exchange *x, struct hot *h, enum hot_coding coding, uint64_t now_wall_ms, uint64_t date_s)
{
	struct media_facts facts = facts_of(h, coding, now_wall_ms);
	struct http_selection s;
	struct http_response r;
	struct buf text;
	enum err e = media_respond(http_request(x), &facts, http_arena(x), &s, &r);
	if (e != OK)
		return e;
	CHECK(s.status == 200);
	r.parts[r.parts_n++] =
	    (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = h->body[coding], .stable = true };
	buf_init(&text, 16 << 10);
	http_prepare(x, &r, &text);
	e = buf_err(&text);
	struct hot_head head = { buf_bytes(&text), date_s, age_until_ms(&h->meta, now_wall_ms) };
	if (e == OK)
		hot_set_head(h, coding, &head);
	buf_fini(&text);
	return e;
}

/* Fills in what goes out: a head made before where that is possible. */
static enum err respond(struct delivery *d, struct http_exchange *x, struct hot *h, struct http_response *r,
    struct http_selection *s, enum hot_coding *coding)
{
	struct wish wish = wish_of(http_request(x));
	bool packed = h->varies && !wish.range && http_takes_gzip(wish.accept_encoding) && hot_pack(h);
	uint64_t now_wall_ms = d->c.now_wall_ms(), date_s = http_worker_now_wall_ms(http_worker_of(x)) / 1000;
	*coding = packed ? HOT_GZIP : HOT_IDENTITY;
	if (!wish.plain || !http_takes_prepared(x)) {
		struct media_facts facts = facts_of(h, *coding, now_wall_ms);
		return media_respond(http_request(x), &facts, http_arena(x), s, r);
	}
	const struct hot_head *head = &h->head[*coding];
	if (head->text.n == 0 || head->date_s != date_s || now_wall_ms >= head->until_wall_ms) {
		enum err e = make_head(x, h, *coding, now_wall_ms, date_s);
		if (e != OK)
			return e;
	}
	*s = (struct http_selection){ 200, 0, h->body[*coding].n };
	*r = (struct http_response){ .status = 200, .head = head->text };
	return OK;
}

void media_hot_answer(
    struct delivery *d, struct http_exchange *x, struct hot *h, const struct rpc_session_id *session)
{
	struct http_selection s;
	struct http_response r;
	enum hot_coding coding;
	struct hot_send *sent = arena_alloc(http_arena(x), sizeof(*sent));
	if (sent == NULL || respond(d, x, h, &r, &s, &coding) != OK) {
		delivery_add(&d->n.failed, 1);
		http_reset(x);
		return;
	}
	delivery_add(&d->n.hits, 1);
	delivery_add(&d->hot_hits, 1);
	*sent = (struct hot_send){ .d = d, .session = *session };
	if (s.status == 200 || s.status == 206) {
		bool copied = s.length <= COPIED_BYTES;
		sent->h = copied ? NULL : hot_ref(h);
		r.parts[r.parts_n++] = (struct http_part){ .kind = HTTP_PART_BYTES,
			.bytes = bytes_of(h->body[coding].p + s.first, (size_t)s.length),
			.stable = !copied };
	}
	r.done = on_sent;
	r.done_arg = sent;
	http_respond(x, &r);
}
