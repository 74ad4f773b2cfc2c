#include "node/origin/store_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t nonce_a[STORE_HEAD_NONCE_BYTES] = { 1 }, nonce_b[STORE_HEAD_NONCE_BYTES] = { 2 };

/* Lines that end with \n. */
static struct store_head head_of(const char *text)
{
	struct store_head h = { .status = 0 };
	for (struct bytes rest = bytes_str(text); rest.n > 0;) {
		size_t n = bytes_index(rest, '\n');
		store_head_line(&h, bytes_head(rest, n < rest.n ? n + 1 : n));
		rest = bytes_from(rest, n < rest.n ? n + 1 : n);
	}
	return h;
}

static struct origin_info info_of(const char *text, const uint8_t *nonce)
{
	struct store_head h = head_of(text);
	assert_int_equal(store_head_judge(&h), OK);
	return store_head_info(&h, h.length, nonce);
}

static void reads_what_a_fill_needs(void **state)
{
	(void)state;
	struct store_head h =
	    head_of("HTTP/1.1 200 OK\r\ncontent-LENGTH:  42 \r\nETag: \"a\"\r\nDate: x\r\n\r\n");
	assert_true(h.complete && h.has_length && !h.chunked && !h.malformed);
	assert_int_equal(h.length, 42);
	assert_string_equal(h.etag, "\"a\"");
	store_head_line(&h, BYTES_LIT("ETag: \"trailer\"\r\n"));
	assert_string_equal(h.etag, "\"a\"");
	h = head_of("HTTP/2 301\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nHTTP/2 200 \r\n\r\n");
	assert_int_equal(h.status, 200);
	assert_false(h.has_length || h.located);
}

static void knows_when_an_answer_is_the_last(void **state)
{
	(void)state;
	struct store_head h = head_of("HTTP/1.1 200 OK\r\n");
	assert_false(store_head_is_final(&h, true));
	h = head_of("HTTP/1.1 100 Continue\r\n\r\n");
	assert_false(store_head_is_final(&h, true));
	h = head_of("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n");
	assert_false(store_head_is_final(&h, true));
	assert_true(store_head_is_final(&h, false));
	h = head_of("HTTP/1.1 302 Found\r\n\r\n");
	assert_true(store_head_is_final(&h, true));
	h = head_of("HTTP/1.1 404 Not Found\r\n\r\n");
	assert_true(store_head_is_final(&h, true));
}

static void refuses_what_cannot_be_believed(void **state)
{
	(void)state;
	static const char *const bad[] = { "Content-Length: 4\r\nContent-Length: 5\r\n", "Content-Length: -1\r\n",
		"Content-Length: 4, 4\r\n", "Content-Length: 99999999999999999999\r\n",
		"Content-Encoding: gzip\r\n" };
	char text[512];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n", bad[i]);
		struct store_head h = head_of(text);
		assert_int_equal(store_head_judge(&h), ERR_CORRUPT);
	}
	struct store_head h = head_of("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 4\r\n"
	                              "Content-Length: 4\r\n\r\n");
	assert_int_equal(store_head_judge(&h), OK);
}

static void a_strong_tag_is_the_validator(void **state)
{
	(void)state;
	assert_string_equal(info_of("HTTP/1.1 200 OK\r\nETag: \"5f-a/b\"\r\n\r\n", nonce_a).etag, "\"5f-a/b\"");
}

