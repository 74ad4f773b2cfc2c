#include "origin_fixture.h"

#include "base/obj.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct peers *origin_fixture_peers;

static atomic_uint_fast64_t wall_now_ms = 1000000;

uint64_t wall_ms(void)
{
	return atomic_load(&wall_now_ms);
}

void set_wall_ms(uint64_t now)
{
	atomic_store(&wall_now_ms, now);
}

bool eventually(bool (*is)(void *arg), void *arg)
{
	for (unsigned i = 0; i < 10000; i++) {
		if (is(arg))
			return true;
		(void)poll(NULL, 0, 2);
	}
	return false;
}

/* -- the origin store -- */

struct fake_handle {
	uint64_t at;
};

static void lock(struct fake *f)
{
	CHECK(pthread_mutex_lock(&f->lock) == 0);
}

static void unlock(struct fake *f)
{
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

static uint8_t byte_of(const struct fake *f, uint64_t i)
{
	return f->text != NULL ? (uint8_t)f->text[i] : (uint8_t)(i * 31 + i / 251 + f->seed * 97);
}

static struct origin_info info_of(const struct fake *f)
{
	struct origin_info info = { .length = f->text != NULL ? strlen(f->text) : f->length, .modified_s = 7 };
	memcpy(info.etag, f->etag, sizeof(f->etag));
	return info;
}

static enum err fake_stat(struct origin_source *s, struct bytes object, struct origin_info *info)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	(void)object;
	lock(f);
	f->stats++;
	f->waiting++;
	while (f->hold_stat)
		CHECK(pthread_cond_wait(&f->changed, &f->lock) == 0);
	f->waiting--;
	enum err e = f->stat_error;
	if (e == OK)
		*info = info_of(f);
	unlock(f);
	return e;
}

static enum err fake_open(
    struct origin_source *s, struct bytes object, void **handle, struct origin_info *info)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	(void)object;
	lock(f);
	f->opens++;
	enum err e = f->open_error;
	if (e == OK) {
		*info = info_of(f);
		*handle = calloc(1, sizeof(struct fake_handle));
		CHECK(*handle != NULL);
	}
	unlock(f);
	return e;
}

static enum err open_whole(struct origin_source *s, struct bytes object, uint64_t start, void **handle,
    struct origin_info *info, struct origin_part *part)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	lock(f);
	f->starts[f->parts++ % 8] = start;
	unlock(f);
	enum err e = fake_open(s, object, handle, info);
	if (e == OK)
		*part = (struct origin_part){ 0, info->length };
	return e;
}

static enum err open_part(struct origin_source *s, struct bytes object, uint64_t start, void **handle,
    struct origin_info *info, struct origin_part *part)
{
	void *opened;
	enum err e = open_whole(s, object, start, &opened, info, part);
	if (e != OK)
		return e;
	if (start > 0 && start >= info->length) {
		s->close(s, opened);
		return ERR_INVALID;
	}
	uint64_t left = info->length - start;
	((struct fake_handle *)opened)->at = start;
	*part = (struct origin_part){ start, left < SLICE_BYTES ? left : SLICE_BYTES };
	*handle = opened;
	return OK;
}

static enum err fake_read(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	struct fake_handle *h = handle;
	enum err e = OK;
	lock(f);
	while (h->at >= f->given && h->at < f->fails_at)
		CHECK(pthread_cond_wait(&f->changed, &f->lock) == 0);
	uint64_t end = info_of(f).length < f->given ? info_of(f).length : f->given;
	size_t i = 0;
	for (; i < room && h->at < end && h->at < f->fails_at; i++)
		to[i] = byte_of(f, h->at++);
	if (i == 0 && h->at >= f->fails_at)
		e = f->read_error;
	unlock(f);
	*n = i;
	return e;
}

static enum err fake_check(struct origin_source *s, void *handle)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	(void)handle;
	lock(f);
	enum err e = f->check_error;
	unlock(f);
	return e;
}

