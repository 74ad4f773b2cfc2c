/* Idempotency-Key, through the api's own door. */
#include "asking.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SHOP "shop-key-0123456789"
#define LIVE "live-key-0123456789"
#define BODY "{\"content\":\"lv1\"}"

static struct api_keys *keys;

static uint64_t mono_ms(void)
{
	return fixture_mono_ms;
}

static int open_door(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	fixture_add(f, 1);
	fixture_publish(f);
	struct admission_config c = {
		.config = &f->config, .keys = keys, .secret = { { 7 } }, .now_mono_ms = mono_ms
	};
	f->api.c.admission = admission_new(&c);
	return 0;
}

static int with_keys(void **state)
{
	static const uint8_t secret[API_KEY_DIGEST_BYTES];
	struct api_keys_fault fault;
	assert_int_equal(api_keys_parse(BYTES_LIT("shop:" SHOP "\nlive:" LIVE "\n"), secret, &keys, &fault), OK);
	return open_door(state);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	admission_free(f->api.c.admission);
	api_keys_free(keys);
	keys = NULL;
	return fixture_teardown(state);
}

static struct answer post(
    struct fixture *f, const char *repeat, const char *body, const char *peer, const char *key)
{
	struct answer a;
	char header[128];
	fake_exchange_init(&a.x, HTTP_POST, "/v1/sessions", body);
	a.x.request.peer_address = peer;
	if (repeat != NULL)
		fake_exchange_header(&a.x, "idempotency-key", repeat);
	snprintf(header, sizeof(header), "Bearer %s", key != NULL ? key : "");
	if (key != NULL)
		fake_exchange_header(&a.x, "Authorization", header);
	answer_of(f, &a);
	return a;
}

static struct answer post_as(struct fixture *f, const char *repeat, const char *body)
{
	return post(f, repeat, body, "127.0.0.1", NULL);
}

static void assert_same(struct answer a, struct answer b)
{
	assert_int_equal(a.x.status, b.x.status);
	assert_string_equal(a.x.fields, b.x.fields);
	assert_string_equal(a.x.body, b.x.body);
	over(&a);
	over(&b);
}

static void assert_differ(struct answer a, struct answer b)
{
	assert_int_equal(a.x.status, 201);
	assert_int_equal(b.x.status, 201);
	assert_string_not_equal(member(&a, "session"), member(&b, "session"));
	over(&a);
	over(&b);
}

static void assert_refusal(struct answer a, int status, const char *type)
{
	assert_problem(&a, status, type);
	over(&a);
}

static unsigned places_taken(struct fixture *f)
{
	return tally_recent(f->tally, f->nodes[0].slot, fixture_mono_ms / 1000, 60);
}

static void the_same_answer_and_no_second_place(void **state)
{
	struct fixture *f = *state;
	struct answer first = post_as(f, "\"8e03978e-40d5\"", BODY);
	assert_int_equal(first.x.status, 201);
	fixture_mono_ms += 3000;
	fixture_wall_ms += 3000;
	f->nodes[0].state = NODE_DRAINING; /* whatever has changed since */
	fixture_publish(f);
	assert_same(first, post_as(f, "\"8e03978e-40d5\"", BODY));
	assert_int_equal(places_taken(f), 1);
	assert_int_equal(f->api.count.created_cold, 1);
}

static void without_a_key_or_under_another_it_is_another(void **state)
{
	struct fixture *f = *state;
	assert_differ(post_as(f, NULL, BODY), post_as(f, NULL, BODY));
	assert_differ(post_as(f, "k", BODY), post_as(f, "K", BODY));
	assert_int_equal(places_taken(f), 4);
}

static void another_body_under_the_same_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct answer first = post_as(f, "k", BODY);
	assert_refusal(post_as(f, "k", "{\"content\":\"lv2\"}"), 422, "idempotency-key-reused");
	assert_same(first, post_as(f, "k", BODY));
	assert_int_equal(places_taken(f), 1);
}

static void keys_are_their_callers_own(void **state)
{
	struct fixture *f = *state;
	assert_differ(post_as(f, "k", BODY), post(f, "k", BODY, "127.0.0.2", NULL));
	assert_differ(post(f, "j", BODY, "2001:db8::1", NULL), post(f, "j", BODY, "2001:db8::2", NULL));
}

