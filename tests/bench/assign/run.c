#include "sim.h"

#include "base/check.h"

#include <stdlib.h>

struct departure {
	uint64_t at_us;
	uint32_t content;
	uint32_t node;
};

struct heap {
	struct departure *d;
	size_t n, room;
};

static void heap_push(struct heap *h, struct departure d)
{
	if (h->n == h->room) {
		h->room = h->room == 0 ? 4096 : 2 * h->room;
		h->d = realloc(h->d, h->room * sizeof(*h->d));
		CHECK(h->d != NULL);
	}
	size_t i = h->n++;
	for (; i > 0 && h->d[(i - 1) / 2].at_us > d.at_us; i = (i - 1) / 2)
		h->d[i] = h->d[(i - 1) / 2];
	h->d[i] = d;
}

static struct departure heap_pop(struct heap *h)
{
	struct departure first = h->d[0], last = h->d[--h->n];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && h->d[child + 1].at_us < h->d[child].at_us)
			child++;
		if (h->d[child].at_us >= last.at_us)
			break;
		h->d[i] = h->d[child];
	}
	h->d[i] = last;
	return first;
}

static bool is_measured(const struct setup *s, const struct arrival *a)
{
	return a->at_us >= (uint64_t)s->warmup_s * 1000000;
}

static void count(struct figures *f, const struct arrival *a, const struct entered *in, bool called)
{
	f->sessions++;
	f->fills += in->filled;
	f->warm += in->share_permille >= ASSIGN_SHARE_WARM_PERMILLE;
	f->watched_ms += a->watched_ms;
	f->hit_ms += in->hit_ms;
	if (!called)
		return;
	f->called++;
	f->called_watched_ms += a->watched_ms;
	f->called_hit_ms += in->hit_ms;
}

/* The node that was chosen, or the one that it sends the viewer on to; one hop, then nothing (D1). */
static void serve(
    struct world *w, const struct policy *p, const struct arrival *a, struct heap *h, struct figures *f)
{
	struct choice c = { 0 };
	struct entered in;
	bool measured = is_measured(w->setup, a);
	p->choose(w, a, &c);
	for (unsigned i = 0; i < c.n; i++) {
		if (!world_admit(w, a, c.nodes[i], &in)) {
			if (i == 0 && p->hop != NULL)
				p->hop(w, a, c.nodes[0], &c);
			if (measured && i == 0 && c.n > 1)
				f->redirects++;
			continue;
		}
		heap_push(h, (struct departure){ a->at_us + a->watched_ms * 1000ull, a->content, c.nodes[i] });
		if (measured)
			count(f, a, &in, i == 0 && c.warm);
		return;
	}
	if (!measured)
		return;
	f->sessions++;
	f->refused++;
	f->refused_with_headroom += world_has_headroom(w);
}

struct figures run_policy(const struct setup *s, const struct trace *t, const struct policy *p)
{
	struct world *w = malloc(sizeof(*w));
	CHECK(w != NULL);
	world_init(w, s, t, p->variant);
	struct heap h = { 0 };
	struct figures f = { 0 };
	for (size_t i = 0; i < t->n; i++) {
		const struct arrival *a = &t->arrivals[i];
		while (h.n > 0 && h.d[0].at_us <= a->at_us) {
			struct departure d = heap_pop(&h);
			world_advance(w, d.at_us);
			world_leave(w, d.content, d.node);
		}
		world_advance(w, a->at_us);
		serve(w, p, a, &h, &f);
	}
	for (unsigned i = 0; i < s->nodes; i++) {
		const struct node *n = &w->nodes[i];
		f.load_max = n->active_max > f.load_max ? n->active_max : f.load_max;
		f.booked_max = n->booked_max > f.booked_max ? n->booked_max : f.booked_max;
		f.cache_max = n->cache.used_max > f.cache_max ? n->cache.used_max : f.cache_max;
	}
	free(h.d);
	world_fini(w);
	free(w);
	return f;
}

struct figures run_one_lru(const struct setup *s, const struct trace *t)
{
	struct cache c;
	struct heap h = { 0 };
	struct figures f = { 0 };
	cache_init(&c, s, s->cached * s->nodes);
	for (size_t i = 0; i < t->n; i++) {
		const struct arrival *a = &t->arrivals[i];
		while (h.n > 0 && h.d[0].at_us <= a->at_us) {
			struct departure d = heap_pop(&h);
			cache_leave(&c, d.content, d.at_us);
		}
		struct entered in = cache_enter(&c, a, NULL);
		heap_push(&h, (struct departure){ a->at_us + a->watched_ms * 1000ull, a->content, 0 });
		if (is_measured(s, a))
			count(&f, a, &in, false);
	}
	free(h.d);
	cache_fini(&c);
	return f;
}
