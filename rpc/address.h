/* "host:port" of a link: a name, an IPv4 address, or an IPv6 address in brackets. Pure. */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "base/bytes.h"

/* Whether it can be dialled, or listened on; port 0 is for listening only (any free port). Slices point
 * into `address`; the host keeps its brackets. ERR_INVALID, or ERR_TOO_BIG past RPC_ADDRESS_MAX. */
MUST_USE enum err address_split(struct bytes address, struct bytes *host, unsigned *port);

#endif
