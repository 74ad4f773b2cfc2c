#include "kvs/told.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 8, SHRINK_BELOW = 8, WORD_BITS = 64 };

void told_init(struct told *t)
{
	*t = (struct told){ 0 };
}

void told_fini(struct told *t)
{
	free(t->rows);
	free(t->level);
	*t = (struct told){ 0 };
}

/* -- rows that are level -- */

static bool is_level(const struct told *t, const struct replica *r)
{
	uint32_t word = r->number / WORD_BITS;
	return word < t->level_words && (t->level[word] >> (r->number % WORD_BITS) & 1) != 0;
}

static void set_level(struct told *t, const struct replica *r)
{
	uint32_t word = r->number / WORD_BITS;
	if (word >= t->level_words) {
		uint32_t words = t->level_words + t->level_words / 2;
		if (words <= word)
			words = word + 1;
		t->level = realloc(t->level, words * sizeof(*t->level));
		CHECK(t->level != NULL);
		memset(t->level + t->level_words, 0, (words - t->level_words) * sizeof(*t->level));
		t->level_words = words;
	}
	t->level[word] |= UINT64_C(1) << (r->number % WORD_BITS);
}

static void clear_level(struct told *t, const struct replica *r)
{
	t->level[r->number / WORD_BITS] &= ~(UINT64_C(1) << (r->number % WORD_BITS));
}

/* -- the others -- */

static uint32_t home(const struct told *t, uint32_t row)
{
	return (uint32_t)hash_mix(row) & (t->cap - 1);
}

static struct told_row *place(const struct told *t, uint32_t row)
{
	uint32_t at = home(t, row);
	while (t->rows[at].row != 0 && t->rows[at].row != row)
		at = (at + 1) & (t->cap - 1);
	return &t->rows[at];
}

static void resize(struct told *t, uint32_t cap)
{
	struct told old = *t;
	t->cap = cap;
	t->rows = calloc(cap, sizeof(*t->rows));
	CHECK(t->rows != NULL);
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.rows[i].row != 0)
			*place(t, old.rows[i].row) = old.rows[i];
	free(old.rows);
}

static struct told_row *find(const struct told *t, const struct replica *r)
{
	if (t->cap == 0)
		return NULL;
	struct told_row *e = place(t, r->number);
	return e->row != 0 ? e : NULL;
}

static void add(struct told *t, const struct replica *r, uint32_t epoch, uint64_t version)
{
	if (t->n + 1 > t->cap / 4 * 3)
		resize(t, t->cap == 0 ? CAP_MIN : t->cap * 2);
	t->n++;
	*place(t, r->number) = (struct told_row){ r->number, epoch, version };
}

/* What comes behind it moves up, so that no search ends too early. */
static void take_out(struct told *t, struct told_row *e)
{
	uint32_t mask = t->cap - 1, hole = (uint32_t)(e - t->rows);
	for (uint32_t at = (hole + 1) & mask; t->rows[at].row != 0; at = (at + 1) & mask) {
		if (((at - home(t, t->rows[at].row)) & mask) < ((at - hole) & mask))
			continue;
		t->rows[hole] = t->rows[at];
		hole = at;
	}
	t->rows[hole].row = 0;
	t->n--;
	if (t->cap > CAP_MIN && t->n < t->cap / SHRINK_BELOW)
		resize(t, t->cap / 2);
}

static void settle(struct told *t, const struct replica *r, struct told_row *e)
{
	if (e->epoch != r->epoch || e->version != r->live.have)
		return;
	take_out(t, e);
	set_level(t, r);
}

/* -- both -- */

void told_expect(struct told *t, const struct replica *r, uint32_t epoch, uint64_t version)
{
	struct told_row *e = find(t, r);
	if (e != NULL) {
		settle(t, r, e); /* the row may have come to where the peer was ahead */
		return;
	}
	if (is_level(t, r))
		clear_level(t, r);
	add(t, r, epoch, version);
}

void told_raise(struct told *t, const struct replica *r, uint64_t version)
{
	if (is_level(t, r)) {
		if (version <= r->live.have)
			return;
		clear_level(t, r);
	}
	struct told_row *e = find(t, r);
	if (e == NULL) {
		if (version == r->live.have)
			set_level(t, r);
		else
			add(t, r, r->epoch, version);
		return;
	}
	if (e->epoch != r->epoch || e->version < version) {
		e->epoch = r->epoch;
		e->version = version;
	}
	settle(t, r, e);
}

bool told_lacks(const struct told *t, const struct replica *r, uint64_t *from)
{
	const struct told_row *e = find(t, r);
	if (e == NULL)
		return false;
	*from = e->epoch < r->reset_epoch ? 0 : e->version;
	if (*from > r->live.have)
		*from = r->live.have; /* a later history may yet be news */
	return e->epoch != r->epoch || e->version < r->live.have;
}
