#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

struct one {
	pthread_t thread;
	struct readers *all;
	unsigned seed;
	struct histogram h;
	uint64_t found;
};

struct readers {
	struct reading r;
	atomic_bool done;
	uint64_t began_ns;
	struct one *each;
};

static void *read_on(void *arg)
{
	struct one *o = arg;
	const struct reading *r = &o->all->r;
	struct prng p;
	struct arena a;
	arena_init(&a, 1 << 20);
	prng_init(&p, o->seed);
	void *reader = r->open(r->ctx);
	while (!atomic_load_explicit(&o->all->done, memory_order_relaxed)) {
		char name[NAME_MAX_BYTES];
		struct bytes content = content_name(prng_below(&p, r->contents), name);
		uint64_t begin = now_ns();
		o->found += r->lookup(reader, content, &a);
		histogram_add(&o->h, now_ns() - begin);
		arena_reset(&a);
	}
	r->close(reader);
	arena_fini(&a);
	return NULL;
}

struct readers *readers_start(const struct reading *r)
{
	struct readers *all = calloc(1, sizeof(*all));
	CHECK(all != NULL);
	all->r = *r;
	all->began_ns = now_ns();
	all->each = calloc(r->threads, sizeof(*all->each));
	CHECK(all->each != NULL);
	for (unsigned i = 0; i < r->threads; i++) {
		all->each[i].all = all;
		all->each[i].seed = i + 1;
		CHECK(pthread_create(&all->each[i].thread, NULL, read_on, &all->each[i]) == 0);
	}
	return all;
}

static void say_of(const char *name, const char *figure, double value)
{
	char full[100];
	snprintf(full, sizeof(full), "%s_%s", name, figure);
	say(full, value);
}

void readers_stop(struct readers *all, const char *name)
{
	double seconds = (double)(now_ns() - all->began_ns) / 1e9;
	atomic_store(&all->done, true);
	uint64_t found = 0;
	for (unsigned i = 0; i < all->r.threads; i++) {
		CHECK(pthread_join(all->each[i].thread, NULL) == 0);
		found += all->each[i].found;
		if (i > 0)
			histogram_merge(&all->each[0].h, &all->each[i].h);
	}
	const struct histogram *h = &all->each[0].h;
	say_of(name, "lookups_s", (double)h->n / seconds);
	say_of(name, "p50_ns", (double)histogram_at(h, 0.5));
	say_of(name, "p99_ns", (double)histogram_at(h, 0.99));
	say_of(name, "p999_ns", (double)histogram_at(h, 0.999));
	say_of(name, "max_us", (double)h->max_ns / 1e3);
	say_of(name, "holders", (double)found / (double)(h->n == 0 ? 1 : h->n));
	free(all->each);
	free(all);
}

/* -- of a store -- */

void *store_reader_open(void *store)
{
	struct kvs_reader *r;
	CHECK(kvs_reader_open(store, &r) == OK);
	return r;
}

size_t store_reader_lookup(void *reader, struct bytes content, struct arena *a)
{
	struct kvs_holder h[8];
	size_t n;
	CHECK(kvs_reader_holders(reader, ORIGIN, content, a, h, 8, &n) == OK);
	return n;
}

void store_reader_close(void *reader)
{
	kvs_reader_close(reader);
}
