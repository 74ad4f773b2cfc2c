#include "base/arena.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	(void)state;
	enum { PIECES = 500 };
	struct arena a;
	struct {
		uint8_t *p;
		size_t n;
	} pieces[PIECES];
	struct prng r;
	prng_init(&r, 1);
	arena_init(&a, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < PIECES; i++) {
			pieces[i].n = prng_below(&r, 300);
			pieces[i].p = arena_alloc(&a, pieces[i].n);
			assert_non_null(pieces[i].p);
			assert_int_equal((uintptr_t)pieces[i].p % _Alignof(max_align_t), 0);
			for (size_t j = 0; j < pieces[i].n; j++)
				assert_int_equal(pieces[i].p[j], 0);
			memset(pieces[i].p, (int)(i % 255) + 1, pieces[i].n);
		}
		for (size_t i = 0; i < PIECES; i++)
			for (size_t j = 0; j < pieces[i].n; j++)
				assert_int_equal(pieces[i].p[j], i % 255 + 1);
		arena_reset(&a);
	}
	arena_fini(&a);
}

static void the_bound_holds_to_the_byte(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 60));
	assert_null(arena_alloc(&a, 41));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_non_null(arena_alloc(&a, 40));
	assert_int_equal(a.used, 100);
	assert_null(arena_alloc(&a, 1));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 100));
	arena_fini(&a);
}

static void an_overflowing_array_is_refused(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, SIZE_MAX);
	assert_null(arena_array(&a, SIZE_MAX / 2, 3));
	assert_null(arena_array(&a, 1ul << 32, 1ul << 32));
	assert_non_null(arena_array(&a, 3, 5));
	assert_int_equal(a.used, 15);
	arena_fini(&a);
}

static void reset_keeps_the_first_block(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	void *first = arena_alloc(&a, 16);
	assert_non_null(first);
	assert_non_null(arena_alloc(&a, 100000)); /* a block of its own */
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_ptr_equal(arena_alloc(&a, 16), first);
	arena_fini(&a);
	arena_fini(&a); /* nothing is left to free */
	assert_non_null(arena_alloc(&a, 8));
	arena_fini(&a);
}

static void copies_and_text(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 64);
	struct bytes copy = arena_dup(&a, BYTES_LIT("warm"));
	assert_true(bytes_eq(copy, BYTES_LIT("warm")));
	assert_non_null(arena_dup(&a, BYTES_NONE).p);
	assert_string_equal(arena_str(&a, BYTES_LIT("cast")), "cast");
	assert_string_equal(arena_str(&a, BYTES_NONE), "");
	assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	struct bytes too_big = { copy.p, 65 };
	assert_null(arena_dup(&a, too_big).p);
	assert_null(arena_printf(&a, "%080d", 1));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(the_bound_holds_to_the_byte),
		cmocka_unit_test(an_overflowing_array_is_refused),
		cmocka_unit_test(reset_keeps_the_first_block),
		cmocka_unit_test(copies_and_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
