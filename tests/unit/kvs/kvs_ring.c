/* The overlay's graph: the same for all, symmetric, connected, of small diameter, whoever is skipped. */
#include "base/prng.h"
#include "kvs/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { FAR = 1000000 };

struct node {
	struct node_id id;
	bool skipped, in;
	unsigned depth;
};

static struct node *nodes_new(size_t n, uint64_t seed)
{
	struct node *nodes = calloc(n, sizeof(*nodes));
	struct prng r;
	prng_init(&r, seed);
	assert_non_null(nodes);
	for (size_t i = 0; i < n; i++)
		for (size_t b = 0; b < NODE_ID_BYTES; b++)
			nodes[i].id.b[b] = (uint8_t)prng_next(&r);
	return nodes;
}

static void add_all(struct ring *r, struct node *nodes, size_t n)
{
	ring_init(r);
	for (size_t i = 0; i < n; i++) {
		ring_add(r, &nodes[i].id, &nodes[i]);
		nodes[i].in = true;
	}
}

static bool is_skipped(void *arg, const void *member)
{
	if (arg != NULL)
		++*(size_t *)arg;
	return ((const struct node *)member)->skipped;
}

static size_t around(const struct ring *r, const struct node *of, void *out[RING_NEIGHBOURS_MAX])
{
	return ring_neighbours(r, &of->id, is_skipped, NULL, out);
}

static bool is_among(void *const *list, size_t n, const void *what)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == what)
			return true;
	return false;
}

/* Itself not, each once, by id, none that is skipped, and who is mine has me. */
static void check_node(const struct ring *r, const struct node *of)
{
	void *mine[RING_NEIGHBOURS_MAX], *theirs[RING_NEIGHBOURS_MAX];
	size_t n = around(r, of, mine);
	assert_false(is_among(mine, n, of));
	for (size_t i = 0; i < n; i++) {
		const struct node *other = mine[i];
		assert_true(other->in && !other->skipped);
		if (i > 0)
			assert_true(node_id_cmp(&((const struct node *)mine[i - 1])->id, &other->id) < 0);
		if (!of->skipped && of->in)
			assert_true(is_among(theirs, around(r, other, theirs), of));
	}
}

/* How far the farthest member is that is not skipped; FAR when one is out of reach. */
static unsigned depth_from(const struct ring *r, struct node *nodes, size_t n, size_t start)
{
	struct node **queue = calloc(n, sizeof(*queue));
	size_t head = 0, tail = 0, wanted = 0;
	unsigned deepest = 0;
	assert_non_null(queue);
	for (size_t i = 0; i < n; i++) {
		nodes[i].depth = FAR;
		wanted += nodes[i].in && !nodes[i].skipped;
	}
	nodes[start].depth = 0;
	queue[tail++] = &nodes[start];
	while (head < tail) {
		const struct node *of = queue[head++];
		void *out[RING_NEIGHBOURS_MAX];
		size_t k = around(r, of, out);
		deepest = of->depth;
		for (size_t i = 0; i < k; i++) {
			struct node *other = out[i];
			if (other->depth != FAR)
				continue;
			other->depth = of->depth + 1;
			queue[tail++] = other;
		}
	}
	free(queue);
	return tail == wanted ? deepest : FAR;
}

static void test_order_of_additions(void **state)
{
	(void)state;
	enum { N = 300, MORE = 100 };
	struct node *nodes = nodes_new(N + MORE, 1);
	struct ring a, b;
	struct prng p;
	prng_init(&p, 2);
	add_all(&a, nodes, N);
	/* The other: in another order, with others in between that go again. */
	add_all(&b, nodes + N, MORE);
	bool there[N] = { false };
	for (size_t done = 0; done < N;) {
		size_t i = prng_below(&p, N);
		if (there[i])
			continue;
		ring_add(&b, &nodes[i].id, &nodes[i]);
		there[i] = true;
		done++;
		if (done % 3 != 0)
			continue;
		assert_true(ring_remove(&b, &nodes[N + done / 3 - 1].id));
		assert_false(ring_remove(&b, &nodes[N + done / 3 - 1].id));
	}
	assert_int_equal(ring_size(&a), N);
	assert_int_equal(ring_size(&b), N);
	for (size_t i = 0; i < N + MORE; i++) {
		void *of_a[RING_NEIGHBOURS_MAX], *of_b[RING_NEIGHBOURS_MAX];
		size_t n = around(&a, &nodes[i], of_a);
		assert_int_equal(n, around(&b, &nodes[i], of_b));
		assert_memory_equal(of_a, of_b, n * sizeof(void *));
	}
	for (size_t i = 0; i < N; i++)
		assert_true(ring_remove(&b, &nodes[i].id));
	assert_int_equal(ring_size(&b), 0);
	ring_fini(&a);
	ring_fini(&b);
	free(nodes);
}

/* The graph is part of the protocol: a change of it is a change between versions. */
static void test_golden(void **state)
{
	(void)state;
	enum { N = 16 };
	struct node nodes[N] = { 0 };
	for (size_t i = 0; i < N; i++)
		nodes[i].id.b[15] = (uint8_t)i;
	struct ring r;
	add_all(&r, nodes, N);
	char text[64] = "";
	void *out[RING_NEIGHBOURS_MAX];
	size_t n = around(&r, &nodes[0], out), at = 0;
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %d", ((struct node *)out[i])->id.b[15]);
	assert_string_equal(text, " 1 7 8 10 11 12 14");
	ring_fini(&r);
}

