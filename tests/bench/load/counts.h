/* What a run counted, and how it is told. Pure. */
#ifndef BENCH_LOAD_COUNTS_H
#define BENCH_LOAD_COUNTS_H

#include "tests/bench/load/latency.h"

#include "base/bytes.h"

/* what was done, as reports name it */
#define LOAD_STEP_TABLE(X)         \
	X(STEP_CREATE, "create")       \
	X(STEP_PLAYLIST, "playlist")   \
	X(STEP_SEGMENT, "segment")     \
	X(STEP_HEARTBEAT, "heartbeat") \
	X(STEP_DELETE, "delete")

/* how it can fail, beside a status that is none of success */
#define LOAD_FAILURE_TABLE(X)                      \
	X(FAIL_NONE, "none")                           \
	X(FAIL_STATUS, "status")                       \
	X(FAIL_UNRESOLVED, "name not resolved")        \
	X(FAIL_REFUSED, "connection refused")          \
	X(FAIL_CLOSED, "connection closed")            \
	X(FAIL_TIMEOUT, "timed out")                   \
	X(FAIL_MALFORMED, "malformed answer")          \
	X(FAIL_TOO_BIG, "answer too big")              \
	X(FAIL_REDIRECTS, "redirected more than once") \
	X(FAIL_NO_SOCKET, "no socket left")            \
	X(FAIL_SERVERS, "too many different servers")  \
	X(FAIL_VIEWERS, "too many viewers at once")

#define X(name, text) name,
enum load_step { LOAD_STEP_TABLE(X) LOAD_STEPS };
enum load_failure { LOAD_FAILURE_TABLE(X) LOAD_FAILURES };
#undef X

enum load_outcome { OUTCOME_WARM, OUTCOME_SPILL, OUTCOME_COLD, OUTCOME_OTHER, LOAD_OUTCOMES };

enum {
	COUNTS_STATUSES = 600,
	COUNTS_NODES = 256, /* of further ones the sessions are counted together */
	COUNTS_APIS = 32,
	COUNTS_NAME_MAX = 64,
};

struct node_count {
	char name[COUNTS_NAME_MAX];
	uint64_t created;
};

struct api_count {
	char address[COUNTS_NAME_MAX];
	uint64_t asked, created, failed;
};

struct counts {
	uint64_t elapsed_ns, opening_ns; /* the whole run; the part in which viewers came */
	uint64_t scheduled, created, failed, refused, outcomes[LOAD_OUTCOMES];
	uint64_t playlists, segments, late_segments, bytes, redirects, moves, heartbeats, deleted;
	uint64_t ended, gave_up, cut_off, at_once, most_at_once;
	uint64_t asked_again; /* requests lost with a kept connection */
	/* Creation is counted from when the viewer came, segments from when they were to be asked for: waiting
	 * for a connection is part of both. `lag`: how much later than scheduled this program acted itself. */
	struct latency creation, first_byte, lag;
	uint64_t failures[LOAD_STEPS][LOAD_FAILURES];
	uint64_t statuses[LOAD_STEPS][COUNTS_STATUSES];
	struct node_count nodes[COUNTS_NODES + 1];
	size_t nodes_n;
	struct api_count apis[COUNTS_APIS];
	size_t apis_n;
};

/* `status`: with FAIL_STATUS only. */
void counts_fail(struct counts *c, enum load_step step, enum load_failure f, unsigned status);
/* One more session on that node. */
void counts_node(struct counts *c, struct bytes name);
enum load_outcome load_outcome_of(struct bytes name);

#endif
