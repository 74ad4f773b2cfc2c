/* One row against single frames: order, gaps, floors, incarnations, what is malformed. */
#include "base/check.h"
#include "kvs/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct node_id OWNER = { { 7 } };

/* A frame whose entries are "VERSION=key" or, deleted, "VERSION-key", in words. */
struct made {
	struct rpc_row_frame f;
	struct rpc_entry entries[16];
	char keys[16][16];
};

static struct rpc_row_frame *frame(
    struct made *m, uint64_t count, uint64_t from, uint64_t to, uint64_t floor, const char *entries)
{
	*m = (struct made){ 0 };
	m->f = (struct rpc_row_frame){ .owner = OWNER,
		.stream = RPC_LOCATIONS,
		.incarnation = { count, 1 },
		.from = from,
		.to = to,
		.horizon = to > floor ? to : floor,
		.floor = floor,
		.entries = m->entries };
	while (*entries != '\0') {
		struct rpc_entry *e = &m->entries[m->f.entries_n];
		char *key = m->keys[m->f.entries_n++], *op;
		e->version = strtoul(entries, &op, 10);
		CHECK(*op == '=' || *op == '-');
		size_t n = strcspn(op + 1, " ");
		CHECK(n < sizeof(m->keys[0]));
		memcpy(key, op + 1, n);
		e->key = bytes_str(key);
		e->deleted = *op == '-';
		if (!e->deleted)
			e->value = e->key;
		entries = op + 1 + n + strspn(op + 1 + n, " ");
	}
	return &m->f;
}

static enum replica_outcome apply(struct replica *r, const struct rpc_row_frame *f)
{
	struct replica_news news;
	return replica_apply(r, f, 1, &news);
}

static bool has(const struct replica *r, const char *key)
{
	struct rpc_entry e;
	return row_get(&r->live, bytes_str(key), &e) && !e.deleted;
}

static void test_intervals(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 1, 2, 3, 0, "3=c")), REPLICA_GAP);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "1=a 2=b")), REPLICA_APPLIED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "1=a 2=b")), REPLICA_DUPLICATE);
	assert_int_equal(apply(r, frame(&m, 1, 3, 4, 0, "4=d")), REPLICA_GAP);
	assert_int_equal(apply(r, frame(&m, 1, 1, 4, 0, "2=b 3-a 4=d")), REPLICA_APPLIED); /* overlaps */
	assert_int_equal(r->live.have, 4);
	assert_true(has(r, "b") && has(r, "d") && !has(r, "a"));
	assert_int_equal(apply(r, frame(&m, 1, 4, 9, 0, "")), REPLICA_APPLIED); /* all of it was overwritten */
	assert_int_equal(r->live.have, 9);
	replica_free(r);
}

static void test_horizon(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	frame(&m, 1, 0, 3, 0, "3=c");
	m.f.horizon = 8;
	assert_int_equal(apply(r, &m.f), REPLICA_APPLIED);
	assert_true(r->live.horizon == 8 && r->inexact_ms != UINT64_MAX);
	assert_int_equal(apply(r, frame(&m, 1, 3, 8, 0, "7=a")), REPLICA_APPLIED);
	assert_true(r->inexact_ms == UINT64_MAX);
	/* What is not applied says nothing about the bytes here. */
	frame(&m, 1, 0, 8, 0, "7=a");
	m.f.horizon = 20;
	assert_int_equal(apply(r, &m.f), REPLICA_DUPLICATE);
	assert_int_equal(r->live.horizon, 8);
	replica_free(r);
}

