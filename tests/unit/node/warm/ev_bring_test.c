/* Objects that are brought into the cache, whole and in slices, over real fills. */
#include "node/warm/ev_bring.h"

#include "base/obj.h"
#include "node/cache/slices.h"
#include "tests/unit/node/origin/origin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

#define LENGTH (2 * SLICE_BYTES + 1000)

static struct origin_fixture f;
static struct bring bring;
static struct bring_end last;
static unsigned ends;

static void on_ended(struct bring *b, const struct bring_end *end)
{
	assert_int_equal(b->state, BRING_IDLE);
	last = *end;
	ends++;
}

static void set_length(struct fake *fake, uint64_t v)
{
	fake->length = v;
}

static void set_etag(struct fake *fake, uint64_t v)
{
	(void)snprintf(fake->etag, sizeof(fake->etag), "\"e%u\"", (unsigned)v);
}

static int setup(void **state)
{
	(void)state;
	origin_fixture_make(&f, 64 * MIB, 8 * MIB, 60000);
	fake_cut(&f.fake, false);
	fake_set(&f.fake, set_length, LENGTH);
	bring_init(&bring, f.fills, f.cache, &f.mailbox, on_ended);
	ends = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	origin_fixture_remove(&f);
	return 0;
}

static void begin(const char *object)
{
	bring_begin(&bring, &f.config.origins[0], BYTES_LIT("c"), bytes_str(object));
}

static enum bring_outcome run(const char *object)
{
	unsigned before = ends;
	begin(object);
	while (ends == before)
		ev_run(f.loop, EVRUN_ONCE);
	return last.outcome;
}

static bool nothing_runs(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.running == 0 && n.queued == 0;
}

static bool holds_all(const char *object)
{
	struct cache_key k = { .origin = BYTES_LIT("main"), .object = bytes_str(object) };
	uint64_t length = 0;
	return eventually(nothing_runs, &f) && cache_holds(f.cache, &k, &length) && length == LENGTH;
}

static void test_a_large_one_comes_in_slices(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(run("c/film.mp4"), BRING_WHOLE);
		assert_true(last.length == LENGTH && last.fd == -1);
		assert_true(holds_all("c/film.mp4"));
	}
	assert_int_equal(fake_opens(&f.fake), 3);
	assert_int_equal(counters(&f).bytes_from_origin, LENGTH);
}

static void test_a_small_one_is_one_unit(void **state)
{
	(void)state;
	fake_set(&f.fake, set_length, 5000);
	assert_int_equal(run("c/1.m4s"), BRING_WHOLE);
	assert_true(last.length == 5000 && last.fd >= 0);
	assert_int_equal(fake_opens(&f.fake), 1);
}

static void test_one_that_is_too_large_is_left(void **state)
{
	(void)state;
	bring.max_bytes = LENGTH - 1;
	assert_int_equal(run("c/film.mp4"), BRING_FAILED);
	assert_int_equal(last.error, ERR_TOO_BIG);
	assert_true(eventually(nothing_runs, &f));
	assert_int_equal(fake_opens(&f.fake), 1);
	bring.max_bytes = LENGTH;
	assert_int_equal(run("c/film.mp4"), BRING_WHOLE);
}

static void test_one_that_changes_is_not_brought(void **state)
{
	(void)state;
	struct asker a;
	ask_slice(&f, &a, "c/film.mp4", 1, NULL);
	await(&f, &a);
	release(&f, &a);
	assert_true(eventually(nothing_runs, &f));
	fake_set(&f.fake, set_etag, 2);
	assert_int_equal(run("c/film.mp4"), BRING_FAILED);
	assert_int_equal(last.error, ERR_CORRUPT);
	assert_true(eventually(nothing_runs, &f));
	assert_int_equal(run("c/film.mp4"), BRING_WHOLE);
	assert_true(holds_all("c/film.mp4"));
}

static void test_it_may_be_forgotten_between_slices(void **state)
{
	(void)state;
	fake_give(&f.fake, SLICE_BYTES + 100);
	begin("c/film.mp4");
	while (bring.slice < 2 || bring.state != BRING_GROWING)
		ev_run(f.loop, EVRUN_ONCE);
	bring_forget(&bring);
	assert_int_equal(bring.state, BRING_IDLE);
	fake_give(&f.fake, GIVE_ALL);
	assert_true(eventually(nothing_runs, &f));
	assert_int_equal(ends, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_large_one_comes_in_slices),
		CASE(test_a_small_one_is_one_unit),
		CASE(test_one_that_is_too_large_is_left),
		CASE(test_one_that_changes_is_not_brought),
		CASE(test_it_may_be_forgotten_between_slices),
	};
	return cmocka_run_group_tests_name("ev_bring", tests, NULL, NULL);
}
