/* The warmer over real fills and a real cache, and an origin store of a few named texts that a test can hold.
 */
#include "node/warm/ev_warmer.h"

#include "base/obj.h"
#include "node/origin/source.h"

#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENTS = 30 };

/* -- the origin store: content "c" of two playlists and SEGMENTS segments; "one/master.m3u8" alone -- */

struct store {
	struct origin_source source;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held;              /* reads of segments wait */
	const char *broken;     /* its open says ERR_CORRUPT */
	unsigned broken_opens;  /* how often */
	unsigned open;          /* segments being read now */
	unsigned segments_read; /* opened */
	bool segment_before_playlists;
	bool variant_read;
};

struct handle {
	char text[4096];
	size_t n, at;
	bool segment;
};

static bool text_of(const char *object, char text[4096])
{
	if (strcmp(object, "c/master.m3u8") == 0 || strcmp(object, "c/x/master.m3u8") == 0)
		return snprintf(text, 4096, "#EXTM3U\n#EXT-X-STREAM-INF:X=1\nv/index.m3u8\n") > 0;
	if (strcmp(object, "c/v/index.m3u8") == 0) {
		size_t n = (size_t)snprintf(text, 4096, "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"s.key\"\n");
		for (int i = 0; i < SEGMENTS; i++)
			n += (size_t)snprintf(text + n, 4096 - n, "#EXTINF:4,\ns-%d.ts\n", i);
		return snprintf(text + n, 4096 - n, "../../elsewhere/s.ts\nhttp://other/s.ts\n#EXT-X-ENDLIST\n") > 0;
	}
	if (strncmp(object, "c/v/s-", 6) == 0)
		return snprintf(text, 4096, "the bytes of %s", object) > 0;
	if (strcmp(object, "one/index.m3u8") == 0 || strcmp(object, "other/manifest.mpd") == 0)
		return snprintf(text, 4096, "#EXTM3U\n#EXT-X-ENDLIST\n") > 0;
	return false;
}

