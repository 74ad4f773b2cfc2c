/* What is stored comes back, whole or not at all. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct incarnation inc = { 5, 55 };

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	assert_true(f->report.first_start);
	assert_false(f->report.inherits);
	assert_int_equal(f->id.inherits.count, 0);
	struct kvs_op row = op_row(f, node(1), RPC_CONTROL, inc, 9);
	struct kvs_row_meta m = *row.row;
	m.ancestors[0] = (struct rpc_ancestor){ { 4, 44 }, 7 };
	m.ancestors[1] = (struct rpc_ancestor){ { 3, 33 }, UINT64_MAX };
	m.ancestors_n = 2;
	row.row = &m;
	/* Keys in another order than versions. */
	STORE(f, row, op_put(node(1), RPC_CONTROL, 9, "a", "nine"), op_put(node(1), RPC_CONTROL, 3, "z", "three"),
	    op_put(node(1), RPC_CONTROL, 5, "m", ""), op_row(f, node(2), RPC_LOCATIONS, inc, 1),
	    op_location(f, node(2), 1, "lv1"));
	reopen(f);
	assert_false(f->report.first_start || f->report.view_dropped || f->report.view_set_aside);
	load(f);
	const struct kvs_row_meta *back = loaded_row(f, node(1), RPC_CONTROL);
	assert_non_null(back);
	assert_int_equal(incarnation_cmp(back->incarnation, inc), 0);
	assert_int_equal(back->have, 9);
	assert_int_equal(back->horizon, 10);
	assert_int_equal(back->floor, 2);
	assert_int_equal(back->base, 1);
	assert_int_equal(back->ancestors_n, 2);
	assert_int_equal(back->ancestors[1].version, UINT64_MAX);
	assert_int_equal(back->ancestors[0].incarnation.nonce, 44);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), 3);
	assert_int_equal(loaded_entry(f, node(1), RPC_CONTROL, "z")->version, 3);
	assert_true(bytes_eq(loaded_entry(f, node(1), RPC_CONTROL, "a")->value, BYTES_LIT("nine")));
	assert_int_equal(loaded_entry(f, node(1), RPC_CONTROL, "m")->value.n, 0);
	assert_int_equal(loaded_entries(f, node(2), RPC_LOCATIONS), 1);
}

static void test_overwrite_delete_and_collect(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	STORE(f, op_row(f, node(1), RPC_CONTROL, inc, 3), op_put(node(1), RPC_CONTROL, 1, "a", "1"),
	    op_put(node(1), RPC_CONTROL, 2, "b", "2"), op_put(node(1), RPC_CONTROL, 3, "c", "3"));
	STORE(f, op_put(node(1), RPC_CONTROL, 4, "a", "4"), op_delete(node(1), RPC_CONTROL, 5, "b"),
	    op_row(f, node(1), RPC_CONTROL, inc, 5));
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), 3);
	assert_int_equal(loaded_entry(f, node(1), RPC_CONTROL, "a")->version, 4);
	assert_true(loaded_entry(f, node(1), RPC_CONTROL, "b")->deleted);
	STORE(f, op_drop_entry(node(1), RPC_CONTROL, "b"), op_drop_entry(node(1), RPC_CONTROL, "never"));
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), 2);
	assert_null(loaded_entry(f, node(1), RPC_CONTROL, "b"));
}

static void test_a_reset_leaves_nothing_of_the_old_row(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	STORE(f, op_row(f, node(1), RPC_CONTROL, inc, 2), op_put(node(1), RPC_CONTROL, 1, "a", "1"),
	    op_put(node(1), RPC_CONTROL, 2, "b", "2"), op_row(f, node(1), RPC_LOCATIONS, inc, 1),
	    op_location(f, node(1), 1, "lv1"), op_row(f, node(2), RPC_CONTROL, inc, 1),
	    op_put(node(2), RPC_CONTROL, 1, "a", "other"));
	struct incarnation later = { 6, 66 };
	STORE(f, op_drop_row(node(1), RPC_CONTROL), op_row(f, node(1), RPC_CONTROL, later, 8),
	    op_put(node(1), RPC_CONTROL, 8, "b", "8"));
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), 1);
	assert_int_equal(loaded_entry(f, node(1), RPC_CONTROL, "b")->version, 8);
	assert_int_equal(loaded_row(f, node(1), RPC_CONTROL)->incarnation.count, 6);
	assert_int_equal(loaded_entries(f, node(1), RPC_LOCATIONS), 1);
	assert_int_equal(loaded_entries(f, node(2), RPC_CONTROL), 1);
	STORE(f, op_drop_row(node(1), RPC_CONTROL), op_drop_row(node(9), RPC_CONTROL));
	reopen(f);
	load(f);
	assert_null(loaded_row(f, node(1), RPC_CONTROL));
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), 0);
}

