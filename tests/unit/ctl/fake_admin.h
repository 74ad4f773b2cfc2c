/* A process that stands in for a node's admin listener: it answers every connection with the same bytes. */
#ifndef TESTS_UNIT_CTL_FAKE_ADMIN_H
#define TESTS_UNIT_CTL_FAKE_ADMIN_H

#include "base/bytes.h"

#include <stdbool.h>
#include <sys/types.h>

struct fake_admin {
	pid_t pid;
	char address[32]; /* HOST:PORT of 127.0.0.1 */
	int seen;         /* the first bytes of each request can be read here */
};

enum fake_end {
	FAKE_CLOSES,  /* after the last byte */
	FAKE_RESETS,  /* instead of closing */
	FAKE_HANGS,   /* says no more and stays */
	FAKE_REPEATS, /* says the same again and again */
};

/* Listens on a port of the kernel's choice and forks. */
void fake_admin_start(struct fake_admin *f, struct bytes answer, enum fake_end end);
/* The same, but `other` to requests whose head has `but` in it. */
void fake_admin_start_but(struct fake_admin *f, struct bytes answer, const char *but, struct bytes other);
void fake_admin_stop(struct fake_admin *f);
/* The head of the next request that it saw, at most n - 1 bytes, as text. */
void fake_admin_seen(struct fake_admin *f, char *out, size_t n);
/* The address of a port on which nobody listens. */
void fake_admin_nobody(char address[32]);

#endif
