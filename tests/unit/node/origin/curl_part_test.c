/* Parts of objects, out of an http origin store. */
#include "node/origin/curl_source.h"

#include "base/check.h"
#include "base/text.h"
#include "store_fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct f {
	struct store store;
	struct origin_source *source;
};

static void start(struct f *f, bool (*answer)(struct store_request *r))
{
	char template[64];
	store_start(&f->store, answer);
	(void)snprintf(template, sizeof(template), "http://127.0.0.1:%d/o/{object}", f->store.port);
	struct curl_source_config c = { .url_template = template, .cluster = "demo" };
	f->source = curl_source_new(&c);
}

static void end(struct f *f)
{
	f->source->free(f->source);
	store_end(&f->store);
}

/* Reads to the end, compares, checks and closes. */
static enum err read_all(struct f *f, void *handle, uint64_t first, uint64_t length)
{
	static uint8_t piece[100000];
	enum err e = OK;
	for (uint64_t at = 0; e == OK && at < length;) {
		size_t n = 0;
		e = f->source->read(f->source, handle, piece, sizeof(piece), &n);
		for (size_t i = 0; e == OK && i < n; i++)
			assert_int_equal(piece[i], store_byte(first + at + i));
		at += n;
	}
	if (e == OK)
		e = f->source->check(f->source, handle);
	f->source->close(f->source, handle);
	return e;
}

static const char *fault(struct f *f)
{
	static char text[512];
	f->source->explain(f->source, text, sizeof(text));
	return text;
}

enum { BIG = (8 << 20) + 1000 };

/* "bytes=FIRST-LAST" */
static bool range_of(const struct store_request *r, uint64_t *first, uint64_t *last)
{
	char field[512];
	struct bytes range = bytes_str(store_field(r, "Range", field)), unit = BYTES_LIT("bytes=");
	if (!bytes_starts_with(range, unit))
		return false;
	range = bytes_from(range, unit.n);
	size_t dash = bytes_index(range, '-');
	return text_u64(bytes_head(range, dash), INT64_MAX, first) == OK &&
	       text_u64(bytes_from(range, dash + 1), INT64_MAX, last) == OK;
}

static bool parting(struct store_request *r)
{
	uint64_t first = 0, last = 0;
	bool asked = range_of(r, &first, &last);
	if (strcmp(r->target, "/o/lv1/empty") == 0) {
		if (asked)
			store_say(r, "HTTP/1.1 416 No\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\r\n");
		else
			store_answer(r, "ETag: \"empty\"\r\n", 0);
		return true;
	}
	if (strcmp(r->target, "/o/lv1/whole") == 0 || !asked) {
		store_answer(r, "ETag: \"big\"\r\n", BIG);
		return true;
	}
	if (first >= BIG) {
		store_say(r, "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n", BIG);
		return true;
	}
	if (last >= BIG)
		last = BIG - 1;
	uint64_t shift = strcmp(r->target, "/o/lv1/shifted") == 0;
	store_say(r,
	    "HTTP/1.1 206 Partial Content\r\nETag: \"big\"\r\nContent-Length: %" PRIu64 "\r\n"
	    "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
	    last - first + 1, first + shift, last + shift, BIG + shift);
	store_give(r, first, last - first + 1);
	return true;
}

static enum err open_part_of(struct f *f, const char *object, uint64_t start, void **handle,
    struct origin_info *i, struct origin_part *p)
{
	return f->source->open_part(f->source, bytes_str(object), start, handle, i, p);
}

static void a_part_comes_with_what_the_whole_is(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info, whole;
	struct origin_part part;
	void *handle;
	start(&f, parting);
	assert_int_equal(f.source->stat(f.source, BYTES_LIT("lv1/big"), &whole), OK);
	assert_int_equal(open_part_of(&f, "lv1/big", SLICE_BYTES, &handle, &info, &part), OK);
	assert_true(part.start == SLICE_BYTES && part.length == 1000 && info.length == BIG);
	assert_string_equal(info.etag, whole.etag);
	assert_int_equal(read_all(&f, handle, SLICE_BYTES, 1000), OK);
	assert_int_equal(open_part_of(&f, "lv1/big", 0, &handle, &info, &part), OK);
	assert_true(part.start == 0 && part.length == SLICE_BYTES && info.length == BIG);
	assert_int_equal(read_all(&f, handle, 0, SLICE_BYTES), OK);
	assert_int_equal(open_part_of(&f, "lv1/big", 2 * SLICE_BYTES, &handle, &info, &part), ERR_INVALID);
	assert_int_equal(atomic_load(&f.store.connections), 1);
	end(&f);
}

static void all_may_come_for_a_part(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	struct origin_part part;
	void *handle;
	start(&f, parting);
	assert_int_equal(open_part_of(&f, "lv1/whole", SLICE_BYTES, &handle, &info, &part), OK);
	assert_true(part.start == 0 && part.length == BIG && info.length == BIG);
	assert_int_equal(read_all(&f, handle, 0, BIG), OK);
	assert_int_equal(open_part_of(&f, "lv1/empty", 0, &handle, &info, &part), OK);
	assert_true(part.start == 0 && part.length == 0 && info.length == 0);
	assert_int_equal(read_all(&f, handle, 0, 0), OK);
	end(&f);
}

static void another_part_is_none(void **state)
{
	(void)state;
	struct f f;
	struct origin_info info;
	struct origin_part part;
	void *handle;
	start(&f, parting);
	assert_int_equal(open_part_of(&f, "lv1/shifted", SLICE_BYTES, &handle, &info, &part), ERR_CORRUPT);
	assert_non_null(strstr(fault(&f), "range"));
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
		cmocka_unit_test(a_part_comes_with_what_the_whole_is),
		cmocka_unit_test(all_may_come_for_a_part),
		cmocka_unit_test(another_part_is_none),
	};
	return cmocka_run_group_tests(tests, init, fini);
}
