#include "kvs/row.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_MIN = 16 };

/* Replicas compare fingerprints, so this key is part of the protocol. The index uses it too. */
static const struct hash_key ROW_KEY = { "warmcast kvs row" };

static struct bytes entry_key(const struct row_entry *e)
{
	return bytes_of(e->data, e->key_n);
}

static struct bytes entry_value(const struct row_entry *e)
{
	return bytes_of(e->data + e->key_n, e->value_n);
}

static uint64_t entry_fingerprint(uint64_t version, const struct row_entry *e)
{
	uint64_t h = hash64(&ROW_KEY, bytes_of(e->data, (size_t)e->key_n + e->value_n));
	return hash_mix(h ^ hash_mix(version * 2 + e->deleted) ^ hash_mix(~(uint64_t)e->key_n));
}

void row_init(struct row *r)
{
	*r = (struct row){ 0 };
}

void row_clear(struct row *r)
{
	for (uint32_t i = 0; i < r->slots_n; i++)
		free(r->slots[i].e);
	free(r->slots);
	free(r->index);
	r->slots = NULL;
	r->index = NULL;
	r->slots_n = r->slots_cap = r->index_cap = 0;
	r->live = r->tombstones = 0;
	r->bytes = r->fingerprint = 0;
}

void row_fini(struct row *r)
{
	row_clear(r);
	free(r->ancestors);
	*r = (struct row){ 0 };
}

void row_set_history(
    struct row *r, struct incarnation incarnation, const struct rpc_ancestor *ancestors, size_t ancestors_n)
{
	CHECK(ancestors_n <= RPC_ANCESTORS_MAX);
	struct rpc_ancestor *copy = NULL;
	if (ancestors_n > 0) {
		copy = malloc(ancestors_n * sizeof(*copy));
		CHECK(copy != NULL);
		memcpy(copy, ancestors, ancestors_n * sizeof(*copy));
	}
	free(r->ancestors);
	r->incarnation = incarnation;
	r->ancestors = copy;
	r->ancestors_n = (uint32_t)ancestors_n;
}

size_t row_ancestors(const struct row *r, struct rpc_ancestor out[RPC_ANCESTORS_MAX])
{
	if (r->ancestors_n > 0)
		memcpy(out, r->ancestors, r->ancestors_n * sizeof(*out));
	return r->ancestors_n;
}

/* Where the key stands in the index, or the free place where it would. */
static uint32_t *index_find(const struct row *r, uint32_t hash, struct bytes key)
{
	uint32_t at = hash & (r->index_cap - 1);
	while (r->index[at] != 0) {
		const struct row_entry *e = r->slots[r->index[at] - 1].e;
		if (e->hash == hash && bytes_eq(entry_key(e), key))
			break;
		at = (at + 1) & (r->index_cap - 1);
	}
	return &r->index[at];
}

static struct row_slot *scan(const struct row *r, struct bytes key)
{
	for (uint32_t i = 0; i < r->slots_n; i++)
		if (r->slots[i].e != NULL && bytes_eq(entry_key(r->slots[i].e), key))
			return &r->slots[i];
	return NULL;
}

static struct row_slot *slot_at(const struct row *r, uint32_t indexed)
{
	return indexed == 0 ? NULL : &r->slots[indexed - 1];
}

/* NULL: the key is not there. */
static struct row_slot *slot_of(const struct row *r, struct bytes key)
{
	if (r->index == NULL)
		return scan(r, key);
	return slot_at(r, *index_find(r, (uint32_t)hash64(&ROW_KEY, key), key));
}

static void index_rebuild(struct row *r, uint32_t cap)
{
	free(r->index);
	r->index = calloc(cap, sizeof(*r->index));
	CHECK(r->index != NULL);
	r->index_cap = cap;
	for (uint32_t i = 0; i < r->slots_n; i++) {
		if (r->slots[i].e == NULL)
			continue;
		uint32_t at = r->slots[i].e->hash & (cap - 1);
		while (r->index[at] != 0)
			at = (at + 1) & (cap - 1);
		r->index[at] = i + 1;
	}
}

static uint32_t entries_n(const struct row *r)
{
	return r->live + r->tombstones;
}

static uint32_t index_cap_for(uint32_t entries)
{
	uint32_t cap = INDEX_MIN;
	while (cap / 4 * 3 < entries + 1)
		cap *= 2;
	return cap;
}

/* Closes the gaps that overwritten entries left. */
static void compact(struct row *r)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < r->slots_n; i++)
		if (r->slots[i].e != NULL)
			r->slots[n++] = r->slots[i];
	r->slots_n = n;
	if (r->index != NULL)
		index_rebuild(r, index_cap_for(n));
}

static void make_room(struct row *r)
{
	if (r->slots_n == r->slots_cap && entries_n(r) <= r->slots_n / 2)
		compact(r);
	if (r->slots_n == r->slots_cap) {
		CHECK(r->slots_cap < UINT32_MAX / 4);
		r->slots_cap = r->slots_cap == 0 ? 1 : r->slots_cap * 2;
		r->slots = realloc(r->slots, r->slots_cap * sizeof(*r->slots));
		CHECK(r->slots != NULL);
	}
	if (r->slots_cap > ROW_SCAN_MAX && r->index_cap / 4 * 3 < entries_n(r) + 1)
		index_rebuild(r, index_cap_for(entries_n(r)));
}