static void test_several_batches_in_one_group(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	assert_int_equal(kvs_store_begin(f->store), OK);
	for (unsigned i = 1; i <= 100; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%u", i);
		/* Rows take turns, so that none stays the one written last. */
		struct kvs_op ops[] = { op_put(node(i % 3), RPC_CONTROL, i, key, "v"),
			op_row(f, node(i % 3), RPC_CONTROL, inc, i) };
		assert_int_equal(kvs_store_apply(f->store, ops, 2), OK);
	}
	assert_int_equal(kvs_store_commit(f->store), OK);
	reopen(f);
	load(f);
	assert_int_equal(f->loaded->entries_n, 100);
	assert_int_equal(loaded_row(f, node(1), RPC_CONTROL)->have, 100);
}

static void test_an_aborted_group_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct node_id self = f->id.self;
	STORE(f, op_row(f, self, RPC_CONTROL, f->id.incarnation, 1), op_put(self, RPC_CONTROL, 1, "a", "1"));
	assert_int_equal(kvs_store_begin(f->store), OK);
	struct kvs_op ops[] = { op_row(f, node(1), RPC_CONTROL, inc, 1),
		op_put(node(1), RPC_CONTROL, 1, "x", "1"), op_put(self, RPC_CONTROL, 2, "b", "2"),
		op_row(f, self, RPC_CONTROL, (struct incarnation){ 99, 1 }, 2) };
	assert_int_equal(kvs_store_apply(f->store, ops, 4), OK);
	kvs_store_abort(f->store);
	/* The index that node 1 was given is free again. */
	STORE(f, op_row(f, node(2), RPC_CONTROL, inc, 1), op_put(node(2), RPC_CONTROL, 1, "y", "1"));
	reopen(f);
	assert_int_equal(f->id.inherits.count, 1);
	load(f);
	assert_null(loaded_row(f, node(1), RPC_CONTROL));
	assert_int_equal(loaded_entries(f, node(2), RPC_CONTROL), 1);
	assert_int_equal(loaded_entries(f, self, RPC_CONTROL), 1);
}

static void test_what_cannot_be_stored_is_refused_and_the_group_with_it(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_op ops[] = { op_row(f, node(1), RPC_CONTROL, inc, 2),
		op_put(node(1), RPC_CONTROL, 1, "a", "1"), op_put(node(1), RPC_CONTROL, 2, "b", "2") };
	static uint8_t large[RPC_VALUE_MAX + 1];
	ops[2].entry.value = bytes_of(large, sizeof(large));
	assert_int_equal(kvs_store_begin(f->store), OK);
	assert_int_equal(kvs_store_apply(f->store, ops, 3), ERR_TOO_BIG);
	assert_int_equal(kvs_store_apply(f->store, ops, 2), ERR_TOO_BIG);
	assert_int_equal(kvs_store_commit(f->store), ERR_TOO_BIG);
	ops[2].entry.value = bytes_of(large, RPC_VALUE_MAX);
	ops[2].entry.key = bytes_of(large, RPC_KEY_MAX);
	assert_int_equal(store(f, ops, 3), OK);
	reopen(f);
	load(f);
	assert_int_equal(f->loaded->entries_n, 2);
	assert_int_equal(f->loaded->entries[1].e.value.n, RPC_VALUE_MAX);
}

static void test_a_restart_inherits(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_store_identity first = f->id;
	assert_int_equal(first.incarnation.count, 1);
	STORE(f, op_row(f, first.self, RPC_CONTROL, first.incarnation, 1),
	    op_put(first.self, RPC_CONTROL, 1, "r", "me"));
	for (unsigned i = 2; i < 5; i++) {
		struct incarnation before = f->id.incarnation;
		reopen(f);
		assert_true(f->report.inherits);
		assert_true(node_id_eq(&f->id.self, &first.self));
		assert_true(node_id_eq(kvs_store_self(f->store), &first.self));
		assert_int_equal(f->id.incarnation.count, i);
		assert_int_not_equal(f->id.incarnation.nonce, before.nonce);
		assert_int_equal(incarnation_cmp(f->id.inherits, before), 0);
	}
	load(f);
	assert_int_equal(loaded_entries(f, first.self, RPC_CONTROL), 1);
	assert_int_equal(f->loaded->rows_n, 1); /* own rows come from `self` alone */
}

