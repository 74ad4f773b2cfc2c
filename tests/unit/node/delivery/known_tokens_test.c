/* Tokens that were verified: found by their whole text only, copied, bounded. */
#include "node/delivery/known_tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_CHARS = 40 };

/* As a MAC at its end makes them: all differ there. */
static struct bytes text_of(char out[TEXT_CHARS + 1], unsigned i)
{
	(void)snprintf(out, TEXT_CHARS + 1, "AQJrMQgBEhAAAAAAAAAAAAAA%08x%08x", i * 2654435761u, i);
	return bytes_str(out);
}

static void what_was_kept_is_found_with_all_it_says(void **state)
{
	(void)state;
	struct known_tokens *k = known_tokens_new();
	char a[TEXT_CHARS + 1], origin[] = "main", content[] = "vod/x", client[] = "tv", first[] = "common",
	                        second[] = "ads/1";
	struct token t = { .kind = TOKEN_PLAYBACK, .not_after_s = 77, .prefixes_n = 2, .session = { 1, 2, 3 } };
	t.origin = bytes_str(origin);
	t.content = bytes_str(content);
	t.client = bytes_str(client);
	t.prefixes[0] = bytes_str(first);
	t.prefixes[1] = bytes_str(second);
	assert_null(known_tokens_find(k, 7, text_of(a, 1)));
	known_tokens_keep(k, 7, text_of(a, 1), &t);
	memset(a, 'x', TEXT_CHARS); /* copies are what counts */
	memset(origin, 'x', 4);
	memset(content, 'x', 5);
	memset(first, 'x', 6);
	memset(second, 'x', 5);
	memset(client, 'x', 2);
	const struct token *found = known_tokens_find(k, 7, text_of(a, 1));
	assert_non_null(found);
	assert_int_equal(found->not_after_s, 77);
	assert_memory_equal(found->session, t.session, sizeof(t.session));
	assert_true(bytes_eq(found->origin, BYTES_LIT("main")));
	assert_true(bytes_eq(found->content, BYTES_LIT("vod/x")));
	assert_true(bytes_eq(found->client, BYTES_LIT("tv")));
	assert_int_equal(found->entry.n, 0);
	assert_int_equal(found->prefixes_n, 2);
	assert_true(bytes_eq(found->prefixes[0], BYTES_LIT("common")));
	assert_true(bytes_eq(found->prefixes[1], BYTES_LIT("ads/1")));
	known_tokens_free(k);
	known_tokens_free(NULL);
}

static void one_character_makes_it_another(void **state)
{
	(void)state;
	struct known_tokens *k = known_tokens_new();
	char a[TEXT_CHARS + 1];
	struct token t = { .not_after_s = 1 };
	known_tokens_keep(k, 7, text_of(a, 1), &t);
	for (size_t i = 0; i < TEXT_CHARS; i++) {
		struct bytes text = text_of(a, 1);
		a[i] = a[i] == 'z' ? 'y' : 'z';
		assert_null(known_tokens_find(k, 7, text));
	}
	assert_null(known_tokens_find(k, 7, bytes_head(text_of(a, 1), TEXT_CHARS - 1)));
	assert_null(known_tokens_find(k, 7, bytes_from(text_of(a, 1), 1)));
	assert_null(known_tokens_find(k, 7, bytes_from(text_of(a, 1), TEXT_CHARS - 3)));
	assert_null(known_tokens_find(k, 7, BYTES_NONE));
	known_tokens_keep(k, 7, BYTES_LIT("short"), &t); /* no token is */
	assert_null(known_tokens_find(k, 7, BYTES_LIT("short")));
	known_tokens_free(k);
}

static void what_former_keys_verified_is_not_found(void **state)
{
	(void)state;
	struct known_tokens *k = known_tokens_new();
	char a[TEXT_CHARS + 1];
	struct token t = { .not_after_s = 1 };
	known_tokens_keep(k, 7, text_of(a, 1), &t);
	assert_null(known_tokens_find(k, 8, text_of(a, 1)));
	known_tokens_keep(k, 8, text_of(a, 1), &t);
	assert_non_null(known_tokens_find(k, 8, text_of(a, 1)));
	known_tokens_free(k);
}

/* Whoever asks keeps his place among many who come once. */
static void the_longest_unused_gives_way(void **state)
{
	(void)state;
	enum { MANY = 4 * KNOWN_TOKENS_MAX };
	struct known_tokens *k = known_tokens_new();
	char a[TEXT_CHARS + 1];
	for (unsigned i = 0; i < MANY; i++) {
		struct token t = { .not_after_s = i + 1 };
		known_tokens_keep(k, 7, text_of(a, i), &t);
		const struct token *new = known_tokens_find(k, 7, text_of(a, i));
		const struct token *first = known_tokens_find(k, 7, text_of(a, 0));
		assert_true(new != NULL &&new->not_after_s == i + 1);
		assert_true(first != NULL && first->not_after_s == 1);
	}
	size_t there = 0;
	for (unsigned i = 0; i < MANY; i++)
		there += known_tokens_find(k, 7, text_of(a, i)) != NULL;
	assert_in_range(there, KNOWN_TOKENS_MAX / 2, KNOWN_TOKENS_MAX);
	known_tokens_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_kept_is_found_with_all_it_says),
		cmocka_unit_test(one_character_makes_it_another),
		cmocka_unit_test(what_former_keys_verified_is_not_found),
		cmocka_unit_test(the_longest_unused_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
