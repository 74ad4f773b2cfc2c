/* Reads that wait for a disk, and whom they do not hold up. The disk is the test's: cold where and as long as
 * told. */
#include "raw_client.h"
#include "server_fixture.h"

#include "base/check.h"
#include "node/http/ev_aside.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define H "Host: h\r\n\r\n"

enum { STEP = WARMTH_STEP_BYTES, STEPS = FIXTURE_FILE_BYTES / STEP };

/* -- the disk -- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;        /* reads go through */
	bool cannot_say;  /* as overlayfs */
	bool cold[STEPS]; /* of the file */
	unsigned now, most, reads;
} disk;

static enum warmth look(int fd, uint64_t offset)
{
	(void)fd;
	CHECK(offset < FIXTURE_FILE_BYTES);
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	enum warmth w = disk.cannot_say ? WARMTH_UNKNOWN : disk.cold[offset / STEP] ? WARMTH_COLD : WARMTH_WARM;
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
	return w;
}

static void wait_change(void)
{
	struct timespec end;
	CHECK(clock_gettime(CLOCK_REALTIME, &end) == 0);
	end.tv_sec += 20;
	CHECK(pthread_cond_timedwait(&disk.changed, &disk.lock, &end) == 0);
}

static void fetch(int fd, uint64_t offset, uint64_t n)
{
	uint8_t byte;
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	disk.now++;
	disk.reads++;
	disk.most = disk.now > disk.most ? disk.now : disk.most;
	CHECK(pthread_cond_broadcast(&disk.changed) == 0);
	while (!disk.open)
		wait_change();
	CHECK(pread(fd, &byte, 1, (off_t)offset) == 1); /* the file is there still */
	for (uint64_t i = offset / STEP; i * STEP < offset + n; i++)
		disk.cold[i] = false;
	disk.now--;
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
}

static const struct warmth_ops slow = { look, fetch };

static void open_disk(void)
{
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	disk.open = true;
	CHECK(pthread_cond_broadcast(&disk.changed) == 0);
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
}

static void await_reads(unsigned n)
{
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	while (disk.reads < n)
		wait_change();
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
}

static unsigned reads(void)
{
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	unsigned n = disk.reads;
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
	return n;
}

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	memset(&disk, 0, sizeof(disk));
	CHECK(pthread_mutex_init(&disk.lock, NULL) == 0 && pthread_cond_init(&disk.changed, NULL) == 0);
	for (size_t i = 0; i < STEPS; i++)
		disk.cold[i] = true;
	fixture_init(&f);
	f.warmth = &slow;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	open_disk();
	fixture_end(&f);
	CHECK(pthread_cond_destroy(&disk.changed) == 0 && pthread_mutex_destroy(&disk.lock) == 0);
	return 0;
}

/* -- viewers -- */

static void ask(struct raw *c, const char *range)
{
	char text[200];
	raw_connect(c, f.port);
	snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\n%s%s%s" H, range != NULL ? "Range: bytes=" : "",
	    range != NULL ? range : "", range != NULL ? "\r\n" : "");
	raw_say(c, text);
}

static void expect_bytes(struct raw *c, uint64_t from, uint64_t n)
{
	struct raw_answer a;
	assert_true(raw_answer(c, &a, false));
	assert_int_equal(a.body_n, n);
	for (uint64_t i = 0; i < n; i++)
		if (a.body[i] != fixture_byte(from + i))
			fail_msg("byte %llu is wrong", (unsigned long long)i);
	raw_answer_free(&a);
}

static struct http_counters counters(void)
{
	struct http_counters n;
	http_server_count(f.server, &n);
	return n;
}

static void a_slow_read_holds_up_nobody_else(void **state)
{
	(void)state;
	struct raw waits, goes_on;
	struct raw_answer a;
	disk.cold[STEPS - 1] = false;
	fixture_start(&f, 1, 1);
	ask(&waits, NULL);
	await_reads(1);
	ask(&goes_on, "-1000"); /* warm, of the same file */
	expect_bytes(&goes_on, FIXTURE_FILE_BYTES - 1000, 1000);
	raw_say(&goes_on, "GET /echo HTTP/1.1\r\n" H);
	assert_true(raw_answer(&goes_on, &a, false));
	raw_answer_free(&a);
	assert_int_equal(reads(), 1);
	open_disk();
	expect_bytes(&waits, 0, FIXTURE_FILE_BYTES);
	/* One fewer will do: a part that does not begin on one of the disk's steps brings a step more. */
	assert_true(counters().cold_reads >= FIXTURE_FILE_BYTES / (512 << 10) - 1);
	raw_close(&waits);
	raw_close(&goes_on);
}

static void what_is_warm_goes_out_before_what_is_cold(void **state)
{
	(void)state;
	struct raw c;
	for (size_t i = 0; i < 3; i++)
		disk.cold[i] = false;
	fixture_start(&f, 1, 1);
	ask(&c, NULL);
	assert_true(raw_need(&c, 3 * STEP)); /* with the head that is less than three steps of the file */
	await_reads(1);
	open_disk();
	expect_bytes(&c, 0, FIXTURE_FILE_BYTES);
	raw_close(&c);
}

static void a_file_system_that_cannot_say_is_read_aside(void **state)
{
	(void)state;
	struct raw c;
	disk.cannot_say = true;
	disk.open = true;
	fixture_start(&f, 1, 1);
	ask(&c, NULL);
	expect_bytes(&c, 0, FIXTURE_FILE_BYTES);
	/* What was fetched is not fetched again, however often the socket was full. */
	assert_int_equal(reads(), FIXTURE_FILE_BYTES / (512 << 10));
	raw_close(&c);
}

