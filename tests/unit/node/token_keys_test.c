/* Keys of tokens that change under who reads them. */
#include "node/token.h"

#include "base/check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KEY_1 "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_2 "spare-2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define KEY_3 "k3:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="

enum { READERS = 3, SWAPS = 20000, TURNS = 5000 };

static struct token_keys keys_of(const char *text)
{
	struct token_keys keys;
	size_t bad_line;
	CHECK(token_keys_parse(bytes_str(text), &keys, &bad_line) == OK);
	return keys;
}

static struct token sample(void)
{
	struct token t = { .kind = TOKEN_PLAYBACK, .not_after_s = 1702592000, .node_incarnation = 1 };
	t.origin = BYTES_LIT("main");
	t.content = BYTES_LIT("vod/x");
	return t;
}

static struct bytes signed_by(const struct token_keys *keys, struct arena *a)
{
	struct token t = sample();
	struct bytes text;
	CHECK(token_sign(keys, &t, a, &text) == OK);
	return text;
}

static enum err verified(const struct token_keys *keys, struct bytes text, struct arena *a)
{
	struct token t;
	return token_verify(keys, text, TOKEN_PLAYBACK, a, &t);
}

static void what_is_taken_signs_and_verifies_at_once(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	struct token_keys keys = keys_of(KEY_1), both = keys_of(KEY_2 "\n" KEY_1), last = keys_of(KEY_2);
	struct token_key first;
	uint32_t version = token_keys_version(&keys);
	struct bytes old = signed_by(&keys, &a);

	token_keys_take(&keys, &both);
	assert_int_not_equal(token_keys_version(&keys), version);
	assert_int_equal(token_keys_n(&keys), 2);
	assert_true(token_keys_first(&keys, &first));
	assert_true(bytes_eq(key_id_bytes(&first.id), BYTES_LIT("spare-2")));
	struct bytes new = signed_by(&keys, &a);
	assert_false(bytes_eq(old, new));
	assert_int_equal(verified(&keys, old, &a), OK);
	assert_int_equal(verified(&keys, new, &a), OK);

	token_keys_take(&keys, &last);
	assert_int_equal(token_keys_n(&keys), 1);
	assert_int_equal(verified(&keys, old, &a), ERR_FORGED);
	assert_int_equal(verified(&keys, new, &a), OK);
	assert_false(token_keys_find(&keys, BYTES_LIT("k1"), &first));
	/* What was given stays its owner's. */
	assert_int_equal(token_keys_n(&both), 2);
	arena_fini(&a);
}

static bool has(const struct token_keys *keys, const void *what, size_t n)
{
	const uint8_t *p = (const uint8_t *)keys;
	for (size_t i = 0; i + n <= sizeof(*keys); i++)
		if (memcmp(p + i, what, n) == 0)
			return true;
	return false;
}

static void what_is_replaced_is_wiped(void **state)
{
	(void)state;
	struct token_keys keys = keys_of(KEY_1 "\n" KEY_3), next = keys_of(KEY_2);
	struct token_key former;
	assert_true(token_keys_find(&keys, BYTES_LIT("k3"), &former));
	/* The head of the state is alike for all keys: what follows is the key's block. */
	const uint8_t *secret = former.keyed + sizeof(former.keyed) / 4;
	assert_true(has(&keys, secret, 24));
	token_keys_take(&keys, &next);
	assert_false(has(&keys, secret, 24));
	token_keys_fini(&keys);
	assert_int_equal(token_keys_n(&keys), 0);
	assert_false(token_keys_first(&keys, &former));
}

/* -- under readers -- */

struct running {
	struct token_keys keys;
	struct bytes by_first, by_second;
	_Atomic bool over;
	_Atomic unsigned turns;
};

/* KEY_2 is in each of the sets; what another key verified, or what is signed by it, depends on when. */
static void *read_on(void *arg)
{
	struct running *r = arg;
	struct arena a;
	arena_init(&a, 1 << 20);
	while (!atomic_load(&r->over)) {
		struct bytes text = signed_by(&r->keys, &a);
		CHECK(verified(&r->keys, r->by_second, &a) == OK);
		enum err e = verified(&r->keys, r->by_first, &a);
		CHECK(e == OK || e == ERR_FORGED);
		CHECK(bytes_eq(text, r->by_first) || bytes_eq(text, r->by_second));
		size_t n = token_keys_n(&r->keys);
		CHECK(n == 1 || n == 2);
		arena_reset(&a);
		atomic_fetch_add(&r->turns, 1);
	}
	arena_fini(&a);
	return NULL;
}

static void readers_meet_whole_keys_only(void **state)
{
	(void)state;
	static struct running r;
	struct arena a;
	arena_init(&a, 1 << 20);
	struct token_keys sets[] = { keys_of(KEY_1 "\n" KEY_2), keys_of(KEY_2 "\n" KEY_1), keys_of(KEY_2) };
	r.keys = sets[0];
	r.by_first = signed_by(&sets[0], &a);
	r.by_second = signed_by(&sets[2], &a);
	pthread_t readers[READERS];
	for (size_t i = 0; i < READERS; i++)
		CHECK(pthread_create(&readers[i], NULL, read_on, &r) == 0);
	for (size_t i = 0; i < SWAPS || atomic_load(&r.turns) < TURNS; i++)
		token_keys_take(&r.keys, &sets[i % 3]);
	atomic_store(&r.over, true);
	for (size_t i = 0; i < READERS; i++)
		CHECK(pthread_join(readers[i], NULL) == 0);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_signs_and_verifies_at_once),
		cmocka_unit_test(what_is_replaced_is_wiped),
		cmocka_unit_test(readers_meet_whole_keys_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
