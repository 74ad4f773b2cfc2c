#include "node/delivery/gzip.h"
#include "node/delivery/hot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static const struct bytes main_store = { (const uint8_t *)"main", 4 };
static const struct cache_meta meta = { .length = 1, .etag = "\"e\"", .answered_wall_ms = 5, .ttl_ms = 7 };
static _Atomic uint64_t changes;
static uint64_t taken, allowed;

static bool take(void *ctx, uint64_t bytes)
{
	(void)ctx;
	if (taken + bytes > allowed)
		return false;
	taken += bytes;
	return true;
}

static void give(void *ctx, uint64_t bytes)
{
	(void)ctx;
	taken -= bytes;
}

static struct hot_table *t;

static void make(uint64_t max_bytes)
{
	struct hot_config c = { .max_bytes = max_bytes, .take = take, .give = give };
	taken = 0;
	allowed = UINT64_MAX / 2;
	t = hot_table_new(&c);
}

static int teardown(void **state)
{
	(void)state;
	hot_table_free(t);
	assert_int_equal(taken, 0);
	return 0;
}

static struct bytes body_of(size_t n, int c)
{
	uint8_t *p = malloc(n);
	assert_non_null(p);
	memset(p, c, n);
	return bytes_of(p, n);
}

static struct hot *put(const char *object, size_t n)
{
	struct cache_watch w = { &changes, 0, { 1 } };
	return hot_put(t, main_store, bytes_str(object), &meta, &w, body_of(n, object[0]));
}

static struct hot *find(const char *object)
{
	return hot_find(t, main_store, bytes_str(object));
}

static void what_is_put_is_found_by_store_and_name(void **state)
{
	(void)state;
	make(1 << 20);
	assert_null(find("a"));
	struct hot *h = put("a", 100);
	assert_ptr_equal(find("a"), h);
	assert_null(find("b"));
	assert_null(hot_find(t, BYTES_LIT("niam"), BYTES_LIT("a")));
	assert_int_equal(h->body[HOT_IDENTITY].n, 100);
	assert_int_equal(h->meta.ttl_ms, 7);
	struct hot *other = put("a", 50);
	assert_ptr_equal(find("a"), other);
	assert_int_equal(hot_count(t).objects, 1);
	hot_drop(t, other);
	assert_null(find("a"));
	assert_int_equal(taken, 0);
}

static void many_are_found(void **state)
{
	(void)state;
	make(64 << 20);
	char name[20];
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(put(name, 10));
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(find(name));
	}
	assert_int_equal(hot_count(t).objects, 5000);
	assert_int_equal(hot_count(t).bytes, taken);
}

static void memory_is_bounded_and_what_is_used_stays(void **state)
{
	(void)state;
	make(100 << 10);
	char name[20];
	assert_non_null(put("used", 1000));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(put(name, 1000));
		assert_true(taken <= 100 << 10);
		assert_non_null(find("used"));
	}
	assert_in_range(hot_count(t).objects, 30, 100);
	assert_null(find("0"));
	assert_non_null(find("999"));
	assert_null(put("too large", 200 << 10));
}

static void all_may_be_used(void **state)
{
	(void)state;
	make(20 << 10);
	char name[20];
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(put(name, 1000));
		for (int k = 0; k <= i; k++) {
			snprintf(name, sizeof(name), "%d", k);
			(void)find(name);
		}
	}
}

static void the_shared_bound_holds_too(void **state)
{
	(void)state;
	make(1 << 20);
	allowed = 3000;
	assert_non_null(put("a", 500));
	assert_null(put("b", 5000)); /* a has left for it, in vain */
	assert_null(find("a"));
	assert_non_null(put("c", 500));
	allowed = taken;
	assert_non_null(put("d", 500)); /* in place of c */
	assert_null(find("c"));
}

static void what_is_being_sent_lives_on(void **state)
{
	(void)state;
	make(10 << 10);
	struct hot *h = hot_ref(put("a", 5000));
	hot_drop(t, h);
	assert_null(find("a"));
	assert_int_equal(h->body[HOT_IDENTITY].p[4999], 'a');
	assert_null(put("b", 8000)); /* its memory is not free yet */
	hot_unref(h);
	assert_non_null(put("b", 8000));
}

