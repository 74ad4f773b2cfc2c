/* Who may create a session, through the api's own door. */
#include "asking.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SHOP "shop-key-0123456789"
#define LIVE "live-key-0123456789"
#define PLAIN "plain-key-0123456789"
#define BODY "{\"content\":\"lv1\"}"

static const char keys_text[] =
    "shop:" SHOP " rate=60/m burst=2\nlive:" LIVE " prefixes=old/,lv1\nplain:" PLAIN "\n";
static const uint8_t secret[API_KEY_DIGEST_BYTES] = { 5 };

static struct api_keys *parse_keys(const char *text)
{
	struct api_keys *k = NULL;
	struct api_keys_fault fault;
	assert_int_equal(api_keys_parse(bytes_str(text), secret, &k, &fault), OK);
	return k;
}

struct door {
	struct fixture *f;
	struct api_keys *keys;
};

static uint64_t mono_ms(void)
{
	return fixture_mono_ms;
}

static int open_door(void **state, const char *keys, uint32_t rate_per_min)
{
	static struct door d;
	void *f = NULL;
	fixture_setup(&f);
	d = (struct door){ .f = f, .keys = keys != NULL ? parse_keys(keys) : NULL };
	fixture_add(d.f, 1);
	fixture_publish(d.f);
	d.f->config.client_rate_per_min = rate_per_min;
	d.f->config.client_burst = 3;
	d.f->config.trusted_proxies = (struct config_strings){ { "10.0.0.0/8" }, 1 };
	struct admission_config c = {
		.config = &d.f->config, .keys = d.keys, .secret = { { 7 } }, .now_mono_ms = mono_ms
	};
	d.f->api.c.admission = admission_new(&c);
	*state = &d;
	return 0;
}

static int with_keys(void **state)
{
	return open_door(state, keys_text, 0);
}

static int with_rate(void **state)
{
	return open_door(state, NULL, 60);
}

static int with_both(void **state)
{
	return open_door(state, keys_text, 60);
}

static int teardown(void **state)
{
	struct door *d = *state;
	admission_free(d->f->api.c.admission);
	api_keys_free(d->keys);
	void *f = d->f;
	return fixture_teardown(&f);
}

static struct answer post(
    struct door *d, const char *peer, const char *key, const char *forwarded, const char *body)
{
	struct answer a;
	char header[128];
	fake_exchange_init(&a.x, HTTP_POST, "/v1/sessions", body);
	a.x.request.peer_address = peer;
	snprintf(header, sizeof(header), "Bearer %s", key != NULL ? key : "");
	if (key != NULL)
		fake_exchange_header(&a.x, "Authorization", header);
	if (forwarded != NULL)
		fake_exchange_header(&a.x, "X-Forwarded-For", forwarded);
	answer_of(d->f, &a);
	return a;
}

static void assert_created(struct answer a)
{
	if (a.x.status != 201)
		fail_msg("%d: %s", a.x.status, a.x.body);
	over(&a);
}

static void assert_limited(struct answer a, const char *type, const char *retry_after)
{
	assert_problem(&a, 429, type);
	assert_string_equal(fake_field(&a.x, "Retry-After"), retry_after);
	over(&a);
}

static uint64_t counted(struct door *d, enum admission_verdict v)
{
	uint64_t n[ADMISSION_VERDICTS];
	admission_count(d->f->api.c.admission, n);
	return n[v];
}

/* -- keys -- */

static void a_key_is_needed(void **state)
{
	struct door *d = *state;
	struct answer a = post(d, "127.0.0.1", NULL, NULL, BODY);
	assert_problem(&a, 401, "key-missing");
	assert_string_equal(fake_field(&a.x, "WWW-Authenticate"), "Bearer realm=\"warmcast\"");
	over(&a);
	a = post(d, "127.0.0.1", "shop-key-0123456788", NULL, BODY);
	assert_problem(&a, 401, "key-unknown");
	assert_string_equal(
	    fake_field(&a.x, "WWW-Authenticate"), "Bearer realm=\"warmcast\", error=\"invalid_token\"");
	over(&a);
	assert_created(post(d, "127.0.0.1", PLAIN, NULL, BODY));
	assert_int_equal(counted(d, ADMISSION_NO_KEY), 1);
	assert_int_equal(counted(d, ADMISSION_UNKNOWN_KEY), 1);
	assert_int_equal(counted(d, ADMITTED), 1);
}

/* Who has no key learns nothing of what is there, nor of what a body may hold. */
static void the_key_comes_first(void **state)
{
	struct door *d = *state;
	static const char *const bodies[] = { "", "{", "{\"content\":\"nobody-has-this\"}" };
	for (size_t i = 0; i < 3; i++) {
		struct answer a = post(d, "127.0.0.1", NULL, NULL, bodies[i]);
		assert_problem(&a, 401, "key-missing");
		over(&a);
	}
}

