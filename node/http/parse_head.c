#include "node/http/parse_head.h"

#include "node/http/clean.h"

#include <string.h>
#include <strings.h>

static bool refuse(struct http_refusal *why, int status, const char *type, const char *detail)
{
	*why = (struct http_refusal){ status, type, detail };
	return false;
}

static bool malformed(struct http_refusal *why, const char *detail)
{
	return refuse(why, 400, "malformed", detail);
}

bool http_head_is_clean(struct bytes part)
{
	size_t n = part.n;
	if (n >= 2 && part.p[n - 2] == '\r' && part.p[n - 1] == '\n') /* as nearly every line ends */
		n -= 2;
	for (size_t i = 0; (i += http_clean_run(bytes_of(part.p + i, n - i))) < n; i++) {
		uint8_t c = part.p[i];
		bool fine = c == '\t' || c == '\n' || (c == '\r' && (i + 1 == part.n || part.p[i + 1] == '\n'));
		if (!fine)
			return false;
	}
	return true;
}

/* Whether `c` is in a set of a bit a character from 0 to 127. */
static bool is_in(const uint64_t set[2], uint8_t c)
{
	return c < 128 && (set[c >> 6] >> (c & 63) & 1) != 0;
}

bool http_head_is_token(struct bytes s)
{
	/* Letters, digits and !#$%&'*+-.^_`|~ */
	static const uint64_t token[2] = { 0x03ff6cfa00000000, 0x57ffffffc7fffffe };
	for (size_t i = 0; i < s.n; i++)
		if (!is_in(token, s.p[i]))
			return false;
	return s.n > 0;
}

struct bytes http_head_trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool http_head_request_line(struct bytes line, struct http_refusal *why)
{
	size_t method_n = bytes_index(line, ' ');
	if (method_n == line.n || !http_head_is_token(bytes_head(line, method_n)))
		return malformed(why, "not an HTTP request line");
	struct bytes rest = bytes_from(line, method_n + 1);
	size_t target_n = bytes_index(rest, ' ');
	if (target_n == 0 || target_n == rest.n)
		return malformed(why, "a request line without a target or a version");
	if (bytes_index(line, '\t') < line.n)
		return malformed(why, "a tab in the request line");
	struct bytes version = bytes_from(rest, target_n + 1);
	static const struct bytes preface = BYTES_LIT("PRI * HTTP/2.0");
	if (bytes_eq(line, preface))
		return malformed(why, "HTTP/2 without TLS is not spoken here");
	bool shaped = version.n == 8 && bytes_starts_with(version, BYTES_LIT("HTTP/")) && version.p[6] == '.' &&
	              version.p[5] >= '0' && version.p[5] <= '9' && version.p[7] >= '0' && version.p[7] <= '9';
	if (!shaped)
		return malformed(why, "a request line without an HTTP version");
	if (version.p[5] != '1' || version.p[7] > '1')
		return refuse(why, 505, "version-unknown", "HTTP/1.1 and HTTP/1.0 are spoken here");
	return true;
}

struct http_line http_head_line(struct bytes line)
{
	size_t method_n = bytes_index(line, ' ');
	struct bytes rest = bytes_from(line, method_n + 1);
	return (struct http_line){
		.method = bytes_head(line, method_n),
		.target = bytes_head(rest, bytes_index(rest, ' ')),
		.http10 = line.p[line.n - 1] == '0',
	};
}

/* -- fields -- */

static const struct http_header *only(const struct http_request *r, const char *name, size_t *count)
{
	const struct http_header *found = NULL;
	*count = 0;
	for (size_t i = 0; i < r->headers_n; i++) {
		if (!http_header_is(r->headers[i].name, name))
			continue;
		if (found == NULL)
			found = &r->headers[i];
		++*count;
	}
	return found;
}

static bool is_word(struct bytes value, const char *word)
{
	return value.n == strlen(word) && strncasecmp((const char *)value.p, word, value.n) == 0;
}

/* Takes the next of a list that commas part (RFC 9110, 5.6.1); it may be empty. */
static bool next_option(struct bytes *list, struct bytes *option)
{
	if (list->n == 0)
		return false;
	size_t n = bytes_index(*list, ',');
	*option = http_head_trim(bytes_head(*list, n));
	*list = bytes_from(*list, n < list->n ? n + 1 : n);
	return true;
}

/* Judges Content-Length and Transfer-Encoding (RFC 9112, section 6). */
static bool judge_framing(const struct http_request *r, struct http_head *head, struct http_refusal *why)
{
	size_t lengths, codings;
	const struct http_header *length = only(r, "Content-Length", &lengths);
	const struct http_header *coding = only(r, "Transfer-Encoding", &codings);
	bool bodiless = r->method == HTTP_GET || r->method == HTTP_HEAD;
	if (codings > 0 && lengths > 0)
		return malformed(why, "both Transfer-Encoding and Content-Length");
	if (codings > 1 || lengths > 1)
		return malformed(why, "a second Transfer-Encoding or Content-Length");
	if (coding != NULL) {
		if (r->http10)
			return malformed(why, "Transfer-Encoding in HTTP/1.0");
		if (bodiless)
			return malformed(why, "a body on GET or HEAD");
		if (!is_word(coding->value, "chunked"))
			return refuse(why, 501, "coding-unknown", "a transfer coding other than chunked");
		head->has_body = true;
	}
	if (length == NULL)
		return true;
	uint64_t n = 0;
	for (size_t i = 0; i < length->value.n; i++) {
		uint8_t c = length->value.p[i];
		if (c < '0' || c > '9')
			return malformed(why, "a Content-Length that is not a number");
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(c - '0'), &n))
			return malformed(why, "a Content-Length past any length");
	}
	if (length->value.n == 0)
		return malformed(why, "a Content-Length that is not a number");
	if (n > 0 && bodiless)
		return malformed(why, "a body on GET or HEAD");
	if (n > head->body_max_bytes)
		return refuse(why, 413, "body-too-large", "the request's body is over the limit");
	head->has_body |= n > 0;
	return true;
}

