#include "base/check.h"
#include "node/http/http.h"

#include <string.h>

bool http_name_eq(struct bytes a, struct bytes b)
{
	unsigned differ = 0;
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		differ |= (unsigned)(a.p[i] ^ b.p[i]) & ~0x20u;
	return differ == 0;
}

bool http_header_is(struct bytes name, const char *expected)
{
	return http_name_eq(name, bytes_str(expected));
}

struct bytes http_header(const struct http_request *r, const char *name)
{
	struct bytes wanted = bytes_str(name);
	for (size_t i = 0; i < r->headers_n; i++)
		if (r->headers[i].name.n == wanted.n && http_name_eq(r->headers[i].name, wanted))
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
	r->constant_fields = HTTP_CORS_FIELDS;
}
