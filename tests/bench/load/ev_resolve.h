/* HOST or HOST:PORT to a socket address; the call waits for the name service. */
#ifndef BENCH_LOAD_EV_RESOLVE_H
#define BENCH_LOAD_EV_RESOLVE_H

#include "base/bytes.h"

#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage address;
	socklen_t n;
};

/* Port 80 where none is named. ERR_INVALID; ERR_NOT_FOUND: no such name. */
MUST_USE enum err resolve(struct bytes authority, struct endpoint *out);

#endif
