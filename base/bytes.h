/* Byte slices (borrowed) and bounded growing buffers (owned).
 *
 * `struct bytes` never owns; who makes one says how long it lives. `struct buf` grows to a bound
 * given at its start; past it, or out of memory, it keeps the first error and later calls do
 * nothing, so that a writer checks once at the end (buf_err).
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/check.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *p; /* may be NULL when n is 0 */
	size_t n;
};

#define BYTES_NONE ((struct bytes){ NULL, 0 })
#define BYTES_LIT(literal) ((struct bytes){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ p, n };
}

/* NULL is empty. */
static inline struct bytes bytes_str(const char *s)
{
	return s == NULL ? BYTES_NONE : bytes_of(s, strlen(s));
}

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The part of `a` from `from` on; `from` <= a.n. */
static inline struct bytes bytes_from(struct bytes a, size_t from)
{
	CHECK(from <= a.n);
	return from == 0 ? a : bytes_of(a.p + from, a.n - from);
}

static inline struct bytes bytes_head(struct bytes a, size_t n)
{
	CHECK(n <= a.n);
	return bytes_of(a.p, n);
}

int bytes_cmp(struct bytes a, struct bytes b); /* as memcmp, a shorter prefix first */
bool bytes_starts_with(struct bytes a, struct bytes prefix);
bool bytes_ends_with(struct bytes a, struct bytes suffix);
/* Index of the first `c` in `a`, or a.n. */
size_t bytes_index(struct bytes a, uint8_t c);

struct buf {
	uint8_t *p;
	size_t n;
	size_t cap;
	size_t max; /* bound in bytes */
	enum err err;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory, forgets content and error */
/* Makes room for n > 0 more bytes; false, and the error is kept, when there is none. */
bool buf_reserve(struct buf *b, size_t n);

static inline void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || ((b->err != OK || n > b->cap - b->n) && !buf_reserve(b, n)))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void buf_put_bytes(struct buf *b, struct bytes s)
{
	buf_put(b, s.p, s.n);
}

static inline void buf_put_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static inline void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct bytes buf_bytes(const struct buf *b);
MUST_USE enum err buf_err(const struct buf *b);

#endif
