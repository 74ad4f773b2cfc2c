#include "base/obj.h"

#include "death.h"

#define CONN_MAGIC 0x636f6e6eu
#define FILE_MAGIC 0x66696c65u

struct conn {
	unsigned magic;
	int fd;
	struct {
		int wanted;
	} watcher;
};

static char said[1024];

static void an_object_is_zeroed_and_knows_its_type(void **state)
{
	(void)state;
	struct conn *c = OBJ_NEW(struct conn, CONN_MAGIC);
	assert_int_equal(c->magic, CONN_MAGIC);
	assert_int_equal(c->fd, 0);
	assert_int_equal(c->watcher.wanted, 0);
	void *user_data = c;
	assert_ptr_equal(OBJ_CAST(struct conn, CONN_MAGIC, user_data), c);
	OBJ_CHECK(c, CONN_MAGIC);
	assert_ptr_equal(CONTAINER_OF(&c->watcher, struct conn, watcher), c);
	OBJ_FREE(c);
	assert_null(c);
	OBJ_FREE(c);
}

static void cast_another_type(void)
{
	struct conn *c = OBJ_NEW(struct conn, CONN_MAGIC);
	(void)OBJ_CAST(struct conn, FILE_MAGIC, c);
}

static void cast_null(void)
{
	(void)OBJ_CAST(struct conn, CONN_MAGIC, NULL);
}

static void check_a_wrong_type(void)
{
	struct conn *c = OBJ_NEW(struct conn, CONN_MAGIC);
	OBJ_CHECK(c, FILE_MAGIC);
}

static void a_wrong_cast_dies(void **state)
{
	(void)state;
	assert_dies(cast_another_type, said, sizeof(said));
	assert_non_null(strstr(said, "obj_checked"));
	assert_dies(cast_null, said, sizeof(said));
	assert_non_null(strstr(said, "obj_checked"));
	assert_dies(check_a_wrong_type, said, sizeof(said));
	assert_non_null(strstr(said, "check_a_wrong_type"));
}

static void fail_a_check(void)
{
	volatile int two = 2;
	CHECK(two == 3);
}

static void reach_the_unreachable(void)
{
	UNREACHABLE();
}

static void a_check_that_fails_says_where_and_what(void **state)
{
	(void)state;
	assert_dies(fail_a_check, said, sizeof(said));
	assert_non_null(strstr(said, "PANIC "));
	assert_non_null(strstr(said, "obj_test.c:"));
	assert_non_null(strstr(said, "fail_a_check: two == 3\n"));
	assert_dies(reach_the_unreachable, said, sizeof(said));
	assert_non_null(strstr(said, "unreachable\n"));
}

static int evaluated;

static void a_check_that_holds_is_evaluated_once(void **state)
{
	(void)state;
	CHECK(++evaluated == 1);
	assert_int_equal(evaluated, 1);
	if (evaluated == 0)
		CHECK(evaluated == 0); /* one statement: the else below is this if's */
	else
		evaluated = 7;
	assert_int_equal(evaluated, 7);
}

static void hook(void)
{
	ssize_t ignored = write(STDERR_FILENO, "hook\n", 5);
	(void)ignored;
	CHECK(!"the hook's own bug"); /* must not run the hook again */
}

static void fail_with_a_hook(void)
{
	check_on_fail(hook);
	CHECK(!"first");
}

static void the_hook_runs_once_after_the_message(void **state)
{
	(void)state;
	assert_dies(fail_with_a_hook, said, sizeof(said));
	const char *first = strstr(said, "first"), *hooked = strstr(said, "hook\n");
	assert_non_null(first);
	assert_non_null(hooked);
	assert_true(first < hooked);
	assert_null(strstr(hooked + 1, "hook\n"));
	assert_non_null(strstr(hooked, "the hook's own bug"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_zeroed_and_knows_its_type),
		cmocka_unit_test(a_wrong_cast_dies),
		cmocka_unit_test(a_check_that_fails_says_where_and_what),
		cmocka_unit_test(a_check_that_holds_is_evaluated_once),
		cmocka_unit_test(the_hook_runs_once_after_the_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