static void test_floor(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 1, 0, 3, 0, "1=a 2=b 3-c")), REPLICA_APPLIED);
	/* The sender has collected up to 5: whether a was deleted in (3, 5] cannot be known. */
	assert_int_equal(apply(r, frame(&m, 1, 3, 8, 5, "8=z")), REPLICA_GAP);
	assert_true(has(r, "a"));
	/* Built anew beside; a stays until it is whole. */
	frame(&m, 1, 0, 2, 5, "2=b");
	m.f.horizon = 8;
	assert_int_equal(apply(r, &m.f), REPLICA_APPLIED);
	assert_true(has(r, "a") && r->shadow != NULL);
	struct rpc_row_position p;
	replica_position(r, &p);
	assert_true(p.have == 2 && p.base == 5 && p.fingerprint == 0);
	/* A sender below that floor would bring back what was collected. */
	assert_int_equal(apply(r, frame(&m, 1, 2, 4, 4, "4=x")), REPLICA_BEHIND);
	assert_int_equal(apply(r, frame(&m, 1, 2, 8, 5, "8=z")), REPLICA_APPLIED);
	assert_true(r->shadow == NULL && !has(r, "a") && has(r, "b") && has(r, "z"));
	assert_int_equal(r->live.floor, 5);
	assert_true(r->disk.fresh);
	replica_free(r);
}

/* A shadow that the live row overtakes is dropped. */
static void test_shadow_overtaken(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 1, 0, 3, 0, "1=a")), REPLICA_APPLIED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 5, "2=b")), REPLICA_APPLIED);
	assert_non_null(r->shadow);
	assert_int_equal(apply(r, frame(&m, 1, 3, 6, 0, "4-a 6=c")), REPLICA_APPLIED);
	assert_null(r->shadow);
	assert_true(!has(r, "a") && has(r, "c"));
	replica_free(r);
}

static void test_incarnations(void **state)
{
	(void)state;
	struct made m;
	struct replica_news news;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 2, 0, 3, 0, "1=a 3=b")), REPLICA_APPLIED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 9, 0, "9=old")), REPLICA_BEHIND);
	/* The next run inherits: renamed, nothing is sent again. */
	frame(&m, 3, 3, 3, 0, "");
	m.f.ancestors[0] = (struct rpc_ancestor){ { 2, 1 }, 3 };
	m.f.ancestors_n = 1;
	assert_int_equal(replica_apply(r, &m.f, 1, &news), REPLICA_APPLIED);
	assert_true(!news.reset && has(r, "a") && r->live.incarnation.count == 3 && r->live.have == 3);
	/* One that had lost the last write does not: only a row from 0 is taken, and all is dropped. */
	frame(&m, 4, 2, 5, 0, "5=c");
	m.f.ancestors[0] = (struct rpc_ancestor){ { 3, 1 }, 2 };
	m.f.ancestors_n = 1;
	assert_int_equal(replica_apply(r, &m.f, 1, &news), REPLICA_GAP);
	assert_true(has(r, "a") && r->live.incarnation.count == 3);
	frame(&m, 4, 0, 5, 0, "1=a 5=c");
	assert_int_equal(replica_apply(r, &m.f, 1, &news), REPLICA_APPLIED);
	assert_true(news.reset && news.reset_entries == 2 && !has(r, "b") && has(r, "c"));
	/* An empty history is a history. */
	assert_int_equal(replica_apply(r, frame(&m, 5, 0, 0, 0, ""), 1, &news), REPLICA_APPLIED);
	assert_true(news.reset && !has(r, "a") && r->live.incarnation.count == 5);
	replica_free(r);
}

/* A shadow goes on under an incarnation that inherits it. */
static void test_shadow_renamed(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 1, 0, 4, 9, "4=b")), REPLICA_APPLIED);
	assert_non_null(r->shadow);
	frame(&m, 2, 4, 12, 9, "12=c");
	m.f.ancestors[0] = (struct rpc_ancestor){ { 1, 1 }, 11 };
	m.f.ancestors_n = 1;
	assert_int_equal(apply(r, &m.f), REPLICA_APPLIED);
	assert_true(r->shadow == NULL && has(r, "b") && has(r, "c") && r->live.incarnation.count == 2);
	replica_free(r);
}

