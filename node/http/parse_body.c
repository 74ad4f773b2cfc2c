#include "node/http/parse_body.h"

#include "base/check.h"
#include "node/http/clean.h"
#include "node/http/parse_head.h"

enum { DIGITS_MAX = 16 };

enum state {
	LENGTH,
	SIZE,
	EXTENSION,
	SIZE_LF,
	CHUNK,
	CHUNK_CR,
	CHUNK_LF,
	TRAILER, /* where one may start, or the end */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	WHOLE,
	BAD,
};

void http_body_of_length(struct http_body *b, uint64_t n)
{
	CHECK(n > 0);
	*b = (struct http_body){ .state = LENGTH, .left = n };
}

void http_body_of_chunks(struct http_body *b)
{
	*b = (struct http_body){ .state = SIZE };
}

static int digit_of(uint8_t c)
{
	uint8_t lower = c | 0x20;
	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum state in_size(struct http_body *b, uint8_t c)
{
	int digit = digit_of(c);
	if (digit >= 0) {
		b->left = b->left << 4 | (uint64_t)digit;
		return ++b->digits <= DIGITS_MAX ? SIZE : BAD;
	}
	if (b->digits == 0)
		return BAD;
	if (c == '\r')
		return SIZE_LF;
	return c == ';' || c == ' ' ? EXTENSION : BAD; /* some pad their sizes */
}

/* What stands in the rest of a line, up to its end. */
static enum state in_text(uint8_t c, enum state here, enum state at_end)
{
	if (c == '\r')
		return at_end;
	return c == '\t' || http_clean_run(bytes_of(&c, 1)) == 1 ? here : BAD;
}

static enum state in_trailer(enum state s, uint8_t c)
{
	if (s == TRAILER && c == '\r')
		return END_LF;
	if (s == TRAILER_NAME && c == ':')
		return TRAILER_VALUE;
	return http_head_token_run(bytes_of(&c, 1)) == 1 ? TRAILER_NAME : BAD;
}

static enum state after(struct http_body *b, uint8_t c)
{
	switch ((enum state)b->state) {
	case SIZE: return in_size(b, c);
	case EXTENSION: return in_text(c, EXTENSION, SIZE_LF);
	case SIZE_LF: b->digits = 0; return c != '\n' ? BAD : b->left > 0 ? CHUNK : TRAILER;
	case CHUNK_CR: return c == '\r' ? CHUNK_LF : BAD;
	case CHUNK_LF: return c == '\n' ? SIZE : BAD;
	case TRAILER:
	case TRAILER_NAME: return in_trailer(b->state, c);
	case TRAILER_VALUE: return in_text(c, TRAILER_VALUE, TRAILER_LF);
	case TRAILER_LF: return c == '\n' ? TRAILER : BAD;
	case END_LF: return c == '\n' ? WHOLE : BAD;
	case LENGTH:
	case CHUNK:
	case WHOLE:
	case BAD: break;
	}
	UNREACHABLE();
}

enum http_body_result http_body_take(struct http_body *b, struct bytes in, struct bytes *data, size_t *used)
{
	size_t at = 0;
	*data = BYTES_NONE;
	while (at < in.n && b->state != LENGTH && b->state != CHUNK && b->state != WHOLE && b->state != BAD)
		b->state = after(b, in.p[at++]);
	*used = at;
	if (b->state == BAD)
		return HTTP_BODY_BAD;
	if (b->state == WHOLE)
		return HTTP_BODY_DONE;
	if (at == in.n)
		return HTTP_BODY_MORE;
	size_t n = in.n - at < b->left ? in.n - at : (size_t)b->left;
	*data = bytes_of(in.p + at, n);
	*used += n;
	b->left -= n;
	if (b->left > 0)
		return HTTP_BODY_DATA;
	if (b->state == LENGTH) {
		b->state = WHOLE;
		return HTTP_BODY_DONE;
	}
	b->state = CHUNK_CR;
	return HTTP_BODY_DATA;
}
