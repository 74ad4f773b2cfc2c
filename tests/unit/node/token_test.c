#include "node/token.h"

#include "base/prng.h"
#include "base/text.h"
#include "node/proto/token.pb-c.h"

#include <setjmp.h>
#include <sodium/crypto_generichash.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY_1 "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_2 "spare-2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

struct fixture {
	struct arena arena;
	struct token_keys keys;
};

static int setup(void **state)
{
	static struct fixture f;
	size_t bad_line;
	arena_init(&f.arena, 1 << 20);
	assert_int_equal(token_keys_parse(BYTES_LIT(KEY_1 "\n" KEY_2 "\n"), &f.keys, &bad_line), OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	arena_fini(&f->arena);
	token_keys_fini(&f->keys);
	return 0;
}

static struct token sample(void)
{
	struct token t = {
		.kind = TOKEN_PLAYBACK,
		.origin = BYTES_LIT("main"),
		.content = BYTES_LIT("lv1234567"),
		.prefixes = { BYTES_LIT("common/audio"), BYTES_LIT("ads/slate.ts") },
		.prefixes_n = 2,
		.node_incarnation = 7,
		.issued_at_s = 1700000000,
		.start_by_s = 1700000030,
		.renew_after_s = 1700021600,
		.not_after_s = 1702592000,
		.client = BYTES_LIT("tv-42"),
	};
	for (unsigned i = 0; i < 16; i++) {
		t.session[i] = (uint8_t)i;
		t.issued_by.b[i] = (uint8_t)(0xa0 + i);
		t.node.b[i] = (uint8_t)(0xd0 + i);
	}
	return t;
}

static struct bytes sign(struct fixture *f, const struct token *t)
{
	struct bytes text;
	assert_int_equal(token_sign(&f->keys, t, &f->arena, &text), OK);
	return text;
}

static void assert_bytes(struct bytes a, struct bytes b)
{
	assert_int_equal(a.n, b.n);
	if (a.n > 0)
		assert_memory_equal(a.p, b.p, a.n);
}

static void assert_same(const struct token *a, const struct token *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(a->session, b->session, TOKEN_SESSION_BYTES);
	assert_bytes(a->origin, b->origin);
	assert_bytes(a->content, b->content);
	assert_int_equal(a->prefixes_n, b->prefixes_n);
	for (size_t i = 0; i < a->prefixes_n; i++)
		assert_bytes(a->prefixes[i], b->prefixes[i]);
	assert_true(node_id_eq(&a->issued_by, &b->issued_by));
	assert_true(node_id_eq(&a->node, &b->node));
	assert_int_equal(a->node_incarnation, b->node_incarnation);
	assert_int_equal(a->lease_batch, b->lease_batch);
	assert_int_equal(a->lease_index, b->lease_index);
	assert_int_equal(a->kbps, b->kbps);
	assert_int_equal(a->issued_at_s, b->issued_at_s);
	assert_int_equal(a->start_by_s, b->start_by_s);
	assert_int_equal(a->renew_after_s, b->renew_after_s);
	assert_int_equal(a->not_after_s, b->not_after_s);
	assert_bytes(a->client, b->client);
}

static enum err verify(struct fixture *f, struct bytes text, enum token_kind kind)
{
	struct token t;
	return token_verify(&f->keys, text, kind, &f->arena, &t);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	for (enum token_kind kind = TOKEN_PLAYBACK; kind <= TOKEN_SESSION; kind++) {
		struct token t = sample(), back;
		t.kind = kind;
		t.lease_batch = 9;
		t.lease_index = 4095;
		t.kbps = 4500;
		struct bytes text = sign(f, &t);
		assert_int_equal(token_verify(&f->keys, text, kind, &f->arena, &back), OK);
		assert_same(&t, &back);
	}
	/* The least that a token can say. */
	struct token t = { .kind = TOKEN_SESSION,
		.origin = BYTES_LIT("m"),
		.content = BYTES_LIT("c"),
		.not_after_s = 1 },
	             back;
	assert_int_equal(token_verify(&f->keys, sign(f, &t), TOKEN_SESSION, &f->arena, &back), OK);
	assert_same(&t, &back);
}

/* Made once by another implementation (Python's hashlib and a protobuf written by hand): tokens in
 * players' hands must verify after an upgrade. */
static const char golden_playback[] =
    "AgJrMRIQAAECAwQFBgcICQoLDA0ODxoEbWFpbiIJbHYxMjM0NTY3Kgxjb21tb24vYXVkaW8qDGFkcy9zbGF0ZS50czI"
    "QoKGio6SlpqeoqaqrrK2urzoQ0NHS09TV1tfY2drb3N3e30AHSIDiz6oGUJ7iz6oGWOCK0aoGYID87asGagV0di00Mt"
    "bG5QRNum7Wm6P9apUEaho";
static const char golden_session[] =
    "AgJrMRIQAAECAwQFBgcICQoLDA0ODxoEbWFpbiIJbHYxMjM0NTY3Kgxjb21tb24vYXVkaW8qDGFkcy9zbGF0ZS50czI"
    "QoKGio6SlpqeoqaqrrK2urzoQ0NHS09TV1tfY2drb3N3e30AHSIDiz6oGUJ7iz6oGWOCK0aoGYID87asGagV0di00Mu"
    "P0Pv7YgPmD7l_RGkLDYMM";
static const char golden_peer[] =
    "AgJrMRIQAAECAwQFBgcICQoLDA0ODxoEbWFpbiIJbHYxMjM0NTY3Kgxjb21tb24vYXVkaW8qDGFkcy9zbGF0ZS50czI"
    "QoKGio6SlpqeoqaqrrK2urzoQ0NHS09TV1tfY2drb3N3e30AHSIDiz6oGUJ7iz6oGWOCK0aoGYID87asGagV0di00Mg"
    "oCQGhw1jPl8XLPqXTW7pE";

static void test_golden(void **state)
{
	struct fixture *f = *state;
	struct token t = sample(), back;
	assert_bytes(sign(f, &t), bytes_str(golden_playback));
	assert_int_equal(
	    token_verify(&f->keys, bytes_str(golden_playback), TOKEN_PLAYBACK, &f->arena, &back), OK);
	assert_same(&t, &back);
	t.kind = TOKEN_SESSION;
	assert_bytes(sign(f, &t), bytes_str(golden_session));
	t.kind = TOKEN_PEER;
	assert_bytes(sign(f, &t), bytes_str(golden_peer));
}

/* Both tokens of a session say the same, and are what each alone would be. */
static void test_signs_a_session_in_one(void **state)
{
	struct fixture *f = *state;
	struct token t = sample(), back;
	struct bytes playback, session;
	/* Whatever of it stands in the last group of three bytes. */
	for (size_t n = 0; n < 6; n++) {
		t.client = bytes_head(BYTES_LIT("client"), n);
		t.kind = TOKEN_PEER;
		assert_int_equal(token_sign_session(&f->keys, &t, &f->arena, &playback, &session), OK);
		t.kind = TOKEN_PLAYBACK;
		assert_bytes(playback, sign(f, &t));
		t.kind = TOKEN_SESSION;
		assert_bytes(session, sign(f, &t));
		assert_int_equal(token_verify(&f->keys, session, TOKEN_SESSION, &f->arena, &back), OK);
		assert_same(&t, &back);
		assert_int_equal(verify(f, playback, TOKEN_SESSION), ERR_FORGED);
		assert_int_equal(verify(f, session, TOKEN_PLAYBACK), ERR_FORGED);
	}
	playback = session = BYTES_NONE;
	t.content = BYTES_NONE;
	assert_int_equal(token_sign_session(&f->keys, &t, &f->arena, &playback, &session), ERR_INVALID);
	struct arena tiny;
	arena_init(&tiny, 300);
	t = sample();
	assert_int_equal(token_sign_session(&f->keys, &t, &tiny, &playback, &session), ERR_NO_MEMORY);
	assert_true(playback.p == NULL && session.p == NULL);
	arena_fini(&tiny);
}

static struct bytes random_name(struct prng *r, uint8_t *out, size_t max)
{
	size_t n = 1 + prng_below(r, max);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)('a' + prng_below(r, 26));
	return bytes_of(out, n);
}

