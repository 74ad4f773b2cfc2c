#include "cache_fixture.h"

#include "node/cache/lmdb_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	static struct fixture f;
	fixture_make(&f);
	run("mkdir %s", f.disk_path);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_remove(*state);
	return 0;
}

static struct index_op *op(struct index_op *next, uint8_t id, const char *value)
{
	struct index_op *o = calloc(1, sizeof(*o) + strlen(value));
	assert_non_null(o);
	o->next = next;
	memset(o->id.b, id, sizeof(o->id.b));
	o->value_n = strlen(value);
	memcpy(o->value, value, o->value_n);
	return o;
}

static void free_ops(struct index_op *o)
{
	while (o != NULL) {
		struct index_op *next = o->next;
		free(o);
		o = next;
	}
}

static void collect(void *arg, const struct unit_id *id, struct bytes record)
{
	char *text = arg;
	size_t n = strlen(text);
	(void)snprintf(text + n, 200 - n, "%u=%.*s ", id->b[0], (int)record.n, (const char *)record.p);
}

static void test_keeps_what_was_written(void **state)
{
	struct fixture *f = *state;
	struct lmdb_index *x;
	char detail[200], text[200] = "";
	struct index_mark m;
	assert_int_equal(lmdb_index_open(f->disk_path, &x, detail), OK);
	assert_int_equal(lmdb_index_mark(x, &m), OK);
	assert_string_equal(m.boot_id, "");
	assert_int_equal(m.synced, 0);
	m = (struct index_mark){ .boot_id = "boot", .synced = 1234567890123 };
	struct index_op *ops = op(op(op(op(op(NULL, 9, ""), 2, ""), 3, "three"), 2, "two"), 1, "one");
	assert_int_equal(lmdb_index_write(x, ops, &m), OK);
	free_ops(ops);
	lmdb_index_close(x);
	assert_int_equal(lmdb_index_open(f->disk_path, &x, detail), OK);
	assert_int_equal(lmdb_index_each(x, collect, text), OK);
	assert_string_equal(text, "1=one 3=three ");
	assert_int_equal(lmdb_index_count(x), 2);
	static const struct {
		unsigned from, to;
		const char *text;
	} ranges[] = { { 0, 3, "1=one " }, { 1, 256, "1=one 3=three " }, { 2, 3, "" }, { 3, 4, "3=three " },
		{ 4, 256, "" }, { 255, 256, "" } };
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		text[0] = 0;
		assert_int_equal(lmdb_index_each_of(x, ranges[i].from, ranges[i].to, collect, text), OK);
		assert_string_equal(text, ranges[i].text);
	}
	assert_int_equal(lmdb_index_mark(x, &m), OK);
	assert_string_equal(m.boot_id, "boot");
	assert_int_equal(m.synced, 1234567890123);
	lmdb_index_close(x);
}

static void make_index(struct fixture *f)
{
	struct lmdb_index *x;
	char detail[200];
	struct index_op *ops = NULL;
	char value[300];
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	for (unsigned i = 1; i < 200; i++)
		ops = op(ops, (uint8_t)i, value);
	assert_int_equal(lmdb_index_open(f->disk_path, &x, detail), OK);
	assert_int_equal(lmdb_index_write(x, ops, NULL), OK);
	free_ops(ops);
	lmdb_index_close(x);
}

static void test_finds_damage(void **state)
{
	struct fixture *f = *state;
	const char *damages[] = {
		"dd if=/dev/urandom of=%s/data.mdb bs=4096 count=2 conv=notrunc status=none",         /* both metas */
		"dd if=/dev/urandom of=%s/data.mdb bs=4096 seek=2 count=20 conv=notrunc status=none", /* the pages */
		"truncate -s 20480 %s/data.mdb",                                                      /* cut short */
		"truncate -s 100 %s/data.mdb",
		"printf garbage >%s/data.mdb",
	};
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char command[256], detail[200] = "";
		struct lmdb_index *x = NULL;
		run("rm -f %s/data.mdb %s/lock.mdb", f->disk_path, f->disk_path);
		make_index(f);
		(void)snprintf(command, sizeof(command), damages[i], f->disk_path);
		run("%s", command);
		enum err e = lmdb_index_open(f->disk_path, &x, detail);
		if (e != ERR_CORRUPT)
			print_message("not found: %s\n", command);
		assert_int_equal(e, ERR_CORRUPT);
		assert_true(detail[0] != 0);
		assert_null(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keeps_what_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finds_damage, setup, teardown),
	};
	return cmocka_run_group_tests_name("lmdb_index", tests, NULL, NULL);
}
