#include "kvs/told.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

enum { CAP_MIN = 16 };

void told_init(struct told *t)
{
	*t = (struct told){ 0 };
}

void told_fini(struct told *t)
{
	free(t->rows);
	*t = (struct told){ 0 };
}

static struct told_row *place(const struct told *t, uint32_t row)
{
	uint32_t at = (uint32_t)hash_mix(row) & (t->cap - 1);
	while (t->rows[at].row != 0 && t->rows[at].row != row)
		at = (at + 1) & (t->cap - 1);
	return &t->rows[at];
}

static void grow(struct told *t)
{
	struct told old = *t;
	t->cap = old.cap == 0 ? CAP_MIN : old.cap * 2;
	t->rows = calloc(t->cap, sizeof(*t->rows));
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

static struct told_row *ensure(struct told *t, const struct replica *r, bool *made)
{
	struct told_row *e = find(t, r);
	*made = e == NULL;
	if (e != NULL)
		return e;
	if (t->n + 1 > t->cap / 4 * 3)
		grow(t);
	t->n++;
	e = place(t, r->number);
	*e = (struct told_row){ .row = r->number };
	return e;
}

void told_expect(struct told *t, const struct replica *r, uint32_t epoch, uint64_t version)
{
	bool made;
	struct told_row *e = ensure(t, r, &made);
	if (made)
		*e = (struct told_row){ r->number, epoch, version };
}

void told_raise(struct told *t, const struct replica *r, uint64_t version)
{
	bool made;
	struct told_row *e = ensure(t, r, &made);
	if (made || e->epoch != r->epoch)
		*e = (struct told_row){ r->number, r->epoch, version };
	else if (e->version < version)
		e->version = version;
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