/* Of every length that a number can have, and 0. */
static uint64_t random_number(struct prng *r, unsigned bits)
{
	uint64_t n = prng_next(r) >> (64 - bits);
	return prng_chance(r, 250) ? 0 : n >> prng_below(r, bits);
}

/* protobuf-c reads what was packed by hand, and would have packed the same. */
static void test_packs_as_protobuf_does(void **state)
{
	struct fixture *f = *state;
	struct prng r;
	prng_init(&r, 4);
	for (int i = 0; i < 20000; i++) {
		uint8_t names[4 + TOKEN_PREFIXES_MAX][TOKEN_NAME_MAX], raw[768], again[1024];
		struct token t = sample(), back;
		t.kind = prng_chance(&r, 500) ? TOKEN_PLAYBACK : TOKEN_SESSION;
		t.origin = random_name(&r, names[0], prng_chance(&r, 100) ? TOKEN_ORIGIN_MAX : 8);
		t.content = random_name(&r, names[1], prng_chance(&r, 100) ? TOKEN_NAME_MAX : 16);
		t.client = prng_chance(&r, 300) ? random_name(&r, names[2], TOKEN_CLIENT_MAX) : BYTES_NONE;
		t.entry = prng_chance(&r, 300) ? random_name(&r, names[3], 140) : BYTES_NONE;
		t.prefixes_n = prng_below(&r, 3) == 0 ? prng_below(&r, TOKEN_PREFIXES_MAX + 1) : 0;
		for (size_t k = 0; k < t.prefixes_n; k++)
			t.prefixes[k] = random_name(&r, names[4 + k], 10);
		t.node_incarnation = random_number(&r, 64);
		t.lease_batch = (uint32_t)random_number(&r, 32);
		t.lease_index = (uint32_t)random_number(&r, 32);
		t.kbps = (uint32_t)random_number(&r, 32);
		t.issued_at_s = random_number(&r, 64);
		t.start_by_s = random_number(&r, 64);
		t.renew_after_s = random_number(&r, 64);
		t.not_after_s = random_number(&r, 64) | 1;
		struct bytes text;
		enum err e = token_sign(&f->keys, &t, &f->arena, &text);
		if (e == ERR_TOO_BIG)
			continue;
		assert_int_equal(e, OK);
		assert_int_equal(token_verify(&f->keys, text, t.kind, &f->arena, &back), OK);
		assert_same(&t, &back);
		size_t n = sizeof(raw);
		assert_int_equal(text_unbase64url(raw, &n, text), OK);
		Warmcast__Token *pb = warmcast__token__unpack(NULL, n - 4 - 16, raw + 4);
		assert_non_null(pb);
		assert_int_equal(warmcast__token__get_packed_size(pb), n - 4 - 16);
		assert_bytes(bytes_of(again, warmcast__token__pack(pb, again)), bytes_of(raw + 4, n - 4 - 16));
		warmcast__token__free_unpacked(pb, NULL);
		arena_reset(&f->arena);
	}
}

