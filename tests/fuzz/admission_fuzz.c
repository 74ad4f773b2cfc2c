/* What is said of who asks; the first byte says where: in the file of keys, in Authorization, in
 * X-Forwarded-For, or in client_address. */
#include "base/check.h"
#include "node/api/api_keys.h"
#include "node/api/client_address.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void parse_keys(struct bytes text)
{
	static const uint8_t secret[API_KEY_DIGEST_BYTES] = { 1 };
	struct api_keys *k = NULL;
	struct api_keys_fault fault = { SIZE_MAX, NULL };
	if (api_keys_parse(text, secret, &k, &fault) == OK) {
		CHECK(api_keys_n(k) > 0 && api_keys_n(k) <= API_KEYS_MAX);
		struct api_key key;
		if (api_keys_find(k, text, &key))
			CHECK(key.burst > 0 && strlen(key.name) > 0 && api_key_opens(&key, bytes_str(key.prefixes)));
	} else {
		CHECK(k == NULL && fault.what != NULL && fault.line <= text.n + 1);
	}
	api_keys_free(k);
}

static void parse_header(struct bytes text)
{
	struct bytes key = api_key_of_header(text);
	CHECK(key.n == 0 || (key.p > text.p && key.p + key.n <= text.p + text.n));
	CHECK(memchr(key.n > 0 ? key.p : text.p, ' ', key.n) == NULL);
}

static void find_client(struct bytes text)
{
	static const struct config_strings proxies = { { "10.0.0.0/8", "::1" }, 2 };
	const struct http_header header = { BYTES_LIT("X-Forwarded-For"), text };
	struct http_request r = { .headers = &header, .headers_n = 1, .peer_address = "10.1.1.1" };
	struct client_trust trust;
	struct client_address a;
	uint8_t name[CLIENT_NAME_BYTES];
	bool by_proxy;
	client_trust_init(&trust, &proxies);
	client_address_of(&r, &trust, &a, &by_proxy);
	CHECK(by_proxy);
	client_name(&a, name);
	r.peer_address = "192.0.2.1"; /* whose header nobody believes */
	client_address_of(&r, &trust, &a, &by_proxy);
	CHECK(!by_proxy && !a.v6 && memcmp(a.ip, (const uint8_t[]){ 192, 0, 2, 1 }, 4) == 0);
}

static void parse_address(struct bytes text)
{
	static const uint8_t zero[16];
	struct client_address a = { .v6 = false };
	if (client_address_parse(text, &a) && !a.v6)
		CHECK(memcmp(a.ip + 4, zero, 12) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes rest = bytes_of(data + (n > 0), n - (n > 0));
	switch (n > 0 ? data[0] : 0) {
	case 'k': parse_keys(rest); break;
	case 'h': parse_header(rest); break;
	case 'f': find_client(rest); break;
	case 'a': parse_address(rest); break;
	default: break;
	}
	return 0;
}
