/* Preloaded into a node that is to be a bad build (scripts/lib/warmpackages.py), so that the product needs no
 * faults of its own:
 *
 *     FAULTY=crash:SECONDS    it ends by a signal so long after its start
 *     FAULTY=refuse:PERCENT   of its viewers' requests get 500, as the node itself counts them too
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SHOWN __attribute__((visibility("default")))

static unsigned long refuse_percent;
static _Atomic unsigned long seen;

static void *crash(void *seconds)
{
	(void)poll(NULL, 0, (int)(*(unsigned long *)seconds * 1000));
	abort();
}

__attribute__((constructor)) static void begin(void)
{
	static unsigned long seconds;
	pthread_t thread;
	const char *fault = getenv("FAULTY");
	if (fault == NULL)
		return;
	if (strncmp(fault, "refuse:", 7) == 0)
		refuse_percent = strtoul(fault + 7, NULL, 10);
	if (strncmp(fault, "crash:", 6) != 0)
		return;
	seconds = strtoul(fault + 6, NULL, 10);
	if (pthread_create(&thread, NULL, crash, &seconds) != 0)
		abort();
}

static void *next_of(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		abort();
	return f;
}

/* A request of a viewer, from its first byte. */
static bool is_viewers(const char *p, size_t n)
{
	return (n > 7 && memcmp(p, "GET /p/", 7) == 0) || (n > 12 && memcmp(p, "POST /v1/ses", 12) == 0);
}

static ssize_t spoil(char *p, ssize_t n)
{
	if (refuse_percent == 0 || n <= 0 || !is_viewers(p, (size_t)n) ||
	    ++seen * refuse_percent % 100 >= refuse_percent)
		return n;
	char *version = memmem(p, (size_t)n, " HTTP/1.1\r\n", 11);
	if (version != NULL)
		version[6] = '3'; /* which the node refuses with 505 */
	return n;
}

static ssize_t take(int fd, void *p, size_t n, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);
	if (real == NULL)
		*(void **)&real = next_of("recv");
	ssize_t got = real(fd, p, n, flags);
	return (flags & MSG_PEEK) != 0 ? got : spoil(p, got);
}

SHOWN ssize_t recv(int fd, void *p, size_t n, int flags);
SHOWN ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return take(fd, p, n, flags);
}

SHOWN ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);
SHOWN ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
	return n > room ? -1 : take(fd, p, n, flags);
}