static void test_every_flipped_bit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct token t = sample();
	struct bytes text = sign(f, &t);
	uint8_t raw[768];
	size_t n = sizeof(raw);
	assert_int_equal(text_unbase64url(raw, &n, text), OK);
	for (size_t bit = 0; bit < n * 8; bit++) {
		char forged[TOKEN_TEXT_MAX];
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		text_base64url(forged, bytes_of(raw, n));
		enum err e = verify(f, bytes_of(forged, text.n), TOKEN_PLAYBACK);
		assert_int_not_equal(e, OK);
		/* The version and the key id's length come first; all the rest is a matter of signature. */
		if (bit >= 16)
			assert_int_equal(e, ERR_FORGED);
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		arena_reset(&f->arena);
		text = sign(f, &t);
	}
	assert_int_equal(verify(f, text, TOKEN_PLAYBACK), OK);
}

static void test_truncated_extended_and_misspelt_are_refused(void **state)
{
	struct fixture *f = *state;
	struct token t = sample();
	struct bytes text = sign(f, &t);
	for (size_t n = 0; n < text.n; n++)
		assert_int_not_equal(verify(f, bytes_head(text, n), TOKEN_PLAYBACK), OK);
	char longer[TOKEN_TEXT_MAX + 64];
	memcpy(longer, text.p, text.n);
	memset(longer + text.n, 'A', sizeof(longer) - text.n);
	for (size_t n = text.n + 1; n < sizeof(longer); n++)
		assert_int_not_equal(verify(f, bytes_of(longer, n), TOKEN_PLAYBACK), OK);
	longer[text.n] = '=';
	assert_int_equal(verify(f, bytes_of(longer, text.n + 1), TOKEN_PLAYBACK), ERR_INVALID);
	for (const char *c = "+/%. \n\x80"; *c != '\0'; c++) {
		memcpy(longer, text.p, text.n);
		longer[text.n / 2] = *c;
		assert_int_equal(verify(f, bytes_of(longer, text.n), TOKEN_PLAYBACK), ERR_INVALID);
	}
	assert_int_equal(verify(f, BYTES_NONE, TOKEN_PLAYBACK), ERR_INVALID);
}

