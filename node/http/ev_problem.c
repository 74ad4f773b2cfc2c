#include "node/http/http.h"
#include "node/http/response.h"

#include <string.h>

enum { PROBLEM_MAX_BYTES = 2048 };

/* Appends `s` as the inside of a JSON string. What is cut off at the bound loses only explanation. */
static size_t put_json(char *out, size_t n, size_t max, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	for (; *s != '\0' && n + 7 < max; s++) {
		uint8_t c = (uint8_t)*s;
		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			memcpy(out + n, "\\u00", 4);
			out[n + 4] = hex[c >> 4];
			out[n + 5] = hex[c & 15];
			n += 6;
		} else {
			out[n++] = (char)c;
		}
	}
	return n;
}

static void answer_problem(
    struct http_exchange *x, int status, const char *type, const char *detail, const struct http_field *field)
{
	struct arena *a = http_arena(x);
	char *text = arena_alloc(a, PROBLEM_MAX_BYTES / 2);
	char *body = text == NULL ? NULL
	                          : arena_printf(a,
	                                "{\"type\":\"urn:warmcast:problem:%s\",\"title\":\"%s\",\"status\":%d,"
	                                "\"detail\":\"%.*s\"}\n",
	                                type, http_status_reason(status), status,
	                                (int)put_json(text, 0, PROBLEM_MAX_BYTES / 2, detail), text);
	struct http_response r = { .status = status };
	http_add(&r, "Content-Type", BYTES_LIT("application/problem+json"));
	http_add(&r, "Cache-Control", BYTES_LIT("no-store"));
	http_add_cors(&r);
	if (field != NULL)
		http_add(&r, field->name, field->value);
	/* Without memory the status alone answers. */
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = bytes_str(body) };
	r.parts_n = 1;
	http_respond(x, &r);
}

void http_problem(
    struct http_exchange *x, int status, const char *type, const char *detail, unsigned retry_after_s)
{
	char *retry = retry_after_s == 0 ? NULL : arena_printf(http_arena(x), "%u", retry_after_s);
	struct http_field field = { "Retry-After", bytes_str(retry) };
	answer_problem(x, status, type, detail, retry != NULL ? &field : NULL);
}

void http_problem_with(
    struct http_exchange *x, int status, const char *type, const char *detail, const struct http_field *field)
{
	answer_problem(x, status, type, detail, field);
}

void http_preflight(struct http_exchange *x, const char *methods)
{
	struct http_response r = { .status = 204 };
	http_add_cors(&r);
	http_add(&r, "Allow", bytes_str(methods));
	http_add(&r, "Access-Control-Allow-Methods", bytes_str(methods));
	http_add(&r, "Access-Control-Allow-Headers",
	    BYTES_LIT("Range, Content-Type, Authorization, Idempotency-Key, CMCD-Object, CMCD-Request, "
	              "CMCD-Session, CMCD-Status"));
	http_add(&r, "Access-Control-Max-Age", BYTES_LIT("86400"));
	http_respond(x, &r);
}
