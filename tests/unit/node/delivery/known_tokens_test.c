#include "node/delivery/known_tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct known_tokens *known;

static int setup(void **state)
{
	(void)state;
	known = known_tokens_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	known_tokens_free(known);
	return 0;
}

static void what_was_added_is_found_by_its_whole_text(void **state)
{
	(void)state;
	char content[] = "lv1", prefix[] = "ads/one", text[] = "AQJrMQ-some-text-of-a-token-and-its-MAC";
	struct token t = {
		.kind = TOKEN_PLAYBACK,
		.session = { 7 },
		.origin = BYTES_LIT("main"),
		.content = bytes_str(content),
		.prefixes = { BYTES_LIT("x"), bytes_str(prefix) },
		.prefixes_n = 2,
		.entry = BYTES_LIT("e.m3u8"),
		.client = BYTES_LIT("c"),
		.not_after_s = 99,
	};
	struct bytes key = bytes_str(text);
	assert_null(known_tokens_find(known, key));
	known_tokens_add(known, key, &t);
	/* Everything was copied. */
	memset(content, 'z', 3);
	memset(prefix, 'z', 7);
	const struct token *found = known_tokens_find(known, key);
	assert_non_null(found);
	assert_true(bytes_eq(found->content, BYTES_LIT("lv1")) && bytes_eq(found->origin, BYTES_LIT("main")));
	assert_true(
	    bytes_eq(found->prefixes[1], BYTES_LIT("ads/one")) && bytes_eq(found->prefixes[0], BYTES_LIT("x")));
	assert_true(bytes_eq(found->entry, BYTES_LIT("e.m3u8")) && bytes_eq(found->client, BYTES_LIT("c")));
	assert_int_equal(found->not_after_s, 99);
	assert_int_equal(found->session[0], 7);
	/* The end is the same, the beginning is not: a forgery. */
	text[0] = 'B';
	assert_null(known_tokens_find(known, key));
	text[0] = 'A';
	assert_null(known_tokens_find(known, bytes_head(key, key.n - 1)));
	assert_null(known_tokens_find(known, bytes_from(key, 1)));
	assert_null(known_tokens_find(known, BYTES_NONE));
	assert_non_null(known_tokens_find(known, bytes_str(text)));
}

/* As many as there are places at most; the later one stays. */
static void the_table_is_bounded(void **state)
{
	(void)state;
	struct token t = { .kind = TOKEN_PLAYBACK, .content = BYTES_LIT("lv1") };
	char text[64];
	size_t found = 0;
	enum { N = 3 * KNOWN_TOKENS };
	for (unsigned i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "token-%08x-%08xz", i, i * 2654435761u);
		known_tokens_add(known, bytes_str(text), &t);
		assert_non_null(known_tokens_find(known, bytes_str(text)));
	}
	for (unsigned i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "token-%08x-%08xz", i, i * 2654435761u);
		found += known_tokens_find(known, bytes_str(text)) != NULL;
	}
	assert_in_range(found, KNOWN_TOKENS / 2, KNOWN_TOKENS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_added_is_found_by_its_whole_text, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_is_bounded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
