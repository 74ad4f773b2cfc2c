/* What a store's HTTP answer says of an object: its status line and fields, and what they mean for a fill
 * (RFC 9110). Pure, without state beside the struct.
 *
 * The validator of an object is the store's strong ETag. Where there is none (a weak one, or one of more than
 * CACHE_VALIDATOR_MAX bytes) it is a hash of the ETag, Last-Modified and the length; a Last-Modified of less
 * than two seconds before Date is no evidence (section 8.8.2.2). With no evidence at all it is made of the
 * caller's nonce: then nothing is ever confirmed, only fetched anew.
 */
#ifndef NODE_ORIGIN_STORE_HEAD_H
#define NODE_ORIGIN_STORE_HEAD_H

#include "node/origin/source.h"

enum { STORE_HEAD_FIELD_MAX = 256, STORE_HEAD_NONCE_BYTES = 16 };

struct store_head {
	int status;    /* 0: no status line yet */
	bool complete; /* the empty line has come */
	bool has_length;
	uint64_t length; /* Content-Length */
	bool chunked;    /* some Transfer-Encoding */
	/* Content-Range, whole: the bytes from part_start on, part_length of them; and of the object. */
	bool has_part;
	uint64_t part_start, part_length, total;
	bool malformed; /* two lengths, or one that is none; a field that is too long */
	bool encoded;   /* a Content-Encoding: these are not the object's own bytes */
	bool located;   /* a Location */
	bool has_age_ms;
	uint64_t age_ms; /* Warmcast-Age-Ms, else Age; 0 = none */
	/* Of another node (node/delivery/ev_peer_fill.c): */
	bool missing;        /* the origin store has no such object */
	uint64_t missing_ms; /* for so long that is taken for true */
	bool grows;          /* its content grows: it may be there soon */
	bool filling;        /* the object's fill is under way */
	bool keyed;          /* S3: encrypted with a key of its own, the ETag is no checksum */
	char etag[STORE_HEAD_FIELD_MAX], last_modified[STORE_HEAD_FIELD_MAX], date[STORE_HEAD_FIELD_MAX];
};

/* One line, with or without its line end. A status line begins a new answer (a redirect, 100 Continue). */
void store_head_line(struct store_head *h, struct bytes line);

/* Whether the status is that of an answer, and not of one that libcurl passes over by itself. */
bool store_head_is_final(const struct store_head *h, bool follows);

/* OK for 200 with a head that can be believed; ERR_NOT_FOUND for 404 and 410; ERR_DENIED for any other 4xx
 * but 408, 425 and 429; ERR_TIMEOUT for 408 and 504; ERR_IO for those and 5xx: the store fails. Else
 * ERR_CORRUPT: it answers something that no object is (other 2xx, 3xx; Content-Encoding; malformed). */
MUST_USE enum err store_head_judge(const struct store_head *h);
/* The same of a request for `length` bytes from `start` on: also OK for 206 with exactly those, or what there
 * is of them; ERR_INVALID for 416. */
MUST_USE enum err store_head_judge_part(const struct store_head *h, uint64_t start, uint64_t length);
/* Says in words what is wrong with it. */
void store_head_fault(const struct store_head *h, char *out, size_t room);

/* `length` is the object's, which the head may not tell (of 206 it does); `nonce` has STORE_HEAD_NONCE_BYTES.
 */
struct origin_info store_head_info(const struct store_head *h, uint64_t length, const uint8_t *nonce);

#endif
