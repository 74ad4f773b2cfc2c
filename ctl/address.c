#include "ctl/address.h"

#include "base/text.h"

#include <string.h>

enum err address_parse(const char *text, struct address *out)
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL)
		return ERR_INVALID;
	struct bytes host = bytes_of(text, (size_t)(colon - text)), port = bytes_str(colon + 1);
	uint64_t number;
	if (text_u64(port, 65535, &number) != OK || number == 0)
		return ERR_INVALID;
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = bytes_of(host.p + 1, host.n - 2);
	else if (bytes_index(host, ':') < host.n)
		return ERR_INVALID; /* IPv6 without brackets: which colon is the port's? */
	if (host.n == 0 || host.n >= sizeof(out->host))
		return ERR_INVALID;
	*out = (struct address){ 0 };
	memcpy(out->host, host.p, host.n);
	memcpy(out->port, port.p, port.n);
	return OK;
}
