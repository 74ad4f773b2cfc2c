/* The s3 origin store: what its answers mean, MD5, and keys that rotate. Signatures are verified by
 * tests/cluster/test_origin_s3.py. */
#include "node/origin/curl_source.h"

#include "base/check.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct f {
	struct store store;
	char folder[64], keys[96];
	struct origin_source *source;
};

static void write_keys(struct f *f, const char *text)
{
	char next[112];
	(void)snprintf(next, sizeof(next), "%s.next", f->keys);
	FILE *file = fopen(next, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(next, 0600), 0);
	assert_int_equal(rename(next, f->keys), 0);
}

static void start(struct f *f, bool (*answer)(struct store_request *r))
{
	char endpoint[64];
	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/s3-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->keys, sizeof(f->keys), "%s/keys", f->folder);
	write_keys(f, "access_key_id: lab:media\nsecret_access_key: sekrit\n");
	store_start(&f->store, answer);
	(void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", f->store.port);
	const struct config_origin o = { .name = "s3",
		.type = ORIGIN_S3,
		.endpoint = endpoint,
		.bucket = "media",
		.region = "eu-west-1",
		.credentials_file = f->keys,
		.path_style = 1,
		.etag_md5 = 1,
		.ca_file = "" };
	f->source = curl_source_of(&o, "demo");
}

static void end(struct f *f)
{
	f->source->free(f->source);
	store_end(&f->store);
	(void)unlink(f->keys);
	assert_int_equal(rmdir(f->folder), 0);
}

static enum err get(struct f *f, const char *object)
{
	struct origin_info info;
	void *handle;
	uint8_t piece[4096];
	size_t n = 1;
	enum err e = f->source->open(f->source, bytes_str(object), &handle, &info);
	if (e != OK)
		return e;
	for (uint64_t at = 0; e == OK && at < info.length; at += n)
		e = f->source->read(f->source, handle, piece, sizeof(piece), &n);
	if (e == OK)
		e = f->source->check(f->source, handle);
	f->source->close(f->source, handle);
	return e;
}

static enum err stat_of(struct f *f, const char *object)
{
	struct origin_info info;
	return f->source->stat(f->source, bytes_str(object), &info);
}

static const char *fault(struct f *f)
{
	static char text[512];
	f->source->explain(f->source, text, sizeof(text));
	return text;
}

/* -- answers -- */

/* /media/STATUS/CODE */
static bool refuses(struct store_request *r)
{
	char body[256] = "";
	const char *status = r->target + strlen("/media/"), *code = strchr(status, '/') + 1;
	int n = snprintf(body, sizeof(body), "<?xml version='1.0'?><Error><Code>%s</Code></Error>", code);
	store_say(r, "HTTP/1.1 %.3s Refused\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: %d\r\n\r\n%s",
	    status, n, strcmp(r->method, "HEAD") == 0 ? "" : body);
	return true;
}

static void its_codes_say_whose_trouble_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *object;
		enum err open, stat;
	} rows[] = {
		{ "404/NoSuchKey", ERR_NOT_FOUND, ERR_NOT_FOUND },
		{ "404/NoSuchBucket", ERR_IO, ERR_IO },
		{ "403/AccessDenied", ERR_NOT_FOUND, ERR_DENIED },
		{ "403/InvalidObjectState", ERR_NOT_FOUND, ERR_DENIED },
		{ "403/SignatureDoesNotMatch", ERR_IO, ERR_IO },
		{ "403/InvalidAccessKeyId", ERR_IO, ERR_IO },
		{ "403/RequestTimeTooSkewed", ERR_IO, ERR_IO },
		{ "400/ExpiredToken", ERR_IO, ERR_IO },
		{ "400/AuthorizationHeaderMalformed", ERR_IO, ERR_IO },
		{ "400/KeyTooLongError", ERR_DENIED, ERR_DENIED },
		{ "301/PermanentRedirect", ERR_IO, ERR_IO },
		{ "307/TemporaryRedirect", ERR_IO, ERR_IO },
		{ "503/SlowDown", ERR_IO, ERR_IO },
		{ "500/InternalError", ERR_IO, ERR_IO },
	};
	struct f f;
	start(&f, refuses);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(get(&f, rows[i].object), rows[i].open);
		assert_int_equal(stat_of(&f, rows[i].object), rows[i].stat);
	}
	assert_int_equal(get(&f, "403/RequestTimeTooSkewed"), ERR_IO);
	assert_string_equal(fault(&f), "status 403 RequestTimeTooSkewed");
	assert_int_equal(atomic_load(&f.store.connections), 1);
	end(&f);
}

