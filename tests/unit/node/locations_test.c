/* From the cache's news to location entries, over a fake cache and a fake replica. */
#include "node/fs_locations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CONTENTS_MAX = 1024 };

/* -- the fake cache: news that wait -- */

struct cache {
	struct cache_content_news news[CONTENTS_MAX];
	size_t n;
	size_t asked; /* the bound of the last poll */
};

size_t cache_poll_news(
    struct cache *c, size_t max, void (*news)(void *arg, const struct cache_content_news *n), void *arg)
{
	c->asked = max;
	size_t n = c->n < max ? c->n : max;
	for (size_t i = 0; i < n; i++)
		news(arg, &c->news[i]);
	memmove(c->news, c->news + n, (c->n - n) * sizeof(c->news[0]));
	c->n -= n;
	return n;
}

/* -- the fake replica: entries of an earlier run -- */

struct kvs {
	struct rpc_entry entries[CONTENTS_MAX];
	size_t n;
	unsigned walks;
	bool walking;
};

static const struct node_id self = { "self" };

void kvs_each_entry(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream,
    void (*entry)(void *arg, const struct rpc_entry *e), void *arg)
{
	assert_true(node_id_eq(owner, &self));
	assert_int_equal(stream, RPC_LOCATIONS);
	((struct kvs *)(uintptr_t)k)->walks++;
	((struct kvs *)(uintptr_t)k)->walking = true;
	for (size_t i = 0; i < k->n; i++)
		entry(arg, &k->entries[i]);
	((struct kvs *)(uintptr_t)k)->walking = false;
}

bool kvs_own_get(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes *value)
{
	assert_int_equal(stream, RPC_LOCATIONS);
	for (size_t i = 0; i < k->n; i++) {
		if (!bytes_eq(k->entries[i].key, key) || k->entries[i].deleted)
			continue;
		*value = k->entries[i].value;
		return true;
	}
	return false;
}

/* -- what was put -- */

struct put {
	char content[300];
	struct rpc_location location;
	bool deleted;
};

struct fixture {
	struct arena arena;
	struct cache cache;
	struct kvs kvs;
	struct locations locations;
	struct put puts[CONTENTS_MAX];
	size_t puts_n;
};

static void put(void *arg, struct bytes key, struct bytes value, bool deleted)
{
	struct fixture *f = arg;
	assert_false(f->kvs.walking); /* a put changes the replica */
	assert_true(f->puts_n < CONTENTS_MAX);
	struct put *p = &f->puts[f->puts_n++];
	struct bytes origin, content;
	assert_int_equal(rpc_location_key_split(key, &origin, &content), OK);
	assert_true(bytes_eq(origin, BYTES_LIT("main")));
	snprintf(p->content, sizeof(p->content), "%.*s", (int)content.n, (const char *)content.p);
	p->deleted = deleted;
	if (deleted)
		assert_int_equal(value.n, 0);
	else
		assert_int_equal(rpc_decode_location(value, &f->arena, &p->location), OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	arena_init(&f->arena, 64 * 1024 * 1024);
	locations_init(&f->locations, &f->kvs, &self);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	locations_fini(&f->locations);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

static void tell(struct fixture *f, const char *content, uint64_t bytes, uint32_t objects, const char *entry)
{
	assert_true(f->cache.n < CONTENTS_MAX);
	f->cache.news[f->cache.n++] = (struct cache_content_news){ BYTES_LIT("main"), bytes_str(content), bytes,
		objects, bytes_str(entry) };
}

static void said_before(struct fixture *f, const char *content, bool deleted)
{
	uint8_t key[RPC_KEY_MAX];
	size_t n;
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), bytes_str(content), key, &n), OK);
	f->kvs.entries[f->kvs.n++] =
	    (struct rpc_entry){ .key = arena_dup(&f->arena, bytes_of(key, n)), .deleted = deleted };
}

static bool poll(struct fixture *f)
{
	return locations_poll(&f->locations, &f->cache, put, f);
}