static void a_session_needs_no_key_once_it_is_there(void **state)
{
	struct door *d = *state;
	struct answer a = post(d, "127.0.0.1", PLAIN, NULL, BODY);
	static const struct {
		enum http_method method;
		const char *verb;
		int status;
	} asked[] = { { HTTP_GET, "", 200 }, { HTTP_POST, "/heartbeat", 200 }, { HTTP_DELETE, "", 204 } };
	for (size_t i = 0; i < 3; i++) {
		struct answer b = ask_session(d->f, asked[i].method, member(&a, "session"), asked[i].verb);
		assert_int_equal(b.x.status, asked[i].status);
		over(&b);
	}
	over(&a);
}

static void a_key_opens_its_prefixes(void **state)
{
	struct door *d = *state;
	assert_created(post(d, "127.0.0.1", LIVE, NULL, "{\"content\":\"lv1234\"}"));
	assert_created(post(d, "127.0.0.1", LIVE, NULL, "{\"content\":\"lv1\",\"prefixes\":[\"lv1ads\"]}"));
	static const char *const bodies[] = { "{\"content\":\"lv2\"}", "{\"content\":\"nobody-has-this\"}",
		"{\"content\":\"lv1\",\"prefixes\":[\"lv1ads\",\"lvads\"]}" };
	for (size_t i = 0; i < 3; i++) {
		struct answer a = post(d, "127.0.0.1", LIVE, NULL, bodies[i]);
		assert_problem(&a, 403, "key-scope");
		over(&a);
	}
	assert_int_equal(counted(d, ADMISSION_PREFIX), 3);
}

static void a_key_has_a_rate(void **state)
{
	struct door *d = *state;
	assert_created(post(d, "127.0.0.1", SHOP, NULL, BODY));
	assert_created(post(d, "127.0.0.2", SHOP, NULL, BODY));
	assert_limited(post(d, "127.0.0.3", SHOP, NULL, BODY), "key-rate", "1");
	assert_created(post(d, "127.0.0.3", PLAIN, NULL, BODY));
	fixture_mono_ms += 999;
	assert_limited(post(d, "127.0.0.1", SHOP, NULL, BODY), "key-rate", "1");
	fixture_mono_ms += 1;
	assert_created(post(d, "127.0.0.1", SHOP, NULL, BODY));
	assert_int_equal(counted(d, ADMISSION_KEY_RATE), 2);
}

/* What was used up before a reload is used up after it. */
static void keys_change_while_it_runs(void **state)
{
	struct door *d = *state;
	assert_created(post(d, "127.0.0.1", SHOP, NULL, BODY));
	assert_created(post(d, "127.0.0.1", SHOP, NULL, BODY));
	struct api_keys *next = parse_keys("shop:another-key-01234567 rate=60/m burst=2\n");
	admission_set_keys(d->f->api.c.admission, next);
	api_keys_free(d->keys);
	d->keys = next;
	struct answer a = post(d, "127.0.0.1", SHOP, NULL, BODY);
	assert_problem(&a, 401, "key-unknown");
	over(&a);
	assert_limited(post(d, "127.0.0.1", "another-key-01234567", NULL, BODY), "key-rate", "1");
}

/* -- addresses -- */

static void an_address_has_a_rate(void **state)
{
	struct door *d = *state;
	for (int i = 0; i < 3; i++)
		assert_created(post(d, "203.0.113.1", NULL, NULL, BODY));
	assert_limited(post(d, "203.0.113.1", NULL, NULL, BODY), "client-rate", "1");
	assert_limited(post(d, "203.0.113.1", NULL, "1.2.3.4", BODY), "client-rate", "1");
	assert_limited(post(d, "203.0.113.1", NULL, NULL, "{\"content\":\"lv1\",\"client_address\":\"1.2.3.4\"}"),
	    "client-rate", "1");
	assert_created(post(d, "203.0.113.2", NULL, NULL, BODY));
	/* One customer's IPv6. */
	for (int i = 0; i < 3; i++) {
		char peer[32];
		snprintf(peer, sizeof(peer), "2001:db8::%d", i);
		assert_created(post(d, peer, NULL, NULL, BODY));
	}
	assert_limited(post(d, "2001:db8::ffff:9", NULL, NULL, BODY), "client-rate", "1");
	fixture_mono_ms += 1000;
	assert_created(post(d, "203.0.113.1", NULL, NULL, BODY));
	assert_int_equal(counted(d, ADMISSION_CLIENT_RATE), 4);
}

static void what_a_stranger_says_of_his_address_is_not_looked_at(void **state)
{
	struct door *d = *state;
	assert_created(
	    post(d, "203.0.113.1", NULL, NULL, "{\"content\":\"lv1\",\"client_address\":\"nonsense\"}"));
}

