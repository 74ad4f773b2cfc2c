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
	CHECK(r->constant_fields == NULL);
	/* `*` and never an echo: after a cross-origin redirect Origin is null. */
	r->constant_fields = "Access-Control-Allow-Origin: *\r\n"
	                     "Access-Control-Expose-Headers: Age, Cache-Status, Content-Length, Content-Range, "
	                     "Date, ETag, Retry-After\r\n"
	                     "Timing-Allow-Origin: *\r\n";
}
