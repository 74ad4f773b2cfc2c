/* Starts: the lock, host crashes, and files that were damaged while nobody looked. */
#include "store_fixture.h"

#include "base/prng.h"
#include "kvs/format.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct incarnation inc = { 5, 55 };

/* Some rows of this node and of another, closed cleanly. */
static void fill(struct fixture *f, unsigned entries)
{
	reopen(f);
	assert_int_equal(kvs_store_begin(f->store), OK);
	for (unsigned i = 1; i <= entries; i++) {
		char content[32];
		snprintf(content, sizeof(content), "lv%u", i);
		struct kvs_op ops[] = { op_location(f, f->id.self, i, content), op_location(f, node(1), i, content),
			op_location(f, node(2), i, content) };
		assert_int_equal(kvs_store_apply(f->store, ops, 3), OK);
	}
	struct kvs_op rows[] = { op_row(f, f->id.self, RPC_LOCATIONS, f->id.incarnation, entries),
		op_row(f, node(1), RPC_LOCATIONS, inc, entries), op_row(f, node(2), RPC_LOCATIONS, inc, entries) };
	assert_int_equal(kvs_store_apply(f->store, rows, 3), OK);
	assert_int_equal(kvs_store_commit(f->store), OK);
	close_store(f);
}

static void test_first_start(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_store(f), OK);
	assert_true(f->report.first_start);
	assert_false(f->report.self_set_aside || f->report.view_set_aside || f->report.view_dropped);
	assert_string_equal(f->report.detail, "");
	assert_int_equal(f->id.incarnation.count, 1);
	struct stat st;
	assert_int_equal(stat(f->folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	load(f);
	assert_int_equal(f->loaded->rows_n, 0);
}

static void test_a_folder_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	size_t n = strlen(f->folder);
	snprintf(f->folder + n, sizeof(f->folder) - n, "/a/b");
	assert_int_equal(open_store(f), ERR_NOT_FOUND);
	assert_non_null(strstr(f->report.detail, f->folder));
	f->folder[n] = '\0';
	FILE *file = fopen(f->folder, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(open_store(f), ERR_NOT_FOUND);
	assert_int_not_equal(strlen(f->report.detail), 0);
}

static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_store *first = f->store;
	f->store = NULL;
	/* In this process. */
	assert_int_equal(open_store(f), ERR_BUSY);
	assert_non_null(strstr(f->report.detail, "lock"));
	/* In another. */
	pid_t child = fork();
	if (child == 0)
		_exit(open_store(f) == ERR_BUSY ? 0 : 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	f->store = first;
	reopen(f);
	assert_int_equal(f->id.incarnation.count, 2);
}

/* Less address space than the maps want: they take what there is, and a later start has the rest. */
static void test_a_limit_of_address_space(void **state)
{
	struct fixture *f = *state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* they take more than that for themselves */
#endif
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { (rlim_t)2 << 30, (rlim_t)2 << 30 };
		struct kvs_store_gauges g;
		if (setrlimit(RLIMIT_AS, &limit) != 0 || open_store(f) != OK)
			_exit(1);
		if (!f->report.map_limited || strstr(f->report.detail, "self: a map of") == NULL)
			_exit(3);
		kvs_store_gauge(f->store, &g);
		_exit(g.map_bytes >= (64 << 20) && g.map_bytes < ((size_t)2 << 30) ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	reopen(f);
	assert_false(f->report.map_limited);
	struct kvs_store_gauges g;
	kvs_store_gauge(f->store, &g);
	assert_true(g.map_bytes >= (size_t)16 << 30);
}

/* A host that crashed: nobody closed, and the boot id is another. */
static void crash_and_reboot(struct fixture *f, const char *boot_id)
{
	pid_t child = fork();
	if (child == 0)
		_exit(open_store(f) == OK ? 0 : 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	f->boot_id = boot_id;
}

static void test_a_host_crash_drops_the_view(void **state)
{
	struct fixture *f = *state;
	fill(f, 10);
	crash_and_reboot(f, "boot-2");
	reopen(f);
	assert_true(f->report.view_dropped);
	assert_true(f->report.inherits);
	assert_non_null(strstr(f->report.detail, "view"));
	load(f);
	assert_int_equal(loaded_entries(f, f->id.self, RPC_LOCATIONS), 10);
	assert_null(loaded_row(f, node(1), RPC_LOCATIONS));
}

static void test_a_crash_of_the_process_keeps_the_view(void **state)
{
	struct fixture *f = *state;
	fill(f, 10);
	crash_and_reboot(f, "boot-1");
	reopen(f);
	assert_false(f->report.view_dropped);
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 10);
}

static void test_a_clean_end_keeps_the_view_over_a_reboot(void **state)
{
	struct fixture *f = *state;
	fill(f, 10);
	f->boot_id = "boot-2";
	reopen(f);
	assert_false(f->report.view_dropped);
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 10);
	/* Only once: this run was not closed yet. */
	close_store(f);
	crash_and_reboot(f, "boot-3");
	reopen(f);
	assert_true(f->report.view_dropped);
}

static void test_an_unknown_boot_is_never_the_same(void **state)
{
	struct fixture *f = *state;
	f->boot_id = "";
	fill(f, 10);
	crash_and_reboot(f, "");
	reopen(f);
	assert_true(f->report.view_dropped);
}

static void test_self_lost_is_a_new_id(void **state)
{
	struct fixture *f = *state;
	fill(f, 10);
	struct node_id old = f->id.self;
	assert_int_equal(remove(path_in(f, "self/data.mdb")), 0);
	reopen(f);
	assert_true(f->report.first_start);
	assert_false(f->report.inherits);
	assert_false(node_id_eq(&f->id.self, &old));
	assert_int_equal(f->id.incarnation.count, 1);
	assert_true(f->report.view_dropped); /* the mark that vouched for it went along */
}

/* -- damage -- */

static void overwrite(const char *path, off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, at), n);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void garble_header(const char *path)
{
	uint8_t garbage[8192];
	memset(garbage, 0xa5, sizeof(garbage));
	overwrite(path, 0, garbage, sizeof(garbage));
}

