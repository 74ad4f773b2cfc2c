#include "node/origin/curl_source.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/origin/fs_s3_keys.h"
#include "node/origin/md5_sum.h"
#include "node/origin/object_url.h"

#include <pthread.h>
#include <sodium/crypto_generichash.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SOURCE_MAGIC 0x63757273u
#define OBJECT_MAGIC 0x6375726fu

enum { REDIRECTS_MAX = 3, FIELDS_MAX = 4, FIELD_BYTES = 128 };

/* A GET has no body: this is SHA-256 of nothing, which S3 wants in a header that libcurl 7.88 does not send.
 */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct curl_source {
	unsigned magic;
	struct origin_source source;
	struct fetch_pool *pool;
	char *template, *ca_file;
	char cdn_loop[FIELD_BYTES + 64];
	char *sigv4; /* NULL: not signed */
	bool etag_md5;
	struct fs_s3_keys *keys; /* of sigv4 */
	pthread_mutex_t lock;    /* of the fault */
	char fault[FETCH_FAULT_MAX + S3_CODE_MAX];
};

struct curl_object {
	unsigned magic;
	struct fetch *fetch;
	bool summed;
	struct md5_sum sum;
	uint8_t md5[MD5_SUM_BYTES];
};

static struct curl_source *source_of(struct origin_source *s)
{
	struct curl_source *c = CONTAINER_OF(s, struct curl_source, source);
	OBJ_CHECK(c, SOURCE_MAGIC);
	return c;
}

static void __attribute__((format(printf, 2, 3))) blame(struct curl_source *c, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	CHECK(pthread_mutex_lock(&c->lock) == 0);
	(void)vsnprintf(c->fault, sizeof(c->fault), format, ap);
	CHECK(pthread_mutex_unlock(&c->lock) == 0);
	va_end(ap);
}

/* -- a request -- */

static enum err send_signed(struct curl_source *c, struct fetch_request *r, const char **fields,
    struct fetch **out, struct fetch_answer *a)
{
	static const char token_field[] = "x-amz-security-token: ";
	char error[CONFIG_ERROR_MAX], token[sizeof(token_field) + S3_TOKEN_MAX];
	struct s3_keys keys;
	*a = (struct fetch_answer){ .body_n = 0 };
	enum err e = fs_s3_keys_now(c->keys, &keys, error);
	if (e != OK) {
		(void)snprintf(a->fault, sizeof(a->fault), "%.*s", FETCH_FAULT_MAX - 1, error);
		return ERR_IO;
	}
	size_t n = 1;
	fields[n++] = "x-amz-content-sha256: " EMPTY_SHA256;
	if (keys.token[0] != '\0') {
		(void)snprintf(token, sizeof(token), "%s%s", token_field, keys.token);
		fields[n++] = token;
	}
	fields[n] = NULL;
	r->sigv4 = c->sigv4;
	r->user = keys.id;
	r->password = keys.secret;
	e = fetch_open(c->pool, r, out, a);
	sodium_memzero(&keys, sizeof(keys));
	sodium_memzero(token, sizeof(token));
	return e;
}

/* What is asked of an object. */
struct asking {
	bool head_only;
	uint64_t part_start, part_length; /* length 0: all of it */
};

static enum err send_url(
    struct curl_source *c, const char *url, struct asking w, struct fetch **out, struct fetch_answer *a)
{
	const char *fields[FIELDS_MAX] = { c->cdn_loop, NULL };
	struct fetch_request r = { .url = url,
		.head_only = w.head_only,
		.part_start = w.part_start,
		.part_length = w.part_length,
		.redirects_max = c->sigv4 == NULL ? REDIRECTS_MAX : 0,
		.fields = fields,
		.ca_file = c->ca_file };
	return c->sigv4 == NULL ? fetch_open(c->pool, &r, out, a) : send_signed(c, &r, fields, out, a);
}

/* What s3 means by it. */
static enum err judge_s3(const struct fetch_answer *a, enum err e, const char *code)
{
	if (s3_code_is_of_store(code))
		return ERR_IO;
	return a->head.status >= 300 && a->head.status < 400 ? ERR_IO : e;
}

