#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_error_has_a_text_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(err_str(OK), "ok");
	for (int i = 0; i < ERR_COUNT; i++) {
		assert_true(strlen(err_str((enum err)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(err_str((enum err)i), err_str((enum err)j));
	}
	assert_string_equal(err_str(ERR_COUNT), "unknown error");
	assert_string_equal(err_str((enum err) - 1), "unknown error");
}

static void errno_is_translated(void **state)
{
	(void)state;
	static const struct {
		int errnum;
		enum err err;
	} table[] = {
		{ 0, OK },
		{ ENOENT, ERR_NOT_FOUND },
		{ ENOTDIR, ERR_NOT_FOUND },
		{ EEXIST, ERR_EXISTS },
		{ ENOSPC, ERR_NO_SPACE },
		{ EDQUOT, ERR_NO_SPACE },
		{ ENOMEM, ERR_NO_MEMORY },
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ EROFS, ERR_DENIED },
		{ EBUSY, ERR_BUSY },
		{ EADDRINUSE, ERR_BUSY },
		{ ENAMETOOLONG, ERR_TOO_BIG },
		{ EFBIG, ERR_TOO_BIG },
		{ EINVAL, ERR_INVALID },
		{ EISDIR, ERR_INVALID },
		{ EPIPE, ERR_CLOSED },
		{ ECONNRESET, ERR_CLOSED },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ EIO, ERR_IO },
		{ 12345, ERR_IO },
		{ -1, ERR_IO },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(err_from_errno(table[i].errnum), table[i].err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_text_of_its_own),
		cmocka_unit_test(errno_is_translated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
