/* Power cuts at any operation of a cache that fills, evicts, purges and sweeps (D5): whatever of the unsynced
 * comes to lie on the disk, the next start serves no wrong byte and loses no space.
 *
 *     node_cache_fs_power_cut_test [--seed N] [--rounds N] [--seconds N] [--every] [--state GENERATION OPS]
 *
 * A round is a seed: a recorded run from an empty disk, then one from what a cut of it left; the states after
 * some of each run's operations are looked at, with --every after all. It ends after --seconds at the latest.
 */
#include "checked_cache.h"
#include "fs_recorder.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/prng.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sodium/randombytes.h>

enum {
	WRITERS = 3,
	STATES = 3, /* of a generation that are looked at */
};

struct options {
	uint64_t seed, rounds, seconds;
	uint64_t only_generation, only_ops;
	bool every, only;
};

/* Sanitizers are there for fewer rounds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SECONDS_MAX = 10 };
#else
enum { SECONDS_MAX = 25 };
#endif
static struct options options = { .seed = 1, .rounds = 200, .seconds = SECONDS_MAX };
static const char *folder;

/* -- a run -- */

struct scene {
	struct prng p;
	struct cache *cache;
	char boot[16];
	unsigned version; /* of the last fill */
	struct filling {
		struct cache_writer *w;
		struct object o;
		uint64_t written;
	} filling[WRITERS];
};

static void begin(struct scene *s, struct filling *f)
{
	checked_object((unsigned)prng_below(&s->p, CHECKED_OBJECTS), ++s->version, &f->o);
	struct cache_key k = checked_key(&f->o);
	struct cache_meta m = checked_meta(&f->o, cache_mark(s->cache));
	f->written = 0;
	if (cache_write_begin(s->cache, &k, &m, &f->w) != OK)
		f->w = NULL;
}

static void go_on(struct scene *s, struct filling *f)
{
	uint64_t left = f->o.length - f->written;
	uint64_t n = left < 4096 ? left : 1 + prng_below(&s->p, left);
	if (prng_chance(&s->p, 50)) {
		cache_write_abort(f->w);
		f->w = NULL;
	} else if (left > 0) {
		assert_int_equal(cache_write(f->w, bytes_of(f->o.bytes + f->written, (size_t)n)), OK);
		f->written += n;
	} else {
		enum err e = cache_write_commit(f->w);
		assert_true(e == OK || e == ERR_EXPIRED);
		f->w = NULL;
	}
}

static void fill(struct scene *s)
{
	struct filling *f = &s->filling[prng_below(&s->p, WRITERS)];
	if (f->w == NULL)
		begin(s, f);
	for (unsigned i = 0; f->w != NULL && i < 3; i++)
		go_on(s, f);
}

/* From when this is durable, nothing that was filled before is served of the content. */
static void purge(struct scene *s)
{
	unsigned number = (unsigned)prng_below(&s->p, CHECKED_CONTENTS);
	struct cache_purge_ids ids = { .n = 0 };
	(void)cache_purge(s->cache, checked_content(number));
	assert_int_equal(cache_purges_store(s->cache, NULL, 0, &ids), OK);
	recorder_note((uint64_t)number << 32 | s->version);
}

static void use(struct scene *s)
{
	struct object o;
	checked_object((unsigned)prng_below(&s->p, CHECKED_OBJECTS), 0, &o);
	struct cache_key k = checked_key(&o);
	if (prng_chance(&s->p, 50))
		cache_remove(s->cache, &k);
	else
		cache_release(s->cache, cache_get(s->cache, &k));
}

static void end_all(struct scene *s)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		cache_write_abort(s->filling[i].w);
		s->filling[i].w = NULL;
	}
	cache_close(s->cache);
	s->cache = NULL;
}

static void step(struct scene *s)
{
	struct cache_disk *d = &s->cache->disks[0];
	uint64_t dice = prng_below(&s->p, 100);
	if (dice < 60) {
		fill(s);
	} else if (dice < 72) {
		use(s);
	} else if (dice < 84) {
		assert_int_equal(cache_index_flush(d), OK);
	} else if (dice < 91) {
		cache_disk_sync(d);
	} else if (dice < 95) {
		for (unsigned i = 0; i < 64; i++)
			(void)cache_sweep_turn(d);
	} else if (dice < 98) {
		purge(s);
	} else {
		end_all(s);
		s->cache = checked_open(folder, s->boot);
		assert_non_null(s->cache);
	}
}

