/* The http origin store against a server that answers well and badly. */
#include "node/origin/curl_source.h"

#include "base/check.h"
#include "base/version.h"
#include "store_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONNECT_MS = 500, STALL_MS = 300, SLOW_BYTES = 4096, LARGE = 3000000 };

struct f {
	struct store store;
	struct origin_source *source;
};

static struct origin_source *source_at(int port)
{
	char template[64];
	(void)snprintf(template, sizeof(template), "http://127.0.0.1:%d/o/{object}", port);
	struct curl_source_config c = {
		.url_template = template, .cluster = "demo", .limits = { CONNECT_MS, STALL_MS, SLOW_BYTES }
	};
	return curl_source_new(&c);
}

static void start(struct f *f, bool (*answer)(struct store_request *r))
{
	store_start(&f->store, answer);
	f->source = source_at(f->store.port);
}

static void end(struct f *f)
{
	f->source->free(f->source);
	store_end(&f->store);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static enum err stat_of(struct f *f, const char *object, struct origin_info *info)
{
	return f->source->stat(f->source, bytes_str(object), info);
}

static enum err open_of(struct f *f, const char *object, void **handle, struct origin_info *info)
{
	return f->source->open(f->source, bytes_str(object), handle, info);
}

/* Reads to the end in pieces of `room`, compares, checks and closes. */
static enum err read_all(struct f *f, void *handle, uint64_t length, size_t room)
{
	uint8_t *piece = malloc(room);
	CHECK(piece != NULL);
	uint64_t at = 0;
	size_t n = 1;
	enum err e = OK;
	while (e == OK && at < length && n > 0) {
		e = f->source->read(f->source, handle, piece, room, &n);
		for (size_t i = 0; e == OK && i < n; i++)
			assert_int_equal(piece[i], store_byte(at + i));
		at += e == OK ? n : 0;
	}
	if (e == OK)
		e = f->source->check(f->source, handle);
	f->source->close(f->source, handle);
	free(piece);
	return e;
}

static enum err get(struct f *f, const char *object)
{
	struct origin_info info;
	void *handle;
	enum err e = open_of(f, object, &handle, &info);
	return e != OK ? e : read_all(f, handle, info.length, 100000);
}

static const char *fault(struct f *f)
{
	static char text[512];
	f->source->explain(f->source, text, sizeof(text));
	return text;
}

/* -- a good server -- */

static bool good(struct store_request *r)
{
	if (strcmp(r->target, "/o/lv1/none") == 0)
		store_say(r, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n");
	else if (strcmp(r->target, "/o/lv1/large") == 0)
		store_answer(r, "ETag: \"large\"\r\n", LARGE);
	else if (strcmp(r->target, "/o/lv1/empty") == 0)
		store_answer(r, "ETag: \"empty\"\r\n", 0);
	else
		store_answer(r, "ETag: \"e1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 70000);
	return true;
}

static void an_object_comes_whole_with_its_head(void **state)
{
	(void)state;
	struct f f;
	start(&f, good);
	struct origin_info info;
	void *handle;
	assert_int_equal(stat_of(&f, "lv1/a", &info), OK);
	assert_int_equal(info.length, 70000);
	assert_string_equal(info.etag, "\"e1\"");
	assert_int_equal(info.modified_s, 784111777);
	assert_int_equal(atomic_load(&f.store.heads), 1);
	static const size_t rooms[] = { 1, 1000, 16384, 65536, 100000 };
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		assert_int_equal(open_of(&f, "lv1/a", &handle, &info), OK);
		assert_int_equal(info.length, 70000);
		assert_int_equal(read_all(&f, handle, 70000, rooms[i]), OK);
	}
	assert_int_equal(get(&f, "lv1/large"), OK);
	assert_int_equal(get(&f, "lv1/empty"), OK);
	end(&f);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	start(&f, good);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(get(&f, "lv1/a"), OK);
		assert_int_equal(stat_of(&f, "lv1/a", &info), OK);
		assert_int_equal(get(&f, "lv1/empty"), OK);
	}
	assert_int_equal(get(&f, "lv1/none"), ERR_NOT_FOUND);
	assert_int_equal(get(&f, "lv1/large"), OK);
	assert_int_equal(atomic_load(&f.store.requests), 62);
	assert_int_equal(atomic_load(&f.store.connections), 1);
	end(&f);
}

/* What is not read stays in the kernel: the store has not sent it all. */
static void nothing_is_read_ahead_without_bound(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	void *handle;
	start(&f, good);
	assert_int_equal(open_of(&f, "lv1/large", &handle, &info), OK);
	uint8_t piece[1000];
	size_t n;
	assert_int_equal(f.source->read(f.source, handle, piece, sizeof(piece), &n), OK);
	assert_int_equal(n, sizeof(piece));
	assert_int_equal(f.source->check(f.source, handle), ERR_CORRUPT); /* not all was read */
	f.source->close(f.source, handle);
	end(&f);
}

static bool names(struct store_request *r)
{
	char value[512];
	char agent[128];
	snprintf(agent, sizeof(agent), "warmcast/%s", warmcast_version);
	assert_string_equal(store_field(r, "User-Agent", value), agent);
	assert_string_equal(store_field(r, "CDN-Loop", value), "warmcast-demo");
	assert_string_equal(store_field(r, "Accept-Encoding", value), "");
	bool known = strcmp(r->target, "/o/lv%201/a%2Bb%3D%25%28%29%26%3F%23/%E6%97%A5%E6%9C%AC.m4s") == 0;
	if (known)
		store_answer(r, "", 10);
	else
		store_say(r, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	return true;
}

static void names_are_encoded_and_requests_say_whose_they_are(void **state)
{
	(void)state;
	struct f f;
	start(&f, names);
	assert_int_equal(get(&f, "lv 1/a+b=%()&?#/\xe6\x97\xa5\xe6\x9c\xac.m4s"), OK);
	assert_int_equal(get(&f, "lv"), ERR_NOT_FOUND);
	assert_int_equal(get(&f, ""), ERR_NOT_FOUND);
	struct origin_info info;
	assert_int_equal(f.source->stat(f.source, BYTES_LIT("a\0b"), &info), ERR_NOT_FOUND);
	end(&f);
}

/* -- what it answers -- */

static bool statuses(struct store_request *r)
{
	store_say(r, "HTTP/1.1 %s Something\r\nContent-Length: 5\r\n\r\n%s", strrchr(r->target, '/') + 1,
	    strcmp(r->method, "HEAD") == 0 ? "" : "words");
	return true;
}

static void a_status_says_whose_trouble_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *object;
		enum err e;
	} rows[] = { { "404", ERR_NOT_FOUND }, { "410", ERR_NOT_FOUND }, { "401", ERR_DENIED },
		{ "403", ERR_DENIED }, { "400", ERR_DENIED }, { "405", ERR_DENIED }, { "408", ERR_TIMEOUT },
		{ "429", ERR_IO }, { "500", ERR_IO }, { "501", ERR_IO }, { "502", ERR_IO }, { "503", ERR_IO },
		{ "504", ERR_TIMEOUT }, { "203", ERR_CORRUPT }, { "206", ERR_CORRUPT }, { "302", ERR_CORRUPT } };
	struct f f;
	struct origin_info info;
	start(&f, statuses);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(get(&f, rows[i].object), rows[i].e);
		assert_int_equal(stat_of(&f, rows[i].object, &info), rows[i].e);
	}
	assert_true(origin_store_failed(ERR_IO) && origin_store_failed(ERR_TIMEOUT));
	assert_int_equal(get(&f, "503"), ERR_IO);
	assert_string_equal(fault(&f), "status 503");
	assert_int_equal(atomic_load(&f.store.connections), 1);
	end(&f);
}