static void test_another_version_is_told_apart(void **state)
{
	struct fixture *f = *state;
	uint8_t raw[64] = { 3, 2, 'k', '1' };
	char text[TOKEN_TEXT_MAX];
	text_base64url(text, bytes_of(raw, sizeof(raw)));
	assert_int_equal(verify(f, bytes_of(text, TEXT_BASE64URL_LEN(sizeof(raw))), TOKEN_PLAYBACK), ERR_VERSION);
}

static void test_kinds_do_not_stand_in_for_each_other(void **state)
{
	struct fixture *f = *state;
	struct token t = sample();
	struct bytes playback = sign(f, &t);
	t.kind = TOKEN_SESSION;
	struct bytes session = sign(f, &t);
	assert_int_equal(verify(f, playback, TOKEN_SESSION), ERR_FORGED);
	assert_int_equal(verify(f, session, TOKEN_PLAYBACK), ERR_FORGED);
	t.kind = TOKEN_PEER;
	struct bytes peer = sign(f, &t);
	assert_int_equal(verify(f, peer, TOKEN_PLAYBACK), ERR_FORGED);
	assert_int_equal(verify(f, peer, TOKEN_SESSION), ERR_FORGED);
	assert_int_equal(verify(f, playback, TOKEN_PEER), ERR_FORGED);
	assert_int_equal(verify(f, peer, TOKEN_PEER), OK);
}

static void test_failure_leaves_the_output_alone(void **state)
{
	struct fixture *f = *state;
	struct token t = sample(), out = sample();
	out.node_incarnation = 99;
	struct bytes text = sign(f, &t);
	assert_int_equal(token_verify(&f->keys, text, TOKEN_SESSION, &f->arena, &out), ERR_FORGED);
	assert_int_equal(out.node_incarnation, 99);
	struct arena tiny;
	arena_init(&tiny, 64);
	assert_int_equal(token_verify(&f->keys, text, TOKEN_PLAYBACK, &tiny, &out), ERR_NO_MEMORY);
	assert_int_equal(token_sign(&f->keys, &t, &tiny, &text), ERR_NO_MEMORY);
	arena_fini(&tiny);
	assert_int_equal(out.node_incarnation, 99);
}

