#include "rpc/address.h"

#include "rpc_test.h"

static void good(void **state)
{
	(void)state;
	static const struct {
		const char *address, *host;
		unsigned port;
	} table[] = {
		{ "127.0.0.1:7000", "127.0.0.1", 7000 },
		{ "delivery-1.example:1", "delivery-1.example", 1 },
		{ "[::1]:65535", "[::1]", 65535 },
		{ "[fe80::1%eth0]:80", "[fe80::1%eth0]", 80 },
		{ "0.0.0.0:0", "0.0.0.0", 0 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bytes host;
		unsigned port;
		assert_int_equal(address_split(bytes_str(table[i].address), &host, &port), OK);
		assert_bytes_equal(host, bytes_str(table[i].host));
		assert_int_equal(port, table[i].port);
	}
}

static void bad(void **state)
{
	(void)state;
	static const char *const table[] = { "", ":", ":7000", "host", "host:", "host:x", "host:07", "host:65536",
		"a b:1", "::1:80", "[]:80", "[::1:80", "http://host:80", "user@host:80", "host/:80", "h\xc3\xa4:1",
		"[::g h]:1" };
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bytes host = BYTES_LIT("kept");
		unsigned port = 1;
		if (address_split(bytes_str(table[i]), &host, &port) == OK)
			fail_msg("%s", table[i]);
		assert_bytes_equal(host, BYTES_LIT("kept"));
	}
	char longest[RPC_ADDRESS_MAX + 2];
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - 3, ":1", 3);
	struct bytes host;
	unsigned port;
	assert_int_equal(address_split(bytes_of(longest, RPC_ADDRESS_MAX + 1), &host, &port), ERR_TOO_BIG);
	assert_int_equal(address_split(bytes_of(longest + 1, RPC_ADDRESS_MAX), &host, &port), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