static void lock(struct store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct store *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static enum err store_open(
    struct origin_source *source, struct bytes object, void **handle, struct origin_info *info)
{
	struct store *s = CONTAINER_OF(source, struct store, source);
	struct handle *h = calloc(1, sizeof(*h));
	char name[256];
	CHECK(h != NULL);
	snprintf(name, sizeof(name), "%.*s", (int)object.n, (const char *)object.p);
	h->segment = strstr(name, ".ts") != NULL;
	if (!text_of(name, h->text)) {
		free(h);
		return ERR_NOT_FOUND;
	}
	lock(s);
	bool broken = s->broken != NULL && strcmp(s->broken, name) == 0;
	s->broken_opens += broken;
	s->variant_read = s->variant_read || strcmp(name, "c/v/index.m3u8") == 0;
	if (h->segment && !broken) {
		s->segments_read++;
		s->open++;
		s->segment_before_playlists = s->segment_before_playlists || !s->variant_read;
	}
	unlock(s);
	if (broken) {
		free(h);
		return ERR_CORRUPT;
	}
	h->n = strlen(h->text);
	*info = (struct origin_info){ .length = h->n, .etag = "\"e\"", .modified_s = 7 };
	*handle = h;
	return OK;
}

static enum err store_stat(struct origin_source *source, struct bytes object, struct origin_info *info)
{
	(void)source;
	(void)object;
	(void)info;
	return ERR_NOT_FOUND;
}

static enum err store_read(struct origin_source *source, void *handle, uint8_t *to, size_t room, size_t *n)
{
	struct store *s = CONTAINER_OF(source, struct store, source);
	struct handle *h = handle;
	lock(s);
	while (s->held && h->segment)
		CHECK(pthread_cond_wait(&s->changed, &s->lock) == 0);
	unlock(s);
	*n = h->n - h->at < room ? h->n - h->at : room;
	memcpy(to, h->text + h->at, *n);
	h->at += *n;
	return OK;
}

static enum err store_check(struct origin_source *source, void *handle)
{
	(void)source;
	(void)handle;
	return OK;
}

static void store_close(struct origin_source *source, void *handle)
{
	struct store *s = CONTAINER_OF(source, struct store, source);
	struct handle *h = handle;
	lock(s);
	s->open -= h->segment;
	unlock(s);
	free(h);
}

static void store_free(struct origin_source *source)
{
	struct store *s = CONTAINER_OF(source, struct store, source);
	CHECK(pthread_mutex_destroy(&s->lock) == 0);
	CHECK(pthread_cond_destroy(&s->changed) == 0);
}

static void hold(struct store *s, bool held)
{
	lock(s);
	s->held = held;
	CHECK(pthread_cond_broadcast(&s->changed) == 0);
	unlock(s);
}

/* -- the fixture -- */

struct fixture {
	char folder[64];
	struct store store;
	struct config config;
	struct cache *cache;
	struct fills *fills;
	struct warmer *warmer;
	atomic_uint changes;
};

static uint64_t wall_ms(void)
{
	return 1000000;
}

static uint64_t mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void on_changed(void *ctx)
{
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void make(struct fixture *f, uint64_t disk_bytes)
{
	static struct origin_source *sources[1];
	memset(f, 0, sizeof(*f));
	snprintf(f->folder, sizeof(f->folder), "/tmp/warmer-test-XXXXXX");
	CHECK(mkdtemp(f->folder) != NULL);
	f->store.source = (struct origin_source){
		.stat = store_stat,
		.open = store_open,
		.read = store_read,
		.check = store_check,
		.close = store_close,
		.free = store_free,
	};
	CHECK(pthread_mutex_init(&f->store.lock, NULL) == 0);
	CHECK(pthread_cond_init(&f->store.changed, NULL) == 0);
	sources[0] = &f->store.source;
	f->config = (struct config){ .origins_n = 1, .ram_bytes = 1 << 20 };
	f->config.origins[0] = (struct config_origin){ .name = "main", .match = "" };
	struct cache_disk_config disk = { f->folder, disk_bytes };
	struct cache_disk_report report;
	struct cache_config cc = { .disks = &disk, .disks_n = 1, .boot_id = "b" };
	CHECK(cache_open(&cc, &f->cache, &report) == OK);
	struct fills_config fc = { .cache = f->cache,
		.config = &f->config,
		.now_wall_ms = wall_ms,
		.negative_ttl_ms = 1,
		.sources = sources };
	CHECK(fills_new(&fc, &f->fills) == OK);
	struct warmer_config wc = { .fills = f->fills,
		.cache = f->cache,
		.config = &f->config,
		.now_wall_ms = wall_ms,
		.now_mono_ms = mono_ms,
		.changed = on_changed,
		.ctx = &f->changes,
		.retry_ms = 1,
		.yield_ms = 1 };
	CHECK(warmer_start(&wc, &f->warmer) == OK);
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void unmake(struct fixture *f)
{
	warmer_stop(f->warmer);
	hold(&f->store, false);
	fills_free(f->fills);
	cache_close(f->cache);
	CHECK(nftw(f->folder, drop, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static enum err order(struct fixture *f, uint8_t id, const char *content)
{
	struct rpc_warm w = { .id = { { id } }, .origin = BYTES_LIT("main"), .content = bytes_str(content) };
	struct node_id from = { { 9 } };
	return warmer_order(f->warmer, &from, &w);
}

static struct warmer_status status(struct fixture *f, uint8_t id)
{
	struct warmer_status all[WARMER_ORDERS_MAX], none = { 0 };
	size_t n = warmer_look(f->warmer, all);
	for (size_t i = 0; i < n; i++)
		if (all[i].id.b[0] == id)
			return all[i];
	return none;
}

static struct warmer_status until_state(struct fixture *f, uint8_t id, enum rpc_warm_state state)
{
	for (unsigned i = 0; i < 10000; i++) {
		struct warmer_status s = status(f, id);
		if (s.state == state)
			return s;
		(void)poll(NULL, 0, 2);
	}
	fail_msg("order %u is %d, not %d", id, status(f, id).state, state);
	return (struct warmer_status){ 0 };
}

static struct warmer_status until_remaining(struct fixture *f, uint8_t id, uint32_t n)
{
	for (unsigned i = 0; i < 10000; i++) {
		struct warmer_status s = status(f, id);
		if (s.remaining == n)
			return s;
		(void)poll(NULL, 0, 2);
	}
	fail_msg("never %u remaining", n);
	return (struct warmer_status){ 0 };
}

static void until_open(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < 10000; i++) {
		lock(&f->store);
		bool is = f->store.open == n;
		unlock(&f->store);
		if (is)
			return;
		(void)poll(NULL, 0, 2);
	}
	fail_msg("never %u at once", n);
}

/* -- tests -- */

static void all_that_a_content_names(void **state)
{
	(void)state;
	struct fixture f;
	struct warmer_counters n;
	make(&f, 1 << 20);
	hold(&f.store, true);
	assert_int_equal(order(&f, 1, "c"), OK);
	assert_int_equal(order(&f, 1, "c"), OK); /* the same one */
	until_open(&f, WARMER_AT_ONCE);
	struct warmer_status s = until_remaining(&f, 1, SEGMENTS);
	assert_int_equal(s.state, RPC_WARM_RUNNING);
	assert_int_equal(s.from.b[0], 9);
	assert_int_equal(s.objects, 2);
	lock(&f.store);
	assert_int_equal(f.store.segments_read, WARMER_AT_ONCE); /* and no more before one ends */
	unlock(&f.store);
	hold(&f.store, false);
	s = until_state(&f, 1, RPC_WARM_DONE);
	assert_int_equal(s.objects, SEGMENTS + 2);
	assert_int_equal(s.failed, 0);
	assert_int_equal(s.remaining, 0);
	assert_string_equal(s.detail, "");
	assert_int_equal(f.store.segments_read, SEGMENTS);
	assert_false(f.store.segment_before_playlists);
	assert_true(atomic_load(&f.changes) >= 1);
	struct cache_key key = { .origin = BYTES_LIT("main"), .object = BYTES_LIT("c/v/s-29.ts") };
	struct cache_unit *unit = cache_look(f.cache, &key);
	assert_non_null(unit);
	assert_true(bytes_eq(unit->meta->content, BYTES_LIT("c")));
	cache_release(f.cache, unit);
	/* Once more: it is there. */
	assert_int_equal(order(&f, 2, "c"), OK);
	assert_int_equal(until_state(&f, 2, RPC_WARM_DONE).objects, SEGMENTS + 2);
	assert_int_equal(f.store.segments_read, SEGMENTS);
	warmer_count(f.warmer, &n);
	assert_int_equal(n.done, 2);
	assert_int_equal(n.objects, SEGMENTS + 2);
	assert_int_equal(n.present, SEGMENTS + 2);
	assert_int_equal(n.waiting + n.running + n.stopped + n.refused + n.failed, 0);
	unmake(&f);
}

static void what_fails_is_tried_a_few_times(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 1 << 20);
	f.store.broken = "c/v/s-7.ts";
	assert_int_equal(order(&f, 1, "c"), OK);
	struct warmer_status s = until_state(&f, 1, RPC_WARM_DONE);
	assert_int_equal(s.failed, 1);
	assert_int_equal(s.objects, SEGMENTS + 1);
	assert_int_equal(f.store.broken_opens, 3);
	assert_non_null(strstr(s.detail, "c/v/s-7.ts"));
	unmake(&f);
}

static void entries(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 1 << 20);
	assert_int_equal(order(&f, 1, "one"), OK);
	struct warmer_status s = until_state(&f, 1, RPC_WARM_DONE);
	assert_int_equal(s.objects, 1);
	assert_int_equal(s.failed, 0);
	assert_int_equal(order(&f, 2, "other"), OK);
	s = until_state(&f, 2, RPC_WARM_DONE);
	assert_int_equal(s.objects, 1);
	assert_non_null(strstr(s.detail, "manifest"));
	assert_int_equal(order(&f, 3, "none"), OK);
	s = until_state(&f, 3, RPC_WARM_DONE);
	assert_int_equal(s.objects, 0);
	assert_int_equal(s.failed, 1);
	unmake(&f);
}

static void a_purge_stops_what_runs_and_what_waits(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 1 << 20);
	hold(&f.store, true);
	assert_int_equal(order(&f, 1, "c"), OK);
	assert_int_equal(order(&f, 2, "c/x"), OK); /* of a folder in it */
	assert_int_equal(order(&f, 3, "cc"), OK);
	until_open(&f, WARMER_AT_ONCE);
	warmer_purge(f.warmer, BYTES_LIT("c"));
	assert_int_equal(status(&f, 1).state, RPC_WARM_STOPPED);
	assert_int_equal(status(&f, 2).state, RPC_WARM_STOPPED);
	assert_non_null(strstr(status(&f, 1).detail, "purged"));
	assert_int_equal(until_state(&f, 3, RPC_WARM_DONE).failed, 1); /* it goes on with the next */
	warmer_purge(f.warmer, BYTES_LIT("c"));
	assert_int_equal(f.store.segments_read, WARMER_AT_ONCE);
	hold(&f.store, false);
	assert_int_equal(order(&f, 4, "c"), OK);
	assert_int_equal(until_state(&f, 4, RPC_WARM_DONE).objects, SEGMENTS + 2);
	unmake(&f);
}

static void no_more_orders_than_there_is_room(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 1 << 20);
	hold(&f.store, true);
	for (uint8_t i = 1; i <= WARMER_ORDERS_MAX; i++)
		assert_int_equal(order(&f, i, "c"), OK);
	assert_int_equal(order(&f, 100, "c"), ERR_FULL);
	assert_int_equal(order(&f, 7, "c"), OK); /* known */
	hold(&f.store, false);
	(void)until_state(&f, WARMER_ORDERS_MAX, RPC_WARM_DONE);
	assert_int_equal(order(&f, 100, "one"), OK); /* in the place of the one that ended first */
	(void)until_state(&f, 100, RPC_WARM_DONE);
	assert_int_equal(status(&f, 1).state, 0);
	assert_int_equal(status(&f, 2).state, RPC_WARM_DONE);
	struct rpc_warm elsewhere = {
		.id = { { 101 } }, .origin = BYTES_LIT("elsewhere"), .content = BYTES_LIT("c")
	};
	struct node_id from = { { 9 } };
	assert_int_equal(warmer_order(f.warmer, &from, &elsewhere), ERR_NOT_FOUND);
	struct warmer_counters n;
	warmer_count(f.warmer, &n);
	assert_int_equal(n.refused, 2);
	unmake(&f);
}

static void not_more_than_half_of_the_cache(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 2 * 1000); /* the playlists and a few segments */
	assert_int_equal(order(&f, 1, "c"), OK);
	struct warmer_status s = until_state(&f, 1, RPC_WARM_DONE);
	assert_true(s.remaining > 0 && s.objects < SEGMENTS);
	assert_non_null(strstr(s.detail, "half of the cache"));
	unmake(&f);
}

static void it_stops_while_the_store_hangs(void **state)
{
	(void)state;
	struct fixture f;
	make(&f, 1 << 20);
	hold(&f.store, true);
	assert_int_equal(order(&f, 1, "c"), OK);
	assert_int_equal(order(&f, 2, "c"), OK);
	until_open(&f, WARMER_AT_ONCE);
	unmake(&f); /* returns */
	warmer_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_a_content_names),
		cmocka_unit_test(what_fails_is_tried_a_few_times),
		cmocka_unit_test(entries),
		cmocka_unit_test(a_purge_stops_what_runs_and_what_waits),
		cmocka_unit_test(no_more_orders_than_there_is_room),
		cmocka_unit_test(not_more_than_half_of_the_cache),
		cmocka_unit_test(it_stops_while_the_store_hangs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