static void assert_put(struct fixture *f, size_t i, const char *content, bool deleted)
{
	assert_true(i < f->puts_n);
	assert_string_equal(f->puts[i].content, content);
	assert_int_equal(f->puts[i].deleted, deleted);
}

/* -- tests -- */

static void what_is_held_is_told(void **state)
{
	struct fixture *f = *state;
	tell(f, "lv1", 1000, 3, "master.m3u8");
	tell(f, "lv/2", 20, 1, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 2);
	assert_put(f, 0, "lv1", false);
	assert_int_equal(f->puts[0].location.bytes, 1000);
	assert_int_equal(f->puts[0].location.objects, 3);
	assert_true(bytes_eq(f->puts[0].location.entry, BYTES_LIT("master.m3u8")));
	assert_put(f, 1, "lv/2", false);
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 2);
}

static struct rpc_location told_measured(struct fixture *f, bool measured, uint32_t share, uint32_t kbps)
{
	tell(f, "lv1", 1000, 3, "");
	f->cache.news[f->cache.n - 1].measured = measured;
	f->cache.news[f->cache.n - 1].share_permille = share;
	f->cache.news[f->cache.n - 1].kbps = kbps;
	assert_false(poll(f));
	return f->puts[f->puts_n - 1].location;
}

static void what_was_said_of_the_share_stands_until_it_is_measured(void **state)
{
	struct fixture *f = *state;
	struct rpc_location was = { .share_permille = 250, .kbps = 4500 }, is;
	struct buf value;
	is = told_measured(f, false, 0, 0);
	assert_int_equal(is.share_permille, 0);
	said_before(f, "lv1", false);
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_location(&was, &value), OK);
	f->kvs.entries[0].value = buf_bytes(&value);
	is = told_measured(f, false, 0, 0);
	assert_int_equal(is.share_permille, 250);
	assert_int_equal(is.kbps, 4500);
	assert_int_equal(is.objects, 3);
	is = told_measured(f, true, 500, 3000);
	assert_int_equal(is.share_permille, 500);
	assert_int_equal(is.kbps, 3000);
	is = told_measured(f, true, 0, 0);
	assert_int_equal(is.share_permille, 0);
	buf_fini(&value);
}

static void says(struct fixture *f, struct buf *value, uint32_t objects, bool deleted)
{
	struct rpc_location was = { .objects = objects };
	if (f->kvs.n == 0)
		said_before(f, "lv1", false);
	buf_init(value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_location(&was, value), OK);
	f->kvs.entries[0].value = buf_bytes(value);
	f->kvs.entries[0].deleted = deleted;
}

static void what_is_left_of_a_content_that_goes_is_taken_back(void **state)
{
	struct fixture *f = *state;
	struct buf value;
	/* It comes: three objects, as when it was told last. */
	says(f, &value, 3, false);
	assert_int_equal(told_measured(f, true, 9, 0).share_permille, 9);
	buf_fini(&value);
	/* It goes: three after four. */
	says(f, &value, 4, false);
	assert_int_equal(told_measured(f, true, 10, 0).share_permille, 10);
	assert_int_equal(told_measured(f, false, 0, 0).share_permille, 0);
	assert_int_equal(told_measured(f, true, 0, 0).share_permille, 0); /* unknown */
	assert_int_equal(f->puts_n, 4);
	(void)told_measured(f, true, 9, 0);
	assert_int_equal(f->puts_n, 5);
	assert_put(f, 4, "lv1", true);
	/* Taken back once, until more is there. */
	f->kvs.entries[0].deleted = true;
	tell(f, "lv1", 900, 2, "");
	f->cache.news[0].measured = f->cache.news[0].fewer = true;
	f->cache.news[0].share_permille = 8;
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 5);
	assert_int_equal(told_measured(f, true, 11, 0).share_permille, 11);
	assert_int_equal(f->puts_n, 6);
	/* And one that comes is told before it is said. */
	assert_int_equal(told_measured(f, true, 1, 0).share_permille, 1);
	assert_int_equal(f->puts_n, 7);
	buf_fini(&value);
}