static enum err ask(
    struct curl_source *c, struct bytes object, struct asking w, struct fetch **out, struct fetch_answer *a)
{
	struct buf url;
	char code[S3_CODE_MAX] = "";
	if (object.n == 0 || bytes_index(object, 0) < object.n)
		return ERR_NOT_FOUND;
	buf_init(&url, OBJECT_URL_MAX);
	object_url_put(&url, c->template, object);
	buf_put_u8(&url, 0);
	enum err e = buf_err(&url) != OK ? ERR_NOT_FOUND : OK; /* no server takes a name of that length */
	if (e == OK) {
		e = send_url(c, (const char *)url.p, w, out, a);
		if (e != OK && c->sigv4 != NULL) {
			s3_code(bytes_of(a->body, a->body_n), code);
			e = judge_s3(a, e, code);
		}
		if (e != OK && e != ERR_NOT_FOUND)
			blame(c, "%s%s%s", a->fault, *code == '\0' ? "" : " ", code);
	}
	buf_fini(&url);
	return e;
}

/* -- the store -- */

static struct origin_info info_of(const struct fetch_answer *a, const struct fetch *f)
{
	uint8_t nonce[STORE_HEAD_NONCE_BYTES];
	struct bytes whole = fetch_whole(f);
	if (whole.n > 0)
		CHECK(crypto_generichash(nonce, sizeof(nonce), whole.p, whole.n, NULL, 0) == 0);
	else
		randombytes_buf(nonce, sizeof(nonce));
	return store_head_info(&a->head, fetch_length(f), nonce);
}

/* HEAD's refusals have no body that says why. */
static bool asks_by_get(const struct curl_source *c, int status)
{
	return status == 405 || status == 501 || (c->sigv4 != NULL && status >= 300 && status < 500);
}

static enum err curl_stat(struct origin_source *s, struct bytes object, struct origin_info *info)
{
	struct curl_source *c = source_of(s);
	struct fetch_answer a = { .body_n = 0 };
	struct fetch *f = NULL;
	enum err e = ask(c, object, (struct asking){ .head_only = true }, &f, &a);
	if (e != OK && asks_by_get(c, a.head.status))
		e = ask(c, object, (struct asking){ .head_only = false }, &f, &a);
	if (e != OK)
		return e;
	*info = info_of(&a, f);
	fetch_close(f);
	return OK;
}

static enum err open_asking(struct curl_source *c, struct bytes object, struct asking w, void **handle,
    struct origin_info *info, struct origin_part *part)
{
	struct fetch_answer a = { .body_n = 0 };
	struct fetch *f = NULL;
	enum err e = ask(c, object, w, &f, &a);
	/* An empty object has no first bytes. */
	if (e == ERR_INVALID && a.head.status == 416 && w.part_start == 0)
		e = ask(c, object, (struct asking){ .part_length = 0 }, &f, &a);
	if (e == ERR_DENIED && c->sigv4 != NULL && a.head.status == 403)
		return ERR_NOT_FOUND;
	if (e != OK)
		return e;
	struct curl_object *o = OBJ_NEW(struct curl_object, OBJECT_MAGIC);
	o->fetch = f;
	bool is_part = a.head.status == 206;
	*part = (struct origin_part){ is_part ? a.head.part_start : 0, fetch_length(f) };
	/* Of the whole object. */
	o->summed = c->etag_md5 && !a.head.keyed && (!is_part || a.head.part_length == a.head.total) &&
	            md5_sum_of_etag(a.head.etag, o->md5);
	if (o->summed)
		md5_sum_init(&o->sum);
	*info = info_of(&a, f);
	*handle = o;
	return OK;
}

static enum err curl_open(
    struct origin_source *s, struct bytes object, void **handle, struct origin_info *info)
{
	struct origin_part all;
	return open_asking(source_of(s), object, (struct asking){ .part_length = 0 }, handle, info, &all);
}

static enum err curl_open_part(struct origin_source *s, struct bytes object, uint64_t start, void **handle,
    struct origin_info *info, struct origin_part *part)
{
	struct asking w = { .part_start = start, .part_length = SLICE_BYTES };
	return open_asking(source_of(s), object, w, handle, info, part);
}

