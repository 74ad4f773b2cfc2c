#include "node/http/response.h"

#include "base/text.h"
#include "node/http/clean.h"

#include <string.h>

const char *http_status_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
		{ 508, "Loop Detected" },
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

uint64_t http_response_length(const struct http_response *r)
{
	uint64_t n = 0;
	for (size_t i = 0; i < r->parts_n; i++)
		n += r->parts[i].kind == HTTP_PART_BYTES ? r->parts[i].bytes.n : r->parts[i].length;
	return n;
}

bool http_response_has_body(enum http_method method, int status)
{
	return method != HTTP_HEAD && status != 204 && status != 304;
}

static bool is_value(struct bytes v)
{
	for (size_t i = http_clean_run(v); i < v.n; i += 1 + http_clean_run(bytes_from(v, i + 1)))
		if (v.p[i] != '\t')
			return false;
	return true;
}

static void put_number(struct buf *out, uint64_t n)
{
	char digits[TEXT_DECIMAL_MAX];
	buf_put(out, digits, text_decimal(digits, n));
}

void http_response_head(struct buf *out, const struct http_response *r, const struct http_head_options *o)
{
	buf_put_str(out, "HTTP/1.1 ");
	put_number(out, (uint64_t)r->status);
	buf_put_u8(out, ' ');
	buf_put_str(out, http_status_reason(r->status));
	buf_put_str(out, "\r\nDate: ");
	buf_put_str(out, o->date);
	if (r->status != 204 && r->status != 304) {
		buf_put_str(out, "\r\nContent-Length: ");
		put_number(out, http_response_length(r));
	}
	buf_put_str(out, "\r\n");
	if (o->close)
		buf_put_str(out, "Connection: close\r\n");
	else if (o->http10)
		buf_put_str(out, "Connection: keep-alive\r\n");
	for (size_t i = 0; i < r->fields_n; i++) {
		if (!is_value(r->fields[i].value))
			continue;
		buf_put_str(out, r->fields[i].name);
		buf_put(out, ": ", 2);
		buf_put_bytes(out, r->fields[i].value);
		buf_put(out, "\r\n", 2);
	}
	if (r->constant_fields != NULL)
		buf_put_str(out, r->constant_fields);
	buf_put(out, "\r\n", 2);
}
