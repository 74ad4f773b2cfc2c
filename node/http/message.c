#include "base/check.h"
#include "node/http/http.h"

#include <string.h>
#include <strings.h>

bool http_header_is(struct bytes name, const char *expected)
{
	return name.n == strlen(expected) && strncasecmp((const char *)name.p, expected, name.n) == 0;
}

struct bytes http_header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (http_header_is(r->headers[i].name, name))
			return r->headers[i].value;
	return BYTES_NONE;
}

void http_add(struct http_response *r, const char *name, struct bytes value)
{
	CHECK(r->fields_n < HTTP_HEADERS_MAX);
	r->fields[r->fields_n++] = (struct http_field){ name, value };
}

void http_add_cors(struct http_response *r)
{
	/* `*` and never an echo: after a cross-origin redirect Origin is null. */
	http_add(r, "Access-Control-Allow-Origin", BYTES_LIT("*"));
	http_add(r, "Access-Control-Expose-Headers",
	    BYTES_LIT("Age, Cache-Status, Content-Length, Content-Range, Date, ETag, Retry-After"));
	http_add(r, "Timing-Allow-Origin", BYTES_LIT("*"));
}
