#include "node/delivery/respond.h"

#include "base/check.h"
#include "base/text.h"
#include "node/delivery/content_type.h"
#include "node/http/date.h"

#include <string.h>

/* -- freshness -- */

static uint64_t age_ms(const struct cache_meta *m, uint64_t now_wall_ms)
{
	/* The wall clock may have been set back. */
	return now_wall_ms > m->answered_wall_ms ? now_wall_ms - m->answered_wall_ms : 0;
}

static const char *cache_control(const struct cache_meta *m, struct arena *a)
{
	if (m->ttl_ms == UINT64_MAX)
		return "private, max-age=31536000, immutable"; /* a year */
	/* What is never fresh is not to be kept at all: keys. */
	if (m->ttl_ms == 0)
		return "no-store";
	return arena_printf(a, "private, max-age=%llu", (unsigned long long)(m->ttl_ms / 1000));
}

/* -- fields -- */

static const char *how_it_came(const struct media_facts *f)
{
	bool keeps = f->meta->ttl_ms != 0;
	switch (f->source) {
	case MEDIA_HIT: return "Warmcast; hit";
	case MEDIA_CONFIRMED: return f->collapsed ? "Warmcast; fwd=stale; collapsed" : "Warmcast; fwd=stale";
	case MEDIA_RENEWED:
		if (f->collapsed)
			return "Warmcast; fwd=stale; collapsed";
		return keeps ? "Warmcast; fwd=stale; stored" : "Warmcast; fwd=stale";
	case MEDIA_FILLED:
		if (f->collapsed)
			return "Warmcast; fwd=uri-miss; collapsed";
		return keeps ? "Warmcast; fwd=uri-miss; stored" : "Warmcast; fwd=uri-miss";
	}
	UNREACHABLE();
}

static const char *cache_status(const struct media_facts *f, struct arena *a)
{
	const char *how = how_it_came(f);
	return f->from_peer ? arena_printf(a, "%s; detail=peer", how) : how;
}

/* A literal or text of the arena; NULL of a full arena is remembered and the field left out. */
static void add(struct http_response *out, const char *name, const char *value, enum err *e)
{
	if (value == NULL)
		*e = ERR_NO_MEMORY;
	else
		http_add(out, name, bytes_str(value));
}

static char *decimal(struct arena *a, uint64_t n)
{
	char *text = arena_alloc(a, TEXT_DECIMAL_MAX + 1);
	if (text != NULL)
		(void)text_decimal(text, n); /* the arena's memory is zeroed */
	return text;
}

static void add_common(struct http_response *out)
{
	http_add_cors(out);
	/* The address of what is fetched holds a token; it must not travel on in a Referer. */
	http_add(out, "Referrer-Policy", BYTES_LIT("no-referrer"));
}

static void refuse(struct http_response *out, int status, struct bytes problem)
{
	*out = (struct http_response){ .status = status };
	http_add(out, "Content-Type", BYTES_LIT("application/problem+json"));
	http_add(out, "Cache-Control", BYTES_LIT("no-store"));
	add_common(out);
	out->parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = problem, .stable = true };
	out->parts_n = 1;
}

static enum err refuse_range(
    const struct http_selection *s, uint64_t total, struct arena *a, struct http_response *out)
{
	struct bytes range = http_content_range(a, s, total);
	if (range.p == NULL)
		return ERR_NO_MEMORY;
	refuse(out, 416,
	    BYTES_LIT("{\"type\":\"urn:warmcast:problem:range\",\"title\":\"Range Not Satisfiable\","
	              "\"status\":416,\"detail\":\"The object ends before this range starts.\"}\n"));
	http_add(out, "Content-Range", range);
	return OK;
}

static void refuse_condition(struct http_response *out)
{
	refuse(out, 412,
	    BYTES_LIT("{\"type\":\"urn:warmcast:problem:precondition\",\"title\":\"Precondition Failed\","
	              "\"status\":412,\"detail\":\"The object is not the one that the request names.\"}\n"));
}

static char *last_modified(const struct cache_meta *m, struct arena *a)
{
	char *text = arena_alloc(a, HTTP_DATE_BYTES);
	if (text != NULL)
		http_date_format(text, (uint64_t)m->modified_s);
	return text;
}

/* Other bytes, so another entity (RFC 9110, section 8.8.3.3): `"x"` is `"x-gzip"` then. NULL: the arena is
 * full. */
static const char *etag_of(const struct media_facts *f, struct arena *a)
{
	const char *etag = f->meta->etag;
	size_t n = strlen(etag);
	return f->gzip && n > 1 ? arena_printf(a, "%.*s-gzip\"", (int)n - 1, etag) : etag;
}