/* -- what has to hold afterwards -- */

/* What of each content may not come back, by what was said up to there. */
static void purged_up_to(const struct recording *r, size_t ops, unsigned floors[CHECKED_CONTENTS])
{
	for (size_t i = 0; i < ops; i++)
		if (r->ops[i].kind == OP_NOTE)
			floors[r->ops[i].n >> 32] = (unsigned)(r->ops[i].n & UINT32_MAX);
}

static const char *check_fills(struct cache *c)
{
	static struct scene s;
	memset(&s, 0, sizeof(s));
	prng_init(&s.p, 1);
	s.cache = c;
	s.version = 1 << 20;
	for (unsigned i = 0; i < 40; i++)
		fill(&s);
	for (unsigned i = 0; i < WRITERS; i++)
		cache_write_abort(s.filling[i].w);
	return NULL;
}

/* NULL: all is well. The folder is as a cut has left it. */
static const char *check_state(const unsigned floors[CHECKED_CONTENTS], uint64_t seed)
{
	static const unsigned no_floors[CHECKED_CONTENTS] = { 0 };
	struct cache *c = checked_open(folder, "after");
	if (c == NULL)
		return "the cache does not open";
	/* A unit whose file is missing is found by either. */
	const char *why = seed % 2 == 0 ? checked_space(c) : NULL;
	if (why == NULL)
		why = checked_bytes(c, floors);
	if (why == NULL)
		why = checked_space(c);
	/* And on it goes, of some states. */
	if (why == NULL && seed % 4 == 0)
		why = check_fills(c);
	if (why == NULL && seed % 4 == 0)
		why = checked_bytes(c, no_floors);
	cache_close(c);
	if (why != NULL || seed % 8 != 0)
		return why;
	c = checked_open(folder, "after");
	if (c == NULL)
		return "the cache does not open once more";
	why = checked_space(c);
	cache_close(c);
	return why;
}

/* -- rounds -- */

static struct prng random_bytes;

static const char *name_of_random(void)
{
	return "seeded";
}

static uint32_t random_u32(void)
{
	return (uint32_t)prng_next(&random_bytes);
}

static void random_buf(void *const out, const size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = (uint8_t)prng_next(&random_bytes);
}

static struct randombytes_implementation seeded = { name_of_random, random_u32, NULL, NULL, random_buf,
	NULL };

static void print_ops(const struct recording *r, size_t ops)
{
	static const char *const kinds[] = { "create", "mkdir", "write", "resize", "rename", "unlink",
		"sync file", "sync all", "note" };
	for (size_t i = 0; i < ops; i++) {
		const struct op *o = &r->ops[i];
		if (o->kind == OP_MKDIR)
			continue;
		(void)fprintf(stderr, "%5zu %-9s inode %d %s %s %llu+%llu\n", i, kinds[o->kind], o->inode, o->path,
		    o->to, (unsigned long long)o->at, (unsigned long long)o->n);
	}
}

struct round {
	uint64_t seed, generation;
	unsigned floors[CHECKED_CONTENTS]; /* from before this generation */
	unsigned version;
	uint64_t states;
};

static void look(struct round *r, const struct recording *rec, size_t ops)
{
	unsigned floors[CHECKED_CONTENTS];
	uint64_t seed = hash_mix(r->seed ^ r->generation << 32) ^ ops;
	if (options.only && (options.only_generation != r->generation || options.only_ops != ops))
		return;
	memcpy(floors, r->floors, sizeof(floors));
	purged_up_to(rec, ops, floors);
	struct image cut = image_cut(rec, ops, seed);
	image_store(&cut, folder);
	image_free(&cut);
	const char *why = check_state(floors, seed);
	r->states++;
	if (why == NULL)
		return;
	if (options.only)
		print_ops(rec, ops);
	(void)fprintf(stderr,
	    "%s; replay: node_cache_fs_power_cut_test --seed %llu --rounds 1 --every --state %llu %zu\n", why,
	    (unsigned long long)r->seed, (unsigned long long)r->generation, ops);
	fail();
}

