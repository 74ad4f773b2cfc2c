/* A lane: one multi handle with its connections and one easy handle, pumped by the thread that borrowed it.
 * Private to curl_fetch.c. */
#ifndef NODE_ORIGIN_CURL_LANE_H
#define NODE_ORIGIN_CURL_LANE_H

#include "node/origin/curl_fetch.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define LANE_MAGIC 0x6c616e65u

struct lane {
	unsigned magic;
	LIST_ENTRY(lane) link; /* the pool's: idle or at work */
	const struct fetch_limits *limits;
	const atomic_bool *stopping;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *fields;
	/* Of the present transfer. */
	struct store_head head;
	uint32_t head_ms;
	bool follows, head_over, head_only, begun, paused, over; /* begun: a byte of the body has come */
	bool asks_part;
	CURLcode result;             /* once over */
	char error[CURL_ERROR_SIZE]; /* libcurl's words */
	uint8_t *to;                 /* the reader's */
	size_t room;
	size_t got;
	uint8_t rest[CURL_MAX_WRITE_SIZE]; /* of a callback that brought more than there was room for */
	size_t rest_at, rest_n;
	uint8_t refusal[FETCH_BODY_MAX];
	size_t refusal_n, dropped;
	uint64_t waited_ms, waited_bytes;
};

/* NULL: libcurl has no memory. */
struct lane *lane_new(const struct fetch_limits *l, const atomic_bool *stopping);
void lane_free(struct lane *l);
/* Ends a wait of the lane, from any thread. */
void lane_wake(struct lane *l);

/* Starts the request and returns when the head is there, and of a refusal the body too. Whatever comes back,
 * lane_end ends the transfer. */
MUST_USE enum err lane_start(struct lane *l, const struct fetch_request *r);
/* Up to room bytes, at least one but at the end. */
MUST_USE enum err lane_read(struct lane *l, uint8_t *to, size_t room, size_t *n);
/* Until the transfer is over, of whose body nothing more is wanted. */
MUST_USE enum err lane_finish(struct lane *l);
void lane_end(struct lane *l);
/* Whether the body is the object's, or the part of it that was asked for; else it says why not. */
bool lane_brings_object(const struct lane *l);
/* In words: what lane_start and the others failed of. */
void lane_fault(const struct lane *l, enum err e, char *out, size_t room);
/* Whether the end of the body is told by the protocol, length or not. */
bool lane_tells_end(const struct lane *l);

#endif
