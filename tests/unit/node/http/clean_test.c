/* Runs without control characters, against one byte at a time. */
#include "node/http/clean.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void each_byte_in_each_place(void **state)
{
	uint8_t text[75];
	(void)state;
	for (size_t n = 0; n <= sizeof(text); n++) {
		for (size_t at = 0; at < n; at++) {
			for (unsigned c = 0; c < 256; c++) {
				for (size_t i = 0; i < n; i++)
					text[i] = (uint8_t)(i % 2 == 0 ? 0x80 : ' ');
				text[at] = (uint8_t)c;
				bool control = c < 0x20 || c == 0x7f;
				assert_int_equal(http_clean_run(bytes_of(text, n)), control ? at : n);
			}
		}
	}
}

static void random_text(void **state)
{
	uint8_t text[100];
	struct prng r;
	(void)state;
	prng_init(&r, 1);
	for (size_t round = 0; round < 100000; round++) {
		size_t n = prng_below(&r, sizeof(text) + 1), expected = 0;
		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)(prng_chance(&r, 950) ? 0x20 + prng_below(&r, 0x5f) : prng_below(&r, 256));
		while (expected < n && text[expected] >= 0x20 && text[expected] != 0x7f)
			expected++;
		assert_int_equal(http_clean_run(bytes_of(text, n)), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_byte_in_each_place),
		cmocka_unit_test(random_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
