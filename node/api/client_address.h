/* Whose request it is: the address at the other end of the connection or, where that is a trusted proxy, the
 * one that it says in X-Forwarded-For.
 *
 * Pure. X-Forwarded-For is read from the right, since each proxy adds whom it heard at the end: the first
 * address that is no trusted proxy's is the client's, and what stands left of it anybody could have written.
 * An entry that is no address ends the reading; the last one believed stays.
 */
#ifndef NODE_API_CLIENT_ADDRESS_H
#define NODE_API_CLIENT_ADDRESS_H

#include "base/address.h"
#include "node/config.h"
#include "node/http/http.h"

/* An IPv4-mapped IPv6 address is the IPv4 address it maps. */
struct client_address {
	bool v6;
	uint8_t ip[16]; /* 4 or 16 bytes, the rest 0 */
};

struct client_trust {
	struct address_network proxies[CONFIG_LIST_MAX];
	size_t n;
};

/* Of texts that were checked when the configuration was read. */
void client_trust_init(struct client_trust *t, const struct config_strings *proxies);
bool client_is_trusted(const struct client_trust *t, const struct client_address *a);

/* An IP address; with a port too (1.2.3.4:5, [::1]:5), as some proxies write it. False when it is none. */
bool client_address_parse(struct bytes text, struct client_address *out);
/* Of the request; *by_proxy: its peer is a trusted one. 0.0.0.0 when the peer has no IP address. */
void client_address_of(
    const struct http_request *r, const struct client_trust *t, struct client_address *out, bool *by_proxy);
/* What is counted as one client: an IPv4 address, or a /64 of IPv6, which one customer has to himself. */
enum { CLIENT_NAME_BYTES = 9 };
void client_name(const struct client_address *a, uint8_t out[CLIENT_NAME_BYTES]);

#endif