/* Runs from what is in the folder, and returns what was done. */
static struct recording run(struct round *r)
{
	static struct scene s;
	memset(&s, 0, sizeof(s));
	prng_init(&s.p, hash_mix(r->seed) + r->generation);
	s.version = r->version;
	(void)snprintf(s.boot, sizeof(s.boot), "boot-%u", (unsigned)r->generation);
	recorder_start(folder);
	s.cache = checked_open(folder, s.boot);
	assert_non_null(s.cache);
	for (uint64_t i = 0, n = 20 + prng_below(&s.p, 40); i < n; i++)
		step(&s);
	struct recording rec = recorder_stop();
	r->version = s.version;
	/* Nothing escaped the recorder. */
	struct image told = image_whole(&rec, rec.ops_n), there = image_load(folder);
	const char *why = image_differs(&told, &there, "lock.mdb");
	if (why != NULL)
		(void)fprintf(stderr, "seed %llu: %s\n", (unsigned long long)r->seed, why);
	assert_null(why);
	image_free(&told);
	image_free(&there);
	end_all(&s);
	return rec;
}

static size_t end_of_opening(const struct recording *rec)
{
	size_t i = 0;
	while (i < rec->ops_n && rec->ops[i].kind == OP_MKDIR)
		i++;
	return i;
}

static uint64_t play_round(uint64_t seed)
{
	struct round r = { .seed = seed };
	struct prng p;
	struct image empty = { 0 };
	prng_init(&p, seed);
	prng_init(&random_bytes, seed);
	image_store(&empty, folder);
	for (r.generation = 1; r.generation <= 2; r.generation++) {
		struct recording rec = run(&r);
		size_t from = r.generation == 1 ? end_of_opening(&rec) : 0;
		for (size_t ops = 0; options.every && ops <= rec.ops_n; ops++)
			look(&r, &rec, ops);
		for (unsigned i = 0; !options.every && i < STATES; i++)
			look(&r, &rec,
			    i == 0 ? (size_t)prng_below(&p, rec.ops_n)
			           : from + (size_t)prng_below(&p, rec.ops_n + 1 - from));
		/* The next generation begins with what one of the cuts leaves. */
		size_t ops = from + (size_t)prng_below(&p, rec.ops_n + 1 - from);
		purged_up_to(&rec, ops, r.floors);
		struct image cut = image_cut(&rec, ops, hash_mix(seed) ^ ops);
		image_store(&cut, folder);
		image_free(&cut);
		recording_free(&rec);
	}
	return r.states;
}

static void power_cuts_leave_no_wrong_byte_and_lose_no_space(void **state)
{
	(void)state;
	uint64_t until_ms = cache_now_mono_ms() + options.seconds * 1000, states = 0, rounds = 0;
	for (; rounds < options.rounds && cache_now_mono_ms() < until_ms; rounds++)
		states += play_round(options.seed + rounds);
	print_message("%llu rounds, %llu states\n", (unsigned long long)rounds, (unsigned long long)states);
	assert_true(states > 0);
}

static int make_folder(void **state)
{
	(void)state;
	folder = checked_folder("power-cut");
	return folder == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	checked_remove(folder);
	return 0;
}

static bool take_option(const char *name, char **values)
{
	uint64_t *out = strcmp(name, "--seed") == 0      ? &options.seed
	                : strcmp(name, "--rounds") == 0  ? &options.rounds
	                : strcmp(name, "--seconds") == 0 ? &options.seconds
	                                                 : NULL;
	return out != NULL && values[0] != NULL && text_u64(bytes_str(values[0]), UINT32_MAX, out) == OK;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--every") == 0) {
			options.every = true;
		} else if (strcmp(argv[i], "--state") == 0 && i + 2 < argc) {
			options.only = text_u64(bytes_str(argv[i + 1]), 2, &options.only_generation) == OK &&
			               text_u64(bytes_str(argv[i + 2]), UINT32_MAX, &options.only_ops) == OK;
			i += 2;
		} else if (take_option(argv[i], argv + i + 1)) {
			i++;
		} else {
			(void)fprintf(stderr, "see the head of fs_power_cut_test.c\n");
			return 2;
		}
	}
	CHECK(randombytes_set_implementation(&seeded) == 0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    power_cuts_leave_no_wrong_byte_and_lose_no_space, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("power_cut", tests, NULL, NULL);
}
