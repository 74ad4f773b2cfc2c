#include "node/http/parse_head.h"

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

static size_t run_of(const bool set[256], struct bytes s)
{
	size_t n = 0;
	while (n < s.n && set[s.p[n]])
		n++;
	return n;
}

size_t http_head_token_run(struct bytes s)
{
	static const bool token[256] = {
		['0' ... '9'] = true,
		['A' ... 'Z'] = true,
		['^' ... 'z'] = true,
		['#' ... '\''] = true,
		['!'] = true,
		['*'] = true,
		['+'] = true,
		['-'] = true,
		['.'] = true,
		['|'] = true,
		['~'] = true,
	};
	return run_of(token, s);
}

static bool is_word(struct bytes value, const char *word)
{
	return value.n == strlen(word) && strncasecmp((const char *)value.p, word, value.n) == 0;
}

/* Without blanks around it. */
static struct bytes trimmed(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* -- lines -- */

/* False for a name that is none of HTTP's (RFC 9110, RFC 5789). */
static bool method_of(struct bytes name, enum http_method *method)
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
		{ BYTES_LIT("PATCH"), HTTP_OTHER },
		{ BYTES_LIT("TRACE"), HTTP_OTHER },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (bytes_eq(known[i].name, name)) {
			*method = known[i].method;
			return true;
		}
	}
	return false;
}

static bool is_version(struct bytes v)
{
	return v.n == 8 && bytes_starts_with(v, BYTES_LIT("HTTP/")) && v.p[5] >= '0' && v.p[5] <= '9' &&
	       v.p[6] == '.' && v.p[7] >= '0' && v.p[7] <= '9';
}

bool http_head_request_line(struct bytes line, struct http_request *r, struct http_refusal *why)
{
	static const struct bytes preface = BYTES_LIT("PRI * HTTP/2.0");
	size_t method_n = http_head_token_run(line);
	if (method_n == 0 || method_n == line.n || line.p[method_n] != ' ')
		return malformed(why, "not an HTTP request line");
	struct bytes rest = bytes_from(line, method_n + 1);
	size_t target_n = bytes_index(rest, ' ');
	if (target_n == 0 || target_n == rest.n)
		return malformed(why, "a request line without a target or a version");
	struct bytes version = bytes_from(rest, target_n + 1);
	if (bytes_eq(line, preface))
		return malformed(why, "HTTP/2 without TLS is not spoken here");
	if (!is_version(version))
		return malformed(why, "a request line without an HTTP version");
	if (version.p[5] != '1' || version.p[7] > '1')
		return refuse(why, 505, "version-unknown", "HTTP/1.1 and HTTP/1.0 are spoken here");
	if (!method_of(bytes_head(line, method_n), &r->method))
		return refuse(why, 501, "method-unknown", "a method that this server does not know");
	r->target = bytes_head(rest, target_n);
	r->http10 = version.p[7] == '0';
	return true;
}

bool http_head_field(struct bytes line, struct http_header *out, struct http_refusal *why)
{
	size_t name_n = http_head_token_run(line);
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return malformed(why, "a folded header field");
	if (name_n == 0 || name_n == line.n || line.p[name_n] != ':')
		return malformed(why, "a header field without a proper name");
	out->name = bytes_head(line, name_n);
	out->value = trimmed(bytes_from(line, name_n + 1));
	return true;
}

/* -- fields that the parser obeys -- */

enum known { HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, EXPECT, KNOWN };

/* What they say. */
struct said {
	struct {
		unsigned n;
		struct bytes value; /* the first's */
	} fields[KNOWN];
	bool close, keep_alive;
};

static enum known known_of(struct bytes name)
{
	static const struct bytes names[KNOWN] = {
		[HOST] = BYTES_LIT("Host"),
		[CONTENT_LENGTH] = BYTES_LIT("Content-Length"),
		[TRANSFER_ENCODING] = BYTES_LIT("Transfer-Encoding"),
		[CONNECTION] = BYTES_LIT("Connection"),
		[EXPECT] = BYTES_LIT("Expect"),
	};
	for (enum known k = 0; k < KNOWN; k++)
		if (name.n == names[k].n && http_name_eq(name, names[k]))
			return k;
	return KNOWN;
}

