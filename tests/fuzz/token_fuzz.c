/* Tokens: what a stranger sends, and, since the MAC stops nearly all of that, what lies behind it: the
 * same input is verified as it came, and as the protobuf of a token that is rightly signed.
 */
#include "node/token.h"

#include "base/check.h"
#include "base/text.h"

#include <sodium/crypto_generichash.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_good(const struct token_keys *keys, const struct token *t, struct arena *a)
{
	struct bytes again;
	struct token back;
	enum err e = token_sign(keys, t, a, &again);
	if (e == ERR_TOO_BIG) /* it carried less around it than what is signed anew may need */
		return;
	CHECK(e == OK);
	CHECK(token_verify(keys, again, t->kind, a, &back) == OK);
	CHECK(bytes_eq(back.content, t->content) && back.not_after_s == t->not_after_s);
	CHECK(!token_opens(t, t->content) || t->prefixes_n > 0);
}

static void verify_signed(const struct token_keys *keys, struct bytes pb, struct arena *a)
{
	uint8_t raw[768] = { 2, 2, 'k', '1' }, macs[TOKEN_MACS_BYTES];
	if (pb.n > sizeof(raw) - 4 - 16)
		return;
	if (pb.n > 0)
		memcpy(raw + 4, pb.p, pb.n);
	crypto_generichash_state state;
	struct token_key first;
	CHECK(token_keys_first(keys, &first));
	memcpy(&state, first.keyed, sizeof(state));
	crypto_generichash_update(&state, raw, 4 + pb.n);
	crypto_generichash_final(&state, macs, sizeof(macs));
	memcpy(raw + 4 + pb.n, macs, TOKEN_MAC_BYTES);
	char text[TOKEN_TEXT_MAX];
	size_t raw_n = 4 + pb.n + 16;
	text_base64url(text, bytes_of(raw, raw_n));
	struct token t;
	if (token_verify(keys, bytes_of(text, TEXT_BASE64URL_LEN(raw_n)), TOKEN_PLAYBACK, a, &t) == OK)
		check_good(keys, &t, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct token_keys keys;
	size_t bad_line;
	if (token_keys_n(&keys) == 0)
		CHECK(token_keys_parse(
		          BYTES_LIT("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &keys, &bad_line) == OK);
	struct arena a;
	arena_init(&a, 64 << 10);
	struct token t;
	if (token_verify(&keys, bytes_of(data, n), TOKEN_SESSION, &a, &t) == OK)
		check_good(&keys, &t, &a);
	verify_signed(&keys, bytes_of(data, n), &a);
	struct token_keys parsed;
	if (token_keys_parse(bytes_of(data, n), &parsed, &bad_line) == OK)
		token_keys_fini(&parsed);
	arena_fini(&a);
	return 0;
}
