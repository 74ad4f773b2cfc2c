#include "node/http/range.h"

#include "node/http/date.h"

#include <string.h>
#include <strings.h>

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Digits only; a number past 64 bits is as good as the largest. */
static bool number(struct bytes s, uint64_t *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n))
			n = UINT64_MAX;
	}
	*out = n;
	return s.n > 0;
}

struct http_range http_range_parse(struct bytes header, uint64_t total)
{
	static const struct http_range whole = { .kind = HTTP_RANGE_WHOLE };
	static const struct http_range none = { .kind = HTTP_RANGE_UNSATISFIABLE };
	if (header.n < 6 || strncasecmp((const char *)header.p, "bytes=", 6) != 0)
		return whole;
	struct bytes spec = trim(bytes_from(header, 6));
	if (bytes_index(spec, ',') < spec.n)
		return whole;
	size_t dash = bytes_index(spec, '-');
	if (dash == spec.n)
		return whole;
	struct bytes left = bytes_head(spec, dash), right = bytes_from(spec, dash + 1);
	uint64_t first, last = UINT64_MAX;
	if (right.n > 0 && !number(right, &last))
		return whole;
	if (left.n == 0) {
		/* The last `last` bytes. */
		if (right.n == 0)
			return whole;
		if (last == 0 || total == 0)
			return none;
		uint64_t n = last < total ? last : total;
		return (struct http_range){ HTTP_RANGE_PART, total - n, n };
	}
	if (!number(left, &first) || last < first)
		return whole;
	if (first >= total)
		return none;
	last = last < total ? last : total - 1;
	return (struct http_range){ HTTP_RANGE_PART, first, last - first + 1 };
}

/* -- conditions -- */

static bool is_weak(struct bytes etag)
{
	return bytes_starts_with(etag, BYTES_LIT("W/"));
}

static struct bytes opaque(struct bytes etag)
{
	return is_weak(etag) ? bytes_from(etag, 2) : etag;
}

static bool etag_matches(struct bytes a, struct bytes b, bool weak)
{
	if (a.n == 0 || b.n == 0 || (!weak && (is_weak(a) || is_weak(b))))
		return false;
	return bytes_eq(opaque(a), opaque(b));
}

bool http_etag_in(struct bytes list, struct bytes etag, bool weak)
{
	list = trim(list);
	if (bytes_eq(list, BYTES_LIT("*")))
		return true;
	while (list.n > 0) {
		/* A tag may hold commas between its quotes. */
		size_t open = bytes_index(list, '"');
		if (open == list.n)
			return false;
		size_t close = open + 1 + bytes_index(bytes_from(list, open + 1), '"');
		if (close >= list.n)
			return false;
		if (etag_matches(trim(bytes_head(list, close + 1)), etag, weak))
			return true;
		list = trim(bytes_from(list, close + 1));
		if (list.n > 0 && list.p[0] != ',')
			return false;
		while (list.n > 0 && list.p[0] == ',')
			list = trim(bytes_from(list, 1));
	}
	return false;
}

/* Was the object changed after the date in `field`? False too when that cannot be said. */
static bool changed_since(struct bytes field, const struct http_validators *v, bool *known)
{
	uint64_t since_s;
	*known = field.p != NULL && v->last_modified_s != 0 && http_date_parse(trim(field), &since_s) == OK;
	return *known && v->last_modified_s > since_s;
}

/* Section 13.2.2, steps 1 to 4: 0, 304 or 412. */
static int conditions(const struct http_request *r, const struct http_validators *v)
{
	bool known;
	struct bytes match = http_header(r, "If-Match");
	if (match.p != NULL) {
		if (!http_etag_in(match, v->etag, false))
			return 412;
	} else if (changed_since(http_header(r, "If-Unmodified-Since"), v, &known)) {
		return 412;
	}
	struct bytes none_match = http_header(r, "If-None-Match");
	if (none_match.p != NULL)
		return http_etag_in(none_match, v->etag, true) ? 304 : 0;
	bool changed = changed_since(http_header(r, "If-Modified-Since"), v, &known);
	return known && !changed ? 304 : 0;
}

/* Is the Range to be heard (section 13.1.5)? Only the very object that the viewer has a part of. */
static bool range_counts(const struct http_request *r, const struct http_validators *v)
{
	struct bytes if_range = trim(http_header(r, "If-Range"));
	if (if_range.n == 0)
		return true;
	/* A date is no strong validator here: files are written more than once a second. */
	return etag_matches(if_range, v->etag, false);
}

struct http_selection http_select(
    const struct http_request *r, const struct http_validators *v, uint64_t total)
{
	int refused = conditions(r, v);
	if (refused != 0)
		return (struct http_selection){ .status = refused };
	struct bytes header = http_header(r, "Range");
	struct http_range range = { .kind = HTTP_RANGE_WHOLE };
	if (header.p != NULL && r->method == HTTP_GET && range_counts(r, v))
		range = http_range_parse(trim(header), total);
	switch (range.kind) {
	case HTTP_RANGE_PART: return (struct http_selection){ 206, range.first, range.length };
	case HTTP_RANGE_UNSATISFIABLE: return (struct http_selection){ .status = 416 };
	case HTTP_RANGE_WHOLE: break;
	}
	return (struct http_selection){ 200, 0, total };
}

struct bytes http_content_range(struct arena *a, const struct http_selection *s, uint64_t total)
{
	unsigned long long first = s->first, last = s->first + s->length - 1, all = total;
	if (s->status == 416)
		return bytes_str(arena_printf(a, "bytes */%llu", all));
	return bytes_str(arena_printf(a, "bytes %llu-%llu/%llu", first, last, all));
}
