#include "node/http/parse.h"

#include "node/http/parse_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define H "Host: h\r\n"

static const struct http_parse_limits limits = { 100, 200, 50 };

struct parsed {
	struct arena arena;
	struct http_parse p;
	enum http_parse_result result;
	size_t used;
	bool head_told;
};

/* Feeds `in` in pieces of `step` bytes until it is decided. */
static void feed(struct parsed *d, struct bytes in, size_t step)
{
	size_t at = 0;
	d->result = HTTP_PARSE_MORE;
	while (at < in.n && (d->result == HTTP_PARSE_MORE || d->result == HTTP_PARSE_HEAD)) {
		struct bytes rest = bytes_from(in, at);
		size_t used;
		d->result = http_parse_feed(&d->p, bytes_head(rest, rest.n < step ? rest.n : step), &used);
		d->head_told |= d->result == HTTP_PARSE_HEAD;
		at += used;
	}
	d->used = at;
}

static void parse(struct parsed *d, const char *text, size_t step)
{
	*d = (struct parsed){ 0 };
	arena_init(&d->arena, 65536);
	http_parse_init(&d->p, &limits, &d->arena);
	feed(d, bytes_str(text), step);
}

static void end(struct parsed *d)
{
	http_parse_fini(&d->p);
	arena_fini(&d->arena);
}

static void assert_bytes(struct bytes is, const char *expected)
{
	if (!bytes_eq(is, bytes_str(expected)))
		fail_msg("is \"%.*s\", expected \"%s\"", (int)is.n, (const char *)is.p, expected);
}

/* -- what is understood -- */

struct good {
	const char *text;
	enum http_method method;
	const char *path, *query, *host, *body;
	bool http10, keep_alive;
};

static const struct good goods[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "", "h", "", false, true },
	{ "HEAD /a/b?c=d?e HTTP/1.1\r\n" H "\r\n", HTTP_HEAD, "/a/b", "c=d?e", "h", "", false, true },
	{ "GET /? HTTP/1.1\r\nhOST:h\r\n\r\n", HTTP_GET, "/", "", "h", "", false, true },
	{ "GET /x HTTP/1.1\r\nHost: h \t\r\nConnection: close\r\n\r\n", HTTP_GET, "/x", "", "h", "", false,
	    false },
	{ "GET /x HTTP/1.0\r\n\r\n", HTTP_GET, "/x", "", "", "", true, false },
	{ "GET /x HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n", HTTP_GET, "/x", "", "h", "", true, true },
	{ "GET http://a:1/b?c HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/b", "c", "a:1", "", false, true },
	{ "GET HTTP://a HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "", "a", "", false, true },
	{ "GET http://a?q HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "q", "a", "", false, true },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", HTTP_OPTIONS, "*", "", "h", "", false, true },
	{ "DELETE /x HTTP/1.1\r\n" H "\r\n", HTTP_DELETE, "/x", "", "h", "", false, true },
	{ "PATCH /x HTTP/1.1\r\n" H "\r\n", HTTP_OTHER, "/x", "", "h", "", false, true },
	{ "GET /x HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", HTTP_GET, "/x", "", "h", "", false, true },
	{ "GET /x HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", HTTP_GET, "/x", "", "h", "",
	    false, true },
	{ "GET /x HTTP/1.1\r\n" H "Connection: a, CLOSE ,b\r\n\r\n", HTTP_GET, "/x", "", "h", "", false, false },
	{ "GET /x HTTP/1.1\r\n" H "Connection: a\r\nconnection: close\r\n\r\n", HTTP_GET, "/x", "", "h", "",
	    false, false },
	{ "GET /x HTTP/1.0\r\nConnection: ,a,\tKeep-Alive\r\n\r\n", HTTP_GET, "/x", "", "", "", true, true },
	{ "GET /x HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", HTTP_GET, "/x", "", "", "", true, false },
	{ "GET /x HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", HTTP_GET, "/x", "", "h", "", false, true },
	{ "POST /x HTTP/1.1\r\n" H "\r\n", HTTP_POST, "/x", "", "h", "", false, true },
	{ "POST /x HTTP/1.1\r\n" H "Content-Length: 00\r\n\r\n", HTTP_POST, "/x", "", "h", "", false, true },
	{ "GET /\xe3\x81\x82\"<> HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/\xe3\x81\x82\"<>", "", "h", "", false,
	    true },
	{ "\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/x", "", "h", "", false, true },
	{ "POST /x HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", HTTP_POST, "/x", "", "h", "hello", false,
	    true },
	{ "PUT /x HTTP/1.1\r\n" H
	  "Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n",
	    HTTP_PUT, "/x", "", "h", "hello", false, true },
	{ "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP_POST, "/x", "", "h", "",
	    false, true },
	{ "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	  "A \r\n0123456789\r\n0000000000000001;\tx=\"y\"\r\na\r\n00\r\nT:\tv \r\nU:\r\n\r\n",
	    HTTP_POST, "/x", "", "h", "0123456789a", false, true },
	{ "GET /x HTTP/1.1\r\n" H "Connection: upgrade\t, CLOSE\r\n\r\n", HTTP_GET, "/x", "", "h", "", false,
	    false },
	{ "GET /x HTTP/1.1\r\n" H "Connection: close\r\nConnection: keep-alive\r\n\r\n", HTTP_GET, "/x", "", "h",
	    "", false, false },
	{ "GET /x HTTP/1.1\r\n" H "Connection: closed,,\r\n\r\n", HTTP_GET, "/x", "", "h", "", false, true },
	{ "GET /x HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", HTTP_GET, "/x", "", "", "", true, true },
	{ "GET /x HTTP/1.1\r\n" H "Transfer-Encodings: x\r\nContent-Lengths: y\r\n\r\n", HTTP_GET, "/x", "", "h",
	    "", false, true },
};

