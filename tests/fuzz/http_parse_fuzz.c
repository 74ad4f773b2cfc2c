/* The request parser: whatever comes, it ends in a request or a refusal within its limits, and the
 * way the bytes are cut does not change the outcome. */
#include "base/check.h"
#include "node/http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	enum http_parse_result result;
	int status;
	size_t used;
	size_t fields;
	size_t body;
	bool keep_alive;
};

static struct outcome parse(struct bytes in, size_t step)
{
	static const struct http_parse_limits limits = { 512, 1024, 512 };
	struct arena a;
	struct http_parse p;
	struct outcome o = { .result = HTTP_PARSE_MORE };
	arena_init(&a, 4096);
	http_parse_init(&p, &limits, &a);
	while (o.used < in.n && (o.result == HTTP_PARSE_MORE || o.result == HTTP_PARSE_HEAD)) {
		struct bytes rest = bytes_from(in, o.used);
		size_t used;
		o.result = http_parse_feed(&p, bytes_head(rest, rest.n < step ? rest.n : step), &used);
		CHECK(used <= step);
		o.used += used;
	}
	if (o.result == HTTP_PARSE_REFUSED) {
		CHECK(p.refusal.status >= 400 && p.refusal.type != NULL && p.refusal.detail != NULL);
		o.status = p.refusal.status;
		o.used = 0; /* what was taken of a refused request means nothing */
	} else if (o.result == HTTP_PARSE_DONE) {
		const struct http_request *r = &p.request;
		CHECK(r->path.n <= r->target.n && r->body.n <= limits.body_bytes);
		CHECK(r->headers_n <= HTTP_FIELDS_MAX);
		CHECK(r->http10 || http_header(r, "Host").p != NULL);
		o.fields = r->headers_n;
		o.body = r->body.n;
		o.keep_alive = p.keep_alive;
	}
	http_parse_fini(&p);
	arena_fini(&a);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes in = bytes_of(data, n);
	struct outcome whole = parse(in, n + 1), single = parse(in, 1);
	/* Two limits passed at once may be told in either order; everything else must agree. */
	CHECK((whole.result == HTTP_PARSE_REFUSED) == (single.result == HTTP_PARSE_REFUSED));
	CHECK((whole.result == HTTP_PARSE_DONE) == (single.result == HTTP_PARSE_DONE));
	if (whole.result == HTTP_PARSE_DONE) {
		CHECK(whole.used == single.used && whole.fields == single.fields && whole.body == single.body);
		CHECK(whole.keep_alive == single.keep_alive);
	}
	return 0;
}
