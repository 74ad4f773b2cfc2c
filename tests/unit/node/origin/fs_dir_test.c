#include "node/origin/fs_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char folder[64];
	char root[80];
	struct origin_source *s;
};

static void run(const char *format, const char *folder)
{
	char command[512];
	(void)snprintf(command, sizeof(command), "cd %s && %s", folder, format);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	static struct fixture f;
	(void)snprintf(f.folder, sizeof(f.folder), "/tmp/dir-test-XXXXXX");
	assert_non_null(mkdtemp(f.folder));
	(void)snprintf(f.root, sizeof(f.root), "%s/root", f.folder);
	run("echo secret >outside && mkdir -p root/c/sub && printf hello >root/c/1.m4s && : >root/c/empty.m4s",
	    f.folder);
	f.s = fs_dir_new(f.root);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	f->s->free(f->s);
	run("rm -rf root* outside", f->folder);
	assert_int_equal(rmdir(f->folder), 0);
	return 0;
}

static enum err stat_of(struct fixture *f, const char *object, struct origin_info *info)
{
	return f->s->stat(f->s, bytes_str(object), info);
}

static void test_reads_an_object(void **state)
{
	struct fixture *f = *state;
	struct origin_info info, stat_info;
	void *h;
	uint8_t text[16];
	size_t n;
	assert_int_equal(f->s->open(f->s, BYTES_LIT("c/1.m4s"), &h, &info), OK);
	assert_int_equal(info.length, 5);
	assert_true(info.modified_s > 1500000000);
	assert_int_equal(f->s->read(f->s, h, text, 3, &n), OK);
	assert_int_equal(n, 3);
	assert_int_equal(f->s->read(f->s, h, text + 3, 13, &n), OK);
	assert_int_equal(n, 2);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(f->s->read(f->s, h, text, 16, &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(f->s->check(f->s, h), OK);
	f->s->close(f->s, h);
	assert_int_equal(stat_of(f, "c/1.m4s", &stat_info), OK);
	assert_string_equal(stat_info.etag, info.etag);
	size_t etag_n = strlen(info.etag);
	assert_true(etag_n > 10 && info.etag[0] == '"' && info.etag[etag_n - 1] == '"');
	assert_int_equal(stat_of(f, "c/empty.m4s", &info), OK);
	assert_int_equal(info.length, 0);
	assert_string_not_equal(stat_info.etag, info.etag);
}

static void test_another_state_is_another_validator(void **state)
{
	struct fixture *f = *state;
	struct origin_info a, b;
	assert_int_equal(stat_of(f, "c/1.m4s", &a), OK);
	run("touch -d '2001-01-01 00:00:00.000000001' root/c/1.m4s", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &b), OK);
	assert_string_not_equal(a.etag, b.etag);
	run("touch -d '2001-01-01 00:00:00.000000002' root/c/1.m4s", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &a), OK);
	assert_string_not_equal(a.etag, b.etag);
	run("cp -p root/c/1.m4s root/c/new && mv root/c/new root/c/1.m4s", f->folder); /* another inode */
	assert_int_equal(stat_of(f, "c/1.m4s", &b), OK);
	assert_string_not_equal(a.etag, b.etag);
}

static void test_nothing_leaves_the_folder(void **state)
{
	struct fixture *f = *state;
	struct origin_info info;
	run("ln -s ../../outside root/c/out && ln -s /etc/passwd root/c/abs && ln -s 1.m4s root/c/in && ln -s .. "
	    "root/c/up && "
	    "ln -s loop root/c/loop",
	    f->folder);
	const char *refused[] = { "../outside", "c/../../outside", "/etc/passwd", "c/out", "c/abs",
		"c/up/../outside", "c/loop", "c/up/up/outside", "", "nothing", "c/1.m4s/x", "c", "c/sub" };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(stat_of(f, refused[i], &info), ERR_NOT_FOUND);
	assert_int_equal(f->s->stat(f->s, BYTES_LIT("c/1.m4s\0x"), &info), ERR_NOT_FOUND);
	static char longer[5000];
	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(stat_of(f, longer, &info), ERR_NOT_FOUND);
	assert_int_equal(stat_of(f, "c/in", &info), OK); /* a symlink that stays inside works */
	assert_int_equal(info.length, 5);
	assert_int_equal(stat_of(f, "c/up/c/1.m4s", &info), OK);
}

static void test_only_regular_files(void **state)
{
	struct fixture *f = *state;
	struct origin_info info;
	run("mkfifo root/c/fifo", f->folder);
	assert_int_equal(stat_of(f, "c/fifo", &info), ERR_NOT_FOUND); /* and does not wait for a writer */
}