static void fake_close(struct origin_source *s, void *handle)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	lock(f);
	f->closes++;
	unlock(f);
	free(handle);
}

static void fake_free(struct origin_source *s)
{
	struct fake *f = CONTAINER_OF(s, struct fake, source);
	CHECK(f->opens >= f->closes);
	CHECK(pthread_mutex_destroy(&f->lock) == 0);
	CHECK(pthread_cond_destroy(&f->changed) == 0);
}

void fake_cut(struct fake *f, bool whole)
{
	f->source.open_part = whole ? open_whole : open_part;
}

void fake_set(struct fake *f, void (*change)(struct fake *f, uint64_t v), uint64_t v)
{
	lock(f);
	change(f, v);
	CHECK(pthread_cond_broadcast(&f->changed) == 0);
	unlock(f);
}

static void set_given(struct fake *f, uint64_t v)
{
	f->given = v;
}

void fake_give(struct fake *f, uint64_t bytes)
{
	fake_set(f, set_given, bytes);
}

unsigned fake_opens(struct fake *f)
{
	lock(f);
	unsigned n = f->opens;
	unlock(f);
	return n;
}

bool fake_wrote(struct fake *f, uint64_t at, const uint8_t *p, size_t n)
{
	bool same = true;
	lock(f);
	for (size_t i = 0; i < n; i++)
		same = same && p[i] == byte_of(f, at + i);
	unlock(f);
	return same;
}

/* -- the fixture -- */

static void make_fake(struct fake *f)
{
	*f = (struct fake){ .length = 300000,
		.seed = 1,
		.etag = "\"e1\"",
		.given = GIVE_ALL,
		.fails_at = UINT64_MAX,
		.read_error = ERR_IO,
		.source = { .stat = fake_stat,
		    .open = fake_open,
		    .read = fake_read,
		    .check = fake_check,
		    .close = fake_close,
		    .free = fake_free } };
	CHECK(pthread_mutex_init(&f->lock, NULL) == 0);
	CHECK(pthread_cond_init(&f->changed, NULL) == 0);
}

void origin_fixture_make(
    struct origin_fixture *f, uint64_t disk_bytes, uint64_t ram_bytes, uint32_t give_up_ms)
{
	char folder[] = "/tmp/fill-test-XXXXXX", path[80];
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/disk", folder);
	origin_fixture_make_at(f, path, disk_bytes, ram_bytes, give_up_ms);
	memcpy(f->folder, folder, sizeof(folder));
}

void origin_fixture_make_at(
    struct origin_fixture *f, const char *path, uint64_t disk_bytes, uint64_t ram_bytes, uint32_t give_up_ms)
{
	*f = (struct origin_fixture){ .folder = "" };
	struct cache_disk_config disk = { .path = path, .size_bytes = disk_bytes };
	struct cache_config cache_config = { .disks = &disk, .disks_n = 1, .boot_id = "b" };
	struct cache_disk_report report;
	assert_int_equal(cache_open(&cache_config, &f->cache, &report), OK);
	f->config.origins[0] = (struct config_origin){ .name = "main", .match = "", .path = "/nowhere" };
	f->config.origins_n = 1;
	f->config.ram_bytes = ram_bytes;
	make_fake(&f->fake);
	struct origin_source *sources[] = { &f->fake.source };
	struct fills_config c = { .cache = f->cache,
		.config = &f->config,
		.negative_ttl_ms = 100,
		.stale_after_ms = 50,
		.give_up_after_ms = give_up_ms,
		.now_wall_ms = wall_ms,
		.sources = sources,
		.peers = origin_fixture_peers };
	set_wall_ms(1000000);
	assert_int_equal(fills_new(&c, &f->fills), OK);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(f->loop);
	mailbox_init(&f->mailbox, f->loop);
}

void origin_fixture_remove(struct origin_fixture *f)
{
	fills_free(f->fills);
	cache_close(f->cache);
	mailbox_fini(&f->mailbox);
	ev_loop_destroy(f->loop);
	if (f->folder[0] == 0)
		return;
	char command[128];
	(void)snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
}

