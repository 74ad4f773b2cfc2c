/* What was found in memory is not asked for again for a moment, and for no longer. */
#include "node/http/fs_warmth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { STEP = WARMTH_STEP_BYTES, FD = 7 };

static struct warm_known known;
static unsigned looks;
static enum warmth answer;
static uint64_t cold_from;

static enum warmth look(int fd, uint64_t offset)
{
	(void)fd;
	looks++;
	return offset < cold_from ? answer : WARMTH_COLD;
}

static const struct warmth_ops disk = { look, NULL };

static int setup(void **state)
{
	(void)state;
	memset(&known, 0, sizeof(known));
	looks = 0;
	answer = WARMTH_WARM;
	cold_from = UINT64_MAX;
	return 0;
}

static uint64_t length(int fd, uint64_t offset, uint64_t n)
{
	return warmth_length(&disk, &known, fd, (uint64_t)fd, offset, n, 0);
}

static void one_place_for_a_moment(void **state)
{
	(void)state;
	assert_false(warm_known_has(&known, 0, 0)); /* all zero knows nothing */
	known.now_ms = 1000;
	assert_false(warm_known_has(&known, FD, 3));
	warm_known_add(&known, FD, 3);
	assert_true(warm_known_has(&known, FD, 3));
	assert_false(warm_known_has(&known, FD, 4));
	assert_false(warm_known_has(&known, FD + 1, 3));
	known.now_ms = 1000 + WARM_KNOWN_MS - 1;
	assert_true(warm_known_has(&known, FD, 3));
	known.now_ms = 1000 + WARM_KNOWN_MS;
	assert_false(warm_known_has(&known, FD, 3));
}

static void what_is_known_is_not_looked_at(void **state)
{
	(void)state;
	assert_int_equal(length(FD, 0, 8 * STEP), 8 * STEP);
	assert_int_equal(looks, 16);                           /* the first and the last byte of each step */
	assert_int_equal(length(FD, 100, 7 * STEP), 7 * STEP); /* the socket had room for 100 bytes */
	assert_int_equal(looks, 16);
	assert_int_equal(length(FD + 1, 0, STEP), STEP);
	assert_int_equal(looks, 18);
	known.now_ms += WARM_KNOWN_MS;
	assert_int_equal(length(FD, 0, 8 * STEP), 8 * STEP);
	assert_int_equal(looks, 34);
	assert_int_equal(warmth_length(&disk, NULL, FD, FD, 0, 8 * STEP, 0), 8 * STEP);
	assert_int_equal(looks, 50);
}

static void only_what_is_warm_is_known(void **state)
{
	(void)state;
	assert_int_equal(length(FD, 0, 2 * STEP), 2 * STEP);
	answer = WARMTH_COLD;
	assert_int_equal(length(FD, 0, 8 * STEP), 2 * STEP);
	assert_int_equal(length(FD, 0, 8 * STEP), 2 * STEP);
	assert_int_equal(looks, 6);
	answer = WARMTH_UNKNOWN;
	assert_int_equal(warmth_length(&disk, &known, FD, FD, 0, 8 * STEP, 4 * STEP), 4 * STEP);
	assert_int_equal(length(FD, 0, 8 * STEP), 2 * STEP); /* what was fetched once is not known to stay */
	assert_int_equal(looks, 10);
}

/* Somebody else's read brings the first part of a step in before the rest. */
static void a_step_is_warm_from_its_first_byte_to_its_last(void **state)
{
	(void)state;
	cold_from = STEP + STEP / 2;
	assert_int_equal(length(FD, 0, 4 * STEP), STEP);
	assert_int_equal(length(FD, STEP, STEP / 2), STEP / 2);
	assert_int_equal(length(FD + 1, STEP, STEP), 0);
}

static void more_than_there_is_room_for(void **state)
{
	(void)state;
	for (unsigned fd = 1; fd <= 2 * WARM_KNOWN_ROWS; fd++) {
		warm_known_add(&known, fd, 1);
		assert_true(warm_known_has(&known, fd, 1));
	}
	unsigned there = 0;
	for (unsigned fd = 1; fd <= 2 * WARM_KNOWN_ROWS; fd++)
		there += warm_known_has(&known, fd, 1);
	assert_in_range(there, WARM_KNOWN_ROWS / 2, WARM_KNOWN_ROWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_place_for_a_moment, setup),
		cmocka_unit_test_setup(what_is_known_is_not_looked_at, setup),
		cmocka_unit_test_setup(only_what_is_warm_is_known, setup),
		cmocka_unit_test_setup(a_step_is_warm_from_its_first_byte_to_its_last, setup),
		cmocka_unit_test_setup(more_than_there_is_room_for, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
