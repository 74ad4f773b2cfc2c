#include "delivery_fixture.h"

#include "base/check.h"
#include "base/obj.h"
#include "node/origin/fs_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Atomic uint64_t node_wall_offset_ms;

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;
	CHECK(clock_gettime(clock, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t now_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME) + atomic_load(&node_wall_offset_ms);
}

static uint64_t now_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t node_now_s(void)
{
	return now_wall_ms() / 1000;
}

uint8_t media_byte(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

/* -- the gated origin store -- */

struct gated_object {
	uint64_t at, length;
};

static struct gate *gate_of(struct origin_source *s)
{
	return CONTAINER_OF(s, struct gate, source);
}

static void lock(struct gate *g)
{
	CHECK(pthread_mutex_lock(&g->lock) == 0);
}

static void unlock(struct gate *g)
{
	CHECK(pthread_cond_broadcast(&g->changed) == 0);
	CHECK(pthread_mutex_unlock(&g->lock) == 0);
}

static void wait_change(struct gate *g)
{
	struct timespec end;
	CHECK(clock_gettime(CLOCK_REALTIME, &end) == 0);
	end.tv_sec += 20;
	CHECK(pthread_cond_timedwait(&g->changed, &g->lock, &end) == 0);
}

static uint64_t gated_bytes(struct bytes object)
{
	struct bytes suffix = BYTES_LIT(".m3u8");
	bool list = object.n > suffix.n && bytes_eq(bytes_from(object, object.n - suffix.n), suffix);
	return list ? GATED_LIST_BYTES : GATED_BYTES;
}

static enum err gated_stat(struct origin_source *s, struct bytes object, struct origin_info *info)
{
	(void)s;
	*info = (struct origin_info){ .length = gated_bytes(object), .etag = "\"gated\"" };
	return OK;
}

static enum err gated_open(
    struct origin_source *s, struct bytes object, void **handle, struct origin_info *info)
{
	struct gate *g = gate_of(s);
	lock(g);
	g->opens++;
	CHECK(pthread_cond_broadcast(&g->changed) == 0);
	while (!g->may_open)
		wait_change(g);
	bool fails = g->fails;
	unlock(g);
	if (fails)
		return ERR_DENIED;
	struct gated_object *o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->length = gated_bytes(object);
	*handle = o;
	return gated_stat(s, object, info);
}

static enum err gated_read(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n)
{
	struct gate *g = gate_of(s);
	struct gated_object *o = handle;
	lock(g);
	while (o->at == g->allowed && o->at < o->length && !g->fails)
		wait_change(g);
	size_t can = (size_t)(g->allowed - o->at);
	bool fails = g->fails;
	unlock(g);
	if (fails)
		return ERR_CORRUPT;
	*n = can < room ? can : room;
	for (size_t i = 0; i < *n; i++)
		to[i] = media_byte(o->at + i);
	o->at += *n;
	return OK;
}

static enum err gated_check(struct origin_source *s, void *handle)
{
	(void)s;
	(void)handle;
	return OK;
}

static void gated_close(struct origin_source *s, void *handle)
{
	(void)s;
	free(handle);
}

static void gated_free(struct origin_source *s)
{
	struct gate *g = gate_of(s);
	CHECK(pthread_mutex_destroy(&g->lock) == 0);
	CHECK(pthread_cond_destroy(&g->changed) == 0);
}

static void gate_init(struct gate *g)
{
	*g = (struct gate){ 0 };
	CHECK(pthread_mutex_init(&g->lock, NULL) == 0);
	CHECK(pthread_cond_init(&g->changed, NULL) == 0);
	g->source = (struct origin_source){
		.stat = gated_stat,
		.open = gated_open,
		.read = gated_read,
		.check = gated_check,
		.close = gated_close,
		.free = gated_free,
	};
}

void gate_open(struct gate *g)
{
	lock(g);
	g->may_open = true;
	unlock(g);
}

void gate_allow(struct gate *g, uint64_t bytes)
{
	lock(g);
	g->may_open = true;
	g->allowed = bytes;
	unlock(g);
}

void gate_fail(struct gate *g)
{
	lock(g);
	g->may_open = g->fails = true;
	unlock(g);
}

void gate_close(struct gate *g)
{
	lock(g);
	g->may_open = g->fails = false;
	g->allowed = 0;
	unlock(g);
}

unsigned gate_opens(struct gate *g)
{
	lock(g);
	unsigned n = g->opens;
	unlock(g);
	return n;
}

void gate_await_opens(struct gate *g, unsigned opens)
{
	lock(g);
	while (g->opens < opens)
		wait_change(g);
	unlock(g);
}

/* -- the origin folder -- */

static void put_file(struct node *n, const char *name, size_t bytes, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/origin/%s", n->dir, name);
	FILE *f = fopen(path, "w");
	CHECK(f != NULL);
	if (text != NULL)
		fputs(text, f);
	for (size_t i = 0; i < bytes; i++)
		fputc(media_byte(i), f);
	CHECK(fclose(f) == 0);
}

void node_put(struct node *n, const char *name, const char *text)
{
	put_file(n, name, 0, text);
}

static void put_folder(struct node *n, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	CHECK(mkdir(path, 0700) == 0);
}

static void make_origin(struct node *n)
{
	static const char ended[] = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n";
	static const char live[] = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";
	static const char *const folders[] = { "origin", "origin/lv1", "origin/named", "origin/dash",
		"origin/secret" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		put_folder(n, folders[i]);
	put_file(n, "lv1/master.m3u8", 0, ended);
	put_file(n, "lv1/live.m3u8", 0, live);
	put_file(n, "lv1/seg.m4s", SEGMENT_BYTES, NULL);
	put_file(n, "lv1/a b.ts", 1000, NULL);
	put_file(n, "lv1/empty.ts", 0, NULL);
	put_file(n, "named/index.m3u8", 0, ended);
	put_file(n, "dash/manifest.mpd", 0, "<MPD/>");
	put_file(n, "secret/seg.m4s", 1000, NULL);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
	(void)s;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* -- life -- */

static void handle(void *ctx, struct http_exchange *x)
{
	struct node *n = ctx;
	if (bytes_starts_with(http_request(x)->path, BYTES_LIT("/peer/")))
		delivery_handle_peer(n->delivery, x);
	else
		delivery_handle(n->delivery, x);
}

static void start_server(struct node *n)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	int fds[2];
	const char *bad;
	struct sockaddr_in at;
	socklen_t at_n = sizeof(at);
	CHECK(http_listen(addresses, 1, 1, fds, &bad) == OK);
	CHECK(getsockname(fds[0], (struct sockaddr *)&at, &at_n) == 0);
	n->port = ntohs(at.sin_port);
	struct http_server_config c = {
		.listeners = fds, .listeners_n = 1, .workers = 2, .handler = handle, .ctx = n, .limits = &n->limits
	};
	CHECK(http_server_start(&c, &n->server) == OK);
}

atomic_bool node_disk_cold;
atomic_uint node_disk_asked;

static int open_now(int dir, const char *path)
{
	atomic_fetch_add(&node_disk_asked, 1);
	if (!atomic_load(&node_disk_cold))
		return openat(dir, path, O_RDONLY | O_CLOEXEC);
	errno = EAGAIN;
	return -1;
}

static void start_cache(struct node *n)
{
	static char cache_path[128];
	snprintf(cache_path, sizeof(cache_path), "%s/cache", n->dir);
	struct cache_disk_config disk = { cache_path, 64 << 20 };
	struct cache_disk_report report;
	struct cache_config cc = { .disks = &disk, .disks_n = 1, .boot_id = "boot", .open_now = open_now };
	CHECK(cache_open(&cc, &n->cache, &report) == OK);
	CHECK(report.state == OK);
}

static void start_fills(struct node *n)
{
	static char origin_path[128];
	snprintf(origin_path, sizeof(origin_path), "%s/origin", n->dir);
	n->config.origins[0] =
	    (struct config_origin){ .name = "gated", .match = "gated", .type = ORIGIN_DIR, .path = "/nowhere" };
	n->config.origins[1] =
	    (struct config_origin){ .name = "main", .match = "", .type = ORIGIN_DIR, .path = origin_path };
	n->config.origins_n = 2;
	n->config.ram_bytes = 64 << 20;
	n->config.renew_after_ms = 6 * 3600 * 1000;
	gate_init(&n->gate);
	struct origin_source *sources[2] = { &n->gate.source, fs_dir_new(origin_path) };
	struct fills_config fc = {
		.cache = n->cache,
		.config = &n->config,
		.threads = 2,
		.now_wall_ms = now_wall_ms,
		.sources = sources,
	};
	CHECK(fills_new(&fc, &n->fills) == OK);
}

static struct bytes elsewhere(void *ctx, struct http_exchange *x, const struct token *t)
{
	struct node *n = ctx;
	(void)x;
	(void)t;
	return n->elsewhere != NULL ? bytes_str(n->elsewhere) : BYTES_NONE;
}

static bool moved(void *ctx, const struct node_id *former, const struct rpc_session_id *id)
{
	struct node *n = ctx;
	(void)id;
	n->former = *former;
	n->moves++;
	return true;
}

static bool pathways(
    void *ctx, struct http_exchange *x, const struct delivery_session *s, struct delivery_pathways *out)
{
	struct node *n = ctx;
	(void)x;
	CHECK(s->origin.n > 0 && s->content.n > 0);
	*out = n->pathways;
	return n->pathways.own.n > 0;
}

void node_start(struct node *n)
{
	node_start_paced(n, "");
}

void node_start_paced(struct node *n, const char *pace)
{
	static const char ours[] = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
	static const char strange[] = "k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n";
	size_t bad_line;
	*n = (struct node){ .dir = "/tmp/delivery-test-XXXXXX", .limits = http_limits_default };
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	atomic_store(&node_wall_offset_ms, 0);
	atomic_store(&node_disk_cold, false);
	atomic_store(&node_disk_asked, 0);
	CHECK(mkdtemp(n->dir) != NULL);
	arena_init(&n->arena, 1 << 20);
	CHECK(token_keys_parse(bytes_str(ours), &n->keys, &bad_line) == OK);
	CHECK(token_keys_parse(bytes_str(strange), &n->strange_keys, &bad_line) == OK);
	make_origin(n);
	n->config.pace = pace;
	n->revoked = revoked_new();
	n->purged = purged_new(60000);
	start_cache(n);
	start_fills(n);
	n->id = (struct node_id){ { 0xd1 } };
	n->sessions = sessions_new(room_gate(&n->room, NODE_ROOM), 60000);
	struct delivery_config dc = {
		.config = &n->config,
		.cache = n->cache,
		.fills = n->fills,
		.keys = &n->keys,
		.purged = n->purged,
		.revoked = n->revoked,
		.sessions = n->sessions,
		.self = &n->id,
		.elsewhere = elsewhere,
		.moved = moved,
		.pathways = pathways,
		.ctx = n,
		.now_wall_ms = now_wall_ms,
		.now_mono_ms = now_mono_ms,
	};
	n->delivery = delivery_new(&dc);
	start_server(n);
}

void node_stop_server(struct node *n)
{
	http_server_stop(n->server);
	n->server = NULL;
}

void node_restart_server(struct node *n)
{
	http_server_stop(n->server);
	start_server(n);
}

void node_stop(struct node *n)
{
	http_server_stop(n->server);
	gate_fail(&n->gate); /* a fill that still waits */
	fills_free(n->fills);
	delivery_free(n->delivery);
	cache_close(n->cache);
	sessions_free(n->sessions);
	revoked_free(n->revoked);
	purged_free(n->purged);
	token_keys_fini(&n->keys);
	token_keys_fini(&n->strange_keys);
	arena_fini(&n->arena);
	CHECK(nftw(n->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

struct delivery_counters node_count(struct node *n)
{
	struct delivery_counters c;
	delivery_count(n->delivery, &c);
	return c;
}

void node_await_fills(struct node *n)
{
	for (time_t end = time(NULL) + 20;;) {
		struct fills_counters c;
		fills_count(n->fills, &c);
		if (c.running == 0 && c.queued == 0)
			return;
		CHECK(time(NULL) <= end);
		(void)sched_yield();
	}
}

/* -- asking -- */

struct token node_token(const char *origin, const char *content)
{
	struct token t = {
		.kind = TOKEN_PLAYBACK,
		.session = { 1, 2, 3 },
		.origin = bytes_str(origin),
		.content = bytes_str(content),
		.node = { { 0xd1 } },
		.issued_at_s = node_now_s(),
		.not_after_s = node_now_s() + 3600,
	};
	return t;
}

const char *node_sign(struct node *n, const struct token_keys *keys, const struct token *t)
{
	struct bytes text;
	CHECK(token_sign(keys, t, &n->arena, &text) == OK);
	char *s = arena_str(&n->arena, text);
	CHECK(s != NULL);
	return s;
}

void node_ask(struct raw *c, const char *method, const char *token, const char *path, const char *fields)
{
	struct buf out;
	buf_init(&out, 1 << 16);
	buf_printf(&out, "%s /p/%s/%s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, token, path, fields);
	CHECK(buf_err(&out) == OK);
	raw_send(c, buf_bytes(&out));
	buf_fini(&out);
}

struct raw_answer node_get(struct node *n, const char *token, const char *path, const char *fields)
{
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, n->port);
	node_ask(&c, "GET", token, path, fields);
	CHECK(raw_answer(&c, &a, false));
	raw_close(&c);
	return a;
}
