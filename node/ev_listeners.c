#include "node/ev_listeners.h"

#include "node/fs_log.h"
#include "node/http/ev_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* The name of each that nobody else holds. */
#define OWN_NAME "warmcast-own"

enum err listen_failed(const char *setting, const char *address, enum err e)
{
	LOG_EVENT(LOG_ERROR, "http", "listen-failed",
	    e == ERR_BUSY ? "the address is in use by another process" : "the address cannot be listened on",
	    LOG_STR("setting", setting), LOG_STR("address", address), LOG_STR("error", err_str(e)));
	return e;
}

static void free_names(char **names)
{
	for (char **name = names; name != NULL && *name != NULL; name++)
		free(*name);
	free(names);
}

enum err listeners_inherit(struct listeners *l)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	if (n < 0 || n > LISTENERS_MAX) {
		free_names(names);
		LOG_EVENT(LOG_ERROR, "http", "inherit-failed", "the listening sockets passed on cannot be taken",
		    LOG_STR("error", n < 0 ? strerror(-n) : "too many"), LOG_U64("most", LISTENERS_MAX));
		return ERR_INVALID;
	}
	*l = (struct listeners){ .n = (size_t)n };
	for (int i = 0; i < n; i++) {
		l->fds[i] = SD_LISTEN_FDS_START + i;
		l->held = l->held || strcmp(names[i], OWN_NAME) != 0;
	}
	free_names(names);
	l->stay = l->held;
	if (n > 0)
		LOG_EVENT(LOG_INFO, "http", "inherited",
		    "listening sockets were passed on; listen.http is not opened", LOG_U64("sockets", l->n));
	return OK;
}

enum err listeners_open(struct listeners *l, const struct config *c, unsigned workers)
{
	if (l->n > 0)
		return OK;
	unsigned copies = workers;
	if (copies * c->listen_http.n > LISTENERS_MAX)
		copies = 1;
	const char *bad = "";
	enum err e = http_listen(c->listen_http.v, c->listen_http.n, copies, l->fds, &bad);
	if (e != OK)
		return listen_failed("listen.http", bad, e);
	l->n = copies * c->listen_http.n;
	return OK;
}

void listeners_after_node(struct listeners *l)
{
	if (!l->stay)
		l->n = 0;
}

static enum err say_where(const struct listeners *l)
{
	char pid[24], n[24];
	struct buf names;
	buf_init(&names, LISTENERS_MAX * sizeof(OWN_NAME) + 1);
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			buf_put(&names, ":", 1);
		buf_put(&names, OWN_NAME, sizeof(OWN_NAME) - 1);
	}
	buf_put(&names, "", 1);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	snprintf(n, sizeof(n), "%zu", l->n);
	bool said = buf_err(&names) == OK && setenv("LISTEN_PID", pid, 1) == 0 &&
	            setenv("LISTEN_FDS", n, 1) == 0 &&
	            (l->held || setenv("LISTEN_FDNAMES", (const char *)names.p, 1) == 0);
	buf_fini(&names);
	return said ? OK : ERR_NO_MEMORY;
}

enum err listeners_pass_on(struct listeners *l)
{
	/* Out of the way first: one may stand where another is to be. */
	for (size_t i = 0; i < l->n; i++) {
		int fd = fcntl(l->fds[i], F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + (int)l->n);
		if (fd < 0)
			return err_from_errno(errno);
		l->fds[i] = fd;
	}
	for (size_t i = 0; i < l->n; i++)
		if (dup2(l->fds[i], SD_LISTEN_FDS_START + (int)i) < 0)
			return err_from_errno(errno);
	return say_where(l);
}
