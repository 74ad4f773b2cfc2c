#include "cache_fixture.h"

#include "node/cache/lmdb_index.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void run(const char *format, ...)
{
	char command[1024];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_true(n > 0 && (size_t)n < sizeof(command));
	assert_int_equal(system(command), 0);
}

void fixture_make(struct fixture *f)
{
	*f = (struct fixture){ .folder = "/tmp/cache-test-XXXXXX" };
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->disk_path, sizeof(f->disk_path), "%s/disk", f->folder);
}

void fixture_close(struct fixture *f)
{
	cache_close(f->cache);
	f->cache = NULL;
}

void fixture_remove(struct fixture *f)
{
	fixture_close(f);
	run("rm -rf %s", f->folder);
}

void fixture_open(struct fixture *f, uint64_t size_bytes, const char *boot)
{
	struct cache_disk_config disk = { .path = f->disk_path, .size_bytes = size_bytes };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = boot };
	assert_int_equal(cache_open(&config, &f->cache, &f->report), OK);
	assert_int_equal(f->report.state, OK);
}

struct cache_key key_of(const char *object)
{
	return (struct cache_key){ .origin = BYTES_LIT("main"), .object = bytes_str(object) };
}

uint8_t byte_at(unsigned seed, uint64_t i)
{
	return (uint8_t)((i * 31 + i / 251 + seed * 97) & 0xff);
}

enum err store(struct cache *c, const char *object, const char *etag, uint64_t length, unsigned seed)
{
	const char *slash = strrchr(object, '/');
	struct cache_key k = key_of(object);
	struct cache_meta m = { .mark = cache_mark(c),
		.content = bytes_of(object, (size_t)(slash - object)),
		.length = length,
		.answered_wall_ms = 1000,
		.ttl_ms = UINT64_MAX };
	(void)snprintf(m.etag, sizeof(m.etag), "%s", etag);
	struct cache_writer *w;
	enum err e = cache_write_begin(c, &k, &m, &w);
	if (e != OK)
		return e;
	uint8_t chunk[4096];
	for (uint64_t at = 0; at < length;) {
		size_t n = 0;
		for (; n < sizeof(chunk) && at + n < length; n++)
			chunk[n] = byte_at(seed, at + n);
		e = cache_write(w, bytes_of(chunk, n));
		if (e != OK) {
			cache_write_abort(w);
			return e;
		}
		at += n;
	}
	return cache_write_commit(w);
}

bool unit_reads(const struct cache_unit *u, uint64_t length, unsigned seed)
{
	uint8_t chunk[4096];
	uint64_t at = 0;
	for (;;) {
		ssize_t n = pread(u->fd, chunk, sizeof(chunk), (off_t)at);
		if (n < 0)
			return false;
		if (n == 0)
			return at == length && u->meta->length == length;
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != byte_at(seed, at + (uint64_t)i))
				return false;
		at += (uint64_t)n;
	}
}

bool holds(struct cache *c, const char *object, uint64_t length, unsigned seed)
{
	struct cache_key k = key_of(object);
	struct cache_unit *u = cache_get(c, &k);
	if (u == NULL)
		return false;
	bool same = unit_reads(u, length, seed);
	cache_release(c, u);
	return same;
}

struct index_waited {
	const char *folder;
	unsigned entries;
};

static void count_entry(void *arg, const struct unit_id *id, struct bytes record)
{
	(void)id;
	(void)record;
	++*(unsigned *)arg;
}

/* By a reader of its own: what a transaction has written is in the file before it is committed. */
static bool index_names(void *arg)
{
	struct index_waited *w = arg;
	struct lmdb_index *x;
	char detail[200];
	unsigned n = 0;
	if (lmdb_index_open(w->folder, &x, detail) != OK)
		return false;
	bool read = lmdb_index_each(x, count_entry, &n) == OK;
	lmdb_index_close(x);
	return read && n == w->entries;
}

void kill_after(struct fixture *f, const char *boot, bool (*act)(struct cache *c), unsigned entries)
{
	int ready[2], status;
	char done = 'n', folder[128];
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fixture_open(f, 64 << 20, boot);
		done = act(f->cache) ? 'y' : 'n';
		if (write(ready[1], &done, 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &done, 1), 1);
	close(ready[0]);
	assert_int_equal(done, 'y');
	(void)snprintf(folder, sizeof(folder), "%s/index", f->disk_path);
	struct index_waited w = { .folder = folder, .entries = entries };
	assert_true(eventually(index_names, &w));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

unsigned count_files(const char *folder)
{
	char command[256];
	unsigned n;
	(void)snprintf(command, sizeof(command), "find %s -type f | wc -l", folder);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	assert_int_equal(pclose(f), 0);
	return n;
}

bool eventually(bool (*is)(void *arg), void *arg)
{
	for (unsigned i = 0; i < 4000; i++) {
		if (is(arg))
			return true;
		(void)poll(NULL, 0, 5);
	}
	return false;
}
