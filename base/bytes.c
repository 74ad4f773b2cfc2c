#include "base/bytes.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool bytes_starts_with(struct bytes a, struct bytes prefix)
{
	return a.n >= prefix.n && bytes_eq(bytes_head(a, prefix.n), prefix);
}

bool bytes_ends_with(struct bytes a, struct bytes suffix)
{
	return a.n >= suffix.n && bytes_eq(bytes_from(a, a.n - suffix.n), suffix);
}

size_t bytes_index(struct bytes a, uint8_t c)
{
	const uint8_t *at = a.n == 0 ? NULL : memchr(a.p, c, a.n);
	return at == NULL ? a.n : (size_t)(at - a.p);
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->err = OK;
}

bool buf_reserve(struct buf *b, size_t n)
{
	if (b->err != OK)
		return false;
	if (n > b->max - b->n) {
		b->err = ERR_TOO_BIG;
		return false;
	}
	if (n <= b->cap - b->n)
		return true;
	size_t cap = b->cap == 0 ? 64 : b->cap;
	while (cap < b->n + n)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	uint8_t *p = realloc(b->p, cap);
	if (p == NULL) {
		b->err = ERR_NO_MEMORY;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	CHECK(len >= 0);
	/* vsnprintf writes a NUL that the buffer does not count. */
	if (!buf_reserve(b, (size_t)len + 1))
		return;
	va_start(ap, format);
	vsnprintf((char *)b->p + b->n, (size_t)len + 1, format, ap);
	va_end(ap);
	b->n += (size_t)len;
}

struct bytes buf_bytes(const struct buf *b)
{
	return bytes_of(b->p, b->n);
}

enum err buf_err(const struct buf *b)
{
	return b->err;
}
