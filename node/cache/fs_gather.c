/* Reads what the index of a disk names, into units that are in no table yet. Decoding, hashing and the memory
 * of a million take a second of one core, so several threads share it: a range of ids each. */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 8, UNITS_A_THREAD = 256, RANGES = 256 /* by the first byte of an id */ };

struct part {
	struct cache_disk *disk;
	unsigned from, to;
	enum err err;
	struct gathered got;
	size_t cap;
};

void gathered_drop(struct gathered *g, const struct unit_id *id)
{
	struct index_op *o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->id = *id;
	o->next = g->drop;
	g->drop = o;
	g->dropped++;
}

void gathered_fini(struct gathered *g)
{
	for (size_t i = 0; i < g->n; i++)
		unit_free(g->units[i]);
	free(g->units);
	while (g->drop != NULL) {
		struct index_op *next = g->drop->next;
		free(g->drop);
		g->drop = next;
	}
	*g = (struct gathered){ 0 };
}

static void on_entry(void *arg, const struct unit_id *id, struct bytes value)
{
	struct part *p = arg;
	struct gathered *g = &p->got;
	struct record r;
	if (record_decode(value, &r) != OK) {
		gathered_drop(g, id);
		return;
	}
	struct unit *u = unit_new(&r, p->disk->number);
	if (memcmp(u->id.b, id->b, sizeof(id->b)) != 0) {
		unit_free(u);
		gathered_drop(g, id);
		return;
	}
	u->charge_bytes = cache_charge_of(r.length);
	if (g->n == p->cap) {
		p->cap = p->cap == 0 ? 1024 : p->cap * 2;
		g->units = realloc(g->units, p->cap * sizeof(g->units[0]));
		CHECK(g->units != NULL);
	}
	g->units[g->n++] = u;
	if (r.sequence > g->last_sequence)
		g->last_sequence = r.sequence;
}

static void *read_part(void *arg)
{
	struct part *p = arg;
	p->err = lmdb_index_each_of(p->disk->index, p->from, p->to, on_entry, p);
	return NULL;
}

static unsigned threads_for(size_t units)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = cores < 1 ? 1 : cores < THREADS_MAX ? (size_t)cores : THREADS_MAX;
	if (n > units / UNITS_A_THREAD)
		n = units / UNITS_A_THREAD;
	return n > 0 ? (unsigned)n : 1;
}

/* The parts are in the order of their ids. */
static enum err join(struct part *parts, unsigned n, struct gathered *out)
{
	enum err e = OK;
	size_t units = 0;
	for (unsigned i = 0; i < n; i++) {
		units += parts[i].got.n;
		e = e != OK ? e : parts[i].err;
	}
	*out = (struct gathered){ .units = calloc(units + 1, sizeof(out->units[0])) };
	CHECK(out->units != NULL);
	for (unsigned i = 0; i < n; i++) {
		struct gathered *g = &parts[i].got;
		if (g->n > 0)
			memcpy(out->units + out->n, g->units, g->n * sizeof(g->units[0]));
		out->n += g->n;
		g->n = 0; /* they are the other's */
		out->dropped += g->dropped;
		if (g->last_sequence > out->last_sequence)
			out->last_sequence = g->last_sequence;
		while (g->drop != NULL) {
			struct index_op *next = g->drop->next;
			g->drop->next = out->drop;
			out->drop = g->drop;
			g->drop = next;
		}
		gathered_fini(g);
	}
	return e;
}

enum err cache_gather(struct cache_disk *d, struct gathered *out)
{
	struct part parts[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	bool runs[THREADS_MAX] = { false };
	unsigned n = threads_for(lmdb_index_count(d->index));
	for (unsigned i = 0; i < n; i++) {
		parts[i] = (struct part){ .disk = d, .from = i * RANGES / n, .to = (i + 1) * RANGES / n };
		/* The last is for this thread, and whatever there is no other for. */
		runs[i] = i + 1 < n && pthread_create(&threads[i], NULL, read_part, &parts[i]) == 0;
	}
	for (unsigned i = 0; i < n; i++)
		if (!runs[i])
			(void)read_part(&parts[i]);
	for (unsigned i = 0; i < n; i++)
		if (runs[i])
			CHECK(pthread_join(threads[i], NULL) == 0);
	return join(parts, n, out);
}