static void what_is_held_no_more_is_taken_back(void **state)
{
	struct fixture *f = *state;
	tell(f, "lv1", 1000, 3, "");
	assert_false(poll(f));
	tell(f, "lv1", 0, 0, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 2);
	assert_put(f, 1, "lv1", true);
}

static void what_an_earlier_run_said_is_taken_back_once(void **state)
{
	struct fixture *f = *state;
	said_before(f, "kept", false);
	said_before(f, "lost", false);
	said_before(f, "deleted", true);
	said_before(f, "lost too", false);
	tell(f, "kept", 1, 1, "");
	tell(f, "new", 1, 1, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 4);
	assert_put(f, 0, "kept", false);
	assert_put(f, 1, "new", false);
	assert_put(f, 2, "lost", true);
	assert_put(f, 3, "lost too", true);
	/* Later on entries without a content are none of an earlier run. */
	tell(f, "kept", 2, 2, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 5);
	assert_int_equal(f->kvs.walks, 1);
}

static void entries_of_other_classes_are_left_alone(void **state)
{
	struct fixture *f = *state;
	f->kvs.entries[f->kvs.n++] = (struct rpc_entry){ .key = BYTES_LIT("t5") };
	said_before(f, "lost", false);
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 1);
	assert_put(f, 0, "lost", true);
}

static void with_an_empty_cache_all_is_taken_back(void **state)
{
	struct fixture *f = *state;
	said_before(f, "a", false);
	said_before(f, "b", false);
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 2);
	assert_put(f, 0, "a", true);
	assert_put(f, 1, "b", true);
}

/* More than one poll tells: nothing is taken back before all of it is known. */
static void the_first_telling_may_take_many_polls(void **state)
{
	struct fixture *f = *state;
	static char names[2 * LOCATIONS_POLL_MAX][16];
	for (size_t i = 0; i < 2 * LOCATIONS_POLL_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		tell(f, names[i], 1, 1, "");
		said_before(f, names[i], false);
	}
	said_before(f, "lost", false);
	assert_true(poll(f));
	assert_int_equal(f->cache.asked, LOCATIONS_POLL_MAX);
	assert_int_equal(f->puts_n, LOCATIONS_POLL_MAX);
	assert_int_equal(f->kvs.walks, 0);
	assert_true(poll(f));
	assert_int_equal(f->puts_n, 2 * LOCATIONS_POLL_MAX);
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 2 * LOCATIONS_POLL_MAX + 1);
	assert_put(f, 2 * LOCATIONS_POLL_MAX, "lost", true);
}

/* Told in one poll and gone in the next, all before the first telling is over. */
static void gone_during_the_first_telling(void **state)
{
	struct fixture *f = *state;
	static char names[LOCATIONS_POLL_MAX][16];
	for (size_t i = 0; i < LOCATIONS_POLL_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		tell(f, names[i], 1, 1, "");
	}
	said_before(f, names[5], false);
	assert_true(poll(f));
	tell(f, names[5], 0, 0, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, LOCATIONS_POLL_MAX + 1);
	assert_put(f, LOCATIONS_POLL_MAX, names[5], true);
}

static void a_name_too_long_for_a_key_is_passed_over(void **state)
{
	struct fixture *f = *state;
	static char name[RPC_KEY_MAX];
	memset(name, 'n', sizeof(name) - 1);
	tell(f, name, 1, 1, "");
	tell(f, "", 1, 1, "");
	tell(f, "good", 1, 1, "");
	assert_false(poll(f));
	assert_int_equal(f->puts_n, 1);
	assert_put(f, 0, "good", false);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_held_is_told),
		T(what_was_said_of_the_share_stands_until_it_is_measured),
		T(what_is_left_of_a_content_that_goes_is_taken_back),
		T(what_is_held_no_more_is_taken_back),
		T(what_an_earlier_run_said_is_taken_back_once),
		T(entries_of_other_classes_are_left_alone),
		T(with_an_empty_cache_all_is_taken_back),
		T(the_first_telling_may_take_many_polls),
		T(gone_during_the_first_telling),
		T(a_name_too_long_for_a_key_is_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