/* RFC 9112, 9.3: of all options of all Connection fields `close` is what counts. */
static bool is_kept(const struct http_request *r)
{
	bool keep = !r->http10;
	for (size_t i = 0; i < r->headers_n; i++) {
		struct bytes rest = r->headers[i].value, option;
		if (!http_header_is(r->headers[i].name, "Connection"))
			continue;
		while (next_option(&rest, &option)) {
			if (is_word(option, "close"))
				return false;
			keep |= is_word(option, "keep-alive");
		}
	}
	return keep;
}

static bool is_host(struct bytes host)
{
	/* Letters, digits and -._~!$&'()*+,;=%:[] */
	static const uint64_t allowed[2] = { 0x2fff7ff200000000, 0x47fffffeaffffffe };
	for (size_t i = 0; i < host.n; i++)
		if (!is_in(allowed, host.p[i]))
			return false;
	return true;
}

static bool judge_host(struct http_request *r, struct http_refusal *why)
{
	size_t hosts;
	const struct http_header *host = only(r, "Host", &hosts);
	if (hosts > 1)
		return malformed(why, "a second Host");
	if (host == NULL && !r->http10)
		return malformed(why, "no Host");
	if (host != NULL && !is_host(host->value))
		return malformed(why, "a Host that cannot be one");
	/* The authority of an absolute target wins (RFC 9112, 3.2.2). */
	if (host != NULL && r->host.p == NULL)
		r->host = host->value;
	return true;
}

static bool judge_expect(const struct http_request *r, struct http_head *head, struct http_refusal *why)
{
	struct bytes expect = http_header(r, "Expect");
	if (expect.p == NULL || r->http10)
		return true;
	if (!is_word(expect, "100-continue"))
		return refuse(why, 417, "expectation-failed", "an expectation other than 100-continue");
	head->expect_continue = true;
	return true;
}

/* -- target -- */

/* Takes scheme and authority off an absolute target; false when the authority cannot be one. */
static bool take_authority(struct http_request *r, struct arena *a)
{
	static const struct bytes schemes[] = { BYTES_LIT("http://"), BYTES_LIT("https://") };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = schemes[i].n;
		if (r->target.n < n || strncasecmp((const char *)r->target.p, (const char *)schemes[i].p, n) != 0)
			continue;
		struct bytes rest = bytes_from(r->target, n);
		size_t slash = bytes_index(rest, '/'), question = bytes_index(rest, '?');
		size_t end = slash < question ? slash : question;
		r->host = bytes_head(rest, end);
		r->target = bytes_from(rest, end);
		if (r->target.n == 0) {
			r->target = BYTES_LIT("/");
		} else if (r->target.p[0] == '?') {
			const char *t = arena_printf(a, "/%.*s", (int)r->target.n, (const char *)r->target.p);
			r->target = bytes_str(t);
		}
		return end > 0 && is_host(r->host) && r->target.n > 0;
	}
	return false;
}

static bool judge_target(struct http_request *r, struct arena *a, struct http_refusal *why)
{
	bool star = bytes_eq(r->target, BYTES_LIT("*"));
	if (star && r->method != HTTP_OPTIONS)
		return malformed(why, "the target * is for OPTIONS only");
	if (!star && (r->target.n == 0 || r->target.p[0] != '/') && !take_authority(r, a))
		return malformed(why, "a target that is neither a path nor an http URI");
	if (bytes_index(r->target, '#') < r->target.n)
		return malformed(why, "a fragment in the target");
	size_t question = bytes_index(r->target, '?');
	r->path = bytes_head(r->target, question);
	r->query = question < r->target.n ? bytes_from(r->target, question + 1) : BYTES_NONE;
	return true;
}

static enum http_method method_of(struct bytes name)
{
	static const struct {
		struct bytes name;
		enum http_method method;
	} known[] = {
		{ BYTES_LIT("GET"), HTTP_GET },
		{ BYTES_LIT("HEAD"), HTTP_HEAD },
		{ BYTES_LIT("POST"), HTTP_POST },
		{ BYTES_LIT("PUT"), HTTP_PUT },
		{ BYTES_LIT("DELETE"), HTTP_DELETE },
		{ BYTES_LIT("OPTIONS"), HTTP_OPTIONS },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes_eq(known[i].name, name))
			return known[i].method;
	return HTTP_OTHER;
}

bool http_head_judge(
    struct http_request *r, struct http_head *head, struct arena *a, struct http_refusal *why)
{
	r->method = method_of(head->method);
	if (r->method == HTTP_OTHER && !parse_lib_knows_method(head->method))
		return refuse(why, 501, "method-unknown", "a method that this server does not know");
	if (bytes_eq(head->method, BYTES_LIT("CONNECT")))
		return refuse(why, 501, "method-unknown", "CONNECT is not done here");
	head->keep_alive = is_kept(r);
	return judge_target(r, a, why) && judge_host(r, why) && judge_framing(r, head, why) &&
	       judge_expect(r, head, why);
}
