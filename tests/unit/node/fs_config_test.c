#include "node/fs_config.h"

#include "node/config_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/fs_config_test.XXXXXX";
static char path[64], error[CONFIG_ERROR_MAX];

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/f", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void put(struct bytes text, mode_t mode)
{
	unlink(path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
}

static enum err read_config(void)
{
	struct arena a;
	struct config c;
	arena_init(&a, 1 << 20);
	enum err e = fs_config_read(path, &a, &c, error);
	arena_fini(&a);
	return e;
}

static void assert_error(const char *text)
{
	char whole[CONFIG_ERROR_MAX];
	snprintf(whole, sizeof(whole), "%s%s", path, text);
	assert_string_equal(error, whole);
}

static void reads_a_configuration(void **state)
{
	(void)state;
	put(BYTES_LIT("cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"127.0.0.1:1\"}\n"), 0644);
	assert_int_equal(read_config(), OK);
	put(BYTES_LIT("cluster: c d\n"), 0644);
	assert_int_equal(read_config(), ERR_INVALID);
	assert_error(":1: cluster: 'c d' is not allowed; allowed: 1 to 64 of A-Z a-z 0-9 . _ -");
}

static void says_why_a_file_cannot_be_read(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(read_config(), ERR_NOT_FOUND);
	assert_error(": cannot open it: No such file or directory");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_config(), ERR_INVALID);
	assert_error(": is no regular file");
	assert_int_equal(rmdir(path), 0);
	/* A pipe that nobody writes to does not hold the start. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_config(), ERR_INVALID);
	assert_error(": is no regular file");
	static uint8_t big[CONFIG_FILE_MAX + 1];
	memset(big, '\n', sizeof(big));
	put(bytes_of(big, sizeof(big)), 0644);
	assert_int_equal(read_config(), ERR_TOO_BIG);
	assert_error(": longer than 65536 bytes");
}

static void a_secret_is_its_owners_alone(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, SECRET_FILE_MAX);
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0644, 0666 };
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		put(BYTES_LIT("k:AAAA\n"), open_modes[i]);
		assert_int_equal(fs_secret_read(path, SECRET_FILE_MAX, &b, error), ERR_DENIED);
		assert_error(": a secret must not be readable by others (chmod 600)");
		assert_int_equal(b.n, 0);
	}
	put(BYTES_LIT("k:AAAA\n"), 0400);
	assert_int_equal(fs_secret_read(path, SECRET_FILE_MAX, &b, error), OK);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("k:AAAA\n")));
	buf_clear(&b);
	put(BYTES_LIT(""), 0600);
	assert_int_equal(fs_secret_read(path, SECRET_FILE_MAX, &b, error), ERR_INVALID);
	assert_error(": is empty");
	buf_fini(&b);
}

static void the_example_is_valid(void **state)
{
	(void)state;
	struct arena a;
	struct config c;
	arena_init(&a, 1 << 20);
	if (fs_config_read(EXAMPLE_CONFIG, &a, &c, error) != OK)
		fail_msg("%s", error);
	assert_string_equal(c.node, "delivery-1");
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_configuration),
		cmocka_unit_test(says_why_a_file_cannot_be_read),
		cmocka_unit_test(a_secret_is_its_owners_alone),
		cmocka_unit_test(the_example_is_valid),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