static void the_second_time_counts(void **state)
{
	(void)state;
	make(1 << 20);
	assert_false(hot_seen(t, main_store, BYTES_LIT("a")));
	assert_false(hot_seen(t, main_store, BYTES_LIT("b")));
	assert_true(hot_seen(t, main_store, BYTES_LIT("a")));
	assert_true(hot_seen(t, main_store, BYTES_LIT("b")));
}

static void a_head_is_kept_until_more_is_known(void **state)
{
	(void)state;
	make(1 << 20);
	struct hot *h = put("a", 10);
	char text[] = "HTTP/1.1 200 OK";
	struct hot_head head = { bytes_str(text), 3, 99 };
	hot_set_head(h, HOT_IDENTITY, &head);
	memset(text, 0, 5);
	assert_memory_equal(h->head[HOT_IDENTITY].text.p, "HTTP/1.1 200 OK", 15);
	assert_int_equal(h->head[HOT_IDENTITY].until_wall_ms, 99);
	struct cache_watch w = { &changes, 1, { 1 } };
	hot_update(h, &meta, &w); /* of the same answer */
	assert_int_equal(h->head[HOT_IDENTITY].until_wall_ms, 99);
	struct cache_meta confirmed = meta;
	confirmed.answered_wall_ms = 6;
	hot_update(h, &confirmed, &w);
	assert_int_equal(h->head[HOT_IDENTITY].until_wall_ms, 0);
	head.text = BYTES_LIT("short");
	hot_set_head(h, HOT_IDENTITY, &head);
	assert_int_equal(h->head[HOT_IDENTITY].text.n, 5);
}

/* -- gzip -- */

static void assert_unpacks(struct bytes packed, struct bytes expected)
{
	uint8_t *to = malloc(expected.n + 1);
	assert_non_null(to);
	z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.p,
		.avail_in = (uInt)packed.n,
		.next_out = to,
		.avail_out = (uInt)expected.n + 1 };
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK); /* gzip and nothing else */
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, expected.n);
	assert_int_equal(z.avail_in, 0);
	assert_memory_equal(to, expected.p, expected.n);
	assert_int_equal(inflateEnd(&z), Z_OK);
	free(to);
}

static void gzip_unpacks_to_the_same(void **state)
{
	(void)state;
	make(1 << 20);
	struct buf text;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 1500; i++)
		buf_printf(&text, "#EXTINF:4.0,\nsegment-%05d.m4s\n", i);
	struct bytes body = buf_bytes(&text), packed;
	assert_int_equal(gzip_pack(body, &packed), OK);
	assert_true(packed.n < body.n / 5);
	assert_unpacks(packed, body);
	free((void *)(uintptr_t)packed.p);
	buf_fini(&text);
}

static void what_does_not_shrink_is_not_packed(void **state)
{
	(void)state;
	make(1 << 20);
	uint8_t noise[500];
	struct bytes packed;
	uint32_t x = 1;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	assert_int_equal(gzip_pack(bytes_of(noise, sizeof(noise)), &packed), ERR_TOO_BIG);
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(gzip_pack(bytes_of(noise, n), &packed), ERR_TOO_BIG);
	struct hot *h = put("ab", 5);
	assert_false(hot_pack(h));
	assert_false(hot_pack(h));
}

static void it_is_packed_once_and_charged(void **state)
{
	(void)state;
	make(1 << 20);
	struct hot *h = put("a", 5000);
	uint64_t before = taken;
	assert_true(hot_pack(h));
	const uint8_t *packed = h->body[HOT_GZIP].p;
	assert_true(taken > before && taken == hot_count(t).bytes);
	assert_true(hot_pack(h));
	assert_ptr_equal(h->body[HOT_GZIP].p, packed);
	assert_unpacks(h->body[HOT_GZIP], h->body[HOT_IDENTITY]);
	struct hot *poor = put("b", 5000);
	allowed = taken;
	assert_false(hot_pack(poor));
}

#define T(f) cmocka_unit_test_setup_teardown(f, NULL, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_put_is_found_by_store_and_name),
		T(many_are_found),
		T(memory_is_bounded_and_what_is_used_stays),
		T(all_may_be_used),
		T(the_shared_bound_holds_too),
		T(what_is_being_sent_lives_on),
		T(the_second_time_counts),
		T(a_head_is_kept_until_more_is_known),
		T(gzip_unpacks_to_the_same),
		T(what_does_not_shrink_is_not_packed),
		T(it_is_packed_once_and_charged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
