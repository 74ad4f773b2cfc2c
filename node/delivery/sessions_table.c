#include "node/delivery/sessions_table.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

struct session_row {
	struct session_row *next; /* of the same bucket */
	struct session_row *older, *newer;
	uint64_t hash;
	uint64_t seen_ms;
	struct session_end totals;
};

uint64_t sessions_table_hash(const struct rpc_session_id *id)
{
	/* Ids come out of signed tokens, random as the api nodes made them: no viewer chooses one. */
	uint64_t half[2];
	_Static_assert(sizeof(half) == sizeof(id->b), "an id is two numbers");
	memcpy(half, id->b, sizeof(half));
	return hash_mix(half[0] ^ hash_mix(half[1]));
}

void sessions_table_init(struct sessions_table *t)
{
	*t = (struct sessions_table){ 0 };
}

void sessions_table_fini(struct sessions_table *t)
{
	while (t->oldest != NULL) {
		struct session_row *row = t->oldest;
		t->oldest = row->newer;
		free(row);
	}
	free(t->buckets);
	sessions_table_init(t);
}

/* -- buckets -- */

static struct session_row **slot_of(const struct sessions_table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->buckets_n - 1)];
}

/* Where the pointer to that session's row stands, or the end of its chain; NULL in an empty table. */
static struct session_row **find(
    const struct sessions_table *t, const struct rpc_session_id *id, uint64_t hash)
{
	if (t->buckets_n == 0)
		return NULL;
	struct session_row **at = slot_of(t, hash);
	while (*at != NULL && ((*at)->hash != hash || memcmp((*at)->totals.id.b, id->b, sizeof(id->b)) != 0))
		at = &(*at)->next;
	return at;
}

static struct session_row *lookup(const struct sessions_table *t, const struct rpc_session_id *id)
{
	struct session_row **at = find(t, id, sessions_table_hash(id));
	return at == NULL ? NULL : *at;
}

static void grow(struct sessions_table *t)
{
	size_t n = t->buckets_n == 0 ? FIRST_BUCKETS : t->buckets_n * 2;
	struct session_row **buckets = calloc(n, sizeof(*buckets));
	CHECK(buckets != NULL);
	free(t->buckets);
	t->buckets = buckets;
	t->buckets_n = n;
	for (struct session_row *row = t->oldest; row != NULL; row = row->newer) {
		struct session_row **slot = slot_of(t, row->hash);
		row->next = *slot;
		*slot = row;
	}
}

/* -- the order of the last sign of life -- */

static void order_remove(struct sessions_table *t, struct session_row *row)
{
	*(row->older != NULL ? &row->older->newer : &t->oldest) = row->newer;
	*(row->newer != NULL ? &row->newer->older : &t->newest) = row->older;
}

static void order_append(struct sessions_table *t, struct session_row *row, uint64_t now_ms)
{
	/* Workers read their clocks once a turn, so `now` may step back a little between them; what is
	 * behind such a step ends that little later. */
	row->seen_ms = now_ms;
	row->older = t->newest;
	row->newer = NULL;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = row;
	t->newest = row;
}

/* Takes a row out of the table and tells its totals. */
static void finish(
    struct sessions_table *t, struct session_row **at, uint64_t now_ms, bool idle, struct session_end *end)
{
	struct session_row *row = *at;
	*at = row->next;
	order_remove(t, row);
	t->n--;
	if (end != NULL) {
		*end = row->totals;
		end->ended_ms = now_ms;
		end->idle = idle;
	}
	free(row);
}

/* -- what sessions.h asks for -- */

static void refresh(struct sessions_table *t, struct session_row *row, uint64_t now_ms)
{
	if (row == t->newest) {
		row->seen_ms = now_ms;
		return;
	}
	order_remove(t, row);
	order_append(t, row, now_ms);
}

bool sessions_table_refresh(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t now_ms, bool request)
{
	struct session_row *row = lookup(t, id);
	if (row == NULL)
		return false;
	refresh(t, row, now_ms);
	row->totals.requests += request;
	return true;
}

void sessions_table_start(struct sessions_table *t, const struct rpc_session_id *id, uint32_t kbps,
    struct audience_content *watched, uint64_t now_ms)
{
	CHECK(lookup(t, id) == NULL);
	if (t->n == t->buckets_n)
		grow(t);
	struct session_row *row = calloc(1, sizeof(*row));
	CHECK(row != NULL);
	row->hash = sessions_table_hash(id);
	row->totals = (struct session_end){
		.id = *id, .started_ms = now_ms, .requests = 1, .kbps = kbps, .watched = watched
	};
	struct session_row **slot = slot_of(t, row->hash);
	row->next = *slot;
	*slot = row;
	order_append(t, row, now_ms);
	t->n++;
}

bool sessions_table_account(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t bytes, bool hit, uint64_t now_ms)
{
	struct session_row *row = lookup(t, id);
	if (row == NULL)
		return false;
	refresh(t, row, now_ms);
	row->totals.bytes += bytes;
	row->totals.hit_bytes += hit ? bytes : 0;
	return true;
}

bool sessions_table_end(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t now_ms, struct session_end *end)
{
	struct session_row **at = find(t, id, sessions_table_hash(id));
	if (at == NULL || *at == NULL)
		return false;
	finish(t, at, now_ms, false, end);
	return true;
}

bool sessions_table_expire(
    struct sessions_table *t, uint64_t now_ms, uint64_t idle_ms, struct session_end *end)
{
	struct session_row *row = t->oldest;
	if (row == NULL || now_ms < row->seen_ms || now_ms - row->seen_ms < idle_ms)
		return false;
	finish(t, find(t, &row->totals.id, row->hash), now_ms, true, end);
	return true;
}