static void zero_one_meta(const char *path)
{
	static const uint8_t zeroes[4096];
	overwrite(path, 4096, zeroes, sizeof(zeroes));
}

static void garble_pages(const char *path)
{
	uint8_t garbage[4096];
	memset(garbage, 0xff, sizeof(garbage));
	for (off_t at = 8192; at < size_of(path); at += 4096)
		overwrite(path, at, garbage, sizeof(garbage));
}

static void truncate_half(const char *path)
{
	assert_int_equal(truncate(path, size_of(path) / 2), 0);
}

static void truncate_to_metas(const char *path)
{
	assert_int_equal(truncate(path, 8192), 0);
}

static void truncate_to_a_stub(const char *path)
{
	assert_int_equal(truncate(path, 100), 0);
}

static void truncate_all(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void (*const damages[])(const char *path) = { garble_header, zero_one_meta, garble_pages,
	truncate_half, truncate_to_metas, truncate_to_a_stub, truncate_all };
enum { DAMAGES = sizeof(damages) / sizeof(damages[0]) };

static void test_a_damaged_self_is_set_aside(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < DAMAGES; i++) {
		fill(f, 200);
		struct node_id old = f->id.self;
		damages[i](path_in(f, "self/data.mdb"));
		reopen(f);
		char kept[32];
		snprintf(kept, sizeof(kept), "self.corrupt-%u", i + 1);
		assert_true(f->report.self_set_aside);
		assert_false(f->report.first_start || f->report.inherits);
		assert_non_null(strstr(f->report.detail, kept));
		assert_true(exists(path_in(f, kept)));
		assert_false(node_id_eq(&f->id.self, &old));
		load(f);
		assert_int_equal(f->loaded->rows_n, 0);
		close_store(f);
		reopen(f);
		assert_false(f->report.self_set_aside);
		assert_true(f->report.inherits);
		close_store(f);
	}
}

