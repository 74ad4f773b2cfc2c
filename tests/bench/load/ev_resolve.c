#include "tests/bench/load/ev_resolve.h"

#include "base/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255 };

enum err resolve(struct bytes authority, struct endpoint *out)
{
	char text[NAME_MAX_BYTES + 8], host[NAME_MAX_BYTES + 1], port[8];
	struct address a;
	if (authority.n > NAME_MAX_BYTES)
		return ERR_INVALID;
	enum err e = address_parse(authority, &a);
	if (e != OK) {
		int n = snprintf(text, sizeof(text), "%.*s:80", (int)authority.n, (const char *)authority.p);
		e = address_parse(bytes_of(text, (size_t)n), &a);
	}
	if (e != OK || a.host.n > NAME_MAX_BYTES || a.port == 0)
		return ERR_INVALID;
	(void)snprintf(host, sizeof(host), "%.*s", (int)a.host.n, (const char *)a.host.p);
	(void)snprintf(port, sizeof(port), "%u", a.port);
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	if (getaddrinfo(host, port, &hints, &found) != 0 || found == NULL)
		return ERR_NOT_FOUND;
	struct endpoint p = { .n = found->ai_addrlen };
	memcpy(&p.address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	*out = p;
	return OK;
}