static void behind_a_proxy_each_client_counts(void **state)
{
	struct door *d = *state;
	for (int i = 0; i < 3; i++)
		assert_created(post(d, "10.0.0.1", NULL, "203.0.113.1", BODY));
	assert_limited(post(d, "10.0.0.1", NULL, "6.6.6.6, 203.0.113.1", BODY), "client-rate", "1");
	assert_limited(post(d, "203.0.113.1", NULL, NULL, BODY), "client-rate", "1");
	assert_created(post(d, "10.0.0.1", NULL, "203.0.113.2", BODY));
	/* Its body is believed too, and goes before the header. */
	static const char body[] = "{\"content\":\"lv1\",\"client_address\":\"203.0.113.9\"}";
	for (int i = 0; i < 3; i++)
		assert_created(post(d, "10.0.0.1", NULL, "203.0.113.1", body));
	assert_limited(post(d, "10.0.0.1", NULL, NULL, body), "client-rate", "1");
	struct answer a =
	    post(d, "10.0.0.1", NULL, NULL, "{\"content\":\"lv1\",\"client_address\":\"nonsense\"}");
	assert_problem(&a, 400, "malformed");
	over(&a);
}

static void who_has_a_key_is_believed(void **state)
{
	struct door *d = *state;
	for (int i = 0; i < 3; i++)
		assert_created(
		    post(d, "203.0.113.1", PLAIN, NULL, "{\"content\":\"lv1\",\"client_address\":\"203.0.113.9\"}"));
	assert_limited(
	    post(d, "203.0.113.1", PLAIN, NULL, "{\"content\":\"lv1\",\"client_address\":\"203.0.113.9\"}"),
	    "client-rate", "1");
	/* Its header is a proxy's to write. */
	for (int i = 0; i < 3; i++)
		assert_created(post(d, "203.0.113.1", PLAIN, "203.0.113.9", BODY));
	assert_limited(post(d, "203.0.113.1", PLAIN, NULL, BODY), "client-rate", "1");
}

/* What the key's rate refuses is not counted against the address. */
static void a_refusal_costs_once(void **state)
{
	struct door *d = *state;
	for (int i = 0; i < 2; i++)
		assert_created(post(d, "203.0.113.1", SHOP, NULL, BODY));
	for (int i = 0; i < 9; i++)
		assert_limited(post(d, "203.0.113.1", SHOP, NULL, BODY), "key-rate", "1");
	assert_created(post(d, "203.0.113.1", PLAIN, NULL, BODY));
	assert_limited(post(d, "203.0.113.1", PLAIN, NULL, BODY), "client-rate", "1");
}

/* -- many workers -- */

enum { THREADS = 4, TRIES = 2000, BURST = 1000 };

struct asking {
	pthread_t thread;
	struct admission *admission;
	unsigned admitted;
};

static void *ask_often(void *arg)
{
	struct asking *w = arg;
	struct http_exchange x;
	fake_exchange_init(&x, HTTP_POST, "/v1/sessions", BODY);
	fake_exchange_header(&x, "Authorization", "Bearer " PLAIN);
	for (int i = 0; i < TRIES; i++) {
		struct caller who;
		uint64_t wait_ms = 0;
		struct session_request r = { .content = BYTES_LIT("lv1") };
		w->admitted += admission_caller(w->admission, &x.request, &who, &wait_ms) == ADMITTED &&
		               admission_session(w->admission, &who, &r, &wait_ms) == ADMITTED;
	}
	fake_exchange_fini(&x);
	return NULL;
}

static void all_workers_share_a_bucket(void **state)
{
	struct door *d = *state;
	struct asking w[THREADS] = { { .admitted = 0 } };
	struct api_keys *keys = parse_keys("plain:" PLAIN " rate=1/m burst=1000\n");
	admission_set_keys(d->f->api.c.admission, keys);
	for (int i = 0; i < THREADS; i++) {
		w[i].admission = d->f->api.c.admission;
		assert_int_equal(pthread_create(&w[i].thread, NULL, ask_often, &w[i]), 0);
	}
	/* Meanwhile the keys are read again, time and again. */
	for (int i = 0; i < 50; i++) {
		struct api_keys *next = parse_keys("plain:" PLAIN " rate=1/m burst=1000\n");
		admission_set_keys(d->f->api.c.admission, next);
		api_keys_free(keys);
		keys = next;
	}
	unsigned admitted = 0;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		admitted += w[i].admitted;
	}
	assert_int_equal(admitted, BURST);
	admission_set_keys(d->f->api.c.admission, d->keys);
	api_keys_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_is_needed, with_keys, teardown),
		cmocka_unit_test_setup_teardown(the_key_comes_first, with_keys, teardown),
		cmocka_unit_test_setup_teardown(a_session_needs_no_key_once_it_is_there, with_keys, teardown),
		cmocka_unit_test_setup_teardown(a_key_opens_its_prefixes, with_keys, teardown),
		cmocka_unit_test_setup_teardown(a_key_has_a_rate, with_keys, teardown),
		cmocka_unit_test_setup_teardown(keys_change_while_it_runs, with_keys, teardown),
		cmocka_unit_test_setup_teardown(an_address_has_a_rate, with_rate, teardown),
		cmocka_unit_test_setup_teardown(
		    what_a_stranger_says_of_his_address_is_not_looked_at, with_rate, teardown),
		cmocka_unit_test_setup_teardown(behind_a_proxy_each_client_counts, with_rate, teardown),
		cmocka_unit_test_setup_teardown(who_has_a_key_is_believed, with_both, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_costs_once, with_both, teardown),
		cmocka_unit_test_setup_teardown(all_workers_share_a_bucket, with_keys, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
