#include "node/fs_log.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, LINES = 500 };

static FILE *file;

static int setup(void **state)
{
	(void)state;
	file = tmpfile();
	assert_non_null(file);
	log_init("n-1", LOG_INFO, fileno(file));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fclose(file);
	return 0;
}

/* The next line as JSON, or NULL at the end. */
static json_t *next_line(void)
{
	char line[LOG_LINE_MAX + 1];
	if (fgets(line, sizeof(line), file) == NULL)
		return NULL;
	json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	if (o == NULL)
		fail_msg("no JSON: %s", line);
	return o;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	assert_non_null(s);
	return s;
}

static void keeps_to_the_level(void **state)
{
	(void)state;
	LOG_EVENT(LOG_DEBUG, "m", "hidden", "not written");
	LOG_EVENT(LOG_INFO, "m", "first", "written", LOG_STR("k", "v"));
	log_set_level(LOG_DEBUG);
	LOG_EVENT(LOG_DEBUG, "m", "second", "written", LOG_END);
	rewind(file);
	json_t *o = next_line();
	assert_string_equal(text_of(o, "event"), "first");
	assert_string_equal(text_of(o, "node"), "n-1");
	assert_string_equal(text_of(o, "k"), "v");
	json_decref(o);
	o = next_line();
	assert_string_equal(text_of(o, "event"), "second");
	assert_string_equal(text_of(o, "level"), "debug");
	json_decref(o);
	assert_null(next_line());
}

static void *log_lines(void *arg)
{
	for (unsigned i = 0; i < LINES; i++)
		LOG_EVENT(LOG_INFO, "m", "line", "of a thread", LOG_STR("thread", arg), LOG_U64("i", i));
	return NULL;
}

static void lines_of_threads_never_mix(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	static char names[THREADS][2];
	for (int i = 0; i < THREADS; i++) {
		names[i][0] = (char)('a' + i);
		assert_int_equal(pthread_create(&threads[i], NULL, log_lines, names[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rewind(file);
	int next[THREADS] = { 0 }, lines = 0;
	for (json_t *o; (o = next_line()) != NULL; lines++) {
		int thread = *text_of(o, "thread") - 'a';
		assert_int_equal(json_integer_value(json_object_get(o, "i")), next[thread]++);
		json_decref(o);
	}
	assert_int_equal(lines, THREADS * LINES);
}

static void counts_what_cannot_be_written(void **state)
{
	(void)state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	uint64_t before = log_lost();
	log_init("n-1", LOG_INFO, full);
	LOG_EVENT(LOG_INFO, "m", "e", "lost");
	assert_int_equal(log_lost() - before, 1);
	close(full);
}

static void limits_a_call_site(void **state)
{
	(void)state;
	struct log_limit limit = { 0 };
	unsigned allowed = 0;
	uint64_t begun;
	/* Until all calls fell into one second. */
	do {
		allowed = 0;
		begun = limit.state >> 32;
		for (unsigned i = 0; i < 100; i++)
			allowed += log_allowed(&limit, LOG_WARN, "m", "flood");
	} while (limit.state >> 32 != begun && (uint32_t)limit.state != 100);
	assert_true(allowed <= LOG_LIMIT);
	/* As if that had been the second before. */
	limit.state = ((limit.state >> 32) - 1) << 32 | 100;
	rewind(file);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_true(log_allowed(&limit, LOG_WARN, "m", "flood"));
	rewind(file);
	json_t *o = next_line();
	assert_string_equal(text_of(o, "event"), "suppressed");
	assert_string_equal(text_of(o, "of"), "flood");
	assert_int_equal(json_integer_value(json_object_get(o, "lines")), 100 - LOG_LIMIT);
	json_decref(o);
	assert_null(next_line());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_to_the_level, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_of_threads_never_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_what_cannot_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_a_call_site, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
