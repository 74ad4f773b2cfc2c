/* One object over HTTP, pulled: a request, its head, then bytes as they are asked for.
 *
 * Connections outlive fetches. A pool has *lanes*: a multi handle with the connections it has opened, and one
 * easy handle. A fetch borrows the lane that was used last, or makes one; so there are as many lanes as
 * fetches ran at once, each with at most a few connections, and nothing that libcurl keeps is shared by
 * threads. HTTP/2 is spoken where TLS offers it. A fetch that ends before its answer does costs the
 * connection; so does an answer that is longer than it said, and perhaps the next fetch there (ERR_CORRUPT).
 *
 * Memory: a fetch that is not read holds one buffer of libcurl's (64 KiB) and one callback's rest (16 KiB);
 * an answer without a length is kept whole, at most FETCH_WHOLE_MAX bytes of it.
 *
 * Waits are bounded: connect_ms for a connection, and stall_ms of waiting in which fewer than slow_bytes
 * come, before the head or behind it, are ERR_TIMEOUT. Time between two reads does not count: a slow disk is
 * not the store's fault.
 *
 * Redirects are followed within http and https, as many as the request allows. TLS certificates are
 * checked, against the system's CAs or those of ca_file. Proxies of the environment are not used.
 *
 * Threading: fetch_pool_* and fetch_open from any thread; a fetch by one thread at a time. fetch_pool_stop
 * makes what waits come back with ERR_CLOSED.
 */
#ifndef NODE_ORIGIN_CURL_FETCH_H
#define NODE_ORIGIN_CURL_FETCH_H

#include "node/origin/store_head.h"

enum {
	FETCH_WHOLE_MAX = 8 << 20, /* bytes of an answer without a length */
	FETCH_FAULT_MAX = 256,     /* characters */
	FETCH_BODY_MAX = 1024,     /* bytes that are kept of a refusal's body */
};

/* Once, before any thread starts; and after the last has ended. */
MUST_USE enum err fetch_init(void);
void fetch_exit(void);

struct fetch_limits {
	uint32_t connect_ms;    /* 0 = 3000 */
	uint32_t stall_ms;      /* 0 = 10000 */
	uint32_t slow_bytes;    /* 0 = 4 KiB a second */
	uint32_t first_byte_ms; /* of waiting for the first of a body, with connecting; 0 = stall_ms */
	bool head_is_first;     /* the head ends that wait: behind it stall_ms counts */
};

struct fetch_pool;
struct fetch_pool *fetch_pool_new(const struct fetch_limits *l);
/* No fetch may be left. */
void fetch_pool_free(struct fetch_pool *p);
void fetch_pool_stop(struct fetch_pool *p);

/* Borrowed until fetch_open returns. */
struct fetch_request {
	const char *url;
	bool head_only;
	uint32_t
	    head_ms; /* of waiting for the head, when it is less than the pool's first_byte_ms; 0 = as that */
	unsigned redirects_max;
	const char *const *fields; /* "Name: value", NULL ended; NULL = none. They go along with redirects */
	const char *ca_file;       /* NULL or "": the system's */
	/* Not 0: only as many bytes from part_start on, which a store may answer with 206 or, of the whole, 200.
	 */
	uint64_t part_start, part_length;
	/* Signed by AWS Signature Version 4 when `sigv4` ("aws:amz:REGION:s3") is not NULL. */
	const char *sigv4, *user, *password;
};

struct fetch;

/* What came of a request, whatever it is: also where it is refused. */
struct fetch_answer {
	struct store_head head;
	char fault[FETCH_FAULT_MAX];  /* in words, of a failure */
	uint8_t body[FETCH_BODY_MAX]; /* of a status that is not 200: how it begins */
	size_t body_n;
};

/* Returns when the head is known. OK: *out reads the body, and `a` is filled. Failures of
 * store_head_judge_part, and those of the network: ERR_IO, ERR_TIMEOUT, ERR_CLOSED (the pool stops); ERR_FULL
 * (descriptors), ERR_CORRUPT (nonsense, or a redirect too many). An answer that does not say where it ends
 * (HTTP/1.0 without a length), or is longer than FETCH_WHOLE_MAX and did not say how long, is ERR_CORRUPT.
 * `a` is always filled. */
MUST_USE enum err fetch_open(
    struct fetch_pool *p, const struct fetch_request *r, struct fetch **out, struct fetch_answer *a);
/* Bytes of the whole body: of 206, of the part. */
uint64_t fetch_length(const struct fetch *f);
/* Of an answer that did not tell its length, and so was read whole: its bytes. Else none. */
struct bytes fetch_whole(const struct fetch *f);
/* Up to `room` bytes; *n 0 at the end. ERR_CORRUPT: it ended early. */
MUST_USE enum err fetch_read(struct fetch *f, uint8_t *to, size_t room, size_t *n);
/* Whether as many bytes were read as were announced, and no more came; lets the connection be used again. */
MUST_USE enum err fetch_check(struct fetch *f);
/* What went wrong last, in words; "" when nothing did. */
const char *fetch_fault(const struct fetch *f);
void fetch_close(struct fetch *f);

#endif
