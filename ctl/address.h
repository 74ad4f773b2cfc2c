/* "HOST:PORT" and "[V6]:PORT" taken apart. */
#ifndef CTL_ADDRESS_H
#define CTL_ADDRESS_H

#include "base/err.h"

enum { ADDRESS_HOST_MAX = 256, ADDRESS_PORT_MAX = 6 };

struct address {
	char host[ADDRESS_HOST_MAX]; /* without brackets */
	char port[ADDRESS_PORT_MAX]; /* decimal, 1-65535 */
};

MUST_USE enum err address_parse(const char *text, struct address *out);

#endif
