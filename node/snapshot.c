#include "node/snapshot.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct cluster_view *cluster_view_new(size_t nodes_n)
{
	size_t size;
	CHECK(!__builtin_mul_overflow(nodes_n, sizeof(struct view_node), &size));
	struct cluster_view *v = calloc(1, sizeof(*v) + size);
	CHECK(v != NULL);
	v->nodes_n = nodes_n;
	return v;
}

void cluster_view_free(struct cluster_view *v)
{
	free(v);
}

const struct view_node *cluster_view_find(const struct cluster_view *v, const struct node_id *id)
{
	size_t low = 0, high = v->nodes_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = node_id_cmp(&v->nodes[middle].id, id);
		if (c == 0)
			return &v->nodes[middle];
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void view_publisher_init(struct view_publisher *p, size_t readers_n)
{
	CHECK(readers_n <= VIEW_READERS_MAX);
	*p = (struct view_publisher){ .readers_n = readers_n };
	p->readers = aligned_alloc(_Alignof(struct view_reader), (readers_n + 1) * sizeof(*p->readers));
	CHECK(p->readers != NULL);
	for (size_t i = 0; i < readers_n; i++)
		atomic_init(&p->readers[i].hazard, NULL);
	atomic_init(&p->current, cluster_view_new(0));
}

void view_publisher_fini(struct view_publisher *p)
{
	for (size_t i = 0; i < p->readers_n; i++)
		CHECK(atomic_load(&p->readers[i].hazard) == NULL);
	while (p->retired != NULL) {
		struct cluster_view *next = p->retired->next_retired;
		cluster_view_free(p->retired);
		p->retired = next;
	}
	cluster_view_free(atomic_load(&p->current));
	free(p->readers);
	*p = (struct view_publisher){ .readers_n = 0 };
}

static bool is_read(const struct view_publisher *p, const struct cluster_view *v)
{
	for (size_t i = 0; i < p->readers_n; i++)
		if (atomic_load(&p->readers[i].hazard) == v)
			return true;
	return false;
}

/* At most one retired view a reader stays: each reader announces one. */
static void free_retired(struct view_publisher *p)
{
	struct cluster_view **at = &p->retired;
	while (*at != NULL) {
		struct cluster_view *v = *at;
		if (is_read(p, v)) {
			at = &v->next_retired;
			continue;
		}
		*at = v->next_retired;
		cluster_view_free(v);
	}
}

/* What each decision would find out anew. */
static void complete(struct cluster_view *v)
{
	v->other_apis = 0;
	for (size_t i = 0; i < v->nodes_n; i++) {
		struct view_node *n = &v->nodes[i];
		n->name_n = (uint16_t)strlen(n->name);
		n->zone_n = (uint16_t)strlen(n->zone);
		n->http_url_n = (uint16_t)strlen(n->http_url);
		v->other_apis +=
		    (n->roles & RPC_ROLE_API) != 0 && !n->self && n->liveness == KVS_ALIVE && n->state == NODE_READY;
	}
}

void view_publish(struct view_publisher *p, struct cluster_view *v)
{
	complete(v);
	for (size_t i = 1; i < v->nodes_n; i++)
		CHECK(node_id_cmp(&v->nodes[i - 1].id, &v->nodes[i].id) < 0);
	struct cluster_view *former = atomic_exchange(&p->current, v);
	former->next_retired = p->retired;
	p->retired = former;
	free_retired(p);
}

/* Sequentially consistent: the announcement must be seen before `current` is read again. A view that was
 * replaced between the two reads is not kept. */
const struct cluster_view *view_acquire(struct view_publisher *p, size_t reader)
{
	CHECK(reader < p->readers_n);
	struct view_reader *r = &p->readers[reader];
	CHECK(atomic_load_explicit(&r->hazard, memory_order_relaxed) == NULL);
	const struct cluster_view *v = atomic_load(&p->current);
	for (;;) {
		atomic_store(&r->hazard, v);
		const struct cluster_view *again = atomic_load(&p->current);
		if (again == v)
			return v;
		v = again;
	}
}

void view_release(struct view_publisher *p, size_t reader)
{
	CHECK(reader < p->readers_n);
	atomic_store_explicit(&p->readers[reader].hazard, NULL, memory_order_release);
}
