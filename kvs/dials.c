#include "kvs/dials.h"

#include "base/check.h"
#include "kvs/out.h"

#include <stdlib.h>
#include <string.h>

static size_t lower(const struct kvs *k, const char *address)
{
	size_t low = 0, high = k->dials_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(k->dials[mid].address, address) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void dials_want(struct kvs *k, const char *address)
{
	size_t at = lower(k, address);
	if (at == k->dials_n || strcmp(k->dials[at].address, address) != 0) {
		k->dials = kvs_grow(k->dials, &k->dials_cap, k->dials_n + 1, sizeof(*k->dials));
		memmove(k->dials + at + 1, k->dials + at, (k->dials_n - at) * sizeof(*k->dials));
		k->dials_n++;
		k->dials[at] = (struct dial){ .address = strdup(address) };
		CHECK(k->dials[at].address != NULL);
	}
	k->dials[at].wanted++;
	k->dials_pending = true;
}

void dials_unwant(struct kvs *k, const char *address)
{
	size_t at = lower(k, address);
	CHECK(at < k->dials_n && strcmp(k->dials[at].address, address) == 0 && k->dials[at].wanted > 0);
	k->dials[at].wanted--;
	k->dials_pending = true;
}

static char *address_of(const struct kvs *k, const struct member *m)
{
	if (m->reg == NULL || m->wires == 0)
		return NULL;
	struct bytes a = m->reg->rpc_address;
	if (m->expelled || m->reg->state == NODE_LEFT || a.n == 0 || bytes_index(a, 0) < a.n)
		return NULL;
	/* A former id of this very host may still be a member. */
	if (k->self != NULL && k->self->reg != NULL && bytes_eq(k->self->reg->rpc_address, a))
		return NULL;
	char *s = calloc(1, a.n + 1);
	CHECK(s != NULL);
	memcpy(s, a.p, a.n);
	return s;
}

void dials_follow(struct kvs *k, struct member *m)
{
	char *now = address_of(k, m);
	if (now != NULL && m->dialled != NULL && strcmp(now, m->dialled) == 0) {
		free(now);
		return;
	}
	if (now != NULL)
		dials_want(k, now);
	if (m->dialled != NULL)
		dials_unwant(k, m->dialled);
	free(m->dialled);
	m->dialled = now;
}

void dials_flush(struct kvs *k)
{
	if (!k->dials_pending)
		return;
	k->dials_pending = false;
	/* Forgotten addresses go in the step after they were told: the caller points to them till then. */
	size_t keep = 0;
	for (size_t i = 0; i < k->dials_n; i++) {
		struct dial *d = &k->dials[i];
		if (d->wanted == 0 && !d->said) {
			free(d->address);
			continue;
		}
		bool wanted = d->wanted > 0;
		if (wanted != d->said) {
			if (out_dial(k, d->address, wanted))
				d->said = wanted;
			else
				out_later(k);
			k->dials_pending = true;
		}
		k->dials[keep++] = *d;
	}
	k->dials_n = keep;
}
