#include "oracle.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
	KEYS_MAX = 384,      /* of one row, ever */
	FLOOR_KEY = KEYS_MAX /* stands for the floor */
};

/* One write of an owner. */
struct written {
	uint64_t version;
	size_t key;    /* its place in the history's keys */
	uint64_t hash; /* of the value; with FLOOR_KEY the floor */
	bool deleted;
};

struct key {
	uint8_t b[RPC_KEY_MAX];
	size_t n;
};

struct history {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	struct rpc_ancestor parent;
	bool inherits;
	struct written *w; /* in version order */
	size_t n, cap;
	struct key *keys;
	size_t keys_n, keys_cap;
	uint64_t submitted, stored; /* versions */
};

static const struct hash_key HASH_KEY = { "kvs simulator..." };

static struct history *find(
    struct sim *s, const struct node_id *owner, enum rpc_stream stream, struct incarnation inc)
{
	for (size_t i = s->histories_n; i-- > 0;) {
		struct history *h = &s->histories[i];
		if (h->stream == stream && incarnation_cmp(h->incarnation, inc) == 0 && node_id_eq(&h->owner, owner))
			return h;
	}
	return NULL;
}

static void append(struct history *h, struct written w)
{
	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 16 : h->cap * 2;
		h->w = realloc(h->w, h->cap * sizeof(*h->w));
		CHECK(h->w != NULL);
	}
	h->w[h->n++] = w;
}

/* keys_n: that owner never wrote under it. */
static size_t key_of(const struct history *h, struct bytes key)
{
	for (size_t i = 0; i < h->keys_n; i++)
		if (bytes_eq(bytes_of(h->keys[i].b, h->keys[i].n), key))
			return i;
	return h->keys_n;
}

static size_t ensure_key(struct history *h, struct bytes key)
{
	size_t at = key_of(h, key);
	if (at < h->keys_n)
		return at;
	CHECK(h->keys_n < KEYS_MAX && key.n <= RPC_KEY_MAX);
	if (h->keys_n == h->keys_cap) {
		h->keys_cap = h->keys_cap == 0 ? 8 : h->keys_cap * 2;
		h->keys = realloc(h->keys, h->keys_cap * sizeof(*h->keys));
		CHECK(h->keys != NULL);
	}
	memcpy(h->keys[at].b, key.p, key.n);
	h->keys[at].n = key.n;
	h->keys_n++;
	return at;
}

static struct history *begin(struct sim *s, const struct kvs_row_meta *m)
{
	if (s->histories_n == s->histories_cap) {
		s->histories_cap = s->histories_cap == 0 ? 128 : s->histories_cap * 2;
		s->histories = realloc(s->histories, s->histories_cap * sizeof(*s->histories));
		CHECK(s->histories != NULL);
	}
	struct history h = { .owner = m->owner, .stream = m->stream, .incarnation = m->incarnation };
	h.inherits = m->ancestors_n > 0;
	if (h.inherits) {
		h.parent = m->ancestors[0];
		const struct history *from = find(s, &m->owner, m->stream, h.parent.incarnation);
		for (size_t i = 0; from != NULL && i < from->keys_n; i++)
			ensure_key(&h, bytes_of(from->keys[i].b, from->keys[i].n));
		for (size_t i = 0; from != NULL && i < from->n && from->w[i].version <= h.parent.version; i++)
			append(&h, from->w[i]);
		h.submitted = h.parent.version;
	}
	s->histories[s->histories_n] = h;
	return &s->histories[s->histories_n++];
}

