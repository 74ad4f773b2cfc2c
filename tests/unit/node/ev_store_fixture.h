/* The store thread over a store that records what it is told and fails on demand. */
#ifndef TESTS_UNIT_NODE_EV_STORE_FIXTURE_H
#define TESTS_UNIT_NODE_EV_STORE_FIXTURE_H

#include "base/obj.h"
#include "node/ev_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_S = 20, OPS_MAX = 256, TEXT_MAX = 64, READER_STAYS_MS = 5 };

/* The fake store: what was committed, in order. */
struct kvs_store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool gate_closed;                        /* begin waits while it is */
	bool waiting;                            /* begin does wait */
	int fail_begin, fail_apply, fail_commit; /* the next so many fail */
	bool open;
	char pending[OPS_MAX][TEXT_MAX], committed[OPS_MAX][TEXT_MAX];
	size_t pending_n, committed_n;
	unsigned begins, commits, aborts;
	struct kvs_store_gauges gauges;
};

struct fixture {
	struct ev_loop *loop;
	struct mailbox mailbox;
	ev_timer deadline;
	struct kvs_store kvs;
	struct store *store;
	char told[512]; /* "stored 3; failed; reader stays; " */
	uint64_t stored;
	unsigned failed, reader_stays;
};

void lock(struct kvs_store *s);
void unlock(struct kvs_store *s);
int setup(void **state);
int teardown(void **state);
void close_gate(struct fixture *f);
/* The thread stands at the gate with what it took. */
void wait_at_gate(struct fixture *f);
void open_gate(struct fixture *f);
void submit_as(struct fixture *f, uint64_t seq, const char *key, const char *value, bool own);
void submit(struct fixture *f, uint64_t seq, const char *key, const char *value);
void run_until_stored(struct fixture *f, uint64_t seq);
/* Waits for the thread without running control's loop. */
void wait_for(struct fixture *f, uint64_t commits, uint64_t failures);
void assert_committed(struct fixture *f, size_t n, const char *const *expected);
uint64_t now_ms(void);

#endif
