#include "cache_fixture.h"

#include "node/cache/fs_disk.h"

#include <setjmp.h>
#include <sodium/crypto_generichash.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct files {
	struct fixture fixture;
	struct fs_disk disk;
};

static int setup(void **state)
{
	static struct files f;
	char detail[200];
	fixture_make(&f.fixture);
	assert_int_equal(fs_disk_open(&f.disk, f.fixture.disk_path, detail), OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct files *f = *state;
	fs_disk_close(&f->disk);
	fixture_remove(&f->fixture);
	return 0;
}

static struct file_id put(struct fs_disk *d, struct bytes data)
{
	struct file_id id;
	int fd;
	fs_disk_new_id(d, &id);
	assert_int_equal(fs_disk_create(d, &id, &fd), OK);
	assert_int_equal(fs_disk_write(fd, 0, data), OK);
	close(fd);
	assert_int_equal(fs_disk_publish(d, &id), OK);
	return id;
}

static void test_a_file_from_birth_to_end(void **state)
{
	struct files *f = *state;
	struct file_id id = put(&f->disk, BYTES_LIT("hello"));
	int fd;
	char text[8] = "";
	assert_int_equal(fs_disk_read(&f->disk, &id, 5, &fd), OK);
	assert_int_equal(read(fd, text, 8), 5);
	assert_string_equal(text, "hello");
	close(fd);
	assert_int_equal(fs_disk_read(&f->disk, &id, 4, &fd), ERR_CORRUPT);
	uint8_t sum[CACHE_CHECKSUM_BYTES];
	crypto_generichash(sum, sizeof(sum), (const uint8_t *)"hello", 5, NULL, 0);
	assert_int_equal(fs_disk_verify(&f->disk, &id, 5, sum), OK);
	sum[3] ^= 1;
	assert_int_equal(fs_disk_verify(&f->disk, &id, 5, sum), ERR_CORRUPT);
	fs_disk_unlink(&f->disk, &id);
	assert_int_equal(fs_disk_read(&f->disk, &id, 5, &fd), ERR_NOT_FOUND);
	assert_int_equal(fs_disk_verify(&f->disk, &id, 5, sum), ERR_NOT_FOUND);
}

static bool keep_one(void *arg, const struct file_id *id)
{
	return memcmp(id->b, ((struct file_id *)arg)->b, sizeof(id->b)) == 0;
}

static void test_sweeps_what_is_not_kept(void **state)
{
	struct files *f = *state;
	struct file_id ids[600];
	for (int i = 0; i < 600; i++)
		ids[i] = put(&f->disk, BYTES_LIT("x"));
	run("touch %s/objects/07/stranger", f->fixture.disk_path);
	uint64_t removed = 0;
	for (unsigned i = 0; i < FS_DISK_FOLDERS; i++) {
		uint64_t n;
		assert_int_equal(fs_disk_sweep(&f->disk, i, keep_one, &ids[599], &n), OK);
		removed += n;
	}
	assert_int_equal(removed, 600);
	int fd;
	assert_int_equal(fs_disk_read(&f->disk, &ids[599], 1, &fd), OK);
	close(fd);
	assert_int_equal(fs_disk_read(&f->disk, &ids[0], 1, &fd), ERR_NOT_FOUND);
}

static void test_tells_runs_apart(void **state)
{
	struct files *f = *state;
	char detail[200];
	struct file_id a, b;
	fs_disk_new_id(&f->disk, &a);
	fs_disk_new_id(&f->disk, &b);
	assert_memory_not_equal(a.b, b.b, sizeof(a.b));
	assert_true(fs_disk_of_this_run(&f->disk, &a));
	fs_disk_close(&f->disk);
	assert_int_equal(fs_disk_open(&f->disk, f->fixture.disk_path, detail), OK);
	assert_false(fs_disk_of_this_run(&f->disk, &a));
}

static void test_sets_the_index_aside(void **state)
{
	struct files *f = *state;
	unsigned n;
	for (unsigned i = 1; i <= 3; i++) {
		run("mkdir %s/index", f->fixture.disk_path);
		assert_int_equal(fs_disk_set_index_aside(&f->disk, &n), OK);
		assert_int_equal(n, i);
	}
	assert_int_equal(fs_disk_set_index_aside(&f->disk, &n), ERR_NOT_FOUND);
}

static void test_measures(void **state)
{
	struct files *f = *state;
	uint64_t left, total;
	assert_int_equal(fs_disk_room(&f->disk, &left, &total), OK);
	assert_true(left <= total && total > 0);
	assert_int_equal(fs_disk_sync(&f->disk), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_file_from_birth_to_end),
		CASE(test_sweeps_what_is_not_kept),
		CASE(test_tells_runs_apart),
		CASE(test_sets_the_index_aside),
		CASE(test_measures),
	};
	return cmocka_run_group_tests_name("fs_disk", tests, NULL, NULL);
}