static bool no_head(struct store_request *r)
{
	if (strcmp(r->method, "HEAD") == 0)
		store_say(r, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
	else
		store_answer(r, "ETag: \"e\"\r\n", 10);
	return true;
}

static void where_head_is_not_known_get_tells(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	start(&f, no_head);
	assert_int_equal(stat_of(&f, "a", &info), OK);
	assert_string_equal(info.etag, "\"e\"");
	end(&f);
}

/* /o/N: N redirects to go; /o/loop: for ever. */
static bool redirects(struct store_request *r)
{
	int left = r->target[3] - '0';
	if (strcmp(r->target, "/o/file") == 0)
		store_say(r, "HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n");
	else if (left == 0)
		store_answer(r, "ETag: \"there\"\r\n", 1000);
	else
		store_say(r, "HTTP/1.1 307 Moved\r\nLocation: /o/%d\r\nETag: \"here\"\r\nContent-Length: 4\r\n\r\n%s",
		    left - 1, strcmp(r->method, "HEAD") == 0 ? "" : "away");
	return true;
}

static void redirects_are_followed_three_times(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	start(&f, redirects);
	assert_int_equal(get(&f, "1"), OK);
	assert_int_equal(get(&f, "3"), OK);
	assert_int_equal(stat_of(&f, "3", &info), OK);
	assert_string_equal(info.etag, "\"there\"");
	assert_int_equal(get(&f, "4"), ERR_CORRUPT);
	assert_int_equal(get(&f, "file"), ERR_CORRUPT);
	end(&f);
}

/* -- lengths -- */

static bool lengths(struct store_request *r)
{
	const char *what = strrchr(r->target, '/') + 1;
	if (strcmp(what, "short") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n");
		store_give(r, 0, 40000);
		return false;
	}
	if (strcmp(what, "long") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
		store_give(r, 0, 40000);
		return false;
	}
	if (strcmp(what, "old") == 0) {
		store_say(r, "HTTP/1.0 200 OK\r\n\r\n");
		store_give(r, 0, 100);
		return false;
	}
	if (strcmp(what, "two") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n12345");
		return false;
	}
	if (strcmp(what, "gzip") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234");
		return false;
	}
	store_say(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	uint64_t wanted = strcmp(what, "endless") == 0 ? FETCH_WHOLE_MAX + 1 : 100000;
	for (uint64_t at = 0; at < wanted; at += 50000) {
		store_say(r, "%x\r\n", 50000);
		store_give(r, at, 50000);
		store_say(r, "\r\n");
	}
	if (strcmp(what, "torn") == 0)
		return false;
	store_say(r, "0\r\n\r\n");
	return true;
}

static void wrong_lengths_are_no_objects(void **state)
{
	(void)state;
	struct f f;
	start(&f, lengths);
	assert_int_equal(get(&f, "short"), ERR_CORRUPT);
	assert_int_equal(get(&f, "old"), ERR_CORRUPT);
	assert_non_null(strstr(fault(&f), "Content-Length"));
	assert_true(get(&f, "two") != OK);
	assert_int_equal(get(&f, "gzip"), ERR_CORRUPT);
	assert_non_null(strstr(fault(&f), "Content-Encoding"));
	assert_int_equal(get(&f, "long"), OK); /* what is behind the length is no part of it */
	end(&f);
}

static void chunks_are_read_whole_within_a_bound(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	void *handle;
	start(&f, lengths);
	assert_int_equal(open_of(&f, "chunks", &handle, &info), OK);
	assert_int_equal(info.length, 100000);
	assert_int_equal(read_all(&f, handle, 100000, 7000), OK);
	char first[CACHE_VALIDATOR_MAX + 1];
	memcpy(first, info.etag, sizeof(first));
	assert_int_equal(open_of(&f, "chunks", &handle, &info), OK);
	assert_string_equal(info.etag, first); /* the same bytes */
	f.source->close(f.source, handle);
	assert_true(origin_store_failed(get(&f, "torn")) || get(&f, "torn") == ERR_CORRUPT);
	assert_int_equal(get(&f, "endless"), ERR_CORRUPT);
	assert_non_null(strstr(fault(&f), "more than"));
	end(&f);
}

/* -- a store that fails -- */

static bool resets(struct store_request *r)
{
	if (strcmp(r->target, "/o/head") == 0)
		return store_reset(r);
	store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	store_give(r, 0, 300000);
	store_hold(r);
	return store_reset(r);
}

static void a_reset_in_the_middle_is_the_stores(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	void *handle;
	uint8_t piece[10000];
	size_t n = 1;
	uint64_t at = 0;
	start(&f, resets);
	assert_true(origin_store_failed(get(&f, "head")));
	assert_int_equal(open_of(&f, "body", &handle, &info), OK);
	for (; at < 200000; at += n)
		assert_int_equal(f.source->read(f.source, handle, piece, sizeof(piece), &n), OK);
	store_let_go(&f.store);
	enum err e;
	while ((e = f.source->read(f.source, handle, piece, sizeof(piece), &n)) == OK)
		at += n;
	assert_true(at <= 300000);
	assert_true(origin_store_failed(e));
	assert_true(strlen(fault(&f)) > 0);
	f.source->close(f.source, handle);
	end(&f);
}

static bool stalls(struct store_request *r)
{
	if (strcmp(r->target, "/o/body") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
		store_give(r, 0, 50000);
	}
	if (strcmp(r->target, "/o/drip") == 0) {
		store_say(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
		struct pollfd gone = { .fd = r->fd, .events = POLLIN };
		for (uint64_t i = 0; poll(&gone, 1, 20) == 0 && i < 1000; i++)
			store_give(r, i, 1);
		return false;
	}
	store_hold(r);
	return false;
}

static void a_stalled_store_is_left_in_time(void **state)
{
	(void)state;
	static const char *const objects[] = { "head", "body", "drip" };
	struct f f;
	start(&f, stalls);
	for (size_t i = 0; i < 3; i++) {
		uint64_t began = now_ms();
		assert_int_equal(get(&f, objects[i]), ERR_TIMEOUT);
		assert_true(now_ms() - began >= STALL_MS);
		assert_true(now_ms() - began < 20 * STALL_MS);
	}
	end(&f);
}

/* A reader that takes its time is not the store's fault. */
static void a_slow_reader_blames_nobody(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	void *handle;
	uint8_t piece[1000];
	size_t n;
	start(&f, good);
	assert_int_equal(open_of(&f, "lv1/large", &handle, &info), OK);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f.source->read(f.source, handle, piece, 10, &n), OK);
		(void)poll(NULL, 0, STALL_MS / 2);
	}
	f.source->close(f.source, handle);
	end(&f);
}

static void who_refuses_connections_fails(void **state)
{
	(void)state;
	struct f f;
	start(&f, good);
	int port = f.store.port;
	end(&f);
	f.source = source_at(port);
	assert_int_equal(get(&f, "a"), ERR_IO);
	assert_non_null(strstr(fault(&f), "onnect"));
	f.source->free(f.source);
}

static void *ask_and_wait(void *arg)
{
	struct f *f = arg;
	struct origin_info info;
	void *handle;
	assert_int_equal(open_of(f, "head", &handle, &info), ERR_CLOSED);
	return NULL;
}

static void stopping_ends_a_wait(void **state)
{
	(void)state;
	struct f f;
	store_start(&f.store, stalls);
	char template[64];
	(void)snprintf(template, sizeof(template), "http://127.0.0.1:%d/o/{object}", f.store.port);
	struct curl_source_config c = {
		.url_template = template, .cluster = "demo", .limits = { CONNECT_MS, 60000, SLOW_BYTES }
	};
	f.source = curl_source_new(&c);
	pthread_t asker;
	uint64_t began = now_ms();
	assert_int_equal(pthread_create(&asker, NULL, ask_and_wait, &f), 0);
	for (unsigned i = 0; i < 5000 && atomic_load(&f.store.requests) == 0; i++)
		(void)poll(NULL, 0, 2);
	f.source->stop(f.source);
	assert_int_equal(pthread_join(asker, NULL), 0);
	assert_true(now_ms() - began < 30000);
	assert_int_equal(get(&f, "head"), ERR_CLOSED);
	end(&f);
}

enum { ASKERS = 8, ASKS = 25 };

static void *ask_much(void *arg)
{
	struct f *f = arg;
	struct origin_info info;
	for (unsigned i = 0; i < ASKS; i++) {
		CHECK(get(f, "lv1/a") == OK);
		CHECK(stat_of(f, "lv1/a", &info) == OK);
		CHECK(get(f, "lv1/none") == ERR_NOT_FOUND);
	}
	return NULL;
}

static void threads_do_not_meet(void **state)
{
	(void)state;
	struct f f;
	pthread_t askers[ASKERS];
	start(&f, good);
	for (unsigned i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_much, &f), 0);
	for (unsigned i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_join(askers[i], NULL), 0);
	assert_int_equal(atomic_load(&f.store.requests), ASKERS * ASKS * 3);
	assert_true(atomic_load(&f.store.connections) <= ASKERS);
	end(&f);
}

static int init(void **state)
{
	(void)state;
	return fetch_init() == OK ? 0 : -1;
}

static int fini(void **state)
{
	(void)state;
	fetch_exit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_comes_whole_with_its_head),
		cmocka_unit_test(connections_are_used_again),
		cmocka_unit_test(nothing_is_read_ahead_without_bound),
		cmocka_unit_test(names_are_encoded_and_requests_say_whose_they_are),
		cmocka_unit_test(a_status_says_whose_trouble_it_is),
		cmocka_unit_test(where_head_is_not_known_get_tells),
		cmocka_unit_test(redirects_are_followed_three_times),
		cmocka_unit_test(wrong_lengths_are_no_objects),
		cmocka_unit_test(chunks_are_read_whole_within_a_bound),
		cmocka_unit_test(a_reset_in_the_middle_is_the_stores),
		cmocka_unit_test(a_stalled_store_is_left_in_time),
		cmocka_unit_test(a_slow_reader_blames_nobody),
		cmocka_unit_test(who_refuses_connections_fails),
		cmocka_unit_test(stopping_ends_a_wait),
		cmocka_unit_test(threads_do_not_meet),
	};
	return cmocka_run_group_tests(tests, init, fini);
}
