#include "node/revoked_table.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 16 };

uint64_t revoked_table_hash(const struct rpc_session_id *id)
{
	/* Ids come out of signed tokens and of nodes of this cluster: nobody chooses them. */
	static const struct hash_key key = { "warmcast.revoked" };
	return hash64(&key, bytes_of(id->b, sizeof(id->b)));
}

void revoked_table_init(struct revoked_table *t, size_t max)
{
	*t = (struct revoked_table){ .max = max, .first_end_s = UINT64_MAX };
}

void revoked_table_fini(struct revoked_table *t)
{
	free(t->slots);
	revoked_table_init(t, t->max);
}

/* Its slot, or the free one where it would stand. */
static struct revoked_slot *slot_of(const struct revoked_table *t, const struct rpc_session_id *id)
{
	size_t at = revoked_table_hash(id) & (t->slots_n - 1);
	while (t->slots[at].not_after_s != 0 && memcmp(t->slots[at].id.b, id->b, sizeof(id->b)) != 0)
		at = (at + 1) & (t->slots_n - 1);
	return &t->slots[at];
}

static void put(struct revoked_table *t, const struct rpc_session_id *id, uint64_t not_after_s)
{
	*slot_of(t, id) = (struct revoked_slot){ *id, not_after_s };
	t->n++;
	if (not_after_s < t->first_end_s)
		t->first_end_s = not_after_s;
}

/* Into an array of that many slots, without those that ended before now_s. */
static void rebuild(struct revoked_table *t, size_t slots_n, uint64_t now_s)
{
	struct revoked_table old = *t;
	t->slots = calloc(slots_n, sizeof(*t->slots));
	CHECK(t->slots != NULL);
	t->slots_n = slots_n;
	t->n = 0;
	t->first_end_s = UINT64_MAX;
	for (size_t i = 0; i < old.slots_n; i++)
		if (old.slots[i].not_after_s != 0 && old.slots[i].not_after_s >= now_s)
			put(t, &old.slots[i].id, old.slots[i].not_after_s);
	free(old.slots);
}

bool revoked_table_add(struct revoked_table *t, const struct rpc_session_id *id, uint64_t not_after_s)
{
	CHECK(not_after_s > 0);
	struct revoked_slot *s = t->slots_n > 0 ? slot_of(t, id) : NULL;
	if (s != NULL && s->not_after_s != 0) {
		if (not_after_s > s->not_after_s)
			s->not_after_s = not_after_s;
		return true;
	}
	if (t->n == t->max)
		return false;
	if ((t->n + 1) * 2 > t->slots_n)
		rebuild(t, t->slots_n == 0 ? FIRST_SLOTS : t->slots_n * 2, 0);
	put(t, id, not_after_s);
	return true;
}

bool revoked_table_has(const struct revoked_table *t, const struct rpc_session_id *id)
{
	return t->n > 0 && slot_of(t, id)->not_after_s != 0;
}

static size_t living(const struct revoked_table *t, uint64_t now_s)
{
	size_t n = 0;
	for (size_t i = 0; i < t->slots_n; i++)
		n += t->slots[i].not_after_s != 0 && t->slots[i].not_after_s >= now_s;
	return n;
}

void revoked_table_expire(struct revoked_table *t, uint64_t now_s)
{
	if (t->first_end_s >= now_s)
		return;
	size_t slots_n = FIRST_SLOTS, n = living(t, now_s);
	while (slots_n < n * 2)
		slots_n *= 2;
	rebuild(t, slots_n, now_s);
}