static void count(struct row *r, const struct row_slot *s, bool in)
{
	uint64_t size = sizeof(*s->e) + s->e->key_n + s->e->value_n;
	uint64_t print = entry_fingerprint(s->version, s->e);
	uint32_t *which = s->e->deleted ? &r->tombstones : &r->live;
	if (in) {
		(*which)++;
		r->bytes += size;
		r->fingerprint += print;
	} else {
		(*which)--;
		r->bytes -= size;
		r->fingerprint -= print;
	}
}

void row_put(struct row *r, uint64_t version, struct bytes key, struct bytes value, bool deleted)
{
	CHECK(key.n <= UINT16_MAX && value.n <= UINT16_MAX);
	CHECK(r->slots_n == 0 || r->slots[r->slots_n - 1].version < version);
	make_room(r);
	struct row_entry *e = malloc(sizeof(*e) + key.n + value.n);
	CHECK(e != NULL);
	*e = (struct row_entry){
		.hash = (uint32_t)hash64(&ROW_KEY, key),
		.key_n = (uint16_t)key.n,
		.value_n = (uint16_t)value.n,
		.deleted = deleted,
	};
	if (key.n > 0)
		memcpy(e->data, key.p, key.n);
	if (value.n > 0)
		memcpy(e->data + key.n, value.p, value.n);

	uint32_t *place = r->index != NULL ? index_find(r, e->hash, key) : NULL;
	struct row_slot *old = place == NULL ? scan(r, key) : slot_at(r, *place);
	if (old != NULL) {
		count(r, old, false);
		free(old->e);
		old->e = NULL;
	}
	r->slots[r->slots_n] = (struct row_slot){ version, e };
	count(r, &r->slots[r->slots_n], true);
	r->slots_n++;
	if (place != NULL)
		*place = r->slots_n;
}

static void fill(const struct row_slot *s, struct rpc_entry *e)
{
	*e = (struct rpc_entry){
		.version = s->version,
		.key = entry_key(s->e),
		.value = entry_value(s->e),
		.deleted = s->e->deleted,
	};
}

bool row_get(const struct row *r, struct bytes key, struct rpc_entry *e)
{
	const struct row_slot *s = slot_of(r, key);
	if (s == NULL)
		return false;
	fill(s, e);
	return true;
}

size_t row_after(const struct row *r, uint64_t version)
{
	size_t low = 0, high = r->slots_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->slots[mid].version <= version)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool row_next(const struct row *r, size_t *at, struct rpc_entry *e)
{
	while (*at < r->slots_n && r->slots[*at].e == NULL)
		(*at)++;
	if (*at >= r->slots_n)
		return false;
	fill(&r->slots[(*at)++], e);
	return true;
}

void row_collect(struct row *r, uint64_t floor, void (*gone)(void *arg, struct row_entry *e), void *arg)
{
	if (floor <= r->floor)
		return;
	r->floor = floor;
	uint32_t before = r->tombstones;
	for (uint32_t i = 0; i < r->slots_n && r->slots[i].version <= floor; i++) {
		struct row_slot *s = &r->slots[i];
		if (s->e == NULL || !s->e->deleted)
			continue;
		count(r, s, false);
		if (gone != NULL)
			gone(arg, s->e);
		else
			free(s->e);
		s->e = NULL;
	}
	if (r->tombstones != before)
		compact(r);
}

uint64_t row_nth_tombstone(const struct row *r, size_t n)
{
	uint64_t version = 0;
	for (uint32_t i = 0; i < r->slots_n && n > 0; i++) {
		if (r->slots[i].e == NULL || !r->slots[i].e->deleted)
			continue;
		version = r->slots[i].version;
		n--;
	}
	return version;
}

/* True when `e` is what the other row has no newer entry for. */
static bool wins(const struct row *other, const struct rpc_entry *e, bool on_tie)
{
	struct rpc_entry theirs;
	if (!row_get(other, e->key, &theirs) || theirs.version < e->version)
		return true;
	return on_tie && theirs.version == e->version;
}

void row_merge(struct row *r, const struct row *other)
{
	struct row out = *r;
	out.slots = NULL;
	out.index = NULL;
	out.slots_n = out.slots_cap = out.index_cap = 0;
	out.live = out.tombstones = 0;
	out.bytes = out.fingerprint = 0;

	struct rpc_entry a, b;
	size_t at_a = 0, at_b = 0;
	uint64_t last = 0;
	bool more_a = row_next(r, &at_a, &a), more_b = row_next(other, &at_b, &b);
	while (more_a || more_b) {
		bool first = more_a && (!more_b || a.version <= b.version);
		const struct rpc_entry *e = first ? &a : &b;
		bool collected = e->deleted && e->version <= out.floor;
		/* Two keys at one version is what no owner says; the bytes came from a peer, so no CHECK. */
		if (!collected && e->version > last && wins(first ? other : r, e, first)) {
			row_put(&out, e->version, e->key, e->value, e->deleted);
			last = e->version;
		}
		if (first)
			more_a = row_next(r, &at_a, &a);
		else
			more_b = row_next(other, &at_b, &b);
	}
	row_clear(r);
	*r = out;
}
