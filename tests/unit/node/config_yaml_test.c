#include "node/config_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void keeps_shape_quotes_and_lines(void **state)
{
	(void)state;
	struct config_yaml_error error;
	struct config_node *root;
	assert_int_equal(
	    config_yaml_parse(BYTES_LIT("a: 1\nb:\n  - 'x'\n  - {c: \"\"}\nd:\n"), &arena, &root, &error), OK);
	assert_int_equal(root->kind, CONFIG_MAP);
	assert_int_equal(root->children_n, 3);
	const struct config_node *a = config_node_get(root, "a"), *b = config_node_get(root, "b");
	assert_true(a->plain && bytes_eq(a->text, BYTES_LIT("1")) && a->line == 1);
	assert_int_equal(b->kind, CONFIG_LIST);
	assert_true(b->key_line == 2 && b->line == 3 && b->children_n == 2);
	assert_true(!b->first->plain && bytes_eq(b->first->text, BYTES_LIT("x")));
	const struct config_node *c = config_node_get(b->first->next, "c");
	assert_true(c->line == 4 && c->text.n == 0 && !config_node_is_null(c));
	assert_true(config_node_is_null(config_node_get(root, "d")));
	assert_null(config_node_get(root, "e"));
}

static void nothing_is_an_empty_document(void **state)
{
	(void)state;
	struct config_yaml_error error;
	struct config_node *root = (void *)&error;
	assert_int_equal(config_yaml_parse(BYTES_NONE, &arena, &root, &error), OK);
	assert_null(root);
	assert_int_equal(config_yaml_parse(BYTES_LIT("# only a comment\n"), &arena, &root, &error), OK);
	assert_null(root);
	/* A byte order mark is no key. */
	assert_int_equal(config_yaml_parse(BYTES_LIT("\xef\xbb\xbf"
	                                             "a: 1\n"),
	                     &arena, &root, &error),
	    OK);
	assert_non_null(config_node_get(root, "a"));
}

static const struct {
	const char *yaml;
	uint32_t line;
	const char *text;
} refused[] = {
	{ "a: 1\nb: 2\na: 3\n", 3, "key 'a' stands here for the second time; first in line 1" },
	{ "a: &x 1\n", 1, "anchors (&name) are not taken; write the value out" },
	{ "a: &x [1]\n", 1, "anchors (&name) are not taken; write the value out" },
	{ "a: 1\nb: *a\n", 2, "aliases (*name) are not taken; write the value out" },
	{ "a: !!int 1\n", 1, "tags (!name) are not taken" },
	{ "a: !x {b: 1}\n", 1, "tags (!name) are not taken" },
	{ "a: ! b\n", 1, "tags (!name) are not taken" },
	{ "? [a]\n: b\n", 1, "a key must be a word" },
	{ "a: \"b\\0c\"\n", 1, "a control character or line break in a value" },
	{ "a: |\n  b\n  c\n", 1, "a control character or line break in a value" },
	{ "\"a\\n\": b\n", 1, "a control character or line break in a value" },
	{ "--- \na: 1\n---\nb: 1\n", 3, "a second document; one is taken" },
	{ "a: [1\nb: 2\n", 2, "not YAML: while parsing a flow sequence, did not find expected ',' or ']'" },
	{ "a: 1\n\tb: 2\n", 2,
	    "not YAML: while scanning a plain scalar, found a tab character that violates indentation" },
	{ "a: 1\nb: \xff\n", 2, "not YAML: invalid leading UTF-8 octet" },
	{ "a: [[[[[[[[1]]]]]]]]\n", 1, "nested more than 8 levels deep" },
};

static void refuses_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct config_yaml_error error = { 0 };
		struct config_node *root = NULL;
		assert_int_not_equal(config_yaml_parse(bytes_str(refused[i].yaml), &arena, &root, &error), OK);
		assert_string_equal(error.text, refused[i].text);
		assert_int_equal(error.line, refused[i].line);
		assert_null(root);
	}
}

static void is_bounded(void **state)
{
	(void)state;
	struct config_yaml_error error;
	struct config_node *root = NULL;
	static char text[CONFIG_FILE_MAX + 1];
	memset(text, '#', sizeof(text));
	assert_int_equal(config_yaml_parse(bytes_of(text, sizeof(text)), &arena, &root, &error), ERR_TOO_BIG);
	assert_string_equal(error.text, "65537 bytes; at most 65536 are read");
	assert_int_equal(config_yaml_parse(bytes_of(text, sizeof(text) - 1), &arena, &root, &error), OK);
	/* A list of more values than are taken. */
	for (size_t i = 0; i + 2 <= sizeof(text); i += 2)
		memcpy(text + i, i == 0 ? "[1" : ",1", 2);
	assert_int_equal(
	    config_yaml_parse(bytes_of(text, 4 * CONFIG_NODES_MAX), &arena, &root, &error), ERR_TOO_BIG);
	assert_string_equal(error.text, "more than 2048 keys and values");
	/* Brackets that never close. */
	memset(text, '[', sizeof(text));
	assert_int_equal(config_yaml_parse(bytes_of(text, CONFIG_FILE_MAX), &arena, &root, &error), ERR_TOO_BIG);
	memset(text, '{', sizeof(text));
	assert_int_not_equal(config_yaml_parse(bytes_of(text, CONFIG_FILE_MAX), &arena, &root, &error), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_shape_quotes_and_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_an_empty_document, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_with_its_line, setup, teardown),
		cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
