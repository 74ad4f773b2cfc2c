#include "base/arena.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 4096 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
	*a = (struct arena){ .max = max_bytes };
}

static void free_from(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_fini(struct arena *a)
{
	free_from(a->first);
	*a = (struct arena){ .max = a->max };
}

void arena_reset(struct arena *a)
{
	if (a->first != NULL) {
		free_from(a->first->next);
		a->first->next = NULL;
		a->first->used = 0;
	}
	a->current = a->first;
	a->used = 0;
}

/* A block with room for n bytes after the current one; sizes double, so blocks stay few. */
static struct arena_block *add_block(struct arena *a, size_t n)
{
	size_t size = a->current == NULL ? FIRST_BLOCK_BYTES : a->current->size * 2;
	if (size < n)
		size = n;
	struct arena_block *b = malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->size = size;
	b->used = 0;
	if (a->current == NULL)
		a->first = b;
	else
		a->current->next = b;
	a->current = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t align = _Alignof(max_align_t);
	if (n > a->max - a->used)
		return NULL;
	size_t padded = n == 0 ? align : (n + align - 1) / align * align;
	struct arena_block *b = a->current;
	if (b == NULL || padded > b->size - b->used) {
		b = add_block(a, padded);
		if (b == NULL)
			return NULL;
	}
	void *p = b->data + b->used;
	b->used += padded;
	a->used += n;
	memset(p, 0, padded);
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	return arena_alloc(a, n);
}

struct bytes arena_dup(struct arena *a, struct bytes s)
{
	uint8_t *p = arena_alloc(a, s.n);
	if (p == NULL)
		return BYTES_NONE;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return bytes_of(p, s.n);
}

char *arena_str(struct arena *a, struct bytes s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	CHECK(len >= 0);
	char *p = arena_alloc(a, (size_t)len + 1);
	if (p == NULL)
		return NULL;
	va_start(ap, format);
	vsnprintf(p, (size_t)len + 1, format, ap);
	va_end(ap);
	return p;
}