static void understands_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		const struct good *g = &goods[i];
		for (size_t step = 1; step <= 1000; step = step == 1 ? 7 : step == 7 ? 1000 : 1001) {
			struct parsed d;
			parse(&d, g->text, step);
			if (d.result != HTTP_PARSE_DONE)
				fail_msg("%s: %d %s", g->text, d.p.refusal.status, d.p.refusal.detail);
			assert_int_equal(d.used, strlen(g->text));
			assert_int_equal(d.p.request.method, g->method);
			assert_bytes(d.p.request.path, g->path);
			assert_bytes(d.p.request.query, g->query);
			assert_bytes(d.p.request.host, g->host);
			assert_bytes(d.p.request.body, g->body);
			assert_int_equal(d.p.request.http10, g->http10);
			assert_int_equal(d.p.keep_alive, g->keep_alive);
			end(&d);
		}
	}
}

static void keeps_fields(void **state)
{
	(void)state;
	struct parsed d;
	parse(&d, "GET / HTTP/1.1\r\n" H "Empty:\r\nRange:  bytes=0-1  \r\nX: a: b\r\n\r\n", 3);
	assert_int_equal(d.result, HTTP_PARSE_DONE);
	assert_int_equal(d.p.request.headers_n, 4);
	assert_bytes(http_header(&d.p.request, "range"), "bytes=0-1");
	assert_bytes(http_header(&d.p.request, "X"), "a: b");
	assert_non_null(http_header(&d.p.request, "empty").p);
	assert_int_equal(http_header(&d.p.request, "empty").n, 0);
	assert_null(http_header(&d.p.request, "absent").p);
	end(&d);
}

static void stops_at_the_end_of_a_request(void **state)
{
	(void)state;
	static const char text[] =
	    "POST /1 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\n" H "\r\nGET";
	struct parsed d;
	parse(&d, text, 1000);
	assert_int_equal(d.result, HTTP_PARSE_DONE);
	assert_bytes(d.p.request.path, "/1");
	struct bytes rest = bytes_from(bytes_str(text), d.used);
	http_parse_reset(&d.p);
	assert_false(http_parse_started(&d.p));
	feed(&d, rest, 1000);
	assert_int_equal(d.result, HTTP_PARSE_DONE);
	assert_bytes(d.p.request.path, "/2");
	assert_int_equal(d.p.request.body.n, 0);
	rest = bytes_from(rest, d.used);
	http_parse_reset(&d.p);
	feed(&d, rest, 1000);
	assert_int_equal(d.result, HTTP_PARSE_MORE);
	assert_true(http_parse_started(&d.p));
	end(&d);
}

static void tells_of_a_body_before_it_comes(void **state)
{
	(void)state;
	struct parsed d;
	parse(&d, "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", 1000);
	assert_int_equal(d.result, HTTP_PARSE_HEAD);
	assert_true(d.p.expect_continue);
	feed(&d, BYTES_LIT("x"), 1);
	assert_int_equal(d.result, HTTP_PARSE_DONE);
	end(&d);
	parse(&d, goods[0].text, 1000);
	assert_false(d.head_told);
	end(&d);
}

/* -- what is refused -- */

struct bad {
	int status;
	const char *text;
};

#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

