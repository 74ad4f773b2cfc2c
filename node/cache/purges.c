#include "node/cache/purges.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void purges_init(struct purges *p)
{
	*p = (struct purges){ 0 };
}

void purges_fini(struct purges *p)
{
	free(p->rows);
	*p = (struct purges){ 0 };
}

static size_t lower(const struct purges *p, const struct node_id *owner)
{
	size_t low = 0, high = p->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (node_id_cmp(&p->rows[mid].owner, owner) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct purges_row *purges_find(const struct purges *p, const struct node_id *owner)
{
	size_t at = lower(p, owner);
	return at < p->n && node_id_eq(&p->rows[at].owner, owner) ? &p->rows[at] : NULL;
}

struct purges_row *purges_at(struct purges *p, const struct node_id *owner)
{
	size_t at = lower(p, owner);
	if (at < p->n && node_id_eq(&p->rows[at].owner, owner))
		return &p->rows[at];
	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 16 : p->cap * 2;
		p->rows = realloc(p->rows, p->cap * sizeof(p->rows[0]));
		CHECK(p->rows != NULL);
	}
	memmove(p->rows + at + 1, p->rows + at, (p->n - at) * sizeof(p->rows[0]));
	p->rows[at] = (struct purges_row){ .owner = *owner };
	p->n++;
	return &p->rows[at];
}

void purges_meet(struct purges *p, const struct purges *other)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct purges_row r = p->rows[i];
		const struct purges_row *o = purges_find(other, &r.owner);
		if (o == NULL || incarnation_cmp(o->incarnation, r.incarnation) != 0)
			continue;
		if (o->version < r.version)
			r.version = o->version;
		p->rows[kept++] = r;
	}
	p->n = kept;
}

static void put_u64(uint8_t *out, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void purges_encode(const struct purges_row *r, uint8_t out[PURGES_VALUE_BYTES])
{
	put_u64(out, r->incarnation.count);
	put_u64(out + 8, r->incarnation.nonce);
	put_u64(out + 16, r->version);
}

enum err purges_decode(struct bytes value, struct purges_row *out)
{
	if (value.n < PURGES_VALUE_BYTES)
		return ERR_CORRUPT;
	out->incarnation = (struct incarnation){ get_u64(value.p), get_u64(value.p + 8) };
	out->version = get_u64(value.p + 16);
	return OK;
}

bool purges_read_on(const struct purges_row *known, const struct purges_seen *seen, uint64_t *after)
{
	*after = 0;
	if (known != NULL) {
		if (incarnation_cmp(known->incarnation, seen->incarnation) != 0 &&
		    !seen->inherits(seen->arg, known->incarnation, known->version))
			return false;
		*after = known->version;
	}
	return seen->forgotten <= *after;
}
