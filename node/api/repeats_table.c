#include "node/api/repeats_table.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct repeat_row {
	struct repeat_row *next; /* of the same bucket */
	struct repeat_row *newer;
	struct repeat_row *older;
	struct repeat_id id;
	uint64_t began_ms;
	uint8_t *answer; /* NULL while it is under way */
	size_t answer_n;
};

void repeats_table_init(struct repeats_table *t, size_t rows_max, size_t bytes_max, uint64_t keep_ms)
{
	CHECK(rows_max > 0 && bytes_max >= sizeof(struct repeat_row));
	*t = (struct repeats_table){ .rows_max = rows_max, .bytes_max = bytes_max, .keep_ms = keep_ms };
	for (t->buckets_n = 1; t->buckets_n < rows_max;)
		t->buckets_n *= 2;
	t->buckets = calloc(t->buckets_n, sizeof(struct repeat_row *));
	CHECK(t->buckets != NULL);
}

static size_t size_of(const struct repeat_row *r)
{
	return sizeof(*r) + r->answer_n;
}

/* Where the pointer to the row of that key stands, or the end of its chain. */
static struct repeat_row **find(const struct repeats_table *t, const struct repeat_id *id)
{
	uint64_t hash;
	memcpy(&hash, id->key, sizeof(hash));
	struct repeat_row **at = &t->buckets[hash & (t->buckets_n - 1)];
	while (*at != NULL && memcmp((*at)->id.key, id->key, sizeof(id->key)) != 0)
		at = &(*at)->next;
	return at;
}

static void take_out(struct repeats_table *t, struct repeat_row *r)
{
	*find(t, &r->id) = r->next;
	*(r->older != NULL ? &r->older->newer : &t->oldest) = r->newer;
	*(r->newer != NULL ? &r->newer->older : &t->newest) = r->older;
	t->rows--;
	t->bytes -= size_of(r);
	free(r->answer);
	free(r);
}

void repeats_table_fini(struct repeats_table *t)
{
	while (t->oldest != NULL)
		take_out(t, t->oldest);
	free(t->buckets);
	*t = (struct repeats_table){ 0 };
}

static void expire(struct repeats_table *t, uint64_t now_ms)
{
	while (t->oldest != NULL && now_ms - t->oldest->began_ms >= t->keep_ms && now_ms >= t->oldest->began_ms)
		take_out(t, t->oldest);
}

static void add(struct repeats_table *t, const struct repeat_id *id, uint64_t now_ms)
{
	while (t->rows == t->rows_max || t->bytes + sizeof(struct repeat_row) > t->bytes_max)
		take_out(t, t->oldest);
	struct repeat_row *r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->id = *id;
	r->began_ms = now_ms;
	*find(t, id) = r;
	r->older = t->newest;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = r;
	t->newest = r;
	t->rows++;
	t->bytes += size_of(r);
}

enum repeat_state repeats_table_begin(
    struct repeats_table *t, const struct repeat_id *id, uint64_t now_ms, struct bytes *answer)
{
	expire(t, now_ms);
	const struct repeat_row *r = *find(t, id);
	if (r == NULL) {
		add(t, id, now_ms);
		return REPEAT_NEW;
	}
	if (memcmp(r->id.body, id->body, sizeof(id->body)) != 0)
		return REPEAT_OTHER;
	if (r->answer == NULL)
		return REPEAT_UNDER_WAY;
	*answer = bytes_of(r->answer, r->answer_n);
	return REPEAT_SAME;
}

/* The row of a request that is under way, NULL when it was displaced. */
static struct repeat_row *under_way(const struct repeats_table *t, const struct repeat_id *id)
{
	struct repeat_row *r = *find(t, id);
	bool mine = r != NULL && r->answer == NULL && memcmp(r->id.body, id->body, sizeof(id->body)) == 0;
	return mine ? r : NULL;
}

void repeats_table_answer(struct repeats_table *t, const struct repeat_id *id, struct bytes answer)
{
	struct repeat_row *r = under_way(t, id);
	if (r == NULL)
		return;
	if (answer.n > t->bytes_max - sizeof(*r)) {
		take_out(t, r);
		return;
	}
	while (t->bytes + answer.n > t->bytes_max && t->oldest != r)
		take_out(t, t->oldest);
	if (t->bytes + answer.n > t->bytes_max) { /* younger ones fill it */
		take_out(t, r);
		return;
	}
	r->answer = malloc(answer.n > 0 ? answer.n : 1);
	CHECK(r->answer != NULL);
	if (answer.n > 0)
		memcpy(r->answer, answer.p, answer.n);
	r->answer_n = answer.n;
	t->bytes += answer.n;
}

void repeats_table_drop(struct repeats_table *t, const struct repeat_id *id)
{
	struct repeat_row *r = under_way(t, id);
	if (r != NULL)
		take_out(t, r);
}
