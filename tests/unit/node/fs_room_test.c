#include "node/fs_room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

static void connections_follow_descriptors_and_memory(void **state)
{
	(void)state;
	const uint64_t gib = UINT64_C(1) << 30;
	assert_int_equal(connections_for(1048576, 64 * gib), FS_ROOM_CONNECTIONS_MAX);
	assert_int_equal(connections_for(0, 0), FS_ROOM_CONNECTIONS_MAX);
	/* A quarter of the descriptors is the cache's, and some are the node's own. */
	assert_int_equal(connections_for(4096, 64 * gib), (4096 - 1024 - 256) / 2);
	assert_int_equal(connections_for(1048576, gib), 16384);
	assert_int_equal(connections_for(4096, gib / 64), 256);
	assert_int_equal(connections_for(300, 64 * gib), FS_ROOM_CONNECTIONS_MIN);
	assert_int_equal(connections_for(16, 4096), FS_ROOM_CONNECTIONS_MIN);
}

static void this_process_has_its_share(void **state)
{
	(void)state;
	struct rlimit before, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){ .rlim_cur = 1000, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	size_t few = fs_room_connections();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(few, (1000 - 250 - 256) / 2);
	assert_true(fs_room_connections() >= few || before.rlim_cur < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_follow_descriptors_and_memory),
		cmocka_unit_test(this_process_has_its_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