static void test_keys_rotate(void **state)
{
	struct fixture *f = *state;
	struct token_keys rotated, without;
	size_t bad_line;
	assert_int_equal(token_keys_parse(BYTES_LIT(KEY_2 "\n" KEY_1), &rotated, &bad_line), OK);
	assert_int_equal(token_keys_parse(BYTES_LIT(KEY_2), &without, &bad_line), OK);
	struct token t = sample(), back;
	struct bytes old = sign(f, &t), fresh;
	assert_int_equal(token_sign(&rotated, &t, &f->arena, &fresh), OK);
	assert_false(bytes_eq(old, fresh));
	/* Old tokens verify while their key is listed, new ones on nodes that have not rotated yet. */
	assert_int_equal(token_verify(&rotated, old, TOKEN_PLAYBACK, &f->arena, &back), OK);
	assert_int_equal(token_verify(&f->keys, fresh, TOKEN_PLAYBACK, &f->arena, &back), OK);
	assert_int_equal(token_verify(&without, fresh, TOKEN_PLAYBACK, &f->arena, &back), OK);
	assert_int_equal(token_verify(&without, old, TOKEN_PLAYBACK, &f->arena, &back), ERR_FORGED);
	/* The same id with another secret. */
	struct token_keys liar;
	assert_int_equal(
	    token_keys_parse(BYTES_LIT("k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="), &liar, &bad_line), OK);
	assert_int_equal(token_verify(&liar, old, TOKEN_PLAYBACK, &f->arena, &back), ERR_FORGED);
}

