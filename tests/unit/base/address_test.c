#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void parses_hosts_and_ports(void **state)
{
	(void)state;
	struct address a;
	assert_int_equal(address_parse(BYTES_LIT("127.0.0.3:8080"), &a), OK);
	assert_true(a.kind == ADDRESS_IPV4 && a.port == 8080 && bytes_eq(a.host, BYTES_LIT("127.0.0.3")));
	assert_memory_equal(a.ip, "\x7f\0\0\3", 4);
	assert_int_equal(address_parse(BYTES_LIT("[2001:db8::1]:65535"), &a), OK);
	assert_true(a.kind == ADDRESS_IPV6 && a.port == 65535 && bytes_eq(a.host, BYTES_LIT("2001:db8::1")));
	assert_int_equal(address_parse(BYTES_LIT("node-1.example:1"), &a), OK);
	assert_true(a.kind == ADDRESS_NAME && bytes_eq(a.host, BYTES_LIT("node-1.example")));
	assert_int_equal(address_parse(BYTES_LIT("127.0.0.1:0"), &a), OK);
	assert_int_equal(a.port, 0);
}

static void refuses_what_cannot_be_dialled(void **state)
{
	(void)state;
	static const char *const bad[] = { "", ":", ":80", "a", "a:", "a:65536", "a:080", "a:8o", "a:80 ",
		" a:80", "1.2.3:80", "300.1.1.1:80", "1.2.3.04:80", "::1:80", "[::1]", "[::1]80", "[::1:80", "[]:80",
		"[1.2.3.4]:80", "[fe80::1%eth0]:80", "a..b:80", "-a:80", "a-:80", "a/b:80", "http://a:80",
		"\xc3\xa9:80" };
	struct address a, before;
	memset(&a, 0x5a, sizeof(a));
	before = a;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (address_parse(bytes_str(bad[i]), &a) != ERR_INVALID)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(address_parse(BYTES_LIT("127.0.0.1\0:80"), &a), ERR_INVALID);
	assert_memory_equal(&a, &before, sizeof(a));
	char name[300];
	memset(name, 'a', sizeof(name));
	memcpy(name + 64, ":80", 3);
	assert_int_equal(address_parse(bytes_of(name, 67), &a), ERR_INVALID);
	assert_int_equal(address_parse(bytes_of(name + 1, 66), &a), OK);
}

static void knows_loopback_and_any(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool loopback, any;
	} cases[] = { { "127.0.0.1:1", true, false }, { "127.255.1.2:1", true, false },
		{ "[::1]:1", true, false }, { "localhost:1", true, false }, { "128.0.0.1:1", false, false },
		{ "0.0.0.0:1", false, true }, { "[::]:1", false, true }, { "[::2]:1", false, false },
		{ "a:1", false, false } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address a;
		assert_int_equal(address_parse(bytes_str(cases[i].text), &a), OK);
		assert_int_equal(address_is_loopback(&a), cases[i].loopback);
		assert_int_equal(address_is_any(&a), cases[i].any);
	}
}

static bool has(const char *network, const char *address)
{
	struct address_network n;
	struct address a;
	assert_int_equal(address_network_parse(bytes_str(network), &n), OK);
	assert_int_equal(address_parse(bytes_str(address), &a), OK);
	return address_network_has(&n, a.kind == ADDRESS_IPV6, a.ip);
}

static void networks_hold_addresses(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.0.1:1"));
	assert_false(has("10.0.0.0/8", "11.0.0.1:1"));
	assert_true(has("10.1.2.3", "10.1.2.3:1"));
	assert_false(has("10.1.2.3", "10.1.2.2:1"));
	assert_true(has("10.0.0.128/25", "10.0.0.129:1"));
	assert_false(has("10.0.0.128/25", "10.0.0.127:1"));
	assert_true(has("0.0.0.0/0", "9.9.9.9:1"));
	assert_true(has("2001:db8::/33", "[2001:db8:7fff::1]:1"));
	assert_false(has("2001:db8::/33", "[2001:db8:8000::1]:1"));
	/* What an IPv6 socket tells of an IPv4 client. */
	assert_true(has("10.0.0.0/8", "[::ffff:10.1.1.1]:1"));
	assert_false(has("10.0.0.0/8", "[::10.1.1.1]:1"));
	assert_false(has("::/0", "10.1.1.1:1"));
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8",
		"10.0.0.0/08" };
	struct address_network n;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(address_network_parse(bytes_str(bad[i]), &n), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_hosts_and_ports),
		cmocka_unit_test(refuses_what_cannot_be_dialled),
		cmocka_unit_test(knows_loopback_and_any),
		cmocka_unit_test(networks_hold_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