static const struct bad bads[] = {
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ 400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nx\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx" },
	{ 400, "HEAD / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx" },
	{ 400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H H "\r\n" },
	{ 400, "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\nX: a\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: a\n\r\n" },
	{ 400, "GET / HTTP/1.1\n" H "\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X: \001\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H ": a\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n" },
	{ 400, "GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n" },
	{ 400, "GET /\r\n" },
	{ 400, "GET /a\tb HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET\t/ HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET  / HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET / HTTP/1.1 \r\n" H "\r\n" },
	{ 400, "GET / HTTP/1\r\n" H "\r\n" },
	{ 400, "GET / http/1.1\r\n" H "\r\n" },
	{ 400, "GET x HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET * HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET ftp://a/ HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET http:///x HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET http://u@a/x HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET /x#y HTTP/1.1\r\n" H "\r\n" },
	{ 400, "G@T / HTTP/1.1\r\n" H "\r\n" },
	{ 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
	{ 400, "\026\003\001\002" },
	{ 400, "hello\r\n" },
	{ 400, "\r\n\r\n\r\n\r\n\r\n\r\n" },
	{ 417, "POST / HTTP/1.1\r\n" H "Expect: x\r\nContent-Length: 1\r\n\r\n" },
	{ 501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n" },
	{ 501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n" },
	{ 501, "FOO / HTTP/1.1\r\n" H "\r\n" },
	{ 501, "CONNECT a:1 HTTP/1.1\r\n" H "\r\n" },
	{ 505, "GET / HTTP/2.0\r\n" H "\r\n" },
	{ 505, "GET / HTTP/0.9\r\n" H "\r\n" },
	{ 505, "GET / HTTP/1.2\r\n" H "\r\n" },
	{ 501, "PROPFIND / HTTP/1.1\r\n" H "\r\n" },
	{ 400, "GET /\tx HTTP/1.1\r\n" H "\r\n" },
	{ 400, "\rGET / HTTP/1.1\r\n" H "\r\n" },
	{ 400, "\nGET / HTTP/1.1\r\n" H "\r\n" },
	{ 400, CHUNKED "\r\n" },
	{ 400, CHUNKED ";\r\n" },
	{ 400, CHUNKED " 1\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "+1\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "0x1\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "1\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "1\r\na\n0\r\n\r\n" },
	{ 400, CHUNKED "1\r\nab\r\n0\r\n\r\n" },
	{ 400, CHUNKED "1\r\naxx0\r\n\r\n" },
	{ 400, CHUNKED "1;\rx\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "1;\001\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "00000000000000001\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "10000000000000000\r\na\r\n0\r\n\r\n" },
	{ 400, CHUNKED "0\r\n\n" },
	{ 400, CHUNKED "0\r\n\rx" },
	{ 400, CHUNKED "0\r\n T: v\r\n\r\n" },
	{ 400, CHUNKED "0\r\nT : v\r\n\r\n" },
	{ 400, CHUNKED "0\r\n: v\r\n\r\n" },
	{ 400, CHUNKED "0\r\nT: v\r\n folded\r\n\r\n" },
	{ 400, CHUNKED "0\r\nT: v\n\r\n" },
	{ 413, CHUNKED "ffffffffffffffff\r\n123456789012345678901234567890123456789012345678901" },
	{ 413, "POST / HTTP/1.1\r\n" H "Content-Length: 51\r\n\r\n" },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n" },
	{ 413, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n33\r\n"
	       "123456789012345678901234567890123456789012345678901\r\n0\r\n\r\n" },
};

static void refuses_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		for (size_t step = 1; step <= 1000; step += 999) {
			struct parsed d;
			parse(&d, bads[i].text, step);
			if (d.result != HTTP_PARSE_REFUSED || d.p.refusal.status != bads[i].status)
				fail_msg("case %zu: result %d, status %d (%s), expected %d: %s", i, (int)d.result,
				    d.p.refusal.status, d.p.refusal.detail == NULL ? "" : d.p.refusal.detail, bads[i].status,
				    bads[i].text);
			assert_non_null(d.p.refusal.type);
			assert_non_null(d.p.refusal.detail);
			end(&d);
		}
	}
}

static void says_what_is_wrong(void **state)
{
	(void)state;
	struct parsed d;
	parse(&d, "GET / HTTP/1.1\r\n" H "X: a\r\n b: c\r\n\r\n", 1000);
	assert_string_equal(d.p.refusal.detail, "a folded header field");
	assert_string_equal(d.p.refusal.type, "malformed");
	end(&d);
}

static void refuses_nul(void **state)
{
	(void)state;
	static const char text[] = "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n";
	for (size_t step = 1; step <= 1000; step += 999) {
		struct parsed d;
		parse(&d, "", 1);
		feed(&d, bytes_of(text, sizeof(text) - 1), step);
		assert_int_equal(d.result, HTTP_PARSE_REFUSED);
		assert_int_equal(d.p.refusal.status, 400);
		end(&d);
	}
}

/* -- limits, at the byte -- */

static int status_of(const char *text, size_t step)
{
	struct parsed d;
	parse(&d, text, step);
	int status = d.result == HTTP_PARSE_REFUSED ? d.p.refusal.status : d.result == HTTP_PARSE_DONE ? 200 : 0;
	end(&d);
	return status;
}

static void limits_hold_to_the_byte(void **state)
{
	(void)state;
	char text[4096], pad[512];
	memset(pad, 'a', sizeof(pad));
	for (size_t step = 1; step <= 5000; step += 4999) {
		/* "GET /", pad, " HTTP/1.1\r\n" is 16 bytes and the pad. */
		snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\n" H "\r\n", 84, pad);
		assert_int_equal(status_of(text, step), 200);
		snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\n" H "\r\n", 85, pad);
		assert_int_equal(status_of(text, step), 414);
		snprintf(text, sizeof(text), "%.*s", 300, pad);
		assert_int_equal(status_of(text, step), 414);
		/* Host is 9, "X: " and twice CR LF 7. */
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: %.*s\r\n\r\n", 184, pad);
		assert_int_equal(status_of(text, step), 200);
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: %.*s\r\n\r\n", 185, pad);
		assert_int_equal(status_of(text, step), 431);
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: %.*s", 400, pad);
		assert_int_equal(status_of(text, step), 431);
		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n" H "Content-Length: 50\r\n\r\n%.*s", 50, pad);
		assert_int_equal(status_of(text, step), 200);
	}
}

static void at_most_64_fields(void **state)
{
	(void)state;
	static const struct http_parse_limits wide = { 8192, 16384, 65536 };
	for (int n = HTTP_FIELDS_MAX; n <= HTTP_FIELDS_MAX + 1; n++) {
		struct buf text;
		buf_init(&text, 65536);
		buf_put_str(&text, "GET / HTTP/1.1\r\n" H);
		for (int i = 1; i < n; i++)
			buf_printf(&text, "X-%d: y\r\n", i);
		buf_put_str(&text, "\r\n");
		struct parsed d = { 0 };
		arena_init(&d.arena, 65536);
		http_parse_init(&d.p, &wide, &d.arena);
		feed(&d, buf_bytes(&text), 100);
		if (n == HTTP_FIELDS_MAX) {
			assert_int_equal(d.result, HTTP_PARSE_DONE);
			assert_int_equal(d.p.request.headers_n, HTTP_FIELDS_MAX);
		} else {
			assert_int_equal(d.result, HTTP_PARSE_REFUSED);
			assert_int_equal(d.p.refusal.status, 431);
		}
		end(&d);
		buf_fini(&text);
	}
}

static void framing_of_chunks_is_bounded(void **state)
{
	(void)state;
	struct parsed d;
	parse(&d, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;", 1000);
	assert_int_equal(d.result, HTTP_PARSE_MORE);
	size_t fed = 0;
	while (d.result == HTTP_PARSE_MORE && fed < 100000) {
		feed(&d, BYTES_LIT("xxxxxxxxxx"), 10);
		fed += 10;
	}
	assert_int_equal(d.result, HTTP_PARSE_REFUSED);
	assert_true(fed <= 8 * limits.body_bytes + limits.headers_bytes + 10);
	end(&d);
}

/* Which characters may stand in a field's name and in a Host: each of the 256 is asked. */
static void knows_each_character(void **state)
{
	(void)state;
	static const char marks[] = "!#$%&'*+-.^_`|~", host_marks[] = "-._~!$&'()*+,;=%:[]";
	for (int c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool token = alnum || (c != 0 && strchr(marks, c) != NULL);
		if (http_head_token_run(bytes_of(&byte, 1)) != token)
			fail_msg("character %d of a token", c);
		if (c == '\t' || c == '\n' || c == '\r' || c == ' ')
			continue; /* around a value, or its end */
		struct parsed d = { 0 };
		uint8_t text[] = "GET / HTTP/1.1\r\nHost: aXb\r\n\r\n";
		text[sizeof("GET / HTTP/1.1\r\nHost: a") - 1] = byte;
		arena_init(&d.arena, 65536);
		http_parse_init(&d.p, &limits, &d.arena);
		feed(&d, bytes_of(text, sizeof(text) - 1), 1000);
		bool good = alnum || (c != 0 && strchr(host_marks, c) != NULL);
		if ((d.result == HTTP_PARSE_DONE) != good)
			fail_msg("character %d of a Host", c);
		end(&d);
	}
	assert_int_equal(http_head_token_run(BYTES_NONE), 0);
	assert_int_equal(http_head_token_run(BYTES_LIT("Content-Length: 1")), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_each_character),
		cmocka_unit_test(understands_whole_and_byte_by_byte),
		cmocka_unit_test(keeps_fields),
		cmocka_unit_test(stops_at_the_end_of_a_request),
		cmocka_unit_test(tells_of_a_body_before_it_comes),
		cmocka_unit_test(refuses_whole_and_byte_by_byte),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(limits_hold_to_the_byte),
		cmocka_unit_test(at_most_64_fields),
		cmocka_unit_test(framing_of_chunks_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