#define DATED "Date: Sun, 06 Nov 1994 08:49:39 GMT\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void else_it_is_made_of_what_there_is(void **state)
{
	(void)state;
	struct origin_info a = info_of("HTTP/1.1 200 OK\r\nETag: W/\"1\"\r\nContent-Length: 4\r\n\r\n", nonce_a);
	struct origin_info b = info_of("HTTP/1.1 200 OK\r\nETag: W/\"1\"\r\nContent-Length: 4\r\n\r\n", nonce_b);
	assert_string_equal(a.etag, b.etag);
	assert_int_equal(strlen(a.etag), 34);
	b = info_of("HTTP/1.1 200 OK\r\nETag: W/\"2\"\r\nContent-Length: 4\r\n\r\n", nonce_a);
	assert_string_not_equal(a.etag, b.etag);
	a = info_of("HTTP/1.1 200 OK\r\n" DATED "Content-Length: 4\r\n\r\n", nonce_a);
	b = info_of("HTTP/1.1 200 OK\r\n" DATED "Content-Length: 4\r\n\r\n", nonce_b);
	assert_string_equal(a.etag, b.etag);
	assert_int_equal(a.modified_s, 784111777);
	b = info_of("HTTP/1.1 200 OK\r\n" DATED "Content-Length: 5\r\n\r\n", nonce_a);
	assert_string_not_equal(a.etag, b.etag);
	b = info_of("HTTP/1.1 200 OK\r\n" DATED "ETag: two words\r\nContent-Length: 4\r\n\r\n", nonce_a);
	assert_string_not_equal(a.etag, b.etag);
	assert_int_equal(b.etag[0], '"');
}

/* Written in the second in which it was asked for: it may change in that second once more. */
static void what_is_too_young_is_no_evidence(void **state)
{
	(void)state;
#define YOUNG "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	struct origin_info a = info_of("HTTP/1.1 200 OK\r\n" YOUNG "\r\n", nonce_a);
	struct origin_info b = info_of("HTTP/1.1 200 OK\r\n" YOUNG "\r\n", nonce_b);
	assert_string_not_equal(a.etag, b.etag);
	a = info_of("HTTP/1.1 200 OK\r\n\r\n", nonce_a);
	b = info_of("HTTP/1.1 200 OK\r\n\r\n", nonce_b);
	assert_string_not_equal(a.etag, b.etag);
}

/* A hop never restarts it (D2). */
static void reads_how_old_an_answer_is(void **state)
{
	(void)state;
	assert_int_equal(head_of("HTTP/1.1 200 OK\r\n\r\n").age_ms, 0);
	assert_int_equal(head_of("HTTP/1.1 200 OK\r\nAge: 3\r\n\r\n").age_ms, 3000);
	assert_int_equal(head_of("HTTP/1.1 200 OK\r\nAge: 3\r\nWarmcast-Age-Ms: 2001\r\n\r\n").age_ms, 2001);
	assert_int_equal(head_of("HTTP/1.1 200 OK\r\nWarmcast-Age-Ms: 2001\r\nAge: 3\r\n\r\n").age_ms, 2001);
	assert_int_equal(head_of("HTTP/1.1 200 OK\r\nWarmcast-Age-Ms: x\r\nAge: 3\r\n\r\n").age_ms, 3000);
}

static enum err judge_part(const char *text, uint64_t start, uint64_t length)
{
	struct store_head h = head_of(text);
	return store_head_judge_part(&h, start, length);
}

