/* Addresses as text: HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets, or a DNS
 * name; and networks in CIDR form. Nothing is resolved. Pure, without state.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/bytes.h"

enum address_kind { ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_NAME };

struct address {
	enum address_kind kind;
	struct bytes host; /* a slice of the text, without brackets */
	uint8_t ip[16];    /* network order; 4 bytes of IPv4, 16 of IPv6, none of a name */
	uint16_t port;     /* 0: any free one, to listen on only */
};

/* ERR_INVALID when it is not of that form: leading zeros and all-digit names included. */
MUST_USE enum err address_parse(struct bytes text, struct address *out);
/* 127.0.0.0/8, ::1, or the name localhost. */
bool address_is_loopback(const struct address *a);
/* 0.0.0.0 or ::, which can be listened on but not dialled. */
bool address_is_any(const struct address *a);

/* An IP address, or one with a prefix length: 10.0.0.0/8, 2001:db8::/32. */
struct address_network {
	bool v6;
	uint8_t ip[16];
	uint8_t prefix_bits;
};
MUST_USE enum err address_network_parse(struct bytes text, struct address_network *out);
/* `ip` has 4 or 16 bytes (v6). An IPv4-mapped IPv6 address is the IPv4 address it maps. */
bool address_network_has(const struct address_network *n, bool v6, const uint8_t *ip);

#endif