/* -- MD5 -- */

static bool sums(struct store_request *r)
{
	const char *what = strrchr(r->target, '/') + 1;
	const char *etag = strcmp(what, "good") == 0    ? "900150983cd24fb0d6963f7d28e17f72"
	                   : strcmp(what, "parts") == 0 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-2"
	                                                : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	store_say(r, "HTTP/1.1 200 OK\r\nETag: \"%s\"\r\n%sContent-Length: 3\r\n\r\n%s", etag,
	    strcmp(what, "keyed") == 0 ? "x-amz-server-side-encryption: aws:kms\r\n" : "",
	    strcmp(r->method, "HEAD") == 0 ? "" : "abc");
	return true;
}

static void an_etag_that_is_an_md5_is_checked(void **state)
{
	(void)state;
	struct f f;
	start(&f, sums);
	assert_int_equal(get(&f, "good"), OK);
	assert_int_equal(get(&f, "parts"), OK);
	assert_int_equal(get(&f, "keyed"), OK);
	assert_int_equal(get(&f, "bad"), ERR_CORRUPT);
	assert_non_null(strstr(fault(&f), "MD5"));
	end(&f);
}

/* -- keys -- */

static char authorization[512], token[512], hash[512], loop_id[512];

static bool listens(struct store_request *r)
{
	(void)store_field(r, "Authorization", authorization);
	(void)store_field(r, "x-amz-security-token", token);
	(void)store_field(r, "x-amz-content-sha256", hash);
	(void)store_field(r, "CDN-Loop", loop_id);
	store_answer(r, "", 0);
	return true;
}

static void keys_rotate(void **state)
{
	(void)state;
	struct f f;
	start(&f, listens);
	assert_int_equal(get(&f, "a"), OK);
	assert_non_null(strstr(authorization, "AWS4-HMAC-SHA256 Credential=lab:media/"));
	assert_non_null(strstr(authorization, "/eu-west-1/s3/aws4_request"));
	assert_non_null(strstr(authorization, "x-amz-content-sha256"));
	assert_string_equal(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(token, "");
	assert_string_equal(loop_id, "warmcast-demo");
	write_keys(&f, "access_key_id: second\nsecret_access_key: s\nsession_token: t0ken\n");
	assert_int_equal(get(&f, "a"), OK);
	assert_non_null(strstr(authorization, "Credential=second/"));
	assert_non_null(strstr(authorization, "x-amz-security-token"));
	assert_string_equal(token, "t0ken");
	write_keys(&f, "nonsense\n");
	assert_int_equal(get(&f, "a"), OK);
	assert_non_null(strstr(authorization, "Credential=second/"));
	assert_int_equal(chmod(f.keys, 0644), 0);
	assert_int_equal(get(&f, "a"), OK);
	assert_int_equal(unlink(f.keys), 0);
	assert_int_equal(get(&f, "a"), OK);
	write_keys(&f, "access_key_id: third\nsecret_access_key: s\n");
	assert_int_equal(get(&f, "a"), OK);
	assert_non_null(strstr(authorization, "Credential=third/"));
	assert_string_equal(token, "");
	end(&f);
}

static void without_keys_nothing_is_asked(void **state)
{
	(void)state;
	struct f f;
	start(&f, listens);
	assert_int_equal(chmod(f.keys, 0640), 0);
	assert_int_equal(get(&f, "a"), ERR_IO);
	assert_non_null(strstr(fault(&f), "chmod 600"));
	assert_int_equal(atomic_load(&f.store.requests), 0);
	assert_int_equal(chmod(f.keys, 0600), 0);
	assert_int_equal(get(&f, "a"), OK);
	end(&f);
}

static int init(void **state)
{
	(void)state;
	return fetch_init() == OK ? 0 : -1;
}

static int fini(void **state)
{
	(void)state;
	fetch_exit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_codes_say_whose_trouble_it_is),
		cmocka_unit_test(an_etag_that_is_an_md5_is_checked),
		cmocka_unit_test(keys_rotate),
		cmocka_unit_test(without_keys_nothing_is_asked),
	};
	return cmocka_run_group_tests(tests, init, fini);
}