static void test_a_damaged_view_is_set_aside(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < DAMAGES; i++) {
		fill(f, 200);
		struct node_id old = f->id.self;
		damages[i](path_in(f, "view/data.mdb"));
		reopen(f);
		char kept[32];
		snprintf(kept, sizeof(kept), "view.corrupt-%u", i + 1);
		assert_true(f->report.view_set_aside);
		assert_false(f->report.self_set_aside);
		assert_non_null(strstr(f->report.detail, kept));
		assert_true(exists(path_in(f, kept)));
		assert_true(node_id_eq(&f->id.self, &old));
		assert_true(f->report.inherits);
		load(f);
		assert_int_equal(f->loaded->rows_n, 1);
		assert_int_equal(loaded_entries(f, old, RPC_LOCATIONS), 200);
		close_store(f);
	}
}

/* Any byte of a value: LMDB does not see it, the row's sum does. */
static void change_a_value(const char *path, const char *needle)
{
	off_t n = size_of(path);
	uint8_t *all = malloc((size_t)n);
	assert_non_null(all);
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, all, (size_t)n, 0), n);
	for (size_t i = 8192; i + strlen(needle) <= (size_t)n; i++)
		if (memcmp(all + i, needle, strlen(needle)) == 0)
			assert_int_equal(pwrite(fd, "X", 1, (off_t)i), 1);
	close(fd);
	free(all);
}

static void test_changed_own_data_is_not_inherited(void **state)
{
	struct fixture *f = *state;
	fill(f, 20);
	change_a_value(path_in(f, "self/data.mdb"), "master.m3u8");
	reopen(f);
	assert_true(f->report.self_set_aside);
	assert_false(f->report.inherits);
}

static void test_a_changed_row_of_the_view_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	fill(f, 2);
	reopen(f);
	STORE(f, op_row(f, node(3), RPC_CONTROL, inc, 1), op_put(node(3), RPC_CONTROL, 1, "r", "needle"));
	close_store(f);
	change_a_value(path_in(f, "view/data.mdb"), "needle");
	reopen(f);
	load(f);
	assert_null(loaded_row(f, node(3), RPC_CONTROL));
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 2);
	/* It can be written anew, and adds up again. */
	STORE(f, op_row(f, node(3), RPC_CONTROL, inc, 1), op_put(node(3), RPC_CONTROL, 1, "r", "needle"));
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, node(3), RPC_CONTROL), 1);
}

/* Whatever single bytes are wrong, a start ends with a store that works. */
static void test_random_damage_never_ends_the_process(void **state)
{
	struct fixture *f = *state;
	struct prng p;
	prng_init(&p, 7);
	unsigned set_aside = 0;
	for (unsigned round = 0; round < 150; round++) {
		fill(f, 60);
		const char *path = path_in(f, prng_chance(&p, 500) ? "self/data.mdb" : "view/data.mdb");
		off_t n = size_of(path);
		for (unsigned i = 0; i < 1 + prng_below(&p, 20); i++) {
			/* Headers and offsets stand at the start of a page: half of the hits go there. */
			off_t at = (off_t)prng_below(&p, (uint64_t)n);
			if (prng_chance(&p, 500))
				at = at / 4096 * 4096 + (off_t)prng_below(&p, 64);
			uint8_t byte = (uint8_t)prng_next(&p);
			overwrite(path, at, &byte, 1);
		}
		reopen(f);
		load(f);
		set_aside += f->report.self_set_aside || f->report.view_set_aside;
		STORE(f, op_row(f, node(1), RPC_LOCATIONS, inc, 61), op_location(f, node(1), 61, "new"),
		    op_drop_row(node(2), RPC_LOCATIONS));
		close_store(f);
		arena_reset(&f->arena);
	}
	assert_true(set_aside > 20);
}

