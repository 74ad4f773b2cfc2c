#include "rpc/address.h"

#include "base/text.h"
#include "rpc/msg.h"

static bool is_one_of(uint8_t c, const char *more)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != 0 && strchr(more, c) != NULL;
}

static bool is_host(struct bytes h)
{
	const char *more = "-._";
	if (h.n >= 4 && h.p[0] == '[' && h.p[h.n - 1] == ']') {
		h = bytes_of(h.p + 1, h.n - 2);
		more = ":.%";
	}
	for (size_t i = 0; i < h.n; i++) {
		if (!is_one_of(h.p[i], more))
			return false;
	}
	return h.n > 0;
}

enum err address_split(struct bytes address, struct bytes *host, unsigned *port)
{
	if (address.n > RPC_ADDRESS_MAX)
		return ERR_TOO_BIG;
	size_t colon = address.n;
	while (colon > 0 && address.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return ERR_INVALID;
	uint64_t number;
	enum err e = text_u64(bytes_from(address, colon), 65535, &number);
	if (e != OK)
		return e;
	struct bytes h = bytes_head(address, colon - 1);
	if (!is_host(h))
		return ERR_INVALID;
	*host = h;
	*port = (unsigned)number;
	return OK;
}
