#include "node/origin/fs_fill_body.h"

#include "base/obj.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PUBLISH_BYTES = 64 * 1024, PUBLISH_MS = 5, COPY_CHUNK = 256 * 1024 };

#define RAM_MAGIC 0x72616d20u
#define CHARGE_MAGIC 0x63686172u

struct ram {
	unsigned magic;
	atomic_uint refs;
	uint64_t max_bytes;
	atomic_uint_fast64_t used_bytes;
};

struct ram_charge {
	unsigned magic;
	struct ram *ram;
	uint64_t bytes;
};

struct ram *ram_new(uint64_t max_bytes)
{
	struct ram *r = OBJ_NEW(struct ram, RAM_MAGIC);
	atomic_init(&r->refs, 1);
	r->max_bytes = max_bytes;
	return r;
}

void ram_unref(struct ram *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, RAM_MAGIC);
	if (atomic_fetch_sub(&r->refs, 1) == 1)
		OBJ_FREE(r);
}

struct ram *ram_ref(struct ram *r)
{
	OBJ_CHECK(r, RAM_MAGIC);
	atomic_fetch_add(&r->refs, 1);
	return r;
}

bool ram_take(struct ram *r, uint64_t bytes)
{
	uint64_t used = atomic_load(&r->used_bytes);
	do {
		if (bytes > r->max_bytes || used > r->max_bytes - bytes)
			return false;
	} while (!atomic_compare_exchange_weak(&r->used_bytes, &used, used + bytes));
	return true;
}

void ram_give(struct ram *r, uint64_t bytes)
{
	CHECK(atomic_fetch_sub(&r->used_bytes, bytes) >= bytes);
}

/* NULL past the bound. */
static struct ram_charge *charge(struct ram *r, uint64_t bytes)
{
	if (!ram_take(r, bytes))
		return NULL;
	(void)ram_ref(r);
	struct ram_charge *c = OBJ_NEW(struct ram_charge, CHARGE_MAGIC);
	c->ram = r;
	c->bytes = bytes;
	return c;
}

static void uncharge(void *arg)
{
	struct ram_charge *c = OBJ_CAST(struct ram_charge, CHARGE_MAGIC, arg);
	ram_give(c->ram, c->bytes);
	ram_unref(c->ram);
	OBJ_FREE(c);
}

static uint64_t now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static enum err write_all(int fd, uint64_t offset, struct bytes data)
{
	while (data.n > 0) {
		ssize_t n = pwrite(fd, data.p, data.n, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_from_errno(errno) : ERR_IO;
		offset += (uint64_t)n;
		data = bytes_from(data, (size_t)n);
	}
	return OK;
}

/* Memory for all of the body, charged. */
static enum err memory(struct fill_body *b, int *fd, struct ram_charge **charged)
{
	struct ram_charge *c = charge(b->ram, b->length);
	if (c == NULL)
		return ERR_NO_SPACE;
	int made = memfd_create("warmcast-fill", MFD_CLOEXEC);
	if (made < 0) {
		uncharge(c);
		return ERR_IO;
	}
	*fd = made;
	*charged = c;
	return OK;
}

static enum err begin_stored(
    struct fill_body *b, const struct cache_key *k, const struct cache_meta *m, int *fd)
{
	enum err e = cache_write_begin(b->cache, k, m, &b->writer);
	if (e != OK)
		return e;
	e = cache_write_fd(b->writer, fd);
	if (e != OK) {
		cache_write_abort(b->writer);
		b->writer = NULL;
	}
	return e;
}

/* The charge is freed by the growing file, whichever of the two comes to hold the memory. */
static void on_free(void *arg)
{
	struct ram_charge **slot = arg;
	if (*slot != NULL)
		uncharge(*slot);
	free(slot);
}

enum err fill_body_begin(struct fill_body *b, struct cache *c, struct ram *r, const struct cache_key *k,
    const struct cache_meta *m, bool store)
{
	*b = (struct fill_body){ .cache = c, .ram = r, .length = m->length, .fd = -1 };
	struct ram_charge *charged = NULL;
	enum err e = store ? begin_stored(b, k, m, &b->fd) : ERR_NO_SPACE;
	if (e != OK)
		e = memory(b, &b->fd, &charged);
	if (e != OK)
		return e;
	b->charge = calloc(1, sizeof(struct ram_charge *));
	CHECK(b->charge != NULL);
	*b->charge = charged;
	b->growing = growing_new(b->fd, m->length);
	growing_on_free(b->growing, on_free, b->charge);
	b->published_mono_ms = 0;
	return OK;
}

static enum err copy(int from, int to, uint64_t length)
{
	uint8_t *chunk = malloc(COPY_CHUNK);
	CHECK(chunk != NULL);
	enum err e = OK;
	uint64_t at = 0;
	while (e == OK && at < length) {
		uint64_t left = length - at;
		ssize_t n = pread(from, chunk, left < COPY_CHUNK ? (size_t)left : COPY_CHUNK, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		e = n <= 0 ? ERR_IO : write_all(to, at, bytes_of(chunk, (size_t)n));
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(chunk);
	return e;
}

/* The disk failed: what it has so far goes to memory, and the readers with it. */
static enum err move_to_memory(struct fill_body *b)
{
	int fd;
	struct ram_charge *charged;
	enum err e = memory(b, &fd, &charged);
	if (e != OK)
		return e;
	e = copy(b->fd, fd, b->done);
	if (e != OK) {
		(void)close(fd);
		uncharge(charged);
		return e;
	}
	*b->charge = charged;
	growing_move(b->growing, fd);
	b->fd = fd;
	cache_write_abort(b->writer);
	b->writer = NULL;
	return OK;
}

static enum err put(struct fill_body *b, struct bytes data)
{
	if (b->writer != NULL) {
		if (cache_write(b->writer, data) == OK)
			return OK;
		enum err e = move_to_memory(b);
		if (e != OK)
			return e;
	}
	return write_all(b->fd, b->done, data);
}

/* The first bytes at once, then every 64 KiB or 5 ms at most. A source that pauses is waited out for the rest
 * of the 5 ms, so that what it gave is told before it is asked again. */
static void publish(struct fill_body *b, bool pause)
{
	uint64_t now = now_mono_ms(), since = now - b->published_mono_ms;
	bool enough = b->done - b->published >= PUBLISH_BYTES || since >= PUBLISH_MS || b->done == b->length;
	if (!enough && !pause)
		return;
	if (!enough) {
		struct timespec rest = { .tv_nsec = (long)(PUBLISH_MS - since) * 1000000 };
		(void)nanosleep(&rest, NULL);
	}
	growing_publish(b->growing, b->done);
	b->published = b->done;
	b->published_mono_ms = now_mono_ms();
}

enum err fill_body_put(struct fill_body *b, struct bytes data, bool pause)
{
	CHECK(data.n <= b->length - b->done);
	enum err e = put(b, data);
	if (e != OK)
		return e;
	b->done += data.n;
	publish(b, pause);
	return OK;
}

bool fill_body_commit(struct fill_body *b)
{
	struct cache_writer *w = b->writer;
	b->writer = NULL;
	return w != NULL && cache_write_commit(w) == OK;
}

void fill_body_abort(struct fill_body *b)
{
	cache_write_abort(b->writer);
	b->writer = NULL;
}