static void test_a_missing_store_is_not_a_missing_object(void **state)
{
	struct fixture *f = *state;
	struct origin_info info;
	run("mv root root-away", f->folder);
	enum err e = stat_of(f, "c/1.m4s", &info);
	assert_int_equal(e, ERR_IO);
	assert_true(origin_store_failed(e));
	run("touch root", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &info), ERR_IO);
	run("rm root && mkdir root", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &info), ERR_NOT_FOUND); /* empty */
	run("rmdir root && mv root-away root", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &info), OK);
}

static void test_an_unreadable_object_is_not_a_failing_store(void **state)
{
	struct fixture *f = *state;
	struct origin_info info;
	if (geteuid() == 0) {
		print_message("modes do not bind root: ev_fill_test has the store say it\n");
		return;
	}
	run("chmod 0 root/c/1.m4s", f->folder);
	assert_int_equal(stat_of(f, "c/1.m4s", &info), ERR_DENIED);
	assert_false(origin_store_failed(ERR_DENIED));
}

static void changes_in_mid_read(struct fixture *f, const char *change)
{
	void *h;
	struct origin_info info;
	uint8_t text[2];
	size_t n;
	run("printf hello >root/c/1.m4s && touch -d 2001-01-01 root/c/1.m4s", f->folder);
	assert_int_equal(f->s->open(f->s, BYTES_LIT("c/1.m4s"), &h, &info), OK);
	assert_int_equal(f->s->read(f->s, h, text, 2, &n), OK);
	run(change, f->folder);
	assert_int_equal(f->s->check(f->s, h), ERR_CORRUPT);
	f->s->close(f->s, h);
}

static void test_sees_a_change_in_mid_read(void **state)
{
	struct fixture *f = *state;
	changes_in_mid_read(f, "truncate -s 3 root/c/1.m4s");
	changes_in_mid_read(f, "printf more >>root/c/1.m4s");
	changes_in_mid_read(f, "printf HELLO >root/c/1.m4s");
}

static void test_reads_a_part(void **state)
{
	struct fixture *f = *state;
	struct origin_info info, whole;
	struct origin_part part = { 9, 9 };
	void *h;
	uint8_t text[16];
	size_t n;
	run("truncate -s 8388613 root/c/big.mp4 && printf XY | dd of=root/c/big.mp4 bs=1 seek=8388607 "
	    "conv=notrunc status=none",
	    f->folder);
	struct bytes big = BYTES_LIT("c/big.mp4");
	assert_int_equal(f->s->stat(f->s, big, &whole), OK);
	assert_int_equal(f->s->open_part(f->s, big, SLICE_BYTES, &h, &info, &part), OK);
	assert_true(part.start == SLICE_BYTES && part.length == 5 && info.length == SLICE_BYTES + 5);
	assert_string_equal(info.etag, whole.etag);
	assert_int_equal(f->s->read(f->s, h, text, 5, &n), OK);
	assert_true(n == 5 && memcmp(text, "Y\0\0\0\0", 5) == 0);
	assert_int_equal(f->s->check(f->s, h), OK);
	f->s->close(f->s, h);
	assert_int_equal(f->s->open_part(f->s, big, 0, &h, &info, &part), OK);
	assert_true(part.start == 0 && part.length == SLICE_BYTES);
	f->s->close(f->s, h);
	assert_int_equal(f->s->open_part(f->s, big, 2 * SLICE_BYTES, &h, &info, &part), ERR_INVALID);
	assert_int_equal(f->s->open_part(f->s, BYTES_LIT("c/1.m4s"), 0, &h, &info, &part), OK);
	assert_true(part.start == 0 && part.length == 5 && info.length == 5);
	f->s->close(f->s, h);
	assert_int_equal(f->s->open_part(f->s, BYTES_LIT("c/empty.m4s"), 0, &h, &info, &part), OK);
	assert_true(part.length == 0 && info.length == 0);
	f->s->close(f->s, h);
	assert_int_equal(
	    f->s->open_part(f->s, BYTES_LIT("c/none"), SLICE_BYTES, &h, &info, &part), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_reads_an_object),
		CASE(test_another_state_is_another_validator),
		CASE(test_nothing_leaves_the_folder),
		CASE(test_only_regular_files),
		CASE(test_a_missing_store_is_not_a_missing_object),
		CASE(test_an_unreadable_object_is_not_a_failing_store),
		CASE(test_sees_a_change_in_mid_read),
		CASE(test_reads_a_part),
	};
	return cmocka_run_group_tests_name("fs_dir", tests, NULL, NULL);
}