static void on_answer(struct letter *l)
{
	CONTAINER_OF(l, struct asker, waiter.letter)->answered = true;
}

void ask(struct origin_fixture *f, struct asker *a, const char *object)
{
	*a = (struct asker){ .waiter = { .letter = { .deliver = on_answer }, .mailbox = &f->mailbox } };
	fill_want(f->fills, &f->config.origins[0], BYTES_LIT("c"), bytes_str(object), &a->waiter);
}

void ask_ahead(struct origin_fixture *f, struct asker *a, const char *object)
{
	*a = (struct asker){ .waiter = {
		                     .letter = { .deliver = on_answer }, .mailbox = &f->mailbox, .ahead = true } };
	fill_want(f->fills, &f->config.origins[0], BYTES_LIT("c"), bytes_str(object), &a->waiter);
}

void ask_slice(
    struct origin_fixture *f, struct asker *a, const char *object, uint32_t slice, const char *etag)
{
	*a = (struct asker){ .waiter = { .letter = { .deliver = on_answer }, .mailbox = &f->mailbox } };
	fill_want_slice(
	    f->fills, &f->config.origins[0], BYTES_LIT("c"), bytes_str(object), slice, etag, &a->waiter);
}

void ask_for_peer(struct origin_fixture *f, struct asker *a, const char *object)
{
	*a = (struct asker){ .waiter = {
		                     .letter = { .deliver = on_answer }, .mailbox = &f->mailbox, .for_peer = true } };
	fill_want(f->fills, &f->config.origins[0], BYTES_LIT("c"), bytes_str(object), &a->waiter);
}

static void on_deadline(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	*(bool *)t->data = true;
	ev_break(loop, EVBREAK_ONE);
}

void await(struct origin_fixture *f, struct asker *a)
{
	bool late = false;
	ev_timer deadline;
	ev_timer_init(&deadline, on_deadline, 20., 0.);
	deadline.data = &late;
	ev_now_update(f->loop);
	ev_timer_start(f->loop, &deadline);
	while (!a->answered && !late)
		ev_run(f->loop, EVRUN_ONCE);
	ev_timer_stop(f->loop, &deadline);
	assert_true(a->answered);
}

void ask_and_await(struct origin_fixture *f, struct asker *a, const char *object)
{
	ask(f, a, object);
	await(f, a);
}

void release(struct origin_fixture *f, struct asker *a)
{
	cache_release(f->cache, a->waiter.answer.unit);
	growing_unref(a->waiter.answer.growing);
	a->waiter.answer.unit = NULL;
	a->waiter.answer.growing = NULL;
}

static bool same_bytes(struct fake *f, int fd, uint64_t n)
{
	bool same = true;
	lock(f);
	for (uint64_t at = 0; same && at < n;) {
		uint8_t chunk[4096];
		ssize_t got = pread(fd, chunk, n - at < sizeof(chunk) ? (size_t)(n - at) : sizeof(chunk), (off_t)at);
		same = got > 0;
		for (ssize_t i = 0; i < got; i++)
			same = same && chunk[i] == byte_of(f, at + (uint64_t)i);
		at += got > 0 ? (uint64_t)got : 0;
	}
	unlock(f);
	return same;
}

static bool is_over(void *arg)
{
	return growing_look(arg).state != GROWING_OPEN;
}

bool grows_whole(struct fake *f, struct growing *g)
{
	assert_true(eventually(is_over, g));
	struct growing_view v = growing_look(g);
	assert_true(same_bytes(f, v.fd, v.published));
	return v.state == GROWING_WHOLE && v.published == v.total && v.total == info_of(f).length;
}

bool unit_is(struct fake *f, const struct cache_unit *u)
{
	return u->meta->length == info_of(f).length && same_bytes(f, u->fd, u->meta->length);
}

struct fills_counters counters(struct origin_fixture *f)
{
	struct fills_counters n;
	fills_count(f->fills, &n);
	return n;
}
