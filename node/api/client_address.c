#include "node/api/client_address.h"

#include "base/check.h"

#include <string.h>

void client_trust_init(struct client_trust *t, const struct config_strings *proxies)
{
	t->n = proxies->n;
	for (size_t i = 0; i < t->n; i++)
		CHECK(address_network_parse(bytes_str(proxies->v[i]), &t->proxies[i]) == OK);
}

bool client_is_trusted(const struct client_trust *t, const struct client_address *a)
{
	for (size_t i = 0; i < t->n; i++)
		if (address_network_has(&t->proxies[i], a->v6, a->ip))
			return true;
	return false;
}

static bool take_ip(bool v6, const uint8_t *ip, struct client_address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct client_address a = { .v6 = v6 };
	if (v6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		a.v6 = false;
		memcpy(a.ip, ip + sizeof(mapped), 4);
	} else {
		memcpy(a.ip, ip, v6 ? 16 : 4);
	}
	*out = a;
	return true;
}

bool client_address_parse(struct bytes text, struct client_address *out)
{
	struct address_network n;
	struct address with_port;
	if (bytes_index(text, '/') < text.n)
		return false;
	if (address_network_parse(text, &n) == OK)
		return take_ip(n.v6, n.ip, out);
	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
		struct bytes inside = bytes_of(text.p + 1, text.n - 2);
		return address_network_parse(inside, &n) == OK && n.v6 && take_ip(true, n.ip, out);
	}
	return address_parse(text, &with_port) == OK && with_port.kind != ADDRESS_NAME &&
	       take_ip(with_port.kind == ADDRESS_IPV6, with_port.ip, out);
}

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The last entry of a list, taken from it. */
static struct bytes take_last(struct bytes *list)
{
	const uint8_t *comma = list->n == 0 ? NULL : memrchr(list->p, ',', list->n);
	struct bytes last = *list;
	if (comma == NULL) {
		*list = BYTES_NONE;
	} else {
		last = bytes_from(*list, (size_t)(comma - list->p) + 1);
		*list = bytes_head(*list, (size_t)(comma - list->p));
	}
	return trim(last);
}

void client_address_of(
    const struct http_request *r, const struct client_trust *t, struct client_address *out, bool *by_proxy)
{
	struct client_address a = { .v6 = false };
	(void)client_address_parse(bytes_str(r->peer_address), &a);
	*by_proxy = client_is_trusted(t, &a);
	bool believed = *by_proxy;
	/* Fields of one name are one list (RFC 9110, section 5.3). */
	for (size_t i = r->headers_n; believed && i-- > 0;) {
		struct bytes list = r->headers[i].value;
		if (!http_header_is(r->headers[i].name, "X-Forwarded-For"))
			continue;
		while (believed && list.n > 0)
			believed = client_address_parse(take_last(&list), &a) && client_is_trusted(t, &a);
	}
	*out = a;
}

void client_name(const struct client_address *a, uint8_t out[CLIENT_NAME_BYTES])
{
	out[0] = a->v6;
	memcpy(out + 1, a->ip, CLIENT_NAME_BYTES - 1);
}
