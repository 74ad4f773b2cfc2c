#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

/* inet_pton of a slice. */
static bool ip_parse(int family, struct bytes text, uint8_t *ip)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, 0, text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return inet_pton(family, copy, ip) == 1;
}

static bool label_ok(struct bytes label)
{
	if (label.n == 0 || label.n > LABEL_MAX_BYTES || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		uint8_t c = label.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* A last label of digits only would be a mistyped IPv4 address. */
static bool name_ok(struct bytes name)
{
	if (name.n > NAME_MAX_BYTES)
		return false;
	for (;;) {
		size_t dot = bytes_index(name, '.');
		struct bytes label = bytes_head(name, dot);
		if (!label_ok(label))
			return false;
		if (dot == name.n) {
			size_t digits = 0;
			while (digits < label.n && label.p[digits] >= '0' && label.p[digits] <= '9')
				digits++;
			return digits < label.n;
		}
		name = bytes_from(name, dot + 1);
	}
}

enum err address_parse(struct bytes text, struct address *out)
{
	struct address a = { .kind = ADDRESS_NAME };
	bool bracket = text.n > 0 && text.p[0] == '[';
	size_t end = bytes_index(text, bracket ? ']' : ':');
	size_t colon = bracket ? end + 1 : end;
	if (colon >= text.n || text.p[colon] != ':')
		return ERR_INVALID;
	a.host = bracket ? bytes_of(text.p + 1, end - 1) : bytes_head(text, end);
	uint64_t port;
	if (text_u64(bytes_from(text, colon + 1), UINT16_MAX, &port) != OK)
		return ERR_INVALID;
	a.port = (uint16_t)port;
	if (bracket) {
		a.kind = ADDRESS_IPV6;
		if (!ip_parse(AF_INET6, a.host, a.ip))
			return ERR_INVALID;
	} else if (ip_parse(AF_INET, a.host, a.ip)) {
		a.kind = ADDRESS_IPV4;
	} else if (!name_ok(a.host)) {
		return ERR_INVALID;
	}
	*out = a;
	return OK;
}

bool address_is_loopback(const struct address *a)
{
	static const uint8_t v6[16] = { [15] = 1 };
	switch (a->kind) {
	case ADDRESS_IPV4: return a->ip[0] == 127;
	case ADDRESS_IPV6: return memcmp(a->ip, v6, sizeof(v6)) == 0;
	case ADDRESS_NAME: return bytes_eq(a->host, BYTES_LIT("localhost"));
	}
	return false;
}

bool address_is_any(const struct address *a)
{
	static const uint8_t zero[16];
	return a->kind != ADDRESS_NAME && memcmp(a->ip, zero, a->kind == ADDRESS_IPV4 ? 4 : 16) == 0;
}

/* The first `bits` bits of a and b are equal. */
static bool prefix_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

enum err address_network_parse(struct bytes text, struct address_network *out)
{
	struct address_network n = { 0 };
	size_t slash = bytes_index(text, '/');
	struct bytes ip = bytes_head(text, slash);
	n.v6 = bytes_index(ip, ':') < ip.n;
	if (!ip_parse(n.v6 ? AF_INET6 : AF_INET, ip, n.ip))
		return ERR_INVALID;
	uint64_t bits = n.v6 ? 128 : 32;
	if (slash < text.n && text_u64(bytes_from(text, slash + 1), bits, &bits) != OK)
		return ERR_INVALID;
	n.prefix_bits = (uint8_t)bits;
	*out = n;
	return OK;
}

bool address_network_has(const struct address_network *n, bool v6, const uint8_t *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (v6 && !n->v6 && memcmp(ip, mapped, sizeof(mapped)) == 0)
		return prefix_eq(n->ip, ip + sizeof(mapped), n->prefix_bits);
	return v6 == n->v6 && prefix_eq(n->ip, ip, n->prefix_bits);
}