/* -- formats -- */

static void write_meta(const char *folder, const char *name, uint32_t number)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;
	uint8_t encoded[4];
	kvs_format_put_u32(encoded, number);
	MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v = { 4, encoded };
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, folder, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	assert_int_equal(mdb_put(txn, meta, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void copy_of(const char *path, uint8_t **p, size_t *n)
{
	*n = (size_t)size_of(path);
	*p = malloc(*n);
	assert_non_null(*p);
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, *p, *n), *n);
	close(fd);
}

static void assert_newer_is_refused(struct fixture *f, const char *side, uint32_t format)
{
	char name[32];
	snprintf(name, sizeof(name), "%s/data.mdb", side);
	fill(f, 5);
	struct node_id old = f->id.self;
	write_meta(path_in(f, side), "format", format + 1);
	uint8_t *before, *after;
	size_t before_n, after_n;
	copy_of(path_in(f, name), &before, &before_n);
	assert_int_equal(open_store(f), ERR_VERSION);
	assert_non_null(strstr(f->report.detail, side));
	copy_of(path_in(f, name), &after, &after_n);
	assert_int_equal(before_n, after_n);
	assert_memory_equal(before, after, after_n);
	free(before);
	free(after);
	/* The build that wrote it finds everything in place. */
	write_meta(path_in(f, side), "format", format);
	reopen(f);
	assert_true(node_id_eq(&f->id.self, &old));
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 5);
	close_store(f);
}

static void test_a_newer_format_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	assert_newer_is_refused(f, "self", KVS_SELF_FORMAT);
	assert_newer_is_refused(f, "view", KVS_VIEW_FORMAT);
}

/* A slot is never given out again, whatever happened to the count of them. */
static void test_a_lost_count_of_slots(void **state)
{
	struct fixture *f = *state;
	fill(f, 5);
	write_meta(path_in(f, "view"), "slots", 0);
	reopen(f);
	load(f);
	STORE(f, op_row(f, node(3), RPC_LOCATIONS, inc, 1), op_location(f, node(3), 1, "lv1"));
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, node(3), RPC_LOCATIONS), 1);
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 5);
	assert_int_equal(loaded_entries(f, node(2), RPC_LOCATIONS), 5);
}

/* Peers have all of the view: one of an older layout is fetched again. Own rows stay. */
static void test_an_older_view_is_dropped(void **state)
{
	struct fixture *f = *state;
	fill(f, 5);
	struct node_id old = f->id.self;
	write_meta(path_in(f, "view"), "format", KVS_VIEW_FORMAT - 1);
	reopen(f);
	assert_true(f->report.view_dropped);
	assert_non_null(strstr(f->report.detail, "older format"));
	assert_true(node_id_eq(&f->id.self, &old));
	assert_true(f->report.inherits);
	load(f);
	assert_int_equal(loaded_entries(f, old, RPC_LOCATIONS), 5);
	assert_int_equal(f->loaded->rows_n, 1);
	reopen(f);
	assert_false(f->report.view_dropped);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_first_start),
		TEST(test_a_folder_that_cannot_be),
		TEST(test_one_at_a_time),
		TEST(test_a_limit_of_address_space),
		TEST(test_a_host_crash_drops_the_view),
		TEST(test_a_crash_of_the_process_keeps_the_view),
		TEST(test_a_clean_end_keeps_the_view_over_a_reboot),
		TEST(test_an_unknown_boot_is_never_the_same),
		TEST(test_self_lost_is_a_new_id),
		TEST(test_a_damaged_self_is_set_aside),
		TEST(test_a_damaged_view_is_set_aside),
		TEST(test_changed_own_data_is_not_inherited),
		TEST(test_a_changed_row_of_the_view_is_fetched_again),
		TEST(test_random_damage_never_ends_the_process),
		TEST(test_a_newer_format_is_refused_and_left_alone),
		TEST(test_a_lost_count_of_slots),
		TEST(test_an_older_view_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
