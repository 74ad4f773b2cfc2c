/* What remains when the process ends in the middle, or the disk is full. */
#include "store_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct incarnation inc = { 5, 55 };
static char value[2000];

/* Own writes in groups of `per_group`; `stored` counts what a commit vouched for. */
static void write_until(struct fixture *f, unsigned groups, unsigned per_group, volatile uint64_t *stored)
{
	uint64_t version = *stored;
	for (unsigned g = 0; g < groups; g++) {
		if (kvs_store_begin(f->store) != OK)
			_exit(1);
		for (unsigned i = 0; i < per_group; i++) {
			char key[32];
			version++;
			snprintf(key, sizeof(key), "k%llu", (unsigned long long)version % 500);
			struct kvs_op ops[] = { op_put(f->id.self, RPC_CONTROL, version, key, value),
				op_row(f, f->id.self, RPC_CONTROL, f->id.incarnation, version) };
			if (kvs_store_apply(f->store, ops, 2) != OK)
				_exit(1);
		}
		if (kvs_store_commit(f->store) != OK)
			_exit(1);
		*stored = version;
		arena_reset(&f->arena);
	}
}

static void wait_for(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	            (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

static volatile uint64_t *shared_counter(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	return p;
}

/* Everything up to what was committed is there; of the open group nothing is. */
static void assert_whole(struct fixture *f, uint64_t stored)
{
	reopen(f);
	assert_true(f->report.inherits);
	assert_false(f->report.self_set_aside || f->report.view_set_aside || f->report.view_dropped);
	load(f);
	const struct kvs_row_meta *row = loaded_row(f, f->id.self, RPC_CONTROL);
	assert_non_null(row);
	assert_int_equal(row->have, stored);
	assert_int_equal(loaded_entries(f, f->id.self, RPC_CONTROL), stored < 500 ? stored : 500);
	assert_int_equal(f->loaded->entries[f->loaded->entries_n - 1].e.version, stored);
}

static void test_an_exit_in_mid_batch(void **state)
{
	struct fixture *f = *state;
	memset(value, 'v', sizeof(value) - 1);
	volatile uint64_t *stored = shared_counter();
	for (unsigned round = 0; round < 5; round++) {
		pid_t child = fork();
		if (child == 0) {
			if (open_store(f) != OK)
				_exit(1);
			write_until(f, 3, 40, stored);
			struct kvs_op op = op_put(f->id.self, RPC_CONTROL, *stored + 1, "k0", "never committed");
			if (kvs_store_begin(f->store) != OK || kvs_store_apply(f->store, &op, 1) != OK)
				_exit(1);
			_exit(0);
		}
		wait_for(child);
		assert_whole(f, *stored);
		close_store(f);
	}
	assert_int_equal(*stored, 5 * 3 * 40);
	munmap((void *)(uintptr_t)stored, 4096);
}

static void test_a_kill_at_any_moment(void **state)
{
	struct fixture *f = *state;
	memset(value, 'v', sizeof(value) - 1);
	volatile uint64_t *stored = shared_counter();
	for (unsigned round = 0; round < 10; round++) {
		uint64_t before = *stored;
		pid_t child = fork();
		if (child == 0) {
			if (open_store(f) != OK)
				_exit(1);
			write_until(f, 1000000, 7, stored);
			_exit(0);
		}
		for (unsigned waited_ms = 0; *stored < before + 50 + round; waited_ms++) {
			assert_true(waited_ms < 60000);
			poll(NULL, 0, 1);
		}
		kill(child, SIGKILL);
		wait_for(child);
		/* The kill may have come between the commit and the count of it. */
		reopen(f);
		load(f);
		uint64_t have = loaded_row(f, f->id.self, RPC_CONTROL)->have;
		assert_true(have == *stored || have == *stored + 7);
		*stored = have;
		close_store(f);
		assert_whole(f, have);
		close_store(f);
	}
	munmap((void *)(uintptr_t)stored, 4096);
}

static struct buf contents(const char *path)
{
	struct buf b;
	uint8_t chunk[4096];
	size_t n;
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	buf_init(&b, 16 << 20);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(&b, chunk, n);
	fclose(file);
	assert_int_equal(buf_err(&b), OK);
	return b;
}

static void put_back(const char *path, struct buf *b)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(b->p, 1, b->n, file), b->n);
	assert_int_equal(fclose(file), 0);
	buf_fini(b);
}