static void knows_the_part_that_was_asked_for(void **state)
{
	(void)state;
	struct store_head h = head_of("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-149/1000\r\n"
	                              "Content-Length: 50\r\nETag: \"a\"\r\n\r\n");
	assert_true(h.has_part && h.part_start == 100 && h.part_length == 50 && h.total == 1000);
	assert_int_equal(store_head_judge(&h), ERR_CORRUPT); /* nobody asked */
	assert_int_equal(store_head_judge_part(&h, 100, 50), OK);
	assert_int_equal(store_head_judge_part(&h, 100, 51), ERR_CORRUPT);
	assert_int_equal(store_head_judge_part(&h, 99, 51), ERR_CORRUPT);
	assert_int_equal(store_head_info(&h, 50, nonce_a).length, 1000);
	assert_int_equal(judge_part("HTTP/1.1 206 P\r\nContent-Range: bytes 960-999/1000\r\n\r\n", 960, 64), OK);
	assert_int_equal(judge_part("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, 64), OK);
	assert_int_equal(judge_part("HTTP/1.1 404 Not Found\r\n\r\n", 0, 64), ERR_NOT_FOUND);
	assert_int_equal(
	    judge_part("HTTP/1.1 416 R\r\nContent-Range: bytes */1000\r\n\r\n", 1000, 64), ERR_INVALID);
	static const char *const bad[] = { "", "Content-Range: bytes 0-63/*\r\n", "Content-Range: bytes 0-63\r\n",
		"Content-Range: bytes 0-63/63\r\n", "Content-Range: bytes 63-0/1000\r\n",
		"Content-Range: items 0-63/1000\r\n", "Content-Range: bytes 0-63/1000\r\nContent-Length: 65\r\n",
		"Content-Range: bytes 0-63/1000\r\nContent-Range: bytes 0-63/1000\r\n",
		"Content-Range: bytes 0-63/1000\r\nContent-Encoding: gzip\r\n", "Content-Range: bytes -/\r\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];
		(void)snprintf(text, sizeof(text), "HTTP/1.1 206 P\r\n%s\r\n", bad[i]);
		assert_int_equal(judge_part(text, 0, 64), ERR_CORRUPT);
	}
}

/* Without a strong tag too: parts, the whole and what HEAD says are of one object. */
static void parts_have_the_validator_of_the_whole(void **state)
{
	(void)state;
	static const char dated[] = "Last-Modified: Mon, 06 May 2024 10:00:00 GMT\r\n"
	                            "Date: Mon, 06 May 2024 11:00:00 GMT\r\n";
	char whole[512], one[512], two[512], other[512];
	(void)snprintf(whole, sizeof(whole), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n%s\r\n", dated);
	(void)snprintf(one, sizeof(one), "HTTP/1.1 206 P\r\nContent-Range: bytes 0-63/1000\r\n%s\r\n", dated);
	(void)snprintf(two, sizeof(two),
	    "HTTP/1.1 206 P\r\nContent-Range: bytes 960-999/1000\r\nContent-Length: 40\r\n%s\r\n", dated);
	(void)snprintf(other, sizeof(other), "HTTP/1.1 206 P\r\nContent-Range: bytes 0-63/1001\r\n%s\r\n", dated);
	struct origin_info i = info_of(whole, nonce_a);
	struct store_head a = head_of(one), b = head_of(two), c = head_of(other);
	assert_string_equal(store_head_info(&a, 64, nonce_b).etag, i.etag);
	assert_string_equal(store_head_info(&b, 40, nonce_b).etag, i.etag);
	assert_string_not_equal(store_head_info(&c, 64, nonce_b).etag, i.etag);
}

static void knows_what_s3_encrypts_with_a_key(void **state)
{
	(void)state;
	assert_false(head_of("HTTP/1.1 200 OK\r\nx-amz-server-side-encryption: AES256\r\n\r\n").keyed);
	assert_true(head_of("HTTP/1.1 200 OK\r\nx-amz-server-side-encryption: aws:kms\r\n\r\n").keyed);
	assert_true(
	    head_of("HTTP/1.1 200 OK\r\nx-amz-server-side-encryption-customer-algorithm: AES256\r\n\r\n").keyed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_a_fill_needs),
		cmocka_unit_test(knows_when_an_answer_is_the_last),
		cmocka_unit_test(refuses_what_cannot_be_believed),
		cmocka_unit_test(a_strong_tag_is_the_validator),
		cmocka_unit_test(else_it_is_made_of_what_there_is),
		cmocka_unit_test(what_is_too_young_is_no_evidence),
		cmocka_unit_test(reads_how_old_an_answer_is),
		cmocka_unit_test(knows_the_part_that_was_asked_for),
		cmocka_unit_test(parts_have_the_validator_of_the_whole),
		cmocka_unit_test(knows_what_s3_encrypts_with_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