static enum err add_object_fields(
    const struct media_facts *f, const char *etag, struct arena *a, struct http_response *out)
{
	enum err e = OK;
	const struct cache_meta *m = f->meta;
	add(out, "ETag", etag, &e);
	if (f->gzip && out->status != 304)
		add(out, "Content-Encoding", "gzip", &e);
	if (f->varies)
		add(out, "Vary", "Accept-Encoding", &e);
	if (m->modified_s > 0)
		add(out, "Last-Modified", last_modified(m, a), &e);
	add(out, "Cache-Control", cache_control(m, a), &e);
	if (f->source == MEDIA_HIT || f->source == MEDIA_CONFIRMED || f->collapsed || f->from_peer) {
		/* Rounded up: a viewer's copy must not outlive the cache's. */
		unsigned long long age_s = (age_ms(m, f->now_wall_ms) + 999) / 1000;
		add(out, "Age", decimal(a, age_s), &e);
	}
	add(out, "Cache-Status", cache_status(f, a), &e);
	add(out, "Accept-Ranges", "bytes", &e);
	add_common(out);
	return e;
}

enum err media_respond(const struct http_request *r, const struct media_facts *f, struct arena *a,
    struct http_selection *s, struct http_response *out)
{
	const struct cache_meta *m = f->meta;
	const char *etag = etag_of(f, a);
	if (etag == NULL)
		return ERR_NO_MEMORY;
	struct http_validators v = {
		.etag = bytes_str(etag),
		.last_modified_s = m->modified_s > 0 ? (uint64_t)m->modified_s : 0,
	};
	const uint64_t total = f->gzip ? f->packed_bytes : cache_object_bytes(m);
	*s = http_select(r, &v, total);
	if (s->status == 416)
		return refuse_range(s, total, a, out);
	if (s->status == 412) {
		refuse_condition(out);
		return OK;
	}
	*out = (struct http_response){ .status = s->status };
	if (s->status != 304)
		http_add(out, "Content-Type", bytes_str(content_type_of(f->object)));
	if (s->status == 206) {
		struct bytes range = http_content_range(a, s, total);
		if (range.p == NULL)
			return ERR_NO_MEMORY;
		http_add(out, "Content-Range", range);
	}
	return add_object_fields(f, etag, a, out);
}

enum err media_respond_rendered(const struct media_facts *f, struct arena *a, struct http_response *out)
{
	enum err e = OK;
	*out = (struct http_response){ .status = 200 };
	add(out, "Content-Type", content_type_of(f->object), &e);
	add(out, "Cache-Control", "no-store", &e);
	add(out, "Cache-Status", cache_status(f, a), &e);
	add_common(out);
	return e;
}

enum err media_respond_peer(
    const struct cache_meta *m, uint64_t now_wall_ms, struct arena *a, struct http_response *out)
{
	enum err e = OK;
	unsigned long long age = age_ms(m, now_wall_ms);
	*out = (struct http_response){ .status = 200 };
	add(out, "ETag", m->etag, &e);
	if (m->modified_s > 0)
		add(out, "Last-Modified", last_modified(m, a), &e);
	add(out, "Age", arena_printf(a, "%llu", (age + 999) / 1000), &e);
	add(out, "Warmcast-Age-Ms", arena_printf(a, "%llu", age), &e);
	add(out, "Cache-Control", "no-store", &e);
	add(out, "Content-Type", "application/octet-stream", &e);
	return e;
}

void media_respond_peer_missing(uint32_t missing_ms, bool grows, struct arena *a, struct http_response *out)
{
	char *ms = arena_printf(a, "%u", missing_ms);
	*out = (struct http_response){ .status = 404 };
	http_add(out, "Cache-Control", BYTES_LIT("no-store"));
	http_add(out, "Warmcast-Missing-Ms", bytes_str(ms == NULL ? "0" : ms));
	if (grows)
		http_add(out, "Warmcast-Grows", BYTES_LIT("1"));
}

void media_redirect(struct http_response *out, const char *location)
{
	*out = (struct http_response){ .status = 307 };
	http_add(out, "Location", bytes_str(location));
	http_add(out, "Cache-Control", BYTES_LIT("no-store"));
	add_common(out);
}

void media_refuse_method(struct http_response *out)
{
	refuse(out, 405,
	    BYTES_LIT("{\"type\":\"urn:warmcast:problem:method\",\"title\":\"Method Not Allowed\","
	              "\"status\":405,\"detail\":\"Media is fetched with GET or HEAD.\"}\n"));
	http_add(out, "Allow", BYTES_LIT("GET, HEAD, OPTIONS"));
}