void oracle_submitted(struct sim *s, size_t node, const struct batch *b)
{
	struct history *h = NULL;
	uint64_t floor = 0, floor_at = 0;
	for (size_t i = 0; i < b->ops_n; i++) {
		const struct kvs_op *op = &b->ops[i];
		if (!node_id_eq(&op->owner, &s->nodes[node].id))
			continue;
		if (op->kind == KVS_OP_ROW) {
			if (h != NULL && floor_at > 0)
				append(h, (struct written){ .version = floor_at, .key = FLOOR_KEY, .hash = floor });
			h = find(s, &op->owner, op->stream, op->row->incarnation);
			if (h == NULL)
				h = begin(s, op->row);
			if (op->row->have < h->submitted)
				sim_fail(s, node, "I1: an own row goes back from version %llu to %llu",
				    (unsigned long long)h->submitted, (unsigned long long)op->row->have);
			h->submitted = op->row->have;
			uint64_t before = 0;
			for (size_t j = 0; j < h->n; j++)
				if (h->w[j].key == FLOOR_KEY)
					before = h->w[j].hash;
			floor = op->row->floor;
			floor_at = floor > before ? op->row->have : 0;
		}
		if (op->kind == KVS_OP_ENTRY && h != NULL)
			append(h, (struct written){ .version = op->entry.version,
			              .key = ensure_key(h, op->entry.key),
			              .hash = hash64(&HASH_KEY, op->entry.value),
			              .deleted = op->entry.deleted });
	}
	if (h != NULL && floor_at > 0)
		append(h, (struct written){ .version = floor_at, .key = FLOOR_KEY, .hash = floor });
}

void oracle_stored(struct sim *s, size_t node, const struct batch *b)
{
	for (size_t i = 0; i < b->ops_n; i++) {
		const struct kvs_op *op = &b->ops[i];
		if (op->kind != KVS_OP_ROW || !node_id_eq(&op->owner, &s->nodes[node].id))
			continue;
		struct history *h = find(s, &op->owner, op->stream, op->row->incarnation);
		if (h != NULL && h->stored < op->row->have)
			h->stored = op->row->have;
	}
}

void oracle_booted(struct sim *s, size_t node, bool honest_disk)
{
	const struct disk *d = &s->nodes[node].disk;
	for (size_t i = 0; honest_disk && i < d->self_n; i++) {
		const struct kvs_row_meta *m = &d->self[i].meta;
		const struct history *h = find(s, &m->owner, m->stream, m->incarnation);
		if (h != NULL && m->have < h->stored)
			sim_fail(s, node, "I4: the disk holds version %llu of an own row, %llu was stored",
			    (unsigned long long)m->have, (unsigned long long)h->stored);
	}
}

/* -- checking -- */

struct expected {
	const struct written *latest[KEYS_MAX + 1]; /* at or below have */
	bool superseded[KEYS_MAX + 1];              /* by a write in (have, horizon] */
	bool found[KEYS_MAX + 1];
};

struct check {
	struct sim *s;
	size_t node;
	const struct kvs_row_meta *m;
	const struct history *h;
	struct expected want;
};

static void say_wrong(struct check *c, const char *what, uint64_t version, size_t key)
{
	sim_fail(c->s, c->node,
	    "%s: owner %02x%02x stream %d incarnation %llu have %llu horizon %llu floor %llu base %llu: "
	    "version %llu key %zu",
	    what, c->m->owner.b[0], c->m->owner.b[1], c->m->stream, (unsigned long long)c->m->incarnation.count,
	    (unsigned long long)c->m->have, (unsigned long long)c->m->horizon, (unsigned long long)c->m->floor,
	    (unsigned long long)c->m->base, (unsigned long long)version, key);
}

static const struct written *written_at(const struct history *h, uint64_t version)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->w[i].version == version && h->w[i].key != FLOOR_KEY)
			return &h->w[i];
	return NULL;
}

static void check_entry(void *arg, const struct rpc_entry *e)
{
	struct check *c = arg;
	size_t key = key_of(c->h, e->key);
	const struct written *w = written_at(c->h, e->version);
	if (w == NULL || w->key != key || w->deleted != e->deleted || w->hash != hash64(&HASH_KEY, e->value) ||
	    e->version > c->m->have) {
		say_wrong(c, "I1: an entry that its owner never wrote", e->version, key);
		return;
	}
	c->want.found[key] = true;
	if (c->want.superseded[key])
		return;
	if (c->want.latest[key] == NULL || c->want.latest[key]->version != e->version)
		say_wrong(c, "I2: an entry that was overwritten or deleted", e->version, key);
	else if (e->deleted && e->version <= c->m->floor)
		say_wrong(c, "I4: a tombstone below the floor", e->version, key);
}