static void test_malformed(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	assert_int_equal(apply(r, frame(&m, 0, 0, 1, 0, "1=a")), REPLICA_MALFORMED);
	assert_int_equal(apply(r, frame(&m, 1, 2, 1, 0, "")), REPLICA_MALFORMED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "2=a 1=b")), REPLICA_MALFORMED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "1=a 1=b")), REPLICA_MALFORMED);
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "3=a")), REPLICA_MALFORMED);
	assert_int_equal(apply(r, frame(&m, 1, 5, 9, 0, "5=a")), REPLICA_MALFORMED);
	frame(&m, 1, 0, 9, 10, "5=a");
	m.f.horizon = 9; /* below the floor */
	assert_int_equal(apply(r, &m.f), REPLICA_MALFORMED);
	frame(&m, 1, 0, 9, 0, "5=a");
	m.f.horizon = 8;
	assert_int_equal(apply(r, &m.f), REPLICA_MALFORMED);
	frame(&m, 1, 0, 9, 0, "5-a");
	m.entries[0].value = BYTES_LIT("x");
	assert_int_equal(apply(r, &m.f), REPLICA_MALFORMED);
	frame(&m, 1, 0, 9, 0, "5=a");
	m.entries[0].key.n = 0;
	assert_int_equal(apply(r, &m.f), REPLICA_MALFORMED);
	assert_int_equal(r->live.incarnation.count, 0);
	/* One key twice is odd, and harmless: the later one stands. */
	assert_int_equal(apply(r, frame(&m, 1, 0, 2, 0, "1=a 2-a")), REPLICA_APPLIED);
	assert_false(has(r, "a"));
	replica_free(r);
}

static void test_plan(void **state)
{
	(void)state;
	struct made m;
	struct replica *r = replica_new(&OWNER, RPC_LOCATIONS);
	struct rpc_row_position p = { .owner = OWNER, .stream = RPC_LOCATIONS };
	assert_false(replica_plan_for(r, &p).send);
	frame(&m, 3, 0, 20, 10, "5=a 20=b");
	m.f.horizon = 30;
	m.f.ancestors[0] = (struct rpc_ancestor){ { 2, 1 }, 15 };
	m.f.ancestors[1] = (struct rpc_ancestor){ { 1, 1 }, 22 };
	m.f.ancestors_n = 2;
	assert_int_equal(apply(r, &m.f), REPLICA_APPLIED);
	static const struct {
		uint64_t count, have, base;
		bool send, reset;
		uint64_t from;
	} cases[] = {
		{ 0, 0, 0, true, true, 0 },    /* knows nothing */
		{ 3, 20, 0, false, false, 0 }, /* has all */
		{ 3, 12, 0, true, false, 12 },
		{ 3, 9, 0, true, true, 0 },    /* below the floor */
		{ 3, 4, 10, true, true, 4 },   /* being built at it: goes on */
		{ 3, 4, 12, false, false, 0 }, /* at a higher one: this sender is behind */
		{ 4, 1, 0, false, false, 0 },  /* a later run */
		{ 1, 22, 0, true, false, 20 }, /* has more of what is inherited: renames */
		{ 2, 15, 0, true, false, 15 }, /* inherits */
		{ 2, 16, 0, true, true, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p.incarnation = (struct incarnation){ cases[i].count, 1 };
		p.have = p.horizon = cases[i].have;
		p.base = cases[i].base;
		struct replica_plan plan = replica_plan_for(r, &p);
		assert_int_equal(plan.send, cases[i].send);
		if (!plan.send)
			continue;
		assert_int_equal(plan.reset, cases[i].reset);
		assert_int_equal(plan.from, cases[i].from);
	}
	replica_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_horizon),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_shadow_overtaken),
		cmocka_unit_test(test_incarnations),
		cmocka_unit_test(test_shadow_renamed),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
