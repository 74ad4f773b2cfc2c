/* Units whose files have to be found on a disk first. */
#include "delivery_fixture.h"

#include "base/check.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct node node;
static const char *token;

enum { OBJECTS = 40 };

/* So few descriptors that the cache keeps hardly a file open. */
static int setup(void **state)
{
	(void)state;
	struct rlimit before, low;
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	low = (struct rlimit){ .rlim_cur = 256, .rlim_max = before.rlim_max };
	CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
	node_start(&node);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void name_of(char name[32], int i)
{
	snprintf(name, 32, "lv1/small-%d.ts", i);
}

static void get(const char *path, const char *status, const char *body)
{
	char value[256];
	struct raw_answer a = node_get(&node, token, path, "");
	assert_int_equal(a.status, 200);
	assert_string_equal((char *)a.body, body);
	if (status != NULL)
		assert_string_equal(raw_field(&a, "Cache-Status", value), status);
	raw_answer_free(&a);
}

static void fill_all(void)
{
	char name[32];
	for (int i = 0; i < OBJECTS; i++) {
		name_of(name, i);
		node_put(&node, name, name);
		get(name, NULL, name);
	}
	node_await_fills(&node);
}

static void a_file_that_is_not_easily_found_is_a_hit_all_the_same(void **state)
{
	(void)state;
	char name[32];
	fill_all();
	atomic_store(&node_disk_cold, true);
	unsigned asked = atomic_load(&node_disk_asked);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < OBJECTS; i++) {
			name_of(name, i);
			get(name, "Warmcast; hit", name);
		}
	assert_true(atomic_load(&node_disk_asked) >= asked + OBJECTS / 2);
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.hits + n.misses, n.requests);
	assert_int_equal(n.failed, 0);
	assert_true(n.looks_aside >= OBJECTS / 2);
}

static void a_viewer_may_leave_while_it_is_looked_for(void **state)
{
	(void)state;
	char name[32];
	fill_all();
	atomic_store(&node_disk_cold, true);
	for (int i = 0; i < OBJECTS; i++) {
		struct raw c;
		name_of(name, i);
		raw_connect(&c, node.port);
		node_ask(&c, "GET", token, name, "");
		if (i % 2 == 0)
			raw_abort(&c);
		else
			raw_close(&c);
	}
	for (int i = 0; i < OBJECTS; i++) {
		name_of(name, i);
		get(name, "Warmcast; hit", name);
	}
}

static void a_server_may_stop_while_it_is_looked_for(void **state)
{
	(void)state;
	char name[32];
	struct raw c[OBJECTS];
	fill_all();
	atomic_store(&node_disk_cold, true);
	for (int i = 0; i < OBJECTS; i++) {
		name_of(name, i);
		raw_connect(&c[i], node.port);
		node_ask(&c[i], "GET", token, name, "");
	}
	node_stop_server(&node);
	for (int i = 0; i < OBJECTS; i++)
		raw_close(&c[i]);
}

static int remove_file(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
	(void)s;
	(void)ftw;
	return type == FTW_F ? unlink(path) : 0;
}

static void a_file_that_is_gone_is_fetched_anew(void **state)
{
	(void)state;
	char name[32], folder[200];
	fill_all();
	snprintf(folder, sizeof(folder), "%s/cache/objects", node.dir);
	CHECK(nftw(folder, remove_file, 16, FTW_PHYS) == 0);
	atomic_store(&node_disk_cold, true);
	for (int i = 0; i < OBJECTS; i++) {
		name_of(name, i);
		get(name, NULL, name);
	}
	assert_int_equal(node_count(&node).failed, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_that_is_not_easily_found_is_a_hit_all_the_same),
		T(a_viewer_may_leave_while_it_is_looked_for),
		T(a_server_may_stop_while_it_is_looked_for),
		T(a_file_that_is_gone_is_fetched_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
