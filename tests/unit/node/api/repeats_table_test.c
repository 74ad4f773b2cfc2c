#include "node/api/repeats_table.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4, BYTES = 1000, KEEP_MS = 5000 };

static int setup(void **state)
{
	static struct repeats_table t;
	repeats_table_init(&t, ROWS, BYTES, KEEP_MS);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	repeats_table_fini(*state);
	return 0;
}

static struct repeat_id id_of(uint64_t key, uint8_t body)
{
	struct repeat_id id = { { 0 }, { 0 } };
	memcpy(id.key, &key, sizeof(key));
	id.body[0] = body;
	return id;
}

static enum repeat_state begin(struct repeats_table *t, uint64_t key, uint8_t body, uint64_t now_ms)
{
	struct repeat_id id = id_of(key, body);
	struct bytes answer;
	return repeats_table_begin(t, &id, now_ms, &answer);
}

static void answer(struct repeats_table *t, uint64_t key, uint8_t body, const char *text)
{
	struct repeat_id id = id_of(key, body);
	repeats_table_answer(t, &id, bytes_str(text));
}

static void drop(struct repeats_table *t, uint64_t key, uint8_t body)
{
	struct repeat_id id = id_of(key, body);
	repeats_table_drop(t, &id);
}

static void assert_answer(struct repeats_table *t, uint64_t key, uint8_t body, const char *text)
{
	struct repeat_id id = id_of(key, body);
	struct bytes found = BYTES_NONE;
	assert_int_equal(repeats_table_begin(t, &id, 0, &found), REPEAT_SAME);
	assert_true(bytes_eq(found, bytes_str(text)));
}

static void the_same_answer_again(void **state)
{
	struct repeats_table *t = *state;
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_NEW);
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_UNDER_WAY);
	assert_int_equal(begin(t, 1, 2, 0), REPEAT_OTHER);
	answer(t, 1, 1, "one");
	assert_answer(t, 1, 1, "one");
	assert_answer(t, 1, 1, "one");
	assert_int_equal(begin(t, 1, 2, 0), REPEAT_OTHER);
	assert_int_equal(begin(t, 2, 1, 0), REPEAT_NEW);
	answer(t, 2, 1, "");
	assert_answer(t, 2, 1, "");
	assert_answer(t, 1, 1, "one");
}

static void what_came_to_nothing_may_be_tried_again(void **state)
{
	struct repeats_table *t = *state;
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_NEW);
	drop(t, 1, 1);
	assert_int_equal(begin(t, 1, 2, 0), REPEAT_NEW);
	answer(t, 1, 2, "two");
	/* Neither what is answered nor another's can be dropped or answered anew. */
	drop(t, 1, 2);
	drop(t, 1, 1);
	answer(t, 1, 2, "three");
	answer(t, 1, 1, "four");
	drop(t, 9, 9);
	answer(t, 9, 9, "five");
	assert_answer(t, 1, 2, "two");
	assert_int_equal(t->rows, 1);
}

static void it_is_kept_for_a_time(void **state)
{
	struct repeats_table *t = *state;
	assert_int_equal(begin(t, 1, 1, 1000), REPEAT_NEW);
	answer(t, 1, 1, "one");
	assert_int_equal(begin(t, 2, 1, 3000), REPEAT_NEW);
	assert_int_equal(begin(t, 1, 1, 1000 + KEEP_MS - 1), REPEAT_SAME);
	assert_int_equal(begin(t, 1, 1, 1000 + KEEP_MS), REPEAT_NEW);
	assert_int_equal(begin(t, 2, 1, 1000 + KEEP_MS), REPEAT_UNDER_WAY);
	assert_int_equal(begin(t, 2, 1, 3000 + KEEP_MS), REPEAT_NEW);
	answer(t, 1, 1, "again");
	assert_int_equal(t->rows, 2);
}

static void past_the_rows_the_oldest_goes(void **state)
{
	struct repeats_table *t = *state;
	for (uint64_t key = 1; key <= ROWS + 2; key++) {
		assert_int_equal(begin(t, key, 1, key), REPEAT_NEW);
		answer(t, key, 1, "x");
		assert_true(t->rows <= ROWS);
	}
	for (uint64_t key = 3; key <= ROWS + 2; key++)
		assert_answer(t, key, 1, "x");
	assert_int_equal(begin(t, 1, 1, 10), REPEAT_NEW);
}

static void past_the_bytes_the_oldest_goes(void **state)
{
	struct repeats_table *t = *state;
	static char text[BYTES + 1], whole[BYTES + 1];
	memset(text, 'a', 450);
	memset(whole, 'b', BYTES);
	for (uint64_t key = 1; key <= 2; key++)
		assert_int_equal(begin(t, key, 1, 0), REPEAT_NEW);
	answer(t, 1, 1, text);
	assert_answer(t, 1, 1, text);
	answer(t, 2, 1, text);
	assert_answer(t, 2, 1, text);
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_NEW); /* the first made room */
	assert_true(t->bytes <= BYTES);
	/* An older one displaces no younger one: it is forgotten itself. */
	assert_int_equal(begin(t, 3, 1, 0), REPEAT_NEW);
	answer(t, 3, 1, text);
	assert_answer(t, 3, 1, text);
	answer(t, 1, 1, text);
	assert_answer(t, 3, 1, text);
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_NEW);
	/* What is too large for the whole table goes at once, and takes nobody along. */
	answer(t, 1, 1, whole);
	assert_int_equal(begin(t, 1, 1, 0), REPEAT_NEW);
	assert_answer(t, 3, 1, text);
}

static void bounds_hold_whatever_comes(void **state)
{
	struct repeats_table *t = *state;
	struct prng p;
	static char text[BYTES + 1];
	prng_init(&p, 7);
	for (uint64_t now = 0; now < 200000; now += prng_below(&p, 50)) {
		uint64_t key = prng_below(&p, 12);
		uint8_t body = (uint8_t)prng_below(&p, 2);
		size_t n = prng_below(&p, 500);
		memset(text, 'b', sizeof(text) - 1);
		text[n] = '\0';
		switch (prng_below(&p, 3)) {
		case 0: (void)begin(t, key, body, now); break;
		case 1: answer(t, key, body, text); break;
		default: drop(t, key, body); break;
		}
		assert_true(t->rows <= ROWS && t->bytes <= BYTES);
		assert_true((t->rows == 0) == (t->oldest == NULL) && (t->rows == 0) == (t->bytes == 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_answer_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_came_to_nothing_may_be_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_kept_for_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(past_the_rows_the_oldest_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(past_the_bytes_the_oldest_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_hold_whatever_comes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
