/* I9 and the rules of commands together: random orders, fills, absences, lost links, crashes and forgetting,
 * over real replicas and a model of a cache. What is served is never older than the last purge, once all have
 * caught up; and no purge is applied twice without a crash. */
#include "base/check.h"
#include "base/prng.h"
#include "node/purge_reader.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 3, CONTENTS = 3, STEPS = 300, SEEDS = 300, APPLIED_MAX = 4096, DAY_MS = 24 * 3600 * 1000 };

static const char *const names[CONTENTS] = { "a", "b", "c" };

/* A delivery node's cache: of each content, which version of the origin store's it holds. */
struct cache_model {
	bool up, proven;
	unsigned held[CONTENTS]; /* 0: nothing */
	bool unproven[CONTENTS];
	struct purge_reader reader, disk; /* in memory; as stored */
	bool doubted_on_disk[CONTENTS];
	struct rpc_command_id applied[APPLIED_MAX]; /* since the last crash */
	size_t applied_n;
};

struct world {
	struct pair pair;
	struct prng prng;
	struct cache_model nodes[NODES];
	unsigned origin[CONTENTS];
	bool linked[NODES][NODES];
	uint64_t wall_ms;
	uint8_t next_id;
	unsigned orders;
	size_t doubts, drops;
};

static uint64_t below(struct world *w, uint64_t n)
{
	return prng_below(&w->prng, n);
}

static void copy(struct purge_reader *to, const struct purge_reader *from)
{
	purges_fini(&to->applied);
	purges_init(&to->applied);
	for (size_t i = 0; i < from->applied.n; i++)
		*purges_at(&to->applied, &from->applied.rows[i].owner) = from->applied.rows[i];
	to->ids = from->ids;
	to->seen_n = 0;
}

/* Only what is dirty is written. */
static void store(struct cache_model *c)
{
	bool any = false;
	for (size_t i = 0; i < c->reader.applied.n; i++) {
		struct purges_row *r = &c->reader.applied.rows[i];
		if (r->dirty)
			*purges_at(&c->disk.applied, &r->owner) = *r;
		any |= r->dirty;
		r->dirty = false;
	}
	if (!any)
		return;
	c->disk.ids = c->reader.ids;
	for (unsigned i = 0; i < CONTENTS; i++)
		c->doubted_on_disk[i] = c->doubted_on_disk[i] || (c->unproven[i] && c->proven);
}

static void drop(struct world *w, struct cache_model *c, const struct purge_found *f)
{
	for (size_t i = 0; i < c->applied_n; i++)
		assert_int_not_equal(rpc_command_id_cmp(&c->applied[i], &f->id), 0); /* once */
	assert_true(c->applied_n < APPLIED_MAX);
	c->applied[c->applied_n++] = f->id;
	for (unsigned i = 0; i < CONTENTS; i++) {
		if (!bytes_eq(bytes_str(names[i]), bytes_of(f->content, f->content_n)))
			continue;
		w->drops += c->held[i] != 0;
		c->held[i] = 0;
		c->unproven[i] = c->doubted_on_disk[i] = false;
	}
}

static void read_on(struct world *w, size_t n)
{
	static struct purge_reading found;
	struct cache_model *c = &w->nodes[n];
	const struct kvs *kvs = w->pair.nodes[n].k;
	if (!c->up)
		return;
	purge_reader_read(&c->reader, kvs, &found);
	assert_true(found.whole);
	for (unsigned i = 0; found.doubts && i < CONTENTS; i++)
		c->unproven[i] = c->doubted_on_disk[i] = c->held[i] != 0;
	w->doubts += found.doubts;
	for (size_t i = 0; i < found.found_n; i++)
		drop(w, c, &found.found[i]);
	store(c);
}

/* Its replica has caught up with its peers, and all that it knows is applied. */
static void prove(struct world *w, size_t n)
{
	struct cache_model *c = &w->nodes[n];
	read_on(w, n);
	for (unsigned i = 0; c->up && !c->proven && i < CONTENTS; i++)
		c->unproven[i] = c->doubted_on_disk[i];
	c->proven |= c->up;
}

static void fill(struct world *w, size_t n, unsigned content)
{
	struct cache_model *c = &w->nodes[n];
	if (!c->up || c->held[content] != 0)
		return;
	c->held[content] = w->origin[content];
	c->unproven[content] = c->doubted_on_disk[content] = false;
}

static void order_purge(struct world *w, size_t n, unsigned content)
{
	struct kvs_input in = { .kind = KVS_IN_COMMAND };
	w->origin[content]++;
	uint32_t id = ++w->orders;
	memcpy(in.command.id.b, &id, sizeof(id));
	in.command.kind = RPC_COMMAND_PURGE;
	in.command.subject = bytes_str(names[content]);
	in.command.wall_ms = w->wall_ms;
	pair_step(&w->pair, n, &in);
}

