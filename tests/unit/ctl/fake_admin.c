#include "fake_admin.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int bind_any(char address[32], bool listens)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0);
	CHECK(!listens || listen(fd, 16) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	snprintf(address, 32, "127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

void fake_admin_nobody(char address[32])
{
	close(bind_any(address, false));
}

/* Reads a head, up to the empty line. */
static size_t read_head(int fd, char *head, size_t max)
{
	size_t n = 0;
	while (n < max) {
		ssize_t got = recv(fd, head + n, max - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (memmem(head, n, "\r\n\r\n", 4) != NULL)
			break;
	}
	return n;
}

/* What it says, and what else when a request's head has `but` in it. */
struct answers {
	struct bytes answer, other;
	const char *but; /* NULL: always the same */
};

static void serve_one(int fd, const struct answers *answers, enum fake_end end, int seen)
{
	char head[8192];
	size_t n = read_head(fd, head, sizeof(head));
	const char *but = answers->but;
	struct bytes answer =
	    but != NULL && memmem(head, n, but, strlen(but)) != NULL ? answers->other : answers->answer;
	CHECK(write(seen, head, n) == (ssize_t)n);
	ssize_t sent;
	do {
		sent = answer.n == 0 ? 0 : send(fd, answer.p, answer.n, MSG_NOSIGNAL);
	} while (end == FAKE_REPEATS && sent > 0);
	if (end == FAKE_HANGS)
		while (recv(fd, head, sizeof(head), 0) > 0)
			;
	if (end == FAKE_RESETS) {
		struct linger now = { .l_onoff = 1 };
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	close(fd);
}

static void start(struct fake_admin *f, const struct answers *answers, enum fake_end end)
{
	int seen[2];
	int listener = bind_any(f->address, true);
	CHECK(pipe(seen) == 0);
	f->pid = fork();
	CHECK(f->pid >= 0);
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(seen[0]);
		for (;;) {
			int fd = accept(listener, NULL, NULL);
			if (fd >= 0)
				serve_one(fd, answers, end, seen[1]);
		}
	}
	close(listener);
	close(seen[1]);
	f->seen = seen[0];
}

void fake_admin_start(struct fake_admin *f, struct bytes answer, enum fake_end end)
{
	struct answers answers = { .answer = answer };
	start(f, &answers, end);
}

void fake_admin_start_but(struct fake_admin *f, struct bytes answer, const char *but, struct bytes other)
{
	struct answers answers = { answer, other, but };
	start(f, &answers, FAKE_CLOSES);
}

void fake_admin_stop(struct fake_admin *f)
{
	CHECK(kill(f->pid, SIGKILL) == 0);
	CHECK(waitpid(f->pid, NULL, 0) == f->pid);
	close(f->seen);
}

void fake_admin_seen(struct fake_admin *f, char *out, size_t n)
{
	ssize_t got = read(f->seen, out, n - 1);
	CHECK(got >= 0);
	out[got] = '\0';
}