static void test_key_files(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		size_t n, bad_line;
	} cases[] = {
		{ KEY_1, OK, 1, 0 },
		{ "# signs\r\n  " KEY_1 "\t\r\n\n" KEY_2 "\n", OK, 2, 0 },
		{ "", ERR_INVALID, 0, 0 },
		{ "# nothing\n\n", ERR_INVALID, 0, 0 },
		{ KEY_1 "\n\nnonsense\n", ERR_INVALID, 0, 3 },
		{ ":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ERR_INVALID, 0, 1 },
		{ "k 1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ERR_INVALID, 0, 1 },
		{ "seventeen-letters:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ERR_INVALID, 0, 1 },
		{ "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ERR_INVALID, 0, 1 },  /* no padding */
		{ "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", ERR_INVALID, 0, 1 }, /* stray bits */
		{ "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", ERR_INVALID, 0, 1 }, /* 31 bytes */
		{ "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", ERR_INVALID, 0, 1 }, /* 33 bytes */
		{ "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= x", ERR_INVALID, 0, 1 },
		{ "k1:__ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ERR_INVALID, 0, 1 }, /* URL alphabet */
		{ "k1:", ERR_INVALID, 0, 1 },
		{ KEY_1 "\n" KEY_1, ERR_EXISTS, 0, 2 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_keys keys = { .version = 77 };
		size_t bad_line = 0;
		assert_int_equal(token_keys_parse(bytes_str(cases[i].text), &keys, &bad_line), cases[i].err);
		assert_int_equal(bad_line, cases[i].bad_line);
		assert_int_equal(token_keys_version(&keys), cases[i].err == OK ? 0 : 77);
		assert_int_equal(token_keys_n(&keys), cases[i].err == OK ? cases[i].n : 0);
	}
}

static void test_key_file_bound(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 4096);
	struct token_keys keys;
	size_t bad_line;
	for (int i = 0; i < TOKEN_KEYS_MAX; i++)
		buf_printf(&text, "k%d:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", i);
	assert_int_equal(token_keys_parse(buf_bytes(&text), &keys, &bad_line), OK);
	assert_int_equal(token_keys_n(&keys), TOKEN_KEYS_MAX);
	buf_put_str(&text, KEY_2);
	assert_int_equal(token_keys_parse(buf_bytes(&text), &keys, &bad_line), ERR_TOO_BIG);
	assert_int_equal(bad_line, TOKEN_KEYS_MAX + 1);
	buf_fini(&text);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	static uint8_t letters[1024];
	memset(letters, 'x', sizeof(letters));
	struct bytes text;
	struct token t = sample();
#define REFUSED(expected, change)                                               \
	do {                                                                        \
		t = sample();                                                           \
		change;                                                                 \
		assert_int_equal(token_sign(&f->keys, &t, &f->arena, &text), expected); \
	} while (0)
	REFUSED(ERR_TOO_BIG, t.content = bytes_of(letters, TOKEN_NAME_MAX + 1));
	REFUSED(ERR_TOO_BIG, t.origin = bytes_of(letters, TOKEN_ORIGIN_MAX + 1));
	REFUSED(ERR_TOO_BIG, t.client = bytes_of(letters, TOKEN_CLIENT_MAX + 1));
	REFUSED(ERR_TOO_BIG, t.prefixes[1] = bytes_of(letters, TOKEN_NAME_MAX + 1));
	REFUSED(ERR_TOO_BIG, t.prefixes_n = TOKEN_PREFIXES_MAX + 1);
	REFUSED(ERR_INVALID, t.content = BYTES_NONE);
	REFUSED(ERR_INVALID, t.origin = BYTES_NONE);
	REFUSED(ERR_INVALID, t.not_after_s = 0);
	REFUSED(ERR_INVALID, t.kind = TOKEN_KINDS + 1);
	static const char *const bad_names[] = { "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "\xff",
		"" };
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
		REFUSED(ERR_INVALID, t.content = bytes_str(bad_names[i]));
		REFUSED(ERR_INVALID, t.prefixes[0] = bytes_str(bad_names[i]));
	}
	REFUSED(ERR_INVALID, t.content = bytes_of("a\0b", 3));
#undef REFUSED
	/* The longest names fit; with long prefixes the whole grows past what a path should carry. */
	t = sample();
	t.content = bytes_of(letters, TOKEN_NAME_MAX);
	t.origin = bytes_of(letters, TOKEN_ORIGIN_MAX);
	t.client = bytes_of(letters, TOKEN_CLIENT_MAX);
	text = sign(f, &t);
	assert_true(text.n <= TOKEN_TEXT_MAX);
	assert_int_equal(verify(f, text, TOKEN_PLAYBACK), OK);
	t.prefixes[0] = t.prefixes[1] = bytes_of(letters, TOKEN_NAME_MAX);
	assert_int_equal(token_sign(&f->keys, &t, &f->arena, &text), ERR_TOO_BIG);
	/* The most that fields within their limits can be. */
	t.prefixes_n = TOKEN_PREFIXES_MAX;
	for (size_t i = 0; i < TOKEN_PREFIXES_MAX; i++)
		t.prefixes[i] = t.content;
	t.entry = t.content;
	t.node_incarnation = t.issued_at_s = t.start_by_s = t.renew_after_s = t.not_after_s = UINT64_MAX;
	t.lease_batch = t.lease_index = t.kbps = UINT32_MAX;
	assert_int_equal(token_sign(&f->keys, &t, &f->arena, &text), ERR_TOO_BIG);
}

/* Signs any bytes, as a node of another version might: what is inside still must make sense. */
static struct bytes sign_raw(struct fixture *f, struct bytes pb)
{
	uint8_t raw[768] = { 2, 2, 'k', '1' };
	memcpy(raw + 4, pb.p, pb.n);
	uint8_t secret[TOKEN_KEY_BYTES], key[TOKEN_KEY_BYTES], macs[TOKEN_MACS_BYTES];
	static const char use[] = "warmcast token 2";
	for (uint8_t i = 0; i < sizeof(secret); i++)
		secret[i] = i; /* as KEY_1 */
	crypto_generichash(key, sizeof(key), (const uint8_t *)use, strlen(use), secret, sizeof(secret));
	crypto_generichash(macs, sizeof(macs), raw, 4 + pb.n, key, sizeof(key));
	memcpy(raw + 4 + pb.n, macs, TOKEN_MAC_BYTES);
	size_t n = TEXT_BASE64URL_LEN(4 + pb.n + 16);
	char *text = arena_alloc(&f->arena, n);
	assert_non_null(text);
	text_base64url(text, bytes_of(raw, 4 + pb.n + 16));
	return bytes_of(text, n);
}

static void test_signed_nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(verify(f, sign_raw(f, BYTES_LIT("\xff\xff\xff")), TOKEN_PLAYBACK), ERR_INVALID);
	assert_int_equal(verify(f, sign_raw(f, BYTES_LIT("")), TOKEN_PLAYBACK), ERR_INVALID);
	/* A good one survives an unknown field (V1), and not a short session id. */
	struct token t = sample();
	struct bytes text = sign(f, &t);
	uint8_t raw[800];
	size_t n = sizeof(raw);
	assert_int_equal(text_unbase64url(raw, &n, text), OK);
	size_t pb_n = n - 4 - 16;
	memcpy(raw + 4 + pb_n, "\xa2\x06\x03new", 6); /* field 100, bytes */
	assert_int_equal(verify(f, sign_raw(f, bytes_of(raw + 4, pb_n + 6)), TOKEN_PLAYBACK), OK);
	memcpy(raw + 4 + pb_n, "\x12\x03new", 5); /* field 2 once more: the last counts */
	assert_int_equal(verify(f, sign_raw(f, bytes_of(raw + 4, pb_n + 5)), TOKEN_PLAYBACK), ERR_INVALID);
	for (int i = 0; i < 7; i++) /* 9 prefixes */
		memcpy(raw + 4 + pb_n + (size_t)i * 3, "\x2a\x01p", 3);
	assert_int_equal(verify(f, sign_raw(f, bytes_of(raw + 4, pb_n + 21)), TOKEN_PLAYBACK), ERR_INVALID);
}

static void test_times(void **state)
{
	(void)state;
	struct token t = sample();
	assert_int_equal(token_check(&t, t.issued_at_s), OK);
	assert_int_equal(token_check(&t, t.not_after_s), OK);
	assert_int_equal(token_check(&t, t.not_after_s + 1), ERR_EXPIRED);
	assert_true(token_may_start(&t, t.start_by_s));
	assert_false(token_may_start(&t, t.start_by_s + 1));
	assert_false(token_wants_renewal(&t, t.renew_after_s));
	assert_true(token_wants_renewal(&t, t.renew_after_s + 1));
	t.start_by_s = t.renew_after_s = 0;
	assert_true(token_may_start(&t, t.not_after_s));
	assert_false(token_may_start(&t, t.not_after_s + 1));
	assert_false(token_wants_renewal(&t, t.not_after_s));
}

static void test_opens(void **state)
{
	(void)state;
	struct token t = sample();
	static const struct {
		const char *object;
		bool opens;
	} cases[] = {
		{ "lv1234567/master.m3u8", true },
		{ "lv1234567/video/1080/s1.m4s", true },
		{ "lv1234567", false },
		{ "lv1234567/", false },
		{ "lv12345678/master.m3u8", false },
		{ "lv123456/master.m3u8", false },
		{ "other/lv1234567/master.m3u8", false },
		{ "common/audio/a.m4s", true },
		{ "common/audio", true },
		{ "common/audio2/a.m4s", false },
		{ "common/a.m4s", false },
		{ "ads/slate.ts", true },
		{ "ads/slate.ts2", false },
		{ "ads/other.ts", false },
		{ "lv1234567/../secret/x", false },
		{ "lv1234567/./x", false },
		{ "lv1234567//x", false },
		{ "/lv1234567/x", false },
		{ "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(token_opens(&t, bytes_str(cases[i].object)), cases[i].opens);
	assert_false(token_opens(&t, bytes_of("lv1234567/a\0b", 13)));
	t.content = BYTES_LIT("vod/2026/film");
	assert_true(token_opens(&t, BYTES_LIT("vod/2026/film/a.ts")));
	assert_false(token_opens(&t, BYTES_LIT("vod/2026/a.ts")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signs_a_session_in_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packs_as_protobuf_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_flipped_bit_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated_extended_and_misspelt_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_version_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_do_not_stand_in_for_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_leaves_the_output_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_rotate, setup, teardown),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_key_file_bound),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signed_nonsense_is_refused, setup, teardown),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_opens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
