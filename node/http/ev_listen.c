#include "base/text.h"
#include "node/http/ev_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX_BYTES = 256 };

/* "host:port" or "[v6]:port" into its halves. */
static enum err split(const char *address, char host[HOST_MAX_BYTES], const char **port)
{
	const char *colon = strrchr(address, ':');
	uint64_t number;
	/* getaddrinfo would take 99999 modulo 65536. */
	if (colon == NULL || colon == address || text_u64(bytes_str(colon + 1), 65535, &number) != OK)
		return ERR_INVALID;
	size_t n = (size_t)(colon - address);
	if (address[0] == '[') {
		if (n < 3 || address[n - 1] != ']')
			return ERR_INVALID;
		address++;
		n -= 2;
	} else if (memchr(address, ':', n) != NULL) {
		return ERR_INVALID; /* an IPv6 address without brackets */
	}
	if (n >= HOST_MAX_BYTES)
		return ERR_INVALID;
	memcpy(host, address, n);
	host[n] = '\0';
	*port = colon + 1;
	return OK;
}

static enum err resolve(const char *address, struct sockaddr_storage *out, socklen_t *out_n)
{
	char host[HOST_MAX_BYTES];
	const char *port;
	enum err e = split(address, host, &port);
	if (e != OK)
		return e;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found;
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return ERR_INVALID;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*out_n = found->ai_addrlen;
	freeaddrinfo(found);
	return OK;
}

static enum err open_one(struct sockaddr_storage *at, socklen_t *n, bool reuse_port, int *out)
{
	int on = 1;
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_from_errno(errno);
	bool fine = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
	if (fine && reuse_port)
		fine = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
	if (fine && at->ss_family == AF_INET6)
		fine = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
	/* A further copy for port 0 is to stand at the port that the first one got. */
	fine = fine && bind(fd, (struct sockaddr *)at, *n) == 0 && listen(fd, SOMAXCONN) == 0 &&
	       getsockname(fd, (struct sockaddr *)at, n) == 0;
	if (!fine) {
		enum err e = err_from_errno(errno);
		close(fd);
		return e;
	}
	*out = fd;
	return OK;
}

enum err http_listen(const char *const *addresses, size_t n, unsigned copies, int *fds, const char **bad)
{
	size_t open_n = 0;
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage at;
		socklen_t at_n;
		enum err e = resolve(addresses[i], &at, &at_n);
		/* Sockets with SO_REUSEPORT would silently join those of another daemon of the same user and
		 * take half of its connections: one without finds out whether the port is free. */
		int probe;
		if (e == OK && copies > 1) {
			struct sockaddr_storage tried = at;
			e = open_one(&tried, &at_n, false, &probe);
			if (e == OK)
				close(probe);
		}
		for (unsigned k = 0; e == OK && k < copies; k++) {
			at_n = at.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
			e = open_one(&at, &at_n, copies > 1, &fds[open_n]);
			open_n += e == OK;
		}
		if (e == OK)
			continue;
		while (open_n > 0)
			close(fds[--open_n]);
		*bad = addresses[i];
		return e;
	}
	return OK;
}
