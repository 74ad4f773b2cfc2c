/* What a connection still has to send: a head, bytes, slices of files and of growing files, and how
 * they go to a socket. The one place that calls send and sendfile; TLS and HTTP/2 take its place.
 *
 * Threading: a worker's. Ownership: copies what http_respond promises to copy, holds references on
 * growing files, calls `done` exactly once.
 */
#ifndef NODE_HTTP_EV_SEND_H
#define NODE_HTTP_EV_SEND_H

#include "node/http/fs_warmth.h"
#include "node/http/growing.h"
#include "node/http/http.h"
#include "node/http/response.h"

enum { OUTGOING_COPY_MAX_BYTES = 64 << 20 };

enum piece_kind { PIECE_COPY, PIECE_BYTES, PIECE_FILE, PIECE_GROWING, PIECE_MORE };

struct piece {
	enum piece_kind kind;
	const uint8_t *p; /* of PIECE_BYTES */
	int fd;
	uint64_t file; /* as of the part */
	struct growing *growing;
	uint64_t offset; /* in `copy`, the bytes or the file */
	uint64_t left;
};

struct outgoing {
	struct buf copy; /* the head, and bytes that are not stable */
	struct piece pieces[1 + HTTP_PARTS_MAX];
	unsigned pieces_n;
	unsigned at;
	uint64_t head_bytes;
	uint64_t sent_bytes;
	/* Of PIECE_MORE: `asked` until the handler has given; `refused` when it has nothing. */
	void (*more)(void *arg);
	void *more_arg;
	bool asked, refused;
	const struct warmth_ops *warmth;
	struct warm_known *known;
	/* Of the present piece: up to where its file was fetched, and whether nothing was sent since. */
	uint64_t fetched_until;
	bool just_fetched;
	void (*done)(void *arg, const struct http_end *end);
	void *done_arg;
};

enum send_result {
	SEND_ALL,    /* every byte is with the kernel */
	SEND_AGAIN,  /* the socket is full */
	SEND_BUDGET, /* the others' turn */
	SEND_WAIT,   /* caught up with a growing file: outgoing_growing says which */
	SEND_ASKED,  /* the handler has the next piece to give: outgoing_give */
	SEND_COLD,   /* the next bytes are on a disk only: outgoing_cold says which */
	SEND_FAILED, /* the fill failed, a file is shorter than promised, or the peer is gone */
};

/* `known` is the worker's, or NULL. */
void outgoing_init(struct outgoing *o, const struct warmth_ops *warmth, struct warm_known *known);
/* Ends what is under way and frees all. */
void outgoing_fini(struct outgoing *o);
/* Copies and refers; nothing is sent. ERR_NO_MEMORY or ERR_TOO_BIG: call outgoing_end all the same. */
MUST_USE enum err outgoing_start(
    struct outgoing *o, const struct http_response *r, const struct http_head_options *options);
/* Sends at most `budget` bytes and takes what it sent off *budget. Never waits for a disk. */
enum send_result outgoing_send(struct outgoing *o, int socket, uint64_t *budget);
/* The piece that was asked for; NULL: none, the next send fails. */
void outgoing_give(struct outgoing *o, const struct http_part *part);
/* The growing file that SEND_WAIT speaks of, and how far it was read. */
struct growing *outgoing_growing(const struct outgoing *o, uint64_t *seen);
/* What SEND_COLD speaks of: bytes of a file, to be fetched aside. The descriptor is the outgoing's. */
struct cold_part {
	int fd;
	uint64_t offset, length;
};
struct cold_part outgoing_cold(const struct outgoing *o);
/* Up to there the file was fetched, or cannot be: the next send does not ask again. */
void outgoing_fetched(struct outgoing *o, uint64_t until);
/* The response is over: calls done(), drops references, keeps the buffer for the next one. */
void outgoing_end(struct outgoing *o);

#endif