static void read_connection(struct bytes options, struct said *said)
{
	while (options.n > 0) {
		size_t end = bytes_index(options, ',');
		struct bytes option = trimmed(bytes_head(options, end));
		said->close |= is_word(option, "close");
		said->keep_alive |= is_word(option, "keep-alive");
		options = bytes_from(options, end < options.n ? end + 1 : end);
	}
}

static void read_fields(const struct http_request *r, struct said *said)
{
	for (size_t i = 0; i < r->headers_n; i++) {
		const struct http_header *h = &r->headers[i];
		enum known k = known_of(h->name);
		if (k == KNOWN)
			continue;
		if (said->fields[k].n++ == 0)
			said->fields[k].value = h->value;
		if (k == CONNECTION)
			read_connection(h->value, said);
	}
}

/* -- framing -- */

static bool read_length(struct bytes text, uint64_t *length)
{
	uint64_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c < '0' || c > '9' || __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(c - '0'), &n))
			return false;
	}
	*length = n;
	return text.n > 0;
}

/* Judges Content-Length and Transfer-Encoding (RFC 9112, section 6). */
static bool judge_framing(const struct http_request *r, const struct said *said, size_t body_max_bytes,
    struct http_head *head, struct http_refusal *why)
{
	unsigned lengths = said->fields[CONTENT_LENGTH].n, codings = said->fields[TRANSFER_ENCODING].n;
	bool bodiless = r->method == HTTP_GET || r->method == HTTP_HEAD;
	if (codings > 0 && lengths > 0)
		return malformed(why, "both Transfer-Encoding and Content-Length");
	if (codings > 1 || lengths > 1)
		return malformed(why, "a second Transfer-Encoding or Content-Length");
	if (codings > 0 && r->http10)
		return malformed(why, "Transfer-Encoding in HTTP/1.0");
	if (codings > 0 && bodiless)
		return malformed(why, "a body on GET or HEAD");
	if (codings > 0 && !is_word(said->fields[TRANSFER_ENCODING].value, "chunked"))
		return refuse(why, 501, "coding-unknown", "a transfer coding other than chunked");
	head->is_chunked = codings > 0;
	head->body_bytes = 0;
	if (lengths > 0 && !read_length(said->fields[CONTENT_LENGTH].value, &head->body_bytes))
		return malformed(why, "a Content-Length that is not a number");
	if (head->body_bytes > 0 && bodiless)
		return malformed(why, "a body on GET or HEAD");
	if (head->body_bytes > body_max_bytes)
		return refuse(why, 413, "body-too-large", "the request's body is over the limit");
	return true;
}

/* -- host, expectation -- */

static bool is_host(struct bytes host)
{
	static const bool allowed[256] = {
		['0' ... '9'] = true,
		['A' ... 'Z'] = true,
		['a' ... 'z'] = true,
		['$' ... '.'] = true,
		['!'] = true,
		[':'] = true,
		[';'] = true,
		['='] = true,
		['['] = true,
		[']'] = true,
		['_'] = true,
		['~'] = true,
	};
	return run_of(allowed, host) == host.n;
}

static bool judge_host(struct http_request *r, const struct said *said, struct http_refusal *why)
{
	unsigned hosts = said->fields[HOST].n;
	struct bytes host = said->fields[HOST].value;
	if (hosts > 1)
		return malformed(why, "a second Host");
	if (hosts == 0 && !r->http10)
		return malformed(why, "no Host");
	if (!is_host(host))
		return malformed(why, "a Host that cannot be one");
	/* The authority of an absolute target wins (RFC 9112, 3.2.2). */
	if (hosts > 0 && r->host.p == NULL)
		r->host = host;
	return true;
}

static bool judge_expect(
    const struct http_request *r, const struct said *said, struct http_head *head, struct http_refusal *why)
{
	head->expect_continue = said->fields[EXPECT].n > 0 && !r->http10;
	if (head->expect_continue && !is_word(said->fields[EXPECT].value, "100-continue"))
		return refuse(why, 417, "expectation-failed", "an expectation other than 100-continue");
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

/* -- the whole -- */

bool http_head_judge(struct http_request *r, size_t body_max_bytes, struct arena *a, struct http_head *out,
    struct http_refusal *why)
{
	struct said said = { 0 };
	read_fields(r, &said);
	out->keep_alive = !said.close && (!r->http10 || said.keep_alive);
	return judge_target(r, a, why) && judge_host(r, &said, why) &&
	       judge_framing(r, &said, body_max_bytes, out, why) && judge_expect(r, &said, out, why);
}
