#include "base/trace.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct trace *panic_ring;

void trace_init(struct trace *t, const char *name)
{
	*t = (struct trace){ .name = name };
}

void trace_add(struct trace *t, uint64_t now_ms, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	t->ring[t->count++ % TRACE_RECORDS] = (struct trace_record){ now_ms, what, a, b, c };
}

void trace_each(const struct trace *t, void (*line)(void *arg, const struct trace_record *r), void *arg)
{
	uint64_t from = t->count > TRACE_RECORDS ? t->count - TRACE_RECORDS : 0;
	for (uint64_t i = from; i < t->count; i++)
		line(arg, &t->ring[i % TRACE_RECORDS]);
}

static void dump_line(void *arg, const struct trace_record *r)
{
	(void)arg;
	char text[256];
	int n = snprintf(text, sizeof(text), "  %" PRIu64 " ms %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	    r->now_ms, r->what, r->a, r->b, r->c);
	if (n > 0) {
		ssize_t ignored = write(STDERR_FILENO, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
		(void)ignored;
	}
}

static void dump_panic_ring(void)
{
	if (panic_ring != NULL)
		trace_each(panic_ring, dump_line, NULL);
}

void trace_dump_on_panic(const struct trace *t)
{
	panic_ring = t;
	check_on_fail(t == NULL ? NULL : dump_panic_ring);
}