static void set_link(struct world *w, size_t a, size_t b, bool on)
{
	if (w->linked[a][b] == on)
		return;
	w->linked[a][b] = on;
	if (on)
		pair_link(&w->pair, a, b);
	else
		pair_unlink(&w->pair, a, b, false);
}

static void pass(struct world *w, uint64_t ms)
{
	w->wall_ms += ms;
	uint64_t run_ms = ms > 60000 ? 60000 : ms; /* the rest of it nothing happens */
	pair_run(&w->pair, w->pair.now_ms + run_ms);
	if (ms > run_ms)
		w->pair.now_ms += 3600 * 1000; /* long enough that the old is looked for */
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_input clock = { .kind = KVS_IN_CLOCK, .wall_ms = w->wall_ms };
		pair_step(&w->pair, i, &clock);
	}
	pair_run(&w->pair, w->pair.now_ms + 200);
	w->wall_ms += 200;
}

/* The process of the cache is gone, and comes back with what its disk has. */
static void crash(struct cache_model *c)
{
	copy(&c->reader, &c->disk);
	c->up = c->proven = false;
	c->applied_n = 0;
	for (unsigned i = 0; i < CONTENTS; i++)
		c->unproven[i] = c->held[i] != 0;
}

/* What the core has closed itself, since hours had passed, is made again too. */
static void link_anew(struct world *w)
{
	for (size_t a = 0; a < NODES; a++) {
		for (size_t b = a + 1; b < NODES; b++) {
			pair_unlink(&w->pair, a, b, false);
			pair_link(&w->pair, a, b);
			w->linked[a][b] = true;
		}
	}
}

static void heal(struct world *w)
{
	for (size_t i = 0; i < NODES; i++)
		w->nodes[i].up = true;
	for (int i = 0; i < 3; i++) {
		link_anew(w);
		pass(w, 5000);
	}
	for (size_t i = 0; i < NODES; i++)
		prove(w, i);
}

static void check(const struct world *w, uint64_t seed)
{
	for (size_t n = 0; n < NODES; n++) {
		const struct cache_model *c = &w->nodes[n];
		for (unsigned i = 0; i < CONTENTS; i++) {
			bool served = c->held[i] != 0 && !c->unproven[i];
			if (served && c->held[i] != w->origin[i])
				fail_msg("seed %llu: node %zu serves %s of version %u, purged at %u",
				    (unsigned long long)seed, n, names[i], c->held[i], w->origin[i]);
		}
	}
}

static void act(struct world *w)
{
	size_t n = below(w, NODES), other = below(w, NODES);
	unsigned content = (unsigned)below(w, CONTENTS);
	switch (below(w, 12)) {
	case 0:
	case 1: order_purge(w, n, content); break;
	case 2:
	case 3:
	case 4: fill(w, n, content); break;
	case 5:
	case 6: read_on(w, n); break;
	case 7:
		if (n != other)
			set_link(w, n < other ? n : other, n < other ? other : n, below(w, 2) == 0);
		break;
	case 8:
		if (below(w, 3) == 0)
			crash(&w->nodes[n]);
		break;
	case 9: w->nodes[n].up = true; break;
	case 10: pass(w, below(w, 20) == 0 ? (uint64_t)8 * DAY_MS : below(w, 3000)); break;
	default:
		if (below(w, 10) == 0)
			heal(w);
		break;
	}
}

static void start(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	prng_init(&w->prng, seed);
	w->wall_ms = 1000ull * DAY_MS;
	pair_init(&w->pair);
	w->pair.features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_config c = pair_config(i);
		c.wall_ms = w->wall_ms;
		c.seed = seed + i;
		pair_start(&w->pair, i, &c);
		w->nodes[i].up = w->nodes[i].proven = true;
	}
	for (unsigned i = 0; i < CONTENTS; i++)
		w->origin[i] = 1;
}

static void end(struct world *w)
{
	for (size_t i = 0; i < NODES; i++) {
		purges_fini(&w->nodes[i].reader.applied);
		purges_fini(&w->nodes[i].disk.applied);
	}
	pair_fini(&w->pair);
}

static void nothing_that_was_purged_is_served(void **state)
{
	(void)state;
	static struct world w;
	size_t doubts = 0, drops = 0;
	const char *only = getenv("PURGE_SEED");
	uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1, last = only != NULL ? first : SEEDS;
	for (uint64_t seed = first; seed <= last; seed++) {
		start(&w, seed);
		for (int i = 0; i < STEPS; i++)
			act(&w);
		heal(&w);
		check(&w, seed);
		doubts += w.doubts;
		drops += w.drops;
		end(&w);
	}
	/* Else nothing was tried. */
	assert_true(only != NULL || (doubts > 0 && drops > 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_that_was_purged_is_served) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
