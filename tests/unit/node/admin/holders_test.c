/* GET /v1/holders over a fake replica: which holders count, and how its pieces follow one another. */
#include "fake_http.h"
#include "node/admin/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 3 };

#define KEY "omain\0lv1"

struct kvs {
	char unused;
};

struct kvs_reader {
	enum err error;
	struct kvs_walk walked; /* from where, the last time */
};

static struct kvs kvs;

const struct kvs *control_kvs(const struct control *c)
{
	(void)c;
	return &kvs;
}

size_t kvs_members_n(const struct kvs *k)
{
	(void)k;
	return MEMBERS;
}

/* In another order than that of their ids. */
void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	(void)k;
	*out = (struct kvs_member){ .id = { { (uint8_t)(MEMBERS - i) } } };
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	struct http_response r = { .status = 200, .parts_n = 1 };
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(body) };
	http_respond(x, &r);
}

static void tell(struct kvs_warmth *room, void (*content)(void *, struct bytes, size_t), void *ctx, size_t n,
    const unsigned *shares)
{
	for (size_t i = 0; i < n; i++)
		room[i] = (struct kvs_warmth){ { { (uint8_t)(i + 1) } }, shares[i] };
	content(ctx, BYTES_LIT(KEY), n);
}

/* Two pieces: a content of each kind, then nothing. */
enum err kvs_reader_walk(struct kvs_reader *r, struct kvs_walk *w, size_t bundles, struct kvs_warmth *room,
    size_t max, void (*content)(void *ctx, struct bytes key, size_t holders), void *ctx)
{
	assert_true(bundles > 0 && max >= 4);
	r->walked = *w;
	if (r->error != OK)
		return r->error;
	if (w->hash == 0) {
		tell(room, content, ctx, 3, (unsigned[]){ 349, 0, 350 });      /* two have enough of it */
		tell(room, content, ctx, 2, (unsigned[]){ 10, 20 });           /* nobody has */
		tell(room, content, ctx, 3, (unsigned[]){ 1000, 1000, 1000 }); /* more than are asked for */
		tell(room, content, ctx, 4, (unsigned[]){ 0, 10, 10, 1000 });  /* the last is no member */
		content(ctx, BYTES_LIT(KEY), max + 1);
		*w = (struct kvs_walk){ .hash = 0xab, .which = 3 };
	} else {
		w->end = true;
	}
	return OK;
}

struct answer {
	int status;
	char body[512];
};

static struct answer ask(struct kvs_reader *r, const char *query)
{
	struct admin a = { .reader = r };
	struct http_exchange x;
	struct answer got = { 0 };
	fake_exchange_init(&x, HTTP_GET, "/v1/holders", "");
	x.request.query = bytes_str(query);
	admin_holders(&a, &x);
	assert_int_equal(x.answers, 1);
	got.status = x.status;
	assert_true(x.body_n < sizeof(got.body));
	memcpy(got.body, x.body, x.body_n);
	fake_exchange_fini(&x);
	return got;
}

#define ZEROS "000000000000000000000000000000"
#define IDS "\"ids\":[\"01" ZEROS "\",\"02" ZEROS "\",\"03" ZEROS "\"]"

static void pieces_of_who_holds_what(void **state)
{
	(void)state;
	struct kvs_reader r = { 0 };
	struct answer got = ask(&r, "most=2");
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "{" IDS ",\"sets\":[[1,2],[0,1],[0]],\"next\":\"00000000000000ab03\"}\n");
	got = ask(&r, "most=2&from=00000000000000ab03");
	assert_string_equal(got.body, "{" IDS ",\"sets\":[],\"next\":null}\n");
	assert_int_equal(r.walked.hash, 0xab);
	assert_int_equal(r.walked.which, 3);
	/* By the hash that nodes of every version call them (V1). */
	got = ask(&r, "most=2&contents=1");
	assert_non_null(strstr(got.body, "\"sets\":[[1,2],[0,1],[0]],\"contents\":[\"a5274281aba33ef6\","
	                                 "\"a5274281aba33ef6\",\"a5274281aba33ef6\"],\"next\""));
	got = ask(&r, "most=3");
	assert_non_null(strstr(got.body, "\"sets\":[[1,2],[0,1],[0,1,2],[0]]"));
}

static void what_cannot_be_answered(void **state)
{
	(void)state;
	struct kvs_reader r = { 0 };
	static const char *const bad[] = { "", "most=0", "most=1025", "most=-1", "most=2&from=ab",
		"most=2&from=zz000000000000ab03" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ask(&r, bad[i]).status, 400);
	r.error = ERR_IO;
	assert_int_equal(ask(&r, "most=2").status, 503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_who_holds_what),
		cmocka_unit_test(what_cannot_be_answered),
	};
	return cmocka_run_group_tests_name("admin_holders", tests, NULL, NULL);
}
