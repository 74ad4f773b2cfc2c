#include "tests/bench/load/arrivals.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

void arrivals_init(struct arrivals *a, double rate_s, bool poisson, uint64_t seed)
{
	CHECK(rate_s > 0);
	*a = (struct arrivals){ .rate_s = rate_s, .poisson = poisson };
	prng_init(&a->prng, seed);
}

uint64_t arrivals_next(struct arrivals *a)
{
	uint64_t n = a->n++;
	if (!a->poisson) /* counted from the start, so that no rounding adds up */
		return (uint64_t)((double)n * 1e9 / a->rate_s);
	/* (0, 1] */
	double u = (double)((prng_next(&a->prng) >> 11) + 1) * 0x1p-53;
	a->next_ns += -log(u) * 1e9 / a->rate_s;
	return (uint64_t)a->next_ns;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trimmed(struct bytes s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = bytes_from(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

enum err trace_line_parse(struct bytes line, struct trace_line *out)
{
	line = trimmed(line);
	if (line.n == 0 || line.p[0] == '#')
		return ERR_NOT_FOUND;
	size_t end = 0;
	while (end < line.n && !is_blank(line.p[end]))
		end++;
	struct bytes content = trimmed(bytes_from(line, end));
	double seconds;
	if (decimal_parse(bytes_head(line, end), &seconds) != OK || content.n == 0)
		return ERR_INVALID;
	if (content.n > CONTENT_MAX)
		return ERR_TOO_BIG;
	struct trace_line t = { .at_ns = (uint64_t)(seconds * 1e9) };
	memcpy(t.content, content.p, content.n);
	*out = t;
	return OK;
}
