/* Bodies of which the handler is asked piece by piece. */
#include "raw_client.h"
#include "server_fixture.h"

#include "base/check.h"
#include "base/obj.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECE = 300000, PIECES = 20, LATE_BYTES = 4 };

static struct fixture f;
static atomic_uint asked_n, done_n, whole_n;
static _Atomic uint64_t sent_bytes;

/* How the pieces are given. */
enum how { AT_ONCE, BY_LETTER, GROWING, REFUSED_AT_ONCE, REFUSED_BY_LETTER, NEVER };
static enum how how;

struct feed {
	struct letter letter;
	struct http_exchange *x;
	uint64_t at;
	struct growing *growing;
};

/* Its bytes are there a little later. */
static struct growing *grow(uint64_t at)
{
	uint8_t bytes[PIECE];
	for (uint64_t i = 0; i < PIECE; i++)
		bytes[i] = fixture_byte(at + i);
	int fd = memfd_create("piece", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, bytes, PIECE) == PIECE);
	return growing_new(fd, PIECE);
}

static void give(struct feed *d)
{
	struct http_part part = { .kind = HTTP_PART_FILE, .fd = f.file, .offset = d->at, .length = PIECE };
	bool refused = how == REFUSED_AT_ONCE || how == REFUSED_BY_LETTER;
	if (refused && d->at >= 3 * PIECE) {
		http_give(d->x, NULL);
		return;
	}
	if (how == GROWING) {
		growing_unref(d->growing);
		d->growing = grow(d->at);
		part = (struct http_part){ .kind = HTTP_PART_GROWING, .growing = d->growing, .length = PIECE };
		growing_publish(d->growing, PIECE / 2);
	}
	d->at += PIECE;
	http_give(d->x, &part);
	if (how == GROWING) {
		growing_publish(d->growing, PIECE);
		growing_finish(d->growing, GROWING_WHOLE);
	}
}

static void on_letter(struct letter *l)
{
	give(CONTAINER_OF(l, struct feed, letter));
}

static void on_more(void *arg)
{
	struct feed *d = arg;
	atomic_fetch_add(&asked_n, 1);
	if (how == BY_LETTER || how == GROWING || how == REFUSED_BY_LETTER)
		CHECK(mailbox_post(http_worker_mailbox(http_worker_of(d->x)), &d->letter));
	else if (how != NEVER)
		give(d);
}

static void on_done(void *arg, const struct http_end *end)
{
	struct feed *d = arg;
	growing_unref(d->growing);
	free(d);
	atomic_store(&sent_bytes, end->body_bytes_sent);
	atomic_fetch_add(&whole_n, end->whole);
	atomic_fetch_add(&done_n, 1);
}

static void handle(struct http_exchange *x)
{
	struct feed *d = calloc(1, sizeof(*d));
	CHECK(d != NULL);
	*d = (struct feed){ .letter.deliver = on_letter, .x = x };
	struct http_response r = { .status = 200, .done = on_done, .done_arg = d };
	r.parts[r.parts_n++] =
	    (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = BYTES_LIT("late"), .stable = true };
	r.parts[r.parts_n++] = (struct http_part){
		.kind = HTTP_PART_MORE, .length = (uint64_t)PIECE * PIECES, .more = on_more, .more_arg = d
	};
	http_respond(x, &r);
}

static int setup(void **state)
{
	(void)state;
	atomic_store(&asked_n, 0);
	atomic_store(&done_n, 0);
	atomic_store(&whole_n, 0);
	fixture_init(&f);
	f.other = handle;
	fixture_start(&f, 1, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&f);
	return 0;
}

static void ask(struct raw *c, const char *method)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%s /other HTTP/1.1\r\nHost: h\r\n\r\n", method);
	raw_say(c, text);
}

/* Twice on one connection: nothing of the first is left. */
static void comes_whole(enum how by)
{
	struct raw c;
	how = by;
	raw_connect(&c, f.port);
	for (unsigned round = 1; round <= 2; round++) {
		struct raw_answer a;
		ask(&c, "GET");
		assert_true(raw_answer(&c, &a, false));
		assert_int_equal(a.body_n, LATE_BYTES + PIECE * PIECES);
		assert_memory_equal(a.body, "late", LATE_BYTES);
		for (uint64_t i = 0; i < (uint64_t)PIECE * PIECES; i++)
			if (a.body[LATE_BYTES + i] != fixture_byte(i))
				fail_msg("another byte at %llu", (unsigned long long)i);
		raw_answer_free(&a);
		fixture_await(&done_n, round);
		assert_int_equal(atomic_load(&asked_n), round * PIECES);
		assert_int_equal(atomic_load(&sent_bytes), LATE_BYTES + PIECE * PIECES);
	}
	assert_int_equal(atomic_load(&whole_n), 2);
	raw_close(&c);
}

static void pieces_that_are_given_at_once(void **state)
{
	(void)state;
	comes_whole(AT_ONCE);
}

static void pieces_that_are_given_later(void **state)
{
	(void)state;
	comes_whole(BY_LETTER);
}

static void pieces_that_grow(void **state)
{
	(void)state;
	comes_whole(GROWING);
}

static void head_asks_for_none(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	char value[256];
	how = AT_ONCE;
	raw_connect(&c, f.port);
	ask(&c, "HEAD");
	assert_true(raw_answer(&c, &a, true));
	assert_string_equal(raw_field(&a, "Content-Length", value), "6000004");
	raw_answer_free(&a);
	fixture_await(&done_n, 1);
	assert_int_equal(atomic_load(&asked_n), 0);
	raw_close(&c);
}

static void is_reset(enum how by)
{
	struct raw c;
	struct raw_answer a;
	how = by;
	raw_connect(&c, f.port);
	ask(&c, "GET");
	assert_false(raw_answer(&c, &a, false));
	raw_close(&c);
	fixture_await(&done_n, 1);
	assert_int_equal(atomic_load(&whole_n), 0);
	assert_int_equal(atomic_load(&sent_bytes), LATE_BYTES + 3 * PIECE);
}

static void a_handler_without_more_resets(void **state)
{
	(void)state;
	is_reset(REFUSED_AT_ONCE);
}

static void and_so_it_does_later(void **state)
{
	(void)state;
	is_reset(REFUSED_BY_LETTER);
}

static void a_viewer_may_leave_while_it_is_asked_for(void **state)
{
	(void)state;
	struct raw c;
	how = NEVER;
	raw_connect(&c, f.port);
	ask(&c, "GET");
	fixture_await(&asked_n, 1);
	raw_abort(&c);
	fixture_await(&done_n, 1);
	/* And so may the server. */
	raw_connect(&c, f.port);
	ask(&c, "GET");
	fixture_await(&asked_n, 2);
	http_server_stop(f.server);
	f.server = NULL;
	assert_int_equal(atomic_load(&done_n), 2);
	raw_close(&c);
}

#define MORE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MORE_TEST(pieces_that_are_given_at_once),
		MORE_TEST(pieces_that_are_given_later),
		MORE_TEST(pieces_that_grow),
		MORE_TEST(head_asks_for_none),
		MORE_TEST(a_handler_without_more_resets),
		MORE_TEST(and_so_it_does_later),
		MORE_TEST(a_viewer_may_leave_while_it_is_asked_for),
	};
	return cmocka_run_group_tests_name("more", tests, NULL, NULL);
}