static void test_a_jump_above_a_stranger_is_kept(void **state)
{
	struct fixture *f = *state;
	struct incarnation jumped = { 70, 1234 };
	/* In a process that ends without closing: only what the commit wrote counts. */
	pid_t child = fork();
	if (child == 0) {
		if (open_store(f) != OK)
			_exit(1);
		struct kvs_op ops[] = { op_row(f, f->id.self, RPC_CONTROL, jumped, 1),
			op_put(f->id.self, RPC_CONTROL, 1, "r", "me") };
		_exit(store(f, ops, 2) == OK ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	reopen(f);
	assert_int_equal(incarnation_cmp(f->id.inherits, jumped), 0);
	assert_int_equal(f->id.incarnation.count, 71);
}

static void test_own_rows_outlive_the_view(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct node_id self = f->id.self;
	STORE(f, op_row(f, self, RPC_LOCATIONS, f->id.incarnation, 2), op_location(f, self, 1, "lv1"),
	    op_location(f, self, 2, "lv2"), op_row(f, node(1), RPC_LOCATIONS, inc, 1),
	    op_location(f, node(1), 1, "lv1"));
	f->boot_id = "boot-2";
	close_store(f);
	assert_int_equal(remove(path_in(f, "view/data.mdb")), 0);
	reopen(f);
	load(f);
	assert_int_equal(loaded_entries(f, self, RPC_LOCATIONS), 2);
	assert_null(loaded_row(f, node(1), RPC_LOCATIONS));
	/* And readers see them without the core saying anything. */
	struct kvs_reader *r;
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	struct kvs_holder h[4];
	size_t n;
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("main"), BYTES_LIT("lv2"), &f->arena, h, 4, &n), OK);
	assert_int_equal(n, 1);
	assert_true(node_id_eq(&h[0].node, &self));
	kvs_reader_close(r);
}

static void test_a_row_that_does_not_fit_together_is_dropped(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	STORE(f, op_row(f, node(1), RPC_LOCATIONS, inc, 1), op_location(f, node(1), 1, "lv1"),
	    op_row(f, node(2), RPC_LOCATIONS, inc, 1), op_location(f, node(2), 1, "lv1"));
	load(f);
	struct node_id refused = node(1);
	f->loaded->refuse = &refused;
	load(f);
	f->loaded->refuse = NULL;
	load(f);
	assert_null(loaded_row(f, node(1), RPC_LOCATIONS));
	assert_int_equal(loaded_entries(f, node(2), RPC_LOCATIONS), 1);
}

static void test_an_own_row_that_does_not_fit_together_begins_anew(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct node_id self = f->id.self;
	STORE(f, op_row(f, self, RPC_LOCATIONS, f->id.incarnation, 1), op_location(f, self, 1, "lv1"));
	reopen(f);
	load(f);
	f->loaded->refuse = &self;
	load(f);
	f->loaded->refuse = NULL;
	reopen(f);
	load(f);
	assert_null(loaded_row(f, self, RPC_LOCATIONS));
	assert_true(f->report.inherits);
	struct kvs_reader *r;
	struct kvs_holder h[4];
	size_t n;
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("main"), BYTES_LIT("lv1"), &f->arena, h, 4, &n), OK);
	assert_int_equal(n, 0);
	kvs_reader_close(r);
}

static void test_a_full_map_changes_nothing(void **state)
{
	struct fixture *f = *state;
	f->map_bytes = 256 * 1024;
	reopen(f);
	STORE(f, op_row(f, node(1), RPC_CONTROL, inc, 1), op_put(node(1), RPC_CONTROL, 1, "a", "1"));
	static char value[4000];
	memset(value, 'v', sizeof(value) - 1);
	enum err e = OK;
	for (unsigned group = 0; e == OK && group < 100; group++) {
		struct kvs_op ops[10];
		char keys[10][16];
		for (unsigned i = 0; i < 10; i++) {
			snprintf(keys[i], sizeof(keys[i]), "%u", group * 10 + i);
			ops[i] = op_put(node(1), RPC_CONTROL, 2 + group * 10 + i, keys[i], value);
		}
		e = store(f, ops, 10);
	}
	assert_int_equal(e, ERR_NO_SPACE);
	assert_non_null(strstr(kvs_store_why(f->store), f->folder));
	assert_non_null(strstr(kvs_store_why(f->store), "free on the disk"));
	assert_non_null(strstr(kvs_store_why(f->store), "view: 0 of at most 0 MiB"));
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL) % 10, 1);
	assert_non_null(loaded_entry(f, node(1), RPC_CONTROL, "a"));
	/* A start with more goes on where that ended. */
	size_t before = loaded_entries(f, node(1), RPC_CONTROL);
	f->map_bytes = 1 << 20;
	reopen(f);
	STORE(f, op_put(node(1), RPC_CONTROL, 9999, "more", value), op_row(f, node(1), RPC_CONTROL, inc, 9999));
	assert_string_equal(kvs_store_why(f->store), "");
	load(f);
	assert_int_equal(loaded_entries(f, node(1), RPC_CONTROL), before + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_overwrite_delete_and_collect),
		TEST(test_a_reset_leaves_nothing_of_the_old_row),
		TEST(test_several_batches_in_one_group),
		TEST(test_an_aborted_group_leaves_nothing),
		TEST(test_what_cannot_be_stored_is_refused_and_the_group_with_it),
		TEST(test_a_restart_inherits),
		TEST(test_a_jump_above_a_stranger_is_kept),
		TEST(test_own_rows_outlive_the_view),
		TEST(test_a_row_that_does_not_fit_together_is_dropped),
		TEST(test_an_own_row_that_does_not_fit_together_begins_anew),
		TEST(test_a_full_map_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
