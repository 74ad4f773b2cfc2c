#include "tests/bench/load/popularity.h"

#include "base/check.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- Zipf -- */

/* The integral of x^-s from 1 to x, also where s is near 1. */
static double area(double s, double x)
{
	double l = log(x), t = (1 - s) * l;
	return fabs(t) < 1e-9 ? l : expm1(t) / t * l;
}

static double area_inverse(double s, double a)
{
	double t = (1 - s) * a;
	if (t < -1)
		t = -1; /* rounding only */
	return fabs(t) < 1e-9 ? exp(a) : exp(log1p(t) / t * a);
}

static double weight(double s, double x)
{
	return exp(-s * log(x));
}

void zipf_init(struct zipf *z, uint64_t n, double exponent)
{
	CHECK(n >= 1 && exponent >= 0);
	z->n = n;
	z->exponent = exponent;
	z->low = area(exponent, 1.5) - 1;
	z->high = area(exponent, (double)n + 0.5);
	z->sure = 2 - area_inverse(exponent, area(exponent, 2.5) - weight(exponent, 2));
}

/* In [0, 1). */
static double unit(struct prng *r)
{
	return (double)(prng_next(r) >> 11) * 0x1p-53;
}

uint64_t zipf_draw(const struct zipf *z, struct prng *r)
{
	for (;;) {
		double u = z->high + unit(r) * (z->low - z->high);
		double x = area_inverse(z->exponent, u);
		double k = floor(x + 0.5);
		if (k < 1)
			k = 1;
		else if (k > (double)z->n)
			k = (double)z->n;
		if (k - x <= z->sure || u >= area(z->exponent, k + 0.5) - weight(z->exponent, k))
			return (uint64_t)k;
	}
}

/* -- crowds -- */

enum err decimal_parse(struct bytes text, double *out)
{
	size_t dot = bytes_index(text, '.');
	struct bytes whole = bytes_head(text, dot);
	uint64_t n = 0, parts = 0;
	enum err e = text_u64(whole, 1000000000, &n);
	if (e != OK)
		return e;
	double value = (double)n, scale = 1;
	if (dot < text.n) {
		struct bytes rest = bytes_from(text, dot + 1);
		if (rest.n == 0 || rest.n > 9)
			return ERR_INVALID;
		for (size_t i = 0; i < rest.n; i++, scale *= 10) {
			if (rest.p[i] < '0' || rest.p[i] > '9')
				return ERR_INVALID;
			parts = parts * 10 + (uint64_t)(rest.p[i] - '0');
		}
		value += (double)parts / scale;
	}
	*out = value;
	return OK;
}

/* Takes the part up to the next colon. */
static struct bytes next_part(struct bytes *text)
{
	size_t end = bytes_index(*text, ':');
	struct bytes part = bytes_head(*text, end);
	*text = bytes_from(*text, end < text->n ? end + 1 : end);
	return part;
}

enum err flash_parse(struct bytes text, struct flash *out)
{
	double at, length, share;
	if (decimal_parse(next_part(&text), &at) != OK || decimal_parse(next_part(&text), &length) != OK ||
	    decimal_parse(next_part(&text), &share) != OK || share > 1)
		return ERR_INVALID;
	if (text.n > CONTENT_MAX)
		return ERR_TOO_BIG;
	struct flash f = { .at_ms = (uint64_t)(at * 1000), .for_ms = (uint64_t)(length * 1000), .share = share };
	if (text.n > 0)
		memcpy(f.content, text.p, text.n);
	*out = f;
	return OK;
}

enum err content_name(const char *names, uint64_t number, char out[CONTENT_MAX + 1])
{
	char text[CONTENT_MAX + 1];
	const char *place = strstr(names, "{}");
	if (place == NULL)
		return ERR_INVALID;
	int n = snprintf(text, sizeof(text), "%.*s%" PRIu64 "%s", (int)(place - names), names, number, place + 2);
	if (n < 0 || (size_t)n >= sizeof(text))
		return ERR_TOO_BIG;
	memcpy(out, text, (size_t)n + 1);
	return OK;
}

void popularity_draw(const struct popularity *p, struct prng *r, uint64_t at_ms, char out[CONTENT_MAX + 1])
{
	for (size_t i = 0; i < p->flashes_n; i++) {
		const struct flash *f = &p->flashes[i];
		if (at_ms >= f->at_ms && at_ms - f->at_ms < f->for_ms && unit(r) < f->share) {
			memcpy(out, f->content, sizeof(f->content));
			return;
		}
	}
	enum err e = content_name(p->names, p->first + zipf_draw(&p->zipf, r) - 1, out);
	CHECK(e == OK);
}
