/* Random operations on the store beside a plain table: after each group a reader, and after each start the
 * core, finds exactly what the table says. Keys collide on purpose, bundles split, rows are dropped, groups
 * aborted. */
#include "store_fixture.h"

#include "base/prng.h"

#include <stdio.h>
#include <string.h>

enum { OWNERS = 40, KEYS = 12, GROUPS = 120, GROUP_OPS = 40, LARGE = 3000 };

struct cell {
	uint64_t version; /* 0: nothing */
	bool deleted;
	size_t value; /* seed of the bytes */
};

struct model {
	struct cell cells[OWNERS][KEYS];
	uint64_t have[OWNERS]; /* 0: no row */
};

static struct bytes value_of(struct fixture *f, size_t seed)
{
	static const size_t sizes[] = { 0, 3, 20, 24, 24, 24, 60, 600, LARGE };
	size_t n = sizes[seed % (sizeof(sizes) / sizeof(sizes[0]))];
	uint8_t *p = arena_alloc(&f->arena, n + 1);
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i < n / 3 ? seed : i);
	return bytes_of(p, n);
}

static struct bytes key_of(struct fixture *f, unsigned i)
{
	char *p = arena_printf(&f->arena, "key number %u", i);
	assert_non_null(p);
	return bytes_str(p);
}

static struct kvs_op random_op(struct fixture *f, struct model *m, struct prng *p)
{
	unsigned owner = (unsigned)prng_below(p, OWNERS), key = (unsigned)prng_below(p, KEYS);
	struct cell *c = &m->cells[owner][key];
	struct kvs_op op = { .owner = node(owner), .stream = RPC_CONTROL, .entry = { .key = key_of(f, key) } };
	if (m->have[owner] > 0 && prng_chance(p, 15)) {
		memset(m->cells[owner], 0, sizeof(m->cells[owner]));
		m->have[owner] = 0;
		op.kind = KVS_OP_DROP_ROW;
	} else if (prng_chance(p, 150)) {
		*c = (struct cell){ 0 };
		op.kind = KVS_OP_DROP_ENTRY;
	} else {
		op.kind = KVS_OP_ENTRY;
		op.entry.version = ++m->have[owner];
		op.entry.deleted = prng_chance(p, 200);
		*c = (struct cell){ op.entry.version, op.entry.deleted, (size_t)prng_below(p, 100) };
		if (!op.entry.deleted)
			op.entry.value = value_of(f, c->value);
	}
	return op;
}

/* Where each row stands, as the core says it with every batch. */
static size_t add_rows(struct fixture *f, const struct model *m, struct kvs_op *ops, size_t n)
{
	for (unsigned i = 0; i < OWNERS; i++)
		if (m->have[i] > 0)
			ops[n++] = op_row(f, node(i), RPC_CONTROL, (struct incarnation){ 5, 55 }, m->have[i]);
	return n;
}

static void random_group(struct fixture *f, struct model *m, struct prng *p)
{
	struct kvs_op ops[GROUP_OPS + OWNERS];
	struct model before = *m;
	for (size_t i = 0; i < GROUP_OPS; i++)
		ops[i] = random_op(f, m, p);
	size_t n = add_rows(f, m, ops, GROUP_OPS);
	if (prng_chance(p, 100)) {
		assert_int_equal(kvs_store_begin(f->store), OK);
		assert_int_equal(kvs_store_apply(f->store, ops, n), OK);
		kvs_store_abort(f->store);
		*m = before;
	} else {
		assert_int_equal(store(f, ops, n), OK);
	}
}

static void assert_read(struct fixture *f, const struct model *m, struct kvs_reader *r)
{
	for (unsigned i = 0; i < OWNERS; i++)
		for (unsigned k = 0; k < KEYS; k++) {
			const struct cell *c = &m->cells[i][k];
			struct node_id owner = node(i);
			struct bytes value;
			enum err e = kvs_reader_get(r, &owner, RPC_CONTROL, key_of(f, k), &f->arena, &value);
			assert_int_equal(e, c->version == 0 || c->deleted ? ERR_NOT_FOUND : OK);
			if (e == OK)
				assert_true(bytes_eq(value, value_of(f, c->value)));
		}
}

static void assert_loaded(struct fixture *f, const struct model *m)
{
	load(f);
	for (unsigned i = 0; i < OWNERS; i++) {
		size_t n = 0;
		for (unsigned k = 0; k < KEYS; k++) {
			const struct cell *c = &m->cells[i][k];
			if (c->version == 0)
				continue;
			char name[32];
			snprintf(name, sizeof(name), "key number %u", k);
			const struct rpc_entry *e = loaded_entry(f, node(i), RPC_CONTROL, name);
			assert_non_null(e);
			assert_int_equal(e->version, c->version);
			assert_int_equal(e->deleted, c->deleted);
			assert_true(bytes_eq(e->value, c->deleted ? BYTES_NONE : value_of(f, c->value)));
			n++;
		}
		assert_int_equal(loaded_entries(f, node(i), RPC_CONTROL), n);
		assert_int_equal(loaded_row(f, node(i), RPC_CONTROL) != NULL, m->have[i] > 0);
	}
}

static void run(struct fixture *f, uint64_t seed)
{
	struct prng p;
	struct model m = { 0 };
	struct kvs_reader *r;
	prng_init(&p, seed);
	reopen(f);
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	for (unsigned i = 0; i < GROUPS; i++) {
		random_group(f, &m, &p);
		assert_read(f, &m, r);
		if (i % 30 == 29) {
			kvs_reader_close(r);
			reopen(f);
			assert_loaded(f, &m);
			assert_int_equal(kvs_reader_open(f->store, &r), OK);
			assert_read(f, &m, r);
		}
		arena_reset(&f->arena);
	}
	kvs_reader_close(r);
}

static void test_against_a_table(void **state)
{
	run(*state, 1);
}

static void test_with_keys_that_collide(void **state)
{
	struct fixture *f = *state;
	f->hash_bits = 1;
	run(f, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_against_a_table),
		TEST(test_with_keys_that_collide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