static enum err curl_read(struct origin_source *s, void *handle, uint8_t *to, size_t room, size_t *n)
{
	struct curl_source *c = source_of(s);
	struct curl_object *o = OBJ_CAST(struct curl_object, OBJECT_MAGIC, handle);
	size_t got;
	enum err e = fetch_read(o->fetch, to, room, &got);
	if (e != OK) {
		blame(c, "%s", fetch_fault(o->fetch));
		return e;
	}
	if (o->summed)
		md5_sum_put(&o->sum, bytes_of(to, got));
	*n = got;
	return OK;
}

static enum err curl_check(struct origin_source *s, void *handle)
{
	struct curl_source *c = source_of(s);
	struct curl_object *o = OBJ_CAST(struct curl_object, OBJECT_MAGIC, handle);
	enum err e = fetch_check(o->fetch);
	if (e != OK) {
		blame(c, "%s", fetch_fault(o->fetch));
		return e;
	}
	if (o->summed && !md5_sum_is(&o->sum, o->md5)) {
		blame(c, "its bytes are not those of the MD5 in its ETag");
		return ERR_CORRUPT;
	}
	return OK;
}

static void curl_close(struct origin_source *s, void *handle)
{
	struct curl_object *o = OBJ_CAST(struct curl_object, OBJECT_MAGIC, handle);
	(void)s;
	fetch_close(o->fetch);
	OBJ_FREE(o);
}

static void curl_explain(struct origin_source *s, char *out, size_t room)
{
	struct curl_source *c = source_of(s);
	CHECK(pthread_mutex_lock(&c->lock) == 0);
	(void)snprintf(out, room, "%s", c->fault);
	CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

static void curl_stop(struct origin_source *s)
{
	fetch_pool_stop(source_of(s)->pool);
}

static void curl_free(struct origin_source *s)
{
	struct curl_source *c = source_of(s);
	fetch_pool_free(c->pool);
	fs_s3_keys_free(c->keys);
	CHECK(pthread_mutex_destroy(&c->lock) == 0);
	free(c->template);
	free(c->ca_file);
	free(c->sigv4);
	OBJ_FREE(c);
}

/* -- making one -- */

static char *copy(const char *text)
{
	char *s = strdup(text == NULL ? "" : text);
	CHECK(s != NULL);
	return s;
}

struct origin_source *curl_source_new(const struct curl_source_config *config)
{
	struct curl_source *c = OBJ_NEW(struct curl_source, SOURCE_MAGIC);
	c->pool = fetch_pool_new(&config->limits);
	c->template = copy(config->url_template);
	c->ca_file = copy(config->ca_file);
	(void)snprintf(c->cdn_loop, sizeof(c->cdn_loop), "CDN-Loop: warmcast-%s", config->cluster);
	CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
	if (config->sigv4_region != NULL) {
		CHECK(asprintf(&c->sigv4, "aws:amz:%s:s3", config->sigv4_region) > 0);
		c->keys = fs_s3_keys_new(config->keys_file);
		c->etag_md5 = config->etag_md5;
	}
	c->source = (struct origin_source){ .stat = curl_stat,
		.open = curl_open,
		.open_part = curl_open_part,
		.read = curl_read,
		.check = curl_check,
		.close = curl_close,
		.explain = curl_explain,
		.stop = curl_stop,
		.free = curl_free };
	return &c->source;
}

struct origin_source *curl_source_of(const struct config_origin *o, const char *cluster)
{
	struct curl_source_config c = { .cluster = cluster, .ca_file = o->ca_file };
	struct buf template;
	buf_init(&template, OBJECT_URL_MAX);
	if (o->type == ORIGIN_S3) {
		s3_put_template(&template, o->endpoint, o->bucket, o->path_style != 0);
		c.sigv4_region = o->region;
		c.keys_file = o->credentials_file;
		c.etag_md5 = o->etag_md5 != 0;
	} else {
		buf_put_str(&template, o->url_template);
	}
	buf_put_u8(&template, 0);
	CHECK(buf_err(&template) == OK);
	c.url_template = (const char *)template.p;
	struct origin_source *s = curl_source_new(&c);
	buf_fini(&template);
	return s;
}