/* Between the two commits: `self` has what the view has not. */
static void test_the_view_catches_up_with_self(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct node_id self = f->id.self;
	STORE(f, op_row(f, self, RPC_LOCATIONS, f->id.incarnation, 1), op_location(f, self, 1, "lv1"));
	close_store(f);
	struct buf before = contents(path_in(f, "view/data.mdb"));
	reopen(f);
	STORE(f, op_row(f, self, RPC_LOCATIONS, f->id.incarnation, 3), op_location(f, self, 2, "lv2"),
	    op_no_location(f, self, 3, "lv1"));
	close_store(f);
	/* The view as it was before the second write. */
	put_back(path_in(f, "view/data.mdb"), &before);
	reopen(f);
	load(f);
	assert_int_equal(loaded_row(f, self, RPC_LOCATIONS)->have, 3);
	struct kvs_reader *r;
	struct kvs_holder h[4];
	size_t n;
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("main"), BYTES_LIT("lv1"), &f->arena, h, 4, &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("main"), BYTES_LIT("lv2"), &f->arena, h, 4, &n), OK);
	assert_int_equal(n, 1);
	kvs_reader_close(r);
}

/* -- a full disk: no file may grow past a limit -- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fill_disk(struct fixture *f, struct node_id owner, struct incarnation i)
{
	uint64_t version = 1;
	STORE(f, op_row(f, owner, RPC_CONTROL, i, 1), op_put(owner, RPC_CONTROL, 1, "first", "1"));
	limit_files(1 << 20);
	enum err e = OK;
	while (e == OK) {
		assert_true(version < 3000);
		char keys[10][32];
		struct kvs_op ops[11];
		for (unsigned n = 0; n < 10; n++) {
			snprintf(keys[n], sizeof(keys[n]), "k%llu", (unsigned long long)version + n);
			ops[n] = op_put(owner, RPC_CONTROL, version + 1 + n, keys[n], value);
		}
		ops[10] = op_row(f, owner, RPC_CONTROL, i, version + 10);
		e = store(f, ops, 11);
		if (e == OK)
			version += 10;
	}
	assert_int_equal(e, ERR_NO_SPACE);
	/* Again: the same answer, and nothing worse. */
	struct kvs_op op = op_put(owner, RPC_CONTROL, version + 1, "again", value);
	for (unsigned n = 0; n < 3; n++)
		(void)!store(f, &op, 1);
	limit_files(RLIM_INFINITY);
	/* There is space again: the same store goes on. */
	STORE(f, op_put(owner, RPC_CONTROL, version + 1, "again", "2"),
	    op_row(f, owner, RPC_CONTROL, i, version + 1));
	reopen(f);
	load(f);
	assert_int_equal(loaded_row(f, owner, RPC_CONTROL)->have, version + 1);
	assert_int_equal(loaded_entries(f, owner, RPC_CONTROL), version + 1);
}

static void test_a_full_disk_under_the_view(void **state)
{
	struct fixture *f = *state;
	memset(value, 'v', sizeof(value) - 1);
	signal(SIGXFSZ, SIG_IGN);
	reopen(f);
	fill_disk(f, node(1), inc);
}

static void test_a_full_disk_under_self(void **state)
{
	struct fixture *f = *state;
	memset(value, 'v', sizeof(value) - 1);
	signal(SIGXFSZ, SIG_IGN);
	reopen(f);
	fill_disk(f, f->id.self, f->id.incarnation);
}

static void test_a_start_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	signal(SIGXFSZ, SIG_IGN);
	limit_files(4096);
	assert_int_equal(open_store(f), ERR_NO_SPACE);
	limit_files(RLIM_INFINITY);
	assert_int_not_equal(strlen(f->report.detail), 0);
	/* What the failed start left behind is no corruption once there is space. */
	reopen(f);
	close_store(f);
	reopen(f);
	assert_true(f->report.inherits);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_an_exit_in_mid_batch),
		TEST(test_a_kill_at_any_moment),
		TEST(test_the_view_catches_up_with_self),
		TEST(test_a_full_disk_under_the_view),
		TEST(test_a_full_disk_under_self),
		TEST(test_a_start_on_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
