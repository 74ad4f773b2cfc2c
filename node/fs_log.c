#include "node/fs_log.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Written once by log_init, before threads; the level and the count at any time. */
static struct {
	char node[65];
	int fd;
	_Atomic int level;
	_Atomic uint64_t lost;
} logger = { .fd = STDERR_FILENO, .level = LOG_INFO };

void log_init(const char *node, enum log_level level, int fd)
{
	snprintf(logger.node, sizeof(logger.node), "%s", node);
	logger.fd = fd;
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&logger.level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

uint64_t log_lost(void)
{
	return atomic_load_explicit(&logger.lost, memory_order_relaxed);
}

static struct timespec now_of(clockid_t clock)
{
	struct timespec t;
	CHECK(clock_gettime(clock, &t) == 0);
	return t;
}

/* A pipe may take less than the whole when a signal comes; the rest follows then, so that the next line
 * starts on a line of its own. */
static void write_line(const char *line, size_t n)
{
	while (n > 0) {
		ssize_t w = write(logger.fd, line, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			atomic_fetch_add_explicit(&logger.lost, 1, memory_order_relaxed);
			return;
		}
		line += w;
		n -= (size_t)w;
	}
}

void log_event(enum log_level level, const char *module, const char *event, const char *msg,
    const struct log_field fields[])
{
	if (!log_enabled(level))
		return;
	int former_errno = errno;
	struct timespec now = now_of(CLOCK_REALTIME);
	struct log_record r = {
		.wall_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
		.level = level,
		.node = logger.node,
		.module = module,
		.event = event,
		.msg = msg,
		.fields = fields,
	};
	char line[LOG_LINE_MAX];
	write_line(line, log_line(&r, line));
	errno = former_errno;
}

bool log_allowed(struct log_limit *limit, enum log_level level, const char *module, const char *event)
{
	uint64_t second = (uint32_t)now_of(CLOCK_MONOTONIC).tv_sec;
	uint64_t state = atomic_load_explicit(&limit->state, memory_order_relaxed), next;
	do
		next = state >> 32 == second ? state + 1 : (second << 32) + 1;
	while (!atomic_compare_exchange_weak_explicit(
	    &limit->state, &state, next, memory_order_relaxed, memory_order_relaxed));
	uint64_t asked = (uint32_t)state;
	if (state >> 32 != second && asked > LOG_LIMIT)
		LOG_EVENT(level, module, "suppressed",
		    "lines of one event were left out, there were too many a second", LOG_STR("of", event),
		    LOG_U64("lines", asked - LOG_LIMIT));
	return (uint32_t)next <= LOG_LIMIT;
}