static void an_api_key_has_its_own_too(void **state)
{
	struct fixture *f = *state;
	assert_differ(post(f, "k", BODY, "127.0.0.1", SHOP), post(f, "k", BODY, "127.0.0.1", LIVE));
	assert_same(post(f, "k", BODY, "127.0.0.1", SHOP), post(f, "k", BODY, "127.0.0.9", SHOP));
	assert_refusal(post(f, "k", BODY, "127.0.0.1", NULL), 401, "key-missing");
}

static void what_was_refused_may_be_tried_again(void **state)
{
	struct fixture *f = *state;
	f->nodes[0].load = f->nodes[0].capacity;
	fixture_publish(f);
	assert_refusal(post_as(f, "k", BODY), 503, "no-headroom");
	assert_refusal(post_as(f, "k", "{\"content\":\"nobody\"}"), 404, "no-such-content");
	assert_refusal(post_as(f, "k", "{"), 400, "malformed");
	f->nodes[0].load = 0;
	fixture_publish(f);
	assert_same(post_as(f, "k", BODY), post_as(f, "k", BODY));
}

static void it_is_forgotten_in_time(void **state)
{
	struct fixture *f = *state;
	struct answer first = post_as(f, "k", BODY);
	fixture_mono_ms += REPEATS_KEEP_MS;
	assert_differ(first, post_as(f, "k", BODY));
}

static void lengths_of_keys(void **state)
{
	struct fixture *f = *state;
	static char longest[REPEAT_KEY_MAX + 2];
	memset(longest, 'k', REPEAT_KEY_MAX);
	assert_same(post_as(f, longest, BODY), post_as(f, longest, BODY));
	longest[REPEAT_KEY_MAX] = 'k';
	assert_refusal(post_as(f, longest, BODY), 400, "malformed");
	assert_refusal(post_as(f, "", BODY), 400, "malformed");
	assert_int_equal(places_taken(f), 1);
}

/* -- many workers -- */

enum { THREADS = 4, KEYS = 500 };

struct asking {
	pthread_t thread;
	struct admission *admission;
	unsigned first, repeated, busy;
};

static void *ask_for_all(void *arg)
{
	struct asking *w = arg;
	struct arena a;
	arena_init(&a, 4096);
	struct caller who = { .has_key = false };
	for (int i = 0; i < KEYS; i++) {
		char key[16];
		struct repeat_id id;
		struct bytes answer;
		snprintf(key, sizeof(key), "k%d", i);
		arena_reset(&a);
		switch (admission_repeat(w->admission, &who, bytes_str(key), BYTES_LIT(BODY), &a, &id, &answer)) {
		case ADMITTED:
			w->first++;
			admission_answered(w->admission, &id, bytes_str(key));
			break;
		case ADMISSION_REPEATED:
			w->repeated++;
			assert_true(bytes_eq(answer, bytes_str(key)));
			break;
		case ADMISSION_REPEAT_UNDER_WAY: w->busy++; break;
		default: fail();
		}
	}
	arena_fini(&a);
	return NULL;
}

static void one_worker_is_the_first(void **state)
{
	struct fixture *f = *state;
	struct asking w[THREADS] = { { .first = 0 } };
	unsigned first = 0, others = 0;
	for (int i = 0; i < THREADS; i++) {
		w[i].admission = f->api.c.admission;
		assert_int_equal(pthread_create(&w[i].thread, NULL, ask_for_all, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		first += w[i].first;
		others += w[i].repeated + w[i].busy;
	}
	assert_int_equal(first, KEYS);
	assert_int_equal(others, (THREADS - 1) * KEYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_answer_and_no_second_place, open_door, teardown),
		cmocka_unit_test_setup_teardown(without_a_key_or_under_another_it_is_another, open_door, teardown),
		cmocka_unit_test_setup_teardown(another_body_under_the_same_key_is_refused, open_door, teardown),
		cmocka_unit_test_setup_teardown(keys_are_their_callers_own, open_door, teardown),
		cmocka_unit_test_setup_teardown(an_api_key_has_its_own_too, with_keys, teardown),
		cmocka_unit_test_setup_teardown(what_was_refused_may_be_tried_again, open_door, teardown),
		cmocka_unit_test_setup_teardown(it_is_forgotten_in_time, open_door, teardown),
		cmocka_unit_test_setup_teardown(lengths_of_keys, open_door, teardown),
		cmocka_unit_test_setup_teardown(one_worker_is_the_first, open_door, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