static void test_mesh(void **state)
{
	(void)state;
	for (size_t n = 0; n <= RING_NEIGHBOURS_MAX + 1; n++) {
		struct node *nodes = nodes_new(n + 1, n);
		struct node *stranger = &nodes[n];
		struct ring r;
		add_all(&r, nodes, n);
		void *out[RING_NEIGHBOURS_MAX];
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(around(&r, &nodes[i], out), n - 1);
			assert_int_equal(ring_neighbours(&r, &nodes[i].id, NULL, NULL, out), n - 1);
			check_node(&r, &nodes[i]);
		}
		if (n <= RING_NEIGHBOURS_MAX)
			assert_int_equal(around(&r, stranger, out), n);
		check_node(&r, stranger);
		for (size_t skips = 1; skips <= n; skips++) {
			nodes[skips - 1].skipped = true;
			for (size_t i = 0; i < n; i++) {
				assert_int_equal(around(&r, &nodes[i], out), n - skips - (nodes[i].skipped ? 0 : 1));
				check_node(&r, &nodes[i]);
			}
		}
		ring_fini(&r);
		free(nodes);
	}
}

/* With n members, per_mille of them skipped, no member is more than `bound` away. */
static void check_graph(size_t n, unsigned per_mille, unsigned bound)
{
	struct node *nodes = nodes_new(n, n * 1000 + per_mille);
	struct prng p;
	struct ring r;
	size_t start = 0, edges = 0, least = RING_NEIGHBOURS_MAX;
	void *out[RING_NEIGHBOURS_MAX];
	prng_init(&p, n);
	add_all(&r, nodes, n);
	for (size_t i = 0; i < n; i++)
		nodes[i].skipped = prng_chance(&p, per_mille);
	while (nodes[start].skipped)
		start++;
	for (size_t i = 0; i < n; i++) {
		check_node(&r, &nodes[i]);
		size_t degree = around(&r, &nodes[i], out);
		edges += degree;
		least = degree < least ? degree : least;
	}
	assert_true(depth_from(&r, nodes, n, start) <= bound);
	/* Two sides of a ring may name the same; the more members the rarer. */
	assert_true(least >= 4);
	assert_true(n < 200 || edges >= n * 19 / 2);
	ring_fini(&r);
	free(nodes);
}

static void test_graph(void **state)
{
	(void)state;
	for (size_t n = 12; n < 60; n++)
		check_graph(n, 0, 4);
	check_graph(100, 0, 4);
	check_graph(333, 0, 4);
	check_graph(1000, 0, 5);
	check_graph(2000, 0, 5);
}

static void test_graph_without_the_down(void **state)
{
	(void)state;
	for (size_t n = 40; n < 100; n += 7)
		check_graph(n, 300, 4);
	check_graph(1000, 300, 5);
	check_graph(1000, 500, 5);
	check_graph(2000, 300, 5);
	check_graph(2000, 900, 5);
}

static void test_bounded_cost(void **state)
{
	(void)state;
	enum { N = 500 };
	struct node *nodes = nodes_new(N, 7);
	struct ring r;
	void *out[RING_NEIGHBOURS_MAX];
	size_t asked = 0;
	add_all(&r, nodes, N);
	for (size_t i = 0; i < N; i++)
		nodes[i].skipped = true;
	assert_int_equal(ring_neighbours(&r, &nodes[3].id, is_skipped, &asked, out), 0);
	assert_int_equal(asked, N - 1);
	/* One left: found from everywhere, also from a member that is skipped itself. */
	nodes[5].skipped = false;
	asked = 0;
	assert_int_equal(ring_neighbours(&r, &nodes[3].id, is_skipped, &asked, out), 1);
	assert_ptr_equal(out[0], &nodes[5]);
	assert_int_equal(asked, RING_COUNT * N);
	assert_int_equal(around(&r, &nodes[5], out), 0);
	ring_fini(&r);
	free(nodes);
}

static void test_churn(void **state)
{
	(void)state;
	enum { N = 60, STEPS = 2000 };
	struct node *nodes = nodes_new(N, 11);
	struct ring r;
	struct prng p;
	size_t n = 0;
	prng_init(&p, 12);
	ring_init(&r);
	for (size_t step = 0; step < STEPS; step++) {
		struct node *of = &nodes[prng_below(&p, N)];
		of->skipped = prng_chance(&p, 200);
		if (of->in)
			assert_true(ring_remove(&r, &of->id));
		else
			ring_add(&r, &of->id, of);
		of->in = !of->in;
		n = of->in ? n + 1 : n - 1;
		assert_int_equal(ring_size(&r), n);
		check_node(&r, of);
		check_node(&r, &nodes[prng_below(&p, N)]);
	}
	ring_fini(&r);
	free(nodes);
}

static void test_many(void **state)
{
	(void)state;
	enum { N = 20000 };
	struct node *nodes = nodes_new(N, 21);
	struct ring r;
	clock_t before = clock();
	add_all(&r, nodes, N);
	double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
	/* Seconds of this process: 0.1 to be expected, 10 for quadratic cost worth the name. */
	assert_true(seconds < 3);
	assert_int_equal(ring_size(&r), N);
	assert_true(depth_from(&r, nodes, N, 0) <= 7);
	ring_fini(&r);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_additions),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_mesh),
		cmocka_unit_test(test_graph),
		cmocka_unit_test(test_graph_without_the_down),
		cmocka_unit_test(test_bounded_cost),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