static void a_growing_file_may_be_cold_too(void **state)
{
	(void)state;
	struct raw c, other;
	f.growing = growing_new(dup(f.file), FIXTURE_FILE_BYTES);
	growing_publish(f.growing, 1000);
	fixture_start(&f, 1, 1);
	raw_connect(&c, f.port);
	raw_say(&c, "GET /grow HTTP/1.1\r\n" H);
	await_reads(1);
	ask(&other, "-10");
	growing_publish(f.growing, FIXTURE_FILE_BYTES);
	growing_finish(f.growing, GROWING_WHOLE);
	open_disk();
	expect_bytes(&c, 0, FIXTURE_FILE_BYTES);
	expect_bytes(&other, FIXTURE_FILE_BYTES - 10, 10);
	raw_close(&c);
	raw_close(&other);
}

static void a_disk_is_asked_for_so_much_at_once(void **state)
{
	(void)state;
	enum { N = 3 * ASIDE_THREADS };
	struct raw c[N];
	fixture_start(&f, 2, 2);
	for (int i = 0; i < N; i++)
		ask(&c[i], "0-99999");
	await_reads(ASIDE_THREADS);
	open_disk();
	for (int i = 0; i < N; i++)
		expect_bytes(&c[i], 0, 100000);
	CHECK(pthread_mutex_lock(&disk.lock) == 0);
	assert_int_equal(disk.most, ASIDE_THREADS);
	CHECK(pthread_mutex_unlock(&disk.lock) == 0);
	for (int i = 0; i < N; i++)
		raw_close(&c[i]);
}

static void a_viewer_may_leave_while_his_read_waits(void **state)
{
	(void)state;
	enum { N = 2 * ASIDE_THREADS };
	struct raw c[N];
	fixture_start(&f, 1, 1);
	for (int i = 0; i < N; i++)
		ask(&c[i], "0-99999");
	await_reads(ASIDE_THREADS);
	for (int i = 0; i < N; i++)
		raw_abort(&c[i]);
	fixture_await_connections(&f, 0);
	fixture_await(&f.done_n, N);
	open_disk();
	ask(&c[0], NULL);
	expect_bytes(&c[0], 0, FIXTURE_FILE_BYTES);
	raw_close(&c[0]);
}

static void a_disk_that_never_answers_resets(void **state)
{
	(void)state;
	struct raw c;
	f.limits.send_timeout_ms = 50;
	fixture_start(&f, 1, 1);
	ask(&c, NULL);
	while (raw_end(&c) == RAW_DATA)
		(void)raw_take(&c, c.in.n - c.at);
	assert_int_equal(counters().timeouts, 1);
	raw_close(&c);
}

static void *open_later(void *arg)
{
	(void)arg;
	poll(NULL, 0, 50);
	open_disk();
	return NULL;
}

static void a_server_stops_while_reads_wait(void **state)
{
	(void)state;
	enum { N = 2 * ASIDE_THREADS };
	struct raw c[N];
	pthread_t t;
	fixture_start(&f, 1, 1);
	for (int i = 0; i < N; i++)
		ask(&c[i], NULL);
	await_reads(ASIDE_THREADS);
	assert_int_equal(pthread_create(&t, NULL, open_later, NULL), 0);
	http_server_stop(f.server);
	f.server = NULL;
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(reads(), ASIDE_THREADS); /* what had not begun was not read */
	for (int i = 0; i < N; i++)
		raw_close(&c[i]);
}

/* -- the kernel's -- */

static void a_file_is_warm_when_it_was_fetched(void **state)
{
	(void)state;
	char path[] = "warmth-XXXXXX";
	char some[4096] = { 1 };
	int fd = mkstemp(path);
	assert_true(fd >= 0 && unlink(path) == 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(write(fd, some, sizeof(some)), sizeof(some));
	assert_int_equal(fdatasync(fd), 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	enum warmth before = fs_warmth.look(fd, 0);
	fs_warmth.fetch(fd, 0, 64 * sizeof(some));
	/* What it was depends on the file system; asking brings it in as well. */
	assert_int_equal(fs_warmth.look(fd, 0), before == WARMTH_UNKNOWN ? WARMTH_UNKNOWN : WARMTH_WARM);
	assert_int_equal(
	    warmth_length(&fs_warmth, NULL, fd, 0, 0, 64 * sizeof(some), 64 * sizeof(some)), 64 * sizeof(some));
	close(fd);
	assert_int_equal(fs_warmth.look(fd, 0), WARMTH_WARM); /* the send says what is wrong with it */
}

static void memory_is_warm(void **state)
{
	(void)state;
	assert_int_equal(fs_warmth.look(f.file, 0), WARMTH_WARM);
	assert_int_equal(fs_warmth.look(f.file, FIXTURE_FILE_BYTES - 1), WARMTH_WARM);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_slow_read_holds_up_nobody_else),
		T(what_is_warm_goes_out_before_what_is_cold),
		T(a_file_system_that_cannot_say_is_read_aside),
		T(a_growing_file_may_be_cold_too),
		T(a_disk_is_asked_for_so_much_at_once),
		T(a_viewer_may_leave_while_his_read_waits),
		T(a_disk_that_never_answers_resets),
		T(a_server_stops_while_reads_wait),
		T(a_file_is_warm_when_it_was_fetched),
		T(memory_is_warm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