static void expect(struct check *c)
{
	uint64_t floor = 0;
	for (size_t i = 0; i < c->h->n; i++) {
		const struct written *w = &c->h->w[i];
		if (w->version <= c->m->have)
			c->want.latest[w->key] = w;
		else if (w->version <= c->m->horizon)
			c->want.superseded[w->key] = true;
		if (w->key == FLOOR_KEY && w->version <= c->m->have)
			floor = w->hash;
	}
	if (c->m->have >= c->m->horizon && c->m->floor != floor)
		say_wrong(c, "I3: an exact row with another floor", floor, FLOOR_KEY);
}

static void expect_none_missing(struct check *c)
{
	for (size_t key = 0; key < c->h->keys_n; key++) {
		const struct written *w = c->want.latest[key];
		if (w == NULL || c->want.superseded[key] || c->want.found[key])
			continue;
		if (!w->deleted || w->version > c->m->floor)
			say_wrong(c, "I2: an entry is missing", w->version, key);
	}
}

static void check_row(struct sim *s, size_t node, const struct kvs_row_meta *m)
{
	struct check c = { .s = s, .node = node, .m = m };
	if (m->stream == RPC_LOAD)
		return;
	c.h = find(s, &m->owner, m->stream, m->incarnation);
	if (c.h == NULL) {
		say_wrong(&c, "I1: a row of an incarnation that never was", 0, 0);
		return;
	}
	if (m->have > c.h->stored || m->horizon > c.h->stored) {
		say_wrong(&c, "R5: a version that its owner has not stored", c.h->stored, 0);
		return;
	}
	if (m->have < m->base)
		say_wrong(&c, "R4: a row is shown while it is built", m->base, 0);
	expect(&c);
	kvs_each_entry(s->nodes[node].k, &m->owner, m->stream, check_entry, &c);
	expect_none_missing(&c);
}

struct walk {
	struct sim *s;
	size_t node, at;
};

/* The node's rows come sorted, and so do those seen before; none ever goes away. */
static struct seen_row *seen(struct sim_node *n, size_t *at, const struct kvs_row_meta *m)
{
	for (; *at < n->seen_n; (*at)++) {
		struct seen_row *r = &n->seen[*at];
		int c = node_id_cmp(&r->owner, &m->owner);
		if (c == 0)
			c = (int)r->stream - (int)m->stream;
		if (c == 0)
			return r;
		if (c > 0)
			break;
	}
	if (n->seen_n == n->seen_cap) {
		n->seen_cap = n->seen_cap == 0 ? 64 : n->seen_cap * 2;
		n->seen = realloc(n->seen, n->seen_cap * sizeof(*n->seen));
		CHECK(n->seen != NULL);
	}
	memmove(n->seen + *at + 1, n->seen + *at, (n->seen_n - *at) * sizeof(*n->seen));
	n->seen_n++;
	n->seen[*at] = (struct seen_row){ .owner = m->owner, .stream = m->stream };
	return &n->seen[*at];
}

static void visit(void *arg, const struct kvs_row_meta *m)
{
	struct walk *w = arg;
	struct seen_row *r = seen(&w->s->nodes[w->node], &w->at, m);
	w->at++;
	int order = incarnation_cmp(m->incarnation, r->incarnation);
	if (order < 0 || (order == 0 && m->have < r->have)) {
		struct check c = { .s = w->s, .node = w->node, .m = m };
		say_wrong(&c, "I1: a row went back", r->have, 0);
	}
	if (order != 0 || m->have != r->have || m->horizon != r->horizon)
		check_row(w->s, w->node, m);
	r->incarnation = m->incarnation;
	r->have = m->have;
	r->horizon = m->horizon;
}

void oracle_check(struct sim *s, size_t node)
{
	struct walk w = { .s = s, .node = node };
	kvs_each_row(s->nodes[node].k, visit, &w);
}

void oracle_fini(struct sim *s)
{
	for (size_t i = 0; i < s->histories_n; i++) {
		free(s->histories[i].w);
		free(s->histories[i].keys);
	}
	free(s->histories);
}
